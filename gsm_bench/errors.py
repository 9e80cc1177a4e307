"""Every error that a user may meet: what is wrong, where, and what mends it."""

from __future__ import annotations

from pathlib import Path


class GsmBenchError(Exception):
    """A known error with one readable message.

    Args:
        what: what is wrong, one sentence.
        where: the file and key, or the clip, that it concerns.
        fix: the command or edit that mends it.
    """

    def __init__(self, what: str, *, where: str | Path | None = None, fix: str | None = None) -> None:
        self.what = what
        self.where = None if where is None else str(where)
        self.fix = fix
        lines = [what]
        if self.where:
            lines.append(f"  where: {self.where}")
        if fix:
            lines.append(f"  fix:   {fix}")
        super().__init__("\n".join(lines))


class DiskError(GsmBenchError):
    """There is no room to write what was to be written."""


class ManifestError(GsmBenchError):
    """An entry of a manifest is missing or wrong."""


class SplitError(GsmBenchError):
    """A list, label or class file of a data set is missing or wrong."""


class FrameError(GsmBenchError):
    """A frame is missing or cannot be decoded."""


class CheckpointError(GsmBenchError):
    """A checkpoint is missing, damaged, unsafe or of another network."""


class NetworkError(GsmBenchError):
    """A network cannot be built or does not answer with scores."""


class ScoreFileError(GsmBenchError):
    """A score file is missing, damaged or not one of ours."""


class RunConflictError(GsmBenchError):
    """Another run with other settings already lies at the same place."""


class AlignmentError(GsmBenchError):
    """Score files cannot be put beside each other clip by clip."""


class MissingScoresError(GsmBenchError):
    """Scores that are needed have not been made yet."""


class LabelError(GsmBenchError):
    """Labels are missing or do not belong to the scores."""


class LeakError(GsmBenchError):
    """A model was trained on clips that it is to be measured on."""


class SubmissionError(GsmBenchError):
    """Scores cannot become a server's file, or such a file is not what the server takes."""


class DumpError(GsmBenchError):
    """Somebody else's score dump is missing, unsafe, damaged or of no known layout."""


class ExportError(GsmBenchError):
    """Scores cannot be written in the format that was asked for."""


class TaskError(GsmBenchError):
    """The task of several is not named, the scores do not have it, or it cannot be used this way."""


class ArrayError(GsmBenchError):
    """Arrays given to a function do not fit together, or are not what it takes."""
