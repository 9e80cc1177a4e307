"""Records of unfinished runs, recipes and claims with contents that nobody wrote: one error each, and nothing is lost."""

import json
import os
import socket

import pytest

pytest.importorskip("torch")

from tests.cases.odd_bytes import ODD_JSON
from tests.cases.shell import one_error
from tests.cases.toy import make_videos, save_weights, score_file


@pytest.fixture
def videos(workspace):
    save_weights(workspace)
    return make_videos(workspace, [4, 5])


@pytest.mark.parametrize("kind", list(ODD_JSON))
def test_the_record_of_an_unfinished_run(workspace, videos, gsmbench, kind):
    """Nobody knows which run its chunks are of, so they are not used; --fresh starts again."""
    folder = score_file(workspace).with_name("toy_4f.h5.parts")
    folder.mkdir(parents=True)
    (folder / "run.json").write_bytes(ODD_JSON[kind])
    assert "run.json" in one_error(gsmbench("score", "--model", "toy_4f", "--quiet"))
    assert (folder / "run.json").read_bytes() == ODD_JSON[kind]
    one_error(gsmbench("score", "--model", "toy_4f", "--plan"))
    assert gsmbench("score", "--model", "toy_4f", "--quiet", "--fresh").status == 0


@pytest.mark.parametrize("kind", list(ODD_JSON))
def test_the_record_of_an_interrupted_packing(workspace, videos, gsmbench, kind):
    folder = workspace.root / "p.h5.parts"
    folder.mkdir()
    (folder / "run.json").write_bytes(ODD_JSON[kind])
    one_error(gsmbench("pack", videos / "frames", "p.h5"))
    assert (folder / "run.json").read_bytes() == ODD_JSON[kind]


@pytest.mark.parametrize("kind", list(ODD_JSON))
def test_a_recipe(workspace, gsmbench, kind):
    folder = workspace.root / "shapes"
    folder.mkdir()
    (folder / "val_recipe.json").write_bytes(ODD_JSON[kind])
    assert "val_recipe.json" in one_error(gsmbench("shapes", "make", folder, "--split", "val", "--videos", 14))
    assert (folder / "val_recipe.json").read_bytes() == ODD_JSON[kind]


@pytest.mark.parametrize("change", [{"seed": "1"}, {"videos": 14.0}, {"version": None}, {"videos": True}, {"split": 3}])
def test_a_recipe_with_a_value_of_another_kind(workspace, gsmbench, change):
    folder = workspace.root / "shapes"
    assert gsmbench("shapes", "make", folder, "--split", "val", "--videos", 14).status == 0
    path = folder / "val_recipe.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert "val_recipe.json" in one_error(gsmbench("shapes", "make", folder, "--split", "val", "--videos", 14))


@pytest.mark.parametrize("kind", [*ODD_JSON, "pid"])
def test_a_claim(workspace, videos, gsmbench, kind):
    """Whoever wrote it is gone, so its chunk is scored."""

    folder = score_file(workspace).with_name("toy_4f.h5.parts")
    folder.mkdir(parents=True)
    claim = folder / "0.claim"
    claim.write_bytes(ODD_JSON.get(kind) or json.dumps({"host": socket.gethostname(), "pid": 10**30}).encode())
    os.utime(claim, (1e9, 1e9))
    assert gsmbench("score", "--model", "toy_4f", "--quiet").status in (0, 1)
