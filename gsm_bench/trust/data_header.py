"""What the header of a video file declares."""

from __future__ import annotations

from typing import NamedTuple

from gsm_bench.frames.sources.readers import FrameReader, ImageSequenceReader


class VideoHeader(NamedTuple):
    """Frames and frames per second that a video file declares; 0 where it does not, and for pictures."""

    frames: int = 0
    rate: float = 0.0


def header_of(reader: FrameReader) -> VideoHeader:
    """The header of a video file; zeros for other forms, and for a file that cannot be opened."""
    path = getattr(reader, "path", None)
    if isinstance(reader, ImageSequenceReader) or path is None:  # FFmpeg would open a URL by itself
        return VideoHeader()
    import av

    try:
        with av.open(str(path), metadata_errors="replace") as container:
            if not container.streams.video:
                return VideoHeader()
            stream = container.streams.video[0]
            rate = stream.guessed_rate or stream.average_rate or 0
            return VideoHeader(stream.frames, round(float(rate), 3))
    except (av.FFmpegError, ValueError, OSError, ZeroDivisionError):
        return VideoHeader()
