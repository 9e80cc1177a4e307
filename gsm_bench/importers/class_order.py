"""The columns of foreign scores put in a split's order of classes: by name, or, on request, by solving for it."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gsm_bench.errors import DumpError
from gsm_bench.importers.dump import Ints
from gsm_bench.metrics.class_order import is_near_chance, solve_order
from gsm_bench.scorefile import Scores


@dataclass(frozen=True)
class Renumbering:
    """Where the columns of a source go.

    Attributes:
        columns: int64 [C]: column j of the result is column ``columns[j]`` of the source.
        agreeing: how many classes have the same number in both.
    """

    columns: Ints

    @property
    def agreeing(self) -> int:
        return int((self.columns == np.arange(len(self.columns))).sum())

    def scores(self, scores: Scores) -> Scores:
        """Scores float32 [N, V, C] with their columns in the new order."""
        return np.ascontiguousarray(scores[:, :, self.columns])

    def labels(self, labels: Ints) -> Ints:
        """Labels int64 [N] as numbers of the new order; -1 stays."""
        new = np.empty(len(self.columns), np.int64)
        new[self.columns] = np.arange(len(self.columns))
        return np.where(labels >= 0, new[np.maximum(labels, 0)], -1)


@dataclass(frozen=True)
class Solved:
    """An order of classes that the labels suggest.

    Attributes:
        renumbering: solved from all videos.
        before: top-1 in the source's order.
        after: top-1 with an order solved on one half of the videos and measured on the other, both ways.
        unknown: how many classes no video decides.
    """

    renumbering: Renumbering
    before: float
    after: float
    unknown: int


def read_names(path: Path) -> tuple[str, ...]:
    """Class names in column order: a text file with a name per line, a JSON list, or a JSON dict name to number."""
    if not path.is_file():
        raise DumpError("there is no such file of class names", where=path, fix="correct --classes")
    try:
        text = path.read_text(encoding="utf-8-sig")
        document: Any = json.loads(text) if path.suffix == ".json" else text.splitlines()
    except ValueError as error:
        raise DumpError(
            "this file of class names is neither text nor JSON", where=path, fix="a name per line"
        ) from error
    if isinstance(document, dict):
        document = sorted(document, key=lambda name: int(document[name]))
    names = tuple(str(name).strip() for name in document if str(name).strip())
    if not names or len(set(names)) != len(names):
        raise DumpError(
            f"{len(names)} class names, {len(set(names))} of them different",
            where=path,
            fix="one name per line, each once",
        )
    return names


def by_name(source: Sequence[str], target: Sequence[str], where: Path | str) -> Renumbering:
    """The renumbering that puts columns named `source` into the order `target`.

    Names are compared as they are, and where that fails without case, brackets and spacing.

    Raises:
        DumpError: other names, or another number of them.
    """
    place = {name: at for at, name in enumerate(source)}
    if set(place) != set(target):
        place, plain_target = {_plain(name): at for at, name in enumerate(source)}, [_plain(name) for name in target]
        missing = [name for name, plain in zip(target, plain_target, strict=True) if plain not in place]
        if missing or len(source) != len(target) or len(place) != len(source):
            near = difflib.get_close_matches(missing[0], source, n=1) if missing else []
            raise DumpError(
                f"{len(source)} classes of the source do not match the split's {len(target)}: {len(missing)} have no equal"
                + (f", first {missing[0]!r}" if missing else "") + (f"; the nearest is {near[0]!r}" if near else ""),
                where=where,
                fix="--classes FILE is the class list that the model was trained with, of the same data set",
            )  # fmt: skip
        return Renumbering(np.array([place[name] for name in plain_target]))
    return Renumbering(np.array([place[name] for name in target]))


def _plain(name: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"[\[\]]", "", name)).strip().casefold()


def near_chance(scores: Scores, labels: Ints) -> float | None:
    """Top-1 of scores [N, V, C] where it is near chance and there are enough videos to say so; else None."""
    known = labels >= 0
    if not known.any():
        return None
    top1 = float((scores.mean(axis=1, dtype=np.float64)[known].argmax(axis=1) == labels[known]).mean())
    return top1 if is_near_chance(top1, scores.shape[2], int(known.sum())) else None


def solve(scores: Scores, labels: Ints) -> Solved:
    """The order of columns that makes scores [N, V, C] most right, and what it is worth on videos that it was not solved on."""
    known = labels >= 0
    best = scores[known].mean(axis=1, dtype=np.float64).argmax(axis=1)
    order = solve_order(best, labels[known], scores.shape[2])
    return Solved(Renumbering(order.columns), order.before, order.after, order.unknown)


def paired_labels(labels: Ints, others: Ints, classes: int) -> Renumbering | None:
    """The renumbering under which two lists of labels [N] are the same, if there is exactly one."""
    pairs = np.unique(np.stack([labels, others]), axis=1)
    if len(pairs[0]) != classes or len(set(pairs[0].tolist())) != classes or len(set(pairs[1].tolist())) != classes:
        return None
    columns = np.empty(classes, np.int64)
    columns[pairs[1]] = pairs[0]
    return Renumbering(columns)


def split_order(names: Mapping[str, tuple[str, ...]], task: str, where: Path | str) -> tuple[str, ...]:
    """The class names of a split; raises DumpError if there is no class file in the folder of its list."""
    if not names.get(task):
        raise DumpError(
            f"the split's {task} classes have no names here, so columns cannot be matched by name", where=where,
            fix="put the data set's class file (category.txt, ..) into the folder of the list",
        )  # fmt: skip
    return names[task]
