"""The ledger: written and sent files, results, and attempts left."""

import json
import time
from datetime import UTC, datetime

import pytest

from gsm_bench.submit.ledger import Ledger
from tests.cases.shell import one_error, shell
from tests.submit.conftest import LEVELS


def test_log(submitted_zip, epic, gsmbench):
    ran = gsmbench("submit", "log", submitted_zip, "--score", "verb=65.2,noun=48", "--score", "action=35.5")
    assert ran.status == 0, ran.err
    assert "0 of today's attempts and 49 in total are left" in ran.err
    assert (
        gsmbench("submit", "log", submitted_zip, "--failed", "MissingResultException", "--date", "2026-01-02").status
        == 0
    )
    shown = json.loads(gsmbench("submit", "log", "--format", "json").out)
    assert [row["event"] for row in shown["rows"]] == ["written", "sent", "failed"]
    assert shown["rows"][1]["score"] == "verb 65.2, noun 48, action 35.5"
    assert "0 of today's attempts and 48 in total" in shown["notes"][0]


def test_the_same_answer_twice_is_one_attempt(submitted_zip, epic, gsmbench):
    path = epic.submissions / "ledger.jsonl"
    answer = ["submit", "log", submitted_zip, "--score", "verb=65.2,noun=48"]
    assert "in the ledger already" not in gsmbench(*answer).err
    once = path.read_bytes()
    again = gsmbench(*answer)
    assert again.status == 0
    assert "note: this result is in the ledger already, of 2" in again.err
    assert "49 in total are left (1 sent so far)" in again.err
    assert path.read_bytes() == once
    for other in (["--score", "verb=65.2,noun=49"], ["--score", "verb=65.2,noun=48", "--date", "2026-01-02"]):
        gsmbench("submit", "log", submitted_zip, *other)
    assert [entry.event for entry in Ledger(path).entries()] == ["written", "sent", "sent", "sent"]
    gsmbench("submit", "log", submitted_zip, "--score", "verb=65.2,noun=48", "--date", "2026-01-02")
    for _ in range(2):
        gsmbench("submit", "log", submitted_zip, "--failed", "MissingResultException")
    assert len(Ledger(path).entries()) == 5


def test_a_line_that_does_not_fit_is_taken_back(submitted_zip, epic):
    path = epic.submissions / "ledger.jsonl"
    before = path.read_bytes()
    ran = shell("submit", "log", submitted_zip, "--score", "verb=1", file_size=len(before) + 20)
    assert "ulimit -f" in one_error(ran)
    assert path.read_bytes() == before
    assert sorted(item.name for item in path.parent.iterdir()) == ["epic-100", "ledger.jsonl"]


def test_a_run_killed_before_its_record_is_finished_by_the_next(submitted_zip, epic, gsmbench):
    path, zipped = epic.submissions / "ledger.jsonl", submitted_zip.read_bytes()
    path.unlink()
    ran = gsmbench("submit", "epic100", *LEVELS)
    assert ran.status == 0, ran.err
    assert submitted_zip.read_bytes() == zipped
    assert [entry.file for entry in Ledger(path).entries()] == ["submissions/epic-100/mine.zip"]
    path.unlink()
    submitted_zip.write_bytes(b"of somebody")
    assert "exists already" in gsmbench("submit", "epic100", *LEVELS).err
    assert submitted_zip.read_bytes() == b"of somebody"


