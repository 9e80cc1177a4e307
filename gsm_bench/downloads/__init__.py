"""Files from the net: resumed where they were cut off, compared with their sha256, and put in place whole."""

from gsm_bench.downloads.fetch import Fetched, fetch

__all__ = ["Fetched", "fetch"]
