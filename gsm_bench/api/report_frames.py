"""The frames of a report: which videos are shown, where their frames lie, and their thumbnails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from gsm_bench.api.sources import NamedSource
from gsm_bench.ensembles.members import open_members
from gsm_bench.errors import ExportError, GsmBenchError
from gsm_bench.evaluation.ground_truth import GroundTruth
from gsm_bench.files import write_whole
from gsm_bench.metrics.topk import BEYOND
from gsm_bench.report.content import ReportedResult
from gsm_bench.report.frames import ReportedFrames, SampledClip, needed_numbers, sampled_clips
from gsm_bench.report.telling import telling_videos
from gsm_bench.sampling import Indices
from gsm_bench.splits import Split, Video
from gsm_bench.workspace import Workspace

if TYPE_CHECKING:
    from gsm_bench.frames.sources import FrameSource
    from gsm_bench.frames.thumbnails import VideoThumbnails

VIDEOS_INSIDE = 1000
"""Videos whose frames a page holds."""
BYTES_INSIDE = 5_800_000
"""Bytes of their pictures: 7.8 MB as text, so that a page of 4 MB stays below 12 MB."""
SAMPLED_VIDEOS = 256
"""Videos that are looked up to find out where frames lie."""
NOT_INSTALLED = "Frames are not shown: reading them needs pip install 'gsm-bench[score]'."


@dataclass(frozen=True)
class FrameSettings:
    """Which frames a report has.

    Attributes:
        videos: most videos whose frames the page holds.
        folder: where the frames of all other videos are written; None leaves them out.
        name: of the folder, as the page finds it.
        force: write into a folder that has files already.
        progress: is called with the videos done and their total, for each split.
    """

    videos: int = VIDEOS_INSIDE
    folder: Path | None = None
    name: str = ""
    force: bool = False
    progress: Callable[[int, int], None] = lambda done, total: None

    def beside(self, page: Path) -> FrameSettings:
        """The same with a folder for all other videos beside a page, called like it."""
        name = f"{page.stem}_frames"
        return replace(self, folder=page.with_name(name), name=quote(name))

    def refuse_existing(self) -> None:
        """Raise ExportError for a folder with files, unless `force` writes into it."""
        if self.folder and self.folder.is_dir() and any(self.folder.iterdir()) and not self.force:
            raise ExportError(
                "this folder of frames exists already", where=self.folder, fix="--force replaces its files"
            )

    def part(self, number: int) -> FrameSettings:
        """The settings of one split, with a folder of its own."""
        if self.folder is None:
            return self
        return replace(self, folder=self.folder / str(number), name=f"{self.name}/{number}")


NORMAL = FrameSettings()


def reported_frames(
    workspace: Workspace,
    sources: Mapping[str, NamedSource],
    truth: GroundTruth,
    data: Path | None,
    telling: NDArray[np.int64],
    settings: FrameSettings = NORMAL,
) -> ReportedFrames | None:
    """Frames of a split's videos; None where no result says which frames it saw.

    Args:
        sources: results of single members, by name.
        truth: of the split's videos.
        data: directory with lists and frames, if one was given.
        telling: rows of the videos to show, the most telling first.
        settings: how many are shown, and where the others go.
    """
    with ExitStack() as stack:
        opened = [
            (name, member)
            for name, source in sources.items()
            for member in stack.enter_context(open_members(source.members, source.opened))
        ]
        clips = sampled_clips(opened)
        places = [member.head.provenance.frames_path for _, member in opened]
    split = truth.split
    if not clips or split is None or truth.dataset is None or not (settings.videos or settings.folder):
        return None
    if find_spec("PIL") is None or find_spec("simplejpeg") is None:
        return ReportedFrames(clips, split.num_frames, note=NOT_INSTALLED)
    try:
        source = _frame_source(workspace, truth, data, [Path(place) for place in dict.fromkeys(filter(None, places))])
    except GsmBenchError as error:
        return ReportedFrames(clips, split.num_frames, note=f"Frames are not shown: {error.what}.")
    return _with_pictures(source, split, clips, telling[: settings.videos], settings)


def most_telling(results: Sequence[ReportedResult], task: str, stops: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Rows int64 [n] of a split's videos, the most telling first; the best result is the first that predicts.

    Args:
        stops: int64 [N] last member of a cascade that runs for each video, from 0; None without a cascade.
    """
    predicting = [result for result in results if task in result.best]
    if not predicting:
        return np.zeros(0, np.int64)
    ranks = np.stack([_placed(result.best[task].ranks, result.rows) for result in predicting])
    classes = np.stack([_placed(result.best[task].classes[:, 0], result.rows) for result in predicting])
    first = predicting[0]
    confidence = np.where(first.rows < 0, np.nan, first.best[task].probabilities[np.maximum(first.rows, 0), 0])
    return telling_videos(np.where(ranks == BEYOND, 1, ranks), classes, confidence, stops)


