"""Damage files of every kind that is read, and look at what the command that reads them says.

A run of thousands of damaged files happens in forked processes of one Python each; what takes too long, or ends the
process, is noticed from outside.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import resource
import select
import shutil
import signal
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from attack.kills import copy_of

LIMIT_S = 10
"""Seconds of a processor: other programs may keep it busy."""
SILENT_S = 120.0
"""A process that says nothing for so long hangs."""
MEMORY = 1 << 30
NO_CHECKSUM = "other numbers without a word; the format has no checksum"
FAULTS = ("traceback", "over time", "no message", "other numbers", "crash", "too much memory")
SAME, SAID = "same numbers", "other numbers, said"


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        file: the file that is damaged.
        arguments: the command that reads it.
        result: a file with the command's numbers, written by it; its standard output if empty.
        sealed: whether the format carries a checksum, so that other numbers without a word are a fault.
    """

    file: str
    arguments: tuple[str, ...]
    result: str = ""
    sealed: bool = False


def _score(form: str, model: str = "net_4f") -> tuple[str, ...]:
    return ("score", "--model", model, "--data", form, "--out", "new.h5", "--quiet", "--device", "cpu", "--threads", "1",
            "--workers", "1", "--batch", "4")  # fmt: skip


def _evaluate(*names: str) -> tuple[str, ...]:
    return ("evaluate", *names, "--format", "json")


KINDS = {
    "score file": Kind("a.h5", _evaluate("a.h5"), sealed=True),
    "score file, fused": Kind("a.h5", ("ensemble", "--members", "a.h5,b.h5", "--format", "json"), sealed=True),
    "list": Kind("data/toy/val.txt", _evaluate("a.h5")),
    "class names": Kind("data/toy/classes.txt", _evaluate("a.h5", "--per-class")),
    "groups": Kind("data/toy/groups.csv", _evaluate("a.h5")),
    "manifest": Kind("manifests/toy.toml", _evaluate("a.h5")),
    "checkpoint (torch)": Kind("checkpoints/net_torch.pth", _score("jpeg", "net_torch"), "new.h5", sealed=True),
    "checkpoint (safetensors)": Kind("checkpoints/net_4f.safetensors", _score("jpeg"), "new.h5"),
    "JPEG": Kind("jpeg/frames/v1/00003.jpg", _score("jpeg"), "new.h5"),
    "video": Kind("video/frames/v1.mp4", _score("video"), "new.h5"),
    "tar": Kind("tar/frames/v1.tar", _score("tar"), "new.h5"),
    "zip": Kind("zip/frames/v1.zip", _score("zip"), "new.h5", sealed=True),
    "frame pack": Kind("pack/frames.h5", _score("pack"), "new.h5"),
    "npz dump": Kind("dump.npz", ("import", "dump.npz", "--out", "new.h5"), "new.h5", sealed=True),
    "pickle dump": Kind("dump.pkl", ("import", "dump.pkl", "--out", "new.h5"), "new.h5"),
    "csv dump": Kind("dump.csv", ("import", "dump.csv", "--out", "new.h5"), "new.h5"),
    "parquet dump": Kind("dump.parquet", ("import", "dump.parquet", "--out", "new.h5"), "new.h5", sealed=True),
    "EPIC csv": Kind("data/epic-100/EPIC_100_validation.csv", _evaluate("scores/epic-100/validation/mine.h5")),
    "submission": Kind("sent.zip", ("check", "sent.zip"), sealed=True),
    "ledger": Kind("submissions/ledger.jsonl", ("submit", "log", "--format", "json")),
    "chunk of a run": Kind("half.h5.parts/000000.npz", ("resume",), "half.h5", sealed=True),
}  # fmt: skip
SLOW = {name: 0.4 for name, kind in KINDS.items() if kind.result in ("new.h5", "half.h5") and "dump" not in name}
SLOW["chunk of a run"] = 0.15
"""Kinds whose command runs a network get this share of the mutations."""


