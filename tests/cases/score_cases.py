"""What the tests of foreign score dumps share: the example files, what was printed, what was stored."""

from __future__ import annotations

import csv
import json
import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

SCORES = Path(__file__).parent / "scores"
DAMAGE = "cut short|damaged|copy it again|copy the file again|report it with|Traceback"
"""What a message about a sound file never says."""


@dataclass(frozen=True)
class Stored:
    """A score file, read with h5py alone: scores [N, V, C], kinds and labels per task."""

    ids: list[str]
    scores: dict[str, np.ndarray]
    kinds: dict[str, str]
    labels: dict[str, np.ndarray]
    status: np.ndarray
    order: str
    offsets: np.ndarray


def stored(name: str) -> Stored:
    """The import called `name`, wherever under scores/ it lies."""
    (path,) = Path("scores").rglob(f"{name}.h5")
    with h5py.File(path) as file:
        ids = file["video_ids"] if "video_ids" in file else file["clip_ids"]
        return Stored(
            ids=[text.decode() for text in ids[:]],
            scores={task: file["scores"][task][:] for task in file["scores"]},
            kinds={task: str(file["scores"][task].attrs["kind"]) for task in file["scores"]},
            labels={task: file["labels"][task][:] for task in file.get("labels", {})},
            status=file["status"][:],
            order=str(file.attrs.get("order", "ids")),
            offsets=file["views"]["offset"][:],
        )


def place(name: str) -> str:
    (path,) = Path("scores").rglob(f"{name}.h5")
    return str(path)


def rows(ran) -> list[dict]:
    assert ran.status == 0, ran.err
    assert not re.search("warning", ran.err, re.IGNORECASE), ran.err
    document = json.loads(ran.out)
    return [row for table in (document if isinstance(document, list) else [document]) for row in table["rows"]]


def percent(row: dict) -> float | None:
    """Top-1 as it is drawn."""
    return None if row["top1"] is None else round(100 * row["top1"], 2)


def imported(gsmbench, source: str | Path, *options: object, name: str = "") -> tuple[Stored, dict, str]:
    """Import one file: what is stored, the row of its table, and what was printed."""
    source = Path(source) if Path(source).exists() else SCORES / source
    name = name or source.stem
    ran = gsmbench("import", source, *options, "--name", name, "--format", "json")
    row = rows(ran)[-1]
    return stored(name), row, ran.err


def refused(ran, *words: str) -> str:
    """One error that says what is wrong and the fix, in these words, and never speaks of damage."""
    assert ran.status == 1, ran.out + ran.err
    assert len(re.findall(r"^error:", ran.err, re.MULTILINE)) == 1, ran.err
    assert re.search(r"^\s*fix:", ran.err, re.MULTILINE), ran.err
    assert not re.search(DAMAGE, ran.err), ran.err
    for word in words:
        assert re.search(word, ran.err, re.IGNORECASE), f"{word!r} is not in: {ran.err}"
    return ran.err


def offered(message: str, pattern: str) -> list[str]:
    """The option that a message offers, as words of a command line; `pattern` finds it."""
    match = re.search(pattern, message)
    assert match, message
    return shlex.split(match[0])


def fused(gsmbench, *names: str, options: tuple[object, ...] = ()) -> dict:
    """The row of the ensemble of some imports."""
    members = ",".join(place(name) for name in names)
    return rows(gsmbench("ensemble", "--members", members, *options, "--format", "json"))[-1]


def ucf(root: Path) -> None:
    """The data set of the dumps under sorted/, in a workspace: 140 videos of 5 classes, listed class by class."""
    folder = root / "data" / "ucf"
    folder.mkdir(parents=True)
    for name in ("val.txt", "classes.txt"):
        shutil.copy(SCORES / "sorted" / name, folder)
    shutil.copy(SCORES / "sorted" / "datasets.toml", root / "manifests" / "ucf.toml")


UCF = ("--dataset", "ucf", "--split", "val")


def csv_scores(name: str = "floatlabel.csv", first: int = 2) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Ids [60], logits float32 [60, 10] and labels [60] of one of the tables, read plainly."""
    with (SCORES / name).open(newline="") as file:
        table = list(csv.reader(file))[1:]
    numbers = np.array([[float(word) for word in row[first:]] for row in table])
    return [row[0] for row in table], numbers.astype(np.float32), np.array([int(float(row[1])) for row in table])
