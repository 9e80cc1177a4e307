"""A golden file of every layout in FORMATS: recognised from content, and all that it says comes out."""

import json
from dataclasses import fields

import numpy as np
import pytest

from gsm_bench.importers.detect import functions, read_dump
from gsm_bench.importers.dump import ReadOptions
from gsm_bench.importers.formats import FORMATS
from gsm_bench.scorefile import read
from tests.importers import dumps
from tests.importers.dumps import Source, softmax

needs_torch = pytest.mark.usefixtures("torch")


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.fixture
def source():
    return Source()


@pytest.fixture
def imported(gsmbench, workspace):
    """Import files under a name that says nothing; returns the score file and the run."""

    def call(*arguments):
        ran = gsmbench("import", *arguments, "--out", "content.h5", "--format", "json")
        assert ran.status == 0, ran.err
        return read("content.h5"), ran

    return call


ACTION = {
    # writer: layout, views, kind, note
    "gsm": ("gsm", 1, "logits", "mean over the clips"),
    "gsf": ("gsf", 1, "logits", "mean over the clips"),
    "trn": ("trn", 4, "logits", "segments"),
    "tsn_pytorch": ("trn", 4, "logits", "segments"),
    "trn_even": ("trn", 4, "logits", "segments"),
    "mmaction2": ("mmaction2", 1, "probabilities", "each row sums to 1"),
    "mmaction2_dev": ("mmaction2", 1, "probabilities", "each row sums to 1"),
    "mmaction2_old": ("mmaction2-0.x", 1, "probabilities", "each row sums to 1"),
    "pyslowfast": ("pyslowfast", 1, "probabilities", "sums of the softmax of 4 views"),
}


@pytest.mark.parametrize("name", ACTION)
def test_layouts_of_one_task(name, source, imported, workspace):
    layout, views, kind, note = ACTION[name]
    if name in ("mmaction2", "mmaction2_dev", "pyslowfast"):
        pytest.importorskip("torch")
    path = workspace.root / "dump.npz"  # the name says nothing, whatever the content
    getattr(dumps, name)(path, source)
    content, ran = imported(path)
    assert content.provenance.source_format == layout
    assert content.kinds == {"action": kind}
    expected = {"logits": source.logits[:, :views], "probabilities": source.probabilities[:, :1]}[kind]
    if name == "pyslowfast":
        expected = source.probabilities.mean(1, keepdims=True)
    assert np.allclose(content.scores["action"], expected, rtol=1e-6, atol=0 if name != "pyslowfast" else 1e-7)
    if name != "pyslowfast":
        assert np.array_equal(content.scores["action"], expected)
    assert note in ran.err
    assert (content.order, content.ids[0], content.ids[-1]) == ("unverified", "row-00000", "row-00011")
    assert np.isnan(content.views["offset"]).all()
    assert len(content.views) == views
    if name == "mmaction2_old":
        assert not content.labels
    else:
        assert content.labels["action"].tolist() == source.labels.tolist()
        assert "Order unverified" in " ".join(json.loads(ran.out)["notes"])


EPIC = {
    "epic_slowfast": ("epic-arrays", "probabilities"),
    "epic_baseline": ("epic-baseline", "logits"),
    "epic_baseline_arrays": ("epic-arrays", "logits"),
    "mtcn": ("epic-arrays", "logits"),
    "tbn": ("tbn", "logits"),
    "tbn_old": ("tbn", "logits"),
}


@pytest.mark.parametrize("name", EPIC)
def test_layouts_of_verb_and_noun(name, source, imported, workspace):
    layout, kind = EPIC[name]
    getattr(dumps, name)(workspace.root / "dump.pt", source)
    content, _ = imported("dump.pt")
    assert content.provenance.source_format == layout
    assert content.kinds == {"verb": kind, "noun": kind}
    for task, logits in (("verb", source.verb), ("noun", source.noun)):
        if name == "epic_slowfast":
            expected = softmax(logits).mean(1, keepdims=True)
            assert np.allclose(content.scores[task], expected, atol=1e-7)
        else:
            assert np.array_equal(content.scores[task], logits if "tbn" in name else logits[:, :1])
    assert list(content.ids) == (source.ids if name != "tbn_old" else [f"row-{row:05d}" for row in range(12)])
    assert content.order == ("ids" if name != "tbn_old" else "unverified")


@pytest.mark.parametrize(("asked", "writer"), [("mtcn", "mtcn"), ("epic-slowfast", "epic_slowfast")])
def test_layouts_of_the_same_form_may_be_named(asked, writer, source, imported, workspace):
    getattr(dumps, writer)(workspace.root / "dump.pkl", source)
    content, ran = imported("dump.pkl", "--from", asked)
    assert content.provenance.source_format == asked
    assert "format: " in ran.err


