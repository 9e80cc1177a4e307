"""Hostile and damaged files: each ends in one error or in the right number, soon and in little memory."""

import csv
import json
import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.cases.shell import ATTACK, MEMORY, one_error, shell
from tests.conftest import edited_h5
from tests.submit.conftest import LEVELS, epic, save_epic, submitted_zip  # noqa: F401

SHAPES = [
    "appearing", "approaching", "covering", "disappearing", "moving down", "moving left", "moving right", "moving up",
    "putting in", "receding", "taking out", "turning anticlockwise", "turning clockwise", "uncovering",
]  # fmt: skip
DATASET = """
[datasets.shapes56]
title = "Temporal Shapes, 56 of them"
layout = "list"
classes = 14
class_order = "alphabetical"
frame_pattern = "{id}/{frame:05d}.jpg"
frame_roots = ["frames"]
class_files = ["category.txt"]
data = "shapes"
[datasets.shapes56.splits]
val = { lists = ["val.txt"], groups = "val_clips.csv:event" }
"""


def clip_rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(content.decode("utf-8", "replace").splitlines()))


@pytest.fixture
def shapes(workspace) -> Path:
    """data/shapes with the list of the 56 videos that the attacked score files are of."""
    data = workspace.data / "shapes"
    data.mkdir(parents=True)
    rows = clip_rows((ATTACK / "groups_bytes.csv").read_bytes())
    (data / "val.txt").write_text("".join(f"{row['id']} {row['frames']} {row['class']}\n" for row in rows))
    (data / "category.txt").write_text("\n".join(SHAPES) + "\n")
    return data


@pytest.fixture
def attacked(shapes, workspace):
    """A copy of an attacked file in the workspace."""

    def copy(name: str) -> Path:
        return Path(shutil.copy(ATTACK / name, workspace.root / name))

    return copy


@pytest.fixture
def scored(shapes, attacked, workspace):
    """A sound score file of the 56 videos, its scores those that ext_fit.h5 links to: 87.50."""
    attacked("small_other.h5")
    path = workspace.root / "sound.h5"
    with h5py.File(attacked("ext_fit.h5")) as linked, h5py.File(path, "w") as file:
        for key, value in linked.attrs.items():
            file.attrs[key] = value
        for name in linked:
            if name != "scores":
                linked.copy(name, file)
        file["scores/action"] = linked["scores/action"][()]
        file["scores/action"].attrs["kind"] = "logits"
    for name in ("small_other.h5", "ext_fit.h5"):
        (workspace.root / name).unlink()
    return path


def evaluated(path: Path, shapes: Path, *options: object):
    return shell("evaluate", path, "--data", shapes / "val.txt", "--format", "json", *options, memory=MEMORY)


def best_top1(ran) -> float:
    return json.loads(ran.out)["rows"][-1]["top1"]


# Score files.


def test_the_sound_file(scored, shapes):
    ran = evaluated(scored, shapes)
    assert ran.status == 0, ran.err
    assert best_top1(ran) == pytest.approx(0.875)


@pytest.mark.parametrize("command", ["evaluate", "ensemble", "compare", "export"])
def test_an_external_link(attacked, shapes, command):
    attacked("small_other.h5")
    path = attacked("ext_fit.h5")
    arguments = {
        "evaluate": ["evaluate", path],
        "ensemble": ["ensemble", "--members", path],
        "compare": ["compare", path, f"{path}@2"],
        "export": ["export", path, "--to", "csv"],
    }[command]
    data = [] if command == "export" else ["--data", shapes / "val.txt", "--format", "json"]
    ran = shell(*arguments, *data, memory=MEMORY)
    if ran.status == 0 and command in ("evaluate", "ensemble"):
        assert best_top1(ran) == pytest.approx(0.875)
    else:
        assert "link" in one_error(ran)


@pytest.mark.parametrize("command", ["evaluate", "ensemble", "compare"])
def test_declared_rows_that_the_file_cannot_hold(attacked, shapes, command):
    path = attacked("huge_contig.h5")
    arguments = {
        "evaluate": ["evaluate", path],
        "ensemble": ["ensemble", "--members", path],
        "compare": ["compare", path, path],
    }[command]
    message = one_error(shell(*arguments, memory=MEMORY))
    assert "huge_contig.h5" in message


@pytest.mark.parametrize("command", ["evaluate", "ensemble"])
@pytest.mark.parametrize("name", ["hang.h5", "traceback.h5"])
def test_a_few_bytes_changed(attacked, shapes, name, command):
    path = attacked(name)
    arguments = ["evaluate", path] if command == "evaluate" else ["ensemble", "--members", path]
    assert name in one_error(shell(*arguments, "--data", shapes / "val.txt", memory=MEMORY))


