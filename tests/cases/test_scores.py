"""Score dumps that people have, each with its right number. Sources: public reports of mmaction2, CLIP, VideoMAE, .."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from tests.cases.score_cases import (
    DAMAGE,
    SCORES,
    UCF,
    csv_scores,
    fused,
    imported,
    offered,
    percent,
    place,
    refused,
    rows,
    stored,
    ucf,
)
from tests.epic_files import write_epic_100

LEVELS = ("--sls-pt", 1, "--sls-tl", 3, "--sls-td", 3)
NO_VIEWS = r"views?\b.*averaged|softmax of [\d,]+ to"


# Rows without ids, of a list that is sorted by class


@pytest.mark.parametrize(("name", "top1"), [("a", 53.57), ("b_shuffled", 58.57)])
def test_labels_do_not_prove_an_order(name, top1, gsmbench, workspace):
    ucf(workspace.root)
    content, row, text = imported(gsmbench, f"sorted/{name}.pkl", *UCF)
    assert percent(row) == top1
    assert content.order == "unverified"
    assert re.search(r"\b140\b", text), "how many rows the labels leave open"
    assert "--ids" in text
    assert content.labels["action"].tolist() == np.repeat(np.arange(5), 28).tolist()


def test_fused_by_row_is_marked_in_every_command(gsmbench, workspace):
    ucf(workspace.root)
    for name in ("a", "b_shuffled"):
        imported(gsmbench, f"sorted/{name}.pkl", *UCF)
    pair = [place("a"), place("b_shuffled")]
    ran = gsmbench("ensemble", "--members", ",".join(pair), "--format", "json")
    assert percent(rows(ran)[-1]) == 67.86
    assert re.search("unverified", ran.out + ran.err, re.IGNORECASE)
    for command in (("evaluate", *pair), ("compare", *pair), ("calibrate", *pair), ("search", *pair)):
        ran = gsmbench(*command)
        assert re.search("unverified", ran.out + ran.err, re.IGNORECASE), command[0]


def test_ids_prove_an_order(gsmbench, workspace):
    """The second list names the clips class by class in another order; rows are put beside each other by name."""
    ucf(workspace.root)
    lines = (SCORES / "sorted" / "val.txt").read_text().splitlines()
    rng = np.random.default_rng(1)
    order = np.concatenate([28 * label + rng.permutation(28) for label in range(5)])
    Path("tested.txt").write_text("\n".join(lines[row] for row in order) + "\n")
    one, _, _ = imported(gsmbench, "sorted/a.pkl", *UCF, "--ids", SCORES / "sorted" / "val.txt")
    other, row, _ = imported(gsmbench, "sorted/b_shuffled.pkl", *UCF, "--ids", "tested.txt")
    assert (one.order, other.order, percent(row)) == ("ids", "ids", 58.57)
    assert one.ids == other.ids == [line.split()[0] for line in lines]
    mean = (one.scores["action"] + other.scores["action"])[:, 0]
    right = int((mean.argmax(1) == np.repeat(np.arange(5), 28)).sum())
    assert fused(gsmbench, "a", "b_shuffled")["hits1"] == right != 95


def test_rows_with_and_without_a_proven_order_do_not_fuse(gsmbench, workspace):
    ucf(workspace.root)
    imported(gsmbench, "sorted/a.pkl", *UCF, "--ids", SCORES / "sorted" / "val.txt")
    imported(gsmbench, "sorted/b_shuffled.pkl", *UCF)
    refused(gsmbench("ensemble", "--members", f"{place('a')},{place('b_shuffled')}"), "b_shuffled", "--ids")


@pytest.mark.parametrize("options", [(), UCF], ids=["alone", "with its split"])
def test_labels_that_count_from_1(options, gsmbench, workspace):
    ucf(workspace.root)
    source = SCORES / "sorted" / "onebased.pkl"
    text = refused(gsmbench("import", source, *options), "labels? count from 1", r"fix:.*--\S+")
    option = offered(text.partition("fix:")[2], r"--[\w-]*(label|first|from|base)[\w-]*([ =]1)?")
    content, row, _ = imported(gsmbench, source, *options, *option)
    assert percent(row) == 53.57
    assert content.labels["action"].tolist() == np.repeat(np.arange(5), 28).tolist()


# Kinds


@pytest.mark.parametrize("name", ["clip_a_ids.npz", "clip_b_ids.npz", "int_scores.npz", "tdn_relu.pkl"])
def test_positive_logits_are_logits(name, gsmbench, workspace):
    content, row, text = imported(gsmbench, name, "--macs", "1G", "--frames", 8)
    assert content.kinds == {"action": "logits"}
    assert percent(row) == (26.67 if "_b_" in name else 20.00)
    assert not re.search(r"softmax of [\d,]+", text)
    assert (row["frames"], row["macs_paper"]) == ("8", 1_000_000_000)
    if name.endswith("npz"):
        assert np.array_equal(content.scores["action"][:, 0], np.load(SCORES / name)["scores"].astype(np.float32))


def test_positive_logits_fuse_as_logits(gsmbench, workspace):
    for name in ("clip_a_ids", "clip_b_ids"):
        imported(gsmbench, f"{name}.npz")
    assert percent(fused(gsmbench, "clip_a_ids", "clip_b_ids")) == 48.33


@pytest.mark.parametrize("name", ["percent", "votes10"])
def test_percent_and_votes_are_no_views(name, gsmbench, workspace):
    content, row, text = imported(gsmbench, f"{name}.npz", "--macs", "1G", "--frames", 8)
    assert (row["frames"], row["macs_paper"]) == ("8", 1_000_000_000)
    assert not re.search(r"softmax of \d+ views", text)
    assert percent(row) == 20.00
    if content.kinds["action"] == "probabilities":
        assert np.allclose(content.scores["action"].sum(-1), 1, atol=1e-3)


# Tables


@pytest.mark.parametrize("name", ["pandas_index", "pandas_index_logits", "noindex", "savetxt"])
def test_tables_with_and_without_index_and_header(name, gsmbench, workspace):
    content, _, text = imported(gsmbench, f"{name}.csv")
    ids, logits, _ = csv_scores()
    assert content.scores["action"].shape == (60, 1, 10)
    assert content.kinds == {"action": "probabilities" if name == "pandas_index" else "logits"}
    if "index" in name and name != "noindex":
        assert (content.ids, content.order) == (ids, "ids")
    else:
        assert content.order == "unverified"
        assert re.search("unverified|no (video )?ids", text)
    if name == "pandas_index":
        assert np.allclose(content.scores["action"].sum(-1), 1, atol=1e-6)
        assert np.array_equal(content.scores["action"][:, 0].argmax(1), logits.argmax(1))
    else:
        assert np.allclose(content.scores["action"][:, 0], logits, atol=1e-6)


@pytest.mark.parametrize(("name", "extra"), [("withpred", "pred"), ("withframes", "num_frames")])
def test_columns_beside_the_classes(name, extra, gsmbench, workspace):
    ran = gsmbench("import", SCORES / f"{name}.csv", "--format", "json")
    if ran.status:
        refused(ran, rf"\b{extra}\b", r"fix:.*--\S+")
        return
    assert stored(name).scores["action"].shape == (60, 1, 10)
    assert percent(rows(ran)[0]) == 63.33
    assert re.search(rf"\b{extra}\b", ran.err), "what was left out is printed"


@pytest.mark.parametrize("name", ["floatlabel", "labelname"])
def test_labels_as_fractions_and_as_names(name, gsmbench, workspace):
    content, row, _ = imported(gsmbench, f"{name}.csv")
    ids, logits, labels = csv_scores()
    assert percent(row) == 63.33
    assert content.ids == ids
    assert content.labels["action"].tolist() == labels.tolist()
    assert np.array_equal(content.scores["action"][:, 0], logits)


def test_classes_that_are_called_like_columns(gsmbench, workspace):
    """Its columns: clip, Label, and the classes clap name label status crop clip run flip offset walk."""
    ran = gsmbench("import", SCORES / "class_named_id.csv", "--format", "json")
    if ran.status:
        refused(ran, r"\b(name|label|status|crop|clip|flip|offset)\b")
        return
    content = stored("class_named_id")
    assert content.scores["action"].shape == (60, 1, 10)
    assert content.ids == csv_scores()[0]
    assert percent(rows(ran)[0]) == 63.33


def test_rows_of_text_as_charades_has_them(gsmbench, workspace):
    ran = gsmbench("import", SCORES / "charades.txt", "--format", "json")
    if ran.status:
        refused(ran, r"\bspaces?\b", "csv")
        return
    content = stored("charades")
    assert (content.ids, content.scores["action"].shape) == (csv_scores()[0], (60, 1, 10))
    assert content.kinds == {"action": "probabilities"}
    assert np.array_equal(content.scores["action"][:, 0].argmax(1), csv_scores()[1].argmax(1))


# Scores per view inside a row


@pytest.mark.parametrize("name", ["mma_none.pkl", "views.npz"])
def test_rows_of_views(name, gsmbench, workspace):
    content, row, _ = imported(gsmbench, name)
    assert content.scores["action"].shape == (60, 3, 10)
    assert percent(row) == 85.00
    assert "x3" in row["frames"]


@pytest.mark.parametrize(("name", "views"), [("epic_listdict", 1), ("epic_views", 3)])
def test_rows_of_verbs_and_nouns(name, views, gsmbench, workspace):
    content, _, _ = imported(gsmbench, f"{name}.pkl")
    assert {task: scores.shape for task, scores in content.scores.items()} == dict.fromkeys(
        ("verb", "noun"), (60, views, 10)
    )
    assert content.ids == [f"P01_01_{row}" for row in range(60)]


@pytest.mark.parametrize(("head", "top1"), [("rgb", 58.33), ("pose", 56.67)])
def test_a_score_of_two_heads(head, top1, gsmbench, workspace):
    source = SCORES / "rgbpose.pkl"
    text = refused(gsmbench("import", source), r"\brgb\b", r"\bpose\b", r"fix:.*--\S+")
    option = offered(text.partition("fix:")[2], r"--[\w-]+")
    _, row, _ = imported(gsmbench, source, *option, head)
    assert percent(row) == top1


# Ids in arrays of objects, bfloat16


@pytest.mark.parametrize(
    ("name", "clips", "classes"),
    [
        ("epic_objids.pkl", 60, {"verb": 10, "noun": 10}),
        ("test_np.pkl", 50, {"verb": 97, "noun": 300}),
        ("objids.npz", 50, {"action": 97}),
    ],
)
def test_ids_in_an_array_of_objects(name, clips, classes, gsmbench, workspace):
    content, _, _ = imported(gsmbench, name)
    assert {task: scores.shape[::2] for task, scores in content.scores.items()} == {
        task: (clips, count) for task, count in classes.items()
    }
    video = "P01_01" if name.startswith("epic") else "P01_11"
    assert content.ids == [f"{video}_{row}" for row in range(clips)]
    assert content.order == "ids"
    assert all(np.isfinite(scores).all() for scores in content.scores.values())


def test_bfloat16_in_the_old_format_of_torch(gsmbench, workspace):
    _, logits, labels = csv_scores()
    (first, row, _), (second, _, _) = (imported(gsmbench, "bf16_old.pt", name=name) for name in ("one", "two"))
    assert np.abs(first.scores["action"][:, 0] - logits).max() < 0.008
    assert np.array_equal(first.scores["action"], second.scores["action"])
    assert (percent(row), first.labels["action"].tolist()) == (63.33, labels.tolist())


# Text of VideoMAE


def test_unlike_doubles_are_two_runs(gsmbench, workspace):
    refused(gsmbench("import", SCORES / "plain.txt", SCORES / "otherrun.txt"), "vid0", "otherrun.txt", "run|differ")
    refused(gsmbench("import", SCORES / "otherrun.txt", SCORES / "plain.txt"), "vid0", "plain.txt", "run|differ")
    Path("again.txt").write_text((SCORES / "plain.txt").read_text())
    ran = gsmbench("import", SCORES / "plain.txt", "again.txt", "--format", "json")
    assert percent(rows(ran)[0]) == 75.00, "like doubles pad the last batches of several processes"


def test_ids_with_full_stops(gsmbench, workspace):
    content, row, _ = imported(gsmbench, "dates.txt")
    assert content.ids == [f"2024.03.{row:02d}" for row in range(40)]
    assert (content.scores["action"].shape, percent(row)) == ((40, 6, 6), 75.00)
    assert imported(gsmbench, "plain.txt")[0].ids == [f"vid{row}" for row in range(40)]


# Minus infinity


def test_a_row_of_minus_infinity_alone_is_not_scored(gsmbench, workspace):
    source = np.load(SCORES / "minf.npz")
    scores = source["scores"].copy()
    scores[4] = -np.inf
    np.savez("gone.npz", ids=source["ids"], scores=scores, labels=source["labels"])
    ran = gsmbench("import", "gone.npz", "--format", "json")
    assert ran.status == 3, ran.err
    assert np.flatnonzero(stored("gone").status == 2).tolist() == [4]
    assert re.search(r"\b29\b", ran.out + ran.err)


# Without a file


def test_a_table_with_fold_start_and_end(gsmbench, workspace):
    ids, logits, labels = csv_scores()
    lines = ["video_id,fold,start,end,label," + ",".join(f"c{at}" for at in range(10))]
    lines += [
        f"{ids[row]},{row % 5},{row * 1.5},{row * 1.5 + 3},{labels[row]}," + ",".join(map(repr, logits[row].tolist()))
        for row in range(60)
    ]
    Path("folds.csv").write_text("\n".join(lines) + "\n")
    ran = gsmbench("import", "folds.csv", "--format", "json")
    if ran.status:
        refused(ran, r"\bfold\b", r"\bstart\b", r"\bend\b", r"fix:.*--\S+")
        return
    assert stored("folds").scores["action"].shape == (60, 1, 10)
    assert percent(rows(ran)[0]) == 63.33


def write_form(form):
    """The 60 rows of the tables in some other form; returns the file's name."""
    import pickle

    ids, logits, labels = csv_scores()
    records = [
        {"video_id": name, "label": int(label), "scores": row.tolist()}
        for name, label, row in zip(ids, labels, logits, strict=True)
    ]
    by_id = {record["video_id"]: record["scores"] for record in records}
    documents = {
        "val.json": records,
        "result.json": {record["video_id"]: record for record in records},
        "scores.json": by_id,
        "nested.json": {"results": by_id},
    }
    if form in documents:
        Path(form).write_text(json.dumps(documents[form]))
    elif form == "lines.jsonl":
        Path(form).write_text("".join(json.dumps(record) + "\n" for record in records))
    elif form == "bare.npy":
        np.save(form, logits)
    elif form == "by_id.pkl":
        Path(form).write_bytes(pickle.dumps(dict(zip(ids, logits, strict=True))))
    else:
        Path(form).write_bytes(pickle.dumps({"video_preds": 10 * logits, "video_labels": labels}))
    return form


