"""Text files of VideoMAE and InternVideo2, one per process: a line per view, with the video's id, logits and label."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import DumpError
from gsm_bench.importers.containers import DumpSource
from gsm_bench.importers.dump import Dump, ReadOptions, without_ending
from gsm_bench.importers.limits import require_memory
from gsm_bench.scorefile import VIEW_TYPE

LINE = re.compile(r"(?P<id>.*?)\s*\[(?P<scores>[^\]\[]*)\]\s+(?P<label>-?\d+)\s+(?P<chunk>\d+)\s+(?P<split>\d+)\s*")
FIRST = re.compile(r"\s*[-+.\deE]+\s*,\s*[-+.\deE]+\s*")
NEARLY_EQUAL = 1e-3
"""How far the scores of a double may differ, as a fraction of the row's highest: on a GPU, the batch changes the last digits."""
View = tuple[int, int]
Row = NDArray[np.float32]


@dataclass
class _Video:
    """The views of one video: scores [C] and the file that they come from, per (chunk, split)."""

    label: int
    path: Path
    views: dict[View, tuple[Row, Path]] = field(default_factory=dict)


def fits_text(source: DumpSource) -> bool:
    if source.container != "text":
        return False
    lines = source.value[:200_000].split("\n", 2)
    return len(lines) > 1 and FIRST.fullmatch(lines[0]) is not None and "[" in lines[1]


def read_text(sources: list[DumpSource], _: ReadOptions) -> Dump:
    """The files of all processes together; doubles that padded the last batches count once."""
    videos: dict[str, _Video] = {}
    doubles = 0
    for source in sources:
        require_memory(3 * len(source.value), "this file", source.path)
        for name, scores, label, view in _lines(source):
            video = videos.setdefault(name, _Video(label, source.path))
            _check_label(name, label, video, source.path)
            if view in video.views:
                doubles += 1
                _check_double(name, view, scores, video.views[view], source.path)
            else:
                video.views[view] = scores, source.path
    where = sources[0].path
    views = _common_views(videos, where)
    table = np.stack([np.stack([video.views[view][0] for view in views]) for video in videos.values()])
    notes = ["clip is the source's chunk and crop its split; their offsets are not known"]
    if doubles:
        notes.append(f"{doubles:,} views occurred twice with equal scores and were counted once")
    return Dump(
        "videomae", {"action": table}, tuple(videos),
        {"action": np.array([video.label for video in videos.values()], np.int64)},
        np.array([(chunk, split, 0, np.nan) for chunk, split in views], dtype=VIEW_TYPE), usual="logits",
        notes=tuple(notes),
    )  # fmt: skip


def _check_label(name: str, label: int, video: _Video, path: Path) -> None:
    if label != video.label:
        raise DumpError(
            f"video {name!r} has label {video.label} in {video.path.name} and label {label} in {path.name}", where=path,
            fix="give the files of one test run",
        )  # fmt: skip


def _check_double(name: str, view: View, scores: Row, first: tuple[Row, Path], path: Path) -> None:
    """Refuse a second row of the same view that is not the first one again."""
    kept, other = first
    room = NEARLY_EQUAL * float(np.abs(kept).max())
    if len(kept) != len(scores) or not np.allclose(kept, scores, rtol=NEARLY_EQUAL, atol=room, equal_nan=True):
        files = other.name if other == path else f"{other.name} and {path.name}"
        raise DumpError(
            f"video {name!r}, chunk {view[0]}, split {view[1]}, has unlike scores in {files}: these are two test runs",
            where=path,
            fix="import each run alone, then fuse them: gsmbench ensemble",
        )


def _lines(source: DumpSource) -> Iterator[tuple[str, Row, int, View]]:
    length = 0
    for number, line in enumerate(source.value.splitlines()[1:], start=2):
        if not line.strip():
            continue
        match = LINE.fullmatch(line)
        scores = _numbers(match["scores"]) if match else None
        if match is None or scores is None or len(scores) != (length or len(scores)) or not len(scores):
            raise DumpError(
                "this line is not `id [scores] label chunk split`, or has another number of scores",
                where=f"{source.path}, line {number}",
                fix="the file may be cut short: test again, or remove the line",
            )
        length = len(scores)
        view = int(match["chunk"]), int(match["split"])
        if max(view) > 127:
            raise DumpError(
                f"chunk {view[0]} or split {view[1]} is above 127", where=f"{source.path}, line {number}",
                fix="correct the line",
            )  # fmt: skip
        yield without_ending(match["id"]), scores, int(match["label"]), view


def _numbers(text: str) -> Row | None:
    try:
        return np.array(text.replace(",", " ").split(), dtype=np.float64).astype(np.float32)
    except ValueError:
        return None


def _common_views(videos: dict[str, _Video], where: Path) -> Sequence[View]:
    """The views that every video has."""
    if not videos:
        raise DumpError("this file has no rows of scores", where=where, fix="test again")
    views = sorted({view for video in videos.values() for view in video.views})
    lacking = [name for name, video in videos.items() if len(video.views) != len(views)]
    if lacking:
        raise DumpError(
            f"{len(lacking):,} of {len(videos):,} videos do not have all {len(views)} views, first {lacking[0]!r}",
            where=where,
            fix="give the files of all processes: gsmbench import 0.txt 1.txt ..",
        )
    lengths = {len(scores) for video in videos.values() for scores, _ in video.views.values()}
    if len(lengths) != 1:
        raise DumpError(f"the files have unlike numbers of classes: {sorted(lengths)}", where=where, fix="one test run")
    return views
