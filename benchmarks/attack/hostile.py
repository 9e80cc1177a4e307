"""What a stranger sends: no code of it runs, nothing outside is read, no escape of it reaches a terminal."""

from __future__ import annotations

import ctypes
import io
import json
import os
import pty
import re
import resource
import select
import shutil
import sys
import tarfile
import tempfile
import time
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from attack.children import Ended, own_streams, run
from attack.kills import PLACE, READ_ONLY, SCORE, copy_of
from tests.importers.hostile import FILES

MEMORY = 1 << 30
LIMITS = {resource.RLIMIT_CPU: 10}
"""Seconds of a processor: a command that takes more is ended by a signal, which is a fault."""
ESCAPES = "\x1b]0;title\x07\x9b31m\x1bP1$\x08\u202egnp"
"""A title, a bell, a colour by one byte, a device string, a step back, letters from right to left."""
OURS = re.compile(rb"\x1b\[[0-9;?]*[mKAlhJG]")
"""Colours and the moves of a progress bar."""
FORBIDDEN = (b"\x1b", b"\x07", b"\x08", "\x9b".encode(), "\u202e".encode())
IN_ACCESS, IN_OPEN = 0x1, 0x20


@dataclass
class Tried:
    """Tries of one kind, and the faults among them."""

    tries: int = 0
    faults: list[str] = field(default_factory=list)


@contextmanager
def fresh(workspace: Path) -> Iterator[Path]:
    """A copy of the workspace that may be changed everywhere."""
    with tempfile.TemporaryDirectory(prefix="attack-") as folder:
        root = copy_of(workspace, Path(folder).resolve() / "workspace")
        for name in READ_ONLY:
            (root / name).unlink()
            shutil.copytree(workspace / name, root / name)
        yield root


# Code.


def _judge_file(ended: Ended, root: Path, name: str, tried: Tried) -> None:
    tried.tries += 1
    if (root / "canary").exists():
        tried.faults.append(f"{name}: its code was run")
        (root / "canary").unlink()
    if ended.crashed:
        tried.faults.append(f"{name}: {ended.crashed}: {ended.err[-300:]}")
    if ended.max_rss > MEMORY:
        tried.faults.append(f"{name}: {ended.max_rss >> 20} MB")


def run_code(workspace: Path, say: Callable[[str], None]) -> Tried:
    """Hostile dumps and checkpoints, and a network of the workspace that nobody allowed."""
    tried = Tried()
    with fresh(workspace) as root:
        for name, (content, _) in FILES.items():
            (root / "hostile.pkl").write_bytes(content)
            ended = run(["import", "hostile.pkl", "--out", "new.h5"], root, limits=LIMITS)
            _judge_file(ended, root, f"import {name}", tried)
            shutil.copy(root / "hostile.pkl", root / "checkpoints/net_torch.pth")
            ended = run(["models", "check", "net_torch"], root, limits=LIMITS)
            _judge_file(ended, root, f"models check {name}", tried)
        for arguments in OWN_CODE:
            _judge_file(run(arguments, root), root, " ".join(arguments), tried)
    return _said("code", tried, say)


OWN_CODE = [
    ["models", "list"], ["models", "show", "own"], ["models", "check", "own"], ["models", "check"],
    ["score", "--model", "own", "--plan"], ["score", "--model", "own", *SCORE], ["evaluate", "a.h5"], ["doctor"],
    ["features", "--model", "own"], ["table", "4", "--dataset", "toy"], ["figure", "all", *PLACE, "--force"],
    ["models", "add", "mine", "--like", "own", "--checkpoint", "net_4f.safetensors"], ["trust", "list"],
    ["search", "net_4f,net_6f", *PLACE], ["report", *PLACE], ["check", "sent.zip"],
]  # fmt: skip


# Reading elsewhere.


