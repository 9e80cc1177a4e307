"""A cascade in a page: at every threshold of its grid the page's figures are the library's."""

import numpy as np
import pytest

from gsm_bench import Bench
from gsm_bench.api.report_cascade import reported_cascades
from gsm_bench.report.cascade import add_cascades, first_thresholds, last_members, threshold_grid
from gsm_bench.report.payload import Payload
from gsm_bench.selection.cascade import Setting, simulate


@pytest.fixture
def cascade(workspace, toy_labels, save_scores):
    rng = np.random.default_rng(3)
    for name, noise in (("a", 3), ("b", 2), ("c", 1)):
        save_scores(name, 2 * np.eye(5)[toy_labels][:, None] + rng.normal(0, noise, (60, 2, 5)))
    bench, name = Bench(workspace.root), "scores/toy/val/a.h5,scores/toy/val/b.h5,scores/toy/val/c.h5"
    messages = []
    ids = bench.scores("scores/toy/val/a.h5").ids
    where = {"dataset": "toy", "split": "val"}
    (one,) = reported_cascades(bench, {name: bench.source(name)}, ids, where, bench.labels(), messages)
    assert messages == []
    return one


@pytest.mark.parametrize("rule", ["confidence", "margin", "entropy"])
def test_places_in_the_grid_are_exact(cascade, rule):
    stages = cascade.stages
    grid = threshold_grid(stages, rule, np.array([0.123456789]))
    assert {0.0, 0.123456789, 1.0} <= set(grid.tolist())
    places = first_thresholds(stages.confidence[rule][:-1], grid)
    for step in range(0, len(grid), 7):
        run = simulate(stages, Setting(rule, (float(grid[step]),) * 2))
        stop = np.where(places[0] > step, 0, np.where(places[1] > step, 1, 2))
        assert (run.stop == stop).all(), grid[step]


def test_levels_on_a_threshold_continue_there():
    assert first_thresholds(np.array([0.0, 0.5, 0.51, 1.0]), np.array([0.0, 0.5, 1.0])).tolist() == [1, 1, 2, 2]


def test_the_payload_has_every_point_of_the_library(cascade):
    payload = Payload()
    part = payload.split("toy/val")
    part.fact("classes", {"action": ["x"] * 5})
    add_cascades(part, (cascade,))
    (fact,) = part.facts["cascades"]
    assert fact["command"].startswith("gsmbench cascade ")
    assert (fact["members"], fact["unit"], fact["costs"]) == (["a", "b", "c"], "members", [1.0, 2.0, 3.0])
    labels = [point["label"] for point in fact["points"]]
    assert labels[:3] == ["a", "a + b", "a + b + c"]
    assert labels[-2:] == ["chosen", "held out"]
    chosen = next(point for point in fact["points"] if point["label"] == "chosen")
    assert chosen["top1"] == simulate(cascade.stages, cascade.result.chosen).top(1)
    assert part.places["cascade/0/margin"]["shape"] == [2, 60]


def test_the_last_member_of_each_video(cascade):
    stops = last_members(cascade, 60)
    assert (stops[cascade.rows] == simulate(cascade.stages, cascade.result.chosen).stop).all()
    assert stops.max() > 0
