"""Frames at URLs: the same bits as of folders, and one message for whatever may be wrong."""

import pickle
import shutil
import sys
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
fsspec = pytest.importorskip("fsspec")
pytest.importorskip("aiohttp")

from gsm_bench.errors import FrameError, RunConflictError, SplitError  # noqa: E402
from gsm_bench.frames.sources import open_source, remote  # noqa: E402
from gsm_bench.frames.sources.folder import FolderReader  # noqa: E402
from gsm_bench.frames.sources.names import FrameNames  # noqa: E402
from gsm_bench.frames.sources.placed import reader_at  # noqa: E402
from gsm_bench.frames.sources.remote_readers import COPIES, RemoteArchive, RemoteArchiveReader  # noqa: E402
from gsm_bench.manifest import load_manifest  # noqa: E402
from gsm_bench.places import RemoteUrl, place_of  # noqa: E402
from gsm_bench.scorefile import content_hash, read  # noqa: E402
from gsm_bench.scoring.prepare import Request, prepare  # noqa: E402
from gsm_bench.scoring.resume import open_run  # noqa: E402
from gsm_bench.scoring.run import run  # noqa: E402
from gsm_bench.splits import read_split  # noqa: E402
from tests.frames.forms import as_hdf5, as_tar, as_zip, frames_of, make_video  # noqa: E402
from tests.frames.servers import http_server, s3_server  # noqa: E402
from tests.scoring.toys import make_checkpoint, make_clips  # noqa: E402

VIDEOS = 6
NAMES = FrameNames("", 5, ".jpg")


@pytest.fixture(autouse=True)
def fresh_connections(monkeypatch):
    """Servers of other tests are gone; waiting before another try is left out."""
    remote._connection.cache_clear()
    monkeypatch.setattr(remote, "WAIT_S", 0.0)


@pytest.fixture
def toys(workspace):
    make_clips(workspace, VIDEOS)
    make_checkpoint(workspace)
    return workspace


@pytest.fixture
def frames(toys):
    """The folder of the frames, moved out of the data directory."""
    folder = toys.root / "far away"
    shutil.move(toys.data / "toy" / "frames", folder / "frames")
    return folder


def score(workspace, frames, **choices):
    request = Request("toy_4f", threads=1, frames=place_of(str(frames)), **choices)
    job, loaded = prepare(request, load_manifest(workspace), workspace)
    return run(open_run(job), loaded.network)


def as_form(folder, form):
    """The frames below `folder`/frames in another form; returns the path of it below `folder`."""
    videos = sorted((folder / "frames").iterdir())
    if form == "folders":
        return "frames"
    if "per video" in form:
        (folder / "files").mkdir()
        maker = {"tar": as_tar, "zip": as_zip, "h5": as_hdf5}[form.split()[0]]
        for video in videos:
            maker([video], folder / "files" / f"{video.name}.{form.split()[0]}")
        return "files"
    name = f"all.{form.split()[-1]}"
    maker = (
        partial(as_zip, compression=zipfile.ZIP_DEFLATED)
        if form == "deflated zip"
        else {"tar": as_tar, "zip": as_zip}[form]
    )
    maker(videos, folder / name)
    return name


FORMS = ("folders", "tar", "zip", "deflated zip", "tar per video", "h5 per video")


@pytest.mark.parametrize("form", FORMS)
def test_scores_over_http_are_those_of_the_folder(toys, frames, form):
    expected = read(score(toys, frames / "frames", out=toys.root / "folder.h5").path)
    path = as_form(frames, form)
    with http_server(frames) as server:
        outcome = score(toys, f"{server.url}/{path}/", on_bad_frame="error")
    assert content_hash(outcome.path) == content_hash(toys.root / "folder.h5")
    scored = read(outcome.path)
    assert np.array_equal(scored.fingerprints["content"], expected.fingerprints["content"])
    assert scored.provenance.frames_path == f"{server.url}/{path}"