class Watch:
    """Sees whether a file is opened, also by a library in C; `works` where this system can tell."""

    def __init__(self, paths: list[Path]) -> None:
        self.works = sys.platform == "linux"
        if self.works:
            library = ctypes.CDLL(None, use_errno=True)
            self._handle = library.inotify_init1(os.O_NONBLOCK)
            places = [library.inotify_add_watch(self._handle, os.fsencode(path), IN_OPEN | IN_ACCESS) for path in paths]
            self.works = self._handle >= 0 and min(places) >= 0

    def was_opened(self) -> bool:
        try:
            return bool(os.read(self._handle, 65536))
        except BlockingIOError:
            return False


def _linked_scores(root: Path, secret: Path) -> None:
    with h5py.File(root / "a.h5", "r+") as file:
        del file["scores/action"]
        file["scores/action"] = h5py.ExternalLink(str(secret), "/scores/action")


def _linked_ids(root: Path, secret: Path) -> None:
    with h5py.File(root / "a.h5", "r+") as file:
        del file["video_ids"]
        file["video_ids"] = h5py.ExternalLink(str(secret), "/video_ids")


def _raw_scores(root: Path, secret: Path) -> None:
    with h5py.File(root / "a.h5", "r+") as file:
        shape = file["scores/action"].shape
        del file["scores/action"]
        size = int(np.prod(shape)) * 4
        file.create_dataset("scores/action", shape, "<f4", external=[(str(secret), 0, size)]).attrs["kind"] = "logits"


def _virtual_scores(root: Path, secret: Path) -> None:
    with h5py.File(root / "a.h5", "r+") as file:
        layout = h5py.VirtualLayout(file["scores/action"].shape, "<f4")
        layout[...] = h5py.VirtualSource(str(secret), "scores/action", shape=layout.shape)
        del file["scores/action"]
        file.create_virtual_dataset("scores/action", layout).attrs["kind"] = "logits"


def _linked_frames(root: Path, secret: Path) -> None:
    with h5py.File(root / "pack/frames.h5", "r+") as file:
        del file["v1"]
        file["v1"] = h5py.ExternalLink(str(secret), "/scores/action")


def _id(name: str) -> Callable[[Path, Path], None]:
    def change(root: Path, secret: Path) -> None:
        place = os.path.relpath(secret.parent, root / "jpeg/frames") if name == "relative" else str(secret.parent)
        (root / "jpeg/val.txt").write_text(f"v0 4 0\n{place}/frames 4 1\n")

    return change


def _tar_link(root: Path, secret: Path) -> None:
    with tarfile.open(root / "tar/frames/v1.tar", "w") as archive:
        for number in range(1, 5):
            link = tarfile.TarInfo(f"{number:05d}.jpg")
            link.type, link.linkname = (
                (tarfile.SYMTYPE, tarfile.LNKTYPE)[number % 2],
                str(secret.parent / "frames/00001.jpg"),
            )
            archive.addfile(link)


def _tar_path(root: Path, secret: Path) -> None:
    with tarfile.open(root / "tar/frames/v1.tar", "w") as archive:
        member = tarfile.TarInfo(f"{secret.parent}/frames/00001.jpg")
        member.size = 4
        archive.addfile(member, io.BytesIO(b"abcd"))


def _zip_path(root: Path, secret: Path) -> None:
    with zipfile.ZipFile(root / "zip/frames/v1.zip", "w") as archive:
        archive.writestr(f"../../../{secret.parent.name}/frames/00001.jpg", b"abcd")


def _submission_link(root: Path, secret: Path) -> None:
    with zipfile.ZipFile(root / "sent.zip", "w") as archive:
        link = zipfile.ZipInfo("test.json")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, str(secret))


SCORES = ([["evaluate", "a.h5"], ["ensemble", "--members", "a.h5,b.h5"], ["compare", "a.h5", "b.h5"], ["check", "a.h5"],
           ["export", "a.h5", "--to", "csv", "--force"], ["search", "a.h5", "b.h5"]])  # fmt: skip


def _scored(form: str) -> list[list[str]]:
    return [["score", "--model", "net_4f", "--data", form, "--out", "new.h5", *SCORE],
            ["pack", f"{form}/frames", "packed.h5", "--quiet"], ["doctor"]]  # fmt: skip


