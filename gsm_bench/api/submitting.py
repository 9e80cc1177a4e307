"""Submissions for the EPIC-KITCHENS servers: write and check them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gsm_bench.api.results import SubmissionResult, VerdictResult
from gsm_bench.errors import SubmissionError
from gsm_bench.submit.check import Verdict, as_row
from gsm_bench.submit.epic import Options
from gsm_bench.submit.run import SubmissionRequest, prepare, write_submission
from gsm_bench.submit.source import SubmissionSource
from gsm_bench.submit.targets import TARGETS
from gsm_bench.submit.validate import validate
from gsm_bench.tables.table import Column, Table

if TYPE_CHECKING:
    from gsm_bench.manifest import Manifest
    from gsm_bench.settings import Space
    from gsm_bench.workspace import Workspace

COLUMNS = (Column("verdict", ""), Column("kind", "Kind"), Column("what", "What"), Column("where", "Where"))


def check_submission(path: Path, manifest: Manifest, workspace: Workspace, data: Path | None) -> VerdictResult:
    """Check a file as its server would, and against the ledger; see `Bench.check`."""
    verdict = validate(path, manifest, workspace, data)
    table = Table(_title(path, verdict), COLUMNS, (tuple(map(as_row, verdict.findings)),), (), "check")
    kinds = dict.fromkeys(finding.kind for finding in verdict.of("warning"))
    warnings = [f"warning: read before you send it: {', '.join(kinds)}"] if kinds else []
    messages = (*warnings, *(f"note: {note}" for note in verdict.notes))
    return VerdictResult((table,), messages, complete=verdict.ids_checked, verdict=verdict)


def _title(path: Path, verdict: Verdict) -> str:
    if not verdict.passes:
        return f"{path.name}: the server would refuse or misread it"
    server = verdict.target.title if verdict.target else "the server"
    segments = " + ".join(f"{len(scores):,}" for scores in verdict.contents.values())
    unchecked = "" if verdict.ids_checked else ", ids not checked"
    warnings = len(verdict.of("warning"))
    but = f", but there {'is 1 warning' if warnings == 1 else f'are {warnings} warnings'}" if warnings else ""
    return f"{path.name}: {server} would accept it{but} ({segments} segments{unchecked})"


def submit(
    target: str,
    source: SubmissionSource,
    split: str | None,
    levels: Mapping[str, int],
    manifest: Manifest,
    workspace: Workspace,
    *,
    space: Space | None = None,
    allow_leak: bool = False,
    data: Path | None = None,
    out: Path | None = None,
    force: bool = False,
) -> SubmissionResult:
    """Write a submission, read it back and check it; see `Bench.submit`."""
    if target not in TARGETS:
        raise SubmissionError(f"no server {target!r}", fix=f"servers are {', '.join(TARGETS)}")
    server = TARGETS[target]
    splits = tuple(server.members.values())
    if split is None and len(splits) > 1:
        raise SubmissionError(f"{server.title} takes one file per split", fix=f"split is one of {', '.join(splits)}")
    options = Options(space, levels, allow_leak)
    request = SubmissionRequest(server, split or splits[0], source, options, data, out, force)
    prepared = prepare(request, manifest, workspace)
    written = write_submission(prepared, workspace)
    return SubmissionResult(prepared, written)
