"""Before a run: are frames called as the data set's entry says? If not, no clip, or the wrong frames, would be found."""

from __future__ import annotations

from collections.abc import Sequence

from gsm_bench.entries import DatasetEntry
from gsm_bench.errors import FrameError, SplitError
from gsm_bench.frames.sources.names import FrameNames, FrameNamesError
from gsm_bench.frames.sources.readers import ImageSequenceReader, ReaderSource
from gsm_bench.manifest import LOCAL_FILE
from gsm_bench.splits import Video

"""The manifest of a workspace that has the last word (`gsm_bench.manifest`)."""


def check_names(entry: DatasetEntry, source: ReaderSource, sample: Sequence[Video]) -> None:
    """Judge by a few clips that have pictures.

    Raises:
        SplitError: none of them has frames under the names of the entry, or all are numbered from 0.
    """
    wrong: list[tuple[Video, FrameNamesError]] = []
    for clip in sample:
        try:
            reader = source.reader(clip)
            if not isinstance(reader, ImageSequenceReader) or reader.numbers():
                return
        except FrameNamesError as error:
            wrong.append((clip, error))
        except FrameError:  # the run will say what is wrong with this one
            continue
    for clip, found in wrong:
        said = f"frames of {entry.name} are called {found.file!r} here, its entry says {found.expected.name(1)!r}"
        if not found.file:
            said = "frames are numbered from 0 here, the released code from 1 (first_frame = 1, if 0 is no frame)"
        lines = (f"[datasets.{entry.name}]", f'like = "{entry.name}"', _right_key(entry, clip, found.likely))
        raise SplitError(
            said, where=found.where,
            fix="\n         ".join((f"append this to {LOCAL_FILE} in manifests/, or name the files so:", *lines)),
        )  # fmt: skip


def _right_key(entry: DatasetEntry, clip: Video, names: FrameNames | None) -> str:
    """What the entry would have to say for frames called so."""
    if names is None:
        return 'frame_pattern = "..."'
    if names.first == 0:
        return "first_frame = 0"
    prefix = names.prefix.replace(clip.container, "{id}" if clip.container == clip.id else "{video}")
    frame = f"{{frame:0{names.digits}d}}" if names.digits > 1 else "{frame}"
    return f'frame_pattern = "{entry.frame_pattern.rpartition("/")[0]}/{prefix}{frame}{names.suffix}"'
