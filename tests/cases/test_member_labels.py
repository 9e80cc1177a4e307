"""Members whose labels differ: refused in both orders, and unknown labels differ from none."""

import numpy as np
import pytest

from tests.cases.score_cases import csv_scores, fused, imported, percent, place, refused

IDS, LOGITS, LABELS = csv_scores()


def npz(name, **arrays):
    np.savez(name, **arrays)
    return name


@pytest.mark.parametrize("command", ["ensemble", "compare", "search"])
def test_members_of_two_versions_of_the_labels(command, gsmbench, workspace):
    ids, logits, labels = csv_scores()
    for name, known in (("old", labels), ("new", np.where(np.arange(60) % 4 == 0, (labels + 1) % 10, labels))):
        np.savez(f"{name}.npz", ids=np.array(ids), scores=logits, labels=known)
        imported(gsmbench, f"{name}.npz")
    pair = [place("old"), place("new")]
    words = ("--members", ",".join(pair)) if command == "ensemble" else pair
    ran = gsmbench(command, *words, "--format", "json")
    refused(ran, r"\b15\b", "labels?", "differ|disagree", r"\bold\b", r"\bnew\b", "v_000")


OTHER = {
    "one clip": np.where(np.arange(60) == 7, (LABELS + 1) % 10, LABELS),
    "all clips": (LABELS + 1) % 10,
    "renumbered": 9 - LABELS,
}


@pytest.mark.parametrize("name", OTHER)
@pytest.mark.parametrize("command", ["ensemble", "compare", "search", "cascade", "calibrate"])
def test_labels_of_members_differ(name, command, gsmbench, workspace):
    for file, labels in (("one", LABELS), ("two", OTHER[name])):
        imported(gsmbench, npz(f"{file}.npz", ids=np.array(IDS), scores=LOGITS, labels=labels))
    pair = [place("one"), place("two")]
    words = {"ensemble": ("--members", ",".join(pair)), "cascade": (",".join(pair),), "calibrate": (",".join(pair),)}
    refused(
        gsmbench(command, *words.get(command, pair)), "labels?", "one", "two", rf"\b{(OTHER[name] != LABELS).sum()}\b"
    )


def test_unknown_labels_differ_from_none(gsmbench, workspace):
    some = np.where(np.arange(60) < 20, -1, LABELS)
    imported(gsmbench, npz("one.npz", ids=np.array(IDS), scores=LOGITS, labels=LABELS))
    imported(gsmbench, npz("two.npz", ids=np.array(IDS), scores=LOGITS, labels=some))
    imported(gsmbench, npz("three.npz", ids=np.array(IDS), scores=LOGITS))
    assert percent(fused(gsmbench, "one", "two")) == percent(fused(gsmbench, "one", "three")) == 63.33
    assert percent(fused(gsmbench, "two", "one")) == percent(fused(gsmbench, "three", "one")) == 63.33
