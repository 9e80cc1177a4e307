"""Errors that FFmpeg only logs: a decoder that meets damaged data makes up the pixels and goes on.

Messages of the decoder at level ERROR count, of the very call that decoded a packet. Messages on metadata do not. Formats without
checksums hide most changed bits from any decoder; docs/scoring.md names them.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence

import av.logging

LOGGER = "libav"
"""Where PyAV passes on what nobody captures."""
METADATA = re.compile(
    r"\bSEI\b|\bVUI\b|\bHDR\b|\bDOVI|\bICC\b|exif|metadata|side data|comment|user data|film grain|closed caption|timecode",
    re.IGNORECASE,
)
"""Messages on what is no pixel, or not needed for them."""
REFERENCES = re.compile(
    r"mmco|co located|frame num|reference (picture|frame)|find ref|\bRPS\b|short term|no frame|first frame is no keyframe",
    re.IGNORECASE,
)
"""Messages on frames before the one that was sought: open groups of pictures name them, and need not have them."""
LOST = re.compile(
    r"invalid as first byte of an EBML|exceeds containing master|inside parent|EBML number's first byte|parsing frame sizes"
    r"|CRC mismatch|Page at \S+ is missing",
    re.IGNORECASE,
)
"""Messages of demuxers that lost their place, and with it frames."""
Log = tuple[int, str, str]


def watch_decoders() -> None:
    """Let `av.logging.Capture` receive messages of level ERROR; nothing is printed."""
    level = av.logging.get_level()
    if level is None or level < av.logging.ERROR:
        av.logging.set_level(av.logging.ERROR)
        logging.getLogger(LOGGER).addHandler(logging.NullHandler())
    # PyAV leaves out a message that equals the one before, of any thread, and gives it to whoever logs next.
    if av.logging.get_skip_repeated():
        av.logging.set_skip_repeated(False)


def decoding_errors(messages: Sequence[Log], decoder: str, *, sought: bool) -> list[str]:
    """What a decoder said about damaged pictures, one text per message.

    Args:
        decoder: its name.
        sought: whether decoding began within the video.
    """
    return [
        text.strip()
        for level, name, text in messages
        if level <= av.logging.ERROR
        and name == decoder
        and not METADATA.search(text)
        and not (sought and REFERENCES.search(text))
    ]


def container_errors(messages: Sequence[Log]) -> list[str]:
    """What demuxers said about data that they skipped."""
    return [text.strip() for level, _, text in messages if level <= av.logging.ERROR and LOST.search(text)]
