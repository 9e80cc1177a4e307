"""Damage that keeps a file's length: HDF5 would loop, crash or allocate gigabytes; here it is one error."""

import struct
import subprocess
import sys
import textwrap
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest

from gsm_bench.errors import FrameError, ScoreFileError
from gsm_bench.frames.sources.hdf5 import BYTES, Hdf5Reader, open_frames, stored_encoding
from gsm_bench.hdf5_reader import HEAP_HEADER, HEAP_OBJECT, CheckedHdf5
from gsm_bench.hdf5_texts import TEXT_PLACE, own_attribute, read_content, text_places
from gsm_bench.score_head import VIEW_TYPE
from gsm_bench.scorefile import read
from tests.waiting import PATIENCE_S

ROWS = [bytes([row]) * (700 + row) for row in range(9)]


def foreign_scores(path, **options):
    """A score file as others may write it: texts of variable length, no checksums."""
    with h5py.File(path, "w", **options) as file:
        file.attrs.update({"format": "gsm_bench.scores", "version": 2, "order": "ids", "provenance": '{"model": "m"}'})
        file["video_ids"] = np.array(["a", "b", "c"], dtype=h5py.string_dtype())
        file["views"], file["status"] = np.array([(0, -1, 0, 0.5)], VIEW_TYPE), np.zeros(3, np.uint8)
        file["scores/action"] = np.arange(12, dtype=np.float32).reshape(3, 1, 4)
        file["scores/action"].attrs["kind"] = "logits"
    return path


def pack(path, chunks=None, compression=None, libver=("v110", "v110")):
    with h5py.File(path, "w", libver=libver) as file:
        file.attrs["encoding"] = "JPEG"
        frames = file.create_dataset("v", len(ROWS), BYTES, chunks=chunks, compression=compression)
        for number, row in enumerate(ROWS):
            frames[number] = np.frombuffer(row, np.uint8)
    return path


def frames_of(path):
    return [content for _, content in Hdf5Reader(path, "v").encoded(range(1, len(ROWS) + 1))]


def overwrite(path, at, content):
    with path.open("r+b") as file:
        file.seek(at)
        file.write(content)


def in_own_process(code, *arguments):
    """Output of code that would hang or crash if HDF5 met the damage."""
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        capture_output=True, text=True, timeout=PATIENCE_S, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("libver", [None, ("v110", "v110")])
def test_a_text_without_length_does_not_hang(tmp_path, libver):
    path = foreign_scores(tmp_path / "a.h5", libver=libver)
    content = path.read_bytes()
    heap = content.index(b"GCOL")
    overwrite(path, heap + HEAP_HEADER.size, HEAP_OBJECT.pack(0, 0, 0))
    said = in_own_process(
        """
        import sys
        from gsm_bench.errors import ScoreFileError
        from gsm_bench.scorefile import read
        try:
            read(sys.argv[1])
        except ScoreFileError as error:
            print(error)
        """,
        path,
    )
    assert "a collection of texts in it is damaged" in said


@pytest.mark.parametrize("name", ["format", "order", "provenance", "kind"])
def test_a_length_beyond_the_file_is_refused_before_it_is_allocated(tmp_path, name):
    path = foreign_scores(tmp_path / "a.h5")
    with CheckedHdf5(path) as content:
        owner = content.file["scores/action"] if name == "kind" else content.file
        length = len(own_attribute(content.source, owner, name))
    content = path.read_bytes()
    place = struct.pack("<IQ", length, content.index(b"GCOL"))
    overwrite(path, content.index(place, content.index(name.encode() + b"\0")), struct.pack("<I", 0x7FFFFFFF))
    with pytest.raises(ScoreFileError, match=f"the attribute {name} is longer than the file"):
        read(path)


def test_ids_longer_than_the_file_are_refused(tmp_path):
    path = foreign_scores(tmp_path / "a.h5")
    with CheckedHdf5(path) as content:
        place = text_places(content.source, content.file["video_ids"])[1]
        at = content.file["video_ids"].id.get_offset() + TEXT_PLACE.itemsize
    assert place["length"] == 1
    overwrite(path, at, struct.pack("<I", 0xF0000000))
    with pytest.raises(ScoreFileError, match="/video_ids is longer than the file"):
        read(path)


