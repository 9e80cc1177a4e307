"""More dumps of the same kinds as in test_scores: the same 60 clips and 10 classes, written in other ways."""

import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest

from tests.cases.score_cases import (
    DAMAGE,
    UCF,
    csv_scores,
    imported,
    offered,
    percent,
    refused,
    rows,
    stored,
    ucf,
)

IDS, LOGITS, LABELS = csv_scores()
RNG = np.random.default_rng(0)
POSITIVE = np.exp(LOGITS / 2) * 10
PROBABILITIES = np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)


def save(name, value, protocol=2):
    Path(name).write_bytes(pickle.dumps(value, protocol))
    return name


def npz(name, **arrays):
    np.savez(name, **arrays)
    return name


def table(name, header, columns, mark=","):
    lines = [mark.join(header)] if header else []
    lines += [mark.join(map(str, row)) for row in zip(*columns, strict=True)]
    Path(name).write_text("\n".join(lines) + "\n")
    return name


def videomae(name, scores, labels, ids=IDS):
    """Scores [N, V, C] as VideoMAE writes them, a line per view."""
    lines = ["50.0, 80.0"]
    for video, views, label in zip(ids, scores, labels, strict=True):
        lines += [f"{video} {row.tolist()} {label} {view} 0" for view, row in enumerate(views)]
    Path(name).write_text("\n".join(lines) + "\n")
    return name


def objects(values):
    array = np.empty(len(values), object)
    array[:] = values
    return array


WITHOUT_IDS = {
    "mmaction2": lambda s, y: save(
        "x.pkl", [{"pred_score": a, "gt_label": np.array([b])} for a, b in zip(s, y, strict=True)]
    ),
    "pyslowfast": lambda s, y: save("x.pkl", [s, y]),
    "tdn": lambda s, y: save("x.pkl", [[a[None], int(b)] for a, b in zip(s, y, strict=True)]),
    "gsm": lambda s, y: npz("x.npz", scores=s[:, None], labels=y),
    "gsf": lambda s, y: npz("x.npz", scores=s, labels=y),
    "trn": lambda s, y: npz("x.npz", scores=s[:, None, None], labels=y),
    "trn objects": lambda s, y: npz("x.npz", scores=objects([np.stack([a, a])[:, None] for a in s]), labels=y),
}
WITH_LABELS = WITHOUT_IDS | {
    "npz": lambda s, y: npz("x.npz", ids=np.array(IDS[: len(s)]), scores=s, labels=y),
    "csv": lambda s, y: table(
        "x.csv", ["id", "label", *(f"c{at}" for at in range(s.shape[1]))], [IDS[: len(s)], y, *s.T]
    ),
    "videomae": lambda s, y: videomae("x.txt", s[:, None], y, IDS[: len(s)]),
}


# Order


@pytest.mark.parametrize("form", WITHOUT_IDS)
@pytest.mark.parametrize("how", ["sorted", "in turn", "mixed"])
def test_labels_never_prove_an_order(form, how, gsmbench, workspace):
    """Whatever the list's order of classes, clips of one class may have changed places."""
    ucf(workspace.root)
    labels = np.repeat(np.arange(5), 28)
    labels = {"sorted": labels, "in turn": labels.reshape(5, 28).T.ravel(), "mixed": RNG.permutation(labels)}[how]
    listed = workspace.data / "ucf" / "val.txt"
    listed.write_text("".join(f"v{row:03d} 120 {label}\n" for row, label in enumerate(labels)))
    scores = np.random.default_rng(3).standard_normal((140, 5)).astype(np.float32)
    scores[np.arange(140), labels] += 2
    source = WITHOUT_IDS[form](scores, labels)
    content, row, text = imported(gsmbench, source, *UCF)
    assert (content.order, "--ids" in text, bool(re.search(r"\b140\b", text))) == ("unverified", True, True)
    content, again, _ = imported(gsmbench, source, *UCF, "--ids", listed, "--force")
    assert (content.order, content.ids[:2]) == ("ids", ["v000", "v001"])
    assert again["hits1"] == row["hits1"] == int((scores.argmax(1) == labels).sum())


# Labels from 1


