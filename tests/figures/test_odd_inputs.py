"""Names, counts and files that no one plans for: a figure or one readable error, text whole and apart."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

import gsm_bench as gb
from gsm_bench.errors import GsmBenchError
from gsm_bench.evaluation.per_class import evaluate_classes
from gsm_bench.evaluation.predictions import Predictions
from gsm_bench.figures.complexity import CostPoint, draw_complexity
from gsm_bench.figures.matrices import draw_confusion
from gsm_bench.figures.per_class import draw_per_class
from gsm_bench.figures.style import FigureStyle
from gsm_bench.scorefile import read, write
from gsm_bench.workspace import shipped_manifests
from tests.conftest import clip_scores
from tests.figures.conftest import KINDS, MODELS, SCORE_KINDS, clipped, options, overlaps, texts_of

ODD_NAMES = (
    "a_b_c",
    "$x_1$",
    "100% of _it_",
    "{braces} \\alpha",
    "^caret^",
    "名前",
    "tab\tand\nline",
    "x" * 200,
    "é́",
    "<&>",
)


def sound(plot, tmp_path) -> None:
    plot.save(tmp_path / "figure.svg", force=True)
    assert overlaps(plot.figure) == []
    assert clipped(plot.figure) == []


def random_file(path, names, *, seed=0, videos=40, status=None, **provenance):
    """A score file of random scores whose labels are its own; returns its path as text."""
    rng = np.random.default_rng(seed)
    scores = clip_scores(
        rng.standard_normal((videos, 1, len(names))) * 3, offsets=(0.5,), names=names, status=status, **provenance
    )
    labels = np.arange(videos, dtype=np.int32) % len(names)
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, replace(scores, labels={"action": labels}))
    return str(path)


@pytest.fixture
def own(tmp_path):
    """Two score files with odd class names and labels of their own."""
    names = tuple(" ".join(name.split()) for name in ODD_NAMES)
    files = [random_file(tmp_path / f"{name}.h5", names, seed=seed) for seed, name in enumerate(("a_$x$", "100%_{b}"))]
    return gb.Bench(tmp_path), files


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("kind", SCORE_KINDS)
def test_names_with_signs_are_written_as_they_are(own, kind, tmp_path):
    bench, files = own
    names = {"confusion": files[:1], "cascade": [",".join(files)], "pareto": files}.get(kind, files)
    plot = bench.figure(kind, *names)
    sound(plot, tmp_path)
    assert all(not text.get_parse_math() for text in texts_of(plot.figure))


@pytest.mark.parametrize("kind", ["complexity", "reliability", "per-class", "pareto", "confusion"])
def test_one_model(shapes, kind, tmp_path):
    sound(shapes.figure(kind, "shapes_8f"), tmp_path)


@pytest.mark.parametrize("kind", SCORE_KINDS)
def test_cost_unknown(shapes, kind, tmp_path):
    """Files without multiply-adds and parameters: other axes, or a list under the axis."""
    shutil.copytree(shipped_manifests() / "shapes" / "data", tmp_path / "data" / "shapes")
    files = []
    for name in MODELS[:2]:
        scores = read(shapes.workspace.score_path("shapes", "val", name))
        provenance = replace(scores.provenance, macs_paper_per_view=None, macs_bare_per_view=None, params=None)
        files.append(str(tmp_path / f"{name}.h5"))
        write(tmp_path / f"{name}.h5", replace(scores, provenance=provenance))
    names = {"confusion": files[:1], "cascade": [",".join(files)]}.get(kind, files)
    plot = gb.Bench(tmp_path).figure(kind, *names)
    sound(plot, tmp_path)
    labels = [axes.get_xlabel() for axes in plot.figure.axes]
    if kind == "complexity":
        assert "cost unknown" in labels[0]
    if kind == "pareto":
        assert labels[0] == "members"
    if kind == "cascade":
        assert labels[0] == "members run per video"


@pytest.mark.parametrize("kind", SCORE_KINDS)
def test_the_same_result_twice_is_no_trouble(shapes, kind, tmp_path):
    names = {"confusion": ["shapes_8f"], "pareto": ["shapes_8f"], "cascade": ["shapes_8f@1,shapes_8f@2"]}
    sound(shapes.figure(kind, *names.get(kind, ["shapes_8f", "shapes_8f"])), tmp_path)


@pytest.mark.parametrize("kind", SCORE_KINDS)
def test_missing_scores_name_the_command(shapes, kind):
    names = {"confusion": ["inv3_8f"]}.get(kind, ["inv3_8f", "inv3_12f"])
    with pytest.raises(GsmBenchError, match=r"gsmbench .*score --models? inv3_8f"):
        shapes.figure(kind, *names)


@pytest.mark.parametrize("kind", SCORE_KINDS)
def test_another_split_is_an_error_that_says_so(shapes, kind):
    with pytest.raises(GsmBenchError, match=r"no split 'nosuch'|--split"):
        shapes.figure(kind, *(KINDS[kind] or ["shapes_8f"]), split="nosuch", **options(kind))


@pytest.mark.parametrize("kind", SCORE_KINDS)
def test_no_video_is_scored(tmp_path, kind):
    files = [
        random_file(tmp_path / f"{name}.h5", ("a", "b"), seed=seed, videos=3, status=[2, 2, 2])
        for seed, name in enumerate("ab")
    ]
    names = {"confusion": files[:1], "cascade": [",".join(files)]}.get(kind, files)
    try:
        sound(gb.Bench(tmp_path).figure(kind, *names), tmp_path)
    except GsmBenchError as error:
        assert "fix:" in str(error)


def test_no_two_bars_of_a_perfect_result(tmp_path):
    """Nothing is confused: the matrix has no confusions to name."""
    labels = np.arange(174)
    names = [f"class {n}" for n in range(174)]
    perfect = evaluate_classes("m", "8", "action", Predictions(labels, labels * 0), labels, names, None)
    plot = draw_confusion(FigureStyle(), perfect)
    sound(plot, tmp_path)
    assert any(text.get_text() == "no confusions" for text in texts_of(plot.figure))


def many_classes(count, seed=0):
    """A result on `count` classes with long names, half of its videos wrong."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, count, 40 * count)
    best = np.where(rng.random(len(labels)) < 0.5, labels, rng.integers(0, count, len(labels)))
    names = [f"Pretending to put something number {n} next to something" for n in range(count)]
    ranks = np.where(best == labels, 0, 3)
    return evaluate_classes("inv3_16f", "16x2", "action", Predictions(best, ranks), labels, names, None)


