"""Fusion in threads: the same numbers as in one, whatever the block, and one reading for several protocols."""

from dataclasses import replace

import numpy as np
import pytest

from gsm_bench.ensembles import fuse
from gsm_bench.ensembles.fuse import fuse_blocks
from gsm_bench.ensembles.members import MemberSpec, open_members
from gsm_bench.errors import ScoreFileError
from gsm_bench.evaluation import accuracies
from gsm_bench.evaluation.accuracies import accuracies_alone, accuracies_of

ROWS = 60


@pytest.fixture
def files(save_scores):
    rng = np.random.default_rng(3)
    return [save_scores(name, rng.standard_normal((ROWS, 2, 5)).astype(np.float32)) for name in "abc"]


def specs(files, clips=2):
    return [MemberSpec(path.stem, path, clips, weight) for path, weight in zip(files, (1.0, 2.0, 4.0), strict=True)]


@pytest.mark.parametrize("rows", [1, 7, 512])
def test_threads_and_blocks_change_no_bit(files, toy_labels, monkeypatch, rows):
    monkeypatch.setattr(fuse, "BLOCK_ROWS", rows)
    monkeypatch.setattr(accuracies, "_window_rows", lambda *_: rows)
    monkeypatch.setattr(accuracies, "_rows_at_once", lambda *_: max(1, rows // 2))
    found = []
    for threads in (1, 8):
        monkeypatch.setattr(fuse, "MOST_THREADS", threads)
        with open_members(specs(files)) as members:
            fused = np.concatenate([block.scores for block in fuse_blocks(members, "action", "logits")])
            whole, singles = accuracies_of(members, "action", "logits", toy_labels)
        found.append((fused.tobytes(), [one.ranks.tolist() for one in (whole, *singles)], whole.hits))
    assert found[0] == found[1]
    scores = np.stack([_mean(path) for path in files])
    expected = (scores[0] * (1 / 7) + scores[1] * (2 / 7)) + scores[2] * (4 / 7)
    assert found[0][0] == expected.tobytes()


def _mean(path):
    from gsm_bench.scorefile import read

    scores = read(path).scores["action"].astype(np.float64)
    return (scores[:, 0] + scores[:, 1]) / 2


def test_protocols_read_together_are_those_read_alone(files, toy_labels):
    both = [MemberSpec("a", files[0], clips, 1.0) for clips in (1, 2)]
    with open_members(both) as members:
        together = accuracies_alone(members, "action", "logits", toy_labels)
        alone = [accuracies_of([replace(member, weight=1.0)], "action", "logits", toy_labels)[0] for member in members]
    for one, other in zip(together, alone, strict=True):
        assert one.hits == other.hits
        assert one.ranks.tolist() == other.ranks.tolist()
        assert one.class_counts.tolist() == other.class_counts.tolist()


def test_an_error_in_a_thread_is_the_readers_error(files, toy_labels, save_scores):
    scores = np.zeros((ROWS, 2, 5), np.float32)
    scores[50] = np.nan
    broken = save_scores("broken", scores)
    with open_members(specs([*files[:2], broken])) as members, pytest.raises(ScoreFileError, match="NaN or inf scores"):
        accuracies_of(members, "action", "logits", toy_labels)


@pytest.mark.parametrize("spread", [1e-7, 1e-3, 1.0])
@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0), (2.0, 3.0, 5.0)])
def test_near_scores_rank_as_their_float64_means_do(save_scores, toy_labels, spread, weights):
    """Scores so close to each other that float32 sums order them wrongly, or not at all."""
    rng = np.random.default_rng(11)
    scores = [(5 + spread * rng.standard_normal((ROWS, 2, 5))).astype(np.float32) for _ in weights]
    paths = [save_scores(f"near{at}", values) for at, values in enumerate(scores)]
    asked = [MemberSpec(path.stem, path, 2, weight) for path, weight in zip(paths, weights, strict=True)]
    with open_members(asked) as members:
        whole, singles = accuracies_of(members, "action", "logits", toy_labels)
        shares = [member.weight for member in members]
    means = [(one[:, 0].astype(np.float64) + one[:, 1]) / 2 for one in scores]
    fused = means[0] * shares[0]
    for mean, share in zip(means[1:], shares[1:], strict=True):
        fused = fused + mean * share
    for found, expected in zip([whole, *singles], [fused, *means], strict=True):
        assert found.ranks.tolist() == [
            sum((row[c], -c) > (row[label], -label) for c in range(5))
            for row, label in zip(expected.tolist(), toy_labels.tolist(), strict=True)
        ]
        assert found.scored == found.total == ROWS
