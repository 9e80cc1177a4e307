"""Tables of the paper and of your own: printed rows are the paper's, measured ones never are."""

import json
from pathlib import Path

import numpy as np
import pytest

from gsm_bench.api.bench import Bench
from gsm_bench.errors import ManifestError, TaskError
from gsm_bench.tables.paper import gflops_of

PRINTED = {
    "1": {"Branch 1": 0.4511, "Branch 2": 0.4498, "Branch 3": 0.4505, "Branch 4": 0.4724, "All branches": 0.435},
    "2": {
        "BN-Inception (baseline)": 0.1725,
        "BN-Inception + 1 GSM": 0.227,
        "BN-Inception + 5 GSM": 0.4313,
        "BN-Inception + 10 GSM": 0.4724,
    },
}
ROWS = {"1": (5, 1), "2": (4, 2), "3": (23, 6), "4": (0, 12), "5": (10, 2), "6": (8, 1)}


@pytest.fixture
def bench(workspace):
    return Bench(workspace.root)


@pytest.fixture
def scored(toy_labels, save_scores):
    """x and y: score files of the toy split; x is right on all, y wrong on 20 of 60 videos."""
    for name, wrong in (("x", 0), ("y", 20)):
        best = np.where(np.arange(60) < wrong, (toy_labels + 1) % 5, toy_labels)
        save_scores(name, np.repeat(np.eye(5, dtype=np.float32)[best][:, None], 2, 1))


@pytest.mark.parametrize("number", ROWS)
def test_printed_and_measured_rows_stand_apart(bench, number):
    table = bench.table(number, partial=True).table()
    printed, measured = ROWS[number]
    sources = [[row["source"] for row in block] for block in table.blocks]
    assert all(len(set(block)) == 1 for block in sources)
    assert [source for block in sources for source in block] == ["printed"] * printed + ["measured"] * measured
    assert all(row.get("top1") is None for row in table.rows if row["source"] == "measured")
    assert any("CVPR 2020, table " + number in note for note in table.notes)
    if printed:
        assert "source" in [column.key for column in table.columns]


@pytest.mark.parametrize("number", PRINTED)
def test_accuracies_of_small_tables(bench, number):
    rows = bench.table(number, partial=True).rows
    assert {row["label"]: row["top1"] for row in rows if row["source"] == "printed"} == PRINTED[number]


def test_table_3_says_frames_and_costs_as_printed(bench):
    rows = bench.table(3, partial=True).rows
    stm = next(row for row in rows if row["label"].startswith("STM"))
    assert (stm["frames"], stm["macs_paper_shown"], stm["macs_paper"]) == ("16x30", "66.5x30", 1_995_000_000_000)
    mfnet = next(row for row in rows if row["label"].startswith("MFNet"))
    assert (mfnet["macs_paper"], mfnet["macs_paper_shown"], mfnet["pretraining"]) == (None, "NA", "NA")


@pytest.mark.parametrize(
    ("text", "value"),
    [("NA", None), ("", None), ("65", 65e9), ("52.17*", 52.17e9), ("35.33x3", 105.99e9), ("26.85", 26.85e9)],
)
def test_printed_costs(text, value):
    assert gflops_of(text) == (None if value is None else pytest.approx(value, abs=1))


def test_another_data_set_has_no_printed_rows(bench, scored):
    table = bench.table(3, dataset="toy", partial=True).table()
    assert {row["source"] for row in table.rows} == {"measured"}
    assert table.title == "The rows of table 3 on toy/val"


def test_without_a_number_the_tables_are_listed(gsmbench, workspace):
    ran = gsmbench("table", "--format", "json")
    assert ran.status == 0
    assert [row["name"] for row in json.loads(ran.out)["rows"]][:3] == ["1", "1 --dataset shapes", "2"]
    ran = gsmbench("table", "9")
    assert (ran.status, ran.out) == (1, "")
    assert "No table 9. Available: 1, 2, 3, 4, 5, 6." in ran.err


MINE = """
[tables.mine]
title = "My table"
columns = ["label", "frames", "top1"]
sort = "top1"
blocks = [[
  { label = "Y", scores = "scores/toy/val/y.h5", clips = 2 },
  { label = "X", scores = "scores/toy/val/x.h5" },
  { label = "Theirs", printed = { top1 = 80.0 }, frames = "8" },
]]
"""


