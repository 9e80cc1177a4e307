import csv
import json

import numpy as np
import pytest

from gsm_bench.metrics.epic import EpicAnswers, EpicLabels, epic_metrics
from gsm_bench.metrics.top_actions import top_actions
from tests.conftest import REFERENCE, reference_module


def answers(verb, noun):
    return EpicAnswers(verb, noun, top_actions(verb, noun))


def test_by_hand():
    """Four clips, two verbs, two nouns; the last clip's verb is taken for the other."""
    verb = np.array([[2.0, 0], [2, 0], [0, 2], [2, 0]])
    noun = np.array([[2.0, 0], [0, 2], [0, 2], [0, 2]])
    truth = EpicLabels(
        np.array([0, 0, 1, 1]),
        np.array([0, 0, 1, 1]),
        many_shot={
            "verb": np.array([True, True]),
            "noun": np.array([True, False]),
            "action": np.array([[0, 0], [1, 0]]),
        },
        tail={"verb": np.array([False, True]), "noun": np.array([True, False])},
        unseen=np.array([False, True, True, False]),
    )
    found = {key: measured.value for key, measured in epic_metrics(answers(verb, noun), truth).items()}
    assert found["all", "verb", "top1"] == 0.75
    assert found["all", "noun", "top1"] == 0.75
    assert found["all", "action", "top1"] == 0.5
    assert found["all", "action", "top5"] == 1.0
    assert found["tail", "verb", "top1"] == 0.5
    assert found["tail", "noun", "top1"] == 0.5
    assert found["tail", "action", "top1"] == 0.5
    assert found["unseen", "action", "top1"] == 0.5
    assert found["all", "verb", "precision"] == pytest.approx((2 / 3 + 1) / 2)
    assert found["all", "verb", "recall"] == pytest.approx((1 + 0.5) / 2)
    assert found["all", "noun", "precision"] == 1.0  # one many-shot noun, taken once and rightly
    assert found["all", "noun", "recall"] == 0.5
    assert found["all", "action", "precision"] == 1.0  # (1, 0) does not occur and is left out
    assert found["all", "action", "recall"] == 0.5


def test_a_many_shot_class_that_is_never_taken_has_precision_0():
    verb = np.array([[2.0, 0], [2, 0]])
    truth = EpicLabels(
        np.array([0, 1]), np.array([0, 0]),
        many_shot={"verb": np.array([True, True]), "noun": np.array([True]), "action": np.array([[0, 0]])},
    )  # fmt: skip
    found = epic_metrics(answers(verb, np.zeros((2, 1))), truth)
    assert found["all", "verb", "precision"].value == 0.25
    assert found["all", "verb", "precision"].over == 2


def test_a_part_without_clips_has_no_number():
    truth = EpicLabels(np.array([0]), np.array([0]), unseen=np.array([False]))
    found = epic_metrics(answers(np.zeros((1, 2)), np.zeros((1, 2))), truth)
    assert np.isnan(found["unseen", "verb", "top1"].value)
    assert found["unseen", "verb", "top1"].over == 0


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def flags(values, size):
    flagged = np.zeros(size, bool)
    flagged[[int(value) for value in values]] = True
    return flagged


def golden():
    return json.loads((REFERENCE / "epic_metrics.json").read_text())


def test_epic_100_validation(real):
    """Golden values made with the organisers' evaluation code."""
    noisy_logits, folder = reference_module("scores").noisy_logits, real / "epic100"
    rows = table(folder / "EPIC_100_validation.csv")
    verbs, nouns = (np.array([int(row[f"{task}_class"]) for row in rows]) for task in ("verb", "noun"))
    unseen = {row["participant_id"] for row in table(folder / "EPIC_100_unseen_participant_ids_validation.csv")}
    truth = EpicLabels(
        verbs,
        nouns,
        tail={
            "verb": flags([row["verb"] for row in table(folder / "EPIC_100_tail_verbs.csv")], 97),
            "noun": flags([row["noun"] for row in table(folder / "EPIC_100_tail_nouns.csv")], 300),
        },
        unseen=np.array([row["participant_id"] in unseen for row in rows]),
    )
    found = epic_metrics(answers(noisy_logits(verbs, 97, 1), noisy_logits(nouns, 300, 2)), truth)
    for name, wanted in golden()["epic100_validation"].items():
        part, task = name.split("_")
        measured = [100 * found[part, task, f"top{k}"].value for k in (1, 5)[: len(wanted)]]
        assert measured == pytest.approx(wanted, abs=1e-9), name


def test_epic_55_every_third_training_segment(real):
    noisy_logits, folder = reference_module("scores").noisy_logits, real / "epic55"
    rows = table(folder / "EPIC_train_action_labels.csv")[::3]
    verbs, nouns = (np.array([int(row[f"{task}_class"]) for row in rows]) for task in ("verb", "noun"))
    many = {task: table(folder / f"EPIC_many_shot_{task}s.csv") for task in ("verb", "noun", "action")}
    truth = EpicLabels(
        verbs,
        nouns,
        many_shot={
            "verb": flags([row["verb_class"] for row in many["verb"]], 125),
            "noun": flags([row["noun_class"] for row in many["noun"]], 352),
            "action": np.array([[int(row["verb_class"]), int(row["noun_class"])] for row in many["action"]]),
        },
    )
    found = epic_metrics(answers(noisy_logits(verbs, 125, 1), noisy_logits(nouns, 352, 2)), truth)
    wanted = golden()["epic55_train_every_third"]
    for task in ("verb", "noun", "action"):
        assert [100 * found["all", task, f"top{k}"].value for k in (1, 5)] == pytest.approx(
            wanted["accuracy"][task], abs=1e-9
        )
        for metric in ("precision", "recall"):
            assert 100 * found["all", task, metric].value == pytest.approx(wanted[metric][task], abs=1e-9)