def _placed(values: NDArray[np.integer], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Values of a result in the rows of the split, int64 [N]; -1 where it has none."""
    return np.where(rows < 0, -1, values[np.maximum(rows, 0)]).astype(np.int64)


def _frame_source(workspace: Workspace, truth: GroundTruth, data: Path | None, scored: Sequence[Path]) -> FrameSource:
    """The frames that were scored if they are still there, else those of the data directory.

    Raises:
        SplitError, FrameError: there are none.
    """
    from gsm_bench.frames.sources import open_source

    split, entry = truth.split, truth.dataset
    assert split is not None
    assert entry is not None
    sample = split.sample(SAMPLED_VIDEOS)
    listed = data or split.list_path.parent
    tries: list[tuple[Path, Path | None]] = [(data, None)] if data else []
    for place in scored:
        tries += [(place, None)] if place.is_dir() else []
        tries += [(listed, place)] if place.exists() else []
    tries += [(folder, None) for folder in dict.fromkeys((listed, workspace.data / entry.folder))]
    errors = []
    for folder, frames in tries:
        try:
            return open_source(entry, folder, sample, frames)
        except GsmBenchError as error:
            errors.append(error)
    raise errors[0]


def _with_pictures(
    source: FrameSource, split: Split, clips: tuple[SampledClip, ...], inside: NDArray[np.int64],
    settings: FrameSettings,
) -> ReportedFrames:  # fmt: skip
    from gsm_bench.frames.thumbnails import animations, media_type

    @lru_cache(maxsize=1024)
    def numbers(num_frames: int) -> Indices:
        return needed_numbers(clips, num_frames)

    total = len(split) if settings.folder else len(inside)
    thumbnails, written = [], []
    for one in animations(source, [split.video(row) for row in inside.tolist()], numbers, BYTES_INSIDE):
        thumbnails.append(one)
        settings.progress(len(thumbnails), total)
    if settings.folder:
        held = {one.row for one in thumbnails}
        others = [split.video(row) for row in range(len(split)) if row not in held]
        for one in _written(source, others, numbers, settings.folder):
            written.append(one)
            settings.progress(len(thumbnails) + len(written), total)
    every = [*thumbnails, *written]
    counts = split.num_frames.copy()
    for one in every:
        counts[one.row] = one.num_frames
    shown = {one.row: one.content for one in thumbnails if one.content}
    return ReportedFrames(
        clips=clips,
        num_frames=counts,
        media=media_type(),
        inside=shown,
        folder=settings.name,
        outside=[one.row for one in written if not one.problem],
        problems={one.row: one.problem for one in every if one.problem},
        bad={one.row: one.bad for one in every if one.bad},
    )


def _written(
    source: FrameSource, videos: Sequence[Video], numbers: Callable[[int], Indices], folder: Path
) -> Iterator[VideoThumbnails]:
    """Write the sheet of each video into a folder; what this yields holds no pictures any more."""
    from gsm_bench.frames.thumbnails import media_type, sheets

    folder.mkdir(parents=True, exist_ok=True)
    suffix = media_type().removeprefix("image/")
    for one in sheets(source, videos, numbers):
        if one.content:
            write_whole(folder / f"{one.row}.{suffix}", one.content, sweeps=False)
        yield replace(one, content=b"")
