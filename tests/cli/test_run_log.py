"""`logs/runs.jsonl`: a line per command that makes files."""

import json

import numpy as np
import pytest


@pytest.fixture
def dump(workspace):
    np.savez("x.npz", ids=np.array(["v0", "v1"]), scores=np.array([[1.0, -1.0], [0.5, -2.0]], np.float32))


def lines(workspace):
    path = workspace.root / "logs" / "runs.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_commands_that_make_files_are_logged(dump, gsmbench, workspace):
    assert gsmbench("import", "x.npz").status == 0
    assert gsmbench("import", "x.npz").status == 1
    assert gsmbench("models", "list").status == 0
    first, second = lines(workspace)
    assert first["command_line"] == ["gsmbench", "import", "x.npz"]
    assert [first["status"], second["status"]] == [0, 1]
    assert first["versions"]["numpy"] == np.__version__
    assert first["duration_s"] >= 0
    assert {"started", "host", "code_commit", "directory", "process"} < first.keys()


def test_a_result_that_is_written_is_logged(dump, gsmbench, workspace):
    gsmbench("import", "x.npz")
    gsmbench("ensemble", "--members", "scores/imported/x.h5")
    gsmbench("ensemble", "--members", "scores/imported/x.h5", "--out=e.h5")
    assert [line["command_line"][1] for line in lines(workspace)] == ["import", "ensemble"]


def test_a_line_that_was_cut_short_stays_by_itself(dump, gsmbench, workspace):
    path = workspace.root / "logs" / "runs.jsonl"
    path.parent.mkdir()
    path.write_text('{"started": "2026-')
    assert gsmbench("import", "x.npz").status == 0
    assert gsmbench("import", "x.npz").status == 1
    first, *others = path.read_text().splitlines()
    assert first == '{"started": "2026-'
    assert [json.loads(line)["status"] for line in others] == [0, 1]


def test_a_plan_is_not_logged(gsmbench, workspace):
    gsmbench("score", "--model", "toy_4f", "--plan")
    assert lines(workspace) == []


def test_a_log_that_cannot_be_written_is_a_note(dump, gsmbench, workspace):
    (workspace.root / "logs").write_text("a file in the way")
    ran = gsmbench("import", "x.npz")
    assert ran.status == 0
    assert "note: the run log cannot be written" in ran.err
    assert (workspace.root / "logs").read_text() == "a file in the way"


def test_words_that_are_no_text(dump, gsmbench, workspace):
    assert gsmbench("import", "no\udcffsuch.npz").status == 1
    assert lines(workspace)[0]["command_line"][2] == "no\\xffsuch.npz"