def test_a_table_of_your_own(workspace, scored):
    Path("manifests/tables.toml").write_text(MINE)
    table = Bench(workspace.root).table("mine").table()
    assert table.title == "My table"
    assert [(row["label"], row["frames"], row["source"]) for row in table.rows] == [
        ("X", "4", "measured"),
        ("Theirs", "8", "printed"),
        ("Y", "4x2", "measured"),
    ]
    assert [column.key for column in table.columns] == ["label", "frames", "top1"]


@pytest.mark.parametrize("row", ['{ label = "x" }', '{ label = "x", scores = "a.h5", model = "toy_4f" }'])
def test_a_row_has_one_source(workspace, row):
    Path("manifests/tables.toml").write_text(f'[tables.mine]\ntitle = "t"\nblocks = [[{row}]]\n')
    with pytest.raises(ManifestError, match="source"):
        Bench(workspace.root).table("mine", partial=True)


def test_rows_among_those_of_the_paper(bench, scored):
    rows = ["scores/toy/val/y.h5", "scores/toy/val/x.h5@2"]
    table = bench.table(rows=rows, with_paper=3, sort="top1").table()
    assert len(table.rows) == 25
    values = [row["top1"] for row in table.rows]
    assert values == sorted(values, reverse=True)
    assert [row["label"] for row in table.rows if row["source"] == "measured"] == ["x", "y"]
    assert {row["place"] for row in table.rows} == {"toy/val", "something-v1/validation"}
    apart = bench.table(rows=rows, with_paper=3).table()
    assert [{row["source"] for row in block} for block in apart.blocks] == [{"printed"}, {"printed"}, {"measured"}]


def test_the_registrys_published_rows_stand_for_table_4(bench, scored):
    rows = bench.table(rows=["scores/toy/val/x.h5"], with_paper=4).rows
    assert len(rows) == 13
    assert (rows[8]["frames"], rows[8]["top1"], rows[8]["top5"]) == ("8+12", 0.5257, 0.8079)
    assert (rows[8]["params"], rows[8]["macs_paper"]) == (44_420_000, 67_130_000_000)


def test_columns_are_chosen_by_name(bench, scored):
    table = bench.table(rows=["scores/toy/val/x.h5"], columns=["label", "mean_class", "videos"]).table()
    assert [column.key for column in table.columns] == ["label", "mean_class", "videos"]
    with pytest.raises(TaskError, match="no column 'nosuch'"):
        bench.table(rows=["scores/toy/val/x.h5"], columns=["nosuch"])
    with pytest.raises(TaskError, match="no column 'nosuch'"):
        bench.table(rows=["scores/toy/val/x.h5"], sort="nosuch")


def test_splits_side_by_side(workspace, bench, scored, save_scores, toy_labels):
    data = workspace.data / "toy"
    lines = (data / "val.txt").read_text().splitlines()[:40]
    (data / "bare.txt").write_text("\n".join(lines) + "\n")
    scores = np.repeat(np.eye(5, dtype=np.float32)[(toy_labels[:40] + 1) % 5][:, None], 2, 1)
    save_scores("x-bare", scores, provenance={"split": "bare", "model": "x"})
    rows = ["scores/toy/val/x.h5", "scores/toy/val/x-bare.h5", "scores/toy/val/y.h5"]
    (workspace.root / "x").mkdir()
    (workspace.root / "scores/toy/val/x-bare.h5").rename(workspace.root / "x/x.h5")
    table = bench.table(rows=[rows[0], "x/x.h5", rows[2]], side_by_side=True).table()
    assert [row["label"] for row in table.rows] == ["x", "y"]
    assert (table.rows[0]["toy/val:top1"], table.rows[0]["toy/bare:top1"]) == (1.0, 0.0)
    assert table.rows[1]["toy/val:top1"] == pytest.approx(2 / 3)
    assert "toy/bare:top1" not in table.rows[1]
    assert [column.title for column in table.columns if column.key.endswith("top1")] == [
        "toy/val\nTop-1",
        "toy/bare\nTop-1",
    ]
