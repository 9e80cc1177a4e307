"""All known errors: what is wrong, where, and the fix."""

from __future__ import annotations

from pathlib import Path

LONGEST_LINE, BEGIN, END = 1_200, 800, 200
"""Characters of a line of a message, which may quote a file; and what is left of a longer one."""


def _shortened(line: str) -> str:
    return line if len(line) <= LONGEST_LINE else f"{line[:BEGIN]} ... {line[-END:]}"


class GsmBenchError(Exception):
    """A known error with one readable message.

    Args:
        what: what is wrong, one sentence.
        where: the file and key, or the video, that it concerns.
        fix: the command or edit that solves it.
    """

    def __init__(self, what: str, *, where: str | Path | None = None, fix: str | None = None) -> None:
        self.what = what = "\n".join(map(_shortened, what.split("\n")))
        self.where = None if where is None else str(where)
        self.fix = fix
        lines = [what]
        if self.where:
            lines.append(f"  where: {self.where}")
        if fix:
            lines.append(f"  fix:   {fix}")
        super().__init__("\n".join(lines))


class DiskError(GsmBenchError):
    """The disk has no room for a file."""


class WorkerError(GsmBenchError):
    """A worker process died."""


class ManifestError(GsmBenchError):
    """An entry of a manifest is missing or wrong."""


class SplitError(GsmBenchError):
    """A list, label or class file of a data set is missing or wrong."""


class FrameError(GsmBenchError):
    """A frame is missing or cannot be decoded."""


class CheckpointError(GsmBenchError):
    """A checkpoint is missing, damaged, unsafe or of another network."""


class DownloadError(GsmBenchError):
    """A file cannot be downloaded, or is another one than expected."""


class NetworkError(GsmBenchError):
    """A network cannot be built, or its output is not scores."""


class TrustError(GsmBenchError):
    """Code of a workspace was not allowed to run, or the list of what is allowed cannot be used."""


class ScoreFileError(GsmBenchError):
    """A score file is missing, damaged or of another format."""


class RunConflictError(GsmBenchError):
    """A run with other settings already exists at the same place."""


class AlignmentError(GsmBenchError):
    """Score files cannot be aligned video by video."""


class MissingScoresError(GsmBenchError):
    """Scores that are needed do not exist yet."""


class LabelError(GsmBenchError):
    """Labels are missing or do not belong to the scores."""


class NoLabelsError(LabelError):
    """No labels belong to the scores."""


class LeakError(GsmBenchError):
    """A model was trained on videos that it is evaluated on."""


class SubmissionError(GsmBenchError):
    """Scores cannot become a submission, or a submission is not valid."""


class DumpError(GsmBenchError):
    """A score dump of another project is missing, unsafe, damaged or of an unknown format."""


class ExportError(GsmBenchError):
    """Scores cannot be written in the requested format."""


class TaskError(GsmBenchError):
    """A task is not named, is not in the scores, or cannot be used here."""


class ArrayError(GsmBenchError):
    """Arrays given to a function do not fit together, or are not what it takes."""
