"""Frames of video files, exact by index: frame i is the i-th that a decoder shows, whatever its time stamp.

The file's packets are listed once, without decoding: sorted by time stamp they are the frames, also where the frame
rate varies or frames are stored out of order. Decoding starts at the last key frame before a wanted frame, or goes on
from the frame before where that is nearer. Where stamps are not stored but made up by the reader (AVI, MPEG: with
frames stored out of order they do not come out ascending) or are missing, frames are counted by decoding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import av
import av.container
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray
from PIL import Image

from gsm_bench.errors import FrameError
from gsm_bench.frames.sources.readers import Picture, reason

STAMPED = ("mp4", "matroska")
"""Containers that store a time stamp with every frame."""
SLACK_S = 0.5
"""How much earlier than it says a video may end before it is taken to be cut short."""
UPRIGHT = {90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270}
BROKEN = (av.FFmpegError, ValueError, OSError)


@dataclass(frozen=True)
class PacketTable:
    """The shown frames of a video, in the order in which they are shown.

    Attributes:
        stamps: int64 [n] time stamps, strictly ascending; empty where they are not stored, or not unique.
        keys: int64 [k] time stamps of key frames, ascending.
    """

    stamps: NDArray[np.int64]
    keys: NDArray[np.int64]

    def key_before(self, stamp: int) -> int:
        """The last key frame's stamp at or before `stamp`."""
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

    def pictures(self, numbers: Sequence[int]) -> Iterator[tuple[int, Picture]]:
        """Decode each of the ascending `numbers`, every stretch of the video at most once."""
        total = self.count()
        with self._stream() as stream:
            frames = _DecodedFrames(stream)
            for number in numbers:
                if not 1 <= number <= total:
                    yield number, FrameError(f"frame {number} is missing", where=self.path)
                    continue
                found = self._frame(frames, number)
                if found is None:  # the file's index led behind the frame
                    with self._stream() as again:
                        found = self._frame(_DecodedFrames(again), number, seek=False)
                yield number, _picture(found, number, self.path)

    def _frame(self, frames: _DecodedFrames, number: int, *, seek: bool = True) -> VideoFrame | str | None:
        """Frame `number`, or what is wrong with it; None if a seek went too far."""
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
                packets = [packet for packet in _container(stream).demux(stream) if packet.size]
                shown = [packet for packet in packets if not packet.is_discard]
            except BROKEN as error:
                raise FrameError(f"its video cannot be read: {reason(error)}", where=self.path) from error
            stamps = [packet.pts for packet in shown if packet.pts is not None]
            keys = [packet.pts for packet in shown if packet.is_keyframe and packet.pts is not None]
            told = any(kind in _container(stream).format.name for kind in STAMPED)
            if not told or len(set(stamps)) < len(shown) or not keys or min(keys) > min(stamps):
                return PacketTable(np.empty(0, np.int64), np.empty(0, np.int64))
            _refuse_cut_short(stream, len(packets), max(stamps), self.path)
        return PacketTable(np.sort(np.array(stamps, np.int64)), np.sort(np.array(keys, np.int64)))

    @cached_property
    def _shown(self) -> int:
        """Frames that a decoder shows, for files whose packets do not tell."""
        with self._stream() as stream:
            frames, shown = _DecodedFrames(stream), 0
            while frames.next() is not None:
                shown += 1
        return shown

    @contextmanager
    def _stream(self) -> Iterator[VideoStream]:
        try:
            container = av.open(str(self.path))
        except BROKEN as error:
            raise FrameError(f"its video cannot be opened: {reason(error)}", where=self.path) from error
        with container:
            if not container.streams.video:
                raise FrameError("there is no video in this file", where=self.path)
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1  # clips are read side by side
            yield stream


