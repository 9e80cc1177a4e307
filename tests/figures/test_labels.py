"""Labels of random tables never overlap, lie in the axes, and keep markers free.

Thirty tables here; `python -m tests.figures.test_labels 200` takes four minutes.
"""

import sys

import numpy as np
import pytest

from gsm_bench.figures.complexity import CostPoint, draw_complexity
from gsm_bench.figures.cost_axes import non_dominated, staircase
from gsm_bench.figures.style import PAGE_IN, FigureStyle
from tests.figures.conftest import clipped, overlaps, texts_of

WORDS = ("inv3", "bninc", "tsn", "R(2+1)D", "GCN+Non-local", "En3", "8x2+12x2+16+24", "MultiScale TRN", "ResNet-152")


def random_points(seed: int) -> list[CostPoint]:
    rng = np.random.default_rng(seed)
    count, spread = int(rng.integers(1, 31)), float(rng.choice([0.01, 0.1, 1.0]))
    points = []
    for number in range(count):
        name = " ".join(rng.choice(WORDS, int(rng.integers(1, 4)))) + f" {number}"
        top1 = float(np.clip(0.5 + spread * rng.standard_normal() / 4, 0, 1))
        half = float(rng.choice([0.0, 0.02]))
        measured = bool(rng.random() < 0.7)
        points.append(
            CostPoint(
                name,
                f"group {rng.integers(0, 4)}",
                top1,
                max(0.0, top1 - half) if measured else None,
                min(1.0, top1 + half) if measured else None,
                float(10 ** (spread * rng.standard_normal() + 1)) if rng.random() < 0.9 else None,
                int(rng.integers(1, 100)) * 10**6 if rng.random() < 0.8 else None,
                "measured" if measured else "printed",
            )
        )
    return points


@pytest.mark.parametrize("seeds", [range(10), range(10, 30)], ids=["few", "many"])
def test_no_two_labels_overlap(seeds):
    for seed in seeds:
        plot = draw_complexity(FigureStyle(), random_points(seed))
        assert overlaps(plot.figure) == [], seed
        assert clipped(plot.figure) == [], seed


def test_thirty_models_all_have_a_label_on_a_page():
    points = [
        CostPoint(f"model_{n} {8 + n}", f"block {n % 4}", 0.4 + 0.004 * n, None, None, 10.0 + 3 * n, 10**7, "printed")
        for n in range(30)
    ]
    plot = draw_complexity(FigureStyle(PAGE_IN), points)
    assert plot.notes == ()
    written = {text.get_text() for text in texts_of(plot.figure)}
    assert {point.name for point in points} <= written


def test_equal_points_each_have_a_label_or_are_named():
    points = [CostPoint(f"m{n}", "g", 0.5, 0.4, 0.6, 10.0, 10**6, "measured") for n in range(8)]
    plot = draw_complexity(FigureStyle(), points)
    written = {text.get_text() for text in texts_of(plot.figure)}
    assert all(point.name in written or point.name in " ".join(plot.notes) for point in points)


def test_results_of_unknown_cost_stand_under_the_axis():
    points = [
        CostPoint("known", "g", 0.5, None, None, 10.0, None, "measured"),
        *(CostPoint(f"unknown {n}", "g", 0.25, None, None, None, None, "printed") for n in range(8)),
    ]
    plot = draw_complexity(FigureStyle(), points)
    (axes,) = plot.figure.axes
    assert "cost unknown: unknown 0 25.00" in axes.get_xlabel()
    assert axes.get_xlabel().endswith("2 more")
    assert [row["gflops"] for row in plot.numbers.rows] == [10.0, *[None] * 8]


def test_the_front_is_what_no_cheaper_result_reaches():
    costs, values = [1, 2, 3, 3, 4], [5, 5, 7, 8, 6]
    assert non_dominated(costs, values) == [0, 3]
    assert staircase(np.array([[1.0, 5.0], [3.0, 8.0]])).tolist() == [[1, 5], [3, 5], [3, 8]]
    assert staircase(np.empty((0, 2))).shape == (0, 2)


if __name__ == "__main__":
    test_no_two_labels_overlap(range(int(sys.argv[1])))
