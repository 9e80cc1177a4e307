"""Arrays that a stranger has: right, or one clear error with the fix."""

import numpy as np
import pandas
import pytest

import gsm_bench as gb

N, C = 40, 5
IDS = [f"video_{row}" for row in range(N)]
NAMES = ["ape", "bee", "cat", "dog", "elk"]
RNG = np.random.default_rng(3)
LABELS = RNG.integers(0, C, N)
LOGITS = (RNG.standard_normal((N, C)) + 2 * np.eye(C)[LABELS]).astype(np.float32)
TOP1 = float((LOGITS.argmax(1) == LABELS).mean())


def top1(scores=LOGITS, labels=LABELS, ids=IDS, **options):
    return gb.evaluate(gb.from_arrays(ids, scores, labels, **options)).top1


def fails(*needles, **options):
    with pytest.raises(gb.errors.ArrayError) as caught:
        gb.from_arrays(**{"ids": IDS, "scores": LOGITS, "labels": LABELS} | options)
    for needle in needles:
        assert needle in str(caught.value), caught.value
    assert caught.value.fix


def test_numpy_lists_frames_and_tensors_are_the_same():
    torch = pytest.importorskip("torch")
    frame = pandas.DataFrame(LOGITS, index=IDS, columns=NAMES)
    grad = torch.tensor(LOGITS, requires_grad=True)
    for scores, ids in ((LOGITS, IDS), (LOGITS.tolist(), IDS), (frame, None), (frame, IDS), (grad, IDS)):
        file = gb.from_arrays(ids, scores, LABELS)
        assert np.array_equal(file.scores["action"][:, 0], LOGITS)
        assert list(file.ids) == IDS
        assert gb.evaluate(file).top1 == TOP1
    assert gb.from_arrays(None, frame).head.class_names == {"action": tuple(NAMES)}


def test_a_frame_in_another_order_is_put_into_that_of_the_ids():
    order = RNG.permutation(N)
    frame = pandas.DataFrame(LOGITS[order], index=np.array(IDS)[order])
    assert np.array_equal(gb.from_arrays(IDS, frame).scores["action"][:, 0], LOGITS)
    series = pandas.Series(LABELS[order], index=np.array(IDS)[order])
    assert top1(labels=series) == TOP1
    assert top1(labels=dict(zip(IDS, LABELS.tolist(), strict=True))) == TOP1


def test_views_are_averaged():
    views = np.stack([LOGITS, LOGITS + RNG.standard_normal((N, C))], axis=1)
    assert gb.evaluate(gb.from_arrays(IDS, views, LABELS)).top1 == float((views.mean(1).argmax(1) == LABELS).mean())


def test_half_precision_and_bfloat16():
    torch = pytest.importorskip("torch")
    half = gb.from_arrays(IDS, LOGITS.astype(np.float16))
    assert half.scores["action"].dtype == np.float32
    assert np.array_equal(half.scores["action"][:, 0], LOGITS.astype(np.float16))
    brain = torch.tensor(LOGITS).bfloat16()
    assert np.array_equal(gb.from_arrays(IDS, brain).scores["action"][:, 0], brain.float().numpy())


def test_rows_of_nan_count_as_not_scored_and_are_named():
    scores = LOGITS.copy()
    scores[7] = np.nan
    scores[9, 2] = np.inf
    file = gb.from_arrays(IDS, scores, LABELS)
    result = gb.evaluate(file)
    assert (result.videos, result.complete) == (N - 2, False)
    assert result.evaluation.not_scored == ("video_7", "video_9")
    assert file.head.problems["video_9"] == "its scores are NaN or inf"
    fails("every row", scores=np.full((N, C), np.nan))


def test_labels_that_are_names_need_classes():
    names = np.array(NAMES)[LABELS]
    assert top1(labels=names, classes=NAMES) == TOP1
    assert top1(labels=pandas.Series(names, dtype="category"), classes=NAMES) == TOP1
    fails("labels are names", "classes=", labels=names)
    fails("'fox'", "not one of the 5 classes", labels=["fox", *names[1:]], classes=NAMES)


