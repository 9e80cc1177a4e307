"""Checksums of score files: no change of a byte gives another number without a word."""

import json
import shutil
import zlib

import h5py
import numpy as np
import pytest

import gsm_bench as gb
from gsm_bench import score_writer, scorefile
from gsm_bench.checksums import LAST_LINE
from gsm_bench.cli import main
from gsm_bench.errors import ScoreFileError
from gsm_bench.score_head import FEATURE_KIND, FEATURES, ScoreHead
from gsm_bench.scorefile import ScoreFile, create, open_scores, read, write
from gsm_bench.workspace import shipped_manifests
from tests.conftest import clip_scores, edited_h5


def several_tasks(path):
    rng = np.random.default_rng(0)
    head = clip_scores(rng.standard_normal((40, 2, 5)), model="m")
    kinds, classes = {"verb": "logits", "noun": "probabilities"}, {"verb": 5, "noun": 7}
    scores = {task: rng.standard_normal((40, 2, count)).astype(np.float32) for task, count in classes.items()}
    fields = vars(head) | {
        "kinds": kinds,
        "classes_per_task": classes,
        "scores": scores,
        "labels": {},
        "class_names": {},
    }
    write(path, scorefile.ClipScores(**fields))


def one_task(path):
    write(path, clip_scores(np.random.default_rng(1).standard_normal((40, 2, 5)), names=list("abcde"), model="m"))


def on_disk(path, monkeypatch):
    """As large files are written: not built in memory."""
    monkeypatch.setattr(score_writer, "MOST_IN_MEMORY", 0)
    one_task(path)


def main_status(*arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code or 0


def text_of(path):
    content = path.read_bytes()
    size = int(content[-LAST_LINE:].split()[1])
    return content[-size:], json.loads(content[-size:-LAST_LINE])


def large(path, rows=5000):
    write(
        path,
        clip_scores(np.random.default_rng(2).standard_normal((rows, 2, 50)), ids=[f"v{row}" for row in range(rows)]),
    )
    return path


def flip(path, at, bit=0):
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1 << bit]))


def fused(path):
    """As ``ensemble`` writes them."""
    for name in ("m.h5", "n.h5"):
        one_task(path.with_name(name))
    members = f"{path.with_name('m.h5')},{path.with_name('n.h5')}"
    assert main_status("ensemble", "--members", members, "--weights", "1,2", "--out", path) == 0


def imported(path):
    """As ``import`` writes them: averaged views, labels of the dump."""
    scores = np.random.default_rng(4).standard_normal((30, 6)).astype(np.float32)
    np.savez(path.with_name("x.npz"), ids=[f"v{row}" for row in range(30)], scores=scores, labels=np.arange(30) % 6)
    assert main_status("import", path.with_name("x.npz"), "--out", path) == 0


@pytest.mark.parametrize("make", [one_task, several_tasks, fused, imported])
def test_no_flipped_bit_gives_another_number(tmp_path, make):
    path, rng = tmp_path / "a.h5", np.random.default_rng(3)
    make(path)
    sound = read(path)
    refused = 0
    for at in rng.integers(0, path.stat().st_size, 250):
        bit = int(rng.integers(8))
        flip(path, int(at), bit)
        try:
            content = read(path)
        except ScoreFileError:
            refused += 1
        else:
            pytest.fail(f"byte {at}, bit {bit} flipped: {content == sound}")
        flip(path, int(at), bit)
    assert refused == 250
    assert np.array_equal(read(path).status, sound.status)


def test_anybody_can_compute_the_checksums(tmp_path):
    path = tmp_path / "a.h5"
    one_task(path)
    content, (text, stored) = path.read_bytes(), text_of(path)
    rows = stored["rows"]["action"]
    start, stop = rows["start"], rows["start"] + rows["rows"] * rows["row_bytes"]
    assert rows["block_rows"] >= 40
    assert rows["crc32"] == f"{zlib.crc32(content[start:stop]):08x}"
    rest = content[:start] + content[stop : len(content) - len(text)]
    assert stored["rest"] == f"{zlib.crc32(rest):08x}"
    with h5py.File(path) as file:
        assert file["checksums"][()] == text
        assert np.array_equal(file["scores/action"][()].tobytes(), content[start:stop])