ELSEWHERE: dict[str, tuple[Callable[[Path, Path], None], list[list[str]]]] = {
    "scores behind a link": (_linked_scores, SCORES),
    "ids behind a link": (_linked_ids, SCORES),
    "raw data of another file": (_raw_scores, SCORES),
    "virtual data": (_virtual_scores, SCORES),
    "frames behind a link": (
        _linked_frames,
        [*_scored("pack")[:1], ["pack", "pack/frames.h5", "packed.h5", "--quiet"]],
    ),
    "an id with ..": (_id("relative"), _scored("jpeg")[:1]),
    "an absolute id": (_id("absolute"), _scored("jpeg")[:1]),
    "links in a tar": (_tar_link, _scored("tar")),
    "paths in a tar": (_tar_path, _scored("tar")),
    "paths in a zip": (_zip_path, _scored("zip")),
    "a link in a submission": (_submission_link, [["check", "sent.zip"]]),
}


def read_elsewhere(workspace: Path, say: Callable[[str], None]) -> tuple[Tried, str]:
    """Files that point at a file outside of the workspace; returns why they were left out, if they were."""
    tried = Tried()
    for name, (change, commands) in ELSEWHERE.items():
        with fresh(workspace) as root:
            outside = root.parent / "outside"
            (outside / "frames").mkdir(parents=True)
            for number in range(1, 5):
                shutil.copy(root / f"jpeg/frames/v0/{number:05d}.jpg", outside / "frames")
            secret = Path(shutil.copy(root / "b.h5", outside / "secret.h5"))
            change(root, secret)
            watch = Watch([secret, *sorted((outside / "frames").iterdir())])
            if not watch.works:
                return tried, "this system cannot tell whether a file was opened"
            if not tried.tries:
                secret.read_bytes()
                if not watch.was_opened():
                    return tried, "this file system does not tell whether a file was opened"
            for arguments in commands:
                ended = run(arguments, root)
                tried.tries += 1
                if watch.was_opened():
                    tried.faults.append(f"{name}, {arguments[0]}: read outside")
                if ended.crashed:
                    tried.faults.append(f"{name}, {arguments[0]}: {ended.crashed}: {ended.err[-300:]}")
    return _said("elsewhere", tried, say), ""


# Terminals.


def on_terminal(arguments: list[str], root: Path) -> bytes:
    """All that a terminal receives from a command."""
    pid, terminal = pty.fork()
    if pid == 0:
        own_streams(1, 2)
        os.environ |= {"TERM": "xterm", "XDG_CONFIG_HOME": str(root / "config")}
        os.chdir(root)
        status = 1
        try:
            from gsm_bench.cli import main

            main(arguments)
        except SystemExit as ended:
            status = int(ended.code or 0)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    received, end_s = b"", time.monotonic() + 60
    while time.monotonic() < end_s and select.select([terminal], [], [], 60)[0]:
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            break
        received += piece
        if not piece:
            break
    os.close(terminal)
    os.waitpid(pid, 0)
    return received


