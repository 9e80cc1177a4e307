"""Calls that write files: what they write equals what the commands write."""

import shutil

import pytest

import gsm_bench as gb
from gsm_bench.scorefile import content_hash
from tests.submit.conftest import epic, save_epic  # noqa: F401


def test_an_ensemble_is_written_and_fused_in_memory_alike(demo, gsmbench, tmp_path):
    ran = gsmbench("--workspace", demo, "ensemble", "shapes_En1", "--out", tmp_path / "command.h5")
    assert ran.status == 0
    bench = gb.Bench(demo)
    bench.ensemble("shapes_En1", out=tmp_path / "call.h5")
    files = [bench.scores(name) for name in ("shapes_8f", "shapes_12f")]
    gb.fuse(files).save(tmp_path / "memory.h5")
    hashes = {content_hash(tmp_path / f"{name}.h5") for name in ("command", "call", "memory")}
    assert len(hashes) == 1
    with pytest.raises(gb.errors.ScoreFileError, match="exists"):
        bench.ensemble("shapes_En1", out=tmp_path / "call.h5")


def test_members_may_be_open_files_and_paths(demo):
    bench = gb.Bench(demo)
    by_name = bench.ensemble("shapes_8f,shapes_12f")
    path = demo / "scores" / "shapes" / "val" / "shapes_12f.h5"
    assert bench.ensemble([bench.scores("shapes_8f"), path]).top1 == by_name.top1


def test_a_submission_is_the_one_of_the_command(epic, save_epic, gsmbench):  # noqa: F811
    save_epic("epic-100", "test", "mine")
    levels = {"sls_pt": 1, "sls_tl": 3, "sls_td": 3}
    result = gb.Bench(epic.root).submit("epic-100", levels=levels)
    assert gb.Bench(epic.root).check(result.path)
    written = result.path.read_bytes()
    options = [text for name, level in levels.items() for text in (f"--{name.replace('_', '-')}", level)]
    assert gsmbench("submit", "epic100", *options, "--force").status == 0
    assert result.path.read_bytes() == written
    with pytest.raises(gb.errors.SubmissionError, match="exists"):
        gb.Bench(epic.root).submit("epic-100", levels=levels)


def test_a_split_of_two_and_an_unknown_server_are_asked_for(epic):  # noqa: F811
    bench = gb.Bench(epic.root)
    with pytest.raises(gb.errors.SubmissionError, match="one file per split") as caught:
        bench.submit("epic-55")
    assert "s1, s2" in caught.value.fix
    with pytest.raises(gb.errors.SubmissionError, match="no server 'epic'"):
        bench.submit("epic")


def test_scoring_writes_the_file_of_the_command(tmp_path, gsmbench):
    pytest.importorskip("torch")
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    assert gsmbench("shapes", "make", first / "data" / "shapes", "--split", "val", "--clips", 28).status == 0
    shutil.copytree(first, second)
    options = ["--limit", 3, "--batch", 2, "--threads", 1, "--device", "cpu", "--quiet"]
    assert gsmbench("--workspace", first, "score", "--model", "shapes_8f", *options).status == 0
    with gb.Bench(second).score("shapes_8f", limit=3, batch=2, threads=1, device="cpu") as file:
        assert len(file) == 3
        assert content_hash(file.path) == content_hash(first / file.path.relative_to(second))
