"""The table of a cascade, drawn from a result made by hand."""

from gsm_bench.metrics.intervals import Interval
from gsm_bench.metrics.paired import PairedDifference
from gsm_bench.selection.cascade import Setting
from gsm_bench.selection.cascade_search import CascadeConfig, CascadeResult, CascadeRow
from gsm_bench.selection.pool import Choice
from gsm_bench.tables.cascade_result import cascade_table


def row(label, setting=None, p=0.5):
    bounds = Interval(0.5, 0.7)
    return CascadeRow(label, setting, 1.5e9, (1.0, 0.254), {1: 0.6, 5: 0.9}, {1: bounds, 5: bounds}, p)


def result(**changes):
    chosen = Setting("margin", (0.25,))
    values = {
        "config": CascadeConfig(), "task": "action", "space": "log_probabilities",
        "choices": (Choice("a", 10**9, 1), Choice("b", 10**9, 1)), "members": (row("a"), row("a + b", p=None)),
        "cascades": ((row("margin", chosen),),), "selected": (row("chosen", chosen), row("held out")), "chosen": chosen,
        "gain": PairedDifference(-0.01, -0.02, 0.0, 1, 2, 100), "cost_share": 0.36, "costs_known": True, "videos": 1100,
        "left_out": 0, "unverified": False,
    }  # fmt: skip
    return CascadeResult(**{**values, **changes})


def test_rows():
    table = cascade_table(result())
    assert table.title == "Cascades of 2 members: running mean of log-probabilities"
    assert [row["what"] for row in table.rows] == ["a", "a + b", "margin", "chosen: margin", "held out"]
    assert [row["threshold"] for row in table.rows] == [None, None, "0.2500", "0.2500", None]
    assert table.rows[2]["thresholds"] == [0.25]
    assert (table.rows[0]["reach"], table.rows[0]["shares"]) == ("100 25", [1.0, 0.254])
    assert [row["top1_tied"] for row in table.rows] == [True, False, True, True, True]


def test_notes_name_the_aim_and_the_unit_of_the_cost():
    notes = "\n".join(cascade_table(result()).notes)
    assert "Simulated over 1,100 videos" in notes
    assert "the cheapest that is as accurate as all members" in notes
    assert "-1.00 [-2.00, +0.00] points at 36% of their cost." in notes
    unknown = result(config=CascadeConfig(budget=2e9), costs_known=False, unverified=True)
    notes = "\n".join(cascade_table(unknown).notes)
    assert "the most accurate of at most 2.00 GFLOPs on average" in notes
    assert "at 36% of their runs." in notes
    assert "GFLOPs in the paper" not in notes
    assert "Order unverified" in notes
