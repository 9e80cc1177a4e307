"""Entries of the workspace that are wrong: they stop the commands that need them, and no others."""

from pathlib import Path

import numpy as np
import pytest

from tests.cases.shell import one_error

A, B = (f"scores/toy/val/{name}.h5" for name in "ab")


@pytest.fixture
def files(toy_labels, save_scores):
    """a and b: score files of 60 videos."""
    for seed, name in enumerate("ab"):
        save_scores(name, np.random.default_rng(seed).standard_normal((60, 2, 5)).astype(np.float32))


def both(ran):
    return ran.out + ran.err


BAD_ENTRIES = {
    "unknown key": '[models.bad]\ntitle = "x"\ncolour = 3\n',
    "missing keys": '[models.bad]\ntitle = "x"\n',
    "wrong type": '[models.bad]\nlike = "inv3_8f"\nframes = "eight"\n',
    "unknown data set": '[models.bad]\nlike = "inv3_8f"\ndataset = "nowhere"\n',
    "unknown split": '[models.bad]\nlike = "inv3_8f"\nsplit = "nowhere"\n',
    "like nothing": '[models.bad]\nlike = "nothing"\n',
    "ensemble of nothing": '[ensembles.bad]\nmembers = [{ model = "nothing" }]\n',
    "ensemble without members": '[ensembles.bad]\nmembers = []\n',
    "bad pattern": '[datasets.bad]\nlike = "shapes"\nframe_pattern = "{nothing}"\n',
    "cascade": '[cascades.bad]\nmembers = [{ model = "inv3_8f" }]\nthresholds = [1, 2]\n',
    "table": '[tables.bad]\nrows = 3\n',
    "no table": "[models]\nbad = 3\n",
    "unknown section": "[colours.bad]\nx = 3\n",
}  # fmt: skip


@pytest.fixture
def bad_entry(workspace):
    def write(name):
        (workspace.manifests / "local.toml").write_text(BAD_ENTRIES[name])

    return write


@pytest.mark.parametrize("name", BAD_ENTRIES)
def test_a_bad_entry_harms_no_command_that_does_not_need_it(files, gsmbench, bad_entry, name):
    bad_entry(name)
    for arguments in (
        ["evaluate", A],
        ["ensemble", "--members", f"{A},{B}"],
        ["models", "show", "inv3_8f"],
        ["submit", "log"],
    ):
        ran = gsmbench(*arguments)
        assert ran.status == 0, ran.err
        if arguments[0] != "submit":
            assert ran.err.count("warning:") == 1 and "local.toml" in ran.err and "fix:" in ran.err, ran.err


@pytest.mark.parametrize("name", [name for name in BAD_ENTRIES if BAD_ENTRIES[name].startswith("[models.")])
def test_a_bad_entry_is_named_by_the_command_that_needs_it(workspace, gsmbench, bad_entry, name):
    bad_entry(name)
    for arguments in (
        ["models", "show", "bad"],
        ["ensemble", "--members", "bad"],
        ["score", "--model", "bad", "--plan"],
    ):
        message = one_error(gsmbench(*arguments))
        assert "local.toml" in message and "bad" in message


@pytest.mark.parametrize("name", BAD_ENTRIES)
def test_a_bad_entry_is_named_in_the_list(workspace, gsmbench, bad_entry, name):
    bad_entry(name)
    ran = gsmbench("models", "list")
    assert "inv3_8f" in ran.out, ran.err
    assert "local.toml" in both(ran)


def test_a_bad_entry_does_not_stop_another_from_being_added(workspace, gsmbench, bad_entry):
    bad_entry("wrong type")
    Path("mine.pth.tar").write_bytes(b"weights")
    ran = gsmbench("models", "add", "mine", "--like", "inv3_8f", "--checkpoint", "mine.pth.tar")
    assert ran.status == 0, ran.err
    before = Path("manifests/local.toml").read_text()
    assert before.startswith("[models.bad]"), "the user's entry was taken away"


def test_a_file_that_is_no_toml(files, workspace, gsmbench):
    (workspace.manifests / "local.toml").write_text("[models.mine\n")
    ran = gsmbench("evaluate", A)
    assert ran.status == 0 and ran.err.count("warning:") == 1 and "local.toml" in ran.err
    assert "inv3_8f" in gsmbench("models", "list").out
    message = one_error(gsmbench("models", "show", "mine"))
    assert "not valid TOML" in message and "local.toml" in message