@pytest.mark.parametrize("form", WITH_LABELS)
@pytest.mark.parametrize("highest", [10, 9], ids=["all classes", "without the last class"])
def test_labels_from_1(form, highest, gsmbench, workspace):
    kept = highest > LABELS
    source = WITH_LABELS[form](LOGITS[kept], LABELS[kept] + 1)
    ran = gsmbench("import", source, "--format", "json")
    assert re.search("labels? (seem to |may )?counts? from 1", ran.err), ran.err
    option = offered(ran.err, r"--[\w-]*(label|first|from|base)[\w-]*([ =]1)?")
    _, row, _ = imported(gsmbench, source, *option, "--force")
    assert row["hits1"] == int((LOGITS[kept].argmax(1) == LABELS[kept]).sum())


@pytest.mark.parametrize("form", ["npz", "mmaction2", "csv"])
def test_a_first_class_without_clips_is_no_count_from_1(form, gsmbench, workspace):
    kept = LABELS > 0
    _, row, text = imported(gsmbench, WITH_LABELS[form](LOGITS[kept], LABELS[kept]))
    assert row["hits1"] == int((LOGITS[kept].argmax(1) == LABELS[kept]).sum())
    assert "from 1" not in text


# Kinds

POSITIVES = {
    "logits": POSITIVE,
    "half precision": POSITIVE.astype(np.float16),
    "whole numbers": np.rint(POSITIVE),
    "clamped": np.maximum(LOGITS, 0) * 3,
    "softplus": np.log1p(np.exp(3 * LOGITS)),
    "offset": LOGITS + 10,
    "large": POSITIVE * 1000,
    "counts": np.rint(5 * POSITIVE).astype(np.int64),
}


@pytest.mark.parametrize("name", POSITIVES)
@pytest.mark.parametrize("form", ["npz", "pyslowfast", "mmaction2", "csv"])
def test_positive_scores_are_logits(name, form, gsmbench, workspace):
    scores = POSITIVES[name]
    if form == "mmaction2" and scores.dtype.kind == "i":
        scores = scores.astype(np.float64)
    if form == "pyslowfast":
        scores = scores.astype(np.float32)
    source = WITH_LABELS[form](scores, LABELS)
    content, row, text = imported(gsmbench, source, "--macs", "1G", "--frames", 8)
    assert (content.kinds["action"], row["frames"], row["macs_paper"]) == ("logits", "8", 10**9)
    assert row["hits1"] == int((scores.argmax(1) == LABELS).sum())
    assert not re.search(r"softmax of [\d,]+ (to|views)", text)


@pytest.mark.parametrize("name", ["sigmoid", "cosines", "halves"])
def test_numbers_between_0_and_1_that_sum_to_nothing_are_asked_for(name, gsmbench, workspace):
    scores = {"sigmoid": 1 / (1 + np.exp(-LOGITS)), "cosines": 0.25 + LOGITS / 50, "halves": PROBABILITIES / 2}[name]
    source = WITH_LABELS["npz"](scores, LABELS)
    refused(gsmbench("import", source), "--kind")
    assert imported(gsmbench, source, "--kind", "logits")[1]["hits1"] == 38


SCALES = {
    "percent": PROBABILITIES * 100,
    "percent of two digits": np.round(PROBABILITIES * 100, 2),
    "votes of 5": np.eye(10)[LOGITS.argmax(1)] * 5,
    "votes of several": RNG.multinomial(7, PROBABILITIES),
    "per thousand": PROBABILITIES * 1000,
    "bytes": PROBABILITIES * 255,
}


@pytest.mark.parametrize("name", SCALES)
@pytest.mark.parametrize("form", ["npz", "csv", "mmaction2"])
def test_scaled_probabilities_are_no_views(name, form, gsmbench, workspace):
    scores = SCALES[name].astype(np.float64)
    source = WITH_LABELS[form](scores, LABELS)
    _found, row, text = imported(gsmbench, source, "--macs", "1G", "--frames", 8)
    assert (row["frames"], row["macs_paper"]) == ("8", 10**9)
    assert row["hits1"] == int((scores.argmax(1) == LABELS).sum())
    assert not re.search(r"softmax of [\d,]+ (to|views)", text)


@pytest.mark.parametrize("views", [2, 3, 10, 30])
def test_sums_that_slowfast_writes_are_views(views, gsmbench, workspace):
    source = WITH_LABELS["pyslowfast"]((PROBABILITIES * views).astype(np.float32), LABELS)
    content, row, _said = imported(gsmbench, source, "--macs", "1G", "--frames", 8)
    assert (row["frames"], row["macs_paper"]) == (f"8x{views}", views * 10**9)
    assert np.allclose(content.scores["action"][:, 0], PROBABILITIES, atol=1e-6)
    assert percent(row) == 63.33