def test_attempts_end_with_the_day(submitted_zip, epic, gsmbench):
    gsmbench("submit", "log", submitted_zip, "--score", "verb=1", "--date", "2026-03-01T23:59:00+00:00")
    ledger = Ledger(epic.submissions / "ledger.jsonl")
    assert ledger.attempts("epic-100", datetime(2026, 3, 1, 12, tzinfo=UTC)).left_today == 0
    assert ledger.attempts("epic-100", datetime(2026, 3, 2, 0, 1, tzinfo=UTC)).left_today == 1


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["submissions/epic-100/mine.zip"], 2, "give the server's result"),
        (["submissions/epic-100/mine.zip", "--score", "65"], 1, "is not a score"),
        (["submissions/epic-100/mine.zip", "--score", "verb=high"], 1, "is not a score"),
        (["submissions/epic-100/mine.zip", "--score", "verb=nan"], 1, "a number from 0 to 100"),
        (["submissions/epic-100/mine.zip", "--score", "verb=inf"], 1, "a number from 0 to 100"),
        (["submissions/epic-100/mine.zip", "--score", "verb=652"], 1, "a number from 0 to 100"),
        (["submissions/epic-100/mine.zip", "--score", "verb=65.2,verb=3"], 1, "verb is given twice"),
        (["submissions/epic-100/mine.zip", "--score", "verb=1", "--date", "2999-01-01"], 1, "is in the future"),
        (["submissions/epic-100/mine.zip", "--score", "verb=1", "--date", "yesterday"], 1, "is not a date"),
        (["nowhere.zip", "--score", "verb=1"], 1, "no such file"),
        (["toynet.py", "--score", "verb=1"], 1, "this file is not in the ledger"),
        (["--score", "verb=1"], 2, "name the file that was sent"),
    ],
)
def test_log_wrongly(submitted_zip, gsmbench, arguments, status, message):
    ran = gsmbench("submit", "log", *arguments)
    assert ran.status == status
    assert message in ran.err


def test_a_damaged_ledger_is_named(submitted_zip, epic, gsmbench):
    path = epic.submissions / "ledger.jsonl"
    path.write_text(path.read_text() + "{broken\n")
    ran = gsmbench("submit", "log")
    assert ran.status == 1
    assert "ledger.jsonl, line 2" in ran.err


def test_a_refused_result_leaves_the_ledger_unchanged(submitted_zip, epic, gsmbench):
    before = (epic.submissions / "ledger.jsonl").read_bytes()
    assert gsmbench("submit", "log", submitted_zip, "--score", "verb=nan").status == 1
    assert (epic.submissions / "ledger.jsonl").read_bytes() == before
    assert gsmbench("submit", "log").status == 0


@pytest.mark.parametrize("damage", [b"{broken\n", b"\xff\xfe\n", b'{"event": "sent"}\n'])
def test_a_damaged_ledger_is_reported_before_anything_is_written(submitted_zip, epic, gsmbench, damage):
    path = epic.submissions / "ledger.jsonl"
    path.write_bytes(path.read_bytes() + damage)
    ran = gsmbench("submit", "epic100", *LEVELS, "--out", "second.zip")
    assert ran.status == 1
    assert "ledger.jsonl, line 2" in ran.err
    assert not (epic.root / "second.zip").exists()
    ran = gsmbench("check", submitted_zip)
    assert ran.status == 0, "a damaged ledger does not stop the check"
    assert "not compared with the ledger: a line of the ledger is damaged" in ran.err


def test_a_ledger_without_its_last_line_break_is_continued(submitted_zip, epic, gsmbench):
    path = epic.submissions / "ledger.jsonl"
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    assert gsmbench("submit", "log", submitted_zip, "--score", "verb=1").status == 0
    assert [entry.event for entry in Ledger(path).entries()] == ["written", "sent"]


def test_a_date_without_a_zone_is_in_utc(submitted_zip, epic, gsmbench, monkeypatch):
    """In Tokyo a local midnight would be the day before, whose attempt was another one."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        gsmbench("submit", "log", submitted_zip, "--score", "verb=1", "--date", "2026-03-01")
    finally:
        monkeypatch.undo()
        time.tzset()
    assert Ledger(epic.submissions / "ledger.jsonl").entries()[-1].date == "2026-03-01T00:00:00+00:00"


def test_a_result_goes_to_the_file_that_was_sent_not_to_its_copy(submitted_zip, epic, gsmbench):
    """Equal scores give equal bytes; the name tells which of the two was sent."""
    assert gsmbench("submit", "epic100", *LEVELS, "--out", epic.root / "twin.zip").status == 0
    assert (epic.root / "twin.zip").read_bytes() == submitted_zip.read_bytes()
    assert gsmbench("submit", "log", submitted_zip, "--score", "verb=1").status == 0
    sent = Ledger(epic.submissions / "ledger.jsonl").entries()[-1]
    assert (sent.event, sent.file) == ("sent", "submissions/epic-100/mine.zip")
