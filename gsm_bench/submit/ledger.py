"""The record of written and sent files: ``submissions/ledger.jsonl``, one JSON line each, append-only."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from gsm_bench.errors import SubmissionError
from gsm_bench.files import file_sha256, full_disk_named, locked
from gsm_bench.submit.targets import TARGETS

LEDGER = "ledger.jsonl"
WRITTEN, SENT = "written", "sent"


@dataclass(frozen=True)
class Entry:
    """One line of the ledger.

    Attributes:
        event: ``written`` by this package, or ``sent`` to the server by the user.
        file: its path, relative to the workspace.
        sha256: of the file.
        target: name of the server's data set.
        date: UTC, ISO 8601.
        splits: in the file.
        content: digest of the scores in each member of the zip.
        source: name of the model, ensemble or score file.
        signature: of everything that determines the scores except the split.
        actions: where action scores come from.
        sls: supervision levels.
        score: the server's result by name, in percent.
        failed: the server's error message if it refused the file; such attempts count too.
    """

    event: str
    file: str
    sha256: str
    target: str
    date: str
    splits: tuple[str, ...] = ()
    content: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    signature: str = ""
    actions: str = ""
    sls: Mapping[str, int] = field(default_factory=dict)
    score: Mapping[str, float] = field(default_factory=dict)
    failed: str = ""


@dataclass(frozen=True)
class Attempts:
    """Attempts on a server, used and left; None if the limit is unknown."""

    used_today: int
    used: int
    left_today: int | None
    left: int | None


class Ledger:
    """The ledger of a workspace."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def entries(self) -> list[Entry]:
        """All lines, oldest first.

        Raises:
            SubmissionError: a line is damaged.
        """
        if not self.path.is_file():
            return []
        entries = []
        for number, line in enumerate(self.path.read_bytes().splitlines(), start=1):
            if not line.strip():
                continue
            try:
                entries.append(_entry(line))
            except (ValueError, RecursionError) as error:  # msgspec.DecodeError is a ValueError
                raise SubmissionError(
                    f"a line of the ledger is damaged: {error}",
                    where=f"{self.path}, line {number}",
                    fix="correct or remove the line",
                ) from error
        return entries

    def add(self, entry: Entry) -> None:
        """Append one line and flush it to disk; a line is written completely or not at all.

        Raises:
            DiskError: the disk is full.
        """
        with locked(self.path), full_disk_named(self.path):
            _append(self.path, entry)

    def add_answer(self, entry: Entry, *, dated: bool) -> tuple[Entry, bool]:
        """Append the server's answer to a file, unless it is recorded already; returns its record, and whether it is new.

        Args:
            dated: whether the user gave the date; then the same answer of another time is another attempt.
        """
        with locked(self.path), full_disk_named(self.path):
            for known in self.entries():
                if replace(known, date=entry.date) == entry and (known.date == entry.date or not dated):
                    return known, False
            _append(self.path, entry)
        return entry, True

    def written(self, file: str) -> Entry | None:
        """The last record of writing `file`."""
        return next((entry for entry in reversed(self.entries()) if (entry.event, entry.file) == (WRITTEN, file)), None)

    def by_sha256(self, sha256: str, file: str) -> Entry | None:
        """The last record of writing a file with this sha256, preferably of this name: other files may have equal bytes."""
        equal = [entry for entry in self.entries() if (entry.event, entry.sha256) == (WRITTEN, sha256)]
        named = [entry for entry in equal if entry.file == file]
        return next(reversed(named or equal), None)

    def attempts(self, target: str, now: datetime | None = None) -> Attempts:
        """Attempts on a server so far; a day ends at midnight UTC."""
        today = (now or datetime.now(UTC)).date().isoformat()
        dates = [entry.date[:10] for entry in self.entries() if (entry.event, entry.target) == (SENT, target)]
        limits = TARGETS[target]
        left = None if limits.in_all is None else max(0, limits.in_all - len(dates))
        left_today = None if limits.per_day is None else max(0, min(limits.per_day - dates.count(today), left or 0))
        return Attempts(dates.count(today), len(dates), left_today, left)


