"""Result files for the servers of Something-Something V2 and of Kinetics, which hold the best classes of each video only."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gsm_bench.errors import DumpError
from gsm_bench.importers.containers import DumpSource
from gsm_bench.importers.dump import Dump, Ints, ReadOptions, refuse_doubles
from gsm_bench.importers.limits import require_memory
from gsm_bench.importers.listed_actions import kind_of_lists, no_chance
from gsm_bench.metrics.softmax import safe_log

RANKED = 5
"""Classes per row in files for Something-Something V2; and as many are needed for a top-5 accuracy."""
RANKED_ROW = re.compile(r"[^;]*[^;\s][^;]*(?:;\s*\d{1,6}\s*){5}")
ONE_CLASS_ROW = re.compile(r"\s*\d+\s*;\s*[A-Za-z][^;]*")


def fits_ranked(source: DumpSource) -> bool:
    """Rows ``<id>;<i1>;..;<i5>`` of five different classes each, of more than five classes in all."""
    if source.container != "text":
        return False
    lines = [line for line in source.value.splitlines() if line.strip()]
    if not lines or not all(map(RANKED_ROW.fullmatch, lines)):
        return False
    numbers = [tuple(map(int, line.rsplit(";", RANKED)[1:])) for line in lines]
    return all(len(set(row)) == RANKED for row in numbers) and max(map(max, numbers)) >= RANKED


def read_ranked(sources: list[DumpSource], options: ReadOptions) -> Dump:
    """The five best classes of each video; their ranks become scores, which give top-1 and top-5 accuracies alone."""
    (source,) = sources
    rows = [line.rsplit(";", RANKED) for line in source.value.splitlines() if line.strip()]
    best = np.array([list(map(int, row[1:])) for row in rows], np.int64)
    classes = options.classes or int(best.max()) + 1
    if best.max() >= classes:
        raise DumpError(
            f"class {best.max()} in a file for {classes} classes", where=source.path, fix="name its data set: --dataset"
        )
    scores = np.zeros((len(rows), 1, classes), np.float32)
    np.put_along_axis(scores[:, 0], best, np.arange(RANKED, 0, -1, dtype=np.float32)[None], axis=1)
    return Dump(
        "ranked", {"action": scores}, refuse_doubles(tuple(row[0].strip() for row in rows), source.path),
        kinds={"action": "logits"},
        notes=("the file holds the five best classes alone: 5 for the best to 1 stand in place of scores",),
    )  # fmt: skip


def fits_one_class(source: DumpSource) -> bool:
    """Rows ``<id>;<class name>``: answers, or results for Jester and Something-Something V1."""
    if source.container != "text":
        return False
    lines = [line for line in source.value.splitlines() if line.strip()]
    return bool(lines) and all(map(ONE_CLASS_ROW.fullmatch, lines))


def read_one_class(sources: list[DumpSource], _: ReadOptions) -> Dump:
    """Refuses such a file, because a top-5 accuracy cannot be known."""
    raise DumpError(
        "this file holds one class per video and no scores: answers, or results for Jester or Something-Something V1",
        where=sources[0].path,
        fix="answers: gsmbench import SCORES --labels FILE; of results, import the scores that they were made from",
    )


def fits_kinetics(source: DumpSource) -> bool:
    """A document whose `results` are lists of labels with scores by video."""
    results = source.value.get("results") if source.container == "json" and isinstance(source.value, dict) else None
    rows = list(results.values())[:20] if isinstance(results, dict) else []
    return bool(rows) and all(
        isinstance(row, list) and bool(row) and all(isinstance(one, dict) and "label" in one for one in row)
        for row in rows
    )


def read_kinetics(sources: list[DumpSource], options: ReadOptions) -> Dump:
    """The listed labels of each video with their scores; a class that a video does not list has no chance."""
    (source,) = sources
    results, where = source.value["results"], source.path
    listed = [_labels_and_scores(name, row, where) for name, row in results.items()]
    names = options.class_names or tuple(sorted({label for row in listed for label in row}))
    place = {name: at for at, name in enumerate(names)}
    unknown = next((label for row in listed for label in row if label not in place), None)
    if unknown is not None:
        raise DumpError(
            f"{unknown[:60]!r} is not one of the {len(names)} class names",
            where=where,
            fix="correct --classes or --dataset",
        )
    few = [name for name, row in zip(results, listed, strict=True) if len(row) < min(RANKED, len(names))]
    if few:
        raise DumpError(
            f"{len(few):,} videos list fewer than {RANKED} classes, first {few[0]!r}: a top-5 accuracy cannot be known",
            where=where, fix="import the scores that the file was made from",
        )  # fmt: skip
    rows: Ints = np.repeat(np.arange(len(listed)), [len(row) for row in listed])
    columns = [place[label] for row in listed for label in row]
    values = np.array([score for row in listed for score in row.values()], np.float64)
    kind, notes = kind_of_lists(values, rows, len(listed)), [f"videos list {min(map(len, listed))} classes or more"]
    if kind == "probabilities":  # of a part of the classes, which do not sum to 1
        values, kind = safe_log(values), "log_probabilities"
        notes.append("their probabilities are kept as logarithms")
    require_memory(8 * len(listed) * len(names), "the scores", where)
    scores = np.full((len(listed), 1, len(names)), no_chance(kind), np.float32)
    scores[rows, 0, columns] = values
    return Dump(
        "kinetics", {"action": scores}, refuse_doubles(tuple(results), where), kinds={"action": kind},
        class_names={"action": names}, notes=("; ".join(notes) + "; others have no chance",),
    )  # fmt: skip


def _labels_and_scores(name: str, row: Any, where: Path) -> Mapping[str, float]:
    place = f"{where}, {name[:40]!r}"
    scores: dict[str, float] = {}
    for one in row if isinstance(row, list) else [None]:
        label, score = (one.get("label"), one.get("score")) if isinstance(one, dict) else (None, None)
        number = score if isinstance(score, int | float) and not isinstance(score, bool) else math.nan
        if not isinstance(label, str) or not math.isfinite(number):
            raise DumpError("this is no list of labels with finite scores", where=place, fix='write {"label", "score"}')
        if label in scores:
            raise DumpError(f"the label {label[:60]!r} occurs twice", where=place, fix="remove one")
        scores[label] = float(number)
    return scores


def without_seconds(ids: Sequence[str]) -> dict[str, str]:
    """Ids of Kinetics by the part that result files name, without ``_<start>_<end>``; empty unless they are all different."""
    short = {re.sub(r"_\d{6}_\d{6}$", "", name): name for name in ids}
    return short if len(short) == len(ids) else {}
