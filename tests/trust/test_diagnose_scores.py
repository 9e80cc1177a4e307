"""Faults of score files are named, alone and in pairs, and sound ones have none."""

import json

import numpy as np
import pytest

import gsm_bench as gb
from gsm_bench.metrics.softmax import softmax

CLASSES, VIDEOS = 14, 400


def world(videos=VIDEOS, classes=CLASSES, strength=3.0, seed=0, balanced=True):
    """Logits [N, C] and labels [N]."""
    rng = np.random.default_rng(seed)
    weights = np.ones(classes) if balanced else 1 / np.arange(1, classes + 1)
    labels = rng.choice(classes, videos, p=weights / weights.sum())
    scores = rng.standard_normal((videos, classes)) * rng.uniform(0.7, 1.5)
    scores[np.arange(videos), labels] += strength
    return scores, labels


def diagnosed(scores, labels, kind="logits", ids=None, classes=None):
    ids = [f"v{row:05d}" for row in range(len(labels))] if ids is None else ids
    return gb.Bench().diagnose(scores=gb.from_arrays(ids, scores, labels, classes, kind=kind))


def probabilities(scores):
    return softmax(np.asarray(scores, np.float64))


NAMES = [f"class {letter}" for letter in "hcbgadfejkmlni"]
ALPHABETICAL = np.argsort(np.array(sorted(range(CLASSES), key=NAMES.__getitem__)))
AS_TEXT = np.array(sorted(range(CLASSES), key=str))
LABEL_FAULTS = {
    "class numbers one too high": lambda scores, labels: (scores, (labels + 1) % CLASSES),
    "class numbers one too low": lambda scores, labels: (scores, (labels - 1) % CLASSES),
    "labels 2 rows below theirs": lambda scores, labels: (scores, np.roll(labels, 2)),
    "labels 5 rows above theirs": lambda scores, labels: (scores, np.roll(labels, -5)),
    "class names in alphabetical order": lambda scores, labels: (scores[:, np.argsort(ALPHABETICAL)], labels),
    "class numbers sorted as text": lambda scores, labels: (scores[:, AS_TEXT], labels),
    "classes in another order": lambda scores, labels: (scores, np.random.default_rng(3).permutation(CLASSES)[labels]),
    "scores negated": lambda scores, labels: (-scores, labels),
}
VALUE_FAULTS = {
    "softmax applied twice": lambda scores: (probabilities(probabilities(scores)), "probabilities"),
    "probabilities named logits": lambda scores: (probabilities(scores), "logits"),
}


@pytest.fixture
def short_intervals(monkeypatch):
    """Intervals of few resamples: they are printed, and no cause depends on them."""
    monkeypatch.setattr("gsm_bench.metrics.paired.DRAWS", 100)


@pytest.mark.parametrize("fault", LABEL_FAULTS)
@pytest.mark.parametrize("seed", range(3))
def test_faults_of_labels_are_named(workspace, short_intervals, fault, seed):
    result = diagnosed(*LABEL_FAULTS[fault](*world(seed=seed)), classes=NAMES)
    (cause,) = result.diagnosis.causes
    assert cause.after.startswith(fault)
    assert result.diagnosis.after > 0.7 > 0.3 > result.diagnosis.before
    assert cause.fix and fault in str(result)


@pytest.mark.parametrize("fault", VALUE_FAULTS)
def test_faults_of_values_are_named(workspace, short_intervals, fault):
    scores, labels = world()
    values, kind = VALUE_FAULTS[fault](scores)
    result = diagnosed(values, labels, kind=kind)
    assert result.causes == [fault]
    assert result.diagnosis.after is None


@pytest.mark.parametrize("value_fault", VALUE_FAULTS)
@pytest.mark.parametrize("label_fault", [name for name in LABEL_FAULTS if name != "scores negated"])
def test_pairs_are_named(workspace, short_intervals, value_fault, label_fault):
    scores, labels = LABEL_FAULTS[label_fault](*world())
    values, kind = VALUE_FAULTS[value_fault](scores)
    result = diagnosed(values, labels, kind=kind, classes=NAMES)
    assert result.causes == [value_fault, "labels"]
    assert result.diagnosis.causes[0].after.startswith(label_fault)