@dataclass
class Damaged:
    """What damaged files of one kind led to.

    Attributes:
        outcomes: files by outcome.
        faults: what was wrong, by words.
        slowest_s: the longest run.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest_s: float = 0.0


def mutate(content: bytes, rng: np.random.Generator) -> bytes:
    """The content with a bit or a digit changed; or one to three of: other bytes, a gap, zeros, something twice."""
    changed = bytearray(content)
    gentle = rng.integers(2)
    if gentle and (digits := [at for at, byte in enumerate(content[:100_000]) if 48 <= byte <= 57]) and rng.integers(2):
        changed[digits[int(rng.integers(len(digits)))]] = 48 + int(rng.integers(10))
        return bytes(changed)
    if gentle:
        changed[int(rng.integers(len(changed)))] ^= 1 << int(rng.integers(8))
        return bytes(changed)
    for _ in range(int(rng.integers(1, 4))):
        if not changed:
            break
        at = int(rng.integers(len(changed)))
        match int(rng.integers(6)):
            case 0 | 1:
                changed[at] ^= 1 << int(rng.integers(8))
            case 2:
                changed[at : at + int(rng.integers(1, 64))] = rng.bytes(int(rng.integers(0, 64)))
            case 3:
                del changed[at : at + int(rng.integers(1, max(2, len(changed) // 4)))]
            case 4:
                changed[at : at + 8] = bytes(8)
            case 5:
                changed[at:at] = changed[at : at + int(rng.integers(1, 64))]
    return bytes(changed)


class OverTime(BaseException):
    """A command takes too long; no command catches this."""


def execute(arguments: Sequence[str]) -> tuple[int | str, str, str]:
    """Exit status, or the fault; standard output; messages."""
    from gsm_bench.cli import main

    def stop(*_: object) -> None:
        raise OverTime

    out, err, status = io.StringIO(), io.StringIO(), 0
    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, LIMIT_S)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main(list(arguments))
    except SystemExit as ended:
        status = int(ended.code or 0)
    except OverTime:
        return "over time", "", ""
    except BaseException:
        return "traceback", "", traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return status, out.getvalue(), err.getvalue()


class Bench:
    """Runs the command of one kind in a workspace of its own, and knows what it gives for the sound file."""

    def __init__(self, kind: Kind, root: Path) -> None:
        self.kind, self.root = kind, root
        os.chdir(root)
        self.path, self.result = root / kind.file, root / kind.result if kind.result else None
        self._unlink_folder()
        self._sound_parts = self._half_a_run() if kind.arguments == ("resume",) else None
        self.content = self.path.read_bytes()
        status, self.sound, self.messages = self._run()
        if status != 0:
            raise RuntimeError(f"{' '.join(kind.arguments)}: {self.messages}")

    def _unlink_folder(self) -> None:
        """Put a copy in place of a linked folder that holds the file."""
        top = self.root / Path(self.kind.file).parts[0]
        if top.is_symlink():
            source = top.resolve()
            top.unlink()
            shutil.copytree(source, top)

    def _half_a_run(self) -> Path:
        """Score half of the chunks, and keep a copy of them; the run is resumed from the copy each time."""
        arguments = [*_score("data/toy")[:-2], "--batch", "2"]
        arguments[arguments.index("new.h5")] = "half.h5"
        object.__setattr__(self.kind, "arguments", tuple(arguments))
        execute([*arguments, "--shard", "1/2"])
        return Path(shutil.copytree("half.h5.parts", "sound.parts"))

    def _run(self) -> tuple[int | str, Any, str]:
        if self.result:
            self.result.unlink(missing_ok=True)
        status, self.printed, err = execute(self.kind.arguments)
        numbers = None
        if status in (0, 3):
            numbers = scored_rows(self.result) if self.result else printed_numbers(self.printed)
        return status, numbers, err

    def judge(self, content: bytes) -> tuple[str, str]:
        """The outcome of a damaged file, and its message."""
        if self._sound_parts:
            shutil.rmtree("half.h5.parts", ignore_errors=True)
            shutil.copytree(self._sound_parts, "half.h5.parts")
        elif self.result:
            shutil.rmtree(f"{self.result}.parts", ignore_errors=True)
        self.path.unlink(missing_ok=True)  # a new file: the old one may still be open
        self.path.write_bytes(content)
        status, numbers, err = self._run()
        if isinstance(status, str):
            return status, err
        if "Traceback" in err:
            return "traceback", err
        if status in (1, 2):
            return ("refused" if "error" in f"{self.printed}{err}".lower() else "no message"), err
        if isinstance(numbers, dict) and isinstance(self.sound, dict):
            same = all(self.sound.get(name) == row for name, row in numbers.items())
            if same:
                return ("videos named" if len(numbers) < len(self.sound) else SAME), err
        elif numbers == self.sound:
            return SAME, err
        in_words = numbers == self.printed and words(self.printed) != words(self.sound)
        if words(err) != words(self.messages) or in_words:
            return SAID, err
        return ("other numbers" if self.kind.sealed else NO_CHECKSUM), err


def printed_numbers(out: str) -> str:
    """The numbers of a printed result: those of JSON rows, else all of the text."""
    try:
        rows = json.loads(out)["rows"]
    except (ValueError, KeyError, TypeError):
        return out
    return json.dumps([{key: value for key, value in row.items() if isinstance(value, int | float)} for row in rows])


def scored_rows(path: Path) -> dict[str, bytes]:
    """The bytes of the scores of every scored video by its id."""
    from gsm_bench.scorefile import NOT_SCORED, read

    content = read(path)
    rows = {}
    for row in np.flatnonzero(content.status != NOT_SCORED):
        rows[content.ids[row]] = b"".join(content.scores[task][row].tobytes() for task in sorted(content.scores))
    return rows


def words(messages: str) -> list[str]:
    """Messages without numbers: times differ from run to run."""
    return re.sub(r"[\d.,]+", "", messages).split()


def _watched(kind: Kind, root: Path, seeds: Sequence[Sequence[int]]) -> Iterator[tuple[str, str, float]]:
    """Outcome, message and seconds per damaged file; after a crash the rest goes on in a new process."""
    at = 0
    while at < len(seeds):
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            _judge_all(kind, root, seeds[at:], writing)
        os.close(writing)
        for outcome in _outcomes(reading):
            at += 1
            yield outcome
            if outcome[0] == "too much memory":
                break
        os.close(reading)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        if at < len(seeds) and (code := os.waitstatus_to_exitcode(status)) != -signal.SIGKILL:
            at += 1
            yield "crash", f"exit status {code}", 0.0
        elif at < len(seeds) and outcome[0] != "too much memory":
            at += 1
            yield "over time", f"silent for {SILENT_S:.0f} s", SILENT_S


def _outcomes(pipe: int) -> Iterator[tuple[str, str, float]]:
    """Outcomes as a process tells them, until it ends or is silent for too long."""
    buffer = b""
    while select.select([pipe], [], [], SILENT_S)[0] and (piece := os.read(pipe, 65536)):
        *lines, buffer = (buffer + piece).split(b"\n")
        for line in lines:
            yield tuple(json.loads(line))


def _judge_all(kind: Kind, root: Path, seeds: Sequence[Sequence[int]], pipe: int) -> None:
    try:
        bench = Bench(kind, root)
        for seed in seeds:
            start_s = time.monotonic()
            outcome, message = bench.judge(mutate(bench.content, np.random.default_rng(list(seed))))
            if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 > MEMORY:
                outcome, message = "too much memory", message
            seconds = time.monotonic() - start_s
            os.write(pipe, json.dumps([outcome, message[-600:], seconds]).encode() + b"\n")
    except BaseException:
        traceback.print_exc()
        os._exit(70)
    os._exit(0)


def _share(job: tuple[Path, str, list[list[int]]]) -> tuple[str, list[tuple[list[int], str, str, float]]]:
    workspace, name, seeds = job
    with tempfile.TemporaryDirectory(prefix="attack-") as folder:
        root = copy_of(workspace, Path(folder).resolve() / "workspace")
        outcomes = list(_watched(KINDS[name], root, seeds))
    return name, [(seed, *outcome) for seed, outcome in zip(seeds, outcomes, strict=False)]


def attack(
    workspace: Path, number: int, seed: int, lanes: int, say: Callable[[str], None], names: Sequence[str] = tuple(KINDS)
) -> dict[str, Damaged]:  # fmt: skip
    """Damage files of all kinds, together at least `number` times."""
    results = {name: Damaged() for name in names}
    each = number / sum(SLOW.get(name, 1.0) for name in names)
    jobs = []
    for name in names:
        seeds = [[seed, list(KINDS).index(name), at] for at in range(int(each * SLOW.get(name, 1.0)) + 1)]
        jobs += [(workspace, name, seeds[start : start + 100]) for start in range(0, len(seeds), 100)]
    with ProcessPoolExecutor(lanes, mp_context=get_context("fork")) as pool:
        for name, outcomes in pool.map(_share, jobs):
            one = results[name]
            for which, outcome, message, seconds in outcomes:
                one.outcomes[outcome] += 1
                one.slowest_s = max(one.slowest_s, seconds)
                if outcome in FAULTS:
                    one.faults.append(f"{outcome}, mutation {which}: {message[-300:]}")
                    say(f"  {name}: {one.faults[-1]}")
    return results