@pytest.mark.parametrize("zipped", [True, False])
def test_baseline_dumps_saved_by_torch(torch, zipped, source, imported, workspace):
    rows = [
        {"verb_output": torch.from_numpy(source.verb[at, 0]), "noun_output": torch.from_numpy(source.noun[at, 0]), "narration_id": name}
        for at, name in enumerate(source.ids)
    ]  # fmt: skip
    torch.save(rows, workspace.root / "dump.pt", _use_new_zipfile_serialization=zipped)
    content, _ = imported("dump.pt", "--from", "epic-baseline")
    assert np.array_equal(content.scores["noun"], source.noun[:, :1])
    assert list(content.ids) == source.ids


def test_videomae_files_of_all_processes(source, imported, workspace):
    folder = workspace.root / "ranks"
    folder.mkdir()
    dumps.videomae(folder, source)
    content, ran = imported("ranks")
    order = [source.ids.index(name) for name in content.ids]
    assert sorted(order) == list(range(12))
    assert np.array_equal(content.scores["action"], source.logits[order])
    assert content.labels["action"].tolist() == source.labels[order].tolist()
    assert content.kinds == {"action": "logits"}
    assert content.views[["clip", "crop"]].tolist() == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert "4 views occurred twice" in ran.err
    assert json.loads(ran.out)["rows"][0]["frames"] == "?x2x2"
    assert content.order == "ids"


def test_videomae_with_a_process_missing(source, gsmbench, workspace):
    dumps.videomae(workspace.root, source)
    lines = (workspace.root / "0.txt").read_text().splitlines(keepends=True)
    (workspace.root / "0.txt").write_text("".join(lines[:-1]))
    ran = gsmbench("import", "0.txt", "1.txt")
    assert ran.status == 1
    assert "do not have all 4 views" in ran.err
    assert "files of all processes" in ran.err
    (workspace.root / "0.txt").write_text("".join(lines)[:-30])
    ran = gsmbench("import", "0.txt", "1.txt")
    assert "line 25" in ran.err
    assert "cut short" in ran.err


def test_tdn_files_of_all_clips_and_crops(source, imported, workspace):
    folder = workspace.root / "result"
    folder.mkdir()
    dumps.tdn(folder, source)
    content, _ = imported("result")
    assert content.provenance.source_format == "tdn"
    assert np.array_equal(content.scores["action"], source.logits)
    assert content.views[["clip", "crop"]].tolist() == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert len(content.provenance.source_sha256) == 4
    single, _ = imported("result/1_crop0.pkl", "--force")
    assert np.array_equal(single.scores["action"], source.logits[:, 2:3])


def test_files_that_do_not_belong_together(source, gsmbench, workspace):
    dumps.mmaction2_old(workspace.root / "a.pkl", source)
    ran = gsmbench("import", "a.pkl", "a.pkl")
    assert "a test run is one file, 2 were given" in ran.err
    dumps.tdn(workspace.root, source)
    dumps.dump(workspace.root / "2_crop0.pkl", [[np.zeros((1, 6), "f4"), 1]] * 12)
    ran = gsmbench("import", "0_crop0.pkl", "2_crop0.pkl")
    assert "unlike videos or labels" in ran.err
    ran = gsmbench("import", "a.pkl", "--from", "videomae")
    assert "it holds a list of 12, the first an array float32 of shape (6,)" in ran.err


TABLES = {
    "names.csv": "id,label,ape,bee,cat\nv1,0,0.5,0.25,0.25\nv2,2,0.1,0.2,0.7\n",
    "semicolons.csv": "video_id;ape;bee;cat\nv1;0.5;0.25;0.25\nv2;0.1;0.2;0.7\n",
    "bare.csv": "v1,0.5,0.25,0.25\nv2,0.1,0.2,0.7\n",
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_anybody(name, imported, workspace):
    (workspace.root / name).write_text(TABLES[name])
    content, _ = imported(name)
    assert content.ids == ("v1", "v2")
    assert np.array_equal(content.scores["action"][:, 0], np.array([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]], np.float32))
    assert content.class_names.get("action") == (("ape", "bee", "cat") if name != "bare.csv" else None)
    assert content.kinds["action"] == "probabilities"
    assert (content.labels["action"].tolist() if content.labels else None) == ([0, 2] if name == "names.csv" else None)


def test_arrays_of_anybody(source, imported, workspace):
    np.savez("x.npz", ids=np.array(source.ids), logits=source.logits[:, 0], labels=source.labels)
    content, _ = imported("x.npz")
    assert list(content.ids) == source.ids
    assert np.array_equal(content.scores["action"], source.logits[:, :1])


