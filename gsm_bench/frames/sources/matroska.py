"""The checksums of Matroska files: a CRC-32 at the begin of an element covers the rest of it, as FFmpeg and mkvmerge write it.

WebM files have none.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import BinaryIO

EBML_HEADER, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
TRACKS, CLUSTER = b"\x16\x54\xae\x6b", b"\x1f\x43\xb6\x75"
"""Elements that hold pictures, or say how to decode them; others hold titles, which people edit."""
CRC = b"\xbf\x84"
CRC_BYTES = 6
BLOCK = 1 << 20
WIDEST = 12
"""Bytes of the longest identifier and size of an element."""


def ebml_size(head: bytes, at: int) -> tuple[int, int]:
    """The size of an EBML element whose size field begins at `at`, -1 if unknown; and where its content begins."""
    width = 9 - head[at].bit_length() if at < len(head) and head[at] else 8
    value = int.from_bytes(head[at : at + width], "big") & ((1 << 7 * width) - 1)
    return (-1 if value == (1 << 7 * width) - 1 else value), at + width


def segment_of(head: bytes) -> tuple[int, int] | None:
    """Size of the segment, -1 if unknown, and where its content begins; None if the file has none."""
    if not head.startswith(EBML_HEADER):
        return None
    length, start = ebml_size(head, len(EBML_HEADER))
    at = start + length
    return ebml_size(head, at + len(SEGMENT)) if head[at : at + len(SEGMENT)] == SEGMENT else None


def wrong_checksum(path: Path) -> str:
    """Which part of a Matroska file does not have its checksum; empty if all have, or if there are none."""
    size = path.stat().st_size
    with path.open("rb") as file:
        segment = segment_of(file.read(4096))
        if segment is None:
            return ""
        length, at = segment
        end = size if length < 0 else min(size, at + length)
        while at < end:
            file.seek(at)
            head = file.read(WIDEST + CRC_BYTES)
            width = 9 - head[0].bit_length() if head and head[0] else 0
            if not 1 <= width <= 4:
                return ""  # no element: the demuxer says so
            length, inner = ebml_size(head, width)
            if length < 0:
                return ""  # written live, without checksums
            has_crc = head[:width] in (TRACKS, CLUSTER) and head[inner : inner + 2] == CRC
            if has_crc and at + inner + length <= end:
                expected = int.from_bytes(head[inner + 2 : inner + CRC_BYTES], "little")
                file.seek(at + inner + CRC_BYTES)
                if _crc(file, length - CRC_BYTES) != expected:
                    return f"the checksum of bytes {at:,} to {at + inner + length:,} is wrong"
            at += inner + length
    return ""


def _crc(file: BinaryIO, length: int) -> int:
    value = 0
    while length > 0 and (block := file.read(min(BLOCK, length))):
        value = zlib.crc32(block, value)
        length -= len(block)
    return value
