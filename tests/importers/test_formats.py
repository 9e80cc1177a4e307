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
from tests.importers.dumps import Made, softmax

needs_torch = pytest.mark.usefixtures("torch")


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.fixture
def made():
    return Made()


@pytest.fixture
def imported(gsmbench, workspace):
    """Import files under a name that says nothing; returns the score file and what was said."""

    def call(*arguments):
        ran = gsmbench("import", *arguments, "--out", "found.h5", "--format", "json")
        assert ran.status == 0, ran.err
        return read("found.h5"), ran

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
def test_layouts_of_one_task(name, made, imported, workspace):
    layout, views, kind, note = ACTION[name]
    if name in ("mmaction2", "mmaction2_dev", "pyslowfast"):
        pytest.importorskip("torch")
    path = workspace.root / "dump.npz"  # the name says nothing, whatever the content
    getattr(dumps, name)(path, made)
    found, ran = imported(path)
    assert found.provenance.source_format == layout
    assert found.kinds == {"action": kind}
    wanted = {"logits": made.logits[:, :views], "probabilities": made.probabilities[:, :1]}[kind]
    if name == "pyslowfast":
        wanted = made.probabilities.mean(1, keepdims=True)
    assert np.allclose(found.scores["action"], wanted, rtol=1e-6, atol=0 if name != "pyslowfast" else 1e-7)
    if name != "pyslowfast":
        assert np.array_equal(found.scores["action"], wanted)
    assert note in ran.err
    assert (found.order, found.ids[0], found.ids[-1]) == ("unverified", "row-00000", "row-00011")
    assert np.isnan(found.views["offset"]).all()
    assert len(found.views) == views
    if name == "mmaction2_old":
        assert not found.labels
    else:
        assert found.labels["action"].tolist() == made.labels.tolist()
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
def test_layouts_of_verb_and_noun(name, made, imported, workspace):
    layout, kind = EPIC[name]
    getattr(dumps, name)(workspace.root / "dump.pt", made)
    found, _ = imported("dump.pt")
    assert found.provenance.source_format == layout
    assert found.kinds == {"verb": kind, "noun": kind}
    for task, logits in (("verb", made.verb), ("noun", made.noun)):
        if name == "epic_slowfast":
            wanted = softmax(logits).mean(1, keepdims=True)
            assert np.allclose(found.scores[task], wanted, atol=1e-7)
        else:
            assert np.array_equal(found.scores[task], logits if "tbn" in name else logits[:, :1])
    assert list(found.ids) == (made.ids if name != "tbn_old" else [f"row-{row:05d}" for row in range(12)])
    assert found.order == ("ids" if name != "tbn_old" else "unverified")


@pytest.mark.parametrize(("asked", "writer"), [("mtcn", "mtcn"), ("epic-slowfast", "epic_slowfast")])
def test_layouts_of_the_same_form_may_be_named(asked, writer, made, imported, workspace):
    getattr(dumps, writer)(workspace.root / "dump.pkl", made)
    found, ran = imported("dump.pkl", "--from", asked)
    assert found.provenance.source_format == asked
    assert "format: " in ran.err


@pytest.mark.parametrize("zipped", [True, False])
def test_baseline_dumps_saved_by_torch(torch, zipped, made, imported, workspace):
    rows = [
        {"verb_output": torch.from_numpy(made.verb[at, 0]), "noun_output": torch.from_numpy(made.noun[at, 0]), "narration_id": name}
        for at, name in enumerate(made.ids)
    ]  # fmt: skip
    torch.save(rows, workspace.root / "dump.pt", _use_new_zipfile_serialization=zipped)
    found, _ = imported("dump.pt", "--from", "epic-baseline")
    assert np.array_equal(found.scores["noun"], made.noun[:, :1])
    assert list(found.ids) == made.ids


def test_videomae_files_of_all_processes(made, imported, workspace):
    folder = workspace.root / "ranks"
    folder.mkdir()
    dumps.videomae(folder, made)
    found, ran = imported("ranks")
    order = [made.ids.index(name) for name in found.ids]
    assert sorted(order) == list(range(12))
    assert np.array_equal(found.scores["action"], made.logits[order])
    assert found.labels["action"].tolist() == made.labels[order].tolist()
    assert found.kinds == {"action": "logits"}
    assert found.views[["clip", "crop"]].tolist() == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert "4 views stood twice" in ran.err
    assert json.loads(ran.out)["rows"][0]["frames"] == "?x2x2"
    assert found.order == "ids"


def test_videomae_with_a_process_missing(made, gsmbench, workspace):
    dumps.videomae(workspace.root, made)
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


def test_tdn_files_of_all_clips_and_crops(made, imported, workspace):
    folder = workspace.root / "result"
    folder.mkdir()
    dumps.tdn(folder, made)
    found, _ = imported("result")
    assert found.provenance.source_format == "tdn"
    assert np.array_equal(found.scores["action"], made.logits)
    assert found.views[["clip", "crop"]].tolist() == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert len(found.provenance.source_sha256) == 4
    single, _ = imported("result/1_crop0.pkl", "--force")
    assert np.array_equal(single.scores["action"], made.logits[:, 2:3])


def test_files_that_do_not_belong_together(made, gsmbench, workspace):
    dumps.mmaction2_old(workspace.root / "a.pkl", made)
    ran = gsmbench("import", "a.pkl", "a.pkl")
    assert "a test run is one file, 2 were given" in ran.err
    dumps.tdn(workspace.root, made)
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
    found, _ = imported(name)
    assert found.ids == ("v1", "v2")
    assert np.array_equal(found.scores["action"][:, 0], np.array([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]], np.float32))
    assert found.class_names.get("action") == (("ape", "bee", "cat") if name != "bare.csv" else None)
    assert found.kinds["action"] == "probabilities"
    assert (found.labels["action"].tolist() if found.labels else None) == ([0, 2] if name == "names.csv" else None)


def test_arrays_of_anybody(made, imported, workspace):
    np.savez("x.npz", ids=np.array(made.ids), logits=made.logits[:, 0], labels=made.labels)
    found, _ = imported("x.npz")
    assert list(found.ids) == made.ids
    assert np.array_equal(found.scores["action"], made.logits[:, :1])


def test_parquet_with_a_column_of_arrays(made, imported, workspace):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"id": made.ids, "scores": list(made.logits[:, 0])}), "x.parquet")
    found, _ = imported("x.parquet")
    assert list(found.ids) == made.ids
    assert np.array_equal(found.scores["action"], made.logits[:, :1])


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


def test_ids_in_the_meta_data_are_used(made, torch, workspace):
    rows = [
        {"pred_score": row[0], "frame_dir": f"data/x/{name}"}
        for row, name in zip(made.probabilities, made.ids, strict=True)
    ]
    dumps.dump(workspace.root / "x.pkl", rows)
    dump, _ = read_dump([workspace.root / "x.pkl"])
    assert list(dump.ids) == made.ids


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


def test_an_option_without_use_is_refused(made, gsmbench, workspace):
    dumps.gsf(workspace.root / "x.npz", made)
    for option in ("--head", "--skip-columns", "--id-column", "--label-column"):
        ran = gsmbench("import", "x.npz", option, "rgb")
        assert ran.status == 1
        assert f"{option} does not apply to the GSF release" in ran.err
