"""A submission on disk: written aside, read back, judged and rescored, and only then in place."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from gsm_bench.errors import SubmissionError
from gsm_bench.files import aside, commit, commit_new
from gsm_bench.submit.check import check_file
from gsm_bench.submit.document import json_pieces, write_json, write_zip
from gsm_bench.submit.epic import Submission
from gsm_bench.submit.ledger import WRITTEN, Entry
from gsm_bench.submit.rescore import rescore
from gsm_bench.submit.server_scores import ServerScores
from gsm_bench.submit.targets import Target


def write_file(path: Path, made: Submission, *, force: bool = False) -> Entry:
    """Write a zip or a bare JSON, read it back, judge and rescore it, and only then put it in place.

    Args:
        path: ``.zip`` or ``.json``.
        made: what to write.
        force: replace a file that is there.

    Returns:
        Its line for the ledger.

    Raises:
        SubmissionError: the file exists; or what was written is not what was meant, which leaves nothing in place.
    """
    refuse_existing(path, force)
    target, member = made.target, made.target.member_of(made.split.name)
    with _written_aside(path) as written:
        if path.suffix == ".zip":
            write_zip(written, [(member, json_pieces(made.written, target))])
        else:
            write_json(written, made.written, target)
        found = _read_back(written, target, {made.split.name: made.split.ids})
        _compare(next(iter(found.values())), made.exact, path)
        entry = _entry(path, written, target, found)
        _place(written, path, force)
    return replace(
        entry, splits=(made.split.name,), source=made.source, signature=made.signature, actions=made.rule.source, sls=made.written.sls
    )  # fmt: skip


def bundle(path: Path, target: Target, written: Mapping[str, tuple[Path, Entry]], *, force: bool = False) -> Entry:
    """Zip the files of all splits of a target, as their ledger lines describe them, flat.

    Args:
        path: the zip.
        written: per member of the zip, the JSON file and the ledger line of its writing.

    Raises:
        SubmissionError: the zip exists, or a file is no longer what was written.
    """
    refuse_existing(path, force)
    contents = {}
    for name, (file, entry) in written.items():
        contents[name] = file.read_bytes()
        if hashlib.sha256(contents[name]).hexdigest() != entry.sha256:
            raise SubmissionError(
                "this file changed since it was written", where=file, fix="submit its split again with --force"
            )
    with _written_aside(path) as aside_path:
        write_zip(aside_path, [(name, [data]) for name, data in contents.items()])
        entry = _entry(path, aside_path, target, _read_back(aside_path, target, None))
        _place(aside_path, path, force)
    first = next(iter(written.values()))[1]
    splits = tuple(target.members[name] for name in written)
    return replace(entry, splits=splits, source=first.source, signature=first.signature, actions=first.actions)


def _read_back(path: Path, target: Target, ids: Mapping[str, Sequence[str]] | None) -> dict[str, ServerScores]:
    """The content of a written file, judged as the server would, with the ids of its splits where they are given."""
    verdict = check_file(path, lambda _, split: None if ids is None else ids.get(split))
    if not verdict.passes:
        said = "; ".join(f"{finding.kind}: {finding.what}" for finding in verdict.findings if finding.fatal)
        raise SubmissionError(
            f"what was written would be refused: {said}", where=path, fix="check the disk, and write again"
        )
    return dict(verdict.answers)


def _compare(found: ServerScores, exact: ServerScores, path: Path) -> None:
    for reading, rescored in rescore(found, exact).items():
        if rescored.changed:
            raise SubmissionError(
                f"what was written ranks {len(rescored.changed):,} clips otherwise under {reading} softmax, first {rescored.changed[0]}",
                where=path,
                fix="this is a fault of gsm_bench: report it with the score file",
            )


def _entry(path: Path, written: Path, target: Target, found: Mapping[str, ServerScores]) -> Entry:
    return Entry(
        event=WRITTEN,
        file=str(path),
        sha256=hashlib.sha256(written.read_bytes()).hexdigest(),
        target=target.name,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        content={name: answers.digest for name, answers in found.items()},
    )


def refuse_existing(path: Path, force: bool) -> None:
    """Raise SubmissionError for a file that is there, unless it is to be replaced."""
    if path.exists() and not force:
        raise _exists(path)


def _exists(path: Path) -> SubmissionError:
    return SubmissionError(
        "this file exists; nothing is overwritten unasked", where=path, fix="--force, or --out ANOTHER"
    )


def _place(written: Path, path: Path, force: bool) -> None:
    """Rename a judged file into place; another of the same name that was written meanwhile stays what it is."""
    if force:
        commit(written, path)
    elif not commit_new(written, path):
        raise _exists(path)


@contextmanager
def _written_aside(path: Path) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    written = aside(path).with_suffix(path.suffix)
    try:
        yield written
    finally:
        written.unlink(missing_ok=True)