def test_labels_from_1_and_out_of_range():
    fails("from 1 to 5", "labels - 1", labels=LABELS + 1)
    fails("from 0 to 9", labels=np.where(np.arange(N) == 3, 9, LABELS))


def test_unknown_labels_are_left_out():
    nullable = pandas.Series(LABELS, dtype="Int64")
    nullable[[0, 1]] = pandas.NA
    known = float((LOGITS.argmax(1) == LABELS)[2:].mean())
    as_float = LABELS.astype(float)
    as_float[[0, 1]] = np.nan
    as_list = [None, None, *LABELS[2:].tolist()]
    for labels in (nullable, as_float, as_list, np.where(np.arange(N) < 2, -1, LABELS)):
        result = gb.evaluate(gb.from_arrays(IDS, LOGITS, labels))
        assert (result.top1, result.videos) == (known, N - 2)


def test_labels_of_another_shape():
    fails("39 action labels for 40 rows", labels=LABELS[:-1])
    fails("argmax", labels=np.eye(C)[LABELS])
    fails("not an integer", labels=LABELS + 0.5)
    assert top1(labels=LABELS[:, None]) == TOP1


def test_an_index_that_holds_no_ids_is_refused():
    fails("index of the action labels", labels=pandas.Series(LABELS, index=[f"x{row}" for row in range(N)]))
    fails("index of the action scores", scores=pandas.DataFrame(LOGITS, index=[f"x{row}" for row in range(N)]))


def test_shapes_that_do_not_fit():
    fails("scores.T", scores=LOGITS.T)
    fails("swapaxes", scores=np.stack([LOGITS, LOGITS, LOGITS]))
    fails("39 rows for 40 ids", scores=LOGITS[:-1])
    fails("shape (40,)", scores=LOGITS[:, 0])
    fails("not numbers", scores=[[1, 2], [3]])
    fails("type object", scores=np.array([["a"] * C] * N, object))


def test_ids_are_unique_texts_or_integers():
    fails("duplicate id 'video_0'", "(N, V, C)", ids=["video_0", "video_0", *IDS[2:]])
    fails("astype(int)", ids=np.arange(N) + 0.0)
    fails("no ids", ids=None)
    fails("line break", ids=["a\nb", *IDS[1:]])
    assert list(gb.from_arrays(np.arange(N), LOGITS).ids) == [str(row) for row in range(N)]


def test_class_names_fit_the_columns():
    fails("4 action class names for 5 columns", classes=NAMES[:-1])
    fails("'ape' occurs twice", classes=["ape", *NAMES[:-1]])


def test_the_kind_is_inferred_or_asked_for():
    softmax = np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)
    assert gb.from_arrays(IDS, softmax).head.kinds == {"action": "probabilities"}
    assert gb.from_arrays(IDS, np.log(softmax)).head.kinds == {"action": "log_probabilities"}
    assert gb.from_arrays(IDS, LOGITS).head.kinds == {"action": "logits"}
    assert gb.from_arrays(IDS, LOGITS - LOGITS.min() + 1).head.kinds == {"action": "logits"}
    sigmoid = 1 / (1 + np.exp(-LOGITS))
    fails("kind=", scores=sigmoid)
    assert gb.from_arrays(IDS, sigmoid, kind="logits").head.kinds == {"action": "logits"}
    fails("probabilities times 3", "keepdims", scores=3 * softmax)


def test_tasks_each_have_their_array():
    verbs, nouns = LOGITS, np.tile(LOGITS, (1, 2))
    labels = {"verb": LABELS, "noun": LABELS}
    file = gb.from_arrays(IDS, {"verb": verbs, "noun": nouns}, labels)
    result = gb.evaluate(file)
    assert result.row["verb_top1"] == TOP1
    assert set(result.evaluation.accuracy) == {"verb", "noun", "action"}
    fails("several tasks", scores={"verb": verbs, "noun": nouns}, labels=LABELS)


