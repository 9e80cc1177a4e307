"""Consoles: other encodings, control characters, Ctrl-C, closed descriptors, little memory."""

import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.cases.shell import MEMORY, command, environment, shell
from tests.waiting import PATIENCE_S, until

NAMES = ("ape", "bee", "cat", "dog", "elk")
A, B, C = (f"scores/toy/val/{name}.h5" for name in "abc")


def one_hot(answers):
    """Logits [60, 2, 5] whose best class is the given one in both clips, and no tie among the others."""
    noise = np.random.default_rng(9).random((len(answers), 5)) / 10
    return np.repeat((3 * np.eye(5)[answers] + noise).astype(np.float32)[:, None], 2, axis=1)


def wrong_in(labels, rows):
    answers = labels.copy()
    answers[rows] = (answers[rows] + 1) % 5
    return answers


@pytest.fixture
def files(toy_labels, save_scores):
    """a, b and c: score files of 60 videos, wrong on 10, 14 and 20 of them."""
    for name, rows in (("a", slice(0, 10)), ("b", slice(4, 18)), ("c", slice(30, 50))):
        save_scores(name, one_hot(wrong_in(toy_labels, rows)), names=NAMES)
    return toy_labels


# Consoles.

CONSOLES = {
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "POSIX": {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "cp437": {"PYTHONIOENCODING": "cp437"},
    "koi8-r": {"PYTHONIOENCODING": "koi8-r"},
    "strict": {"PYTHONIOENCODING": "ascii:strict"},
}


@pytest.fixture
def named_widely(toy_labels, save_scores):
    """Class names and ids of many scripts."""
    names = ("manger un café", "ходить", "歩く", "→ up", "≈ same")
    Path("data/toy/classes.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    for name, rows in (("a", slice(0, 10)), ("b", slice(4, 18))):
        save_scores(name, one_hot(wrong_in(toy_labels, rows)), names=names)


@pytest.mark.parametrize("console", CONSOLES)
@pytest.mark.parametrize("arguments", [["evaluate", A, "--per-class"], ["compare", A, B]], ids=["evaluate", "compare"])
def test_consoles_that_are_not_utf8(named_widely, console, arguments):
    ran = shell(*arguments, env=CONSOLES[console])
    assert "Traceback" not in ran.err, ran.err[-300:]
    assert ran.status == 0
    assert "83.33" in ran.out


@pytest.mark.parametrize("console", ["ascii", "C"])
@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["evaluate", "--help"], ["evaluate", "--definitions"], ["models", "list"], ["models", "show", "inv3_8f"],
     ["evaluate", "caf\u00e9.h5"], ["submit", "log"], ["ensemble", "En3", "--explain"]],
)  # fmt: skip
def test_other_commands_on_such_consoles(workspace, console, arguments):
    ran = shell(*arguments, env=CONSOLES[console], seconds=90)  # `models show` builds the network
    assert "Traceback" not in ran.err, ran.err[-300:]
    assert ran.status in (0, 1)


def test_json_on_such_a_console_is_whole(named_widely):
    ran = shell("evaluate", A, "--per-class", "--format", "json", env=CONSOLES["ascii"])
    assert ran.status == 0
    assert "歩く" in json.dumps(json.loads(ran.out), ensure_ascii=False)


# Ctrl-C.


def interrupted(arguments, cwd, condition):
    """Start a command, send SIGINT as soon as `condition()` holds; returns status and stderr."""
    process = subprocess.Popen(
        command(arguments), cwd=cwd, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    until(lambda: condition() or process.poll() is not None)
    assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGINT)
    try:
        _, err = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
    return process.returncode, err.decode()


def test_ctrl_c_ends_by_sigint(workspace):
    """So that a loop of the shell stops, too: the process is ended by the signal, not with a status of its own."""
    place = workspace.root / "shapes"
    status, err = interrupted(
        ["shapes", "make", place, "--clips", 2000, "--workers", 1],
        workspace.root,
        lambda: sum(len(files) for *_, files in os.walk(place)) > 20,  # folders are renamed meanwhile
    )
    assert status == -signal.SIGINT, (status, err)
    assert "stopped" in err and "Traceback" not in err
    assert "the same command" in err


def test_ctrl_c_stops_a_loop_of_the_shell(workspace):
    line = " ".join(
        shlex.quote(word) for word in command(["shapes", "make", "shapes", "--clips", 2000, "--workers", 1])
    )
    process = subprocess.Popen(
        ["bash", "-c", f"for n in 1 2 3; do echo turn >> turns; {line}; done; echo over >> turns"],
        cwd=workspace.root, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        until(lambda: sum(len(files) for *_, files in os.walk("shapes")) >= 20, "videos")
        os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=PATIENCE_S)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert Path("turns").read_text().split() == ["turn"]


