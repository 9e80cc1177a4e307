"""Tables of scores: what each column is, what is asked, and what the options choose."""

import json

import numpy as np
import pytest

from gsm_bench.scorefile import read

IDS = [f"v{row}" for row in range(24)]
RNG = np.random.default_rng(5)
LOGITS = RNG.standard_normal((24, 4)).round(3)
LABELS = np.where(np.arange(24) % 3 == 0, 0, LOGITS.argmax(1))
WORDS = ["run", "walk fast", "jump, high", "sit"]


@pytest.fixture
def table(workspace):
    """Write a table from a header and columns."""

    def write(header, *columns, mark=","):
        rows = (
            [header, *zip(*columns, *LOGITS.T, strict=True)] if header else list(zip(*columns, *LOGITS.T, strict=True))
        )
        lines = (mark.join(f'"{word}"' if mark in str(word) else str(word) for word in row) for row in rows)
        (workspace.root / "x.csv").write_text("\n".join(lines) + "\n")

    return write


@pytest.fixture
def imported(gsmbench, workspace):
    def call(*options):
        ran = gsmbench("import", "x.csv", *options, "--force")
        assert ran.status == 0, ran.err
        return read("scores/imported/x.h5"), ran.err

    return call


def test_doubtful_columns_are_asked_about_and_skipped(table, imported, gsmbench):
    fold = np.arange(24) % 3
    table(["id", "label", "pred", "fold", *WORDS], IDS, LABELS, LOGITS.argmax(1), fold)
    ran = gsmbench("import", "x.csv")
    assert ran.status == 1
    assert "may be classes or not: pred, fold" in ran.err
    assert "--skip-columns pred,fold" in ran.err
    content, _ = imported("--skip-columns", "pred, fold")
    assert content.class_names["action"] == tuple(WORDS)
    assert np.array_equal(content.scores["action"][:, 0], LOGITS.astype(np.float32))
    assert content.labels["action"].tolist() == LABELS.tolist()
    assert "no column 'folds'" in gsmbench("import", "x.csv", "--skip-columns", "folds", "--force").err


def test_class_names_tell_the_classes(table, imported, workspace):
    table(["id", "pred", "length", *WORDS], IDS, LABELS, np.arange(24) / 7)
    (workspace.root / "names.txt").write_text("\n".join(WORDS))
    content, text = imported("--classes", "names.txt")
    assert content.scores["action"].shape == (24, 1, 4)
    assert "left out: pred, length" in text


def test_columns_by_name(table, imported):
    table(["file", "answer", "other", *WORDS], IDS, LABELS, [f"w{row}" for row in range(24)])
    content, text = imported("--id-column", "other", "--label-column", "answer")
    assert list(content.ids)[:2] == ["w0", "w1"]
    assert content.labels["action"].tolist() == LABELS.tolist()
    assert "left out: file" in text


def test_labels_as_class_names(table, imported):
    table(["id", "label", *WORDS], IDS, [WORDS[label] for label in LABELS])
    assert imported()[0].labels["action"].tolist() == LABELS.tolist()


@pytest.mark.parametrize(("first", "first_column"), [(0, 0), (0, 1), (1, 1)])
def test_labels_beside_numbered_columns(first, first_column, table, imported):
    """A label that is a column's name means that column; other labels count from 0."""
    table(["id", "label", *range(first_column, first_column + 4)], IDS, LABELS + first)
    assert imported()[0].labels["action"].tolist() == LABELS.tolist()


def test_numbered_classes_go_by_their_number(table, imported):
    """Whatever their order in the table."""
    table(["id", "c3", "c2", "c1", "c0"], IDS)
    assert np.array_equal(imported()[0].scores["action"][:, 0], LOGITS[:, ::-1].astype(np.float32))


@pytest.mark.parametrize("header", [True, False])
def test_ids_keep_their_zeros(header, table, imported):
    ids = [f"{row:05d}" for row in range(24)]
    table(["uid", *WORDS] if header else None, ids)
    content, _ = imported()
    assert (list(content.ids), content.order) == (ids, "ids")


