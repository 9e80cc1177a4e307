"""From finished parts, over what an earlier run scored, to the score file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsm_bench.nets.cost import Cost
from gsm_bench.provenance import Provenance
from gsm_bench.scorefile import NOT_SCORED, ScoreFile, ScoreHead, create, open_scores
from gsm_bench.scoring.chunks import ChunkFolder
from gsm_bench.scoring.job import Job, provenance

Rows = NDArray[np.int64]
BLOCK_ROWS = 4096


def merge(job: Job, folder: ChunkFolder, parts: Iterable[int], cost: Cost) -> None:
    """Put the parts, over what an earlier run scored, into the score file; one block of rows at a time."""
    card = folder.card()
    with ExitStack() as stack:
        earlier = None if card is None or card.fresh else _earlier_scores(job, stack)
        final = _final_head(job, folder, parts, cost, earlier.head if earlier else None)
        with create(job.target, final, force=True) as datasets:
            for task, dataset in datasets.items():
                for start in range(0, len(final) if earlier else 0, BLOCK_ROWS):
                    dataset[start : start + BLOCK_ROWS] = earlier.block(task, start, start + BLOCK_ROWS)  # type: ignore[union-attr]
                for part in (folder.read(number) for number in parts):
                    _put_rows(dataset, part.rows, part.scores[task])


def _final_head(job: Job, folder: ChunkFolder, parts: Iterable[int], cost: Cost, before: ScoreHead | None) -> ScoreHead:
    """All of the score file but its scores, from what was there and from the parts."""
    card, head = folder.card(), before or _empty_head(job)
    status = head.status.copy()
    num_frames = np.zeros(len(head), np.int64) if head.num_frames is None else head.num_frames.copy()
    problems = dict(head.problems)
    widths = dict(job.entry.tasks)
    smaller: Counter[str] = Counter()
    compile_fallbacks: Counter[str] = Counter()
    for part in (folder.read(number) for number in parts):
        status[part.rows], num_frames[part.rows] = part.status, part.num_frames
        widths |= {task: values.shape[2] for task, values in part.scores.items()}
        for row in part.rows:
            problems.pop(head.ids[row], None)
        problems |= {head.ids[row]: reason for row, reason in part.problems.items()}
        smaller[str(part.pass_clips)] += bool(part.pass_clips)
        compile_fallbacks[part.compile_fallback] += bool(part.compile_fallback)
    started = before.provenance.started if before else card.started if card else None
    origin = replace(
        provenance(job, started, now()),
        params=cost.params,
        macs_bare_per_view=cost.macs_bare,
        macs_paper_per_view=cost.macs_paper,
        uncounted=cost.uncounted,
        batch_halvings=_added(before.provenance.batch_halvings if before else None, smaller),
        compile_fallbacks=_added(before.provenance.compile_fallbacks if before else None, compile_fallbacks),
    )
    return ScoreHead(
        ids=head.ids, kinds=head.kinds, classes_per_task=widths, views=head.views, status=status,
        provenance=origin, class_names=head.class_names, problems=problems, num_frames=num_frames,
    )  # fmt: skip


def now() -> str:
    """The time, as provenance has it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _put_rows(dataset: Any, rows: Rows, values: NDArray[np.float32]) -> None:
    if rows[-1] - rows[0] + 1 == len(rows):
        dataset[rows[0] : rows[-1] + 1] = values
    else:
        dataset[rows] = values


def _earlier_scores(job: Job, stack: ExitStack) -> ScoreFile | None:
    """The file of an earlier run with the same signature, open as long as the stack."""
    if not job.target.exists():
        return None
    earlier = stack.enter_context(open_scores(job.target))
    return earlier if earlier.head.provenance.signature == job.signature else None


def _empty_head(job: Job) -> ScoreHead:
    names = {task: names for task, names in job.split.class_names.items() if task in job.entry.tasks}
    return ScoreHead(
        ids=job.split.ids,
        kinds=dict.fromkeys(job.entry.tasks, job.entry.score_kind),
        classes_per_task=job.entry.tasks,
        views=job.views,
        status=np.full(len(job.split), NOT_SCORED, np.uint8),
        provenance=Provenance(),
        class_names=names,
    )


def _added(before: Mapping[str, int] | None, now: Counter[str]) -> dict[str, int] | None:
    """Counts of an earlier run and of this one together; None where there are none."""
    return dict(sorted((Counter(dict(before or {})) + now).items())) or None
