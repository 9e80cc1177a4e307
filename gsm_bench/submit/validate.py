"""A submission file validated with what the workspace knows: the lists of the splits, and the ledger of written files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from gsm_bench.errors import GsmBenchError, SubmissionError
from gsm_bench.files import file_sha256
from gsm_bench.manifest import Manifest
from gsm_bench.splits import read_split
from gsm_bench.submit.check import Verdict, check_file
from gsm_bench.submit.findings import Finding
from gsm_bench.submit.ledger import LEDGER, Ledger
from gsm_bench.workspace import Workspace


class SplitIds:
    """Segment ids of splits, from the annotations in the data directories; `problems` are lists that cannot be read."""

    def __init__(self, manifest: Manifest, workspace: Workspace, data: Path | None = None) -> None:
        self.manifest, self.workspace, self.data = manifest, workspace, data
        self.problems: list[str] = []

    def __call__(self, dataset: str, split: str) -> Sequence[str] | None:
        """The ids of a split; None if its list cannot be read."""
        entry = self.manifest.dataset(dataset)
        try:
            return read_split(entry, split, self.data or self.workspace.data / entry.folder).ids
        except GsmBenchError as error:
            if error.what not in self.problems:
                self.problems.append(error.what)
            return None


def validate(path: Path, manifest: Manifest, workspace: Workspace, data: Path | None = None) -> Verdict:
    """Check a file as its server would, and against the ledger if this workspace wrote it.

    Args:
        data: directory of the annotations; None for those in the workspace.
    """
    ids_of = SplitIds(manifest, workspace, data)
    verdict = check_file(path, ids_of)
    findings, notes = verdict.findings, ids_of.problems
    try:
        findings += tuple(changed_since_written(path, verdict, Ledger(workspace.submissions / LEDGER), workspace))
    except SubmissionError as error:  # a damaged ledger does not stop the check
        notes.append(f"not compared with the ledger: {error.what} ({error.where})")
    return replace(verdict, findings=findings, notes=tuple(notes))


def changed_since_written(path: Path, verdict: Verdict, ledger: Ledger, workspace: Workspace) -> Iterable[Finding]:
    """Whether the scores in a file of this workspace are still those that were written; nothing for other files."""
    if not path.is_file():
        return
    entry = ledger.written(workspace.stored_name(path.absolute()))
    if entry is None:
        return
    if file_sha256(path) == entry.sha256:
        yield Finding(
            "as written", f"written on {entry.date[:10]} from {entry.source}, unchanged since", path.name, "note"
        )
        return
    digests = [scores.digest for scores in verdict.contents.values()]
    if sorted(digests) == sorted(entry.content.values()):
        yield Finding("other bytes", "its bytes changed since it was written, its scores did not", path.name, "note")
    else:
        yield Finding(
            "changed",
            f"its scores changed since it was written on {entry.date[:10]}: submit again with --force",
            path.name,
        )