class _DecodedFrames:
    """The frames of a stream as a decoder shows them; damage is remembered until the next sound key frame."""

    def __init__(self, stream: VideoStream) -> None:
        self._stream = stream
        self._coming = self._decode()
        self._ahead: VideoFrame | None = None
        self._last: int | None = None
        self._shown = 0
        self._damage = ""

    def next(self) -> VideoFrame | None:
        frame, self._ahead = self._ahead or next(self._coming, None), None
        if frame is not None:
            self._last, self._shown = frame.pts, self._shown + 1
        return frame

    def go_to_key(self, key: int, *, first: int) -> None:
        """Jump to the key frame stamped `key`, unless decoding has reached it or it is the first."""
        reached = first if self._last is None else self._last
        if key <= reached:
            return
        try:
            _container(self._stream).seek(key, stream=self._stream)
        except BROKEN:
            return  # decoding on gets there, too
        self._coming, self._ahead, self._last, self._damage = self._decode(), None, None, ""

    def at(self, stamp: int) -> VideoFrame | str | None:
        """The frame stamped `stamp`; None if the frames that come are all later."""
        before = self._last is not None and self._last < stamp
        while (frame := self.next()) is not None:
            if frame.pts is not None and frame.pts >= stamp:
                if frame.pts == stamp:
                    return self._damage or frame
                self._ahead = frame
                return self._damage or ("the decoder left it out" if before else None)
            before = True
        return self._damage or "the video ends before it"

    def nth(self, number: int) -> VideoFrame | str:
        """Frame `number` counted from the start."""
        while self._shown < number:
            frame = self.next()
            if frame is None:
                return self._damage or "the video ends before it"
        return self._damage or frame  # type: ignore[return-value] # numbers ascend, so at least one was taken

    def _decode(self) -> Iterator[VideoFrame]:
        try:
            for packet in _container(self._stream).demux(self._stream):
                try:
                    frames = packet.decode()
                except BROKEN as error:
                    self._damage, frames = reason(error), []
                for frame in frames:
                    if frame.is_corrupt:
                        self._damage = "the video is damaged there"
                    elif frame.key_frame:
                        self._damage = ""
                    yield frame
        except BROKEN as error:
            self._damage = reason(error)


def _container(stream: VideoStream) -> av.container.InputContainer:
    container = stream.container
    assert isinstance(container, av.container.InputContainer)
    return container


def _picture(found: VideoFrame | str | None, number: int, path: Path) -> Picture:
    """A decoded frame as an RGB picture, upright as a player would show it."""
    if not isinstance(found, VideoFrame):
        return FrameError(f"frame {number} cannot be decoded: {found or 'the decoder left it out'}", where=path)
    try:
        image = Image.fromarray(found.to_ndarray(format="rgb24"))
    except BROKEN as error:  # pixels of a kind that cannot become RGB
        return FrameError(f"frame {number} cannot be decoded: {reason(error)}", where=path)
    return image.transpose(UPRIGHT[found.rotation % 360]) if found.rotation % 360 in UPRIGHT else image


def _refuse_cut_short(stream: VideoStream, packets: int, last: int, path: Path) -> None:
    """Raise FrameError where a file says that it goes on behind its last packet."""
    kind = _container(stream).format.name
    if "mp4" in kind and packets < stream.frames:
        raise FrameError(f"the video is cut short: {packets} of its {stream.frames} frames are there", where=path)
    says, ends = _declared_end_s(stream), float(last * (stream.time_base or 0))
    if says is not None and ends + SLACK_S < says * (1 - 1 / max(packets, 2)):
        raise FrameError(f"the video is cut short: it ends at {ends:.1f} s of {says:.1f} s", where=path)


def _declared_end_s(stream: VideoStream) -> float | None:
    """Seconds at which the video ends, as its file says."""
    said = stream.metadata.get("DURATION", "")
    if said.count(":") == 2:
        hours, minutes, seconds = said.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    container = _container(stream)
    if len(container.streams) == 1 and container.duration:
        start = container.start_time or 0
        return float((start + container.duration) / av.time_base)
    return None


def video_encoding() -> str:
    """Which decoder the pixels of a video come from."""
    return f"video decoded by PyAV {av.__version__}"
