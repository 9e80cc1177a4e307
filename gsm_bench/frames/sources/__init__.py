"""Where decoded frames come from: folders of pictures, videos, HDF5 files and archives."""

from gsm_bench.frames.sources.open import open_source
from gsm_bench.frames.sources.readers import FrameSource

__all__ = ["FrameSource", "open_source"]
