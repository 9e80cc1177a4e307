import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gsm_bench.ensembles.fuse import fuse_blocks
from gsm_bench.ensembles.members import MemberSpec, open_members
from gsm_bench.ensembles.spaces import fusion_space, to_space
from gsm_bench.errors import AlignmentError, MissingScoresError, ScoreFileError
from gsm_bench.evaluation.accuracies import accuracies_of
from gsm_bench.metrics.softmax import log_softmax
from gsm_bench.scorefile import write
from tests.conftest import clip_scores, reference_module


def spec(path, clips=None, weight=1.0):
    return MemberSpec(path.stem, path, clips, weight)


def save(tmp_path, name, scores, **options):
    path = tmp_path / f"{name}.h5"
    write(path, clip_scores(np.asarray(scores, np.float32), **options))
    return path


def fused(specs, space=None):
    with open_members(specs) as members:
        return np.concatenate(
            [block.scores for block in fuse_blocks(members, "action", fusion_space(members, "action", space))]
        )


def noisy(clips=50, views=2, classes=4, seed=0):
    return np.random.default_rng(seed).standard_normal((clips, views, classes))


def test_hand_made(tmp_path):
    a = save(tmp_path, "a", [[[0, 4], [2, 0]]])  # mean over clips (1, 2)
    b = save(tmp_path, "b", [[[9, 9], [4, 0]]])  # one clip, offset 0.5: (4, 0)
    assert fused([spec(a, 2), spec(b)]).tolist() == [[2.5, 1.0]]
    assert fused([spec(a, 2, 3.0), spec(b, 1, 1.0)]).tolist() == [[1.75, 1.5]]


def test_equals_the_plain_loop(tmp_path):
    labels = np.random.default_rng(1).integers(0, 4, 3000)
    arrays = [noisy(3000, 2, 4, seed) + 0.4 * np.eye(4)[labels][:, None] for seed in range(3)]
    paths = [save(tmp_path, f"m{at}", array) for at, array in enumerate(arrays)]
    with open_members([spec(path, 2) for path in paths]) as members:
        accuracy, singles = accuracies_of(members, "action", "logits", labels, (1, 5))
    stored = [array.astype(np.float32) for array in arrays]
    plain = reference_module("plain")
    assert (accuracy.top(1), accuracy.top(5)) == plain.fuse(stored, labels)
    assert [(single.top(1), single.top(5)) for single in singles] == [plain.fuse([array], labels) for array in stored]


def test_views_are_chosen_by_offset_not_by_place(tmp_path):
    scores = noisy()
    one = save(tmp_path, "one", scores)
    turned = save(tmp_path, "turned", scores[:, ::-1], offsets=(0.5, 0.0))
    assert np.array_equal(fused([spec(one)]), scores[:, 1].astype(np.float32))
    assert np.array_equal(fused([spec(turned)]), scores[:, 1].astype(np.float32))


def test_rows_are_aligned_by_id(tmp_path):
    ids = [f"v{i}" for i in range(3000)]
    scores, other = noisy(3000), noisy(3000, seed=1)
    order = np.random.default_rng(3).permutation(3000)
    a = save(tmp_path, "a", scores, ids=ids)
    b = save(tmp_path, "b", other, ids=ids)
    shuffled = save(tmp_path, "shuffled", other[order], ids=[ids[i] for i in order])
    assert np.array_equal(fused([spec(a), spec(shuffled)]), fused([spec(a), spec(b)]))


@given(st.floats(0.1, 50), st.floats(-100, 100))
def test_softmax_is_not_disturbed_by_offsets(scale, shift):
    logits = noisy(5, 1, 7)[:, 0] * scale
    assert np.allclose(log_softmax(logits), log_softmax(logits + shift), atol=1e-9)
    assert np.allclose(np.exp(log_softmax(logits)).sum(-1), 1)


def test_spaces(tmp_path):
    logits = noisy(20, 1)
    probabilities = np.exp(log_softmax(logits))
    a = save(tmp_path, "a", logits, offsets=(0.5,))
    b = save(tmp_path, "b", probabilities, offsets=(0.5,), kind="probabilities")
    assert np.allclose(fused([spec(a)], "probabilities"), probabilities[:, 0], atol=1e-6)
    assert np.allclose(fused([spec(b)], "log_probabilities"), np.log(probabilities[:, 0]), atol=1e-5)
    assert np.allclose(fused([spec(a), spec(b)], "probabilities"), probabilities[:, 0], atol=1e-6)
    assert np.array_equal(fused([spec(b)]), probabilities[:, 0].astype(np.float32)), "kept in the space they are in"


def test_a_probability_of_zero_has_a_logarithm(tmp_path):
    path = save(tmp_path, "a", [[[0.0, 1.0]]], offsets=(0.5,), kind="probabilities")
    assert np.isfinite(fused([spec(path)], "log_probabilities")).all()


def test_unlike_kinds_are_never_mixed_silently(tmp_path):
    a = save(tmp_path, "a", noisy())
    b = save(tmp_path, "b", noisy(), kind="probabilities")
    with pytest.raises(AlignmentError, match="different kinds: a holds logits, b holds probabilities"):
        fused([spec(a), spec(b)])
    with pytest.raises(AlignmentError, match="from which logits cannot be computed"):
        fused([spec(a), spec(b)], "logits")
    with pytest.raises(ValueError, match="cannot be computed"):
        to_space(np.zeros((1, 2), np.float32), "probabilities", "logits")


