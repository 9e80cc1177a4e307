"""Files from a server: cut off at any byte, changed meanwhile, refused, too large for the disk."""

import hashlib
import json
import sys
from pathlib import Path

import pytest

from gsm_bench.downloads import fetch
from gsm_bench.downloads.link import partial_of
from gsm_bench.errors import DiskError, DownloadError
from gsm_bench.files import locked
from tests.downloads.server import Behaviour, serving

CONTENT = bytes(range(251)) * 17
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")


def cut_off(url, path, **options):
    """A download that is not tried again."""
    with pytest.raises(DownloadError, match=r"cut off.*bytes are kept"):
        fetch(url, path, waits_s=(), **options)


def test_a_file_comes_whole_and_leaves_nothing_else(tmp_path):
    seen = []
    with serving(Behaviour(CONTENT)) as url:
        got = fetch(url, tmp_path / "new" / "w.pth", report=lambda done, total: seen.append((done, total)))
    assert (got.path.read_bytes(), got.sha256, got.compared, got.downloaded) == (CONTENT, SHA256, "", True)
    assert seen == [(0, len(CONTENT)), (len(CONTENT), len(CONTENT))]
    assert [path.name for path in got.path.parent.iterdir()] == ["w.pth"]


def test_a_download_cut_at_any_byte_continues_there(tmp_path):
    content = CONTENT[:97]
    behaviour = Behaviour(content)
    with serving(behaviour) as url:
        for cut in range(97):
            path = tmp_path / str(cut)
            behaviour.requests.clear()
            behaviour.cuts = [cut]
            cut_off(url, path)
            assert not path.exists()
            fetch(url, path, sha256=hashlib.sha256(content).hexdigest())
            assert path.read_bytes() == content
            assert behaviour.requests == [None, f"bytes={cut}-" if cut else None]


def test_a_connection_that_is_lost_often_is_made_again(tmp_path):
    behaviour = Behaviour(CONTENT, cuts=[100, 0, 50, 0, 1000])
    with serving(behaviour) as url:
        got = fetch(url, tmp_path / "w", waits_s=(0, 0))
    assert got.path.read_bytes() == CONTENT
    assert behaviour.requests == [None, "bytes=100-", "bytes=100-", "bytes=150-", "bytes=150-", "bytes=1150-"]


def test_a_server_without_range_starts_over(tmp_path):
    behaviour = Behaviour(CONTENT, ranges=False, cuts=[1000])
    with serving(behaviour) as url:
        cut_off(url, tmp_path / "w")
        got = fetch(url, tmp_path / "w")
    assert got.path.read_bytes() == CONTENT
    assert behaviour.requests == [None, "bytes=1000-"]


def test_a_file_without_a_version_starts_over_unless_its_hash_is_known(tmp_path):
    """Without a version, the rest could be that of another file; the sha256 would tell."""
    behaviour = Behaviour(CONTENT, etag=None, cuts=[1000])
    with serving(behaviour) as url:
        cut_off(url, tmp_path / "w")
        fetch(url, tmp_path / "w")
        behaviour.cuts = [1000]
        cut_off(url, tmp_path / "v", sha256=SHA256)
        fetch(url, tmp_path / "v", sha256=SHA256)
    assert behaviour.requests == [None, None, None, "bytes=1000-"]


@pytest.mark.parametrize("other", [CONTENT[::-1], CONTENT[:500], CONTENT * 2], ids=["changed", "shorter", "longer"])
def test_a_file_that_changed_meanwhile_is_not_mixed(tmp_path, other):
    behaviour = Behaviour(CONTENT, cuts=[1000])
    with serving(behaviour) as url:
        cut_off(url, tmp_path / "w")
        behaviour.content, behaviour.etag = other, '"v2"'
        got = fetch(url, tmp_path / "w", waits_s=(0,))
    assert got.path.read_bytes() == other
    assert behaviour.requests == [None, "bytes=1000-", None]


@pytest.mark.parametrize("said", [0, 500, 1500])
def test_a_server_that_sends_another_part_than_asked_for_is_not_believed(tmp_path, said):
    """It says so itself; the file is whole in the end, or refused."""
    behaviour = Behaviour(CONTENT, cuts=[1000], said_start=said)
    with serving(behaviour) as url:
        cut_off(url, tmp_path / "w")
        assert fetch(url, tmp_path / "w", waits_s=(0,)).path.read_bytes() == CONTENT
    assert behaviour.requests == [None, "bytes=1000-", None]