def test_files_written_in_pieces_and_out_of_order_have_them(tmp_path, monkeypatch):
    monkeypatch.setattr(score_writer, "MOST_IN_MEMORY", 0)
    scores = np.random.default_rng(0).standard_normal((3000, 2, 40)).astype(np.float32)
    head = clip_scores(scores, ids=[f"v{row}" for row in range(3000)])
    with create(tmp_path / "a.h5", head) as datasets:
        for start in (2000, 0, 1000):
            datasets["action"][start : start + 1000] = scores[start : start + 1000]
        datasets["action"][[3, 700, 2999]] = scores[[3, 700, 2999]]
    with open_scores(tmp_path / "a.h5") as file:
        assert file.covered == "everything"
        assert file.damaged_rows("action") == []
        assert np.array_equal(file.block("action", 0, 3000), scores)


def test_small_and_large_files_are_equal(tmp_path, monkeypatch):
    one_task(tmp_path / "memory.h5")
    on_disk(tmp_path / "disk.h5", monkeypatch)
    for name in ("memory.h5", "disk.h5"):
        with open_scores(tmp_path / name) as file:
            assert file.covered == "everything"
            assert file.damaged_rows("action") == []


def test_only_the_rows_that_are_read_are_compared(tmp_path):
    path = large(tmp_path / "a.h5")
    _, stored = text_of(path)
    rows = stored["rows"]["action"]
    assert rows["block_rows"] == 1024
    flip(path, rows["start"] + 3000 * rows["row_bytes"])
    with ScoreFile.open(path) as file:
        assert len(file.block("action", 0, 2048)) == 2048
        assert len(file.rows("action", np.array([4999, 3, 1700]))) == 3
        message = "action scores of rows 2048 to 3071 \\('v2048' to 'v3071'\\) do not match their checksum"
        for rows in (slice(3000, 3001), slice(2048, 2049), slice(1000, 5000)):
            with pytest.raises(ScoreFileError, match=message) as refused:
                file.block("action", rows.start, rows.stop)
        assert "copy it again, or run the command again with --fresh" in str(refused.value)
        with pytest.raises(ScoreFileError, match=message):
            file.rows("action", np.array([3001, 2, 4000]))
        with pytest.raises(ScoreFileError, match=message):
            file.rows("action", np.arange(2900, 3100))
        assert file.damaged_rows("action") == [(2048, 3071)]


def test_blocks_are_the_same_however_they_are_asked_for(tmp_path):
    path = large(tmp_path / "a.h5")
    sound = read(path).scores["action"]
    rng = np.random.default_rng(0)
    with ScoreFile.open(path) as file:
        for _ in range(60):
            start, stop = sorted(rng.integers(0, 5200, 2).tolist())
            assert np.array_equal(file.block("action", start, stop), sound[start:stop])
            rows = rng.integers(0, 5000, int(rng.integers(1, 40)))
            assert np.array_equal(file.rows("action", rows), sound[rows])


def test_a_copy_keeps_them(tmp_path):
    path = large(tmp_path / "a.h5")
    shutil.copy(path, tmp_path / "b.h5")
    with ScoreFile.open(tmp_path / "b.h5") as file:
        file.save(tmp_path / "c.h5")
    with ScoreFile.open(tmp_path / "c.h5") as file:
        assert (file.covered, file.damaged_rows("action")) == ("everything", [])


def test_a_file_without_checksums_is_read(tmp_path):
    path = tmp_path / "a.h5"
    one_task(path)
    with edited_h5(path):
        pass
    with open_scores(path) as file:
        assert file.covered == "nothing"
        assert file.damaged_rows("action") == []
        assert file.block("action", 0, 40).shape == (40, 2, 5)


