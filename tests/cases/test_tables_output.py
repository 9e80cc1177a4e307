"""What tables say: one csv holds one table, every row names its origin, intervals and parts of a list are marked."""

import io
import json
import re
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.submit.conftest import epic, save_epic  # noqa: F401

pandas = pytest.importorskip("pandas")

NAMES = ("ape", "bee", "cat", "dog", "elk")
A, B, C = (f"scores/toy/val/{name}.h5" for name in "abc")


def one_hot(predictions):
    """Logits [60, 2, 5] whose best class is the given one in both clips, and no tie among the others."""
    noise = np.random.default_rng(9).random((len(predictions), 5)) / 10
    return np.repeat((3 * np.eye(5)[predictions] + noise).astype(np.float32)[:, None], 2, axis=1)


def wrong_in(labels, rows):
    predictions = labels.copy()
    predictions[rows] = (predictions[rows] + 1) % 5
    return predictions


@pytest.fixture
def files(toy_labels, save_scores):
    """a, b and c: score files of 60 videos, wrong on 10, 14 and 20 of them."""
    for name, rows in (("a", slice(0, 10)), ("b", slice(4, 18)), ("c", slice(30, 50))):
        save_scores(name, one_hot(wrong_in(toy_labels, rows)), names=NAMES)
    return toy_labels


def both(ran):
    return ran.out + ran.err


def rows_of(ran):
    assert ran.status == 0, ran.err
    return json.loads(ran.out)["rows"]


# One csv holds one table.

COMMANDS = {
    "compare": ["compare", A, B],
    "compare videos": ["compare", A, B, "--videos"],
    "compare why": ["compare", A, B, "--why"],
    "compare all": ["compare", A, B, "--videos", "--why"],
    "per class": ["evaluate", A, "--per-class"],
    "confusions": ["evaluate", A, "--confusions"],
    "both": ["evaluate", A, "--per-class", "--confusions"],
    "two files": ["evaluate", A, B, "--per-class"],
    "evaluate": ["evaluate", A, B, C],
    "ensemble": ["ensemble", "--members", f"{A},{B}"],
    "search": ["search", A, B, C],
    "greedy": ["search", A, B, C, "--method", "greedy"],
    "weights": ["search", A, B, C, "--method", "weights"],
    "calibrate": ["calibrate", A, B],
    "reliability": ["calibrate", A, B, "--reliability"],
    "cascade": ["cascade", f"{A}@1,{B}"],
    "models": ["models", "list"],
}


def is_one_table(text):
    """Every line has as many cells as the heading, and no line is a second heading."""
    import csv

    lines = list(csv.reader(io.StringIO(text)))
    assert lines and all(len(line) == len(lines[0]) for line in lines), text
    assert len(set(lines[0])) == len(lines[0])
    frame = pandas.read_csv(io.StringIO(text))
    assert len(frame) == len(lines) - 1
    assert not (frame.isna().all(axis=1)).any()
    return frame


@pytest.mark.parametrize("name", COMMANDS)
def test_a_csv_is_one_table(files, gsmbench, name):
    """A result of one table is a csv; one of several is refused with the option that takes them."""
    ran = gsmbench(*COMMANDS[name], "--format", "csv")
    if ran.status == 0:
        is_one_table(ran.out)
    else:
        assert "--out" in ran.err, ran.err
        assert not ran.out


def test_the_csv_of_what_was_asked_for(files, gsmbench):
    """The videos that only one has right: 4 and 8 rows, with the ids."""
    ran = gsmbench("compare", A, B, "--videos", "--format", "csv", "--out", "tables")
    assert ran.status == 0, ran.err
    frames = {path.stem: is_one_table(path.read_text()) for path in Path("tables").glob("*.csv")}
    (listed,) = [frame for frame in frames.values() if "id" in frame.columns]
    assert set(listed["id"]) == {f"v{row}" for row in [*range(4), *range(10, 18)]}


@pytest.mark.parametrize("name", ["both", "two files", "compare all", "reliability"])
def test_several_tables_go_to_a_folder(files, gsmbench, name):
    ran = gsmbench(*COMMANDS[name], "--format", "csv", "--out", "tables")
    assert ran.status == 0, ran.err
    paths = sorted(Path("tables").glob("*.csv"))
    assert len(paths) >= 2
    for path in paths:
        is_one_table(path.read_text())
    again = gsmbench(*COMMANDS[name], "--format", "csv", "--out", "tables")
    assert again.status == 0, "the same tables again, as after a kill, are no conflict"
    paths[-1].write_text("mine")
    again = gsmbench(*COMMANDS[name], "--format", "csv", "--out", "tables")
    assert again.status == 1 and "--force" in again.err, "tables were overwritten"
    assert paths[-1].read_text() == "mine"


def test_parts_of_two_files(epic, save_epic, gsmbench):  # noqa: F811
    paths = [save_epic("epic-100", "validation", name, seed=seed) for seed, name in enumerate("ab")]
    for form in ("csv", "json"):
        ran = gsmbench("evaluate", *paths, "--parts", "--format", form)
        assert ran.status in (0, 1, 2)
        if ran.status == 0 and form == "csv":
            assert set(is_one_table(ran.out)["file"].map(Path).map(lambda path: path.stem)) == {"a", "b"}