def test_evaluate_takes_arrays_alone():
    assert gb.evaluate(LOGITS, LABELS).top1 == TOP1
    assert gb.evaluate(pandas.DataFrame(LOGITS, index=IDS), pandas.Series(LABELS, index=IDS)).top1 == TOP1
    with pytest.raises(gb.errors.ArrayError, match="no labels"):
        gb.evaluate(LOGITS)
    low, high = gb.evaluate(LOGITS, LABELS).interval
    assert low < TOP1 < high


def test_fuse_matches_by_id_and_weighs():
    order = RNG.permutation(N)
    other = RNG.standard_normal((N, C)).astype(np.float32)
    one = gb.from_arrays(IDS, LOGITS, LABELS)
    two = gb.from_arrays(np.array(IDS)[order], other[order])
    fused = gb.fuse([one, two], weights=[3, 1])
    assert np.allclose(fused.scores["action"][:, 0], 0.75 * LOGITS + 0.25 * other, atol=1e-6)
    assert gb.evaluate(fused).top1 == float(((3 * LOGITS + other).argmax(1) == LABELS).mean())
    assert gb.fuse([one, one]).scores["action"][:, 0] == pytest.approx(LOGITS)


def test_fuse_refuses_what_does_not_belong_together():
    one = gb.from_arrays(IDS, LOGITS)
    with pytest.raises(gb.errors.AlignmentError, match="number 2, in memory"):
        gb.fuse([one, gb.from_arrays(range(N), LOGITS)])
    with pytest.raises(gb.errors.ArrayError, match="list of score files"):
        gb.fuse([LOGITS, LOGITS])
    with pytest.raises(gb.errors.ArrayError, match="list of score files"):
        gb.fuse(one)
    with pytest.raises(gb.errors.GsmBenchError, match="2 members"):
        gb.fuse([one, one], weights=[1])


def test_saved_scores_are_read_back_whole(tmp_path):
    file = gb.from_arrays(IDS, LOGITS, LABELS, NAMES, model="mine", frames=8)
    path = file.save(tmp_path / "mine.h5")
    with gb.ScoreFile.open(path) as again:
        assert np.array_equal(again.scores["action"], file.scores["action"])
        assert (list(again.ids), again.head.class_names) == (IDS, {"action": tuple(NAMES)})
        rows, before = gb.evaluate(again).rows, gb.evaluate(file).rows
        assert [{**row, "file": ""} for row in rows] == [{**row, "file": ""} for row in before]
        assert {row["file"] for row in rows} == {str(again.path)}
        copied = again.save(tmp_path / "copy.h5")
    assert gb.evaluate(copied).top1 == TOP1
    with pytest.raises(gb.errors.ScoreFileError, match="exists"):
        file.save(path)


def test_what_a_call_cannot_use_is_refused():
    fails("too large for float32", scores=LOGITS.astype(np.float64) * 1e300)
    fails("no kind 'softmax'", kind="softmax")
    fails("of action for scores of verb", scores={"verb": LOGITS}, labels={"action": LABELS})
    fails("set_index", scores=pandas.DataFrame({"id": IDS, "x": LOGITS[:, 0]}))
    with pytest.raises(gb.errors.ArrayError, match="not None"):
        gb.evaluate(None, LABELS)
    for call in (gb.Bench().evaluate, gb.Bench().per_video, gb.Bench().calibrate):
        with pytest.raises(gb.errors.GsmBenchError, match="no result is named"):
            call()


def test_a_tensor_on_a_device_is_copied_from_it():
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    scores = torch.tensor(LOGITS, device="cuda")
    assert top1(scores=scores, labels=torch.tensor(LABELS, device="cuda")) == TOP1