def test_rows_in_the_order_of_their_ids(workspace):
    scores, labels = world()
    ids = [str(number) for number in np.random.default_rng(1).permutation(VIDEOS) + 1]
    order = sorted(range(VIDEOS), key=lambda row: ids[row])
    result = diagnosed(scores[order], labels, ids=ids)  # rows of the scores sorted as text, labels as in the list
    assert result.diagnosis.causes[0].after == "rows sorted by id"


def test_two_hundred_sound_files_raise_no_alarm(workspace, short_intervals):
    rng = np.random.default_rng(9)
    alarms = []
    for seed in range(200):
        classes, videos = int(rng.integers(3, 60)), int(rng.integers(30, 600))
        scores, labels = world(videos, classes, rng.uniform(0, 5), seed, balanced=bool(seed % 2))
        kinds = ("logits", "probabilities", "log_probabilities")
        kind = kinds[seed % 3]
        values = scores if kind == "logits" else probabilities(scores)
        values = np.log(values) if kind == "log_probabilities" else values
        result = diagnosed(values, labels, kind=kind)
        alarms += [(seed, result.causes)] if result.causes else []
    assert not alarms


def test_an_undertrained_network_is_no_doubled_softmax(workspace):
    scores, labels = world(strength=0.5)
    assert diagnosed(probabilities(scores * 0.1), labels, kind="probabilities").causes == []
    assert diagnosed(probabilities(scores * 0.01), labels, kind="probabilities").causes == []


def test_too_few_videos_for_an_order_of_classes(workspace):
    scores, labels = world(videos=60, classes=50)
    result = diagnosed(scores, labels)
    assert "60 videos are too few for 50 classes" in str(result)


def test_labels_off_by_one_in_words_and_json(gsmbench, save_scores, toy_labels):
    scores = np.eye(5)[(toy_labels + 1) % 5][:, None] + np.random.default_rng(0).random((60, 1, 5)) / 2
    path = save_scores("off", scores, offsets=(0.5,))
    ran = gsmbench("diagnose", "--scores", path)
    assert ran.status == 0
    assert "class numbers one too low" in ran.out and "class numbers start at 0" in ran.out
    document = json.loads(gsmbench("diagnose", "--scores", path, "--format", "json").out)
    assert document["rows"][0]["better"] == "class numbers one too low"
    assert len(document["tables"]["tried"]["rows"]) > 12


ODD = {
    "one video": (np.zeros((1, 1, 5)), None),
    "constant": (np.zeros((60, 1, 5)), None),
    "all NaN": (np.full((60, 1, 5), np.nan), np.full(60, 2)),
    "one class": (np.zeros((60, 1, 1)), None),
    "huge": (np.full((60, 1, 5), 3e38), None),
    "half unscored": (np.random.default_rng(0).random((60, 1, 5)), np.arange(60) % 2 * 2),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_score_files(gsmbench, save_scores, toy_labels, case):
    scores, status = ODD[case]
    ids = [f"v{row}" for row in range(len(scores))]
    scores = scores.copy()
    if status is not None:
        scores[status == 2] = np.nan
    ran = gsmbench("diagnose", "--scores", save_scores("odd", scores, offsets=(0.5,), status=status, ids=ids))
    assert ran.status in (0, 1, 3)
    assert "Traceback" not in ran.err
    assert ran.status != 1 or "fix:" in ran.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give one of --model NAME and --scores FILE"),
        (["--model", "toy_4f", "--scores", "x.h5"], "give one of"),
        (["--scores", "x.h5", "--device", "cpu"], "--device belongs to --model"),
        (["--scores", "missing.h5"], "there are no scores of missing"),
        (["--model", "nothing"], "no model 'nothing'"),
        (["--model", "toy_4f", "--videos", "3"], "--videos"),
        (["--model", "toy_4f"], "no data directory"),
    ],
)
def test_wrong_use(gsmbench, workspace, arguments, words):
    ran = gsmbench("diagnose", *arguments)
    assert ran.status in (1, 2)
    assert words in ran.err
