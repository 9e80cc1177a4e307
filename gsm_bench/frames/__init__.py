"""Frames in: sampling, reading, preprocessing. Preprocessing needs torch and Pillow, and is imported on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gsm_bench.sampling import sample_indices

if TYPE_CHECKING:
    from gsm_bench.frames.transform import preprocess

__all__ = ["preprocess", "sample_indices"]


def __getattr__(name: str) -> Any:
    if name == "preprocess":
        from gsm_bench.frames.transform import preprocess

        return preprocess
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