def replaced(file: h5py.File, name: str, **options) -> None:
    """A dataset made anew, of the same shape unless told."""
    shape, kind = file[name].shape, dict(file[name].attrs)
    del file[name]
    made = file.create_dataset(name, **{"shape": shape, "dtype": "<f4", **options})
    made.attrs.update(kind)


def external_link(file):
    with h5py.File("elsewhere.h5", "w") as other:
        other["x"] = file["scores/action"][()][::-1]
        other["x"].attrs["kind"] = "logits"
    del file["scores/action"]
    file["scores/action"] = h5py.ExternalLink("elsewhere.h5", "/x")


def external_ids(file):
    with h5py.File("elsewhere.h5", "w") as other:
        other["x"] = file["clip_ids"][()]
    del file["clip_ids"]
    file["clip_ids"] = h5py.ExternalLink("elsewhere.h5", "/x")


def linked_group(file):
    with h5py.File("elsewhere.h5", "w") as other:
        file.copy("scores", other)
        other["scores/action"][...] = other["scores/action"][()][::-1]
    del file["scores"]
    file["scores"] = h5py.ExternalLink("elsewhere.h5", "/scores")


def raw_storage(file):
    content = file["scores/action"][()][::-1]
    content.tofile("raw.bin")
    replaced(file, "scores/action", external=[("raw.bin", 0, content.nbytes)])


def virtual(file):
    with h5py.File("elsewhere.h5", "w") as other:
        other["x"] = file["scores/action"][()][::-1]
    layout = h5py.VirtualLayout(file["scores/action"].shape, "<f4")
    layout[...] = h5py.VirtualSource("elsewhere.h5", "x", shape=layout.shape)
    del file["scores/action"]
    file.create_virtual_dataset("scores/action", layout).attrs["kind"] = "logits"


def never_written(file):
    replaced(file, "scores/action")


def chunks_missing(file):
    content = file["scores/action"][()]
    replaced(file, "scores/action", chunks=(8, 2, 14))
    file["scores/action"][:40] = content[:40]


def complex_numbers(file):
    replaced(file, "scores/action", dtype="<c8", data=file["scores/action"][()] + 1j)


def text_scores(file):
    replaced(file, "scores/action", dtype="S8", data=file["scores/action"][()].astype("S8"))


def whole_numbers(file):
    replaced(file, "scores/action", dtype="<i4", data=file["scores/action"][()].astype("<i4"))


def records(file):
    replaced(file, "scores/action", dtype=np.dtype([("a", "<f4")]))


def status_3(file):
    file["status"][5] = 3


def status_255(file):
    file["status"][:] = 255


def status_text(file):
    replaced(file, "status", dtype="S1", data=np.full(56, b"0"))


def status_fractions(file):
    replaced(file, "status", dtype="<f4", data=np.full(56, 0.5, "<f4"))


def soft_link_nowhere(file):
    del file["scores/action"]
    file["scores/action"] = h5py.SoftLink("/nowhere")


def soft_link_to_itself(file):
    del file["scores/action"]
    file["scores/action"] = h5py.SoftLink("/scores/action")


def a_group_for_scores(file):
    del file["scores/action"]
    file.create_group("scores/action")


def a_dataset_for_the_group(file):
    del file["scores"]
    file["scores"] = np.zeros(3)


def huge_chunked(file):
    for name, shape in (("scores/action", (2_000_000_000, 2, 14)), ("clip_ids", (2_000_000_000,))):
        kind = file[name].dtype
        replaced(file, name, shape=shape, dtype=kind, chunks=(64, *shape[1:]))
    replaced(file, "status", shape=(2_000_000_000,), dtype="u1", chunks=(64,))


def huge_names(file):
    replaced(file, "classes/action", shape=(14,), dtype="S100000000", chunks=(1,))


def deep_provenance(file):
    file.attrs["provenance"] = '{"a":' * 5000 + "1" + "}" * 5000


def wild_provenance(file):
    file.attrs["provenance"] = '{"params": ' + "9" * 5000 + "}"


def provenance_of_bytes(file):
    file.attrs["provenance"] = np.bytes_(b"\xff\xfe{")


def provenance_of_numbers(file):
    file.attrs["provenance"] = np.arange(5)


