"""Where decoded frames come from."""

from gsm_bench.frames.sources.folder import FolderSource, FrameSource

__all__ = ["FolderSource", "FrameSource"]
