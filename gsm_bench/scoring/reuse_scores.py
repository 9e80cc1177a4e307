"""A later stage of a cascade whose clips have changed: those that it has scored already stay scored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gsm_bench.scorefile import NOT_SCORED, ClipScores, read, write
from gsm_bench.scoring.chunks import ChunkFolder
from gsm_bench.scoring.job import Job
from gsm_bench.signatures import setting_changes


def reuse_scores(job: Job) -> None:
    """Bring a score file of other clips of the same split, scored in the same way, to the clips of `job`.

    Parts of an unfinished run over other clips go: their rows are places in a list that is no more.
    """
    folder = ChunkFolder(job.parts_path)
    card = folder.card()
    if card and _differ_in_clips(card.signature, job.signature) and not folder.claimed_by_others():
        folder.remove()
    if not job.target.exists():
        return
    earlier = read(job.target)
    if _differ_in_clips(str(earlier.provenance.signature), job.signature):
        write(job.target, _of_clips(earlier, job), force=True)


def _differ_in_clips(before: str, now: str) -> bool:
    """Whether two signatures differ in the clips of one split and in nothing else."""
    changes = setting_changes(before, now)
    if [change.name for change in changes] != ["split"]:
        return False
    return changes[0].first.rpartition("/")[0] == changes[0].second.rpartition("/")[0]


def _of_clips(earlier: ClipScores, job: Job) -> ClipScores:
    """The rows of the job's clips, those that are not there as not scored.

    So are those of a last batch that is not full, before or now: a pass of another shape may round otherwise.
    """
    place = {name: row for row, name in enumerate(earlier.ids)}
    rows = np.array([place.get(name, -1) for name in job.split.ids], np.int64)
    batch, wanted = job.settings.batch, set(job.split.ids)
    known = (rows >= 0) & (rows < len(earlier) // batch * batch) & (np.arange(len(rows)) < len(rows) // batch * batch)
    scores = {}
    for task, values in earlier.scores.items():
        scores[task] = np.full((len(rows), *values.shape[1:]), np.nan, np.float32)
        scores[task][known] = values[rows[known]]
    frames = np.zeros(len(earlier), np.int64) if earlier.num_frames is None else earlier.num_frames
    return replace(
        earlier,
        ids=job.split.ids,
        status=np.where(known, earlier.status[rows], NOT_SCORED).astype(np.uint8),
        scores=scores,
        num_frames=np.where(known, frames[rows], 0),
        problems={name: reason for name, reason in earlier.problems.items() if name in wanted},
        provenance=replace(earlier.provenance, signature=job.signature, split_sha256=job.split.sha256),
    )
