"""The clips of a canary: some videos of a split, each with one of the views that `score` makes."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray
from torch import nn

from gsm_bench.errors import FrameError
from gsm_bench.frames.read_views import view_indices
from gsm_bench.manifest import Manifest
from gsm_bench.nets.registry import LoadedNetwork
from gsm_bench.scorefile import SCORED, read
from gsm_bench.scoring.job import Job, score_views
from gsm_bench.scoring.prepare import Request, prepare
from gsm_bench.scoring.resume import open_run
from gsm_bench.scoring.run import run
from gsm_bench.splits import Video
from gsm_bench.workspace import Workspace


def prepare_clips(request: Request, manifest: Manifest, workspace: Workspace) -> tuple[Job, LoadedNetwork]:
    """The job of an entry with its own frames, clips, crops and sampling rule, whatever scores are here already."""
    own = replace(request, clips=None, crops=None, sampling=None, test_frames=None, limit=None, sample=None, fresh=True)
    return prepare(own, manifest, workspace)


@dataclass(frozen=True)
class CanaryClips:
    """Videos with one view each.

    Attributes:
        job: of these n videos, with all views of the entry.
        view: int64 [n], which of the views each video has.
    """

    job: Job
    view: NDArray[np.int64]

    @classmethod
    def in_turn(cls, job: Job, rows: NDArray[np.int64]) -> Self:
        """Some rows of a split, with each view in turn; with views at equal distances where there are more than rows."""
        rank, views = np.arange(len(rows)), len(job.views)
        return cls(_on_rows(job, rows), rank % views if views <= len(rows) else rank * views // len(rows))

    @classmethod
    def of_views(cls, job: Job, rows: NDArray[np.int64], view: Sequence[int]) -> Self:
        """Some rows with these views; without any, the centre crop of one clip."""
        if not view:
            return cls(replace(_on_rows(job, rows), views=score_views(1, 1)), np.zeros(len(rows), np.int64))
        return cls(_on_rows(job, rows), np.asarray(view, np.int64) % len(job.views))

    def chosen(self, which: NDArray[np.bool_]) -> Self:
        """Some of the videos."""
        return replace(self, job=_on_rows(self.job, np.flatnonzero(which)), view=self.view[which])

    def scores(self, network: nn.Module) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.bool_]]:
        """Scores float32 [n, C] per task, and bool [n], which videos have some; by the way of ``score``, in a folder aside."""
        scores = {
            task: np.full((len(self.view), classes), np.nan, np.float32)
            for task, classes in self.job.entry.tasks.items()
        }
        sound = np.zeros(len(self.view), bool)
        with tempfile.TemporaryDirectory(prefix="gsmbench-") as folder:
            for number in np.unique(self.view):
                rows = np.flatnonzero(self.view == number)
                part = replace(_on_rows(self.job, rows), target=Path(folder) / f"{number}.h5")
                clips = int(part.views["clip"].max()) + 1
                outcome = run(open_run(replace(part, views=part.views[[number]], clips=clips)), network)
                assert outcome.path is not None
                scored = read(outcome.path)
                sound[rows] = scored.status == SCORED
                for task, values in scored.scores.items():
                    scores[task][rows] = values[:, 0]
        return scores, sound

    def video(self, at: int) -> Video:
        return self.job.split.video(at)

    def num_frames(self, at: int) -> int:
        return self.job.source.count(self.video(at))

    def pixels(self, at: int) -> str:
        """A checksum of the decoded frames of a clip, 8 hexadecimal digits; ``unread`` if one cannot be read."""
        return self._checksum(at, np.unique(self._numbers(at)).tolist())

    def middle(self, at: int, shift: int = 0, *, swapped: bool = False) -> str:
        """A checksum of the middle frame of a clip, or of one `shift` later, or with red and blue `swapped`."""
        numbers = np.unique(self._numbers(at))
        return self._checksum(at, [int(numbers[len(numbers) // 2]) + shift], swapped=swapped)

    def _numbers(self, at: int) -> NDArray[np.int64]:
        return view_indices(self.num_frames(at), self.job.read_plan, self.job.views[self.view[at]], self.video(at).id)

    def _checksum(self, at: int, numbers: Sequence[int], *, swapped: bool = False) -> str:
        digest = 0
        for _, picture in self.job.source.pictures(self.video(at), numbers):
            if isinstance(picture, FrameError):
                return "unread"
            pixels = np.asarray(picture)
            digest = isal_zlib.crc32(np.ascontiguousarray(pixels[:, :, ::-1] if swapped else pixels), digest)
        return f"{digest:08x}"


def _on_rows(job: Job, rows: NDArray[np.int64]) -> Job:
    return replace(job, split=job.split.reordered(rows), limit=None, fresh=False)
