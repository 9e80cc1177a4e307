"""Read frames of video files by exact index: frame i is the i-th that a decoder outputs, whatever its time stamp.

The packets of a file are listed once, without decoding. Sorted by time stamp they are the frames, even if the frame
rate varies or frames are stored out of order. Decoding starts at the last key frame before the requested frame, or
continues from the current position if that is nearer. Where time stamps are missing or not stored (AVI, MPEG: the
demuxer computes them, not always in ascending order), frames are counted by decoding.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import av
import numpy as np
from av.logging import Capture
from av.packet import Packet
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from gsm_bench.errors import FrameError
from gsm_bench.fingerprints import Fingerprint, hash_of
from gsm_bench.frames.sources.decoder_errors import container_errors, decoding_errors, watch_decoders
from gsm_bench.frames.sources.matroska import wrong_checksum
from gsm_bench.frames.sources.pictures import Decoded, Picture, as_picture, reason
from gsm_bench.frames.sources.video_ends import LAST, container_of, cut_short

STAMPED = ("mp4", "matroska")
"""Containers that store a time stamp for every frame."""
SAMPLED_BYTES = 65_536
"""Bytes at the begin, in the middle and at the end of a file that enter its fingerprint."""
MATRIX_TOLERANCE = 1e-3
"""A number of a display matrix counts as 0 below this share of the largest."""
PLAYLISTS = ("hls", "concat", "dash", "hds", "sdp", "rtsp", "imf", "webm_dash_manifest", "image2")
"""Formats of FFmpeg that name other files: a video of a data set never leads out of it."""
BROKEN = (av.FFmpegError, ValueError, OSError)


@dataclass(frozen=True)
class PacketTable:
    """The shown frames of a video, in display order.

    Attributes:
        stamps: int64 [n] time stamps, strictly ascending; empty if they are not stored or not unique.
        keys: int64 [k] time stamps of key frames, ascending.
    """

    stamps: NDArray[np.int64]
    keys: NDArray[np.int64]

    def key_before(self, stamp: int) -> int:
        """The stamp of the last key frame at or before `stamp`."""
        at = int(np.searchsorted(self.keys, stamp, side="right")) - 1
        return int(self.keys[max(at, 0)])


class VideoReader:
    """The frames of one video file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.where = str(path)

    @property
    def encoding(self) -> str:
        return video_encoding()

    @property
    def seekable(self) -> bool:
        return bool(self._table.stamps.size)

    def count(self) -> int:
        return self._table.stamps.size or self._shown

    def fingerprint(self, start: int, frames: int) -> Fingerprint:
        """Of the file, for any of its segments."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> Fingerprint:
        try:
            with self.path.open("rb") as file:
                length = file.seek(0, os.SEEK_END)
                contents = []
                for place in sorted({0, length // 2, max(0, length - SAMPLED_BYTES)}):
                    file.seek(place)
                    contents.append(file.read(SAMPLED_BYTES))
        except OSError as error:
            raise FrameError(f"its video cannot be read: {reason(error)}", where=self.path) from error
        return Fingerprint(0, hash_of(length, contents))

    def pictures(self, numbers: Sequence[int]) -> Iterator[tuple[int, Picture]]:
        for number, pixels in self.pixels(numbers):
            yield number, as_picture(pixels)

    def pixels(self, numbers: Sequence[int]) -> Iterator[tuple[int, Decoded]]:
        """Decode each of the ascending `numbers`; each part of the video is decoded at most once."""
        total = self.count()
        with self._stream() as stream:
            frames = _DecodedFrames(stream)
            for number in numbers:
                if not 1 <= number <= total:
                    yield number, FrameError(f"frame {number} is missing", where=self.path)
                    continue
                frame = self._frame(frames, number)
                if frame is None:  # the index of the file points past the frame
                    with self._stream() as again:
                        frame = self._frame(_DecodedFrames(again), number, seek=False)
                yield number, _pixels(frame, number, self.path)

    def _frame(self, frames: _DecodedFrames, number: int, *, seek: bool = True) -> VideoFrame | str | None:
        """Frame `number` or its error; None if a seek went too far."""
        table = self._table
        if not table.stamps.size:
            return frames.nth(number)
        stamp = int(table.stamps[number - 1])
        if seek:
            frames.go_to_key(table.key_before(stamp), first=int(table.keys[0]))
        return frames.at(stamp)

    @cached_property
    def _table(self) -> PacketTable:
        with self._stream() as stream:
            try:
                packets = _packets(stream, self.path)
                shown = [packet for packet in packets if packet.size and not packet.is_discard]
            except BROKEN as error:
                raise FrameError(f"its video cannot be read: {reason(error)}", where=self.path) from error
            if why := cut_short(stream, packets, self.path):
                raise FrameError(f"the video is cut short: {why}", where=self.path)
            if "matroska" in container_of(stream).format.name and (why := wrong_checksum(self.path)):
                raise FrameError(f"the video is damaged: {why}", where=self.path)
            stamps = [packet.pts for packet in shown if packet.pts is not None]
            keys = [packet.pts for packet in shown if packet.is_keyframe and packet.pts is not None]
            stamped = any(kind in container_of(stream).format.name for kind in STAMPED)
            if not stamped or len(set(stamps)) < len(shown) or not keys or min(keys) > min(stamps):
                return PacketTable(np.empty(0, np.int64), np.empty(0, np.int64))
        return PacketTable(np.sort(np.array(stamps, np.int64)), np.sort(np.array(keys, np.int64)))

    @cached_property
    def _shown(self) -> int:
        """Number of decoded frames, for files without usable time stamps."""
        with self._stream() as stream:
            frames, shown, last = _DecodedFrames(stream), 0, deque[bool](maxlen=LAST)
            while (frame := frames.next()) is not None:
                shown += 1
                last.append(frame.is_corrupt)
        if any(last):
            raise FrameError(
                f"the video is cut short: its last frame is incomplete, after {shown:,} frames", where=self.path
            )
        return shown

    @contextmanager
    def _stream(self) -> Iterator[VideoStream]:
        watch_decoders()
        try:
            container = av.open(str(self.path), metadata_errors="replace")
        except BROKEN as error:
            raise FrameError(f"its video cannot be opened: {reason(error)}", where=self.path) from error
        with container:
            if container.format.name in PLAYLISTS:
                raise FrameError("this file is a list of other files, and no video", where=self.path)
            if not container.streams.video:
                raise FrameError("there is no video in this file", where=self.path)
            stream = container.streams.video[0]
            if stream.codec_context is None:
                raise FrameError("its video cannot be decoded: no decoder for its codec is installed", where=self.path)
            stream.codec_context.thread_count = 1  # videos are read in parallel
            yield stream


def _packets(stream: VideoStream, path: Path) -> list[Packet[VideoStream]]:
    """All packets of a stream, in stored order, without the empty one at the end.

    Raises:
        FrameError: the container lost its place before the last of them.
    """
    packets: list[Packet[VideoStream]] = []
    before_last = 0  # messages; what comes after the last packet is no part of the video
    with Capture(local=True) as messages:
        for packet in container_of(stream).demux(stream):
            if packet.size or packet.dts is not None:
                packets.append(packet)
                before_last = len(messages)
    if errors := container_errors(messages[:before_last]):
        raise FrameError(f"the video is damaged: {_counted(len(errors), errors[0])}", where=path)
    return packets


def _counted(errors: int, first: str) -> str:
    """A number of errors and the first of them: ``3 errors, first: ac-tex damaged at 2 3``."""
    text = " ".join(first.split())
    return f"1 error: {text}" if errors == 1 else f"{errors:,} errors, first: {text}"


class _DecodedFrames:
    """Decoded frames of a stream in order; damage applies until the next sound key frame."""

    def __init__(self, stream: VideoStream) -> None:
        self._stream = stream
        self._coming = self._decode()
        self._ahead: VideoFrame | None = None
        self._last: int | None = None
        self._shown = 0
        self._damage = ""
        self._lost = ""
        self._sought = False
        self._errors = 0
        self._first_error = ""
        self._error_at: int | None = None
        self._last_key: int | None = None

    def next(self) -> VideoFrame | None:
        frame, self._ahead = self._ahead or next(self._coming, None), None
        if frame is not None:
            self._last, self._shown = frame.pts, self._shown + 1
        return frame

    def go_to_key(self, key: int, *, first: int) -> None:
        """Seek to the key frame stamped `key`, unless decoding has passed it or it is the first."""
        reached = first if self._last is None else self._last
        if key <= reached:
            return
        try:
            container_of(self._stream).seek(key, stream=self._stream)
        except BROKEN:
            return  # decoding on reaches it, too
        self._coming, self._ahead, self._last, self._last_key = self._decode(), None, None, None
        self._sought = True
        self._repaired()

    def at(self, stamp: int) -> VideoFrame | str | None:
        """The frame stamped `stamp`; None if all remaining frames are later, or the decoder left it out after a seek."""
        before = self._last is not None and self._last < stamp
        while (frame := self.next()) is not None:
            if frame.pts is not None and frame.pts >= stamp:
                if frame.pts == stamp:
                    return self._damage or frame
                self._ahead = frame
                return self._damage or ("the decoder skipped it" if before else None)
            before = True
        return self._damage or (None if self._sought else "the video ends before it")

    def nth(self, number: int) -> VideoFrame | str:
        """Frame `number` counted from the start."""
        while self._shown < number:
            frame = self.next()
            if frame is None:
                return self._damage or "the video ends before it"
        return self._damage or self._lost or frame  # type: ignore[return-value] # numbers ascend, so at least one was taken

    def _decode(self) -> Iterator[VideoFrame]:
        try:
            for packet in container_of(self._stream).demux(self._stream):
                why = ""
                with Capture(local=True) as messages:
                    try:
                        frames = packet.decode()
                    except BROKEN as error:
                        why, frames = reason(error), []
                name = self._stream.codec_context.name
                self._note(packet, decoding_errors(messages, name, sought=self._sought), why)
                if not frames and (why or messages):
                    self._lost = self._damage
                for frame in frames:
                    self._judge(frame)
                    yield frame
        except BROKEN as error:
            self._damage = reason(error)

    def _note(self, packet: Packet[VideoStream], errors: list[str], why: str) -> None:
        """Count the errors of a packet, unless its picture belongs before a key frame that was shown already.

        Args:
            why: reason why it could not be decoded at all; empty if it was.
        """
        if packet.is_corrupt:
            errors = [*errors, "a packet is incomplete"]
        stamp = packet.pts if packet.pts is not None else packet.dts
        shown_before = stamp is not None and self._last_key is not None and stamp < self._last_key
        if not (errors or why) or (shown_before and not why):
            return
        self._errors += len(errors)
        self._first_error = self._first_error or (errors or [""])[0]
        self._error_at = stamp
        self._damage = why or f"the decoder reports {_counted(self._errors, self._first_error)}"

    def _judge(self, frame: VideoFrame) -> None:
        """Whether damage ends with a frame, or begins."""
        if frame.is_corrupt:
            self._damage = self._damage or "the video is damaged there"
        elif frame.key_frame:
            stamp = frame.pts if frame.pts is not None else frame.dts
            if self._error_at is None or (stamp is not None and stamp > self._error_at):
                self._repaired()
            self._last_key = stamp

    def _repaired(self) -> None:
        self._damage, self._errors, self._first_error, self._error_at = "", 0, "", None


def _pixels(frame: VideoFrame | str | None, number: int, path: Path) -> Decoded:
    """A decoded frame as upright RGB [H, W, 3], as a player shows it."""
    if not isinstance(frame, VideoFrame):
        return FrameError(f"frame {number} cannot be decoded: {frame or 'the decoder skipped it'}", where=path)
    try:
        return _upright(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8), _display_matrix(frame))
    except BROKEN as error:  # a pixel format that cannot become RGB
        return FrameError(f"frame {number} cannot be decoded: {reason(error)}", where=path)


def _display_matrix(frame: VideoFrame) -> tuple[int, int, int, int]:
    """a, b, c, d of how a frame is shown: x' = a x + c y, y' = b x + d y; each -1, 0 or 1.

    Raises:
        ValueError: it is shown turned by an angle that is no multiple of 90 degrees.
    """
    stored = frame.side_data.get(Type.DISPLAYMATRIX)  # type: ignore[call-overload]
    values = np.zeros(4) if stored is None else np.frombuffer(bytes(stored), np.int32)[[0, 1, 3, 4]].astype(float)
    if not values.any():
        return 1, 0, 0, 1
    signs = np.where(np.abs(values) > MATRIX_TOLERANCE * np.abs(values).max(), np.sign(values), 0)
    a, b, c, d = (int(sign) for sign in signs)
    if (a != 0) == (b != 0) or (d != 0) == (c != 0) or (a != 0) != (d != 0):
        raise ValueError(f"it is shown turned by {np.degrees(np.arctan2(values[1], values[0])):.0f} degrees")
    return a, b, c, d


def _upright(pixels: NDArray[np.uint8], matrix: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """Pixels [H, W, 3] turned and mirrored by a display matrix, as a player does."""
    a, b, c, d = matrix
    turned = pixels if a else pixels.transpose(1, 0, 2)
    turned = turned[:, ::-1] if a + c < 0 else turned
    return np.ascontiguousarray(turned[::-1] if b + d < 0 else turned)


def video_encoding() -> str:
    """The decoder of the pixels of a video file."""
    return f"video decoded by PyAV {av.__version__}"