def test_whole_numbers_without_a_header_are_asked_about(workspace, gsmbench):
    rows = [
        [name, label, *row] for name, label, row in zip(IDS, LABELS, (LOGITS * 1000 + 5000).astype(int), strict=True)
    ]
    (workspace.root / "x.csv").write_text("".join(",".join(map(str, row)) + "\n" for row in rows))
    ran = gsmbench("import", "x.csv")
    assert ran.status == 1
    assert "may be classes or not: column 2" in ran.err
    ran = gsmbench("import", "x.csv", "--label-column", "column 2")
    assert ran.status == 0, ran.err
    assert read("scores/imported/x.h5").labels["action"].tolist() == LABELS.tolist()


def test_a_missing_id_is_named(table, gsmbench):
    table(["id", *WORDS], [*IDS[:7], "", *IDS[8:]])
    assert "row 7 has no id" in gsmbench("import", "x.csv").err


def test_a_missing_score_is_a_video_without_a_score(table, gsmbench, workspace):
    table(["id", *WORDS], IDS)
    text = (workspace.root / "x.csv").read_text().splitlines()
    text[4] = text[4].rsplit(",", 1)[0] + ","
    (workspace.root / "x.csv").write_text("\n".join(text))
    assert gsmbench("import", "x.csv").status == 3
    assert read("scores/imported/x.h5").problems == {"v3": "the source's scores are not numbers"}


def test_a_word_among_scores_is_named(table, gsmbench, workspace):
    table(["id", *WORDS], IDS)
    path = workspace.root / "x.csv"
    lines = path.read_text().splitlines()
    lines[23] = lines[23].rsplit(",", 1)[0] + ",oops"
    path.write_text("\n".join(lines))
    assert "'oops' in row 24 of column 'sit' is not a number" in gsmbench("import", "x.csv").err


def test_a_separator_hint_is_no_row(table, imported, workspace):
    table(["id", *WORDS], IDS, mark=";")
    path = workspace.root / "x.csv"
    path.write_text("sep=;\n" + path.read_text())
    assert list(imported()[0].ids) == IDS


def test_parquet_columns_have_the_same_roles(imported, gsmbench, workspace):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    columns = {"id": IDS, "label": [WORDS[label] for label in LABELS], "fold": np.arange(24) % 3}
    columns |= {name: LOGITS[:, at].astype(np.float32) for at, name in enumerate(WORDS)}
    parquet.write_table(pyarrow.table(columns), "x.csv")  # the name says nothing
    assert "may be classes or not: fold" in gsmbench("import", "x.csv").err
    content, _ = imported("--skip-columns", "fold")
    assert content.labels["action"].tolist() == LABELS.tolist()
    assert np.array_equal(content.scores["action"][:, 0], LOGITS.astype(np.float32))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"a": [0.1, 0.9], "a": [0.9, 0.1]}', "the key 'a' occurs twice"),
        ('{"a": [0.1, 0.9],', "this is not JSON"),
        ("[" * 100_000, "this is not JSON"),
        ('{"a": [0.1, 0.9], "b": [0.1, 0.2, 0.7]}', "row 1 of the file holds 3 values"),
        ('[{"id": "a", "scores": [0.1, 0.9], "label": "run"}]', "labels are text"),
        ("{}", "the nearest known form is"),
    ],
)
def test_json_that_is_refused(text, says, gsmbench, workspace):
    (workspace.root / "x.json").write_text(text)
    ran = gsmbench("import", "x.json")
    assert ran.status == 1
    assert says in ran.err


def test_scores_and_labels_by_id(gsmbench, workspace):
    scores = dict(zip(IDS, LOGITS.tolist(), strict=True))
    labels = {name: int(label) for name, label in zip(IDS[1:], LABELS[1:], strict=True)}
    (workspace.root / "x.json").write_text(json.dumps({"scores": scores, "labels": labels}))
    assert gsmbench("import", "x.json").status == 0
    assert read("scores/imported/x.h5").labels["action"].tolist() == [-1, *LABELS[1:].tolist()]
