"""A submission on disk: written to a temporary file, read back, validated, rescored, then renamed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from gsm_bench import files
from gsm_bench.errors import SubmissionError
from gsm_bench.files import aside, commit, commit_new, file_sha256, full_disk_named, sweep
from gsm_bench.submit.check import check_file
from gsm_bench.submit.document import json_pieces, write_json, write_zip
from gsm_bench.submit.epic import Submission
from gsm_bench.submit.ledger import WRITTEN, Entry
from gsm_bench.submit.rescore import rescore
from gsm_bench.submit.server_scores import ServerScores
from gsm_bench.submit.targets import Target


def write_file(path: Path, submission: Submission, *, force: bool = False) -> Entry:
    """Write a zip or a bare JSON, read it back, validate and rescore it, then rename it.

    Args:
        path: ``.zip`` or ``.json``.
        submission: what to write.
        force: replace an existing file.

    Returns:
        Its record for the ledger.

    Raises:
        SubmissionError: the file exists, or the scores read back are not the exact ones; then no file is left.
    """
    target, member = submission.target, submission.target.member_of(submission.split.name)
    with _temporary(path) as written:
        if path.suffix == ".zip":
            write_zip(written, [(member, json_pieces(submission.written, target))])
        else:
            write_json(written, submission.written, target)
        contents = _read_back(written, {submission.split.name: submission.split.ids})
        _compare(next(iter(contents.values())), submission.exact, path)
        entry = _entry(path, written, target, contents)
        _place(written, path, force)
    return replace(
        entry,
        splits=(submission.split.name,),
        source=submission.source,
        signature=submission.signature,
        actions=submission.rule.source,
        sls=submission.written.sls,
    )


def bundle(path: Path, target: Target, written: Mapping[str, tuple[Path, Entry]], *, force: bool = False) -> Entry:
    """Zip the files of all splits of a target.

    Args:
        path: the zip.
        written: per member of the zip, the JSON file and its ledger record.

    Raises:
        SubmissionError: the zip exists, or a file changed since it was written.
    """
    contents = {}
    for name, (file, entry) in written.items():
        contents[name] = file.read_bytes()
        if hashlib.sha256(contents[name]).hexdigest() != entry.sha256:
            raise SubmissionError(
                "this file changed since it was written", where=file, fix="submit its split again with --force"
            )
    with _temporary(path) as temporary:
        write_zip(temporary, [(name, [data]) for name, data in contents.items()])
        entry = _entry(path, temporary, target, _read_back(temporary, None))
        _place(temporary, path, force)
    first = next(iter(written.values()))[1]
    splits = tuple(target.members[name] for name in written)
    return replace(entry, splits=splits, source=first.source, signature=first.signature, actions=first.actions)


def _read_back(path: Path, ids: Mapping[str, Sequence[str]] | None) -> dict[str, ServerScores]:
    """The scores of a written file, validated as the server would, with the ids of its splits if they are given."""
    verdict = check_file(path, lambda _, split: None if ids is None else ids.get(split))
    if not verdict.passes:
        errors = "; ".join(f"{finding.kind}: {finding.what}" for finding in verdict.of("error"))
        raise SubmissionError(
            f"the server would refuse the written file: {errors}", where=path, fix="check the disk and write it again"
        )
    return dict(verdict.contents)


def _compare(read: ServerScores, exact: ServerScores, path: Path) -> None:
    for reading, rescored in rescore(read, exact).items():
        if rescored.changed:
            raise SubmissionError(
                f"the written file changes the ranking of {len(rescored.changed):,} segments under {reading} softmax, "
                f"first {rescored.changed[0]}",
                where=path,
                fix="this is a bug of gsm_bench: report it with the score file",
            )


def _entry(path: Path, written: Path, target: Target, contents: Mapping[str, ServerScores]) -> Entry:
    return Entry(
        event=WRITTEN,
        file=str(path),
        sha256=hashlib.sha256(written.read_bytes()).hexdigest(),
        target=target.name,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        content={path.name if name == written.name else name: scores.digest for name, scores in contents.items()},
    )


def refuse_existing(path: Path, force: bool) -> None:
    """Raise SubmissionError if something is at the path and must not be replaced."""
    files.refuse_existing(path, force=force, exists=_exists(path))


def _exists(path: Path) -> SubmissionError:
    return SubmissionError("this file exists already", where=path, fix="--force to replace it, or --out ANOTHER")


def _place(written: Path, path: Path, force: bool) -> None:
    """Rename a validated file; a file of the same name and other bytes is kept.

    One of the same bytes comes from a run that was killed before it could record the file in the ledger.
    """
    if force:
        commit(written, path)
    elif not commit_new(written, path) and file_sha256(written) != file_sha256(path):
        raise _exists(path)


@contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path)
    written = aside(path, path.suffix)
    try:
        with full_disk_named(path):
            yield written
    finally:
        written.unlink(missing_ok=True)
