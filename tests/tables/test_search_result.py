"""Tables of searches, drawn from results made by hand."""

import numpy as np
import pytest

from gsm_bench.ensembles.members import MemberSpec
from gsm_bench.metrics.intervals import Interval
from gsm_bench.metrics.paired import PairedDifference
from gsm_bench.selection.config import SearchConfig
from gsm_bench.selection.contributions import Contribution
from gsm_bench.selection.held_out import HeldOutGain
from gsm_bench.selection.pool import Choice
from gsm_bench.selection.search import SearchResult, SearchRow
from gsm_bench.selection.weighting import WeightedResult, WeightedRow
from gsm_bench.tables.search_result import front_table, members_table, weighted_table

A, B = Choice("a", 2 * 10**9, 10**6), Choice("b@2", None, None)


def row(members, fronts, **changes):
    values = {
        "members": members, "macs": 2 * 10**9, "params": 10**6, "hits": 60, "accuracy": {1: 0.6, 5: 0.9},
        "interval": Interval(0.5, 0.7), "held_out": 0.55, "fronts": fronts, "p": 0.5, "best": False,
    }  # fmt: skip
    return SearchRow(**{**values, **changes})


@pytest.fixture
def result(tmp_path):
    specs = tuple(MemberSpec(name, tmp_path / name, 1, 1.0) for name in ("a", "b"))
    return SearchResult(
        config=SearchConfig(k=5, folds=4), task="verb", space="log_probabilities", rule=None, tasks=("verb", "noun"),
        choices=(A, B), subsets=3, videos=1100, left_out=2, groups=12,
        rows=(row(("a",), ("macs", "params")), row(("a", "b@2"), ("params",), macs=None, p=None, best=True)),
        members=specs, best=specs, best_choices=(A, B), contributions=(Contribution(0.5, 0.1, 0.3), Contribution(0.4, 0.0, 0.2)),
        oracle=0.75, disagreement=0.25, gain=HeldOutGain(0.03, 0.01, -0.01, 0.03), unverified=True,
    )  # fmt: skip


def test_front_table(result):
    table = front_table(result)
    assert table.title == "Search of 2 choices: verb, mean of log-probabilities"
    first, second = table.rows
    assert (first["members"], first["front"], first["top5"], first["top1"]) == ("a", "both", 0.9, 0.6)
    assert (first["top5_p"], first["top5_tied"], first["hits5"]) == (0.5, True, 60)
    assert first["optimism"] == pytest.approx(0.9 - 0.55)
    assert (second["members"], second["front"], second["macs"], second["best"]) == ("a + b@2", "params", None, True)
    assert (second["top5_p"], second["top5_tied"]) == (None, False)
    notes = "\n".join(table.notes)
    for sentence in (
        "3 subsets of 2 choices over 1,100 videos", "Best: a + b@2", "all but one of 4 folds",
        "12 groups of videos stay together", "Only 12 groups of videos: intervals from fewer than 20 groups are unreliable.",
        "+3.00 points on the videos searched, +1.00 [-1.00, +3.00] held out: optimism +2.00.", "Order unverified",
    ):  # fmt: skip
        assert sentence in notes


def test_members_table(result):
    table = members_table(result)
    assert [row["member"] for row in table.rows] == ["a", "b@2"]
    assert [row["shapley"] for row in table.rows] == [0.3, 0.2]
    assert table.notes[:2] == (
        "At least one member is right (oracle): 75.00% of videos in top-1.",
        "Two members predict different classes for 25.00% of videos, mean over pairs.",
    )


def test_weighted_table(result):
    rows = [
        WeightedRow(choices, {1: top1, 5: 0.9}, Interval(0.5, 0.7), 0.6, p)
        for choices, top1, p in (((A,), 0.6, 0.01), ((A, B), 0.65, None))
    ]
    weighted = WeightedResult(
        SearchConfig(), "greedy", "action", "logits", ("action",), (A, B), np.array([0.25, 0.75]), result.members, result.best,
        rows[0], rows[1], 0.05, PairedDifference(0.02, -0.01, 0.05, 3, 1, 100), 100, 0, False,
    )  # fmt: skip
    table = weighted_table(weighted)
    assert table.title == "Search of 2 choices: mean of logits"
    shares, sides = table.blocks
    assert [(share["what"], share["weight"]) for share in shares] == [("b@2", 0.75), ("a", 0.25)]
    assert [side["what"] for side in sides] == ["best single: a", "greedy, 2 members"]
    assert [side["macs"] for side in sides] == [2 * 10**9, None]
    assert [side["top1_tied"] for side in sides] == [False, False]
    assert "+5.00 points on the videos searched, +2.00 [-1.00, +5.00] held out: optimism +3.00." in table.notes[1]