def test_a_server_that_sends_only_a_part_is_refused(tmp_path):
    behaviour = Behaviour(CONTENT, said_start=500, always_partial=True)
    with serving(behaviour) as url, pytest.raises(DownloadError, match="another part of the file"):
        fetch(url, tmp_path / "w", waits_s=(0,))
    assert not (tmp_path / "w").exists()


def test_redirects_are_followed_and_continue(tmp_path):
    there = Behaviour(CONTENT, cuts=[1000])
    with serving(there) as target, serving(Behaviour(b"", redirect=target)) as url:
        cut_off(url, tmp_path / "w")
        assert fetch(url, tmp_path / "w").path.read_bytes() == CONTENT
    assert there.requests == [None, "bytes=1000-"]


def test_a_redirect_to_an_open_connection_needs_a_hash(tmp_path, monkeypatch):
    from gsm_bench.downloads import link

    with serving(Behaviour(CONTENT)) as target, serving(Behaviour(b"", redirect=target)) as url:
        answers = iter([True, False])  # the link is on this machine, where it leads to is not
        monkeypatch.setattr(link, "_is_this_machine", lambda host: next(answers))
        with pytest.raises(DownloadError, match="not encrypted"):
            fetch(url, tmp_path / "w")
        assert fetch(url, tmp_path / "v", sha256=SHA256).path.read_bytes() == CONTENT


def test_kept_bytes_of_another_link_are_not_used(tmp_path):
    first, second = Behaviour(CONTENT, cuts=[1000]), Behaviour(CONTENT[::-1])
    with serving(first) as url:
        cut_off(url, tmp_path / "w")
    with serving(second) as url:
        assert fetch(url, tmp_path / "w").path.read_bytes() == CONTENT[::-1]
    assert second.requests == [None]


def test_a_damaged_record_of_a_download_starts_over(tmp_path):
    behaviour = Behaviour(CONTENT, cuts=[1000])
    with serving(behaviour) as url:
        cut_off(url, tmp_path / "w")
        record = tmp_path / ".w.partial.json"
        assert json.loads(record.read_text())["size"] == len(CONTENT)
        record.write_text("{")
        assert fetch(url, tmp_path / "w").path.read_bytes() == CONTENT


def test_all_bytes_that_were_kept_are_not_asked_for_again(tmp_path):
    """A process killed between the last byte and the name of the file."""
    behaviour = Behaviour(CONTENT, cuts=[1000])
    with serving(behaviour) as url:
        cut_off(url, tmp_path / "w")
        partial_of(tmp_path / "w").write_bytes(CONTENT)
        fetch(url, tmp_path / "w", sha256=SHA256)
    assert len(behaviour.requests) == 1


def test_a_wrong_hash_is_refused_and_kept_apart(tmp_path):
    path = tmp_path / "w.pth"
    with (
        serving(Behaviour(CONTENT)) as url,
        pytest.raises(DownloadError, match=f"its sha256 is {SHA256}, not {'0' * 64}"),
    ):
        fetch(url, path, sha256="0" * 64)
    apart = tmp_path / f"w.pth.sha256-{SHA256[:12]}"
    assert apart.read_bytes() == CONTENT
    assert list(tmp_path.iterdir()) == [apart]