# Rows of views

VIEWS = (LOGITS[:, None] + RNG.standard_normal((60, 3, 10))).astype(np.float32)
IN_ROWS = {
    "mmaction2": lambda v: save(
        "x.pkl", [{"pred_score": a, "gt_label": int(b)} for a, b in zip(v, LABELS, strict=True)]
    ),
    "mmaction2 lists": lambda v: save(
        "x.pkl", [{"pred_score": a.tolist(), "gt_label": int(b)} for a, b in zip(v, LABELS, strict=True)]
    ),
    "before 1.0": lambda v: save(
        "x.pkl",
        [{"pred_scores": {"item": a}, "gt_labels": {"item": np.array([b])}} for a, b in zip(v, LABELS, strict=True)],
    ),
    "list of arrays": lambda v: save("x.pkl", list(v)),
    "list of lists": lambda v: save("x.pkl", [a.tolist() for a in v]),
    "tdn": lambda v: save("x.pkl", [[a, int(b)] for a, b in zip(v, LABELS, strict=True)]),
    "npz": lambda v: npz("x.npz", ids=np.array(IDS), scores=v, labels=LABELS),
    "npz with an axis of 1": lambda v: npz("x.npz", ids=np.array(IDS), scores=v[:, :, None], labels=LABELS),
    "trn": lambda v: npz("x.npz", scores=objects([a[:, None] for a in v]), labels=LABELS),
    "epic": lambda v: save(
        "x.pkl", [{"verb_output": a, "noun_output": a, "narration_id": n} for a, n in zip(v, IDS, strict=True)]
    ),
}


@pytest.mark.parametrize("form", IN_ROWS)
def test_views_inside_rows(form, gsmbench, workspace):
    content, row, _ = imported(gsmbench, IN_ROWS[form](VIEWS))
    task = "verb" if form == "epic" else "action"
    assert content.scores[task].shape == (60, 3, 10)
    assert np.array_equal(content.scores[task], VIEWS)
    if content.labels:
        assert row["hits1"] == int((VIEWS.mean(1, dtype=np.float64).argmax(1) == LABELS).sum())


@pytest.mark.parametrize("form", ["mmaction2", "list of arrays", "epic"])
def test_rows_of_unlike_numbers_of_views(form, gsmbench, workspace):
    rows_ = [views[: 2 + at % 2] for at, views in enumerate(VIEWS)]
    refused(gsmbench("import", IN_ROWS[form](rows_)), "views?", "row 1")


HEADS = {
    "three": {"rgb": 1.0, "flow": -1.0, "pose": 0.5},
    "one": {"rgb": 1.0},
    "numbers": {0: 1.0, 1: -1.0},
}


@pytest.mark.parametrize("name", HEADS)
def test_scores_of_several_heads(name, gsmbench, workspace):
    heads = HEADS[name]
    source = save("x.pkl", [
        {"pred_score": {key: sign * a for key, sign in heads.items()}, "gt_label": int(b)} for a, b in zip(LOGITS, LABELS, strict=True)
    ])  # fmt: skip
    options = ()
    if len(heads) > 1:
        text = refused(gsmbench("import", source), *(rf"\b{key}\b" for key in heads))
        options = (*offered(text.partition("fix:")[2], r"--[\w-]+"), next(iter(heads)))
    assert percent(imported(gsmbench, source, *options)[1]) == 63.33


# Arrays of objects, bfloat16

OBJECTS = {
    "bytes": lambda: npz("x.npz", ids=objects([name.encode() for name in IDS]), scores=LOGITS, labels=LABELS),
    "numbers": lambda: npz("x.npz", ids=objects(list(range(60))), scores=LOGITS, labels=LABELS),
    "labels": lambda: npz("x.npz", ids=np.array(IDS), scores=LOGITS, labels=objects(LABELS.tolist())),
    "numpy text": lambda: npz("x.npz", ids=objects([np.str_(name) for name in IDS]), scores=LOGITS, labels=LABELS),
    "column": lambda: npz("x.npz", ids=objects(IDS).reshape(60, 1), scores=LOGITS, labels=LABELS),
    "pickled dict": lambda: save("x.pkl", {"verb_output": LOGITS, "noun_output": LOGITS, "narration_id": objects(IDS)}),
    "protocol 4": lambda: save(
        "x.pkl", {"verb_output": LOGITS, "noun_output": LOGITS, "narration_id": objects(IDS)}, 4
    ),
    "in a list": lambda: save(
        "x.pkl",
        [{"verb_output": a, "noun_output": a, "narration_id": objects([n])} for a, n in zip(LOGITS, IDS, strict=True)],
    ),
    "scores": lambda: npz("x.npz", ids=np.array(IDS), scores=objects(list(LOGITS)), labels=LABELS),
    "scores of numbers": lambda: npz("x.npz", ids=np.array(IDS), scores=LOGITS.astype(object), labels=LABELS),
}


