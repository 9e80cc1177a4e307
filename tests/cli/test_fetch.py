"""``gsmbench models fetch``, with a server on this machine."""

import hashlib
import json

import pytest

from tests.downloads.server import Behaviour, serving

CONTENT = b"weights" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")


def add_url(workspace, url, sha256=""):
    checkpoint = f'checkpoint = {{ file = "mine.pth", url = "{url}", sha256 = "{sha256}" }}'
    path = workspace.manifests / "zz_mine.toml"
    path.write_text(f'[models.mine]\nlike = "inv3_8f"\n{checkpoint}\n')


def test_fetch_puts_weights_in_their_place(gsmbench, workspace):
    with serving(Behaviour(CONTENT)) as url:
        add_url(workspace, url)
        ran = gsmbench("models", "fetch", "mine")
        assert (ran.status, ran.out) == (0, "checkpoints/mine.pth\n")
        assert f"sha256 {SHA256} (none is known to compare with)" in ran.err
        assert "mine: 0.0 of 0.0 MB" in ran.err
        assert "gsmbench models check mine --pin" in ran.err
        assert (workspace.checkpoints / "mine.pth").read_bytes() == CONTENT
        again = gsmbench("models", "fetch", "mine", "--quiet")
    assert again.status == 0
    assert "is here already" in again.err


def test_fetch_compares_the_hash_of_the_entry(gsmbench, workspace):
    with serving(Behaviour(CONTENT)) as url:
        add_url(workspace, url, SHA256)
        assert "(as in the entry)" in gsmbench("models", "fetch", "mine").err
        add_url(workspace, url, "0" * 64)
        assert "another file is there" in gsmbench("models", "fetch", "mine").err
        ran = gsmbench("models", "fetch", "mine", "--force")
    assert ran.status == 1
    assert "this is another file" in ran.err
    assert (workspace.checkpoints / "mine.pth").read_bytes() == CONTENT


def test_progress_as_json(gsmbench, workspace):
    with serving(Behaviour(CONTENT)) as url:
        add_url(workspace, url, SHA256)
        line = gsmbench("models", "fetch", "mine", "--json-progress").err.splitlines()[0]
    told = json.loads(line)
    assert (told["progress"], told["done_bytes"], told["total_bytes"]) == ("mine", 7000, 7000)


def test_models_without_an_address_stop_before_any_download(gsmbench, workspace):
    behaviour = Behaviour(CONTENT)
    with serving(behaviour) as url:
        add_url(workspace, url)
        ran = gsmbench("models", "fetch", "mine", "toy_4f")
        assert ran.status == 1
        assert "where the weights of toy_4f are" in ran.err
        assert not behaviour.requests
        assert gsmbench("models", "fetch", "toy_4f", "--url", url).status == 0
    assert gsmbench("models", "fetch", "mine", "toy_4f", "--url", url).status == 2
    assert "no model 'nothing'" in gsmbench("models", "fetch", "nothing").err