@pytest.mark.parametrize(
    "value", [1.5, np.arange(3), ["logits"], np.array([1, 2], VIEW_TYPE["offset"]), h5py.Empty("f")]
)
@pytest.mark.parametrize("name", ["format", "version", "provenance", "order"])
def test_attributes_of_other_types_are_one_error(tmp_path, name, value):
    path = foreign_scores(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        file.attrs[name] = value
    with pytest.raises(ScoreFileError, match=f"the attribute {name} is neither"):
        read(path)


@pytest.mark.parametrize("layout", [{}, {"libver": None}, {"chunks": (4,)}, {"chunks": (4,), "compression": "gzip"}])
def test_frames_are_read_from_every_layout(tmp_path, layout):
    assert frames_of(pack(tmp_path / "p.h5", **layout)) == ROWS


def test_a_large_row_takes_its_own_bytes_only(tmp_path):
    """It is read from its place, without the collection around it, and is not copied."""
    rows = [np.full(1_000_000, row, np.uint8) for row in range(2)]
    with h5py.File(tmp_path / "p.h5", "w", libver="v110") as file:
        frames = file.create_dataset("v", len(rows), BYTES)
        for number, row in enumerate(rows):
            frames[number] = row
    with CheckedHdf5(tmp_path / "p.h5") as content:
        places = text_places(content.source, content.file["v"])
        tracemalloc.start()
        contents = [read_content(content.source, place) for place in places]
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert contents == [row.tobytes() for row in rows]
    assert peak < 2_100_000


def test_a_damaged_row_is_one_bad_frame(tmp_path):
    path = pack(tmp_path / "p.h5")
    with CheckedHdf5(path) as content:
        places = text_places(content.source, content.file["v"])
        at = content.file["v"].id.get_offset()
    overwrite(path, at + 3 * TEXT_PLACE.itemsize, struct.pack("<I", int(places[3]["length"]) + 1))
    overwrite(path, at + 5 * TEXT_PLACE.itemsize, struct.pack("<IQ", 700, 1 << 62))
    found = frames_of(path)
    assert [row for row, content in enumerate(found) if isinstance(content, FrameError)] == [3, 5]
    assert "row of bytes in it is damaged" in str(found[3])
    assert "beyond its end" in str(found[5])


def test_a_damaged_collection_of_frames_does_not_hang(tmp_path):
    path = pack(tmp_path / "p.h5", chunks=(3,))  # the way through HDF5
    content = path.read_bytes()
    overwrite(path, content.index(b"GCOL") + HEAP_HEADER.size, HEAP_OBJECT.pack(0, 0, 0))
    found = frames_of(path)
    assert all(isinstance(content, FrameError) for content in found)
    assert "a collection of texts in it is damaged" in str(found[0])


def test_a_group_that_cannot_be_listed_is_one_error(tmp_path):
    path = pack(tmp_path / "p.h5")
    content = path.read_bytes()
    overwrite(path, content.index(b"OHDR") + 30, b"\xff" * 8)
    with pytest.raises(FrameError, match="damaged"), open_frames(path) as opened:
        list(opened.file)


def test_named_types_are_no_frames(tmp_path):
    path = pack(tmp_path / "p.h5")
    with h5py.File(path, "r+") as file:
        file["type"] = np.dtype("f8")
    with pytest.raises(FrameError, match="holds no data"):
        Hdf5Reader(path, "type").count()
    assert stored_encoding(path) == "JPEG"


def test_a_file_that_is_open_when_the_process_ends(tmp_path):
    """HDF5 closes its files after Python has ended, and would call into the file object that is no longer there."""
    program = """
import ctypes, sys
from pathlib import Path
from gsm_bench.hdf5_reader import CheckedHdf5
ctypes.pythonapi.Py_IncRef(ctypes.py_object(CheckedHdf5(Path(sys.argv[1]))))
"""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a"] = 1
    done = subprocess.run([sys.executable, "-c", program, tmp_path / "a.h5"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
