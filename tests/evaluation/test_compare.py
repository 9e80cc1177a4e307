"""The numbers of a comparison, hand-made and against the metrics."""

import json

import numpy as np
import pytest

from gsm_bench.ensembles.members import MemberSpec, open_members, shared_out
from gsm_bench.evaluation.compare import Side, compare
from gsm_bench.evaluation.ground_truth import GroundTruth
from gsm_bench.metrics.intervals import wilson
from gsm_bench.metrics.paired import mcnemar, paired_difference
from gsm_bench.scorefile import write
from tests.conftest import clip_scores

LABELS = np.arange(40) % 4
NAMES = ("ape", "bee", "cat", "dog")


@pytest.fixture
def compared(tmp_path):
    """Compare two files: a is wrong on videos 0 to 4, b on videos 3 to 12, each with the next class; 39 has no label."""

    def run(groups=None):
        specs = []
        for name, wrong in (("a", slice(0, 5)), ("b", slice(3, 13))):
            best = LABELS.copy()
            best[wrong] = (best[wrong] + 1) % 4
            write(
                tmp_path / f"{name}.h5", clip_scores(np.eye(4)[best][:, None], offsets=(0.5,), names=NAMES), force=True
            )
            specs.append(MemberSpec(name, tmp_path / f"{name}.h5", 1, 1.0))
        labels = np.where(np.arange(40) == 39, -1, LABELS)
        with open_members(specs) as members:
            sides = [Side(member.spec.label, shared_out([member]), None) for member in members]
            return compare(*sides, GroundTruth({"action": labels}, groups))

    return run


def test_differences(compared):
    top1, top5 = compared().differences()
    assert (top1.first, top1.second) == (34 / 39, 29 / 39)
    assert (top1.change.gained, top1.change.lost, top1.change.videos) == (8, 3, 39)
    assert top1.change.value == pytest.approx(5 / 39)
    assert top1.test.p == mcnemar(8, 3)
    assert top1.first_interval == wilson(34, 39)
    assert (top5.first, top5.second, top5.test.p) == (1, 1, 1)


def test_groups_of_videos_are_resampled_together(compared):
    groups = np.arange(40) // 4
    top1 = compared(groups).differences()[0]
    correct = [np.where(np.arange(40) == 39, -1, 1).astype(np.int8) for _ in range(2)]
    correct[0][:5], correct[1][3:13] = 0, 0
    assert top1.change == paired_difference(*correct, groups)
    assert top1.change.groups == 10


def test_flips_name_classes_and_videos(compared):
    comparison = compared()
    of_a, of_b = comparison.class_flips()
    assert sum(flip.videos for flip in of_a) == 8
    assert sum(flip.videos for flip in of_b) == 3
    assert [(flip.true, flip.predicted, flip.videos) for flip in of_b] == [
        ("ape", "bee", 1),
        ("bee", "cat", 1),
        ("cat", "dog", 1),
    ]
    assert {flip.of_class for flip in of_a} <= {9, 10}
    assert [len(flips) for flips in comparison.class_flips(2)] == [2, 2]
    videos = comparison.video_flips()
    assert [(flip.id, flip.right_in) for flip in videos] == [(f"v{row}", "a") for row in range(5, 13)] + [
        (f"v{row}", "b") for row in range(3)
    ]
    assert (videos[0].true, videos[0].first, videos[0].second) == ("bee", "bee", "cat")
    assert comparison.differing("action") == (40, 11)


@pytest.mark.parametrize("command", ["compare", "calibrate"])
def test_one_clip_or_two_is_said_and_chosen(command, gsmbench, toy_labels, save_scores):
    rng = np.random.default_rng(0)
    scores = rng.standard_normal((60, 2, 5)) + 2 * np.eye(5)[toy_labels][:, None]
    two, one = save_scores("two", scores), save_scores("one", scores[:, :1], offsets=(0.5,))
    ran = gsmbench(command, two, one)
    note = f"{two}: one clip per video is taken, and its file holds 2: {two}@2 takes them"
    assert ran.err.count("one clip per video") == 1
    assert note in ran.err
    for chosen in (f"{two}@2", f"{two}@1"):
        assert "one clip per video" not in gsmbench(command, chosen, one).err
    for clips, views in ((1, [1]), (2, [0, 1])):
        document = json.loads(gsmbench(command, f"{two}@{clips}", one, "--format", "json").out)
        if command == "compare":
            right = (scores[:, views].mean(1).argmax(1) == toy_labels).mean()
            assert document["rows"][0]["first"] == pytest.approx(right)


def test_members_of_both_sides_are_said_once(gsmbench, toy_labels, save_scores):
    rng = np.random.default_rng(0)
    paths = [save_scores(name, rng.standard_normal((60, 2, 5))) for name in "ab"]
    ran = gsmbench("compare", f"{paths[0]},{paths[1]}", paths[0])
    assert ran.err.count("one clip per video") == 3
