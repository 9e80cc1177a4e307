import dataclasses
import json

import h5py
import numpy as np
import pytest

from gsm_bench import scorefile
from gsm_bench.errors import ScoreFileError
from gsm_bench.scorefile import content_hash, open_scores, read, views_array, write
from tests.conftest import clip_scores, edited_h5


def some(clips=7, views=2, classes=3):
    return np.random.default_rng(0).standard_normal((clips, views, classes))


def test_round_trip(tmp_path):
    content = clip_scores(some(), ids=["ä", "b c", *"cdefg"], names=["x", "y", "z"], model="m", started="then")
    write(tmp_path / "a.h5", content)
    found = read(tmp_path / "a.h5")
    assert found.ids == content.ids
    assert found.class_names == {"action": ("x", "y", "z")}
    assert found.kinds == {"action": "logits"}
    assert np.array_equal(found.scores["action"], content.scores["action"])
    assert np.array_equal(found.views, content.views)
    assert found.provenance.model == "m"
    assert found.provenance.batch is None  # null where nothing is known
    assert found.order == "ids"


def test_layout_is_the_contract(tmp_path):
    write(tmp_path / "a.h5", clip_scores(some()))
    with h5py.File(tmp_path / "a.h5") as file:
        assert file.attrs["format"] == "gsm_bench.scores"
        assert file.attrs["version"] == 2
        assert set(json.loads(file.attrs["provenance"])) >= {
            "signature",
            "split_sha256",
            "macs_paper_per_view",
            "uncounted",
        }
        assert file["scores/action"].dtype == np.float32
        assert file["scores/action"].attrs["kind"] == "logits"
        assert file["views"].dtype.names == ("clip", "crop", "flip", "offset")
        assert h5py.check_string_dtype(file["video_ids"].dtype).encoding == "utf-8"
        assert file["status"].dtype == np.uint8


def test_version_1_is_read(tmp_path):
    """It called the ids ``clip_ids`` and two keys of the provenance otherwise."""
    content = clip_scores(some(), status=[0, 2] + [0] * (len(some()) - 2), batch_halvings={"4": 1})
    content = dataclasses.replace(content, problems={content.ids[1]: "no frames"})
    path = tmp_path / "a.h5"
    write(path, content)
    with edited_h5(path) as file:
        file.attrs["version"] = 1
        file.move("video_ids", "clip_ids")
        file.move("problems/video_ids", "problems/clip_ids")
        file.attrs["provenance"] = file.attrs["provenance"].replace("batch_halvings", "halved")
    found = read(path)
    assert list(found.ids) == list(content.ids)
    assert found.problems == content.problems
    assert found.provenance.batch_halvings == {"4": 1}


def test_views_of_crops():
    views = views_array((0.0, 0.5), 10)
    assert len(views) == 20
    assert views["crop"].tolist()[:10] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert views["flip"].tolist()[:4] == [0, 1, 0, 1]
    assert views_array((0.5,), 1)["crop"].tolist() == [-1]


def test_nothing_is_overwritten_unasked(tmp_path):
    path = tmp_path / "a.h5"
    write(path, clip_scores(some()))
    before = path.read_bytes()
    with pytest.raises(ScoreFileError, match="--force"):
        write(path, clip_scores(some(3)))
    assert path.read_bytes() == before
    write(path, clip_scores(some(3)), force=True)
    assert len(read(path)) == 3


def test_a_failed_write_leaves_nothing(tmp_path):
    content = clip_scores(some())
    wrong = type(content)(**{**vars(content), "scores": {"action": np.zeros((1, 1, 1), np.float32)}})
    with pytest.raises(ScoreFileError, match="the head describes"):
        write(tmp_path / "a.h5", wrong)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("ids", "reason"), [(["a", "a", "b"], "not unique"), (["a", "b\nc", "d"], "line break")])
def test_bad_ids_are_not_written(tmp_path, ids, reason):
    with pytest.raises(ScoreFileError, match=reason):
        write(tmp_path / "a.h5", clip_scores(some(3), ids=ids))


def test_content_hash_knows_results_from_times(tmp_path):
    for name, started, change in (("a", "now", 0), ("b", "later", 0), ("c", "now", 1e-6)):
        write(tmp_path / f"{name}.h5", clip_scores(some() + change, started=started))
    a, b, c = (content_hash(tmp_path / f"{name}.h5") for name in "abc")
    assert a == b != c


def test_rows_in_any_order(tmp_path):
    write(tmp_path / "a.h5", clip_scores(some(50)))
    whole = read(tmp_path / "a.h5").scores["action"]
    with open_scores(tmp_path / "a.h5") as file:
        for rows in ([3, 1, 2], [49, 0], [5], list(range(49, -1, -1))):
            assert np.array_equal(file.rows("action", np.array(rows)), whole[rows])


