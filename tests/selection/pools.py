"""Pools of small score files for the tests of searches."""

import itertools

import numpy as np

from gsm_bench.ensembles.members import MemberSpec, open_members
from gsm_bench.evaluation.accuracies import accuracies_of
from gsm_bench.evaluation.ground_truth import GroundTruth
from gsm_bench.metrics.folds import folds_of
from gsm_bench.scorefile import write
from gsm_bench.selection.candidates import candidates_of
from gsm_bench.selection.held_out import PARTS
from gsm_bench.selection.pool import choices_of
from gsm_bench.selection.search import SearchConfig, search
from gsm_bench.selection.subsets import count_subsets
from tests.conftest import clip_scores, reference_module


def save(tmp_path, name, scores, **options):
    path = tmp_path / f"{name}.h5"
    offsets = (0.5,) if scores.shape[1] == 1 else (0.0, 0.5)
    cost = {"macs_paper_per_view": 1_000_000_000, "params": 5_000_000, "offsets": offsets}
    write(path, clip_scores(np.asarray(scores, np.float32), **{**cost, **options}))
    return path


def pool(tmp_path, arrays, **options):
    """One file per array [N, V, C]; each with one clip, and with two where it has two views."""
    paths = [save(tmp_path, f"m{at}", array, **options) for at, array in enumerate(arrays)]
    clips = [range(1, array.shape[1] + 1) for array in arrays]
    return [MemberSpec(path.stem, path, k, 1.0) for path, ks in zip(paths, clips, strict=True) for k in ks]


def brute_force(specs, labels, space):
    """Top-1 and top-5 hits of every subset, each fused by the code of `gsmbench ensemble`, by the set of places."""
    hits = {}
    for size in range(1, len(specs) + 1):
        for held in itertools.combinations(range(len(specs)), size):
            if len({specs[at].path for at in held}) == size:
                with open_members([specs[at] for at in held]) as members:
                    accuracy, _ = accuracies_of(members, "action", space, labels)
                hits[held] = (accuracy.hits[1], accuracy.hits[5])
    return hits


def counted(specs, labels, space="logits", folds=3):
    with open_members(specs) as members:
        counts = count_subsets(members, "action", space, labels, folds_of(len(labels), None, folds))
    sums = {k: counts.hits[k].sum(axis=0).tolist() for k in (1, 5)}
    places = [tuple(np.flatnonzero(row).tolist()) for row in counts.subsets]
    return counts, dict(zip(places, zip(sums[1], sums[5], strict=True), strict=True))


def noisy(labels, classes, count, views=1):
    noisy_logits = reference_module("scores").noisy_logits
    return [
        np.stack([noisy_logits(labels, classes, 7 * at + view, signal=1.0) for view in range(views)], axis=1)
        for at in range(count)
    ]


def searched(specs, labels, groups=None, **config):
    with open_members(specs) as members:
        return search(members, GroundTruth({"action": labels}, groups), SearchConfig(space="logits", **config))


def candidates(specs, labels, groups=None, **config):
    with open_members(specs) as members:
        counts = count_subsets(members, "action", "logits", labels, folds_of(len(labels), groups, PARTS))
        return candidates_of(choices_of(members), counts, SearchConfig(**config))
