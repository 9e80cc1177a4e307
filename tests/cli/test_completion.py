"""Names that a shell completes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gsm_bench.cli.completion import SHELLS


def complete(gsmbench, monkeypatch, *words):
    """What bash is offered for the last of some words."""
    monkeypatch.setenv("_GSMBENCH_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", " ".join(["gsmbench", *words]))
    monkeypatch.setenv("COMP_CWORD", str(len(words)))
    return [line.partition(",")[2] for line in gsmbench().out.splitlines() if line]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["score", "--model", "inv3_1"], ["inv3_12f", "inv3_16f"]),
        (["compare", "inv3_8f,inv3_1"], ["inv3_8f,inv3_12f", "inv3_8f,inv3_16f"]),
        (["score", "--dataset", "something-v2", "--split", "v"], ["validation"]),
        (["score", "--dataset", "to"], ["toy"]),
        (["models", "show", "toy_4"], ["toy_4f"]),
        (["ensemble", "En3x"], ["En3x2"]),
        (["datasets", "check", "hm"], ["hmdb51"]),
        (["models", "add", "mine", "--like", "inv3_8"], ["inv3_8f"]),
        (["report", "inv3_8"], ["inv3_8f"]),
        (["scor"], ["score"]),
        (["score", "--model", "nosuch"], []),
    ],
)
def test_names_of_the_registry(words, offered, gsmbench, monkeypatch, workspace):
    assert complete(gsmbench, monkeypatch, *words) == offered


def test_names_of_the_workspace_that_the_line_names(gsmbench, monkeypatch, workspace, tmp_path):
    root = str(workspace.root)
    monkeypatch.delenv("GSMBENCH_HOME", raising=False)
    monkeypatch.chdir("/")
    assert complete(gsmbench, monkeypatch, "score", "--model", "toy_4") == []
    assert complete(gsmbench, monkeypatch, "--workspace", root, "score", "--model", "toy_4") == ["toy_4f"]
    assert complete(gsmbench, monkeypatch, "score", "--workspace", root, "--model", "toy_4") == ["toy_4f"]


def test_a_broken_workspace_offers_nothing(gsmbench, monkeypatch):
    assert complete(gsmbench, monkeypatch, "--workspace", "/nosuch", "score", "--model", "inv") == []


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_of_each_shell(shell, gsmbench):
    ran = gsmbench("completion", shell)
    assert ran.status == 0
    assert "_GSMBENCH_COMPLETE" in ran.out


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_itself_completes_names(gsmbench, workspace, tmp_path):
    """The script, run by bash, asks the command for the word that is not finished."""
    program = tmp_path / "bin" / "gsmbench"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m gsm_bench "$@"\n')
    program.chmod(0o755)
    (tmp_path / "script").write_text(gsmbench("completion", "bash").out)
    asked = """source "$1"; complete -p gsmbench; COMP_WORDS=(gsmbench score --model toy_4); COMP_CWORD=3
    _gsmbench_completion gsmbench; echo "${COMPREPLY[*]}" """
    source = str(Path(__file__).parents[2])
    ran = subprocess.run(
        ["bash", "-c", asked, "bash", tmp_path / "script"], capture_output=True, text=True,
        env={**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHONPATH": source, "GSMBENCH_HOME": str(workspace.root)},
    )  # fmt: skip
    assert ran.stdout.splitlines()[-1] == "toy_4f", ran.stderr
    assert "_gsmbench_completion gsmbench" in ran.stdout
