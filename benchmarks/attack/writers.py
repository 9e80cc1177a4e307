"""Two hundred processes write at once: into shared files, to one name each, to one name all of them."""

from __future__ import annotations

import json
import os
import tempfile
import tomllib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from attack.children import Ended, run
from attack.contents import contents
from attack.kills import SCORE, copy_of


@dataclass
class Written:
    """What parallel writers left: processes, files or entries that are there, and what is wrong."""

    processes: int = 0
    kept: int = 0
    faults: list[str] = field(default_factory=list)


def together(commands: list[list[str]], root: Path) -> list[Ended]:
    """Run commands at once, each in a process of its own; the results in their order."""
    pipes, results = [], []
    for command in commands:
        reading, writing = os.pipe()
        if os.fork() == 0:
            os.close(reading)
            ended = run(command, root, timeout_s=300)
            os.write(writing, json.dumps([ended.status, ended.out[-2000:], ended.err[-2000:], ended.seconds]).encode())
            os._exit(0)
        os.close(writing)
        pipes.append(reading)
    for pipe in pipes:
        with os.fdopen(pipe, "rb") as file:
            results.append(Ended(*json.loads(file.read())))
        os.wait()
    return results


def _models(root: Path, number: int, written: Written) -> None:
    names = [f"mine_{at}" for at in range(number)]
    add = ["--like", "net_4f", "--checkpoint", "net_4f.safetensors"]
    ended = together([["models", "add", name, *add] for name in names], root)
    entries = tomllib.loads((root / "manifests/local.toml").read_text())["models"]
    _all_done(ended, written)
    written.faults += [f"models add {name} is lost" for name in names if name not in entries]
    written.kept += len(entries)


def _answers(root: Path, number: int, written: Written) -> None:
    commands = [["submit", "log", "sent.zip", "--score", f"verb={at}"] for at in range(number)]
    before = len((root / "submissions/ledger.jsonl").read_text().splitlines())
    _all_done(together(commands, root), written)
    lines = [json.loads(line) for line in (root / "submissions/ledger.jsonl").read_text().splitlines()][before:]
    counts = Counter(line["score"]["verb"] for line in lines)
    written.faults += [f"submit log verb={at}: {counts[at]} records" for at in range(number) if counts[at] != 1]
    written.kept += len(lines)


def _same_answer(root: Path, number: int, written: Written) -> None:
    before = len((root / "submissions/ledger.jsonl").read_text().splitlines())
    _all_done(together([["submit", "log", "sent.zip", "--failed", "no answer"]] * number, root), written)
    added = len((root / "submissions/ledger.jsonl").read_text().splitlines()) - before
    written.faults += [f"the same answer is recorded {added} times"] if added != 1 else []
    written.kept += added


def _one_name(root: Path, number: int, written: Written) -> None:
    """Half of them fuse, half import, all into one file: the first stays, the others say that it exists."""
    fuse, read = ["ensemble", "--members", "a.h5,b.h5"], ["import", "dump.npz"]
    ended = together([[*(fuse, read)[at % 2], "--out", "one.h5"] for at in range(number)], root)
    done = [one for one in ended if one.status == 0]
    refused = [one for one in ended if one.status == 1 and "exist" in one.err]
    written.faults += [f"{len(done)} of {number} writers of one name say that they wrote it"] if len(done) != 1 else []
    written.faults += [one.err[-200:] for one in ended if one not in done and one not in refused]
    written.kept += len(done)


def _shared_work(root: Path, number: int, written: Written) -> None:
    """Runs that score the same split, and runs that draw the same videos, share the work."""
    score = ["score", "--model", "net_4f", "--out", "shared.h5", *SCORE]
    make = ["shapes", "make", "drawn", "--videos", "6", "--workers", "1", "--quiet"]
    _all_done(together([(score, make)[at % 2] for at in range(number)], root), written)
    written.kept += int((root / "shared.h5").exists()) + int((root / "drawn/val_recipe.json").exists())


def _all_done(ended: list[Ended], written: Written) -> None:
    written.faults += [f"status {one.status}: {one.err[-300:]}" for one in ended if one.status != 0 or one.crashed]


def attack(workspace: Path, number: int, say: Callable[[str], None]) -> dict[str, Written]:
    """Parallel writers of five kinds, together at least `number`."""
    kinds = {
        "models add": (_models, 0.3),
        "submit log, results of their own": (_answers, 0.25),
        "submit log, the same result": (_same_answer, 0.1),
        "ensemble and import, one name": (_one_name, 0.25),
        "score and shapes make, shared work": (_shared_work, 0.1),
    }
    results = {}
    for name, (write, share) in kinds.items():
        written = Written(processes=max(2, round(number * share)))
        with tempfile.TemporaryDirectory(prefix="attack-") as folder:
            root = copy_of(workspace, Path(folder).resolve() / "workspace")
            before = contents(root)
            write(root, written.processes, written)
            left = [path for path in contents(root) if "/." in f"/{path}"]
            written.faults += [f"left lying: {path}" for path in left if path not in before]
        for fault in written.faults:
            say(f"  {name}: {fault}")
        results[name] = written
    return results