FORMS = (
    "val.json",
    "result.json",
    "scores.json",
    "nested.json",
    "lines.jsonl",
    "bare.npy",
    "by_id.pkl",
    "slowfast.pkl",
)


@pytest.mark.parametrize("form", FORMS)
def test_other_forms_are_read_or_the_nearest_is_named(form, gsmbench, workspace):
    ran = gsmbench("import", write_form(form), "--format", "json")
    if ran.status:
        refused(ran, "nearest|closest")
        return
    content = stored(Path(form).stem)
    assert content.scores["action"].shape == (60, 1, 10)
    assert np.array_equal(content.scores["action"][:, 0].argmax(1), csv_scores()[1].argmax(1))
    assert content.order == ("unverified" if form in ("bare.npy", "slowfast.pkl") else "ids")
    assert percent(rows(ran)[0]) in ([63.33] if content.labels else [None])


@pytest.mark.parametrize("seed", range(6))
def test_ties_of_half_precision_at_the_last_place(seed, gsmbench, workspace):
    """Probabilities of half precision tie by the hundred; whatever ties at the 100th action, a file is written."""
    write_epic_100(workspace.data / "epic-100")
    rng = np.random.default_rng(seed)
    verb, noun = (np.exp(4 * rng.standard_normal((5, classes))) for classes in (97, 300))
    verb, noun = ((part / part.sum(1, keepdims=True)).astype(np.float16) for part in (verb, noun))
    np.savez("half.npz", narration_id=[f"P01_101_{at}" for at in range(5)], verb_output=verb, noun_output=noun)
    ran = gsmbench("import", "half.npz", "--dataset", "epic-100", "--split", "test")
    assert ran.status == 0, ran.err
    ran = gsmbench("submit", "epic100", "--scores", place("half"), *LEVELS)
    assert not re.search(DAMAGE + "|fault of", ran.err), ran.err
    assert ran.status == 0, ran.err


def test_several_labels_per_clip_fuse_and_have_no_accuracy(gsmbench, workspace):
    import pickle

    _, logits, labels = csv_scores()
    for name in ("one", "two"):
        several = [
            {"pred_score": row, "gt_label": np.array([label, (label + 1) % 10]), "frame_dir": f"v_{at:03d}"}
            for at, (row, label) in enumerate(zip(logits, labels, strict=True))
        ]
        Path(f"{name}.pkl").write_bytes(pickle.dumps(several))
        content, row, text = imported(gsmbench, f"{name}.pkl")
        assert content.scores["action"].shape == (60, 1, 10)
        assert percent(row) is None
        assert re.search("several labels|labels? per", text)
    ran = gsmbench("ensemble", "--members", f"{place('one')},{place('two')}", "--out", "both.h5")
    assert Path("both.h5").is_file(), ran.err
