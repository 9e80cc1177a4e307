import json

import numpy as np
import pytest

from gsm_bench.evaluation.ground_truth import GroundTruth
from gsm_bench.evaluation.reproduction import Reproduction, _judged, printed_range, verdict_messages
from gsm_bench.metrics.topk import accuracy_of_ranks

VIDEOS, CLASSES = 11_522, 174
PUBLISHED = 0.4901


def judged(correct, *, labels=None, scored=None, groups=None, published=PUBLISHED):
    """The verdict on videos that are right or wrong, bool [N]."""
    labels = np.zeros(len(correct), np.int32) if labels is None else labels
    scored = np.ones(len(correct), bool) if scored is None else scored
    ranks = np.where(correct, 0, 3).astype(np.int32)
    accuracy = accuracy_of_ranks(ranks, labels, scored, int(labels.max()) + 1)
    claim = Reproduction("", published, "table 4", "1 clip x 1 crop")
    return _judged(claim, accuracy, GroundTruth({"action": labels}, groups), "action")


def test_two_hundred_sound_runs_never_fail():
    """Runs of other videos with the published accuracy: complete, and stopped anywhere."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, VIDEOS).astype(np.int32)
    verdicts = []
    for _ in range(200):
        correct = rng.random(VIDEOS) < PUBLISHED
        seen = np.arange(VIDEOS) < rng.integers(1, VIDEOS)
        verdicts += [judged(correct, labels=labels).verdict, judged(correct, labels=labels, scored=seen).verdict]
    assert "FAIL" not in verdicts
    assert verdicts.count("PASS") >= 180


def test_two_hundred_sound_runs_of_the_published_videos_never_fail():
    """The same right and wrong videos as the paper's in any order, up to three that differ by rounding."""
    rng = np.random.default_rng(1)
    correct = np.arange(VIDEOS) < round(PUBLISHED * VIDEOS)
    for _ in range(200):
        mine = rng.permutation(correct)
        mine[rng.integers(0, VIDEOS, 3)] ^= True
        assert judged(mine).verdict == "PASS"
        assert judged(mine, scored=np.arange(VIDEOS) < rng.integers(1, VIDEOS)).verdict != "FAIL"


def test_two_hundred_sound_runs_over_groups_never_fail():
    """Fifty recordings of very different difficulty."""
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(50), 100)
    verdicts = []
    for _ in range(200):
        chance = rng.beta(4, 4, 50)[groups]
        correct = rng.random(5000) < chance
        seen = np.arange(5000) < rng.integers(1, 5000)
        verdicts += [judged(correct, groups=groups, published=0.5).verdict]
        verdicts += [judged(correct, groups=groups, published=0.5, scored=seen).verdict]
    assert "FAIL" not in verdicts


@pytest.mark.parametrize(("accuracy", "verdict"), [(0.49, "PASS"), (0.45, "FAIL"), (0.53, "FAIL"), (0.006, "FAIL")])
def test_complete_runs(accuracy, verdict):
    correct = np.random.default_rng(3).random(VIDEOS) < accuracy
    assert judged(correct).verdict == verdict


def test_a_small_difference_stays_open():
    correct = np.arange(VIDEOS) < round((PUBLISHED - 0.012) * VIDEOS)  # 2.6 standard errors
    one = judged(correct)
    assert one.verdict == "OPEN"
    assert "1 sound run in 20" in one.sentence


def test_a_broken_run_is_excluded_after_few_videos():
    rng = np.random.default_rng(4)
    labels = rng.integers(0, CLASSES, VIDEOS).astype(np.int32)
    one = judged(rng.random(VIDEOS) < 0.2, labels=labels, scored=np.arange(VIDEOS) < 700)
    assert one.verdict == "FAIL"
    assert one.excluded_after < 200
    assert f"after {one.excluded_after} of 11,522 videos the published 49.01" in one.sentence


def test_the_first_videos_of_a_sorted_list_allow_no_verdict():
    labels = np.sort(np.random.default_rng(5).integers(0, CLASSES, VIDEOS)).astype(np.int32)
    one = judged(np.zeros(VIDEOS, bool), labels=labels, scored=np.arange(VIDEOS) < 700)
    assert (one.verdict, "sorted" in one.why) == ("", True)


def test_a_few_missing_videos_do_not_prevent_a_verdict():
    correct = np.arange(VIDEOS) < round(PUBLISHED * VIDEOS)
    assert judged(correct, scored=np.arange(VIDEOS) > 40).verdict == "PASS"
    assert judged(correct, scored=np.zeros(VIDEOS, bool)).why == "no video with a label is scored"


@pytest.mark.parametrize(
    ("published", "low", "high"), [(0.4901, 0.49005, 0.49015), (0.517, 0.5165, 0.5175), (1.0, 0.9995, 1.0), (0.0, 0.0, 0.0005)]
)  # fmt: skip
def test_a_printed_number_stands_for_all_that_round_to_it(published, low, high):
    assert printed_range(published) == (pytest.approx(low), pytest.approx(high))


CARD = {
    "dataset": "toy", "split": "val", "crops": 1, "clips": 2,
    "published": [{"clips": 1, "top1_percent": 60.0, "source": "table 1"}, {"clips": 2, "top1_percent": 65.0, "source": "table 1"}],
}  # fmt: skip


