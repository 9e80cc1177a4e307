"""A file against what the ledger says was written."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from gsm_bench.files import file_sha256
from gsm_bench.submit.check import Verdict
from gsm_bench.submit.findings import Finding
from gsm_bench.submit.ledger import Ledger
from gsm_bench.workspace import Workspace


def changed_since_written(path: Path, verdict: Verdict, ledger: Ledger, workspace: Workspace) -> Iterable[Finding]:
    """Whether a file that this workspace wrote still says what was written."""
    if not path.is_file():
        return
    entry = ledger.written(workspace.shown(path.absolute()))
    if entry is None:
        return
    if file_sha256(path) == entry.sha256:
        yield Finding(
            "as written", f"written on {entry.date[:10]} from {entry.source}, unchanged since", path.name, False
        )
        return
    found = {name: answers.digest for name, answers in verdict.answers.items()}
    if sorted(found.values()) == sorted(entry.content.values()):
        yield Finding("other bytes", "its bytes changed since it was written, what it says did not", path.name, False)
    else:
        yield Finding(
            "changed", f"it no longer says what was written on {entry.date[:10]}: submit again with --force", path.name
        )
