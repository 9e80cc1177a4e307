"""Files of submissions: where they go, and what is never replaced."""

import pytest

from gsm_bench.submit.ledger import Ledger
from tests.submit.conftest import LEVELS


def test_the_same_scores_give_the_same_bytes(submitted_zip, gsmbench):
    before = submitted_zip.read_bytes()
    assert gsmbench("submit", "epic100", *LEVELS, "--force").status == 0
    assert submitted_zip.read_bytes() == before


def test_nothing_is_overwritten_without_force(submitted_zip, gsmbench):
    before = submitted_zip.read_bytes()
    ran = gsmbench("submit", "epic100", *LEVELS)
    assert ran.status == 1
    assert "this file exists already" in ran.err
    assert submitted_zip.read_bytes() == before


def test_an_existing_file_is_found_before_the_work(submitted_zip, gsmbench, monkeypatch):
    from gsm_bench.submit import run as module

    monkeypatch.setattr(module, "build", lambda *_: pytest.fail("fused before the place was looked at"))
    for choices in ([], ["--out", submitted_zip]):
        ran = gsmbench("submit", "epic100", *LEVELS, *choices)
        assert ran.status == 1
        assert "this file exists already" in ran.err


def test_an_existing_zip_is_found_before_its_last_split_is_written(epic, save_epic, gsmbench):
    for split in ("s1", "s2"):
        save_epic("epic-55", split, "mine")
        assert gsmbench("submit", "epic", "--split", split).status == 0
    seen = epic.submissions / "epic-55/mine/seen.json"
    seen.unlink()
    ran = gsmbench("submit", "epic", "--split", "s1")
    assert ran.status == 1
    assert "mine.zip" in ran.err
    assert not seen.exists()
    assert gsmbench("submit", "epic", "--split", "s1", "--force").status == 0


def test_a_corrupting_disk_leaves_no_file(epic, save_epic, gsmbench, monkeypatch):
    """What is written is read back from disk before it gets its name."""
    from gsm_bench.submit import writing as module

    whole = module.json_pieces

    def lossy(answers, target):
        pieces = list(whole(answers, target))
        return [pieces[0], pieces[1].replace(b"-", b"", 1), *pieces[2:]]

    monkeypatch.setattr(module, "json_pieces", lossy)
    save_epic("epic-100", "test", "mine")
    ran = gsmbench("submit", "epic100", *LEVELS)
    assert ran.status == 1
    assert "the written file" in ran.err
    assert not list((epic.submissions / "epic-100").iterdir())


def test_the_quicker_of_two_submissions_stays(epic, save_epic, gsmbench, monkeypatch):
    """The other one saw no file when it began."""
    from gsm_bench.submit import writing as module

    whole, place = module.write_zip, epic.submissions / "epic-100" / "mine.zip"

    def slow(path, members):
        whole(path, members)
        place.write_bytes(b"of another process")

    monkeypatch.setattr(module, "write_zip", slow)
    save_epic("epic-100", "test", "mine")
    ran = gsmbench("submit", "epic100", *LEVELS)
    assert ran.status == 1
    assert "this file exists already" in ran.err
    assert place.read_bytes() == b"of another process"
    assert [path.name for path in place.parent.iterdir()] == ["mine.zip"]
    assert gsmbench("submit", "epic100", *LEVELS, "--force").status == 0


@pytest.mark.parametrize("out", ["file.tar", "file.ZIP", "file", "submissions", "folder.zip"])
def test_out_is_a_zip_or_a_json(epic, save_epic, gsmbench, out):
    (epic.root / "folder.zip").mkdir()
    save_epic("epic-100", "test", "mine")
    ran = gsmbench("submit", "epic100", *LEVELS, "--out", epic.root / out)
    assert ran.status == 2
    assert "name a .zip or a .json file" in ran.err
    assert not (epic.root / out).is_file()


def test_the_python_way_gives_the_same_bytes(submitted_zip, epic):
    """`prepare` writes nothing; `write_submission` gives the file of the command, with its ledger record."""
    from gsm_bench.manifest import load_manifest
    from gsm_bench.submit.epic import Options
    from gsm_bench.submit.run import SubmissionRequest, prepare, write_submission
    from gsm_bench.submit.targets import EPIC_100

    options = Options(sls={"sls_pt": 1, "sls_tl": 3, "sls_td": 3})
    path = epic.root / "again.zip"
    prepared = prepare(SubmissionRequest(EPIC_100, "test", options=options, out=path), load_manifest(epic), epic)
    assert not path.exists()
    written = write_submission(prepared, epic)
    assert path.read_bytes() == submitted_zip.read_bytes()
    assert (written.zip, written.waiting_for, written.file.size) == (None, "", path.stat().st_size)
    assert Ledger(epic.submissions / "ledger.jsonl").entries()[-1] == written.file.entry