@pytest.mark.parametrize("name", OBJECTS)
def test_arrays_of_objects_that_are_data(name, gsmbench, workspace):
    content, row, _ = imported(gsmbench, OBJECTS[name]())
    task = next(iter(content.scores))
    assert content.ids == ([str(at) for at in range(60)] if name == "numbers" else IDS)
    assert np.array_equal(content.scores[task][:, 0], LOGITS)
    assert percent(row) == (63.33 if content.labels else None)


@pytest.mark.parametrize("name", ["nothing", "code"])
def test_arrays_of_objects_that_are_no_data(name, gsmbench, workspace):
    odd = [None if name == "nothing" else print, *IDS[1:]]
    source = save("x.pkl", {"verb_output": LOGITS, "noun_output": LOGITS, "narration_id": objects(odd)})
    refused(gsmbench("import", source), "narration_id|None" if name == "nothing" else "print")
    assert not list(workspace.scores.rglob("*.h5"))


def test_ids_in_an_array_of_pandas(gsmbench, workspace):
    """`frame.narration_id.values` of pandas 3 is an array of Arrow's: read, or answered with what to write instead."""
    pandas = pytest.importorskip("pandas")
    ids = pandas.DataFrame({"narration_id": IDS}).narration_id.values
    source = save("x.pkl", {"verb_output": LOGITS, "noun_output": LOGITS, "narration_id": ids}, 4)
    ran = gsmbench("import", source)
    if ran.status:
        refused(ran, r"tolist\(\)", "pandas|pyarrow")
        return
    assert stored("x").ids == IDS


@pytest.mark.parametrize("protocol", range(6))
def test_a_refused_pickle_names_the_class(protocol, gsmbench, workspace):
    from argparse import Namespace
    from decimal import Decimal
    from fractions import Fraction

    odd = {"decimal.Decimal": Decimal(3), "fractions.Fraction": Fraction(1, 3), "argparse.Namespace": Namespace(lr=1)}
    for name, value in odd.items():
        source = save("x.pkl", [{"pred_score": row, "meta": value} for row in LOGITS], protocol)
        refused(gsmbench("import", source), re.escape(name))


@pytest.mark.parametrize("new", [False, True], ids=["old format", "zip format"])
@pytest.mark.parametrize("form", ["pair", "views", "mmaction2", "one storage", "column order", "epic"])
def test_bfloat16(form, new, gsmbench, workspace):
    torch = pytest.importorskip("torch")
    half, labels = torch.tensor(LOGITS).bfloat16(), torch.tensor(LABELS)
    value = {
        "pair": lambda: [half, labels],
        "views": lambda: {"scores": torch.stack([half, half], 1)[:, :, None], "labels": labels},
        "mmaction2": lambda: [
            {"pred_score": a.clone(), "gt_label": b[None]} for a, b in zip(half, labels, strict=True)
        ],
        "one storage": lambda: [{"pred_score": a, "gt_label": b[None]} for a, b in zip(half, labels, strict=True)],
        "column order": lambda: [half.T.contiguous().T, labels],
        "epic": lambda: {"verb_output": half, "noun_output": half + 0, "narration_id": IDS},
    }[form]()
    torch.save(value, "x.pt", _use_new_zipfile_serialization=new)
    for _ in range(2):
        content, row, _ = imported(gsmbench, "x.pt", "--force")
        task = next(iter(content.scores))
        assert np.abs(content.scores[task] - LOGITS[:, None]).max() < 0.008
        assert percent(row) == (63.33 if content.labels else None)


# Text of VideoMAE


@pytest.mark.parametrize(
    "ids",
    [
        [f"2024.03.{at:02d}" for at in range(60)],
        [f"v1.5_{at}" for at in range(60)],
        [f"S001.C{at:03d}.P001" for at in range(60)],
        [f"cam.a.{at}" for at in range(60)],
        [f"12.{at}" for at in range(60)],
    ],
    ids=lambda ids: ids[1],
)
@pytest.mark.parametrize("ending", ["", ".mp4", ".webm"])
def test_full_stops_in_ids(ids, ending, gsmbench, workspace):
    source = videomae("x.txt", VIEWS, LABELS, [name + ending for name in ids])
    content, _, _ = imported(gsmbench, source)
    assert content.ids == ids
    assert np.array_equal(content.scores["action"], VIEWS)