@pytest.mark.parametrize("text", ["=1+2", "+x", "-x", "@x", "=cmd|' /C calc'!A0", 'a"b', "a,b", "a\tb", "\u202ex"])
def test_texts_in_a_csv(toy_labels, save_scores, gsmbench, text):
    """Names of classes are quoted so that a spreadsheet does not run them, and come back as cells of one line."""
    names = (text, *NAMES[1:])
    from gsm_bench.workspace import Workspace

    (Workspace.locate().data / "toy" / "classes.txt").write_text("\n".join(names) + "\n")
    save_scores("a", one_hot(toy_labels), names=names)
    ran = gsmbench("evaluate", A, "--per-class", "--format", "csv", "--out", "tables")
    assert ran.status == 0, ran.err
    for path in Path("tables").glob("*.csv"):
        frame = is_one_table(path.read_text())
        cells = frame.select_dtypes("object" if "object" in frame.dtypes.values else "str").stack()
        assert not cells.astype(str).str.match(r"[=+@]|-[^0-9.]").any()


@pytest.mark.parametrize("text", ["a|b", "<b>x</b>", "*x*", "x`y"])
def test_texts_in_markdown(toy_labels, save_scores, gsmbench, text):
    names = (text, *NAMES[1:])
    Path("data/toy/classes.txt").write_text("\n".join(names) + "\n")
    save_scores("a", one_hot(toy_labels), names=names)
    ran = gsmbench("evaluate", A, "--per-class", "--format", "md")
    lines = [line for line in ran.out.splitlines() if line.startswith("|")]
    bars = {len(re.findall(r"(?<!\\)\|", line)) for line in lines if "---" not in line}
    assert len(bars) <= 2, ran.out


# Every row says what it is of.


def says_what_it_is_of(row, name=None):
    assert row["dataset"] == "toy" and row["split"] == "val", row
    if name:
        assert Path(row["file"]).resolve() == Path(f"scores/toy/val/{name}.h5").resolve(), row


@pytest.mark.parametrize("arguments", [["evaluate", A, B], ["ensemble", "--members", f"{A}@2,{B}"], ["search", A, B]])
def test_rows_say_data_set_split_and_file(files, gsmbench, arguments):
    rows = rows_of(gsmbench(*arguments, "--format", "json"))
    for row in rows:
        says_what_it_is_of(row)
    if arguments[0] == "evaluate":
        assert [Path(row["file"]).stem for row in rows] == ["a", "a", "b", "b"]
        assert [row["clips_per_video"] if "clips_per_video" in row else row["clips"] for row in rows] == [1, 2, 1, 2]


@pytest.mark.parametrize("weights", ["2,1", "1,1", "0.3,0.7", "7,1"])
def test_rows_of_an_ensemble_say_their_weights(files, gsmbench, weights):
    rows = rows_of(gsmbench("ensemble", "--members", f"{A}@2,{B}", "--weights", weights, "--format", "json"))
    given = np.array([float(part) for part in weights.split(",")])
    assert [row["weight"] for row in rows[:2]] == pytest.approx(list(given / given.sum()))
    for row, name in zip(rows, "ab", strict=False):
        says_what_it_is_of(row, name)
    for form in ("rich", "md", "csv"):
        shown = gsmbench("ensemble", "--members", f"{A}@2,{B}", "--weights", weights, "--format", form).out
        assert re.search("weight", shown, re.IGNORECASE), shown


@pytest.mark.parametrize("arguments", [["evaluate", A], ["ensemble", "--members", f"{A},{B}"], ["compare", A, B]])
@pytest.mark.parametrize("form", ["rich", "md"])
def test_tables_name_data_set_and_split(files, gsmbench, arguments, form):
    shown = gsmbench(*arguments, "--format", form).out
    assert re.search(r"\btoy\b.*\bval\b", shown, re.DOTALL), shown


def test_comparisons_say_both_sides(files, gsmbench):
    ran = gsmbench("compare", A, f"{B}@2", "--format", "json")
    text = json.dumps(json.loads(ran.out)).replace("\\\\", "/")
    for name in (A, B):
        assert name in text
    assert '"toy"' in text and '"val"' in text


def test_a_fused_file_says_its_members(files, gsmbench):
    ran = gsmbench("ensemble", "--members", f"{A}@2,{B}", "--weights", "3,1", "--out", "fused.h5")
    assert ran.status == 0, ran.err
    with h5py.File("fused.h5") as file:
        provenance = json.loads(file.attrs["provenance"])
    assert [part["weight"] for part in provenance["members"]] == pytest.approx([0.75, 0.25])
    for part, name, clips in zip(provenance["members"], "ab", (2, 1), strict=True):
        says_what_it_is_of(part, name)
        assert part["clips"] == clips
    (row,) = rows_of(gsmbench("evaluate", "fused.h5", "--format", "json"))
    says_what_it_is_of(row)


