"""Where a command stands: workspaces that cannot be, names that are no UTF-8, paths that can be pasted."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.cases.shell import one_error, shell
from tests.cases.toy import noise, one_message, write_frames
from tests.submit.conftest import LEVELS, epic, save_epic  # noqa: F401

A, B = (f"scores/toy/val/{name}.h5" for name in "ab")


@pytest.fixture
def files(toy_labels, save_scores):
    """a and b: score files of 60 videos."""
    for seed, name in enumerate("ab"):
        save_scores(name, np.random.default_rng(seed).standard_normal((60, 2, 5)).astype(np.float32))


@pytest.mark.parametrize("place", ["~nosuch/x", "no\0where", "x" * 300, "/dev/null", "/dev/null/x", "/proc/1/root", ""])
def test_a_workspace_that_cannot_be(workspace, place, gsmbench):
    ran = gsmbench("--workspace", place, "submit", "log")
    assert ran.status in (0, 1, 2) and "Traceback" not in ran.err
    if ran.status == 1:
        one_error(ran)


def test_a_name_that_is_no_utf8(files, workspace):
    path = Path(b"caf\xe9.h5".decode("utf-8", "surrogateescape"))
    Path(A).rename(path)
    ran = shell("evaluate", path)
    assert ran.status == 0, ran.err
    ran = shell("evaluate", b"no\xe9where.h5")
    assert "no" in one_error(ran)
    ran = shell("ensemble", "--members", path, "--out", b"f\xe9.h5")
    assert ran.status == 0, ran.err


# Paths that can be pasted.


@pytest.fixture
def elsewhere(workspace, monkeypatch):
    """Stand in another directory than the workspace."""
    place = workspace.root / "some where"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


def pasted(ran):
    """The path that a command prints as its result, as a shell reads it."""
    assert ran.status == 0, ran.err
    (path,) = shlex.split(ran.out.strip().splitlines()[-1])
    return Path(path)


def test_a_submission_from_elsewhere(epic, save_epic, gsmbench, elsewhere):  # noqa: F811
    save_epic("epic-100", "test", "mine")
    path = pasted(gsmbench("--workspace", "..", "submit", "epic100", *LEVELS))
    assert path.is_file()
    assert gsmbench("--workspace", "..", "check", path).status == 0


def test_an_import_from_elsewhere(workspace, gsmbench, elsewhere):
    rng = np.random.default_rng(1)
    np.savez("dump.npz", ids=[f"v{row}" for row in range(90)], scores=rng.standard_normal((90, 14)))
    ran = gsmbench("import", "dump.npz", "--workspace", "..")
    assert ran.status == 0, ran.err
    words = [word.strip("'\",:;") for word in (ran.out + ran.err).split() if word.strip("'\",:;").endswith(".h5")]
    assert words and all(Path(word).is_file() for word in words), ran.out + ran.err


@pytest.mark.parametrize("name", ["fused.h5", "a b.h5", "../up.h5", "deep/er/x.h5"])
def test_a_fused_file_from_elsewhere(files, gsmbench, elsewhere, name):
    ran = gsmbench("--workspace", "..", "ensemble", "--members", f"../{A},../{B}", "--out", name)
    assert ran.status == 0, ran.err
    assert Path(name).is_file()
    (line,) = [line for line in ran.err.splitlines() if "wrote" in line]
    (path,) = shlex.split(line.partition("wrote ")[2])
    assert Path(path).is_file(), line


def test_an_export_from_elsewhere(files, gsmbench, elsewhere):
    ran = gsmbench("--workspace", "..", "export", f"../{A}", "--to", "npz", "--out", "a b.npz")
    assert ran.status == 0, ran.err
    words = shlex.split((ran.out + ran.err).strip().splitlines()[-1].removeprefix("wrote "))
    assert any(Path(word).is_file() for word in words), ran.out + ran.err


@pytest.mark.parametrize("place", ["my space", "it's", "a;b", "plain"])
@pytest.mark.parametrize(
    "arguments", [["ensemble", "--members", "inv3_8f"], ["search", "inv3_8f", "inv3_12f"], ["ensemble", "En1"]]
)
def test_commands_in_advice_can_be_pasted(workspace, gsmbench, place, arguments):
    """`gsmbench score` advised for another workspace names it, as a shell reads it."""
    (workspace.root / place).mkdir()
    message = one_error(gsmbench("--workspace", place, *arguments))
    line = re.search(r"gsmbench .*score .*", message)[0]
    read = subprocess.run(["bash", "-c", f'printf "%s\\n" {line}'], capture_output=True, text=True, check=False)
    words = read.stdout.splitlines()
    assert Path(words[words.index("--workspace") + 1]).resolve() == (workspace.root / place).resolve()


@pytest.mark.parametrize("what", ["title", "name", "packed"])
def test_names_in_another_encoding_that_would_be_written(workspace, gsmbench, what):
    """One error, and nothing is changed."""
    odd = os.fsdecode(b"w\xff")
    local = workspace.root / "manifests" / "local.toml"
    (workspace.root / "toy.pth").write_bytes(b"")
    add = ["models", "add", odd if what == "name" else "new", "--like", "toy_4f", "--checkpoint", "toy.pth"]
    if what == "packed":
        write_frames(workspace.root / "frames" / odd, noise(3, 0))
        ran = gsmbench("pack", workspace.root / "frames", "p.h5")
    else:
        ran = gsmbench(*add, *(["--title", odd] if what == "title" else []))
    message = one_message(ran)
    assert "no UTF-8" in message
    message.encode()
    assert not local.exists()
