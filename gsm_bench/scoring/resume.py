"""Before a run: which rows have no scores yet, and whether the scores and chunks here belong to this run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import RunConflictError
from gsm_bench.fingerprints import unknown_fingerprints
from gsm_bench.scorefile import NOT_SCORED, SCORED, ClipScores, open_scores, read, write
from gsm_bench.scoring.chunks import ChunkFolder, RunCard
from gsm_bench.scoring.inputs import check_inputs
from gsm_bench.scoring.job import Job
from gsm_bench.scoring.merge import now
from gsm_bench.signatures import setting_changes, signature_difference


def pending_rows(job: Job) -> NDArray[np.int64]:
    """Rows int64 [n] without a sound score.

    Raises:
        RunConflictError: a run with another signature has its chunks or score file here.
    """
    all_rows = np.arange(len(job.split))
    card = ChunkFolder(job.chunks_path).card()
    if job.fresh:
        return all_rows
    if card and card.signature != job.signature:
        raise _conflict(job, card.signature, job.chunks_path)
    if (card and card.fresh) or not job.target.exists():  # an interrupted --fresh run is resumed
        return all_rows
    with open_scores(job.target, job.form) as file:
        head = file.head
    before = str(head.provenance.signature)
    if before != job.signature:
        raise _conflict(job, before, job.target)
    return np.flatnonzero(head.status != SCORED)


def open_run(job: Job) -> Job:
    """Create the chunk folder of a run or join it; returns the job, no longer fresh. Running it twice is safe.

    Chunks of an earlier process that are damaged or hold videos without a score are removed and scored again: the
    videos may have been fixed.

    Raises:
        RunConflictError: a run with another signature, or of other frames, has its chunks or score file here.
    """
    folder = ChunkFolder(job.chunks_path)
    alone = not folder.claimed_by_others()
    if job.fresh and alone:
        folder.remove()
    if not job.fresh:
        nothing_left = not pending_rows(job).size
        job = with_checked_inputs(job)
        if nothing_left:
            return job
    card = folder.join(RunCard(job.signature, now(), job.fresh, str(job.split.list_path.resolve()), job.frames_path))
    if card.signature != job.signature:
        raise _conflict(job, card.signature, folder.path)
    if alone:
        folder.drop_unsound()
    return replace(job, fresh=False)


def with_checked_inputs(job: Job) -> Job:
    """The job, once its list and frames are those of the scores that are here; compared once per job.

    Raises:
        RunConflictError: the list has other numbers of frames, or other frames are there.
    """
    return job if job.inputs_note is not None else replace(job, inputs_note=check_inputs(job))


def _conflict(job: Job, before: str, where: Path) -> RunConflictError:
    return RunConflictError(
        f"a run of {job.entry.name} with other settings is already here; they differ in\n"
        f"{signature_difference(before, job.signature)}\n"
        f"  there: {before}\n  now:   {job.signature}",
        where=where,
        fix=f"--out FILE writes this run elsewhere, --fresh starts again and replaces the old {job.form.values}",
    )


def reuse_scores(job: Job) -> None:
    """Rearrange a score file of other videos of the same split, with the same settings, for the videos of `job`.

    A later stage of a cascade needs it when its videos change. Chunks of an unfinished run over other videos are
    removed, because their rows are positions in another list.
    """
    folder = ChunkFolder(job.chunks_path)
    card = folder.card()
    if card and _only_videos_differ(card.signature, job.signature) and not folder.claimed_by_others():
        folder.remove()
    if not job.target.exists():
        return
    earlier = read(job.target)
    if _only_videos_differ(str(earlier.provenance.signature), job.signature):
        write(job.target, _rearranged(earlier, job), force=True)


def _only_videos_differ(before: str, now: str) -> bool:
    """Whether two signatures differ in the videos of one split and in nothing else."""
    changes = setting_changes(before, now)
    if [change.name for change in changes] != ["split"]:
        return False
    return changes[0].first.rpartition("/")[0] == changes[0].second.rpartition("/")[0]


def _rearranged(earlier: ClipScores, job: Job) -> ClipScores:
    """The rows of the job's videos; videos without scores are marked as not scored.

    So are those of an incomplete last batch, before or now: a pass of another shape may round differently.
    """
    row_of = {name: row for row, name in enumerate(earlier.ids)}
    rows = np.array([row_of.get(name, -1) for name in job.split.ids], np.int64)
    batch, ids = job.settings.batch, set(job.split.ids)
    known = (rows >= 0) & (rows < len(earlier) // batch * batch) & (np.arange(len(rows)) < len(rows) // batch * batch)
    scores = {}
    for task, values in earlier.scores.items():
        scores[task] = np.full((len(rows), *values.shape[1:]), np.nan, np.float32)
        scores[task][known] = values[rows[known]]
    frames = np.zeros(len(earlier), np.int64) if earlier.num_frames is None else earlier.num_frames
    prints = unknown_fingerprints(len(earlier)) if earlier.fingerprints is None else earlier.fingerprints
    return replace(
        earlier,
        ids=job.split.ids,
        status=np.where(known, earlier.status[rows], NOT_SCORED).astype(np.uint8),
        scores=scores,
        num_frames=np.where(known, frames[rows], 0),
        fingerprints=np.where(known, prints[rows], unknown_fingerprints(len(rows))),
        problems={name: reason for name, reason in earlier.problems.items() if name in ids},
        provenance=replace(earlier.provenance, signature=job.signature, split_sha256=job.split.sha256),
    )
