"""The mean over splits: hand-made, equal in Python and on the command line, and refused where it would mean something else."""

import csv
import json

import numpy as np
import pytest

import gsm_bench as gb
from gsm_bench.errors import AlignmentError
from gsm_bench.metrics.intervals import mean_interval, wilson
from gsm_bench.scorefile import write
from tests.conftest import clip_scores

MANIFEST = """
[datasets.mini]
like = "hmdb51"
title = "Mini"
classes = 3
"""
CLASSES = ("clap", "hit", "wave")
SIZES = {1: 4, 2: 6, 3: 10}
"""Test videos per class of each split; a video is in all splits with a number from its own on."""


@pytest.fixture
def splits(workspace):
    """Lists of three splits, and a function that writes scores of which the first `right` of each class are right."""
    (workspace.root / "manifests" / "mini.toml").write_text(MANIFEST)
    data = workspace.root / "data" / "mini"
    data.mkdir(parents=True)
    for split, size in SIZES.items():
        for action in CLASSES:
            rows = [f"film{at}_{action}_u_nm_np1_fr_goo_0.avi {2 if at < size else 1} " for at in range(12)]
            (data / f"{action}_test_split{split}.txt").write_text("\n".join(rows))

    def call(split, right, model="r3d", *, name=None, offsets=(0.5,), kind="test", frames=4, **provenance):
        size = SIZES[split] if kind == "test" else 12 - SIZES[split]
        first = 0 if kind == "test" else SIZES[split]
        ids = [
            f"{action}/film{at}_{action}_u_nm_np1_fr_goo_0"
            for action in CLASSES
            for at in sorted(range(first, first + size), key=str)
        ]
        scores = np.zeros((3 * size, len(offsets), 3))
        for row in range(3 * size):
            label = row // size
            scores[row, :, label if row % size < right else (label + 1) % 3] = 1
        path = workspace.root / "scores" / "mini" / f"{kind}{split}" / f"{name or model}.h5"
        path.parent.mkdir(parents=True, exist_ok=True)
        write(
            path,
            clip_scores(
                scores,
                ids,
                offsets=offsets,
                model=model,
                dataset="mini",
                split=f"{kind}{split}",
                sampling={"frames": frames},
                **provenance,
            ),
        )
        return path

    return call


def test_every_split_counts_alike(splits):
    result = gb.Bench().evaluate(splits(1, 1), splits(2, 3), splits(3, 9), mean_over_splits=True)
    (mean,) = result.means
    assert mean.splits == ("test1", "test2", "test3")
    assert mean.top("action", 1) == pytest.approx((1 / 4 + 3 / 6 + 9 / 10) / 3)
    assert mean.top("action", 5) == 1
    assert mean.mean_class("action") == pytest.approx(mean.top("action", 1))
    row = result.table("mean-over-splits").rows[0]
    assert [row["top1_test1"], row["top1_test2"], row["top1_test3"]] == pytest.approx([1 / 4, 3 / 6, 9 / 10])
    assert row["top1_low95"] < row["top1"] < row["top1_high95"]


def test_the_order_of_the_files_does_not_matter(splits):
    files = [splits(1, 1), splits(2, 3), splits(3, 9)]
    rows = [
        gb.Bench().evaluate(*order, mean_over_splits=True).table("mean-over-splits").rows
        for order in (files, files[::-1])
    ]
    assert rows[0] == rows[1]


def test_a_film_in_several_splits_is_one_group(splits):
    result = gb.Bench().evaluate(splits(1, 1), splits(2, 3), splits(3, 9), mean_over_splits=True)
    assert result.means[0].interval("action").groups == 10  # film0 .. film9, in three classes and three splits


def test_the_command_gives_the_same_numbers(splits, gsmbench, workspace):
    files = [splits(1, 1), splits(2, 3), splits(3, 9)]
    ran = gsmbench("evaluate", *files, "--mean-over-splits", "--format", "json")
    assert ran.status == 0, ran.err
    tables = json.loads(ran.out)
    (row,) = tables["tables"]["mean-over-splits"]["rows"]
    expected = gb.Bench().evaluate(*files, mean_over_splits=True).table("mean-over-splits").rows[0]
    assert row["top1"] == expected["top1"]
    assert row["top1_low95"] == expected["top1_low95"]
    assert (
        gsmbench("evaluate", *files, "--mean-over-splits", "--format", "csv", "--out", workspace.root / "out").status
        == 0
    )
    with (workspace.root / "out" / "mean-over-splits.csv").open() as file:
        assert float(next(csv.DictReader(file))["top1"]) == pytest.approx(expected["top1"])


