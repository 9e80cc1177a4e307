"""Tables 1 and 2 on Temporal Shapes, some of whose rows have no scores yet."""

import pytest

from gsm_bench import Bench
from gsm_bench.api.report_parts import paper_tables
from gsm_bench.errors import MissingScoresError


@pytest.mark.parametrize(("number", "measured", "rows"), [("1", 1, 5), ("2", 2, 5)])
def test_rows_without_scores_are_dashes(demo, number, measured, rows):
    result = Bench(demo).table(number, dataset="shapes", partial=True)
    accuracies = [row["top1"] for row in result.rows]
    assert len(accuracies) == rows
    assert sum(value is not None for value in accuracies) == measured


@pytest.mark.parametrize("number", ["1", "2"])
def test_without_partial_the_missing_models_are_named(demo, number):
    with pytest.raises(MissingScoresError, match="shapes_") as raised:
        Bench(demo).table(number, dataset="shapes")
    assert "--partial" in (raised.value.fix or "")


def test_reports_leave_out_tables_of_a_single_measured_row(demo):
    place = {"dataset": "shapes", "split": "val"}
    names = [each.table.name for each in paper_tables(Bench(demo), place, demo / "data" / "shapes", [])]
    assert names == ["table 2.shapes", "table 4.shapes"]