@pytest.mark.parametrize("change", ["one score", "one clip", "sign", "labels"])
@pytest.mark.parametrize("files", [1, 2])
def test_doubles_that_differ(change, files, gsmbench, workspace):
    other, labels = VIEWS.copy(), LABELS.copy()
    if change == "one score":
        other[7, 1, 3] += 0.5
    elif change == "one clip":
        other[7] = other[8]
    elif change == "sign":
        other = -other
    else:
        labels = (labels + (np.arange(60) == 7)) % 10
    videomae("x.txt", VIEWS, LABELS)
    videomae("y.txt", other, labels)
    if files == 1:
        Path("x.txt").write_text(Path("x.txt").read_text() + Path("y.txt").read_text().partition("\n")[2])
    ran = gsmbench("import", "x.txt", *(["y.txt"] if files == 2 else []))
    refused(ran, IDS[0] if change == "sign" else IDS[7], "run|differ|label")


def test_doubles_of_another_batch_are_like(gsmbench, workspace):
    """The same clip in another batch differs in the last digits on a GPU."""
    videomae("x.txt", VIEWS, LABELS)
    videomae("y.txt", VIEWS[:8] * (1 + 1e-6), LABELS[:8], IDS[:8])
    ran = gsmbench("import", "x.txt", "y.txt", "--format", "json")
    assert len(rows(ran)) == 1
    assert np.array_equal(stored("x").scores["action"], VIEWS)


# Forms that no project's reader knows

RECORDS = [{"id": n, "label": int(y), "scores": s.tolist()} for n, y, s in zip(IDS, LABELS, LOGITS, strict=True)]
FORMS = {
    "columns.json": lambda f: f.write_text(
        json.dumps({"ids": IDS, "scores": LOGITS.tolist(), "labels": LABELS.tolist()})
    ),
    "rows.json": lambda f: f.write_text(json.dumps(LOGITS.tolist())),
    "inner.json": lambda f: f.write_text(
        json.dumps({r["id"]: {"pred": r["scores"], "gt": r["label"]} for r in RECORDS})
    ),
    "lines.json": lambda f: f.write_text("".join(json.dumps(r) + "\n" for r in RECORDS)),
    "by_line.jsonl": lambda f: f.write_text("".join(json.dumps({r["id"]: r["scores"]}) + "\n" for r in RECORDS)),
    "views.npy": lambda f: np.save(f, VIEWS),
    "dict.npy": lambda f: np.save(f, {"ids": IDS, "scores": LOGITS, "labels": LABELS}, allow_pickle=True),
    "lists.pkl": lambda f: f.write_bytes(pickle.dumps({r["id"]: r["scores"] for r in RECORDS})),
    "pairs.pkl": lambda f: f.write_bytes(
        pickle.dumps({n: (s, int(y)) for n, s, y in zip(IDS, LOGITS, LABELS, strict=True)})
    ),
    "lists_of_views.pkl": lambda f: f.write_bytes(pickle.dumps(dict(zip(IDS, VIEWS, strict=True)))),
    "many.npz": lambda f: np.savez(f, **dict(zip(IDS, LOGITS, strict=True))),
    "named.npz": lambda f: np.savez(f, names=np.array(IDS), outputs=LOGITS, targets=LABELS),
    "slowfast.pkl": lambda f: f.write_bytes(pickle.dumps({"video_preds": 6 * PROBABILITIES, "video_labels": LABELS})),
}


@pytest.mark.parametrize("name", FORMS)
def test_other_forms(name, gsmbench, workspace):
    """Read as what it is, or refused with the nearest known form; no reader takes it for something else."""
    FORMS[name](Path(name))
    ran = gsmbench("import", name, "--format", "json")
    if ran.status:
        refused(ran, "nearest|closest")
        return
    content = stored(Path(name).stem)
    views = VIEWS if "views" in name else LOGITS[:, None]
    assert content.scores["action"].shape == views.shape
    assert np.array_equal(content.scores["action"].mean(1).argmax(1), views.mean(1).argmax(1))
    assert content.order == ("unverified" if name in ("rows.json", "views.npy", "slowfast.pkl") else "ids")
    assert not re.search(DAMAGE, ran.err)
