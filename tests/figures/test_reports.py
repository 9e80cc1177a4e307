"""The figures and tables under reports/temporal-shapes are current; ``python tests/figures/test_reports.py`` writes them.

Most come from the score files that ship with the package. Features, saliency and frames are computed again: from the same
videos and weights, their numbers are the same up to rounding on another machine.
"""

from __future__ import annotations

import contextlib
import csv
import io
import re
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "reports" / "temporal-shapes"
TABLE = ["table", "4", "--dataset", "shapes", "--format", "md"]
FEATURES = ("shapes_tsn_8f", "shapes_8f")
CREATOR = re.compile(rb"Matplotlib v[\d.]+")
IMAGE = re.compile(rb"data:image/png;base64,[^\"]*")
COMPUTED = ("tsne.csv", "tsne.svg", "saliency.csv")
"""Files with numbers of networks, which are compared as numbers."""


def make(folder: Path, workspace: Path) -> None:
    """Write every figure and table into a folder."""
    from gsm_bench.cli.demo import _copy_scores

    _copy_scores(workspace)
    at = ["--workspace", str(workspace)]
    _run(*at, "shapes", "make", str(workspace / "data" / "shapes"), "--split", "val")
    for model in FEATURES:
        _run(*at, "features", "--batch", "14", "--model", model)
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


def _rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def test_the_reports_are_current(tmp_path):
    """Tables to the letter; figures to the byte where matplotlib is the one that drew them, their pictures left out."""
    import pytest

    pytest.importorskip("matplotlib")
    pytest.importorskip("torch")
    make(tmp_path / "made", tmp_path / "demo")
    made = {path.name: path.read_bytes() for path in (tmp_path / "made").iterdir()}
    kept = {path.name: path.read_bytes() for path in FOLDER.iterdir()}
    assert made.keys() == kept.keys(), "make reports"
    assert max(map(len, kept.values())) < 200_000
    for name in made.keys() - set(COMPUTED):
        same_library = CREATOR.findall(made[name]) == CREATOR.findall(kept[name])
        assert IMAGE.sub(b"", made[name]) == IMAGE.sub(b"", kept[name]) or not same_library, f"{name}: make reports"
    _compare_numbers(_rows(made["tsne.csv"]), _rows(kept["tsne.csv"]), ("silhouette", "mean_silhouette"), ("x", "y"))
    _compare_numbers(
        _rows(made["saliency.csv"]), _rows(kept["saliency.csv"]), ("probability", "evidence", "bias", "logit")
    )


def _compare_numbers(made, kept, numbers, apart=()):
    """Rows agree: `numbers` up to rounding on another machine, all else but the columns `apart` to the letter."""
    assert len(made) == len(kept)
    for one, other in zip(made, kept, strict=True):
        assert {key: value for key, value in one.items() if key not in (*numbers, *apart)} == {
            key: value for key, value in other.items() if key not in (*numbers, *apart)
        }
        for key in numbers:
            assert abs(float(one[key]) - float(other[key])) < 2e-3, (key, one, other)


def test_the_picture_of_the_features_is_that_of_its_numbers():
    """t-SNE goes another way on another processor, so the picture is drawn again from the numbers beside it."""
    import numpy as np
    import pytest

    pytest.importorskip("matplotlib")
    from gsm_bench.evaluation.embedding import Embedding
    from gsm_bench.figures.style import FigureStyle
    from gsm_bench.figures.tsne import draw_tsne

    rows = _rows((FOLDER / "tsne.csv").read_bytes())
    names = sorted({row["group"] for row in rows})
    embeddings, means = [], {}
    for model in FEATURES:
        mine = [row for row in rows if row["model"] == model]
        points = np.array([[float(row["x"]), float(row["y"])] for row in mine])
        silhouettes = np.array([float(row["silhouette"]) for row in mine])
        embeddings.append(Embedding(model, mine[0]["layer"], points, silhouettes))
        means[model] = float(mine[0]["mean_silhouette"])
        assert abs(silhouettes.mean() - means[model]) < 1e-5
    groups = np.array([names.index(row["group"]) for row in mine])
    plot = draw_tsne(FigureStyle(), embeddings, [row["id"] for row in mine], groups, names)
    kept = (FOLDER / "tsne.svg").read_bytes()
    made = plot.content(".svg")
    assert made == kept or CREATOR.findall(made) != CREATOR.findall(kept), "make reports"
    assert means["shapes_8f"] > means["shapes_tsn_8f"], "gate-shift modules tell the classes apart that time makes"


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.iterdir():
        old.unlink()
    with tempfile.TemporaryDirectory() as directory:
        make(FOLDER, Path(directory) / "demo")