def test_what_is_there_is_kept(tmp_path):
    path = tmp_path / "w"
    path.write_bytes(b"mine")
    behaviour = Behaviour(CONTENT)
    with serving(behaviour) as url:
        assert not fetch(url, path).downloaded
        with pytest.raises(DownloadError, match="another file is there"):
            fetch(url, path, sha256=SHA256)
        assert path.read_bytes() == b"mine"
        assert not behaviour.requests
        assert fetch(url, path, sha256=SHA256, force=True).path.read_bytes() == CONTENT
        assert not fetch(url, path, sha256=SHA256).downloaded
    assert len(behaviour.requests) == 1


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (Behaviour(CONTENT, status=404), "404.*\n.*\n.*moved"),
        (Behaviour(CONTENT, status=403), "403.*\n.*\n.*browser"),
        (Behaviour(CONTENT, status=418), "refuses this file"),
        (Behaviour(CONTENT, status=503), "cut off.*Service Unavailable"),
        (Behaviour(CONTENT, type="text/html; charset=utf-8"), "a web page, not a file"),
        (Behaviour(b"\n<!DOCTYPE html><title>Virus scan warning"), "a web page, not a file"),
        (Behaviour(CONTENT, encoding="gzip"), "compressed"),
        (Behaviour(CONTENT, length=False), "how long the file is"),
    ],
)  # fmt: skip
def test_answers_that_are_no_file(tmp_path, behaviour, words):
    with serving(behaviour) as url, pytest.raises(DownloadError, match=words):
        fetch(url, tmp_path / "w", waits_s=(0,))
    assert not list(tmp_path.glob("[!.]*"))
    assert len(behaviour.requests) == (2 if behaviour.status == 503 else 1)


def test_a_busy_server_is_asked_again(tmp_path):
    behaviour = Behaviour(CONTENT, status=429, times=2)
    with serving(behaviour) as url:
        assert fetch(url, tmp_path / "w", waits_s=(0, 0)).path.read_bytes() == CONTENT


def test_a_file_of_unknown_length_is_taken_with_its_hash(tmp_path):
    with serving(Behaviour(CONTENT, length=False)) as url:
        assert fetch(url, tmp_path / "w", sha256=SHA256).compared == "entry"


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://host/w", "w.pth", "", "https://", "http://[::1", "https:w"]
)
def test_links_that_are_no_web_address(tmp_path, url):
    with pytest.raises(DownloadError, match="no web address"):
        fetch(url, tmp_path / "w")


def test_open_connections_need_a_hash(tmp_path):
    with pytest.raises(DownloadError, match="not encrypted"):
        fetch("http://example.org/w.pth", tmp_path / "w")


def test_a_server_that_is_not_there(tmp_path):
    with serving(Behaviour(CONTENT)) as url:
        pass
    with pytest.raises(DownloadError, match="cut off"):
        fetch(url, tmp_path / "w", waits_s=(0,))


def test_two_downloads_of_one_file(tmp_path):
    behaviour = Behaviour(CONTENT)
    with (
        serving(behaviour) as url,
        locked(partial_of(tmp_path / "w")),
        pytest.raises(DownloadError, match="another process"),
    ):
        fetch(url, tmp_path / "w")
    assert not behaviour.requests


def test_a_file_larger_than_the_disk_is_one_error(tmp_path, monkeypatch):
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 5, 5))
    with serving(Behaviour(CONTENT)) as url, pytest.raises(DiskError, match="not enough disk space"):
        fetch(url, tmp_path / "w")


def test_a_disk_that_becomes_full_keeps_what_came(tmp_path):
    """The limit of file sizes stands for a full disk; the next run continues."""
    import resource
    import signal

    content = CONTENT * 1000  # 4.3 MB, several blocks; its length is not said, so that nothing foresees the end
    behaviour = Behaviour(content, length=False)
    digest = hashlib.sha256(content).hexdigest()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with serving(behaviour) as url:
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, hard))
            with pytest.raises(DiskError, match="ulimit"):
                fetch(url, tmp_path / "w", sha256=digest)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, before)
        kept = partial_of(tmp_path / "w").stat().st_size
        assert 0 < kept <= 2_000_000
        assert fetch(url, tmp_path / "w", sha256=digest).path.read_bytes() == content
    assert behaviour.requests == [None, f"bytes={kept}-"]


def test_a_folder_at_the_place_of_the_file(tmp_path):
    (tmp_path / "w").mkdir()
    with pytest.raises(DownloadError, match="folder"):
        fetch("https://example.org/w", tmp_path / "w")


def test_an_empty_file(tmp_path):
    with serving(Behaviour(b"")) as url:
        assert fetch(url, tmp_path / "w").path.read_bytes() == b""


HUB = "https://huggingface.co/owner/name/blob/main/model.safetensors"


