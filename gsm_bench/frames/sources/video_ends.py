"""Recognise video files that are cut short: a copy or download that stopped, which decoders accept.

Each container has its own evidence: frames or seconds declared in its header, a mark at its end, or a last packet that is
incomplete. Raw streams (m2v, h264) have none, so a cut cannot be seen in them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import av
import av.container
from av.packet import Packet
from av.video.stream import VideoStream

from gsm_bench.frames.sources.matroska import segment_of

SLACK_S = 0.5
"""A video is cut short if it ends earlier than declared by more than this."""
SLACK_FRAMES = 2
"""Frames by which sound files may have fewer than declared: headers of AVI files are often off by one."""
TIMED = ("mp4", "matroska", "flv", "asf")
"""Containers whose header declares the duration; elsewhere it is computed from the packets."""
TAIL = 65536
"""Bytes at the end of a file that are searched for an end mark."""
LAST = 3
"""Packets or frames at the end of a video, one of which is incomplete after a cut: they may be out of order."""
ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
ASF_BROADCAST = 1
OGG_HEADER, OGG_LAST = 27, 4
TS_SIZES = {0: 188, 4: 192}
"""Bytes of a transport packet, by the place of the first sync byte."""


def cut_short(stream: VideoStream, packets: Sequence[Packet[VideoStream]], path: Path) -> str:
    """How a video file is cut short; empty if it is complete, or if its container does not tell.

    Args:
        stream: of the file.
        packets: all packets of the stream, in stored order, also empty ones.
        path: of the file.
    """
    kinds = container_of(stream).format.name.split(",")
    count = _last_tick(packets) if "avi" in kinds else len(packets)
    missing = stream.frames - count
    if missing > (0 if "mp4" in kinds else SLACK_FRAMES) and not ("avi" in kinds and _riff_is_complete(path)):
        return f"it has {count:,} of its {stream.frames:,} frames"
    if any(packet.is_corrupt for packet in packets[-LAST:]):
        return f"its last packet is incomplete, after {count:,} frames"
    if any(kind in kinds for kind in TIMED) and (why := _ends_early(stream, packets)):
        return why
    return next((why for kind in kinds if (why := _end_mark(kind, path))), "")


def _last_tick(packets: Sequence[Packet[VideoStream]]) -> int:
    """Frames of an AVI file up to its last packet; its header also counts frames that were dropped in recording."""
    return max((packet.dts + 1 for packet in packets if packet.dts is not None), default=0)


def _riff_is_complete(path: Path) -> bool:
    """Whether an AVI file is as long as its RIFF chunks declare: then a wrong number of frames is no damage."""
    size, at = path.stat().st_size, 0
    with path.open("rb") as file:
        while at < size:
            file.seek(at)
            head = file.read(8)
            if head[:4] != b"RIFF":
                return True
            at += 8 + int.from_bytes(head[4:], "little")
    return at <= size


def _ends_early(stream: VideoStream, packets: Sequence[Packet[VideoStream]]) -> str:
    """Whether the last frame ends before the declared end; it may be shown for long."""
    stamped = [packet for packet in packets if packet.pts is not None]
    declared = _declared_end_s(stream)
    if not stamped or declared is None:
        return ""
    last = max(stamped, key=lambda packet: packet.pts or 0)
    end = float(((last.pts or 0) + (last.duration or 0)) * (stream.time_base or 0))
    if end + SLACK_S >= declared * (1 - 1 / max(len(packets), 2)):
        return ""
    return f"it ends at {end:.1f} s of {declared:.1f} s"


def _declared_end_s(stream: VideoStream) -> float | None:
    """End of the video in seconds, as declared by its file."""
    duration = stream.metadata.get("DURATION", "")
    if match := re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", duration):
        return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3])
    container = container_of(stream)
    if len(container.streams) == 1 and container.duration:
        return float(((container.start_time or 0) + container.duration) / av.time_base)
    return None


def _end_mark(kind: str, path: Path) -> str:
    if kind not in END_MARKS:
        return ""
    with path.open("rb") as file:
        return END_MARKS[kind](file, path.stat().st_size)


def _gif_end(file: BinaryIO, size: int) -> str:
    return "" if _tail(file, size).rstrip(b"\0").endswith(b";") else "its end mark is missing"


def _ogg_end(file: BinaryIO, size: int) -> str:
    """The last page is complete, and marked as the last one of its stream."""
    tail = _tail(file, size)
    page = tail.rfind(b"OggS")
    head = tail[page : page + OGG_HEADER]
    if page < 0 or len(head) < OGG_HEADER:
        return "its last page is incomplete"
    sizes = tail[page + OGG_HEADER : page + OGG_HEADER + head[-1]]
    complete = page + OGG_HEADER + head[-1] + sum(sizes) <= len(tail)
    return "" if complete and head[5] & OGG_LAST else "its last page is incomplete or missing"


def _transport_end(file: BinaryIO, size: int) -> str:
    head = file.read(5)
    packet = next((bytes_ for at, bytes_ in TS_SIZES.items() if head[at : at + 1] == b"G"), 0)
    return "it ends within a transport packet" if packet and size % packet else ""


def _asf_end(file: BinaryIO, size: int) -> str:
    head = file.read(TAIL)
    at = head.find(ASF_FILE_PROPERTIES)
    if at < 0 or int.from_bytes(head[at + 88 : at + 92], "little") & ASF_BROADCAST:
        return ""
    return _shorter(size, int.from_bytes(head[at + 40 : at + 48], "little"))


def _matroska_end(file: BinaryIO, size: int) -> str:
    """The segment declares its size, unless it was written live."""
    segment = segment_of(file.read(4096))
    return "" if segment is None or segment[0] < 0 else _shorter(size, sum(segment))


def _shorter(size: int, declared: int) -> str:
    return f"it has {size:,} of its {declared:,} bytes" if size < declared else ""


def _tail(file: BinaryIO, size: int) -> bytes:
    file.seek(max(size - TAIL, 0), os.SEEK_SET)
    return file.read()


END_MARKS: dict[str, Callable[[BinaryIO, int], str]] = {
    "gif": _gif_end, "ogg": _ogg_end, "mpegts": _transport_end, "asf": _asf_end, "matroska": _matroska_end,
}  # fmt: skip
"""How the end of a file is recognised, by FFmpeg's name of its container."""


def container_of(stream: VideoStream) -> av.container.InputContainer:
    container = stream.container
    assert isinstance(container, av.container.InputContainer)
    return container
