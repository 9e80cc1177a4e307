"""Databases of LMDB, sound and odd ones; the reader against the library."""

import pickle
import random
import shutil

import numpy as np
import pytest

pytest.importorskip("PIL")
lmdb = pytest.importorskip("lmdb")
from PIL import Image  # noqa: E402

from gsm_bench.errors import FrameError  # noqa: E402
from gsm_bench.frames.sources.discover import discover  # noqa: E402
from gsm_bench.frames.sources.folder import FolderReader  # noqa: E402
from gsm_bench.frames.sources.lmdb import LmdbStore  # noqa: E402
from gsm_bench.frames.sources.lmdb_pages import LmdbFile  # noqa: E402
from gsm_bench.frames.sources.names import FrameNames  # noqa: E402
from tests.frames.forms import as_lmdb, frames_of  # noqa: E402

PAGE = 4096


def write(path, content, **options):
    with lmdb.open(str(path), map_size=1 << 26, subdir=False, **options) as database:
        for at in range(0, len(content), 100):
            with database.begin(write=True) as transaction:
                for key, value in list(content.items())[at : at + 100]:
                    transaction.put(key, value)
    return path


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Twelve videos of three noisy frames each, as folders."""
    root, rng = tmp_path_factory.mktemp("videos"), np.random.default_rng(0)
    for video in range(12):
        (root / f"v{video:02d}").mkdir()
        for number in range(1, 4):
            picture = Image.fromarray(rng.integers(0, 255, (40, 40, 3), np.uint8))
            picture.save(root / f"v{video:02d}" / f"{number:05d}.jpg", quality=95)
    return sorted(root.iterdir())


@pytest.mark.parametrize("before", ["", "rawframes/", "data/val/"])
@pytest.mark.parametrize("subdir", [True, False])
def test_bytes_sizes_and_fingerprints_are_those_of_the_folders(folders, tmp_path, before, subdir):
    as_lmdb(folders, tmp_path / "frames.lmdb", before, subdir)
    readers = discover(tmp_path / "frames.lmdb")
    assert list(readers) == [before + folder.name for folder in folders]
    store = LmdbStore(tmp_path / "frames.lmdb")
    for folder in folders:
        reader = store.reader(folder.name, FrameNames("", 5, ".jpg"))
        contents = [content for _, content in reader.encoded([1, 2, 3])]
        assert contents == [frame.read_bytes() for frame in frames_of(folder)]
        assert reader.fingerprint(1, 0) == FolderReader(folder).fingerprint(1, 0)
    assert list(pickle.loads(pickle.dumps(reader)).encoded([2])) == [(2, contents[1])]
    assert {path.name for path in tmp_path.rglob("*")} <= {"frames.lmdb", "data.mdb", "lock.mdb", "frames.lmdb-lock"}


@pytest.mark.parametrize("seed", range(4))
def test_keys_and_values_are_those_of_the_library(tmp_path, seed):
    """Short and long keys and values, several levels of pages, deleted keys."""
    rng = random.Random(seed)
    content = {
        rng.randbytes(rng.randint(1, 400)): rng.randbytes(rng.choice((0, 1, 90, 2500, 9000))) for _ in range(600)
    }
    path = write(tmp_path / "any.mdb", content)
    with lmdb.open(str(path), subdir=False) as database:
        with database.begin(write=True) as transaction:
            for key in rng.sample(sorted(content), 200):
                transaction.delete(key)
        with database.begin() as transaction:
            expected = list(transaction.cursor())
    file = LmdbFile(path)
    assert [(key, file.content(value)) for key, value in file.from_key(b"")] == expected
    for start in (expected[7][0], expected[7][0] + b"\0", rng.randbytes(5), b"\xff" * 500):
        assert [key for key, _ in file.from_key(start)] == [key for key, _ in expected if key >= start]


def test_an_empty_database_holds_nothing(tmp_path):
    store = LmdbStore(write(tmp_path / "empty.lmdb", {}))
    assert store.names() == []
    assert not store.holds_any(["v1"])


ODD_KEYS = {
    "no folder": ({b"v1": pickle.dumps([b"a"])}, ["v1"]),
    "msgpack beside frames": ({b"__keys__": b"\x91\xa1a", b"v1/1.jpg": b"x"}, ["__keys__", "v1"]),
    "a folder in a video": ({b"v1/1.jpg": b"x", b"v1/flow/1.jpg": b"y"}, ["v1"]),
    "no text": ({b"\xff\xfe/1.jpg": b"x"}, ["\udcff\udcfe"]),
    "a slash at the end": ({b"v1/": b"x"}, ["v1"]),
}


@pytest.mark.parametrize("odd", ODD_KEYS)
def test_odd_keys(tmp_path, odd):
    content, names = ODD_KEYS[odd]
    assert LmdbStore(write(tmp_path / "odd.lmdb", content)).names() == names


def test_bad_frames_are_named_one_by_one(folders, tmp_path):
    content = {b"v1/00001.jpg": b"", b"v1/00002.jpg": pickle.dumps(["never run"]), b"v1/00004.jpg": b"\xff\xd8cut"}
    reader = LmdbStore(write(tmp_path / "bad.lmdb", content)).reader("v1", FrameNames("", 5, ".jpg"))
    errors = [picture.what for _, picture in reader.pixels([1, 2, 3, 4])]
    assert errors[0] == "frame 1 has no bytes"
    assert errors[1] == "frame 2 cannot be decoded: not a picture"
    assert errors[2] == "frame 3 is missing"
    assert errors[3].startswith("frame 4 cannot be decoded")
    assert "frame 3 is missing" in reader.gap()
    with pytest.raises(FrameError, match="no folder 'v2'"):
        LmdbStore(tmp_path / "bad.lmdb").reader("v2", None).count()


def test_trees_within_the_tree_are_no_frames(tmp_path):
    with lmdb.open(str(tmp_path / "x.mdb"), subdir=False, max_dbs=2) as database:
        database.open_db(b"v1/1.jpg")
    assert LmdbStore(tmp_path / "x.mdb").reader("v1", None).numbers() == []


def test_keys_that_are_read_backwards_are_refused(tmp_path):
    path = write(tmp_path / "x.mdb", {b"v1/1.jpg": b"x"})
    content = bytearray(path.read_bytes())
    for meta in (0, PAGE):
        content[meta + 92] = 2  # MDB_REVERSEKEY among the flags of the main tree
    path.write_bytes(content)
    with pytest.raises(FrameError, match="no names"):
        LmdbStore(path).names()


@pytest.mark.parametrize("kept", [0, 100, 5000, 0.5, -1])
def test_a_cut_file_is_one_error_with_a_fix(folders, tmp_path, kept):
    as_lmdb(folders, tmp_path / "frames.lmdb")
    file = tmp_path / "frames.lmdb" / "data.mdb"
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * kept) if isinstance(kept, float) else kept])
    with pytest.raises(FrameError, match=r"cut short|no LMDB database") as raised:
        LmdbStore(tmp_path / "frames.lmdb").names()
    assert raised.value.fix == "copy it again"
    assert raised.value.where == str(tmp_path / "frames.lmdb")


@pytest.mark.parametrize("seed", range(30))
def test_damaged_pages_never_end_the_process(folders, tmp_path, seed):
    """A bit of a page's header is changed, or a page overwritten: the library ends the process on many of these."""
    as_lmdb(folders, tmp_path / "damaged.lmdb", subdir=False)
    rng, content = random.Random(seed), bytearray((tmp_path / "damaged.lmdb").read_bytes())
    page = rng.randrange(2, len(content) // PAGE) * PAGE
    if seed % 2:
        content[page : page + PAGE] = rng.choice((bytes(PAGE), rng.randbytes(PAGE)))
    else:
        content[page + rng.randrange(16)] ^= 1 << rng.randrange(8)
    (tmp_path / "damaged.lmdb").write_bytes(content)
    store = LmdbStore(tmp_path / "damaged.lmdb")
    for folder in folders:
        try:
            reader = store.reader(folder.name, None)
            contents = dict(reader.encoded(reader.numbers()))
        except FrameError as error:
            assert "damaged" in error.what or "cut short" in error.what or "no folder" in error.what
            continue
        for number, frame in enumerate(frames_of(folder), 1):
            read = contents.get(number)
            assert seed % 2 or read is None or isinstance(read, FrameError) or read == frame.read_bytes()


def test_pages_that_lead_to_each_other_are_refused(tmp_path):
    content = {b"v%03d/%05d.jpg" % (video, frame): b"x" * 60 for video in range(60) for frame in range(9)}
    path = write(tmp_path / "loop.lmdb", content)
    damaged = bytearray(path.read_bytes())
    root = int.from_bytes(damaged[128:136], "little")
    other = int.from_bytes(damaged[PAGE + 128 : PAGE + 136], "little")
    for number in {root, other}:
        start = number * PAGE
        assert damaged[start + 10] == 1, "the root is a branch"
        node = start + int.from_bytes(damaged[start + 16 : start + 18], "little")
        damaged[node : node + 6] = number.to_bytes(6, "little")
    path.write_bytes(damaged)
    with pytest.raises(FrameError, match="lead to each other"):
        LmdbStore(path).names()


def test_a_replaced_file_is_read_anew(folders, tmp_path):
    as_lmdb(folders[:1], tmp_path / "a.lmdb", subdir=False)
    as_lmdb(folders[1:2], tmp_path / "b.lmdb", subdir=False)
    store = LmdbStore(tmp_path / "a.lmdb")
    assert store.names() == ["v00"]
    shutil.move(tmp_path / "b.lmdb", tmp_path / "a.lmdb")
    assert store.names() == ["v01"]
