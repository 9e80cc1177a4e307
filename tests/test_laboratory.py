"""The outputs in docs/laboratory.md are those of its commands; ``python tests/test_laboratory.py`` writes them anew.

The commands run on the score files that ship with the package, so torch is not needed. Two kinds of blocks are not
replaced: outputs of commands that score videos, and excerpts, whose first line is ``...``; lines of excerpts are checked.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import sys
import tempfile
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "laboratory.md"
EXAMPLE = re.compile(r"^```\ngsmbench (?P<command>[^\n]*)\n```\n\n```\n(?P<output>.*?)^```$", re.MULTILINE | re.DOTALL)
NEEDS_NETWORKS = "score "


def run(*arguments: str) -> str:
    """What the command prints to stdout, in this process."""
    from gsm_bench.cli import main

    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(io.StringIO()) as errors:
        try:
            main(list(arguments))
        except SystemExit as end:
            assert not end.code, (arguments, errors.getvalue())
    return output.getvalue()


def current(page: str) -> str:
    """The page with the outputs that its commands print now, run in an empty current directory."""
    from gsm_bench.cli.demo import _copy_scores

    _copy_scores(Path("demo"))
    return EXAMPLE.sub(_with_output, page)


def _with_output(example: re.Match[str]) -> str:
    if example["command"].startswith(NEEDS_NETWORKS):
        return example[0]
    output = run("--workspace", "demo", *shlex.split(example["command"]))
    printed = "".join(line.rstrip() + "\n" for line in output.strip("\n").splitlines())
    if example["output"].startswith("...\n"):
        missing = set(example["output"].splitlines()[1:]) - set(printed.splitlines())
        assert not missing, f"gsmbench {example['command']} does not print {missing}"
        return example[0]
    return example[0].replace(example["output"], printed)


def test_the_outputs_in_the_laboratory_are_current(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = PAGE.read_text()
    assert len(EXAMPLE.findall(page)) == page.count("\n```\ngsmbench ")
    assert page == current(page), "make docs"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        text = current(PAGE.read_text())
    PAGE.write_text(text)
    sys.exit()