def broken(tmp_path):
    good = tmp_path / "good.h5"
    write(good, clip_scores(some()))
    text, cut, foreign, newer, ragged = (
        tmp_path / f"{name}.h5" for name in ("text", "cut", "foreign", "newer", "ragged")
    )
    text.write_text("hello")
    cut.write_bytes(good.read_bytes()[:900])
    h5py.File(foreign, "w").close()
    for path in (newer, ragged):
        path.write_bytes(good.read_bytes())
    with edited_h5(newer) as file:
        file.attrs["version"] = 3
    with edited_h5(ragged) as file:
        del file["video_ids"]
        file["video_ids"] = ["a"]
    return {
        text: "is not HDF5",
        cut: "damaged: it has 900 bytes",
        foreign: "not a score file",
        newer: "newer than 2",
        ragged: "damaged",
        tmp_path / "none.h5": "no such",
    }


def test_broken_files_have_one_clear_error_each(tmp_path):
    for path, message in broken(tmp_path).items():
        with pytest.raises(ScoreFileError, match=message) as raised:
            read(path)
        assert str(path) in str(raised.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda file: replace(file, "status", np.zeros(5, np.uint8)), "status of shape"),
        (lambda file: replace(file, "video_ids", [b"a"] * 7), "not unique"),
        (lambda file: file["scores/action"].attrs.__setitem__("kind", "foo"), "unknown kind"),
        (lambda file: file.attrs.__setitem__("provenance", "[1]"), "provenance"),
        (lambda file: file.attrs.__delitem__("version"), "damaged"),
        (lambda file: file.__setitem__("labels/action", np.full(7, 99)), "not in -1..2"),
        (lambda file: file.__setitem__("num_frames", np.zeros(3)), "num_frames of shape"),
    ],
)
def test_a_head_that_does_not_fit_is_refused(tmp_path, change, message):
    write(tmp_path / "a.h5", clip_scores(some()))
    with edited_h5(tmp_path / "a.h5") as file:
        change(file)
    with pytest.raises(ScoreFileError, match=message):
        read(tmp_path / "a.h5")


def replace(file, name, value):
    del file[name]
    file[name] = value


def test_unknown_objects_are_ignored(tmp_path):
    write(tmp_path / "a.h5", clip_scores(some()))
    with edited_h5(tmp_path / "a.h5") as file:
        file["somebody/else"] = [1, 2]
    assert len(read(tmp_path / "a.h5")) == 7


def test_a_file_that_lies_about_its_length_is_refused_before_its_scores_are_mapped(tmp_path):
    write(tmp_path / "a.h5", clip_scores(some(500)))
    with h5py.File(tmp_path / "a.h5") as file:
        place = file["scores/action"].id.get_offset()
    whole = bytearray((tmp_path / "a.h5").read_bytes())
    cut = place + 100
    end = whole.index(len(whole).to_bytes(8, "little"))  # the superblock's end-of-file address
    assert end < 64
    whole[end : end + 8] = cut.to_bytes(8, "little")
    (tmp_path / "a.h5").write_bytes(whole[:cut])
    with pytest.raises(ScoreFileError, match=r"damaged|is truncated"), open_scores(tmp_path / "a.h5"):
        pass


def test_blocks_lie_in_the_file_and_outlive_it(tmp_path):
    content = clip_scores(some(3000))
    write(tmp_path / "a.h5", content)
    with open_scores(tmp_path / "a.h5") as file:
        block = file.block("action", 1001, 2500)
        past = file.block("action", 2990, 4000)
        nothing = file.block("action", 3000, 4000)
    assert np.array_equal(block, content.scores["action"][1001:2500])
    assert np.array_equal(past, content.scores["action"][2990:])
    assert nothing.shape == (0, 2, 3)
    assert not block.flags.writeable
    assert read(tmp_path / "a.h5").scores["action"].flags.writeable


def test_ids_are_one_array_which_files_of_the_same_clips_share(tmp_path):
    for name in "ab":
        write(tmp_path / f"{name}.h5", clip_scores(some()))
    with open_scores(tmp_path / "a.h5") as one, open_scores(tmp_path / "b.h5") as other:
        assert one.head.ids.texts.dtype.kind == "S"
        assert one.head.ids is other.head.ids


def test_rows_may_be_announced_whether_they_are_there_or_not(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(scorefile.os, "posix_fadvise", lambda *said: asked.append(said[1:3]))
    write(tmp_path / "a.h5", clip_scores(some(100)))
    with open_scores(tmp_path / "a.h5") as file:
        for start, stop in ((10, 20), (90, 200), (100, 120), (500, 600)):
            file.will_read("action", start, stop)
        place = asked[0][0] - 10 * 2 * 3 * 4
    assert asked == [(place + 10 * 24, 10 * 24), (place + 90 * 24, 10 * 24)]
