"""A submission from request to file: prepare it, write it, and zip the splits once all are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from gsm_bench.files import file_sha256, sweep
from gsm_bench.manifest import Manifest
from gsm_bench.splits import read_split
from gsm_bench.submit.epic import Options, Submission, build
from gsm_bench.submit.ledger import LEDGER, Entry, Ledger
from gsm_bench.submit.source import SubmissionSource, resolve_source
from gsm_bench.submit.targets import Target
from gsm_bench.submit.writing import bundle, refuse_existing, write_file
from gsm_bench.workspace import Workspace


@dataclass(frozen=True)
class SubmissionRequest:
    """What to submit.

    Attributes:
        data: directory of the annotations; None for the one in the workspace.
        out: the file to write; None for its usual place in submissions/.
        force: replace existing files.
    """

    target: Target
    split: str
    source: SubmissionSource = field(default_factory=SubmissionSource)
    options: Options = field(default_factory=Options)
    data: Path | None = None
    out: Path | None = None
    force: bool = False


@dataclass(frozen=True)
class PreparedSubmission:
    """A submission and the file that it goes to."""

    request: SubmissionRequest
    submission: Submission
    path: Path


@dataclass(frozen=True)
class SubmissionFile:
    """A file that was written, read back and validated, with its ledger record and its size in bytes."""

    path: Path
    entry: Entry
    size: int


@dataclass(frozen=True)
class WrittenSubmission:
    """The file of a split, the zip of all splits where it is separate, and why that zip is not written yet."""

    file: SubmissionFile
    zip: SubmissionFile | None = None
    waiting_for: str = ""


def prepare(request: SubmissionRequest, manifest: Manifest, workspace: Workspace) -> PreparedSubmission:
    """Fuse and rank the scores of a request; nothing is written.

    Raises:
        SubmissionError: a file exists, the ledger is damaged, or the server does not accept the scores.
        MissingScoresError, AlignmentError, LeakError, SplitError: as `resolve_source`, `read_split` and `build`.
    """
    target, split = request.target, request.split
    sweep(workspace.submissions / LEDGER)
    Ledger(workspace.submissions / LEDGER).entries()  # raises early if the ledger is damaged
    dataset = manifest.dataset(target.name)
    source = resolve_source(request.source, manifest, workspace, target.name, split)
    paths = [request.out] if request.out else _paths(target, split, workspace, source.name)
    if _record_of(paths[-1], workspace):  # else an earlier run may have been killed before its end
        for path in paths:
            refuse_existing(path, request.force)
    listed = read_split(dataset, split, request.data or workspace.data / dataset.folder)
    return PreparedSubmission(request, build(source, target, listed, manifest, request.options), paths[0])


def write_submission(prepared: PreparedSubmission, workspace: Workspace) -> WrittenSubmission:
    """Write a prepared submission and record it; with the last split of a source, write the zip of all splits too.

    Raises:
        SubmissionError: a file exists, or the scores read back are not those prepared.
    """
    request, ledger = prepared.request, Ledger(workspace.submissions / LEDGER)
    entry = write_file(prepared.path.absolute(), prepared.submission, force=request.force)
    file = _record(entry, prepared.path, ledger, workspace)
    if request.out is not None or len(request.target.members) == 1:
        return WrittenSubmission(file)
    folder = prepared.path.parent
    files, waiting_for = _other_splits(prepared.submission, folder, ledger, workspace)
    if waiting_for:
        return WrittenSubmission(file, waiting_for=waiting_for)
    path = folder.with_name(f"{folder.name}.zip")
    entry = bundle(path, request.target, files, force=request.force)
    return WrittenSubmission(file, _record(entry, path, ledger, workspace))


def _record_of(path: Path, workspace: Workspace) -> Entry | None:
    """The record of writing a file as it is; None if there is no file, or the ledger does not know it."""
    if not path.is_file():
        return None
    ledger, name = Ledger(workspace.submissions / LEDGER), workspace.stored_name(path.absolute())
    entry = ledger.by_sha256(file_sha256(path), name)
    return entry if entry and entry.file == name else None


def _paths(target: Target, split: str, workspace: Workspace, source: str) -> Sequence[Path]:
    """The file of a split, and the zip of all splits if this split is the last one."""
    folder = workspace.submissions / target.name
    bundled = folder / f"{source}.zip"
    if len(target.members) == 1:
        return [bundled]
    member = target.member_of(split)
    others = [folder / source / name for name in target.members if name != member]
    return [folder / source / member, *([bundled] if all(map(Path.is_file, others)) else [])]


def _other_splits(
    submission: Submission, folder: Path, ledger: Ledger, workspace: Workspace
) -> tuple[dict[str, tuple[Path, Entry]], str]:
    """The written files of all splits with their records; or a sentence about the split that is missing."""
    files: dict[str, tuple[Path, Entry]] = {}
    for name, split in submission.target.members.items():
        entry = ledger.written(workspace.stored_name(folder / name))
        if entry is None or not (folder / name).is_file():
            command = f"gsmbench submit epic --split {split} from the same source"
            return {}, f"the zip needs {split} too: {command}"
        if entry.signature != submission.signature:
            return {}, f"{name} has other scores or settings, so no zip is written: submit {split} again with --force"
        files[name] = (folder / name, entry)
    return files, ""


def _record(entry: Entry, path: Path, ledger: Ledger, workspace: Workspace) -> SubmissionFile:
    recorded = replace(entry, file=workspace.stored_name(path.absolute()))
    known = _record_of(path, workspace)
    if known is not None and replace(known, date=entry.date) == recorded:
        return SubmissionFile(path, known, path.stat().st_size)
    ledger.add(recorded)
    return SubmissionFile(path, recorded, path.stat().st_size)
