"""Tables of scores as pandas, R, spreadsheets and numpy write them: the same 60 clips and 10 classes in each."""

import re
from pathlib import Path

import numpy as np
import pytest

from tests.cases.score_cases import csv_scores, imported, percent, refused, rows, stored

IDS, LOGITS, LABELS = csv_scores()
WORDS = [[repr(float(value)) for value in row] for row in LOGITS]
NUMBERS = [str(at) for at in range(10)]
CLASSES = [f"c{at}" for at in range(10)]


def lines(header, *columns, mark=",", end="\n"):
    """A table of the scores with other columns before them."""
    head = [mark.join(header)] if header else []
    return (
        end.join([*head, *(mark.join([*map(str, before), *row]) for *before, row in zip(*columns, WORDS, strict=True))])
        + end
    )


INDEX = list(range(60))
FORMS = {
    "numbered index, no name": lambda: lines(["", *NUMBERS], INDEX),
    "Unnamed: 0": lambda: lines(["Unnamed: 0", *NUMBERS], INDEX),
    "index and id": lambda: lines(["", "video_id", *NUMBERS], INDEX, IDS),
    "index, id and label": lambda: lines(["", "video_id", "label", *CLASSES], INDEX, IDS, LABELS),
    "tabs": lambda: lines(["", *NUMBERS], IDS, mark="\t"),
    "semicolons": lambda: lines(["id", *NUMBERS], IDS, mark=";"),
    "header of R, one name short": lambda: lines(NUMBERS, IDS),
    "quoted by R": lambda: lines([f'"{name}"' for name in ["", *CLASSES]], [f'"{name}"' for name in IDS]),
    "spaces, no header": lambda: lines([], mark=" "),
    "tabs, no header": lambda: lines([], mark="\t"),
    "savetxt with header": lambda: lines(["# c0", *CLASSES[1:]]),
    "class names, no ids": lambda: lines(CLASSES),
    "ids, no header": lambda: lines([], IDS),
    "ids and labels, no header": lambda: lines([], IDS, LABELS),
    "labels, no ids": lambda: lines(["label", *CLASSES], LABELS),
    "labels, no ids, numbered": lambda: lines(["label", *NUMBERS], LABELS),
    "windows": lambda: "\ufeff" + lines(["id", "label", *CLASSES], IDS, LABELS, end="\r\n"),
    "decimal commas": lambda: lines(["id", *CLASSES], IDS, mark=";").replace(".", ","),
    "comma at the end": lambda: lines(["id", *CLASSES], IDS).replace("\n", ",\n"),
    "spaces after commas": lambda: lines(["id", *CLASSES], IDS, mark=", "),
    "several spaces": lambda: lines([], IDS, mark="   "),
    "names class_0 ..": lambda: lines(["id", *(f"class_{at}" for at in range(10))], IDS),
    "label last": lambda: "\n".join(
        [",".join(["id", *CLASSES, "label"]), *(",".join([a, *row, str(b)]) for a, row, b in zip(IDS, WORDS, LABELS, strict=True))]
    ),
    "whole numbers as ids": lambda: lines(["id", *CLASSES], [1000 + at for at in range(60)]),
}  # fmt: skip
WITH_IDS = re.compile("id|tabs$|semicolons|R|windows|commas|comma |several|class_|label last")


@pytest.mark.parametrize("name", FORMS)
def test_forms_of_tables(name, gsmbench, workspace):
    Path("x.csv").write_text(FORMS[name](), newline="")
    content, row, _ = imported(gsmbench, "x.csv")
    assert content.scores["action"].shape == (60, 1, 10)
    assert np.allclose(content.scores["action"][:, 0], LOGITS, atol=1e-6)
    if "whole" in name:
        assert content.ids == [str(1000 + at) for at in range(60)]
    elif WITH_IDS.search(name) and "no ids" not in name:
        assert (content.ids, content.order) == (IDS, "ids")
    elif "no ids" in name or "no header" in name or "savetxt" in name:
        assert content.order == "unverified"
    assert percent(row) == (63.33 if content.labels else None)
    assert bool(content.labels) == ("label" in name or name == "windows")


EXTRAS = {
    "prediction": LOGITS.argmax(1),
    "pred_label": LOGITS.argmax(1),
    "predicted": [CLASSES[at] for at in LOGITS.argmax(1)],
    "top1": (LOGITS.argmax(1) == LABELS).astype(int),
    "correct": LOGITS.argmax(1) == LABELS,
    "confidence": np.exp(LOGITS.max(1)) / np.exp(LOGITS).sum(1),
    "frames": np.arange(60) + 30,
    "duration": np.arange(60) / 7 + 2,
    "fps": [29.97] * 60,
    "fold": np.arange(60) % 5,
    "start_frame": np.arange(60) * 10,
    "split": ["val"] * 60,
    "path": [f"videos/{name}.mp4" for name in IDS],
    "participant_id": ["P01"] * 60,
    "loss": np.arange(60) / 60,
    "entropy": np.arange(60) / 60,
    "batch": np.arange(60) // 8,
    "run": np.arange(60) // 30,
}


