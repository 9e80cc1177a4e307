"""Minus infinity: every command gives for masked classes what it gives for -10,000, and a row of nothing else is not scored."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from tests.cases.score_cases import csv_scores, imported, percent, place, refused, rows

IDS, LOGITS, LABELS = csv_scores()

COMMANDS = {
    "evaluate": ("evaluate", "{0}"),
    "per class": ("evaluate", "{0}", "--per-class"),
    "ensemble": ("ensemble", "--members", "{0},{1}"),
    "second member": ("ensemble", "--members", "{1},{0}", "--weights", "1,2"),
    "probabilities": ("ensemble", "--members", "{0},{1}", "--space", "probabilities"),
    "compare": ("compare", "{0}", "{1}"),
    "calibrate": ("calibrate", "{0}", "{0},{1}"),
    "cascade": ("cascade", "{0},{1}"),
    "exact": ("search", "{0}", "{1}"),
    "greedy": ("search", "{0}", "{1}", "--method", "greedy"),
    "weights": ("search", "{0}", "{1}", "--method", "weights"),
    "temperatures": ("search", "{0}", "{1}", "--method", "weights", "--temperatures"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_masked_classes_count_as_very_low(command, gsmbench, workspace):
    """What a command gives for minus infinity is what it gives for -10,000."""
    imported(gsmbench, "norm.npz")
    answers = {}
    for name in ("mfin", "minf"):
        _, row, _ = imported(gsmbench, f"{name}.npz", name="masked")
        assert percent(row) == 46.67
        words = [word.format(place("masked"), place("norm")) for word in COMMANDS[command]]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            ran = gsmbench(*words, "--format", "json")
        answers[name] = json.dumps(rows(ran)), ran.err
        Path(place("masked")).unlink()
    assert answers["minf"] == answers["mfin"]
    assert "Warning" not in answers["minf"][1]
    assert "NaN" not in answers["minf"][0]
    if command == "ensemble":
        assert percent(json.loads(answers["minf"][0])[-1]) == 63.33


MASKS = {
    "of the label too": lambda rng: rng.random((60, 1, 10)) < 0.3,
    "in one view": lambda rng: np.stack([rng.random((60, 10)) < 0.4, np.zeros((60, 10), bool)], 1),
    "most classes": lambda rng: rng.random((60, 1, 10)) < 0.8,
    "one class": lambda rng: np.broadcast_to(np.arange(10) == 4, (60, 1, 10)),
    "one clip": lambda rng: (np.arange(60) == 5)[:, None, None] & (np.arange(10) > 0),
}
MASKED_COMMANDS = {
    "ensemble": ("ensemble", "--members", "{0},{1},{2}"),
    "probabilities": ("ensemble", "--members", "{0},{1}", "--space", "probabilities"),
    "logs": ("ensemble", "--members", "{0},{1}", "--space", "log_probabilities"),
    "compare": ("compare", "{0}", "{0},{1}"),
    "calibrate": ("calibrate", "{0},{1}"),
    "cascade": ("cascade", "{0},{1},{2}"),
    "exact": ("search", "{0}", "{1}", "{2}"),
    "greedy": ("search", "{0}", "{1}", "{2}", "--method", "greedy"),
    "weights": ("search", "{0}", "{1}", "{2}", "--method", "weights"),
}


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("command", MASKED_COMMANDS)
def test_other_masks(mask, command, gsmbench, workspace):
    kept = np.arange(60)[:, None, None] % 10 == np.arange(10)  # no row is masked whole
    masks = [MASKS[mask](np.random.default_rng(at)) & ~kept for at in range(2)]
    base = [np.random.default_rng(at).standard_normal((60, masks[0].shape[1], 10)) + LOGITS[:, None] for at in range(3)]
    answers = []
    for low in (-1e4, -np.inf):
        for name, scores, hidden in zip("abc", base, [*masks, np.zeros_like(masks[0])], strict=True):
            source = f"{name}.npz"
            np.savez(source, ids=np.array(IDS), scores=np.where(hidden, low, scores), labels=LABELS)
            assert gsmbench("import", source, "--force", "--kind", "logits").status == 0
        words = [word.format(*map(place, "abc")) for word in MASKED_COMMANDS[command]]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            answers.append(json.dumps(rows(gsmbench(*words, "--format", "json"))))
    assert answers[0] == answers[1]


def test_a_score_file_with_a_row_of_minus_infinity(gsmbench, save_scores, toy_labels):
    """Its status says scored; no command counts the clip."""
    scores = np.random.default_rng(0).standard_normal((60, 1, 5))
    scores[9] = -np.inf
    path = save_scores("x", scores, offsets=(0.5,))
    for words in (("evaluate", path), ("calibrate", path), ("search", path, "--method", "greedy")):
        refused(gsmbench(*words), "v9")
