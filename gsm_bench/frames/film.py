"""Write pictures as a video file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import ExportError
from gsm_bench.files import new_file
from gsm_bench.settings import FilmFormat

SUFFIXES = tuple(f".{form}" for form in get_args(FilmFormat))
CODECS = {".webm": "libvpx-vp9"}
"""Codec by suffix; H.264 for the others."""
OPTIONS = {"libx264": {"x264-params": "mbtree=0"}}
"""By codec: the AVX-512 code of x264's macroblock tree reads beyond its own memory, so that bytes differ from run to run."""


def write_film(path: Path, pictures: Iterable[NDArray[np.uint8]], rate: int, *, force: bool = False) -> None:
    """Write pictures uint8 RGB [h, w, 3] of one even size at `rate` per second; the same bytes on every run.

    Raises:
        ExportError: another suffix than those of `SUFFIXES`, or the file exists, unless `force`.
    """
    import av

    if path.suffix.lower() not in SUFFIXES:
        raise ExportError(f"{path} is no video file", fix=f"a name that ends in {', '.join(SUFFIXES)}")
    exists = ExportError("this file exists already", where=path, fix="--force to replace it, or another --video")
    form = {".mkv": "matroska"}.get(path.suffix.lower(), path.suffix.lower()[1:])
    with (
        new_file(path, force=force, exists=exists) as written,
        av.open(str(written), "w", format=form, container_options={"fflags": "+bitexact"}) as container,
    ):
        stream: Any = None
        for picture in pictures:
            if stream is None:
                codec = CODECS.get(path.suffix.lower(), "libx264")
                stream = container.add_stream(codec, rate=rate, options=OPTIONS.get(codec, {}))
                stream.height, stream.width, stream.pix_fmt = *picture.shape[:2], "yuv420p"
                stream.codec_context.thread_count = 1
                stream.codec_context.flags |= av.codec.context.Flags.bitexact
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        if stream is not None:
            container.mux(stream.encode())