def test_scores_from_an_s3_like_server_are_those_of_the_folder(toys, frames, monkeypatch):
    """Runs where s3fs and a server in Python (moto) are installed."""
    for package in ("s3fs", "boto3", "moto", "flask", "flask_cors"):
        pytest.importorskip(package)
    score(toys, frames / "frames", out=toys.root / "folder.h5")
    as_form(frames, "zip")
    with s3_server(frames, "my-bucket", monkeypatch) as url:
        outcome = score(toys, f"{url}/frames", on_bad_frame="error")
        assert content_hash(outcome.path) == content_hash(toys.root / "folder.h5")
        assert np.array_equal(read(outcome.path).fingerprints, read(toys.root / "folder.h5").fingerprints)
        zipped = score(toys, f"{url}/all.zip", on_bad_frame="error", out=toys.root / "zip.h5")
        assert content_hash(zipped.path) == content_hash(toys.root / "folder.h5")
        with pytest.raises(SplitError, match="does not exist, is empty"):
            score(toys, f"{url}/none", out=toys.root / "none.h5")
        with pytest.raises((SplitError, FrameError), match=r"does not exist|nothing at this URL"):
            score(toys, "s3://other-bucket/frames", out=toys.root / "none.h5")


@pytest.fixture
def memory(frames):
    """The frames in fsspec's storage in memory; returns a function that changes a file of it."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    system.pseudo_dirs[:] = [""]
    for path in frames.rglob("*.jpg"):
        system.pipe(f"/far/{path.relative_to(frames)}", path.read_bytes())
    yield system
    system.store.clear()


def test_damage_is_named_and_the_rest_goes_on_and_is_resumed(toys, frames, memory):
    score(toys, frames / "frames", out=toys.root / "folder.h5")
    sound = {path: memory.cat(path) for path in ("/far/frames/v1/00001.jpg", "/far/frames/v2/00001.jpg")}
    memory.pipe("/far/frames/v1/00001.jpg", b"<html>sign in</html>")
    memory.pipe("/far/frames/v2/00001.jpg", b"")
    last = sorted(memory.ls("/far/frames/v3", detail=False))[-1]
    sound[last] = memory.cat(last)
    memory.rm(last)
    kept = memory.cat(sorted(memory.ls("/far/frames/v4", detail=False))[0])
    outcome = score(toys, "memory://far/frames")
    assert list(outcome.bad) == ["v1", "v2", "v3"]
    assert (
        "frame 1 of video 'v1' cannot be decoded: not a picture (memory://far/frames/v1/00001.jpg)" in outcome.bad["v1"]
    )
    assert "frame 1 of video 'v2' has no bytes" in outcome.bad["v2"]
    assert "are expected (memory://far/frames/v3)" in outcome.bad["v3"]
    for path, content in sound.items():
        memory.pipe(path, content)
    remote._connection.cache_clear()
    outcome = score(toys, "memory://far/frames")
    assert (outcome.scored, outcome.bad) == (3, {})
    assert content_hash(outcome.path) == content_hash(toys.root / "folder.h5")
    memory.pipe("/far/frames/v4/00001.jpg", kept + b"another")
    remote._connection.cache_clear()
    with pytest.raises(RunConflictError, match="other bytes or sizes"):
        score(toys, "memory://far/frames")


def test_nearest_takes_the_next_frame(toys, frames, memory):
    memory.pipe("/far/frames/v1/00001.jpg", b"")
    outcome = score(toys, "memory://far/frames", on_bad_frame="nearest")
    assert outcome.bad == {}
    assert "frame 1 by 2" in outcome.substituted["v1"]


def test_a_folder_scored_here_is_finished_from_far_away(toys, frames, memory):
    """Fingerprints do not depend on the place."""
    broken = frames / "frames" / "v5" / "00001.jpg"
    content = broken.read_bytes()
    broken.write_bytes(b"")
    assert list(score(toys, frames / "frames").bad) == ["v5"]
    broken.write_bytes(content)
    assert score(toys, "memory://far/frames").scored == 1


def test_frames_are_fetched_before_they_are_read(toys, frames, memory):
    job, loaded = prepare(
        Request("toy_4f", threads=1, workers=1, batch=1, frames=place_of("memory://far/frames")),
        load_manifest(toys), toys,
    )  # fmt: skip
    assert job.source.videos_ahead >= VIDEOS
    begun = []
    job.source.prefetch = lambda video, numbers: begun.append((video.id, len(set(numbers(video.num_frames)))))
    run(open_run(job), loaded.network)
    assert [video for video, _ in sorted(begun)] == [f"v{number}" for number in range(VIDEOS)]
    assert all(frames > 0 for _, frames in begun)


def test_fetched_frames_are_asked_for_once(toys, frames):
    with http_server(frames) as server:
        outcome = score(toys, f"{server.url}/frames", clips=2)
    assert outcome.bad == {}
    pictures = [path for path, _ in server.asked if path.endswith(".jpg")]
    assert len(pictures) == len(set(pictures))
    folders = [path for path, _ in server.asked if path.startswith("/frames/v") and not path.endswith(".jpg")]
    assert len({path.rstrip("/") for path in folders}) == VIDEOS


FAILS = {"not found": 404, "refused": 403, "no sign-in": 401, "broken": 500, "busy": 503, "gone": 410}


@pytest.mark.parametrize("odd", FAILS)
def test_an_answer_without_a_picture_is_a_bad_frame(frames, odd):
    def answers(handler):
        return FAILS[odd] if handler.path.endswith("00002.jpg") else 0

    with http_server(frames, answers=answers) as server:
        reader = reader_at(place_of(f"{server.url}/frames") / "v0", "v0", NAMES)
        first, second = (content for _, content in reader.encoded([1, 2]))
        tries = sum(path.endswith("00002.jpg") for path, _ in server.asked)
    assert first == (frames / "frames" / "v0" / "00001.jpg").read_bytes()
    assert isinstance(second, FrameError)
    assert second.where == f"{server.url}/frames/v0/00002.jpg"
    assert ("is missing" if odd == "not found" else str(FAILS[odd])) in second.what
    assert tries == (remote.TRIES if FAILS[odd] >= 500 else 1)


def test_a_failure_that_passes_is_no_bad_frame(frames):
    failures = [503, 500]

    def answers(handler):
        return failures.pop() if handler.path.endswith("00002.jpg") and failures else 0

    with http_server(frames, answers=answers) as server:
        reader = reader_at(place_of(f"{server.url}/frames") / "v0", "v0", NAMES)
        ((_, content),) = reader.encoded([2])
    assert content == (frames / "frames" / "v0" / "00002.jpg").read_bytes()


def test_a_failed_frame_is_asked_for_again_later(frames):
    failures = [403]

    def answers(handler):
        return failures.pop() if handler.path.endswith("00002.jpg") and failures else 0

    with http_server(frames, answers=answers) as server:
        reader = reader_at(place_of(f"{server.url}/frames") / "v0", "v0", NAMES)
        ((_, first),) = reader.encoded([2])
        ((_, second),) = reader.encoded([2])
    assert isinstance(first, FrameError)
    assert second == (frames / "frames" / "v0" / "00002.jpg").read_bytes()


ODD_LISTINGS = {
    "other hosts": '<a href="http://example.org/frames/v0/00009.jpg">x</a><a href="00001.jpg">y</a>',
    "folders above": '<a href="../../00009.jpg">x</a><a href="/etc/00008.jpg">x</a><a href="00001.jpg">y</a>',
    "deeper files": '<a href="flow/00009.jpg">x</a><a href="00001.jpg">y</a>',
    "queries": '<a href="?C=N;O=D">Name</a><a href="00001.jpg">y</a>',
    "escaped names": '<a href="%30%30001.jpg">y</a>',
    "absolute paths": '<a href="/frames/v0/00001.jpg">y</a>',
    "a script": "<script>document.write('00001.jpg')</script><a href='00001.jpg'>y</a>",
}


@pytest.mark.parametrize("odd", ODD_LISTINGS)
def test_a_listing_leads_nowhere_else(frames, odd):
    def listed(handler):
        if handler.path.rstrip("/").endswith("v0"):
            content = ODD_LISTINGS[odd].encode()
            handler.send_response(200)
            handler.send_header("Content-Type", "text/html")
            handler.send_header("Content-Length", str(len(content)))
            handler.end_headers()
            handler.wfile.write(content)
            raise ConnectionAbortedError  # the answer is complete

        return 0

    with http_server(frames, answers=listed) as server:
        server.handle_error = lambda *_: None
        reader = reader_at(place_of(f"{server.url}/frames") / "v0", "v0", NAMES)
        assert reader.numbers() == [1]
        assert dict(reader.encoded([1])) == {1: (frames / "frames" / "v0" / "00001.jpg").read_bytes()}
        assert all("/v0" in path or path == "/frames" or path == "/frames/" for path, _ in server.asked)


def test_names_with_signs_and_accents(tmp_path):
    folder = tmp_path / "frames" / "a b+c%41#é?[x]"
    folder.mkdir(parents=True)
    (folder / "00001.jpg").write_bytes(b"picture")
    with http_server(tmp_path) as server:
        place = place_of(f"{server.url}/frames") / folder.name
        assert dict(reader_at(place, folder.name, NAMES).encoded([1])) == {1: b"picture"}


BAD_ARCHIVES = {
    "cut zip": ("all.zip", lambda path: path.write_bytes(path.read_bytes()[:-80])),
    "cut tar": ("all.tar", lambda path: path.write_bytes(path.read_bytes()[:-15_000])),
    "no zip": ("all.zip", lambda path: path.write_bytes(b"<html>sign in</html>" * 99)),
    "empty": ("all.zip", lambda path: path.write_bytes(b"")),
    "not there": ("all.zip", lambda path: path.unlink()),
}


@pytest.mark.parametrize("odd", BAD_ARCHIVES)
def test_a_bad_archive_stops_before_the_run(toys, frames, odd):
    name, damage = BAD_ARCHIVES[odd]
    as_form(frames, name.split(".")[1])
    damage(frames / name)
    with http_server(frames) as server, pytest.raises(FrameError) as raised:
        score(toys, f"{server.url}/{name}")
    assert raised.value.where == f"{server.url}/{name}"
    assert raised.value.fix


def test_a_server_without_parts_of_files_is_named(toys, frames):
    as_form(frames, "zip")
    with http_server(frames, ranges=False) as server, pytest.raises(FrameError, match="range requests") as raised:
        score(toys, f"{server.url}/all.zip")
    assert "copy it to this machine" in raised.value.fix


def test_a_changed_byte_in_a_zip_is_noticed(toys, frames):
    as_form(frames, "zip")
    content = bytearray((frames / "all.zip").read_bytes())
    with zipfile.ZipFile(frames / "all.zip") as archive:
        content[archive.getinfo("top/v2/00001.jpg").header_offset + 300] ^= 1
    (frames / "all.zip").write_bytes(content)
    with http_server(frames) as server:
        outcome = score(toys, f"{server.url}/all.zip")
    assert list(outcome.bad) == ["v2"]
    assert "its checksum or length is wrong" in outcome.bad["v2"]


def test_long_headers_of_zip_members(frames):
    video = frames / "frames" / "v0"
    with zipfile.ZipFile(frames / "x.zip", "w") as archive:
        for frame in frames_of(video):
            member = zipfile.ZipInfo(f"v0/{frame.name}")
            member.extra = b"\x99\x99" + (2000).to_bytes(2, "little") + b"x" * 2000
            archive.writestr(member, frame.read_bytes())
    with http_server(frames) as server:
        reader = RemoteArchiveReader(RemoteArchive(place_of(f"{server.url}/x.zip")), "v0", NAMES)
        contents = [content for _, content in reader.encoded(reader.numbers())]
    assert contents == [frame.read_bytes() for frame in frames_of(video)]


def test_a_video_file_is_copied_and_removed_again(tmp_path):
    (tmp_path / "videos").mkdir()
    make_video(tmp_path / "videos" / "v0.mp4", "mpeg4", count=12)
    (tmp_path / "videos" / "v1.mp4").write_bytes((tmp_path / "videos" / "v0.mp4").read_bytes()[:900])
    with http_server(tmp_path) as server:
        root = place_of(f"{server.url}/videos")
        reader, local = reader_at(root / "v0.mp4", "v0", None), reader_at(tmp_path / "videos" / "v0.mp4", "v0", None)
        assert reader.count() == local.count()
        for (_, far), (_, near) in zip(reader.pixels([2, 9]), local.pixels([2, 9]), strict=True):
            assert np.array_equal(far, near)
        assert reader.fingerprint(1, 0) == local.fingerprint(1, 0)
        copy = COPIES.of(root / "v0.mp4").path
        assert copy.exists()
        with pytest.raises(FrameError) as raised:
            reader_at(root / "v1.mp4", "v1", None).count()
        with pytest.raises(FrameError, match="nothing at this URL"):
            reader_at(root / "v2.mp4", "v2", None).count()
    assert raised.value.where == f"{root}/v1.mp4"
    assert str(Path(copy).parent) not in raised.value.what
    COPIES._copies.clear()
    assert not copy.exists()


REFUSED = {
    "a packed file": ("all.h5", "is not read at a URL"),
    "a database": ("all.lmdb", "is not read at a URL"),
    "a compressed archive": ("all.tar.gz", "is not read at a URL"),
    "a folder that is not there": ("none", "does not exist, is empty"),
    "no folder of the list": ("frames/v0", "none of"),
}


@pytest.mark.parametrize("odd", REFUSED)
def test_what_cannot_be_read_at_a_url(toys, frames, odd):
    path, message = REFUSED[odd]
    with http_server(frames) as server, pytest.raises(SplitError, match=message) as raised:
        score(toys, f"{server.url}/{path}")
    assert raised.value.where == f"{server.url}/{path}"
    assert raised.value.fix
    if "not read" in message:
        assert f"copy it to this machine: wget {server.url}/{path}; then --frames PATH" in raised.value.fix


@pytest.mark.parametrize(
    ("name", "message"), [("x.gmeta", "GulpIO chunks are not read"), ("data.mdb", "an LMDB database is not read")]
)
def test_folders_of_stores_at_a_url_say_how_to_copy_them(toys, tmp_path, name, message):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / name).write_bytes(b"x")
    with http_server(tmp_path) as server, pytest.raises(SplitError, match=message) as raised:
        score(toys, f"{server.url}/store")
    assert f"wget --recursive --no-parent --no-host-directories {server.url}/store/" in raised.value.fix


def test_no_server(toys, frames):
    with http_server(frames) as server:
        url = f"{server.url}/frames"
    with pytest.raises((FrameError, SplitError)) as raised:
        score(toys, url)
    assert raised.value.where == url


@pytest.mark.parametrize(
    ("url", "package", "fix"),
    [
        ("s3://bucket/frames", "s3fs", "pip install 'gsm-bench[remote]'"),
        ("https://host/frames", "aiohttp", "pip install 'gsm-bench[remote]'"),
        ("gs://bucket/frames", "gcsfs", "pip install 'gsm-bench[remote]' gcsfs"),
        ("memory://frames", "fsspec", "pip install 'gsm-bench[remote]'"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(monkeypatch, url, package, fix):
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(FrameError, match=f"need the package {package}") as raised:
        remote.Connection(url)
    assert raised.value.fix == fix


def test_an_unknown_protocol_is_named():
    with pytest.raises(FrameError, match="no file system is known for nothing://"):
        remote.Connection("nothing://bucket/frames")


def test_urls():
    url = place_of("https://user:secret@host/a%20b/frames.zip?X-Amz-Signature=abc")
    assert str(url) == "https://host/a%20b/frames.zip"
    assert (url.name, url.suffix, url.stem) == ("frames.zip", ".zip", "frames")
    assert str(url / "v1" / "x.mp4") == "https://host/a%20b/frames.zip/v1/x.mp4"
    assert (url / "v1").parent == url
    assert (url / "").parent == url
    assert pickle.loads(pickle.dumps(url)) == url
    assert place_of("file:///tmp/a%20b") == Path("/tmp/a b")
    for local in ("frames", "/a/b", "./s3:/x", "C:/x", "://x", "a//b"):
        assert place_of(local) == Path(local)


def test_secrets_of_a_url_are_written_nowhere(toys, frames, gsmbench):
    as_form(frames, "zip")
    with http_server(frames) as server:
        signed = server.url.replace("//", "//user:hunter2@") + "/all.zip?Signature=hunter2"
        ran = gsmbench("score", "--model", "toy_4f", "--frames", signed)
        assert ran.status == 0, ran.err
        plain = f"{server.url}/all.zip"
    provenance = read(toys.score_path("toy", "val", "toy_4f")).provenance
    assert provenance.frames_path == plain
    assert plain in provenance.command_line
    written = ran.err + ran.out + repr(provenance) + (toys.root / "logs" / "runs.jsonl").read_text()
    assert "hunter2" not in written


def test_sources_are_sent_to_other_processes(toys, frames, memory):
    manifest = load_manifest(toys)
    entry = manifest.dataset("toy")
    split = read_split(entry, "val", toys.data / "toy")
    source = open_source(entry, toys.data / "toy", split.sample(9), RemoteUrl("memory://far/frames"))
    video = split.video(0)
    expected = FolderReader(frames / "frames" / "v0").fingerprint(1, 0)
    assert source.fingerprint(video) == pickle.loads(pickle.dumps(source)).fingerprint(video) == expected
