"""From finished chunks, over the scores of an earlier run, to the score file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from gsm_bench.fingerprints import array_digest, unknown_fingerprints
from gsm_bench.nets.cost import Cost
from gsm_bench.provenance import Provenance
from gsm_bench.scorefile import NOT_SCORED, ScoreFile, ScoreHead, create, open_scores
from gsm_bench.scoring.chunks import Chunk, ChunkFolder
from gsm_bench.scoring.job import Job, provenance

BLOCK_ROWS = 4096


def merge(job: Job, folder: ChunkFolder, chunks: Iterable[int], cost: Cost) -> None:
    """Write the score file from the chunks, over the scores of an earlier run; each chunk is read once."""
    card = folder.card()
    with ExitStack() as stack:
        earlier = None if card is None or card.fresh else _earlier_scores(job, stack)
        before = earlier.head.provenance if earlier else Provenance(started=card.started if card else None)
        content = _Content(job, earlier.head if earlier else None)
        with create(
            job.target,
            content.head(Provenance()),
            force=True,
            final_head=lambda: content.head(_provenance(job, before, cost, content)),
            form=job.form,
        ) as datasets:
            if earlier:
                _copy_scores(earlier, datasets)
            for number in chunks:
                chunk = folder.read(number)
                content.add(chunk)
                for task, dataset in datasets.items():
                    _put_rows(dataset, chunk.rows, chunk.scores[task])


class _Content:
    """All of the score file but its scores, filled chunk by chunk, over that of an earlier run.

    Attributes:
        stored_frames: number of stored frames per row whose list gives fewer.
        halvings, fallbacks: chunks by clips per pass, and by the reason why their network was not compiled.
    """

    def __init__(self, job: Job, earlier: ScoreHead | None) -> None:
        self.job = job
        counts = earlier.num_frames if earlier else None
        self.status = earlier.status.copy() if earlier else np.full(len(job.split), NOT_SCORED, np.uint8)
        self.num_frames = np.zeros(len(job.split), np.int64) if counts is None else counts.copy()
        before = earlier.fingerprints if earlier else None
        self.fingerprints = unknown_fingerprints(len(job.split)) if before is None else before.copy()
        self.problems = dict(earlier.problems) if earlier else {}
        self.class_names = earlier.class_names if earlier else _class_names(job)
        self.halvings: Counter[str] = Counter()
        self.fallbacks: Counter[str] = Counter()
        self.stored_frames: dict[int, int] = {}

    def add(self, chunk: Chunk) -> None:
        """Take over everything of a chunk except its scores."""
        ids = self.job.split.ids
        self.status[chunk.rows], self.num_frames[chunk.rows] = chunk.status, chunk.num_frames
        self.fingerprints[chunk.rows] = chunk.fingerprints
        for row in chunk.rows:
            self.problems.pop(ids[row], None)
        self.problems |= {ids[row]: reason for row, reason in chunk.problems.items()}
        self.stored_frames |= {
            row: count for row, count in chunk.stored_frames.items() if self.status[row] != NOT_SCORED
        }
        if chunk.pass_clips:
            self.halvings[str(chunk.pass_clips)] += 1
        if chunk.compile_fallback:
            self.fallbacks[chunk.compile_fallback] += 1

    def head(self, origin: Provenance) -> ScoreHead:
        """The head of the score file as it stands."""
        columns = self.job.columns
        return ScoreHead(
            ids=self.job.split.ids, kinds=dict.fromkeys(columns, self.job.kind), classes_per_task=columns,  # type: ignore[arg-type]
            views=self.job.views, status=self.status, provenance=origin, class_names=self.class_names,
            problems=self.problems, num_frames=self.num_frames, fingerprints=self.fingerprints,
        )  # fmt: skip


def _provenance(job: Job, before: Provenance, cost: Cost, content: _Content) -> Provenance:
    """Provenance of the merged scores; what fell back in an earlier run is counted, too."""
    return replace(
        provenance(job, before.started, now()),
        params=cost.params,
        macs_bare_per_view=cost.macs_bare,
        macs_paper_per_view=cost.macs_paper,
        uncounted=cost.uncounted,
        batch_halvings=_total(before.batch_halvings, content.halvings),
        compile_fallbacks=_total(before.compile_fallbacks, content.fallbacks),
        fingerprint={
            "frames": array_digest(content.fingerprints),
            "counts": array_digest(content.num_frames),
            "list": array_digest(job.split.num_frames),
        },
        frames_unused=_frames_unused(before.frames_unused, content),
    )


def _frames_unused(before: Mapping[str, Any] | None, content: _Content) -> Mapping[str, Any] | None:
    """How many videos have more frames than their list says, of an earlier run and of this one, and the first."""
    if not content.stored_frames:
        return before
    row = min(content.stored_frames)
    listed, stored = int(content.num_frames[row]), content.stored_frames[row]
    first = dict(before or {"videos": 0, "first": content.job.split.ids[row], "listed": listed, "stored": stored})
    return first | {"videos": first["videos"] + len(content.stored_frames)}


def _total(before: Mapping[str, int] | None, chunks: Counter[str]) -> dict[str, int] | None:
    """Numbers of chunks of an earlier run and of this one, None if there are none."""
    return dict(sorted((Counter(dict(before or {})) + chunks).items())) or None


def now() -> str:
    """The time as provenance records it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _class_names(job: Job) -> dict[str, tuple[str, ...]]:
    return {} if job.layers else {t: names for t, names in job.split.class_names.items() if t in job.entry.tasks}


def _copy_scores(earlier: ScoreFile, datasets: Mapping[str, h5py.Dataset]) -> None:
    for task, dataset in datasets.items():
        for start in range(0, len(earlier.head), BLOCK_ROWS):
            dataset[start : start + BLOCK_ROWS] = earlier.block(task, start, start + BLOCK_ROWS)


def _put_rows(dataset: h5py.Dataset, rows: NDArray[np.int64], values: NDArray[np.float32]) -> None:
    if rows[-1] - rows[0] + 1 == len(rows):
        dataset[rows[0] : rows[-1] + 1] = values
    else:
        dataset[rows] = values


def _earlier_scores(job: Job, stack: ExitStack) -> ScoreFile | None:
    """The score file of an earlier run with the same signature, open as long as the stack."""
    if not job.target.exists():
        return None
    earlier = stack.enter_context(open_scores(job.target, job.form))
    return earlier if earlier.head.provenance.signature == job.signature else None
