"""Whether the frames and the list of a run are those that its earlier scores were made from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import RunConflictError
from gsm_bench.fingerprints import content_differs, fingerprint_array, unknown_fingerprints
from gsm_bench.scorefile import NOT_SCORED, SCORED, open_scores
from gsm_bench.scoring.chunks import ChunkFolder, ReadRows
from gsm_bench.scoring.job import Job

SMALL_RUN = 256
"""Scored videos of which all are looked at again before a run goes on."""
SAMPLED_VIDEOS = 64
"""Videos that are looked at in larger runs, spread evenly: more would delay the start by a percent."""


@dataclass(frozen=True)
class _Earlier:
    """Scores that are here already: what they were made from, and where it lay."""

    rows: ReadRows
    where: Path
    list_path: str
    frames_path: str


def check_inputs(job: Job) -> str:
    """Compare the list and the frames of a job with those of its earlier scores and chunks; returns a note.

    Videos that are scored again anyway are not compared: those without scores, or with a substituted frame in the score
    file. Neither are frames that cannot be read now.

    Raises:
        RunConflictError: the list has other numbers of frames, or other frames are there.
    """
    notes = [note for earlier in _earlier_scores(job) if (note := _check(job, earlier))]
    return notes[0] if notes else ""


def _earlier_scores(job: Job) -> Iterator[_Earlier]:
    """The rows that are kept of the score file and of the chunks of this run; chunks of a fresh run count alone."""
    folder = ChunkFolder(job.chunks_path)
    card = folder.card()
    if job.target.exists() and not (card and card.fresh):
        with open_scores(job.target, job.form) as file:
            head = file.head
        if head.num_frames is not None and head.ids == job.split.ids:
            prints = unknown_fingerprints(len(head)) if head.fingerprints is None else head.fingerprints
            rows = ReadRows(np.arange(len(head)), head.status, head.num_frames, prints)
            origin = head.provenance
            yield _Earlier(
                _taken(rows, np.flatnonzero(head.status == SCORED)),
                job.target,
                origin.list_path or "?",
                origin.frames_path or "?",
            )
    chunks = list(folder.read_rows()) if card else []
    if card and chunks:
        rows = ReadRows(*(np.concatenate([getattr(each, name) for each in chunks]) for name in vars(chunks[0])))
        yield _Earlier(
            _taken(rows, np.flatnonzero(rows.status != NOT_SCORED)),
            folder.path,
            card.list_path or "?",
            card.frames_path or "?",
        )


def _taken(read: ReadRows, rows: NDArray[np.int64]) -> ReadRows:
    return ReadRows(*(values[rows] for values in vars(read).values()))


def _check(job: Job, earlier: _Earlier) -> str:
    """Raise a RunConflictError if the inputs differ; returns a note where frames cannot be compared."""
    before = earlier.rows
    counts = _frames_to_use(job, before)
    other_counts = np.flatnonzero((counts > 0) & (before.num_frames > 0) & (counts != before.num_frames))
    known = np.flatnonzero(before.fingerprints["content"])
    sample = _taken(before, known[_sample(len(known))])
    now = fingerprint_array([job.source.fingerprint(job.split.video(int(row))) for row in sample.rows])
    other_frames = np.flatnonzero(content_differs(sample.fingerprints, now))
    lines = []
    if other_counts.size:
        first = int(other_counts[0])
        lines.append(
            f"  frame counts: {_of(other_counts.size, len(counts))}; first {_id(job, before, first)}: "
            f"scored with {before.num_frames[first]:,} frames, now {counts[first]:,}"
        )
    if other_frames.size:
        first = int(other_frames[0])
        lines.append(
            f"  frames: {_of(other_frames.size, len(now))} looked at; first {_id(job, sample, first)}: other bytes or sizes"
            f"{_stored(sample.fingerprints[first])}"
        )
    if lines:
        raise _conflict(job, earlier, lines)
    if len(before.rows) and not len(known):
        return f"{earlier.where.name} does not record its frames (an earlier version wrote it): whether they changed is not known"
    return ""


def _frames_to_use(job: Job, before: ReadRows) -> NDArray[np.int64]:
    """Frames that the job would use of each row int64 [n]: those listed, else those stored when it was scored."""
    listed = job.split.num_frames[before.rows]
    return np.where(listed > 0, listed, before.fingerprints["frames"])


def _sample(total: int) -> NDArray[np.int64]:
    """Places to look at of `total`: all of a small run, else some, with the first and the last."""
    if total <= SMALL_RUN:
        return np.arange(total)
    return np.linspace(0, total - 1, SAMPLED_VIDEOS).astype(np.int64)


def _of(some: int, total: int) -> str:
    return f"{some:,} of {total:,} videos"


def _id(job: Job, read: ReadRows, at: int) -> str:
    return repr(job.split.ids[int(read.rows[at])])


def _stored(fingerprint: np.void) -> str:
    frames = int(fingerprint["frames"])
    return f" (it had {frames:,} frames)" if frames else ""


def _conflict(job: Job, earlier: _Earlier, lines: list[str]) -> RunConflictError:
    details = "\n".join(lines)
    return RunConflictError(
        f"{job.form.values} of {job.entry.name} are already here, made from another list or from other frames\n{details}\n"
        f"  there: list {earlier.list_path}, frames in {earlier.frames_path}\n"
        f"  now:   list {job.split.list_path.resolve()}, frames in {job.frames_path}",
        where=earlier.where,
        fix=f"--out FILE writes this run elsewhere, --fresh starts again and replaces the old {job.form.values}",
    )
