"""Code of a workspace that somebody sent runs only after it was allowed: attacks, and networks of every legal form."""

import json
import os
import py_compile
import shutil
import sys
import threading
from pathlib import Path

import pytest

pytest.importorskip("torch")

import gsm_bench as gb
from gsm_bench.errors import GsmBenchError, NetworkError, TrustError
from gsm_bench.manifest import load_manifest
from gsm_bench.nets.registry import network_for
from gsm_bench.network_code import NetworkCode, code_of
from gsm_bench.permissions import allow, permissions_path, read_permissions
from gsm_bench.workspace import Workspace
from tests.cases.shell import one_error, shell
from tests.cases.toy import local, make_videos, save_weights
from tests.conftest import TOY_NETWORK, trust

MARK = "import pathlib; pathlib.Path('RAN').touch()\n"
"""Leaves a file in the current directory, which is the workspace."""


@pytest.fixture
def sent(workspace, monkeypatch, tmp_path_factory):
    """A workspace that somebody sent: its code was not allowed, and leaves a mark if it runs."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("c")))
    save_weights(workspace)
    make_videos(workspace, [5, 6])
    (workspace.root / "toynet.py").write_text(MARK + TOY_NETWORK)
    members = '[{ model = "toy_bninc" }, { model = "toy_4f" }]'
    rule = "rule = 'margin'\nthresholds = [0.5]\n"
    more = f"[ensembles.both]\nmembers = {members}\n[cascades.both]\nmembers = {members}\n{rule}"
    (workspace.root / "manifests" / "more.toml").write_text(more)
    return workspace


def ran(workspace) -> bool:
    mark = workspace.root / "RAN"
    done = mark.exists()
    mark.unlink(missing_ok=True)
    return done


COMMANDS = (
    "models cost toy_4f",
    "models cost both",
    "models check toy_4f",
    "score --model toy_4f",
    "score --model toy_4f --plan",
    "score --models toy_bninc,toy_4f --limit 1",
    "score --cascade both",
    "score --model toy_4f --device cpu,cpu",
    "features --model toy_4f --layers fc",
    "bench --model toy_4f --seconds 1 --data data/toy",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_needs_a_network_names_the_line_that_allows_it(sent, gsmbench, command):
    message = one_error(gsmbench(*command.split()))
    assert f"gsmbench trust allow toy_4f --workspace {sent.root}" in message
    assert "toynet.py" in message
    assert not ran(sent)


@pytest.mark.parametrize(
    "command", ["models list", "models show toy_4f", "evaluate --help", "ensemble both --explain", "table"]
)
def test_other_commands_never_run_code(sent, gsmbench, command):
    assert gsmbench(*command.split()).status == 0
    assert not ran(sent)
    trust(sent)
    assert gsmbench(*command.split()).status == 0
    assert not ran(sent)


def test_the_line_of_the_message_allows_it(sent, gsmbench):
    message = gsmbench("models", "cost", "toy_4f").err
    line = message.partition("gsmbench ")[2].splitlines()[0]
    shown = gsmbench(*line.split())
    assert shown.status == 0
    assert "toynet.py  sha256 " in shown.err
    assert not ran(sent)
    assert gsmbench("models", "cost", "toy_4f").status == 0
    assert ran(sent)
    assert gsmbench("score", "--model", "toy_4f", "--quiet").status == 0


def test_forgetting(sent, gsmbench):
    gsmbench("trust", "allow", "toy_4f")
    (listed,) = json.loads(gsmbench("trust", "list", "--format", "json").out)["rows"]
    assert listed["folder"] == str(sent.root)
    assert listed["state"] == "as allowed"
    assert gsmbench("trust", "forget", "toy_bninc").err == "took 0 permissions back\n"
    assert gsmbench("trust", "forget", "toy_4f").err == "took 1 permission back\n"
    one_error(gsmbench("models", "cost", "toy_4f"))
    gsmbench("trust", "allow", "toy_4f")
    assert gsmbench("trust", "forget", "--all").err == "took 1 permission back\n"
    assert not read_permissions()


def test_another_content_another_function_another_folder(sent, gsmbench, tmp_path_factory):
    trust(sent)
    net = sent.root / "toynet.py"
    before = net.read_text()
    net.write_text(before + "# one more byte\n")
    assert "changed since it was allowed" in one_error(gsmbench("models", "cost", "toy_4f"))
    assert json.loads(gsmbench("trust", "list", "--format", "json").out)["rows"][0]["state"] == "changed"
    net.write_text(before)
    assert gsmbench("models", "cost", "toy_4f").status == 0
    (sent.root / "manifests" / "local.toml").write_text(
        '[models.toy_4f]\nlike = "toy_4f"\nnetwork = "toynet:ToyNetwork"\n'
    )
    one_error(gsmbench("models", "cost", "toy_4f"))
    (sent.root / "manifests" / "local.toml").unlink()
    copied = tmp_path_factory.mktemp("w") / "copy"
    shutil.copytree(sent.root, copied)
    one_error(gsmbench("models", "cost", "toy_4f", "--workspace", copied))


IMPORTS = {
    "plain": ("import layers", "layers.py"),
    "from": ("from layers import width", "layers.py"),
    "in a function": ("def f():\n    import layers\n", "layers.py"),
    "in a try": ("try:\n    import layers\nexcept ImportError:\n    pass\n", "layers.py"),
    "a package": ("import parts", "parts/__init__.py"),
    "a module of a package": ("from parts import layers", "parts/layers.py"),
    "a folder": ("import parts.deep.layers", "parts/deep/layers.py"),
    "at second hand": ("import first", "second.py"),
    "under another name": ("import layers as json", "layers.py"),
}


@pytest.mark.parametrize("kind", list(IMPORTS))
def test_files_that_are_imported_count(sent, gsmbench, kind):
    statement, file = IMPORTS[kind]
    (sent.root / "toynet.py").write_text(f"{statement}\n{TOY_NETWORK}")
    (sent.root / "first.py").write_text("import second\n")
    path = sent.root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("width = 1\n")
    trust(sent)
    assert gsmbench("models", "cost", "toy_4f").status == 0
    path.write_text("width = 1\n" + MARK)
    assert file in one_error(gsmbench("models", "cost", "toy_4f"))
    assert not ran(sent)


def test_relative_imports_in_a_package(sent, gsmbench):
    package = sent.root / "nets"
    (package / "parts").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "parts" / "__init__.py").write_text("from ..sizes import WIDTH\nfrom . import gates\n")
    (package / "parts" / "gates.py").write_text("from __future__ import annotations\nOPEN = 1\n")
    (package / "sizes.py").write_text("WIDTH = 2\n")
    (package / "toy.py").write_text("from .parts import WIDTH, gates\n" + TOY_NETWORK)
    local(sent, '[models.packed]\nlike = "toy_4f"\nnetwork = "nets.toy:build"\n')
    code = code_of("nets.toy:build", sent.root)
    assert sorted(code.sources) == [
        "nets/__init__.py", "nets/parts/__init__.py", "nets/parts/gates.py", "nets/sizes.py", "nets/toy.py",
    ]  # fmt: skip
    assert gsmbench("models", "cost", "packed").status == 0
    (package / "sizes.py").write_text("WIDTH = 2\n" + MARK)
    assert "nets/sizes.py" in one_error(gsmbench("models", "cost", "packed"))
    assert not ran(sent)


def test_imports_at_run_time_are_refused_unless_their_file_is_named(sent, gsmbench):
    (sent.root / "toynet.py").write_text(f"import importlib\nimportlib.import_module('lay' + 'ers')\n{TOY_NETWORK}")
    (sent.root / "layers.py").write_text(MARK)
    trust(sent)
    message = one_error(gsmbench("models", "cost", "toy_4f"))
    assert "--file layers.py" in message
    assert not ran(sent)
    assert gsmbench("trust", "allow", "toy_4f", "--file", "layers.py").status == 0
    assert gsmbench("models", "cost", "toy_4f").status == 0
    assert ran(sent)
    (sent.root / "layers.py").write_text(MARK + "#\n")
    assert "layers.py" in one_error(gsmbench("models", "cost", "toy_4f"))


@pytest.mark.parametrize("file", ["no.py", "../up.py", "/etc/passwd", "toynet", "manifests/toy.toml", "a\0b.py"])
def test_files_that_cannot_be_allowed(sent, gsmbench, file):
    (sent.root.parent / "up.py").write_text("")
    one_error(gsmbench("trust", "allow", "toy_4f", "--file", file))
    assert not read_permissions()


def test_compiled_files_of_the_workspace_are_not_run(sent, gsmbench):
    """Not in place of a source, and not without one."""
    other = sent.root / "other.py"
    other.write_text(MARK + TOY_NETWORK)
    net = sent.root / "toynet.py"
    net.write_text(TOY_NETWORK)
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(other), cfile=str(sent.root / "__pycache__" / f"toynet.{sys.implementation.cache_tag}.pyc"),
                       invalidation_mode=unchecked)  # fmt: skip
    trust(sent)
    assert gsmbench("models", "cost", "toy_4f").status == 0
    assert not ran(sent)
    package = sent.root / "parts"
    package.mkdir()
    (package / "__init__.py").write_text("")
    py_compile.compile(str(other), cfile=str(package / "fast.pyc"), invalidation_mode=unchecked)
    net.write_text("import parts.fast\n" + TOY_NETWORK)
    trust(sent)
    assert "compiled" in one_error(gsmbench("models", "cost", "toy_4f"))
    assert not ran(sent)


def test_an_installed_module_is_asked_for_too(sent, gsmbench):
    """Importing this one runs tests named by the words of the command line."""
    (sent.root / "models.py").write_text(MARK)
    (sent.root / "manifests" / "local.toml").write_text(
        '[models.tests]\nlike = "toy_4f"\nnetwork = "unittest.__main__:x"\n'
    )
    message = one_error(gsmbench("models", "cost", "tests"))
    assert "an installed module" in message
    assert not ran(sent)


def test_a_file_with_the_name_of_an_installed_package(sent, gsmbench):
    for name in ("torchvision", "safetensors"):
        (sent.root / f"{name}.py").write_text(MARK + TOY_NETWORK)
    (sent.root / "json.py").write_text(MARK)
    (sent.root / "toynet.py").write_text("import json\n" + TOY_NETWORK)
    trust(sent)
    assert gsmbench("models", "cost", "toy_4f").status == 0
    assert not ran(sent)
    (sent.root / "manifests" / "local.toml").write_text(
        '[models.own]\nlike = "toy_4f"\nnetwork = "safetensors:build"\n'
    )
    assert "rename the file" in one_error(gsmbench("models", "cost", "own"))
    assert not ran(sent)


@pytest.mark.parametrize("name", ["signal", "torch"])
def test_modules_beside_the_manifests_are_never_imported(sent, name):
    """Python itself looks into the current directory when it is started with -m."""
    (sent.root / f"{name}.py").write_text(MARK)
    assert shell("models", "show", "toy_bninc").status == 0
    assert not ran(sent)


def test_what_changes_while_it_is_loaded_does_not_run(sent, monkeypatch):
    """The bytes that were compared run, not those that the file holds by then."""
    trust(sent)
    entry = load_manifest(sent).model("toy_4f")
    from gsm_bench.nets import registry

    def swap(*arguments):
        code = allowed(*arguments)
        (sent.root / "toynet.py").write_text("raise SystemExit('replaced')")
        return code

    allowed = registry.allowed_code
    monkeypatch.setattr(registry, "allowed_code", swap)
    assert network_for(entry, search=sent.root) is not None


def test_two_workspaces_in_one_process(sent, tmp_path_factory):
    """Each gets its own toynet, also after the other one, and after an edit."""
    other = Workspace.locate(tmp_path_factory.mktemp("w"))
    shutil.copytree(sent.root, other.root, dirs_exist_ok=True)
    (other.root / "toynet.py").write_text(TOY_NETWORK.replace("ToyNetwork", "OtherNetwork"))
    names = []
    for workspace in (sent, other, sent):
        trust(workspace)
        names.append(type(network_for(load_manifest(workspace).model("toy_4f"), search=workspace.root)).__name__)
    assert names == ["ToyNetwork", "OtherNetwork", "ToyNetwork"]


def test_a_module_that_the_user_imported_stays(sent, monkeypatch):
    monkeypatch.syspath_prepend(str(sent.root))
    monkeypatch.setitem(sys.modules, "toynet", None)  # what is there at the end is taken away
    del sys.modules["toynet"]
    import toynet

    trust(sent)
    network = network_for(load_manifest(sent).model("toy_4f"), search=sent.root)
    assert sys.modules["toynet"] is toynet
    assert not isinstance(network, toynet.ToyNetwork)


def test_imports_in_functions_of_a_network(sent, monkeypatch):
    """They see the files of their own workspace, whenever they run; nobody else does."""
    (sent.root / "layers.py").write_text("WIDTH = 7\n")
    (sent.root / "toynet.py").write_text(f"def later():\n    import layers\n    return layers.WIDTH\n{TOY_NETWORK}")
    trust(sent)
    network = network_for(load_manifest(sent).model("toy_4f"), search=sent.root)
    with pytest.raises(ImportError):
        import layers  # noqa: F401
    assert sys.modules[type(network).__module__].later() == 7


# On a terminal.


def on_terminal(monkeypatch, answer: str):
    """stdin and stderr are terminals, and the user types an answer."""
    import click

    from gsm_bench.cli import ask_for_code

    monkeypatch.setattr(ask_for_code, "_on_terminal", lambda: True)
    monkeypatch.setattr(click.termui, "visible_prompt_func", lambda _: answer)


def test_yes_on_a_terminal(sent, gsmbench, monkeypatch):
    on_terminal(monkeypatch, "y")
    asked = gsmbench("models", "cost", "toy_4f")
    assert asked.status == 0, asked.err
    assert "toynet.py  sha256 " in asked.err
    assert gsmbench("models", "cost", "toy_4f").err == ""


@pytest.mark.parametrize("answer", ["n", "", "no"])
def test_no_on_a_terminal(sent, gsmbench, monkeypatch, answer):
    on_terminal(monkeypatch, answer)
    one_error(gsmbench("models", "cost", "toy_4f"))
    assert not ran(sent)
    assert not read_permissions()


# In Python.


def test_bench_in_python(sent):
    bench = gb.Bench(sent.root)
    with pytest.raises(TrustError, match="gsmbench trust allow toy_4f"):
        bench.score("toy_4f", limit=1)
    assert not ran(sent)
    assert bench.trust("toy_4f", "toy_bninc") == [sent.root / "toynet.py"]
    assert bench.trust("toy_4f") == []
    assert len(bench.score("toy_4f", limit=1)) == 1


# The list itself.


DAMAGED = {
    "empty": b"", "bytes": b"\xff\xfe\x00", "nul": b"\0" * 100, "deep": b"[" * 100_000, "text": b"hello",
    "other": b'{"a": 1}', "numbers": b'[{"folder": 1, "network": 2}]', "huge": b'[{"folder": 1e999}]',
    "surrogate": b'[{"folder": "\\ud800", "network": "a:b"}]', "null": b"null",
}  # fmt: skip


@pytest.mark.parametrize("kind", list(DAMAGED))
@pytest.mark.parametrize("command", ["trust list", "trust allow toy_4f", "trust forget", "models cost toy_4f"])
def test_a_damaged_list_is_one_error(sent, gsmbench, kind, command):
    permissions_path().parent.mkdir(parents=True)
    permissions_path().write_bytes(DAMAGED[kind])
    message = one_error(gsmbench(*command.split()))
    assert "trust.json" in message
    assert not ran(sent)
    assert permissions_path().read_bytes() == DAMAGED[kind]


def test_parallel_permissions_are_all_kept(sent):
    codes = [NetworkCode(sent.root, f"net{number}:build") for number in range(24)]
    threads = [threading.Thread(target=allow, args=[code]) for code in codes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(each.network for each in read_permissions()) == sorted(code.network for code in codes)


def test_a_list_that_cannot_be_written(sent, gsmbench, monkeypatch):
    blocked = sent.root / "blocked"
    blocked.write_text("")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(blocked))
    assert "XDG_CONFIG_HOME" in one_error(gsmbench("trust", "allow", "toy_4f"))


def test_the_list_is_never_looked_for_in_the_workspace(sent, gsmbench, monkeypatch):
    """A relative directory of the environment does not count, as its standard says."""
    trust(sent)
    shutil.copytree(permissions_path().parent, sent.root / "gsmbench")
    monkeypatch.setenv("XDG_CONFIG_HOME", ".")
    monkeypatch.setenv("HOME", str(sent.root / "nowhere"))
    one_error(gsmbench("models", "cost", "toy_4f"))
    assert not ran(sent)


# Odd files.


def fifo(path: Path) -> None:
    os.mkfifo(path)


ODD = {
    "deep": lambda path: path.write_text("x = " + "(" * 5000 + ")" * 5000),
    "deeper": lambda path: path.write_text("x = " + "-" * 200_000 + "1"),
    "nul": lambda path: path.write_bytes(b"\0" * 100),
    "bytes": lambda path: path.write_bytes(b"\xff\xfe\xfd"),
    "coding": lambda path: path.write_bytes(b"# -*- coding: nosuch -*-\n"),
    "large": lambda path: path.write_bytes(b"#" * 6_000_000),
    "missing": lambda path: None,
    "a pipe": fifo,
    "a folder": lambda path: path.mkdir(),
    "a loop": lambda path: path.symlink_to(path.name),
    "dots": lambda path: path.write_text("from .... import x\nfrom . import y\nfrom .. import z\n"),
    "itself": lambda path: path.write_text("import toynet\nfrom toynet import build\n"),
    "exit": lambda path: path.write_text("def build(entry):\n    raise ValueError('\\x1b[31m')\n"),
}


@pytest.mark.parametrize("kind", list(ODD))
def test_odd_files_as_networks(sent, gsmbench, kind):
    path = sent.root / "toynet.py"
    path.unlink()
    ODD[kind](path)
    assert "\x1b" not in one_error(gsmbench("models", "cost", "toy_4f"))
    try:
        trust(sent)
    except GsmBenchError:
        return
    assert "\x1b" not in one_error(gsmbench("models", "cost", "toy_4f"))


@pytest.mark.parametrize("network", ["a..b:f", "toynet.:build", ".toynet:build", "toynet:no", "toynet:torch"])
def test_odd_names_of_networks(sent, gsmbench, network):
    (sent.root / "manifests" / "local.toml").write_text(f'[models.odd]\nlike = "toy_4f"\nnetwork = "{network}"\n')
    trust(sent)
    message = one_error(gsmbench("models", "cost", "odd"))
    assert "trust allow" not in message


def test_more_files_than_any_network_has(sent):
    for number in range(1_001):
        (sent.root / f"m{number}.py").write_text(f"import m{number + 1}\n")
    (sent.root / "toynet.py").write_text("import m0\n")
    with pytest.raises(NetworkError, match="imports more than"):
        code_of("toynet:build", sent.root)