def test_what_others_add_to_a_file_is_no_damage(tmp_path):
    path = large(tmp_path / "a.h5")
    sound = read(path).scores["action"]
    with h5py.File(path, "r+") as file:
        file["my_notes"] = np.arange(5000)
    with open_scores(path) as file:
        assert file.covered == "scores"
        assert np.array_equal(file.block("action", 0, 5000), sound)
    with h5py.File(path, "r+") as file:
        file["scores/action"][4000, 0, 0] += 1
        file["more"] = np.arange(5000)
    with open_scores(path) as file, pytest.raises(ScoreFileError, match="rows 3072 to 4095"):
        file.block("action", 4000, 4001)


def replaced(path, scores, **layout):
    """The scores of a file, written again by another program."""
    with h5py.File(path, "r+") as file:
        kind = file["scores/action"].attrs["kind"]
        del file["scores/action"]
        file.create_dataset("more" if "more" not in file else "most", data=np.arange(5000))  # the file becomes longer
        file.create_dataset("scores/action", data=scores, **layout).attrs["kind"] = kind


@pytest.mark.parametrize("layout", [{}, {"chunks": (64, 2, 50)}, {"dtype": ">f4"}])
def test_scores_that_were_stored_again_in_another_layout_are_compared(tmp_path, layout):
    path = large(tmp_path / "a.h5")
    scores = read(path).scores["action"].copy()
    replaced(path, scores, **layout)
    assert gb.check(path).covered == "scores"
    with open_scores(path) as file:
        assert np.array_equal(file.block("action", 900, 4000), scores[900:4000])
        assert file.blocks_compared("action") == 4
    scores[1500, 0, 0] += 1
    replaced(path, scores, **layout)
    with open_scores(path) as file:
        file.block("action", 0, 1024)
        for rows in (np.array([1, 1500]), np.arange(0, 5000, 7), np.array([1030, 4999])):
            with pytest.raises(ScoreFileError, match="rows 1024 to 2047"):
                file.rows("action", rows)
        assert file.damaged_rows("action") == [(1024, 2047)]


def test_scores_of_other_numbers_than_those_with_checksums_are_not_called_compared(tmp_path):
    path = large(tmp_path / "a.h5")
    scores = read(path).scores["action"].copy()
    replaced(path, scores, dtype=np.float64)
    result = gb.check(path)
    assert (result.covered, result.rows[0]["blocks"]) == ("nothing", 0)
    assert np.array_equal(read(path).scores["action"], scores)


def test_scores_changed_in_place_are_refused(tmp_path):
    path = tmp_path / "a.h5"
    one_task(path)
    with h5py.File(path, "r+") as file:
        file["status"][3] = 2
    with pytest.raises(ScoreFileError, match="something beside its scores does not match its checksum"):
        read(path)


@pytest.mark.parametrize("rows", [0, 1])
def test_files_of_few_rows_have_them(tmp_path, rows):
    write(tmp_path / "a.h5", clip_scores(np.ones((rows, 2, 3))))
    with open_scores(tmp_path / "a.h5") as file:
        assert file.covered == "everything"
        assert file.block("action", 0, 9).shape == (rows, 2, 3)


def test_a_closed_file_gives_no_scores(tmp_path):
    path = large(tmp_path / "a.h5")
    file = ScoreFile.open(path)
    file.block("action", 0, 5000)
    file.close()
    with pytest.raises(ValueError, match="closed"):
        file.block("action", 0, 5000)


def test_check_compares_everything(tmp_path):
    path = large(tmp_path / "a.h5")
    result = gb.check(path)
    assert result.passes
    assert result.covered == "everything"
    assert result.rows == [{"scores": "action", "videos": 5000, "views": 2, "classes": 50, "blocks": 5}]
    assert "all checksums match" in str(result)
    rows = text_of(path)[1]["rows"]["action"]
    for row in (10, 4999):
        flip(path, rows["start"] + row * rows["row_bytes"])
    message = "action scores of rows 0 to 1023, action scores of rows 4096 to 4999 do not match"
    with pytest.raises(ScoreFileError, match=message):
        gb.check(path)