@pytest.mark.parametrize("width", [3.25, 6.875])
@pytest.mark.parametrize("count", [1, 2, 41, 174])
def test_any_number_of_classes(count, width, tmp_path):
    evaluation = many_classes(count)
    sound(draw_confusion(FigureStyle(width), evaluation), tmp_path)
    sound(draw_per_class(FigureStyle(width), [evaluation]), tmp_path)


def test_a_block_shows_classes_with_those_that_they_are_confused_with(shapes):
    plot = shapes.figure("confusion", "shapes_tsn_8f", block=["moving left"], most=2)
    shown = {text.get_text() for text in texts_of(plot.figure)}
    assert {"moving left", "moving right"} <= shown
    assert "moving up" not in shown
    with pytest.raises(GsmBenchError, match="no class 'nosuch'"):
        shapes.figure("confusion", "shapes_tsn_8f", block=["nosuch"])


@pytest.mark.parametrize("value", [float("nan"), 0.0, 1.0])
def test_extreme_accuracies(value, tmp_path):
    points = [
        CostPoint("m", "g", 0.5, value, value, 1e-9, 1, "measured"),
        CostPoint("n", "g", 1.0, None, None, 1e9, None, "measured"),
    ]
    sound(draw_complexity(FigureStyle(), points), tmp_path)


def test_an_existing_figure_is_kept(shapes, tmp_path):
    shapes.figure("complexity", dataset="shapes", out=tmp_path / "x.svg")
    with pytest.raises(GsmBenchError, match="exists already"):
        shapes.figure("complexity", dataset="shapes", out=tmp_path / "x.svg")
    shapes.figure("complexity", dataset="shapes", out=tmp_path / "x.svg", force=True)
    with pytest.raises(GsmBenchError, match=r"ends in .pdf, .svg, .png"):
        shapes.figure("complexity", dataset="shapes", out=tmp_path / "x.jpg")


def test_classes_whose_names_hold_commas_are_named_between_semicolons(workspace, gsmbench, tmp_path):
    names = ("Putting something, something and something on the table", "Holding something", "Moving something up")
    path = random_file(tmp_path / "commas.h5", names)
    ran = gsmbench("figure", "confusion", path, "--classes", f"{names[0]}; {names[1]};", "--most", 2, "--out", "c.svg")
    assert ran.status == 0, ran.err
    ran = gsmbench("figure", "confusion", path, "--classes", names[0], "--out", "d.svg")
    assert "no class 'Putting something'" in ran.err
