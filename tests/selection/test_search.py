"""The result of a search against brute force."""

from dataclasses import replace

import numpy as np
import pytest

from gsm_bench.errors import GsmBenchError
from tests.selection.pools import brute_force, noisy, pool, searched


def test_result_equals_brute_force_and_names_its_members(tmp_path, labels):
    """The rows are the brute-force front of accuracy against multiply-adds, or against parameters."""
    specs = pool(tmp_path, noisy(labels, 9, 3, views=2))
    result = searched(specs, labels)
    hits = brute_force(specs, labels, "logits")
    names = {tuple(choice.label for choice in np.array(result.choices)[list(held)]): held for held in hits}
    for row in result.rows:
        held = names[row.members]
        assert row.hits == hits[held][0]
        assert row.accuracy == {1: hits[held][0] / 300, 5: hits[held][1] / 300}
        assert row.macs == sum(specs[at].clips for at in held) * 10**9
        assert row.interval.low < row.accuracy[1] < row.interval.high
    macs = {held: sum(specs[at].clips for at in held) for held in hits}
    front = {row.members for row in result.rows if "macs" in row.fronts}
    best_for_macs = {
        held
        for held in hits
        if not any(
            macs[other] <= macs[held] and hits[other][0] >= hits[held][0]
            and (macs[other], -hits[other][0]) != (macs[held], -hits[held][0])
            for other in hits
        )
    }  # fmt: skip
    assert {names[members] for members in front} <= best_for_macs
    assert {(macs[names[m]], hits[names[m]][0]) for m in front} == {(macs[h], hits[h][0]) for h in best_for_macs}
    (best,) = [row for row in result.rows if row.best]
    assert best.hits == max(one for one, _ in hits.values())
    assert [spec.label for spec in result.best] == [specs[at].label for at in names[best.members]]
    assert (result.videos, result.left_out, result.subsets) == (300, 0, len(hits))


def test_more_choices_than_can_be_tried(tmp_path, labels):
    specs = pool(tmp_path, [noisy(labels, 9, 1)[0]])
    with pytest.raises(GsmBenchError, match="a pool of 17 choices"):
        searched([replace(specs[0], label=str(at)) for at in range(17)], labels)
