"""The figures and tables under reports/temporal-shapes are current; ``python tests/figures/test_reports.py`` writes them.

They come from the score files that ship with the package, so torch is not needed.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "reports" / "temporal-shapes"
TABLE = ["table", "4", "--dataset", "shapes", "--format", "md"]
CREATOR = re.compile(rb"Matplotlib v[\d.]+")


def make(folder: Path, workspace: Path) -> None:
    """Write every figure and table into a folder."""
    _run("demo", "--from-scores", "--dir", str(workspace))
    at = ["--workspace", str(workspace)]
    _run(
        *at, "figure", "all", "--dataset", "shapes", "--split", "val", "--format", "svg", "--numbers", "csv", "--out",
        str(folder),
    )  # fmt: skip
    (folder / "table-4.md").write_text(_run(*at, *TABLE).strip() + "\n")


def _run(*arguments: str) -> str:
    from gsm_bench.cli import main

    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(io.StringIO()) as errors:
        try:
            main(list(arguments))
        except SystemExit as end:
            assert not end.code, (arguments, errors.getvalue())
    return output.getvalue()


def test_the_reports_are_current(tmp_path):
    """Tables to the letter; figures to the byte where matplotlib is the one that drew them."""
    import pytest

    pytest.importorskip("matplotlib")
    make(tmp_path / "made", tmp_path / "demo")
    made = {path.name: path.read_bytes() for path in (tmp_path / "made").iterdir()}
    kept = {path.name: path.read_bytes() for path in FOLDER.iterdir()}
    assert made.keys() == kept.keys(), "make reports"
    assert max(map(len, kept.values())) < 200_000
    for name, content in made.items():
        same_library = CREATOR.findall(content) == CREATOR.findall(kept[name])
        assert content == kept[name] or not same_library, f"{name}: make reports"


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.iterdir():
        old.unlink()
    with tempfile.TemporaryDirectory() as directory:
        make(FOLDER, Path(directory) / "demo")