def _append(path: Path, entry: Entry) -> None:
    """Append a line to the file; one that does not fit is taken back."""
    fields = {key: value for key, value in asdict(entry).items() if value not in ("", {}, ())}
    line = json.dumps(fields, allow_nan=False).encode() + b"\n"
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        size = os.fstat(handle).st_size
        if size and os.pread(handle, 1, size - 1) != b"\n":  # an editor removed the last line break
            line = b"\n" + line
        try:
            while line:
                line = line[os.write(handle, line) :]
        except OSError:
            os.ftruncate(handle, size)
            raise
        os.fsync(handle)
    finally:
        os.close(handle)


def _entry(line: bytes) -> Entry:
    """The record of a line; raises ValueError if one of its fields cannot be used."""
    entry: Entry = msgspec.json.decode(line, type=Entry)
    if entry.target not in TARGETS:
        raise ValueError(f"no server {entry.target!r}; there are {', '.join(TARGETS)}")
    datetime.fromisoformat(entry.date)
    return entry


def parse_score(texts: Iterable[str]) -> dict[str, float]:
    """The server's result in percent from texts such as ``verb=65.2``; raises SubmissionError."""
    score: dict[str, float] = {}
    for part in (part for text in texts for part in text.split(",")):
        name, _, value = (piece.strip() for piece in part.partition("="))
        if not name or not _is_percent(value):
            raise SubmissionError(
                f"{part!r} is not a score: a name and a number from 0 to 100",
                fix="--score verb=65.2 --score noun=48.1, or --score verb=65.2,noun=48.1",
            )
        if name in score:
            raise SubmissionError(f"{name} is given twice", fix="give each score once")
        score[name] = float(value)
    return score


def _is_percent(text: str) -> bool:
    try:
        return 0 <= float(text) <= 100
    except ValueError:
        return False


def attempts_words(attempts: Attempts) -> str:
    """Attempts in a sentence."""
    if attempts.left is None:
        return f"{attempts.used} sent so far"
    return (
        f"{attempts.left_today} of today's attempts and {attempts.left} in total are left ({attempts.used} sent so far)"
    )


def sent_rows(entries: Sequence[Entry]) -> tuple[dict[str, Any], ...]:
    """The ledger as rows of a table."""
    return tuple(
        {
            "date": entry.date[:16].replace("T", " "),
            "event": entry.event if not entry.failed else "failed",
            "file": entry.file,
            "splits": "+".join(entry.splits),
            "source": entry.source,
            "sha256": entry.sha256[:12],
            "score": ", ".join(f"{name} {value:g}" for name, value in entry.score.items()) or entry.failed or None,
        }
        for entry in entries
    )


def record_sent(
    ledger: Ledger, path: Path, shown: str, score: Mapping[str, float], failed: str, date: str | None
) -> tuple[Entry, bool]:
    """Record the server's result for a file of this workspace; returns its record, and whether it is new.

    The same result of the same file is one attempt, unless its date is given and is another one.

    Args:
        shown: the path relative to the workspace.

    Raises:
        SubmissionError: the file does not exist or is not in the ledger, or the date is invalid.
    """
    if not path.is_file():
        raise SubmissionError("no such file", where=path, fix="name the file that was sent")
    written = ledger.by_sha256(file_sha256(path), shown)
    if written is None:
        raise SubmissionError(
            "this file is not in the ledger: it was written elsewhere, or has changed",
            where=path,
            fix="gsmbench check FILE shows which",
        )
    when = datetime.now(UTC) if date is None else _moment(date)
    sent = replace(written, event=SENT, date=when.isoformat(timespec="seconds"), content={}, score=score, failed=failed)
    return ledger.add_answer(sent, dated=date is not None)


def _moment(text: str) -> datetime:
    """A time in UTC. A date without a zone is in UTC too: the local zone would move attempts to another day."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise SubmissionError(
            f"{text!r} is not a date", fix="--date 2026-03-01 or 2026-03-01T14:30:00+00:00"
        ) from error
    when = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    if when > datetime.now(UTC) + timedelta(days=1):
        raise SubmissionError(f"{text} is in the future", fix="give --date as the time when the file was sent")
    return when
