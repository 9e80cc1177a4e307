"""Check before a run that frames are named as the data set's entry says; else none or the wrong ones are read."""

from __future__ import annotations

from collections.abc import Sequence

from gsm_bench.entries import DatasetEntry
from gsm_bench.errors import FrameError, SplitError
from gsm_bench.frames.sources.names import FrameNames, FrameNamesError
from gsm_bench.frames.sources.readers import ImageSequenceReader, ReaderSource
from gsm_bench.manifest import LOCAL_FILE
from gsm_bench.splits import Video


def check_names(entry: DatasetEntry, source: ReaderSource, sample: Sequence[Video]) -> None:
    """Check the videos of a sample that have pictures.

    Raises:
        SplitError: none of them has frames named as the entry says, or all are numbered from 0.
    """
    wrong: list[tuple[Video, FrameNamesError]] = []
    for video in sample:
        try:
            reader = source.reader(video)
            if not isinstance(reader, ImageSequenceReader) or reader.numbers():
                return
        except FrameNamesError as error:
            wrong.append((video, error))
        except FrameError:  # the run reports it
            continue
    for video, mismatch in wrong:
        what = (
            f"frames of {entry.name} are called {mismatch.file!r} here, but {mismatch.expected.name(1)!r} in its entry"
        )
        if not mismatch.file:
            what = (
                "frames are numbered from 0 here, but from 1 in the released code (first_frame = 1, if 0 is no frame)"
            )
        lines = (f"[datasets.{entry.name}]", f'like = "{entry.name}"', _matching_key(entry, video, mismatch.likely))
        raise SplitError(
            what, where=mismatch.where,
            fix="\n         ".join((f"rename the files, or append this to {LOCAL_FILE} in manifests/:", *lines)),
        )  # fmt: skip


def _matching_key(entry: DatasetEntry, video: Video, names: FrameNames | None) -> str:
    """The key of an entry that matches frames with these names."""
    if names is None:
        return 'frame_pattern = "..."'
    if names.first == 0:
        return "first_frame = 0"
    prefix = names.prefix.replace(video.container, "{id}" if video.container == video.id else "{video}")
    frame = f"{{frame:0{names.digits}d}}" if names.digits > 1 else "{frame}"
    return f'frame_pattern = "{entry.frame_pattern.rpartition("/")[0]}/{prefix}{frame}{names.suffix}"'