def test_a_fused_row_needs_all_its_members(tmp_path):
    scores = noisy(4)
    scores[1] = np.nan
    a = save(tmp_path, "a", scores, status=[0, 2, 0, 0])
    b = save(tmp_path, "b", noisy(4, seed=1))
    with open_members([spec(a), spec(b)]) as members:
        (block,) = fuse_blocks(members, "action", "logits")
        accuracy, singles = accuracies_of(members, "action", "logits", np.zeros(4, int))
    assert block.scored.tolist() == [True, False, True, True]
    assert np.isnan(block.scores[1]).all()
    assert (accuracy.scored, accuracy.total) == (3, 4)
    assert [single.scored for single in singles] == [3, 4]


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (
            {"ids": ["a", "b", "c"]},
            {"ids": ["a", "b", "d"]},
            r"1 are only in first \(such as c\), 1 only in second \(such as d\)",
        ),
        ({"clips": 3}, {"clips": 4}, "0 are only in first, 1 only in second"),
        ({"classes": 4}, {"classes": 5}, "first has 4 action classes, second 5"),
        ({"names": "abcd"}, {"names": "abdc"}, "in another order: column 2 is 'c' in one and 'd' in the other"),
        ({"names": "abcd"}, {"names": "abcx"}, "of other names"),
    ],
)
def test_refusals_say_why(tmp_path, first, second, message):
    paths = [
        save(tmp_path, name, noisy(o.pop("clips", 3), classes=o.pop("classes", 4)), **o)
        for name, o in (("first", first), ("second", second))
    ]
    with pytest.raises(AlignmentError, match=message):
        fused([spec(path) for path in paths])


def test_clips_that_are_not_there(tmp_path):
    one = save(tmp_path, "one", noisy(views=1), offsets=(0.5,))
    with pytest.raises(MissingScoresError, match="--clips 2"):
        fused([spec(one, 2)])
    with pytest.raises(MissingScoresError, match=r"0\.333333"):
        fused([spec(one, 3)])


def test_unverified_order_fuses_only_with_its_equal(tmp_path):
    from dataclasses import replace

    labels = {"action": np.array([0, 1, 2], np.int32)}
    contents = {
        "a": replace(clip_scores(noisy(3)), order="unverified", labels=labels),
        "b": replace(clip_scores(noisy(3)), order="unverified", labels=labels),
        "c": replace(clip_scores(noisy(3)), order="unverified", labels={"action": np.array([0, 1, 1], np.int32)}),
        "d": clip_scores(noisy(3)),
    }
    for name, content in contents.items():
        write(tmp_path / f"{name}.h5", content)
    at = {name: spec(tmp_path / f"{name}.h5") for name in contents}
    assert len(fused([at["a"], at["b"]])) == 3
    for other in "cd":
        with pytest.raises(AlignmentError, match="no video ids"):
            fused([at["a"], at[other]])


def test_files_of_one_name_are_told_apart_by_their_places(tmp_path):
    for folder, clips in (("one", 5), ("other", 6)):
        (tmp_path / folder).mkdir()
        save(tmp_path / folder, "a", noisy(clips))
    paths = [tmp_path / folder / "a.h5" for folder in ("one", "other")]
    with pytest.raises(AlignmentError) as raised, open_members([spec(path) for path in paths]):
        pass
    assert all(str(path) in raised.value.what for path in paths)


def test_the_first_clip_without_numbers_is_named_whatever_its_block(tmp_path, monkeypatch):
    monkeypatch.setattr("gsm_bench.ensembles.fuse.BLOCK_ROWS", 4)
    scores = noisy(20)
    scores[[7, 9, 15]] = np.nan
    path = save(tmp_path, "a", scores)
    with pytest.raises(ScoreFileError, match="first: 'v7'"):
        fused([spec(path)])


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ({"order": "ids"}, {"order": "unverified"}, "b has no video ids"),
        ({"order": "unverified"}, {"order": "ids"}, "a has no video ids"),
        ({"order": "unverified", "rows": 5}, {"order": "unverified"}, "they have 5 and 6 rows"),
        ({"order": "unverified", "labels": 0}, {"order": "unverified", "labels": 1}, "their labels differ"),
        ({"order": "unverified"}, {"order": "unverified"}, "their labels are unknown"),
    ],
)
def test_files_without_ids_say_why_they_cannot_be_aligned(tmp_path, first, second, reason):
    from dataclasses import replace

    paths = []
    for name, options in (("a", first), ("b", second)):
        rows = options.get("rows", 6)
        content = replace(clip_scores(np.zeros((rows, 2, 3))), order=options["order"])
        if "labels" in options:
            content = replace(content, labels={"action": np.full(rows, options["labels"], np.int32)})
        paths.append(tmp_path / f"{name}.h5")
        write(paths[-1], content)
    specs = [MemberSpec(path.stem, path, None, 1.0) for path in paths]
    with pytest.raises(AlignmentError, match=reason), open_members(specs):
        pass
