"""Exports by their exact form, and round trips without loss."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from gsm_bench.exporters import rows
from gsm_bench.scorefile import VIEW_TYPE, ClipScores, content_hash, read, views_array, write
from tests.conftest import clip_scores
from tests.importers import dumps
from tests.importers.dumps import Source

RNG = np.random.default_rng(0)


def two_tasks() -> ClipScores:
    """Everything a score file may hold: two tasks, three views, a video without scores, labels, odd class names."""
    verb = (RNG.standard_normal((6, 3, 4)) * 10.0 ** RNG.integers(-20, 20, (6, 3, 4))).astype(np.float32)
    noun = RNG.dirichlet(np.ones(5), (6, 3)).astype(np.float32)
    verb[2], noun[2] = np.nan, np.nan
    verb[1, 0, 0] = -np.inf
    return ClipScores(
        ids=("a", "b,c", "d e", "é", "P01_101_3", '"q"'),
        kinds={"verb": "logits", "noun": "probabilities"},
        classes_per_task={"verb": 4, "noun": 5},
        views=views_array((0.0, 0.5, 0.75), 1),
        status=np.array([0, 0, 2, 1, 0, 0], np.uint8),
        provenance={"model": "m", "dataset": "toy", "split": "val", "signature": "s", "params": 3},
        labels={"verb": np.array([0, 1, 2, 3, -1, 0], np.int32)},
        class_names={"verb": ("take, then", "put.down", "x;y", "é")},
        scores={"verb": verb, "noun": noun},
    )


@pytest.mark.parametrize("block", [1, 4, 4096])
@pytest.mark.parametrize("target", ["npz", "csv", "parquet"])
def test_tables_keep_everything(target, block, gsmbench, workspace, monkeypatch):
    if target == "parquet":
        pytest.importorskip("pyarrow")
    monkeypatch.setattr(rows, "BLOCK_ROWS", block)
    content = two_tasks()
    write("x.h5", content)
    assert gsmbench("export", "x.h5", "--to", target, "--out", "x.table").status == 0
    ran = gsmbench("import", "x.table", "--out", "y.h5")
    assert ran.status == 3, ran.err  # a video has no score
    content_again = read("y.h5")
    assert content_hash("y.h5") == content_hash("x.h5")
    for task in content.scores:
        assert np.array_equal(content_again.scores[task], content.scores[task], equal_nan=True)
    assert content_again.labels["verb"].tolist() == content.labels["verb"].tolist()
    assert (content_again.ids, content_again.kinds, content_again.class_names) == (
        content.ids,
        content.kinds,
        content.class_names,
    )
    if target != "csv":
        assert (content_again.provenance.dataset, content_again.provenance.params) == ("toy", 3)


@pytest.mark.parametrize("target", ["something-v1", "something-v2"])
def test_predictions_do_not_depend_on_the_block_size(target, gsmbench, workspace, monkeypatch):
    write("x.h5", clip_scores(RNG.standard_normal((7, 2, 6)), names=list("abcdef")))
    written = []
    for block in (4096, 3):
        monkeypatch.setattr(rows, "BLOCK_ROWS", block)
        assert gsmbench("export", "x.h5", "--to", target, "--out", f"{block}.csv").status == 0
        written.append(Path(f"{block}.csv").read_text())
    assert written[0] == written[1]
    assert len(written[0].splitlines()) == 7


@pytest.mark.parametrize("target", ["npz", "csv", "parquet"])
def test_unverified_rows_stay_unverified(target, gsmbench, workspace):
    if target == "parquet":
        pytest.importorskip("pyarrow")
    dumps.gsf("x.npz", Source())
    gsmbench("import", "x.npz", "--out", "x.h5")
    assert gsmbench("export", "x.h5", "--to", target, "--out", "x.table").status == 0
    assert gsmbench("import", "x.table", "--out", "y.h5").status == 0
    assert read("y.h5").order == "unverified"
    assert content_hash("y.h5") == content_hash("x.h5")


def test_mmaction2_and_back(gsmbench, workspace):
    torch = pytest.importorskip("torch")
    dump = Source()
    dumps.mmaction2(Path("x.pkl"), dump)
    gsmbench("import", "x.pkl", "--out", "x.h5")
    ran = gsmbench("export", "x.h5", "--to", "mmaction2", "--out", "y.pkl")
    assert ran.status == 0, ran.err
    rows, theirs = (pickle.loads(Path(name).read_bytes()) for name in ("y.pkl", "x.pkl"))
    for row, other in zip(rows, theirs, strict=True):
        assert all(row[key].equal(other[key]) for key in ("pred_score", "gt_label", "pred_label"))
        assert all(row[key].dtype == other[key].dtype for key in row)
    gsmbench("import", "y.pkl", "--out", "z.h5")
    assert content_hash("z.h5") == content_hash("x.h5")
    assert torch.equal(rows[0]["gt_label"], torch.tensor([dump.labels[0]]))


def test_epic_baseline_and_back(gsmbench, workspace):
    dumps.epic_baseline(Path("x.pt"), Source())
    gsmbench("import", "x.pt", "--out", "x.h5")
    assert gsmbench("export", "x.h5", "--to", "epic-baseline", "--out", "y.pt").status == 0
    rows, theirs = (pickle.loads(Path(name).read_bytes()) for name in ("y.pt", "x.pt"))
    for row, other in zip(rows, theirs, strict=True):
        assert row.keys() == other.keys()
        assert np.array_equal(row["verb_output"], other["verb_output"])
        assert row["noun_output"].dtype == np.float32
        assert (row["narration_id"], row["video_id"]) == (other["narration_id"], other["video_id"])


def test_probabilities_become_logarithms_where_a_softmax_follows(gsmbench, workspace):
    dumps.epic_slowfast(Path("x.pkl"), Source())
    gsmbench("import", "x.pkl", "--out", "x.h5")
    ran = gsmbench("export", "x.h5", "--to", "epic-baseline", "--out", "y.pkl")
    assert "log-probabilities" in ran.err
    row = pickle.loads(Path("y.pkl").read_bytes())[0]
    assert np.allclose(dumps.softmax(row["verb_output"]), read("x.h5").scores["verb"][0, 0], atol=1e-7)


def six_classes(**options):
    scores = np.array([[0, 5, 3, 1, 4, 2], [1, 1, 1, 0, 0, 2], [9, 8, 7, 6, 5, 4]], np.float32)[:, None]
    return clip_scores(scores, ["7", "8", "9"], offsets=(0.5,), names=("a", "b", "c", "d", "e", "f"), **options)


def test_something_v2_has_five_classes_best_first(gsmbench, workspace):
    write("x.h5", six_classes())
    assert gsmbench("export", "x.h5", "--to", "something-v2", "--out", "y.csv").status == 0
    assert Path("y.csv").read_text() == "7;1;4;2;5;3\n8;5;0;1;2;3\n9;0;1;2;3;4\n"


def test_something_v1_names_the_class(gsmbench, workspace):
    write("x.h5", six_classes())
    ran = gsmbench("export", "x.h5", "--to", "something-v1")
    assert Path("x.csv").read_text() == "7;b\n8;f\n9;a\n"
    assert "is down" in ran.err


def test_views_are_averaged_and_a_note_says_so(gsmbench, workspace):
    scores = np.array([[[0, 1, 0, 0, 0, 0], [4, 0, 0, 0, 0, 0]]], np.float32)
    write("x.h5", clip_scores(scores, ["7"], names="abcdef"))
    ran = gsmbench("export", "x.h5", "--to", "something-v1")
    assert "mean over 2 views" in ran.err
    assert Path("x.csv").read_text() == "7;a\n"


def test_what_a_format_cannot_hold_is_refused(gsmbench, workspace):
    content = six_classes(status=[0, 2, 0])
    content.scores["action"][1] = np.nan
    write("x.h5", content)
    ran = gsmbench("export", "x.h5", "--to", "something-v1")
    assert ran.status == 1
    assert "1 videos have no score, first '8'" in ran.err
    assert not Path("x.csv").exists()
    ran = gsmbench("export", "x.h5", "--to", "epic-baseline")
    assert "needs verb and noun scores; the score file has action" in ran.err
    ran = gsmbench("export", "x.h5", "--to", "mmaction2", "--task", "verb")
    assert "no verb scores" in ran.err
    write("y.h5", clip_scores(np.zeros((2, 1, 4)), offsets=(0.5,)))
    assert "the format needs five classes; the scores have 4" in gsmbench("export", "y.h5", "--to", "something-v2").err
    assert "has no class names" in gsmbench("export", "y.h5", "--to", "something-v1").err
    unsorted = clip_scores(np.zeros((2, 1, 5)), offsets=(0.5,), names=("b", "a", "c", "d", "e"))
    write("z.h5", unsorted)
    assert "not in the order of their names" in gsmbench("export", "z.h5", "--to", "something-v2").err


def test_exports_overwrite_only_with_force(gsmbench, workspace):
    write("x.h5", six_classes())
    assert gsmbench("export", "x.h5", "--to", "csv").status == 0
    ran = gsmbench("export", "x.h5", "--to", "csv")
    assert ran.status == 1
    assert "--force" in ran.err
    assert gsmbench("export", "x.h5", "--to", "csv", "--force").status == 0
    assert gsmbench("export", "nothing.h5", "--to", "csv").status == 1


def test_csv_by_hand(gsmbench, workspace):
    write(
        "x.h5", clip_scores(np.array([[[0.5, 0.1]]]), ["v,1"], offsets=(0.5,), kind="probabilities", names=("a", "b"))
    )
    gsmbench("export", "x.h5", "--to", "csv")
    assert Path("x.csv").read_text() == (
        'video_id,clip,crop,flip,offset,action.probabilities.a,action.probabilities.b\n"v,1",0,-1,0,0.5,0.5,0.100000001\n'
    )


def test_npz_by_hand(gsmbench, workspace):
    write("x.h5", six_classes(model="m"))
    gsmbench("export", "x.h5", "--to", "npz")
    with np.load("x.npz") as arrays:
        assert arrays["video_ids"].tolist() == ["7", "8", "9"]
        assert arrays["scores_action"].shape == (3, 1, 6)
        assert arrays["views"].dtype == VIEW_TYPE
        assert str(arrays["kind_action"]) == "logits"
        assert json.loads(str(arrays["provenance"]))["model"] == "m"


@pytest.mark.parametrize("target", ["npz", "csv"])
def test_exports_that_say_clip_ids_are_still_read(target, gsmbench, workspace):
    write("x.h5", six_classes())
    assert gsmbench("export", "x.h5", "--to", target, "--out", "new").status == 0
    if target == "npz":
        with np.load("new") as arrays, Path("old").open("wb") as old:
            np.savez(old, **{"clip_ids" if name == "video_ids" else name: arrays[name] for name in arrays})
    else:
        Path("old").write_text(Path("new").read_text().replace("video_id,", "clip_id,", 1))
    for name in ("new", "old"):
        ran = gsmbench("import", name, "--out", f"{name}.h5")
        assert ran.status == 0, ran.err
        assert content_hash(f"{name}.h5") == content_hash("x.h5")


FORMULAS = (
    "=1+1", "+cmd|' /C calc'!A0", "-3B32lodo2M", "@SUM(A1)", "-0.5", "\t=1", "'=1", "''", "\uff1d1", "-2+3+cmd|'x'!A0", "=",
)  # fmt: skip
"""Ids that a spreadsheet takes for formulas; one of them is a usual id of YouTube."""


@pytest.mark.parametrize("target", ["csv", "npz", "parquet"])
def test_ids_like_formulas_stay_exact_for_programs(target, gsmbench, workspace):
    if target == "parquet":
        pytest.importorskip("pyarrow")
    write("x.h5", clip_scores(RNG.standard_normal((len(FORMULAS), 2, 3)), FORMULAS, names=("=a", "-b", "@c")))
    ran = gsmbench("export", "x.h5", "--to", target, "--out", "x.table")
    assert ran.status == 0, ran.err
    assert ("import that column as text" in ran.err) == (target == "csv")
    assert gsmbench("import", "x.table", "--out", "y.h5").status == 0
    assert read("y.h5").ids == FORMULAS
    assert read("y.h5").class_names == {"action": ("=a", "-b", "@c")}
    assert content_hash("y.h5") == content_hash("x.h5")


def test_ids_like_formulas_stay_exact_for_servers(gsmbench, workspace):
    ids = [name for name in FORMULAS if name.strip() == name]
    scores = np.eye(6, dtype=np.float32)[np.arange(len(ids)) % 6][:, None]
    write("x.h5", clip_scores(scores, ids, offsets=(0.5,), names=("+a", "=b", "@c", "d", "e", "f")))
    assert gsmbench("export", "x.h5", "--to", "something-v2", "--out", "y.csv").status == 0
    assert [line.split(";")[0] for line in Path("y.csv").read_text().splitlines()] == ids
    assert gsmbench("export", "x.h5", "--to", "something-v1", "--out", "z.csv").status == 0
    assert ";=b\n" in Path("z.csv").read_text()


@pytest.mark.parametrize("odd", ["a;b", "a\rb"])
def test_ids_that_would_be_two_fields_of_a_servers_file(odd, gsmbench, workspace):
    scores = np.eye(6, dtype=np.float32)[:2][:, None]
    write("x.h5", clip_scores(scores, [odd, "b"], offsets=(0.5,), names=tuple("abcdef")))
    for target in ("something-v1", "something-v2"):
        ran = gsmbench("export", "x.h5", "--to", target)
        assert ran.status == 1
        assert "separator" in ran.err
    assert not Path("x.csv").exists()
    write("n.h5", clip_scores(scores, ["a", "b"], offsets=(0.5,), names=("a", "b;c", "d", "e", "f", "g")))
    assert "class name" in gsmbench("export", "n.h5", "--to", "something-v1").err