def test_check_says_that_a_file_has_no_checksums(tmp_path):
    path = tmp_path / "a.h5"
    one_task(path)
    with edited_h5(path):
        pass
    result = gb.check(path)
    assert result.passes
    assert result.covered == "nothing"
    assert "no checksums" in str(result)


def test_evaluate_and_ensemble_name_files_without_checksums(tmp_path, gsmbench, workspace, save_scores, toy_labels):
    scores = np.random.default_rng(5).standard_normal((len(toy_labels), 2, 5))
    for name in ("a", "b"):
        save_scores(name, scores)
    old = workspace.scores / "toy" / "val" / "b.h5"
    for arguments in (["evaluate", old], ["ensemble", "--members", f"{old.with_name('a.h5')},{old}"]):
        assert "no checksums" not in gsmbench(*arguments).err
    with edited_h5(old):
        pass
    for arguments in (["evaluate", old], ["ensemble", "--members", f"{old.with_name('a.h5')},{old}"]):
        ran = gsmbench(*arguments)
        assert ran.err.count("no checksums in b.h5: damage of these scores could not be seen") == 1


def test_shipped_score_files_have_checksums():
    files = sorted((shipped_manifests() / "shapes" / "scores").rglob("*.h5"))
    assert [gb.check(path).covered for path in files] == ["everything"] * 8


def test_feature_files_are_checked(tmp_path):
    path = tmp_path / "f.h5"
    content = clip_scores(np.random.default_rng(6).standard_normal((40, 1, 5)))
    fields = vars(content) | {"kinds": {"pool": FEATURE_KIND}, "classes_per_task": {"pool": 5}}
    head = ScoreHead(**{key: value for key, value in fields.items() if key != "scores"})
    with create(path, head, form=FEATURES) as datasets:
        datasets["pool"][:] = content.scores["action"]
    assert gb.check(path).covered == "everything"
    start = text_of(path)[1]["rows"]["pool"]["start"]
    flip(path, start)
    with pytest.raises(
        ScoreFileError, match="this feature file is damaged: pool features of rows 0 to 39 do not match"
    ):
        gb.check(path)


def test_check_on_the_command_line(tmp_path):
    path = large(tmp_path / "a.h5")
    assert main_status("check", path) == 0
    flip(path, text_of(path)[1]["rows"]["action"]["start"])
    assert main_status("check", path) == 1
    assert main_status("check", tmp_path / "missing.h5") == 1


def test_parquet_pages_have_checksums(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    one_task(tmp_path / "a.h5")
    assert main_status("export", tmp_path / "a.h5", "--to", "parquet", "--out", tmp_path / "a.parquet") == 0
    column = parquet.ParquetFile(tmp_path / "a.parquet").metadata.row_group(0).column(6)
    flip(tmp_path / "a.parquet", column.data_page_offset + column.total_compressed_size - 3)
    assert main_status("import", tmp_path / "a.parquet", "--out", tmp_path / "b.h5") == 1


def test_damaged_names_of_parquet_columns_are_refused(tmp_path, capsys):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    one_task(tmp_path / "a.h5")
    path, name = tmp_path / "a.parquet", b"action.logits.c"
    assert main_status("export", tmp_path / "a.h5", "--to", "parquet", "--out", path) == 0
    sound = path.read_bytes()
    places = [at for at in range(len(sound)) if sound.startswith(name, at)]
    assert len(places) > 1
    for at in places:
        flip(path, at + len(name) - 2, 6)
        assert main_status("import", path, "--out", tmp_path / "b.h5", "--force") in (0, 1)
        if (tmp_path / "b.h5").exists():
            assert np.array_equal(read(tmp_path / "b.h5").scores["action"], read(tmp_path / "a.h5").scores["action"])
            (tmp_path / "b.h5").unlink()
        path.write_bytes(sound)
    assert "is not one of those that were written" in capsys.readouterr().err
