"""Lists whose class numbers are not the model's, and accuracies that others define otherwise."""

import pickle
import re
from pathlib import Path

import numpy as np
import pytest

from tests.cases.score_cases import csv_scores, imported

IDS, LOGITS, LABELS = csv_scores()
RIGHT = np.eye(5, dtype=np.float32) * 6
SAYS = r"chance|order of (the )?(classes|columns)|renumber|count(s|ed)? from 1"
OTHER_NUMBERS = {
    "from 1": lambda labels: labels + 1,
    "turned": lambda labels: (labels + 1) % 5,
    "reversed": lambda labels: 4 - labels,
    "two swapped, the rest turned": lambda labels: np.array([1, 0, 3, 4, 2])[labels],
    "turned by two": lambda labels: (labels + 2) % 5,
}


@pytest.fixture
def scored(workspace, toy_labels, save_scores):
    """Scores of the toy list that are nearly all right; the second choice is the next class."""
    noise = np.random.default_rng(1).standard_normal((60, 1, 5))
    scores = RIGHT[toy_labels][:, None] + 0.5 * RIGHT[(toy_labels + 1) % 5][:, None] + noise
    return save_scores("x", scores, offsets=(0.5,)), workspace.data / "toy" / "val.txt"


@pytest.mark.parametrize("command", ["evaluate", "ensemble"])
@pytest.mark.parametrize("name", OTHER_NUMBERS)
def test_a_list_with_other_class_numbers_is_said(name, command, scored, toy_labels, gsmbench):
    path, listed = scored
    rows = [line.split() for line in listed.read_text().splitlines()]
    labels = OTHER_NUMBERS[name](toy_labels)
    listed.write_text(
        "".join(f"{video} {frames} {label}\n" for (video, frames, _), label in zip(rows, labels, strict=True))
    )
    ran = gsmbench(command, *(("--members", path) if command == "ensemble" else (path,)))
    assert re.search(SAYS, ran.err, re.IGNORECASE), ran.out + ran.err
    if name == "from 1":
        assert re.search("from 1", ran.err)


@pytest.mark.parametrize("command", ["evaluate", "ensemble"])
def test_a_right_list_is_passed_over_in_silence(command, scored, gsmbench):
    path, _ = scored
    ran = gsmbench(command, *(("--members", path) if command == "ensemble" else (path,)))
    assert ran.status == 0
    assert not re.search(SAYS, ran.err, re.IGNORECASE)


@pytest.mark.parametrize("classes", [5, 20, 100])
def test_top_5_that_is_right_where_top_1_never_is(classes, gsmbench, workspace):
    """Labels that are shifted by one leave top-5 high: a model that cannot be right at top-1 is no model."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, 300)
    scores = rng.standard_normal((300, classes))
    scores[np.arange(300), labels] += 20
    scores[np.arange(300), (labels + 1) % classes] += 10
    np.savez("x.npz", ids=np.arange(300), scores=scores, labels=(labels + 1) % classes)
    text = [gsmbench("import", "x.npz").err, gsmbench("evaluate", "scores/imported/x.h5").err]
    assert all(re.search(SAYS, text, re.IGNORECASE) for text in text), text


# Mean class accuracy


def test_definitions_name_what_others_count(gsmbench, workspace):
    ran = gsmbench("evaluate", "--definitions")
    assert ran.status == 0
    text = re.sub(r"\s+", " ", ran.out)
    assert re.search(r"mean class.{0,400}mmaction2", text, re.IGNORECASE)
    assert re.search(r"mean class.{0,600}\bnan\b", text, re.IGNORECASE)


@pytest.mark.parametrize("unlabelled", [True, False])
def test_an_import_says_where_mean_class_accuracy_is_not_mmaction2s(unlabelled, gsmbench, workspace):
    kept = LOGITS.argmax(1)[0] != LABELS if unlabelled else np.ones(60, bool)
    records = [{"pred_score": a, "gt_label": np.array([b])} for a, b in zip(LOGITS[kept], LABELS[kept], strict=True)]
    Path("x.pkl").write_bytes(pickle.dumps(records))
    _, row, text = imported(gsmbench, "x.pkl")
    best, known = LOGITS[kept].argmax(1), LABELS[kept]
    assert row["mean_class"] == pytest.approx(np.mean([(best[known == c] == c).mean() for c in np.unique(known)]))
    if unlabelled:
        assert set(best) - set(known)
        theirs = np.mean([(best[known == c] == c).mean() if (known == c).any() else 0 for c in set(best) | set(known)])
        assert re.search("mean class", text, re.IGNORECASE)
        assert f"{100 * theirs:.2f}" in text
    else:
        assert "mmaction2 counts" not in text
