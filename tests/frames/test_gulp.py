"""Folders of GulpIO chunks, sound and odd ones."""

import json
import pickle

import numpy as np
import pytest

pytest.importorskip("PIL")
from PIL import Image

from gsm_bench.errors import FrameError
from gsm_bench.frames.sources.discover import discover
from gsm_bench.frames.sources.folder import FolderReader
from gsm_bench.frames.sources.gulp import GulpStore
from tests.frames.forms import as_gulp, frames_of


@pytest.fixture
def folders(tmp_path):
    """Three videos of four small frames each, as folders."""
    rng = np.random.default_rng(0)
    for video in ("v0", "v1", "v2"):
        (tmp_path / "videos" / video).mkdir(parents=True)
        for number in range(1, 5):
            picture = Image.fromarray(rng.integers(0, 255, (8, 12, 3), np.uint8))
            picture.save(tmp_path / "videos" / video / f"{number:05d}.jpg")
    return sorted((tmp_path / "videos").iterdir())


@pytest.fixture
def chunks(folders, tmp_path):
    as_gulp(folders, tmp_path / "gulp", per_chunk=2)
    return tmp_path / "gulp"


def change(chunks, number, edit):
    """Edit the places of a video in the JSON of a chunk."""
    path = chunks / f"meta_{number}.gmeta"
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def test_bytes_sizes_and_fingerprints_are_those_of_the_folders(folders, chunks):
    readers = discover(chunks)
    assert list(readers) == ["v0", "v1", "v2"]
    for folder in folders:
        reader, original = readers[folder.name], FolderReader(folder)
        contents = [content for _, content in reader.encoded(reader.numbers())]
        assert contents == [frame.read_bytes() for frame in frames_of(folder)]
        assert reader.fingerprint(1, 0) == original.fingerprint(1, 0)
        assert list(pickle.loads(pickle.dumps(reader)).encoded([2])) == [(2, contents[1])]


def test_four_zeros_behind_a_picture_are_padding_too(chunks):
    """The first versions padded pictures whose size is a multiple of four by four bytes."""
    content = (chunks / "data_1.gulp").read_bytes()
    change(chunks, 1, lambda meta: meta["v2"].update(frame_info=[[0, 0, 4], [4, 4, 8], [12, 0, 1]]))
    reader = GulpStore(chunks).reader("v2", None)
    assert [picture for _, picture in reader.encoded([1, 2, 3])] == [content[:4], content[4:8], content[12:13]]


BAD_PLACES = {
    "no place": ([], "is missing"),
    "more padding than bytes": ([[0, 9, 4]], "9 of its 4 bytes are padding"),
    "no bytes": ([[0, 0, 0]], "frame 1 has no bytes"),
    "padding only": ([[0, 4, 4]], "frame 1 has no bytes"),
}


@pytest.mark.parametrize("odd", BAD_PLACES)
def test_a_bad_place_is_a_bad_frame(chunks, odd):
    places, message = BAD_PLACES[odd]
    change(chunks, 1, lambda meta: meta["v2"].update(frame_info=places))
    ((_, content),) = GulpStore(chunks).reader("v2", None).encoded([1])
    assert isinstance(content, FrameError)
    assert message in content.what
    assert "v2" in content.where


def test_a_place_of_another_picture_is_no_picture(chunks):
    change(chunks, 1, lambda meta: meta["v2"].update(frame_info=[[7, 0, 90]]))
    ((_, picture),) = GulpStore(chunks).reader("v2", None).pixels([1])
    assert isinstance(picture, FrameError)
    assert "frame 1 cannot be decoded" in picture.what


def cut(path):
    path.write_bytes(path.read_bytes()[:-50])


BAD_CHUNKS = {
    "cut data": (lambda folder: cut(folder / "data_0.gulp"), "data_0.gulp is cut short"),
    "no data": (lambda folder: (folder / "data_1.gulp").unlink(), "frames of meta_1.gmeta cannot be read"),
    "cut JSON": (lambda folder: cut(folder / "meta_0.gmeta"), "cannot be read"),
    "a pickle": (lambda folder: (folder / "meta_0.gmeta").write_bytes(pickle.dumps({})), "cannot be read"),
    "a list": (lambda folder: (folder / "meta_0.gmeta").write_text("[1, 2]"), "cannot be read"),
    "two numbers": (lambda folder: change(folder, 0, lambda m: m["v0"].update(frame_info=[[0, 4]])), "frame_info"),
    "an offset below 0": (lambda folder: change(folder, 0, lambda m: m["v0"].update(frame_info=[[-4, 0, 4]])), ">= 0"),
    "a huge offset": (lambda folder: change(folder, 0, lambda m: m["v0"].update(frame_info=[[10**40, 0, 4]])), "int"),
    "an offset with a point": (
        lambda folder: change(folder, 0, lambda m: m["v0"].update(frame_info=[[1.5, 0, 4]])),
        "Expected `int`",
    ),
    "deep JSON": (lambda folder: (folder / "meta_0.gmeta").write_text("[" * 100_000), "cannot be read"),
    "one video twice": (
        lambda folder: change(folder, 1, lambda meta: meta.update(v0=meta["v2"])),
        "two chunks hold video 'v0'",
    ),
}


@pytest.mark.parametrize("odd", BAD_CHUNKS)
def test_a_damaged_chunk_is_one_error_with_a_fix(chunks, odd):
    damage, message = BAD_CHUNKS[odd]
    damage(chunks)
    with pytest.raises(FrameError) as raised:
        GulpStore(chunks).names()
    assert message in raised.value.what
    assert raised.value.fix
    assert str(chunks) in raised.value.where


def test_names_with_accents_match_however_they_are_composed(chunks):
    change(chunks, 1, lambda meta: meta.update({"cafe\u0301": meta["v2"]}))
    assert GulpStore(chunks).holds_any(["caf\u00e9"])
