"""The table of results, from hand-made evaluations."""

import numpy as np
import pytest

from gsm_bench.entries import Published
from gsm_bench.evaluation.evaluation import Evaluation
from gsm_bench.evaluation.ground_truth import GroundTruth
from gsm_bench.id_array import IdArray
from gsm_bench.metrics.intervals import wilson
from gsm_bench.metrics.paired import paired_difference
from gsm_bench.metrics.topk import accuracy_of_ranks
from gsm_bench.tables.notes import CONVENTION, UNVERIFIED, counted, few_groups_notes, half_interval, some_of
from gsm_bench.tables.results import results_table

LABELS = np.arange(60) % 5
IDS = IdArray.of(f"v{row}" for row in range(60))


def evaluation(label, right, *, tasks=("action",), missing=(), groups=None, **options):
    """An evaluation whose first `right` videos are right, the others of rank 7; some are not scored."""
    ranks = np.where(np.arange(60) < right, 0, 7).astype(np.int32)
    scored = ~np.isin(np.arange(60), missing)
    accuracy = {task: accuracy_of_ranks(ranks, LABELS, scored, 5) for task in tasks}
    truth = GroundTruth(dict.fromkeys(tasks, LABELS), groups)
    not_scored = tuple(f"v{row}" for row in missing)
    return Evaluation(label, "8x2", accuracy=accuracy, truth=truth, ids=IDS, not_scored=not_scored, **options)


def test_a_row_holds_raw_numbers_and_intervals():
    table = results_table("Title", [[evaluation("a", 45, params=10, macs_paper=2_000_000_000)]])
    (row,) = table.rows
    interval = wilson(45, 60)
    assert (row["label"], row["frames"], row["params"], row["macs_paper"]) == ("a", "8x2", 10, 2_000_000_000)
    assert (row["top1"], row["hits1"], row["top5"], row["mean_class"]) == (0.75, 45, 0.75, pytest.approx(0.75))
    assert (row["top1_low95"], row["top1_high95"]) == (interval.low, interval.high)
    assert (row["videos"], row["scored"], row["total"]) == ("60", 60, 60)
    assert [column.title for column in table.columns][-1] == "Videos"
    assert CONVENTION in table.notes
    assert half_interval("Wilson's, over videos") in table.notes


def test_rows_without_a_significant_difference_are_marked():
    table = results_table("", [[evaluation("best", 45)], [evaluation("near", 43), evaluation("far", 20)]])
    assert [len(block) for block in table.blocks] == [1, 2]
    assert [row["top1_tied"] for row in table.rows] == [False, True, False]
    assert table.rows[0]["top1_p"] is None
    assert any(note.startswith("≈: no significant difference") for note in table.notes)


def test_videos_without_a_score_give_bounds_and_are_named():
    table = results_table("", [[evaluation("a", 45, missing=(2, 50))]])
    (row,) = table.rows
    assert (row["top1"], row["top1_low"], row["top1_high"]) == (44 / 58, 44 / 60, 46 / 60)
    assert row["videos"] == "58/60"
    assert any("2 videos without a score: v2, v50." in note for note in table.notes)


def test_several_tasks_have_a_prefix_each():
    table = results_table("", [[evaluation("a", 45, tasks=("verb", "noun"))]])
    assert [column.key for column in table.columns][4:] == [
        "verb_top1",
        "verb_top5",
        "noun_top1",
        "noun_top5",
        "videos",
    ]
    assert {"verb_top1", "noun_top1_p", "noun_mean_class"} <= table.rows[0].keys()


def test_a_brief_table_has_printed_accuracies_and_dashes_for_rows_without_scores():
    printed = Published("Table 4", top1_percent=49.01, top5_percent=77.2)
    table = results_table("", [[Evaluation("a", "8", published=printed)]], published=True, brief=True)
    (row,) = table.rows
    assert (row["top1"], row["published_top1"], row["published_source"]) == (None, 0.4901, "Table 4")
    assert "mean_class" not in [column.key for column in table.columns]
    assert table.notes == ()


def test_gains_orders_and_imported_costs_are_noted():
    best, other = (np.where(np.arange(60) < right, 1, 0).astype(np.int8) for right in (45, 40))
    gain = paired_difference(best, other)
    whole = evaluation(
        "whole", 45, gains={"action": ("b (8)", gain)}, unverified=True, macs_paper=1, imported_cost=("b",)
    )
    table = results_table("", [[whole]])
    assert table.rows[0]["gain"] == pytest.approx(5 / 60)
    assert table.rows[0]["gain_over"] == "b (8)"
    assert any(note.startswith("  8x2: +8.33 [") for note in table.notes)
    assert any("GFLOPs of b were given at import" in note for note in table.notes)
    assert UNVERIFIED in table.notes


def test_few_groups_are_reported():
    table = results_table("", [[evaluation("a", 45, groups=np.arange(60) // 6)]])
    assert half_interval("bootstrap over 10 groups of videos") in table.notes
    assert few_groups_notes(10)[0] in table.notes
    assert few_groups_notes(None) == few_groups_notes(20) == []


def test_lists_are_shortened():
    assert some_of(["a", "b"]) == "a, b"
    assert some_of([str(at) for at in range(2_007)]) == "0, 1, 2, 3, 4 and 2,002 more"
    assert (counted(1, "video"), counted(2_000, "video")) == ("1 video", "2,000 videos")
