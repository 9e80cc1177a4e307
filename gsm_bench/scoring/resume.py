"""Before a run: what is there already, what is left to do, and whether it is this run's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import RunConflictError
from gsm_bench.scorefile import SCORED, open_scores
from gsm_bench.scoring.chunks import ChunkFolder, RunCard
from gsm_bench.scoring.job import Job
from gsm_bench.scoring.merge import now
from gsm_bench.signatures import signature_difference

Rows = NDArray[np.int64]


def pending_rows(job: Job) -> Rows:
    """Rows that have no sound score yet; raises RunConflictError where a run with another signature lies here."""
    everything = np.arange(len(job.split))
    card = ChunkFolder(job.parts_path).card()
    if job.fresh:
        return everything
    if card and card.signature != job.signature:
        raise _conflict(job, card.signature, job.parts_path)
    if (card and card.fresh) or not job.target.exists():  # a --fresh run that was interrupted goes on
        return everything
    with open_scores(job.target) as file:
        head = file.head
    before = str(head.provenance.signature)
    if before != job.signature:
        raise _conflict(job, before, job.target)
    return np.flatnonzero(head.status != SCORED)


def open_run(job: Job) -> Job:
    """Make the folder of a run's parts, or enter it; returns the job with its start settled, safe to run twice.

    Parts of an earlier process that hold clips without a score, or are damaged, are scored again: what was wrong
    with them may have been mended.

    Raises:
        RunConflictError: a run with another signature lies at the same place.
    """
    folder = ChunkFolder(job.parts_path)
    alone = not folder.claimed_by_others()
    if job.fresh and alone:
        folder.remove()
    if not job.fresh and not pending_rows(job).size:
        return job
    card = folder.join(RunCard(job.signature, now(), job.fresh))
    if card.signature != job.signature:
        raise _conflict(job, card.signature, folder.path)
    if alone:
        folder.drop_unsound()
    return replace(job, fresh=False)


def _conflict(job: Job, before: str, where: Path) -> RunConflictError:
    return RunConflictError(
        f"a run of {job.entry.name} with other settings already lies here; they differ in\n"
        f"{signature_difference(before, job.signature)}\n"
        f"  there: {before}\n  now:   {job.signature}",
        where=where,
        fix="--out FILE writes this run elsewhere, --fresh starts again and replaces what is there",
    )
