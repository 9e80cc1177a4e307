"""Comparison and settings tables, from two small score files."""

import numpy as np
import pytest

from gsm_bench.ensembles.members import MemberSpec, open_members, shared_out
from gsm_bench.evaluation.compare import Side, compare
from gsm_bench.evaluation.ground_truth import GroundTruth
from gsm_bench.scorefile import write
from gsm_bench.tables.comparison import classes_table, difference_table, videos_table
from gsm_bench.tables.settings_diff import settings_diff_table
from tests.conftest import clip_scores

LABELS = np.arange(40) % 4


@pytest.fixture
def comparison(tmp_path):
    """a is right everywhere, b wrong on 10 of 40 videos."""
    specs = []
    for name, wrong in (("a", 0), ("b", 10)):
        best = np.where(np.arange(40) < wrong, (LABELS + 1) % 4, LABELS)
        content = clip_scores(np.eye(4)[best][:, None], offsets=(0.5,), signature=f"network={name}; batch=2")
        write(tmp_path / f"{name}.h5", content)
        specs.append(MemberSpec(name, tmp_path / f"{name}.h5", 1, 1.0))
    with open_members(specs) as members:
        sides = [Side(member.spec.label, shared_out([member]), None) for member in members]
        return compare(*sides, GroundTruth({"action": LABELS}))


def test_difference_table(comparison):
    table = difference_table(comparison)
    top1 = table.rows[0]
    assert (table.title, top1["what"], top1["first"], top1["second"]) == ("a against b", "top-1", 1.0, 0.75)
    assert (top1["difference"], top1["gained"], top1["lost"], top1["videos"]) == (0.25, 10, 0, 40)
    assert "The predictions differ on 10 of the 40 videos that both have scored." in table.notes
    assert "a is significantly better in top-1." in table.notes


def test_flip_tables(comparison):
    assert sum(row["videos"] for row in classes_table(comparison, 10).rows) == 10
    assert [row["id"] for row in videos_table(comparison).rows] == [f"v{row}" for row in range(10)]
    assert {row["right_in"] for row in videos_table(comparison).rows} == {"a"}


def test_settings_table(comparison):
    table = settings_diff_table(comparison)
    assert [(row["setting"], row["first"], row["second"]) for row in table.rows] == [("network", "a", "b")]
    assert table.notes == (
        "Together they change 10 of 40 predictions: 10 are right only in a, 0 only in b, 0 wrong in both.",
    )