def wrong_provenance_types(file):
    provenance = json.loads(file.attrs["provenance"])
    file.attrs["provenance"] = json.dumps({**provenance, "dataset": ["x"], "sampling": "8", "params": "many"})


def views_beyond(file):
    content = file["views"][()]
    content["offset"] = np.inf
    file["views"][...] = content


def unknown_order(file):
    file.attrs["order"] = "random"


def version_of_text(file):
    file.attrs["version"] = "one"


def ids_of_bytes(file):
    file["clip_ids"][3] = b"\xff\xfe"


def ids_of_numbers(file):
    replaced(file, "clip_ids", dtype="<i8", data=np.arange(56))


def ids_with_nul(file):
    content = file["clip_ids"][()]
    kind = h5py.string_dtype("utf-8", 8)
    replaced(file, "clip_ids", dtype=kind, data=np.array([b"2\x000", *content[1:]], dtype=kind))


DAMAGES = [
    external_link, external_ids, linked_group, raw_storage, virtual, never_written, chunks_missing, complex_numbers,
    text_scores, records, status_3, status_255, status_text, status_fractions, soft_link_nowhere, soft_link_to_itself,
    a_group_for_scores, a_dataset_for_the_group, huge_chunked, huge_names, deep_provenance, provenance_of_bytes,
    provenance_of_numbers, wrong_provenance_types, unknown_order, version_of_text, ids_of_bytes, ids_of_numbers,
    ids_with_nul, whole_numbers, wild_provenance, views_beyond,
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_score_file_is_read_as_what_it_is(scored, shapes, damage):
    """Only data of the file's own, all of it there, of real numbers: anything else is refused."""
    with edited_h5(scored) as file:
        damage(file)
    assert "sound.h5" in one_error(evaluated(scored, shapes))


def compressed(file):
    replaced(file, "scores/action", data=file["scores/action"][()], chunks=(8, 2, 14), compression="gzip", shuffle=True)


def float64(file):
    replaced(file, "scores/action", dtype="<f8", data=file["scores/action"][()].astype("<f8"))


def big_endian(file):
    replaced(file, "scores/action", dtype=">f4", data=file["scores/action"][()].astype(">f4"))


def more_objects(file):
    file["notes"] = "of somebody"
    file.create_group("extra")["x"] = np.arange(3)


def names_of_any_length(file):
    content = [text.decode() for text in file["clip_ids"][()]]
    replaced(file, "clip_ids", dtype=h5py.string_dtype(), data=content)


@pytest.mark.parametrize(
    "change", [compressed, float64, big_endian, more_objects, names_of_any_length], ids=lambda change: change.__name__
)
def test_sound_score_files_of_others(scored, shapes, change):
    with edited_h5(scored) as file:
        change(file)
    ran = evaluated(scored, shapes)
    assert ran.status == 0, ran.err
    assert best_top1(ran) == pytest.approx(0.875)


@pytest.mark.parametrize("kept", [0, 1, 7, 8, 100, 512, 2048, 4000, 8000, -1])
def test_a_score_file_cut_short(scored, shapes, kept):
    scored.write_bytes(scored.read_bytes()[:kept])
    assert "sound.h5" in one_error(evaluated(scored, shapes))


def test_flipped_bytes_end_in_one_error_or_the_same_number(scored, shapes, gsmbench):
    """40 flips over the structure of the file: no traceback, no other number."""
    sound = scored.read_bytes()
    rng = np.random.default_rng(11)
    changed = []
    for at in rng.integers(0, len(sound) - 1, 40).tolist():
        scored.write_bytes(sound[:at] + bytes([sound[at] ^ 0x55]) + sound[at + 1 :])
        ran = gsmbench("evaluate", scored, "--data", shapes / "val.txt", "--format", "json")
        if ran.status == 0 and best_top1(ran) != pytest.approx(0.875):
            changed.append(at)
        elif ran.status != 0:
            one_error(ran)
    assert not changed


# Bytes that are no text, NUL, nesting and absurd numbers in text files.


def line_of(content: bytes, part: bytes) -> int:
    return content[: content.index(part)].count(b"\n") + 1


def names_place(message: str, file: str, line: int) -> None:
    assert file in message, message
    assert str(line) in message.replace(file, ""), message


def test_nul_in_an_epic_list(epic, save_epic, gsmbench):  # noqa: F811
    save_epic("epic-100", "test", "mine")
    content = (ATTACK / "epic_nul.csv").read_bytes()
    (epic.data / "epic-100" / "EPIC_100_test_timestamps.csv").write_bytes(content)
    message = one_error(shell("submit", "epic100", *LEVELS, memory=MEMORY))
    names_place(message, "EPIC_100_test_timestamps.csv", line_of(content, b"\0"))


def test_groups_with_a_row_cut_short(scored, shapes, workspace):
    (workspace.manifests / "mine.toml").write_text(DATASET)
    with edited_h5(scored) as file:
        file.attrs["provenance"] = json.dumps({"model": "x", "dataset": "shapes56", "split": "val"})
    content = (ATTACK / "groups_bytes.csv").read_bytes()
    (shapes / "val_clips.csv").write_bytes(content)
    message = one_error(shell("evaluate", scored, memory=MEMORY))
    commas = content.partition(b"\n")[0].count(b",")
    line = next(n for n, row in enumerate(content.split(b"\n"), start=1) if row.count(b",") != commas)
    names_place(message, "val_clips.csv", line)


@pytest.mark.parametrize("arguments", [["submit", "log"], ["submit", "epic100", *LEVELS]], ids=["log", "submit"])
def test_a_ledger_that_is_no_text(epic, save_epic, arguments):  # noqa: F811
    save_epic("epic-100", "test", "mine")
    epic.submissions.mkdir(exist_ok=True)
    content = (ATTACK / "ledger_bytes.jsonl").read_bytes()
    (epic.submissions / "ledger.jsonl").write_bytes(content)
    line = next(n for n, row in enumerate(content.split(b"\n"), start=1) if not row.isascii())
    names_place(one_error(shell(*arguments, memory=MEMORY)), "ledger.jsonl", line)


def test_a_file_is_judged_whatever_the_ledger(submitted_zip, epic, gsmbench):  # noqa: F811
    (epic.submissions / "ledger.jsonl").write_bytes((ATTACK / "ledger_bytes.jsonl").read_bytes())
    ran = shell("check", submitted_zip, memory=MEMORY)
    assert ran.status == 0, ran.err
    assert "would accept it" in ran.out
    assert "Traceback" not in ran.err and "ledger" in ran.err


LINES = {
    "nul": b"\0\0\0\n",
    "latin-1": b'{"event": "written", "file": "\xe9"}\n',
    "nested": b'{"event":' * 5000 + b"\n",
    "list": b"[1, 2]\n",
    "digits": b'{"event": "sent", "score": {"verb": ' + b"9" * 5000 + b"}}\n",
    "huge": b'{"event": "sent", "file": "a", "sha256": "b", "target": "epic-100", "date": "9999999-01-01"}\n',
    "no server": b'{"event": "sent", "file": "a", "sha256": "b", "target": "epic-1", "date": "2026-01-01"}\n',
    "surrogate": b'{"event": "sent", "file": "\\ud800", "sha256": "b", "target": "epic-100", "date": "2026-01-01"}\n',
    "infinite": b'{"event": "sent", "file": "a", "sha256": "b", "target": "epic-100", "date": "2026-01-01", "score": {"v": 1e999}}\n',
    "null": b"null\n",
}  # fmt: skip


@pytest.mark.parametrize("name", LINES)
def test_a_line_of_the_ledger(submitted_zip, epic, gsmbench, name):  # noqa: F811
    """A line that cannot be used is one error that names it; one that can be shown is shown."""
    with (epic.submissions / "ledger.jsonl").open("ab") as file:
        file.write(LINES[name])
    for arguments in (["submit", "log"], ["submit", "log", submitted_zip, "--score", "verb=1"]):
        ran = gsmbench(*arguments)
        if ran.status:
            names_place(one_error(ran), "ledger.jsonl", 2)


TEXTS = {
    "nul": b"\0" * 50,
    "utf-16": 'id,frames\n"x",3\n'.encode("utf-16"),
    "bytes": b"\xff\xfe\xfa\n" * 5,
    "latin-1": b"caf\xe9 3 1\n",
    "empty": b"",
    "one long line": b"a" * 3_000_000,
    "absurd number": b"v0 " + b"9" * 5000 + b" 1\n",
    "negative": b"v0 -5 1\n",
    "nan": b"v0 nan 1\n",
    "quote that never ends": b'"v0 3 1\n' + b"v1 3 1\n" * 20_000,
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_list_that_is_no_list(scored, shapes, name):
    (shapes / "val.txt").write_bytes(TEXTS[name])
    assert "val.txt" in one_error(evaluated(scored, shapes))


@pytest.mark.parametrize("name", ["nul", "utf-16", "bytes", "latin-1", "one long line", "quote that never ends"])
@pytest.mark.parametrize("file", ["EPIC_100_test_timestamps.csv", "EPIC_100_verb_classes.csv"])
def test_an_epic_file_that_is_none(epic, save_epic, gsmbench, file, name):  # noqa: F811
    save_epic("epic-100", "test", "mine")
    (epic.data / "epic-100" / file).write_bytes(TEXTS[name])
    assert file in one_error(gsmbench("submit", "epic100", *LEVELS))


TOML = {
    "nul": b"a = '\0'\n",
    "latin-1": b'title = "caf\xe9"\n',
    "utf-16": "a = 1\n".encode("utf-16"),
    "nested": b"a = " + b"[" * 5000 + b"]" * 5000,
    "digits": b"a = " + b"9" * 5000 + b"\n",
    "infinite": b"[models.x]\nframes = inf\n",
    "dates": b"[models.x]\nframes = 2026-01-01\n",
    "twice": b"[models.x]\n[models.x]\n",
    "like itself": b'[models.x]\nlike = "x"\n',
    "empty name": b'[models.""]\ntitle = "x"\n',
}


@pytest.mark.parametrize("name", TOML)
def test_a_manifest_that_is_none(workspace, gsmbench, name):
    (workspace.manifests / "local.toml").write_bytes(TOML[name])
    ran = gsmbench("models", "show", "x")
    assert "local.toml" in one_error(ran)


# Frame packs, and ids that name places.


def frames_elsewhere(file):
    with h5py.File("elsewhere.h5", "w") as other:
        file.copy("v1", other)
    del file["v1"]
    file["v1"] = h5py.ExternalLink("elsewhere.h5", "/v1")


def frames_by_soft_link(file):
    del file["v1"]
    file["v1"] = h5py.SoftLink("/v0")


def frames_never_written(file):
    kind = file["v1"].dtype
    del file["v1"]
    file.create_dataset("v1", (8,), kind)


@pytest.fixture
def pack(workspace):
    path = workspace.root / "frames.h5"
    with h5py.File(path, "w") as file:
        for name in ("v0", "v1"):
            rows = file.create_dataset(name, (8,), h5py.vlen_dtype(np.uint8))
            for row in range(8):
                rows[row] = np.full(20, row, np.uint8)
    return path


@pytest.mark.parametrize("damage", [frames_elsewhere, frames_by_soft_link, frames_never_written])
def test_a_pack_is_read_as_what_it_is(pack, damage):
    from gsm_bench.errors import FrameError
    from gsm_bench.frames.sources.hdf5 import Hdf5Reader

    with h5py.File(pack, "r+") as file:
        damage(file)
    assert Hdf5Reader(pack, "v0").count() == 8
    with pytest.raises(FrameError, match=r"another place|never written"):
        Hdf5Reader(pack, "v1").count()


def test_a_pack_with_bytes_too_many(pack):
    from gsm_bench.errors import FrameError
    from gsm_bench.frames.sources.hdf5 import Hdf5Reader

    content = pack.read_bytes()
    pack.write_bytes(content[:100] + b"\0" * 8 + content[100:])
    with pytest.raises(FrameError, match="its header states"):
        Hdf5Reader(pack, "v0").count()


@pytest.mark.parametrize("name", ["../secret", "a/../../secret", "/etc", "..", "a\0b"])
def test_ids_never_leave_the_frame_directory(workspace, name):
    from gsm_bench.errors import FrameError
    from gsm_bench.frames.sources.placed import PlacedReaders
    from gsm_bench.manifest import load_manifest
    from gsm_bench.splits import Video

    (workspace.root / "secret").mkdir()
    (workspace.root / "secret" / "00001.jpg").write_bytes(b"x")
    (workspace.root / "frames").mkdir()
    readers = PlacedReaders(load_manifest(workspace).dataset("toy"), workspace.root / "frames")
    for ask in (readers, readers.find, readers.forms):
        with pytest.raises(FrameError, match="leads out of the frame directory"):
            ask(Video(name, 3, 0))


def test_nothing_opens_the_file_that_a_link_names(pack):
    """Asking whether a video is there is enough for h5py to open another file."""
    from gsm_bench.errors import FrameError
    from gsm_bench.frames.sources.hdf5 import Hdf5Reader

    with h5py.File(pack, "r+") as file:
        frames_elsewhere(file)
    Path("elsewhere.h5").unlink()
    os.mkfifo("elsewhere.h5")  # opening it would wait for ever
    with pytest.raises(FrameError, match="another place"):
        Hdf5Reader(pack, "v1").count()
    assert Hdf5Reader(pack, "v0").count() == 8