def test_parquet_with_a_column_of_arrays(source, imported, workspace):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"id": source.ids, "scores": list(source.logits[:, 0])}), "x.parquet")
    content, _ = imported("x.parquet")
    assert list(content.ids) == source.ids
    assert np.array_equal(content.scores["action"], source.logits[:, :1])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("id,a,b\nv1,0.5,0.5\nv2,0.5\n", "row 3"),
        ("id,a,b\nv1,0.5,0.5\nv1,0.4,0.6\n", "Duplicate id 'v1'"),
        ("id,a,b\nv1,0.5,x\n", "'x' in row 2 of column 'b' is text"),
        ("clip_id,clip,crop,flip,offset,a,b\nv1,0,0,0,nan,1,2\nv1,1,0,0,nan,1,2\nv2,0,0,0,nan,1,2\n", "make 4 rows"),
    ],
)
def test_broken_tables(content, says, gsmbench, workspace):
    (workspace.root / "x.csv").write_text(content)
    ran = gsmbench("import", "x.csv")
    assert ran.status == 1
    assert says in ran.err


def test_ids_in_the_meta_data_are_used(source, torch, workspace):
    rows = [
        {"pred_score": row[0], "frame_dir": f"data/x/{name}"}
        for row, name in zip(source.probabilities, source.ids, strict=True)
    ]
    dumps.dump(workspace.root / "x.pkl", rows)
    dump, _ = read_dump([workspace.root / "x.pkl"])
    assert list(dump.ids) == source.ids


def test_the_command_line_offers_every_target():
    from gsm_bench.cli.export import TARGETS as OFFERED
    from gsm_bench.exporters.export import TARGETS

    assert set(OFFERED) == set(TARGETS)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_names_its_functions(name):
    fits, read = functions(FORMATS[name])
    assert callable(fits)
    assert callable(read)
    assert set(FORMATS[name].options) <= {field.name for field in fields(ReadOptions)}


def test_an_option_without_use_is_refused(source, gsmbench, workspace):
    dumps.gsf(workspace.root / "x.npz", source)
    for option in ("--head", "--skip-columns", "--id-column", "--label-column"):
        ran = gsmbench("import", "x.npz", option, "rgb")
        assert ran.status == 1
        assert f"{option} does not apply to the GSF release" in ran.err


@pytest.mark.parametrize("form", ["list", "dict", "lists", "labels (N, 1)", "float labels", "views", "multi-hot"])
def test_pairs_of_predictions_and_labels(form, source, imported, workspace):
    preds, labels = source.probabilities.sum(1), source.labels
    hot = np.eye(6)[labels] + np.eye(6)[(labels + 1) % 6]
    pair = {
        "list": [preds, labels], "dict": {"video_preds": preds, "video_labels": labels},
        "lists": [preds.tolist(), labels.tolist()], "labels (N, 1)": [preds, labels[:, None]],
        "float labels": [preds, labels.astype("f4")], "views": [source.probabilities, labels], "multi-hot": [preds, hot],
    }[form]  # fmt: skip
    dumps.dump(workspace.root / "dump.pkl", pair)
    content, ran = imported("dump.pkl")
    assert content.provenance.source_format == "pyslowfast"
    assert np.allclose(content.scores["action"].mean(1), source.probabilities.mean(1), atol=1e-7)
    if form == "multi-hot":
        assert not content.labels
        assert "several labels per video" in ran.err
    else:
        assert content.labels["action"].tolist() == labels.tolist()


@pytest.mark.parametrize("count", [2, 3])
def test_outputs_of_all_videos_are_no_list_of_videos(count, source, gsmbench, workspace):
    """A list of arrays (N, C) is not a few videos with N views each."""
    dumps.dump(workspace.root / "dump.pkl", [source.logits[:, 0]] * count)
    assert "the axes may be in another order" in gsmbench("import", "dump.pkl").err
    np.save("dump.npy", np.stack([source.logits[:, 0]] * count))
    assert "the axes may be in another order" in gsmbench("import", "dump.npy").err


LABELS = {
    "float": lambda label: float(label),
    "array of floats": lambda label: np.array([label], "f4"),
    "no axes": lambda label: np.array(label),
    "list": lambda label: [int(label)],
    "unknown": lambda label: int(label) if label else None,
}


@pytest.mark.parametrize("name", LABELS)
def test_labels_of_mmaction2(name, source, imported, workspace):
    rows = [
        {"pred_score": row[0], "gt_label": LABELS[name](label)}
        for row, label in zip(source.logits, source.labels, strict=True)
    ]
    dumps.dump(workspace.root / "dump.pkl", rows)
    content, _ = imported("dump.pkl")
    expected = np.where(source.labels, source.labels, -1) if name == "unknown" else source.labels
    assert content.labels["action"].tolist() == expected.tolist()
