"""Text files of VideoMAE and InternVideo2, one per process: a line per view, with the clip's id, logits and label."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import DumpError
from gsm_bench.importers.containers import DumpSource
from gsm_bench.importers.dump import Dump
from gsm_bench.importers.limits import require_memory
from gsm_bench.scorefile import VIEW_TYPE

LINE = re.compile(r"(?P<id>.*?)\s*\[(?P<scores>[^\]\[]*)\]\s+(?P<label>-?\d+)\s+(?P<chunk>\d+)\s+(?P<split>\d+)\s*")
FIRST = re.compile(r"\s*[-+.\deE]+\s*,\s*[-+.\deE]+\s*")
View = tuple[int, int]


def fits(source: DumpSource) -> bool:
    if source.container != "text":
        return False
    lines = source.value[:200_000].split("\n", 2)
    return len(lines) > 1 and FIRST.fullmatch(lines[0]) is not None and "[" in lines[1]


def read(sources: list[DumpSource]) -> Dump:
    """The files of all processes together; doubles that padded the last batches count once."""
    rows: dict[str, dict[View, NDArray[np.float32]]] = {}
    labels: dict[str, int] = {}
    doubles = 0
    for source in sources:
        require_memory(3 * len(source.value), "this file", source.path)
        for name, scores, label, view in _lines(source):
            held = rows.setdefault(name, {})
            doubles += view in held
            held.setdefault(view, scores)
            if labels.setdefault(name, label) != label:
                raise DumpError(
                    f"clip {name!r} has the label {labels[name]} and the label {label}", where=source.path,
                    fix="give the files of one test run",
                )  # fmt: skip
    where = sources[0].path
    views = _whole_views(rows, where)
    table = np.stack([np.stack([held[view] for view in views]) for held in rows.values()])
    notes = ["clip is the source's chunk and crop its split; where they lie is not known"]
    if doubles:
        notes.append(f"{doubles:,} views stood twice and were counted once")
    return Dump(
        "videomae", {"action": table}, tuple(rows), {"action": np.array(list(labels.values()), np.int64)},
        np.array([(chunk, split, 0, np.nan) for chunk, split in views], dtype=VIEW_TYPE), usual="logits",
        notes=tuple(notes),
    )  # fmt: skip


def _lines(source: DumpSource) -> Iterator[tuple[str, NDArray[np.float32], int, View]]:
    length = 0
    for number, line in enumerate(source.value.splitlines()[1:], start=2):
        if not line.strip():
            continue
        found = LINE.fullmatch(line)
        scores = _numbers(found["scores"]) if found else None
        if found is None or scores is None or len(scores) != (length or len(scores)) or not len(scores):
            raise DumpError(
                "this line is not `id [scores] label chunk split`, or has another number of scores",
                where=f"{source.path}, line {number}",
                fix="the file may be cut short: test again, or remove the line",
            )
        length = len(scores)
        if max(int(found["chunk"]), int(found["split"])) > 127:
            raise DumpError(
                "chunk and split are small numbers", where=f"{source.path}, line {number}", fix="mend the line"
            )
        name = found["id"].split(".", 1)[0]
        yield name, scores, int(found["label"]), (int(found["chunk"]), int(found["split"]))


def _numbers(text: str) -> NDArray[np.float32] | None:
    try:
        return np.array(text.replace(",", " ").split(), dtype=np.float64).astype(np.float32)
    except ValueError:
        return None


def _whole_views(rows: dict[str, dict[View, NDArray[np.float32]]], where: Path) -> Sequence[View]:
    """The views that every clip has."""
    if not rows:
        raise DumpError("this file has no rows of scores", where=where, fix="test again")
    everything = sorted({view for held in rows.values() for view in held})
    lacking = [name for name, held in rows.items() if len(held) != len(everything)]
    if lacking:
        raise DumpError(
            f"{len(lacking):,} of {len(rows):,} clips have not all {len(everything)} views, first {lacking[0]!r}",
            where=where,
            fix="give the files of all processes: gsmbench import 0.txt 1.txt ..",
        )
    lengths = {len(scores) for held in rows.values() for scores in held.values()}
    if len(lengths) != 1:
        raise DumpError(f"the files have unlike numbers of classes: {sorted(lengths)}", where=where, fix="one test run")
    return everything