@pytest.fixture
def other_split(files, save_scores, workspace):
    """bare.h5 of the split `bare`: the first 40 videos with labels."""
    data = workspace.data / "toy"
    lines = (data / "val.txt").read_text().splitlines()[:40]
    (data / "bare.txt").write_text("\n".join(lines) + "\n")
    return save_scores("bare", one_hot(files[:40]), names=NAMES, provenance={"split": "bare"})


@pytest.mark.parametrize("form", ["rich", "md", "csv"])
def test_rows_of_different_splits_are_marked(other_split, gsmbench, form):
    ran = gsmbench("evaluate", A, other_split, "--format", form)
    assert ran.status == 0, ran.err
    shown = both(ran)
    assert re.search(r"\bval\b", shown) and re.search(r"\bsplit", shown, re.IGNORECASE), shown
    marked = [line for line in ran.out.splitlines() if re.search(r"\bbare\b.*\bbare\b", line)]
    assert marked, "the row of another split does not name it beside its model"


def test_rows_of_different_splits_are_not_tested_against_each_other(other_split, gsmbench):
    """The p of each row is that of its own split alone."""
    rows = rows_of(gsmbench("evaluate", A, other_split, "--format", "json"))
    alone = [
        *rows_of(gsmbench("evaluate", A, "--format", "json")),
        *rows_of(gsmbench("evaluate", other_split, "--format", "json")),
    ]
    assert [row["top1_p"] for row in rows] == [row["top1_p"] for row in alone]
    assert [row["split"] for row in rows] == ["val", "val", "bare", "bare"]


def test_results_of_different_splits_are_not_compared(other_split, gsmbench):
    for arguments in (["compare", A, other_split], ["ensemble", "--members", f"{A},{other_split}"]):
        ran = gsmbench(*arguments)
        assert (ran.status, ran.err.count("error:")) == (1, 1)
        message = ran.err
        assert "bare" in message and "val" in message


# Intervals.


@pytest.mark.parametrize("wrong", [0, 1, 3, 6, 57, 59, 60])
@pytest.mark.parametrize("form", ["rich", "md"])
def test_intervals_that_are_not_symmetric(toy_labels, save_scores, gsmbench, wrong, form):
    """Near 0 and 100 the interval lies to one side: its two ends are printed, not half of its width."""
    save_scores("a", one_hot(wrong_in(toy_labels, slice(0, wrong))), names=NAMES)
    row = rows_of(gsmbench("evaluate", A, "--format", "json"))[-1]
    below, above = row["top1"] - row["top1_low95"], row["top1_high95"] - row["top1"]
    assert abs(below - above) > 0.005
    shown = gsmbench("evaluate", A, "--format", form).out
    accuracy = f"{100 * row['top1']:.2f}"
    after = re.findall(rf"{re.escape(accuracy)}([^\n|]{{0,24}})", shown)
    assert after and not any(text.lstrip().startswith(("±", "+-")) for text in after[:1]), shown
    assert f"{100 * row['top1_low95']:.1f}" in shown and f"{100 * row['top1_high95']:.1f}" in shown, shown


def test_few_videos(workspace, save_scores, gsmbench):
    """2 videos, none right: never 0.00 ±32.9."""
    data = workspace.data / "toy"
    data.mkdir(parents=True)
    (data / "val.txt").write_text("v0 4 0\nv1 4 1\n")
    save_scores("a", one_hot(np.array([1, 2])))
    shown = gsmbench("evaluate", A).out
    assert not re.search(r"\b0\.00 ±", shown), shown


# A part of a list.


@pytest.fixture
def limited(files, save_scores):
    path = save_scores("a.limit-10", one_hot(files[:10]), names=NAMES, provenance={"limit": 10, "model": "a"})
    assert path.name == "a.limit-10.h5"
    return path


@pytest.mark.parametrize("form", ["rich", "md", "csv", "json"])
def test_a_limited_run_is_marked(limited, gsmbench, form):
    ran = gsmbench("evaluate", A, limited, "--format", form)
    assert ran.status == 0, ran.err
    assert re.search("limit|first 10", ran.out), ran.out


def test_a_limited_run_does_not_stand_for_the_split(limited, gsmbench):
    rows = rows_of(gsmbench("evaluate", A, limited, "--format", "json"))
    assert [row["limit"] for row in rows] == [None, None, 10, 10]
    alone = rows_of(gsmbench("evaluate", limited, "--format", "json"))
    assert [row["top1_p"] for row in rows if row["limit"]] == [row["top1_p"] for row in alone]


def test_a_fused_limited_run_is_marked(limited, gsmbench):
    ran = gsmbench("ensemble", "--members", f"{limited},{limited}@2", "--out", "fused.h5")
    assert ran.status == 0, ran.err
    assert re.search("limit|first 10", both(ran)), both(ran)
    assert re.search("limit|first 10", both(gsmbench("evaluate", "fused.h5")))