def test_a_model_per_split_is_one_method(splits):
    result = gb.Bench().evaluate(
        *(splits(at, 2, f"r3d_{at}", checkpoint_sha256=str(at)) for at in SIZES), mean_over_splits=True
    )
    assert result.means[0].label == "r3d_1, r3d_2, r3d_3"
    assert not any("one checkpoint" in message for message in result.messages)


def test_one_checkpoint_on_several_splits_is_said(splits):
    result = gb.Bench().evaluate(*(splits(at, 2, checkpoint_sha256="a") for at in SIZES), mean_over_splits=True)
    assert any("one checkpoint has scored several splits" in message for message in result.messages)


def test_a_missing_split_is_said(splits):
    result = gb.Bench().evaluate(splits(1, 1), splits(3, 9), mean_over_splits=True)
    assert result.means[0].top("action", 1) == pytest.approx((1 / 4 + 9 / 10) / 2)
    assert "warning: the mean is over 2 of 3 splits, without test2" in result.messages


def test_only_common_protocols_have_a_mean(splits):
    files = [splits(1, 1, offsets=(0.0, 0.5)), splits(2, 3), splits(3, 9, offsets=(0.0, 0.5))]
    result = gb.Bench().evaluate(*files, mean_over_splits=True)
    assert [mean.frames for mean in result.means] == ["4"]
    assert "note: no mean of 4x2: test2 has no such scores" in result.messages


def test_what_is_no_set_of_splits_is_refused(splits):
    one, two, again = splits(1, 1), splits(2, 3), splits(2, 4, name="again")
    bench = gb.Bench()
    with pytest.raises(AlignmentError, match="not mini/test1"):
        bench.evaluate(one, mean_over_splits=True)
    with pytest.raises(AlignmentError, match="2 score files of mini/test2"):
        bench.evaluate(one, two, again, mean_over_splits=True)
    with pytest.raises(AlignmentError, match="not mini/test1, mini/train2"):
        bench.evaluate(one, splits(2, 1, kind="train"), mean_over_splits=True)
    with pytest.raises(AlignmentError, match="were not scored alike: test1 has 4; test2 has 8"):
        bench.evaluate(one, splits(2, 3, name="other", frames=8), mean_over_splits=True)


def test_other_options_that_it_does_not_go_with_are_wrong_usage(splits, gsmbench):
    assert gsmbench("evaluate", splits(1, 1), "--mean-over-splits", "--label-errors").status == 2


def test_of_one_split_of_independent_videos_it_is_nearly_wilsons():
    correct = (np.arange(5000) % 5 > 0).astype(np.int8)
    mean, known = mean_interval([correct], [np.arange(5000)]), wilson(4000, 5000)
    assert (mean.low, mean.high) == pytest.approx((known.low, known.high), abs=2e-5)


def test_the_interval_of_disjoint_splits_is_that_of_independent_means():
    """The error of the mean of three independent shares is the root of the sum of their squared errors, over three."""
    rng = np.random.default_rng(0)
    correct = [(rng.random(size) < 0.6).astype(np.int8) for size in (3000, 4000, 5000)]
    clusters = [np.arange(3000), np.arange(3000, 7000), np.arange(7000, 12_000)]
    error = np.sqrt(sum(one.mean() * (1 - one.mean()) / len(one) for one in correct)) / 3
    assert mean_interval(correct, clusters).half_width == pytest.approx(1.96 * error, rel=1e-3)


def test_the_same_videos_three_times_are_as_good_as_once():
    correct = (np.random.default_rng(0).random(2000) < 0.7).astype(np.int8)
    once, thrice = mean_interval([correct], [np.arange(2000)]), mean_interval([correct] * 3, [np.arange(2000)] * 3)
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high))


def test_edges_of_the_mean_interval():
    right, rows = np.ones(40, np.int8), np.arange(40)
    assert mean_interval([right, right], [rows, rows + 40]).high == 1
    assert mean_interval([right], [np.zeros(40, int)]).low == 0
    assert np.isnan(mean_interval([right, -right], [rows, rows]).low)
    half = np.where(rows < 20, np.int8(-1), right)
    assert mean_interval([half], [rows]) == mean_interval([right[:20]], [rows[:20]])