def test_a_file_of_hugging_face_has_the_hash_that_the_hub_states(tmp_path, monkeypatch):
    pytest.importorskip("huggingface_hub")
    behaviour = Behaviour(CONTENT, etag=f'"{SHA256}"', headers={"X-Repo-Commit": "c" * 40}, cuts=[1000])
    with serving(behaviour) as url:
        monkeypatch.setenv("HF_ENDPOINT", url.removesuffix("/weights.pth"))
        cut_off(HUB, tmp_path / "w")
        got = fetch(HUB, tmp_path / "w")
        assert (got.compared, got.path.read_bytes()) == ("server", CONTENT)
        assert behaviour.requests == [None, "bytes=1000-"]
        behaviour.content = CONTENT[::-1]
        with pytest.raises(DownloadError, match="another file"):
            fetch(HUB, tmp_path / "v")


def test_without_its_package_a_file_of_hugging_face_comes_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with serving(Behaviour(CONTENT)) as url:
        monkeypatch.setenv("HF_ENDPOINT", url.removesuffix("/weights.pth"))
        assert fetch(HUB, tmp_path / "w").compared == ""


@pytest.mark.parametrize(("status", "words"), [(404, "refuses this file: 404"), (401, "refuses this file: 401")])
def test_files_that_the_hub_refuses(tmp_path, monkeypatch, status, words):
    pytest.importorskip("huggingface_hub")
    with serving(Behaviour(CONTENT, status=status)) as url:
        monkeypatch.setenv("HF_ENDPOINT", url.removesuffix("/weights.pth"))
        with pytest.raises(DownloadError, match=words):
            fetch(HUB, tmp_path / "w")


def test_a_repository_is_no_file(tmp_path):
    with pytest.raises(DownloadError, match="names no file"):
        fetch("https://huggingface.co/owner/name", tmp_path / "w")


def test_a_download_by_gdown_continues(tmp_path):
    pytest.importorskip("gdown")
    from gsm_bench.downloads.drive import download_drive
    from gsm_bench.downloads.link import Link

    partial, seen = tmp_path / ".w.partial", []
    content, block = CONTENT * 300, 512 * 1024  # gdown keeps whole blocks
    behaviour = Behaviour(content, cuts=[block + 1000])
    with serving(behaviour) as url:
        with pytest.raises(DownloadError, match="cut off"):
            download_drive(Link(url, url), partial, report=lambda *_: None, retries=0)
        download_drive(Link(url, url), partial, report=lambda done, _: seen.append(done))
    assert partial.read_bytes() == content
    assert seen[-1] == len(content)
    assert behaviour.requests[-1] == f"bytes={block}-"


def test_links_of_drive_go_to_gdown_by_the_id_of_the_file(tmp_path, monkeypatch):
    gdown = pytest.importorskip("gdown")
    asked = []

    def download(*, url, output, **_):
        asked.append(url)
        Path(output).write_bytes(CONTENT)

    monkeypatch.setattr(gdown, "download", download)
    got = fetch("https://drive.google.com/open?id=abc-D_1", tmp_path / "w", sha256=SHA256)
    assert (got.compared, asked) == ("entry", ["https://drive.google.com/uc?id=abc-D_1"])


def test_a_warning_page_of_drive_is_no_file(tmp_path, monkeypatch):
    gdown = pytest.importorskip("gdown")
    page = b"<!DOCTYPE html><html><head><title>Google Drive - Virus scan warning</title>"
    monkeypatch.setattr(gdown, "download", lambda *, output, **_: Path(output).write_bytes(page))
    with pytest.raises(DownloadError, match="a web page, not a file"):
        fetch("https://drive.google.com/open?id=abc", tmp_path / "w")
    assert not (tmp_path / "w").exists()


def test_without_gdown_the_error_names_what_installs_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "gdown", None)
    with pytest.raises(DownloadError, match=r"gsm-bench\[fetch\]"):
        fetch("https://drive.google.com/open?id=abc", tmp_path / "w")


def test_drive_files_that_may_not_be_had(tmp_path, monkeypatch):
    gdown = pytest.importorskip("gdown")
    from gdown.exceptions import FileURLRetrievalError

    def download(**_):
        raise FileURLRetrievalError("Too many users\n have viewed it")

    monkeypatch.setattr(gdown, "download", download)
    with pytest.raises(DownloadError, match="gives no file: Too many users have viewed it"):
        fetch("https://drive.google.com/file/d/abc/view", tmp_path / "w")