@pytest.mark.parametrize("library", ["_multiarray_umath", "h5py/h5d.", "msgspec"])
def test_ctrl_c_while_modules_are_read(files, library):
    """Modules of the package are being read when a library is in the process's memory: no traceback of them."""
    arguments = ["search", A, B, C, "--method", "greedy", "--rounds", 100000]
    process = subprocess.Popen(command(arguments), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    maps = Path(f"/proc/{process.pid}/maps")
    until(lambda: process.poll() is not None or library in maps.read_text(), library)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode in (0, -signal.SIGINT), err
    assert b"Traceback" not in err and b"Exception ignored" not in err


SLOW_START = """
start = threading.Thread.start
def slowly(thread):
    start(thread)
    time.sleep(0.3)
threading.Thread.start = slowly
"""


@pytest.mark.parametrize("machine", ["", SLOW_START], ids=["", "that starts threads slowly"])
def test_an_interrupt_in_a_callback_is_not_lost(machine):
    """The import system has weak references with callbacks: Python prints what is raised there and goes on."""
    program = f"""
import signal, threading, time, weakref
from gsm_bench.cli.interrupts import keep_interrupts
{machine}
keep_interrupts()
class Lock: pass
lock = Lock()
reference = weakref.ref(lock, lambda _: signal.raise_signal(signal.SIGINT))
try:
    del lock
    print("lost", flush=True)
    while True:
        time.sleep(0.01)
except KeyboardInterrupt:
    print("came again")
"""
    ran = subprocess.run([sys.executable, "-c", program], env=environment(), capture_output=True, timeout=PATIENCE_S)
    assert ran.stdout.removeprefix(b"lost\n") == b"came again\n"  # before "lost" is printed, on a slow machine
    assert ran.stderr == b""


# Control characters.

ESCAPES = "\x1b[2J\x1b]0;title\x07\x9b31m\x08\r\u202egnp"


@pytest.fixture
def escaping(toy_labels, save_scores, workspace):
    """Ids, class names, titles and provenance that would command a terminal."""
    names = (f"ape{ESCAPES}".replace("\r", ""), *NAMES[1:])
    Path("data/toy/classes.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    path = save_scores(
        "a", one_hot(toy_labels), names=names, status=[2] + [0] * 59, provenance={"model": f"m{ESCAPES}"}
    )
    (workspace.manifests / "mine.toml").write_text(
        f'[models.mine]\nlike = "inv3_8f"\ntitle = {json.dumps("x" + ESCAPES)}\nnotes = {json.dumps(ESCAPES)}\n'
    )
    return path


def on_a_terminal(*arguments) -> bytes:
    """What a terminal receives from a command."""
    parent, child = pty.openpty()
    with subprocess.Popen(command(arguments), env=environment(TERM="xterm"), stdout=child, stderr=child) as process:
        os.close(child)
        received = b""
        while True:
            try:
                received += (piece := os.read(parent, 65536))
            except OSError:
                break
            if not piece:
                break
        process.wait()
    os.close(parent)
    return received


@pytest.mark.parametrize(
    "arguments",
    [
        *(["evaluate", A, "--per-class", "--confusions", "--format", form] for form in ("rich", "md", "html", "latex", "json")),
        ["models", "show", "mine"], ["models", "list"], ["evaluate", f"none{ESCAPES}.h5"], ["compare", A, A],
        ["ensemble", "--members", f"{A},{A}@2"],
    ],
    ids=lambda arguments: "-".join(arguments[:1] + arguments[-1:])[:20],
)  # fmt: skip
def test_no_escape_reaches_a_terminal(escaping, arguments):
    received = re.sub(rb"\x1b\[[0-9;]*m", b"", on_a_terminal(*arguments))  # colours of our own
    assert b"gnp" in received or arguments[0] in ("compare", "ensemble") or arguments[1] == "list", received
    for sign in (b"\x1b", b"\x07", b"\x08", "\x9b".encode(), "\u202e".encode()):
        assert sign not in received, received


# Descriptors and limits.


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&-", ">/dev/full"])
def test_closed_descriptors(files, closed):
    line = " ".join(f"'{word}'" for word in command(["evaluate", A]))
    done = subprocess.run(
        ["bash", "-c", f"{line} {closed}"], capture_output=True, env=environment(), timeout=PATIENCE_S, check=False
    )
    assert b"Traceback" not in done.stderr and b"Exception ignored" not in done.stderr, done.stderr
    assert done.returncode == (0 if closed in ("<&-", "2>&-") else 1)


def test_little_memory_is_one_error(files):
    ran = shell("evaluate", A, memory=MEMORY)
    assert ran.status == 0, ran.err
    for memory in (60 << 20, 120 << 20, 200 << 20):
        ran = shell("evaluate", A, memory=memory)
        assert ran.status in (0, 1) and "Traceback" not in ran.err, (memory, ran.err[-500:])