def escaping_workspace(root: Path) -> None:
    """Put escapes into ids, class names, titles, provenance, file names, archives, checkpoints, submissions."""
    from attack.workspaces import CLASSES, labelled_scores
    from gsm_bench.scorefile import ScoreFile, create  # noqa: F401  the file is written by the package

    names = [f"{CLASSES[0]}{ESCAPES}", *CLASSES[1:]]
    (root / "data/toy/classes.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    lines = (root / "data/toy/val.txt").read_text().replace("v1 ", f"v1{ESCAPES} ")
    (root / "data/toy/val.txt").write_text(lines, encoding="utf-8")
    labels = np.array([int(line.split()[-1]) for line in lines.splitlines()])
    _write_escaping(root, labelled_scores(labels, np.random.default_rng(0), f"m{ESCAPES}"), names)
    manifest = tomllib.loads((root / "manifests/toy.toml").read_text())["models"]["net_4f"]
    manifest |= {"title": f"t{ESCAPES}", "notes": ESCAPES, "source": ESCAPES}
    text = "\n".join(f"{key} = {_toml(value)}" for key, value in manifest.items())
    (root / "manifests/escapes.toml").write_text(f"[models.escaping]\n{text}\n", encoding="utf-8")
    dump = {"ids": [f"v{at}{ESCAPES}" for at in range(4)], "scores": np.eye(4, 5)}
    np.savez(root / "escaping.npz", **dump)
    with zipfile.ZipFile(root / "escaping.zip", "w") as archive:
        archive.writestr(f"te{ESCAPES}st.json", json.dumps({"version": ESCAPES, "results": {f"a{ESCAPES}": {}}}))
    (root / f"f{ESCAPES}.h5").write_bytes(b"no score file")
    video = root / "jpeg/frames" / f"v9{ESCAPES}"
    video.mkdir()
    (video / "00001.jpg").write_bytes(b"no picture")


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + " }"
    return json.dumps(value)


def _write_escaping(root: Path, content: object, names: list[str]) -> None:
    from dataclasses import replace

    from gsm_bench.scorefile import write

    ids = [f"v{row}{ESCAPES}" if row == 1 else f"v{row}" for row in range(len(content.ids))]  # type: ignore[attr-defined]
    status = content.status.copy()  # type: ignore[attr-defined]
    status[1] = 1
    escaping = replace(content, ids=tuple(ids), class_names={"action": tuple(names)}, status=status,
                       problems={ids[1]: f"because {ESCAPES}"})  # type: ignore[type-var]  # fmt: skip
    write(root / "a.h5", escaping, force=True)


TERMINAL = [
    *(["evaluate", "a.h5", "--per-class", "--confusions", "--format", form] for form in
      ("rich", "md", "html", "latex", "json", "csv")),
    ["compare", "a.h5", "a.h5@1", "--videos"], ["ensemble", "--members", "a.h5,a.h5@1", "--explain"],
    ["calibrate", "a.h5"], ["search", "a.h5"], ["table", "--rows", "a.h5", *PLACE], ["models", "list"],
    ["models", "show", "escaping"], ["models", "check", "escaping"], ["score", "--model", "escaping", "--plan"],
    ["score", "--model", "escaping", "--data", "jpeg", "--out", "new.h5", *SCORE[1:]],
    ["pack", "jpeg/frames", "new.h5"], ["import", "escaping.npz", "--out", "imported.h5"],
    ["import", f"f{ESCAPES}.h5"], ["evaluate", f"f{ESCAPES}.h5"], ["evaluate", f"none{ESCAPES}"],
    ["check", "escaping.zip"], ["check", f"f{ESCAPES}.h5"], ["export", "a.h5", "--to", "csv", "--out", f"x{ESCAPES}.csv"],
    ["figure", "confusion", "a.h5", "--out", "new.pdf"], ["submit", "log", "sent.zip", "--failed", ESCAPES],
    ["submit", "log"], ["cascade", "a.h5,a.h5@1"], [ESCAPES], ["evaluate", f"--{ESCAPES}"], ["report", "a.h5"],
    ["--workspace", f"w{ESCAPES}", "models", "list"], ["doctor"],
]  # fmt: skip


def escape(workspace: Path, say: Callable[[str], None]) -> Tried:
    """Commands on a terminal over a workspace full of escapes."""
    tried = Tried()
    with fresh(workspace) as root:
        escaping_workspace(root)
        for arguments in TERMINAL:
            received = OURS.sub(b"", on_terminal(arguments, root))
            tried.tries += 1
            if b"Traceback" in received:
                tried.faults.append(f"{arguments}: traceback: {received[-300:]!r}")
            for sign in FORBIDDEN:
                if sign in received:
                    at = received.index(sign)
                    tried.faults.append(f"{arguments}: {received[max(0, at - 60) : at + 20]!r}")
                    break
    return _said("terminal", tried, say)


def _said(name: str, tried: Tried, say: Callable[[str], None]) -> Tried:
    for fault in tried.faults:
        say(f"  {name}: {fault}")
    return tried