@pytest.fixture
def scores(toy_labels):
    """Logits [60, 2, 5] of which 40 are right, 20 wrong, in turns."""
    wanted = np.where(np.arange(60) % 3 < 2, toy_labels, (toy_labels + 1) % 5)
    return np.eye(5)[wanted][:, None].repeat(2, axis=1)


def evaluated(gsmbench, path, *more):
    return gsmbench("evaluate", path, "--format", "json", *more)


def test_evaluate_says_pass(gsmbench, save_scores, scores):
    ran = evaluated(gsmbench, save_scores("a", scores, provenance={"entry": CARD}))
    assert ran.err.count("a: PASS: top-1 66.67, 95% interval ") == 2
    assert "holds the published 65.00 (2 clips x 1 crop, table 1)" in ran.err
    assert [row["verdict"] for row in json.loads(ran.out)["rows"]] == ["PASS", "PASS"]


def test_evaluate_says_fail(gsmbench, save_scores, scores):
    ran = evaluated(gsmbench, save_scores("a", np.roll(scores, 1, axis=2), provenance={"entry": CARD}))
    assert ran.status == 0  # the evaluation itself is complete
    assert "a: FAIL: top-1 " in ran.err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"crops": 5}, "these scores have 2 clips x 1 crop"),
        ({"published": [{"clips": 10, "top1_percent": 60.0, "source": "x"}]}, "no verdict on the published 60.00 (10 clips x 1 crop, x)"),
    ],
)  # fmt: skip
def test_another_protocol_has_no_verdict(gsmbench, save_scores, scores, change, words):
    ran = evaluated(gsmbench, save_scores("a", scores, provenance={"entry": CARD | change}))
    assert words in ran.err
    assert {row["verdict"] for row in json.loads(ran.out)["rows"]} == {None}


def test_reversed_frames_have_no_verdict(gsmbench, save_scores, scores):
    provenance = {"entry": CARD, "sampling": {"frames": 4, "order": "reversed"}}
    assert "the frames were played reversed" in evaluated(gsmbench, save_scores("a", scores, provenance=provenance)).err


@pytest.mark.parametrize(
    "card",
    [
        None, {}, {"published": []}, CARD | {"dataset": "other"}, CARD | {"split": "test"}, CARD | {"published": None},
        CARD | {"published": ["odd"]}, CARD | {"published": [{"clips": "1", "top1_percent": 5}]},
        CARD | {"published": [{"clips": 1, "top5_percent": 5.0}]}, CARD | {"published": [{"clips": 1, "top1_percent": "high"}]},
        CARD | {"published": [{"clips": 1, "top1_percent": 60.0, "task": "verb"}]}, CARD | {"crops": None},
    ],
)  # fmt: skip
def test_cards_that_publish_nothing_here_say_nothing(gsmbench, save_scores, scores, card):
    ran = evaluated(gsmbench, save_scores("a", scores, provenance={"entry": card}))
    assert ran.status == 0, ran.err
    assert not {"PASS", "FAIL", "OPEN"} & set(ran.err.replace(":", " ").split())


def test_a_result_without_a_verdict_is_named_only_where_none_of_its_file_has_one():
    yes, no = Reproduction("PASS", 0.6, "t", "1 clip"), Reproduction("", 0.6, "t", "2 clips", why="other crops")
    assert len(verdict_messages([("a", yes), ("a", no), ("b", None)])) == 1
    assert verdict_messages([("b", no)]) == ["b: no verdict on the published 60.00 (2 clips, t): other crops"]


ENSEMBLE = """
[ensembles.Pair]
members = [{ model = "toy_4f", clips = 2 }, { model = "toy_bninc", clips = 2 }]
published = [{ source = "table 2", top1_percent = 66.0 }]
"""


def test_a_named_ensemble_has_a_verdict_unless_it_is_changed(gsmbench, workspace, save_scores, scores):
    (workspace.manifests / "pair.toml").write_text(ENSEMBLE)
    for name in ("toy_4f", "toy_bninc"):
        save_scores(name, scores, provenance={"entry": {"dataset": "toy", "split": "val"}})
    assert "Pair: PASS: top-1 66.67" in gsmbench("ensemble", "Pair").err
    for change in (["--weights", "2,1"], ["--space", "probabilities"]):
        assert "PASS" not in gsmbench("ensemble", "Pair", *change).err


def test_score_ends_with_the_verdict(gsmbench, workspace):
    pytest.importorskip("torch")
    from tests.scoring.toys import make_checkpoint, make_clips

    make_clips(workspace, 40)
    make_checkpoint(workspace, "toy_bninc")
    manifest = workspace.manifests / "toy.toml"
    published = 'published = [{ clips = 2, top1_percent = 99.0, source = "table 9" }]\n'
    manifest.write_text(manifest.read_text() + published)
    ran = gsmbench("score", "--model", "toy_bninc", "--quiet")
    assert ran.status == 0
    assert "toy_bninc: FAIL: top-1 " in ran.err and "the published 99.00 (2 clips x 1 crop, table 9)" in ran.err
    assert "FAIL: after " in gsmbench("score", "--model", "toy_bninc", "--quiet", "--limit", "32").err
