"""Where decoded frames come from: folders of pictures, videos, HDF5 files and archives."""

from gsm_bench.frames.sources.opening import open_source
from gsm_bench.frames.sources.reels import FrameSource

__all__ = ["FrameSource", "open_source"]
