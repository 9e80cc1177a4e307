"""Labels of fused members are compared and joined, from files and from lists; the order of members never matters."""

import json
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

import gsm_bench as gb
from gsm_bench.errors import AlignmentError
from gsm_bench.scorefile import write
from tests.conftest import clip_scores

VIDEOS, CLASSES = 60, 5
IDS = [f"v{at}" for at in range(VIDEOS)]
SHUFFLED = np.random.default_rng(3).permutation(VIDEOS)


def scores_of(labels, seed):
    scores = np.random.default_rng(seed).standard_normal((VIDEOS, 1, CLASSES))
    scores[np.arange(VIDEOS), 0, np.maximum(labels, 0)] += 1.5
    return scores


@pytest.fixture
def store(workspace, toy_labels):
    """Write a score file with its own labels, perhaps with its rows shuffled; returns its path."""

    def call(name, labels=None, *, shuffled=False, seed=0, **options):
        rows = SHUFFLED if shuffled else np.arange(VIDEOS)
        content = clip_scores(
            scores_of(toy_labels, seed)[rows], [IDS[row] for row in rows], offsets=(0.5,), model=name, **options
        )
        carried = {} if labels is None else {"action": np.asarray(labels, np.int32)[rows]}
        path = workspace.root / f"{name}.h5"
        write(path, replace(content, labels=carried))
        return path

    return call


def top1(gsmbench, *paths):
    ran = gsmbench("ensemble", "--members", ",".join(map(str, paths)), "--format", "json")
    assert ran.status == 0, ran.err
    row = json.loads(ran.out)["rows"][-1]
    return row["hits1"], int(row["videos"]), row["scored"]


def one_apart(labels, row):
    changed = labels.copy()
    changed[row] = (changed[row] + 1) % CLASSES
    return changed


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("row", [0, 31, 59])
@pytest.mark.parametrize("at", [1, 2])
def test_one_label_that_differs_is_named(shuffled, row, at, store, toy_labels, gsmbench):
    paths = [
        store(
            f"m{number}", one_apart(toy_labels, row) if number == at else toy_labels, shuffled=shuffled and number > 0
        )
        for number in range(3)
    ]
    for order in permutations(paths):
        ran = gsmbench("ensemble", "--members", ",".join(map(str, order)))
        assert ran.status == 1
        assert "1 of 60 action labels of" in ran.err
        assert f"first for video 'v{row}'" in ran.err


@pytest.mark.parametrize("command", ["compare", "search", "cascade", "calibrate", "ensemble"])
def test_lists_that_differ_are_named(command, workspace, store, toy_labels, gsmbench):
    """Two versions of a data set have the same videos and other labels; the files carry none."""
    manifest = workspace.root / "manifests" / "toy.toml"
    text = manifest.read_text()
    start = text.index("[datasets.toy]")
    stop = text.find("\n[models", start)
    entry = text[start : stop if stop > 0 else len(text)]
    manifest.write_text(text + "\n" + entry.replace("datasets.toy", "datasets.toy2"))
    folder = workspace.data / "toy2"
    folder.mkdir()
    lines = [line.split() for line in (workspace.data / "toy" / "val.txt").read_text().splitlines()]
    folder.joinpath("val.txt").write_text("".join(f"{v} {n} {(int(c) + 1) % 5}\n" for v, n, c in lines))
    folder.joinpath("classes.txt").write_text((workspace.data / "toy" / "classes.txt").read_text())
    one, other = store("one", dataset="toy", split="val"), store("other", dataset="toy2", split="val")
    words = (one, other) if command in ("compare", "search") else (f"{one},{other}",)
    ran = gsmbench(command, *(("--members",) if command == "ensemble" else ()), *words)
    assert ran.status == 1, ran.out
    assert "60 of 60 action labels of one and other differ" in ran.err


@pytest.mark.parametrize("unknown", [range(20), range(0, 60, 2), range(60)])
@pytest.mark.parametrize("shuffled", [False, True])
def test_unknown_labels_are_those_of_the_other_member(unknown, shuffled, store, toy_labels, gsmbench):
    some = toy_labels.copy()
    some[list(unknown)] = -1
    paths = store("one", toy_labels), store("two", some, shuffled=shuffled, seed=1)
    results = {top1(gsmbench, *order) for order in permutations(paths)}
    assert len(results) == 1
    assert results.pop()[1:] == (60, 60)


@pytest.mark.parametrize("shuffled", [False, True])
def test_halves_of_the_labels_make_them_all(shuffled, store, toy_labels, gsmbench):
    first, second = (np.where(np.arange(60) % 2 == half, toy_labels, -1) for half in range(2))
    paths = store("one", first), store("two", second, shuffled=shuffled, seed=1), store("three", None, seed=2)
    results = {top1(gsmbench, *order) for order in permutations(paths)}
    assert len(results) == 1
    assert results.pop()[1:] == (60, 60)


@pytest.mark.parametrize("shuffled", [False, True])
def test_the_list_of_any_member_serves_all(shuffled, store, toy_labels, gsmbench):
    paths = store("one", None, seed=1, shuffled=shuffled), store("two", dataset="toy", split="val")
    results = {top1(gsmbench, *order) for order in permutations(paths)}
    assert len(results) == 1
    assert results.pop()[1:] == (60, 60)


def test_fused_files_carry_the_labels_of_all(store, toy_labels):
    first, second = (np.where(np.arange(60) % 2 == half, toy_labels, -1) for half in range(2))
    one, two = (gb.ScoreFile.open(store(name, labels)) for name, labels in (("one", first), ("two", second)))
    assert gb.fuse([one, two]).head.labels["action"].tolist() == toy_labels.tolist()
    other = gb.from_arrays(IDS, scores_of(toy_labels, 4), one_apart(toy_labels, 7), kind="logits", model="other")
    with pytest.raises(AlignmentError, match="'v7'"):
        gb.fuse([gb.from_arrays(IDS, scores_of(toy_labels, 4), toy_labels, kind="logits"), other])


def test_no_labels_at_all_is_one_error(store, gsmbench):
    ran = gsmbench("ensemble", "--members", f"{store('one')},{store('two')}")
    assert ran.status == 1
    assert "neither labels nor the name of its split" in ran.err