@pytest.mark.parametrize("name", EXTRAS)
@pytest.mark.parametrize("last", [False, True], ids=["before", "after"])
def test_columns_that_are_no_classes(name, last, gsmbench, workspace):
    """Left out and text so, or asked about; never a class."""
    header, columns = ["video_id", "label", *CLASSES], [IDS, LABELS.tolist(), *zip(*WORDS, strict=True)]
    at = len(header) if last else 2
    header.insert(at, name)
    columns.insert(at, list(EXTRAS[name]))
    text = [header, *zip(*columns, strict=True)]
    Path("x.csv").write_text("".join(",".join(map(str, row)) + "\n" for row in text))
    ran = gsmbench("import", "x.csv", "--format", "json")
    if ran.status:
        refused(ran, rf"\b{name}\b", r"fix:.*--\S+")
        return
    assert stored("x").scores["action"].shape == (60, 1, 10)
    assert percent(rows(ran)[0]) == 63.33
    assert re.search(rf"\b{name}\b", ran.err), "what was left out is printed"


READABLE = {
    "9.0": [f"{label:.1f}" for label in LABELS],
    "spaces": [f" {label} " for label in LABELS],
    "1e0": [f"{label:.0e}" for label in LABELS],
    "names": [CLASSES[label] for label in LABELS],
    "unknown": ["" if row == 59 else str(label) for row, label in enumerate(LABELS)],
    "nan": ["nan" if row == 59 else f"{label:.1f}" for row, label in enumerate(LABELS)],
    "minus one": [-1 if row == 59 else label for row, label in enumerate(LABELS)],
}


@pytest.mark.parametrize("name", READABLE)
def test_labels_that_are_numbers_or_names(name, gsmbench, workspace):
    Path("x.csv").write_text(lines(["id", "label", *CLASSES], IDS, READABLE[name]))
    content, row, _ = imported(gsmbench, "x.csv")
    known = LABELS if name in ("9.0", "spaces", "1e0", "names") else np.where(np.arange(60) == 59, -1, LABELS)
    assert content.labels["action"].tolist() == known.tolist()
    assert row["hits1"] == int((LOGITS.argmax(1) == known).sum())


@pytest.mark.parametrize("label", ["9.5", "walking", "inf", "0x3", "3,4", "[3]"])
@pytest.mark.parametrize("column", ["label", "gt", "target"])
def test_labels_that_are_neither(label, column, gsmbench, workspace):
    words = [f'"{label}"' if row == 7 else number for row, number in enumerate(LABELS)]
    Path("x.csv").write_text(lines(["id", column, *CLASSES], IDS, words))
    text = refused(gsmbench("import", "x.csv"), rf"\b{column}\b", re.escape(label))
    assert re.search(r"row (8|9)\b|v_007", text), text


NAMES = ["name", "label", "clip", "video", "target", "status", "id", "crop", "flip", "offset"]


@pytest.mark.parametrize("names", [NAMES, NAMES[::-1], NAMES[1:] + NAMES[:1]], ids=["in order", "reversed", "turned"])
def test_classes_called_like_columns(names, gsmbench, workspace):
    """Ten columns of fractions after `video_id,gt_label` are the classes, whatever they are called."""
    Path("x.csv").write_text(lines(["video_id", "gt_label", *names], IDS, LABELS))
    ran = gsmbench("import", "x.csv", "--format", "json")
    if ran.status:
        refused(ran, r"\b(name|label|clip|video|target|status|id|crop|flip|offset)\b", r"fix:.*--\S+")
        return
    assert stored("x").scores["action"].shape == (60, 1, 10)
    assert stored("x").ids == IDS
    assert percent(rows(ran)[0]) == 63.33


@pytest.mark.parametrize("mark", [" ", "\t", "  ", ","])
@pytest.mark.parametrize("ending", ["", ".mp4"])
def test_rows_of_an_id_and_scores(mark, ending, gsmbench, workspace):
    """Without a header, as Charades' servers take them."""
    Path("x.txt").write_text(lines([], [name + ending for name in IDS], mark=mark))
    content, _, _ = imported(gsmbench, "x.txt")
    assert content.scores["action"].shape == (60, 1, 10)
    assert [name.removesuffix(".mp4") for name in content.ids] == IDS


@pytest.mark.parametrize("row", [1, 30, 60])
def test_a_row_that_is_short_is_named(row, gsmbench, workspace):
    text = lines(["id", *CLASSES], IDS).splitlines()
    text[row] = text[row].rsplit(",", 1)[0]
    Path("x.csv").write_text("\n".join(text) + "\n")
    ran = gsmbench("import", "x.csv")
    assert ran.status == 1
    assert re.search(rf"(row|line) {row + 1}\b", ran.err), ran.err
