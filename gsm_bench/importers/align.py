"""Which clip each row of a dump is: by id, by position where everything agrees, or not known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from gsm_bench.errors import DumpError
from gsm_bench.id_array import IdArray
from gsm_bench.importers.class_order import Renumbering, paired_labels
from gsm_bench.importers.dump import Dump, Ints, refuse_doubles
from gsm_bench.splits import Split

ENDINGS = (".webm", ".mp4", ".avi", ".mkv")


@dataclass(frozen=True)
class Placed:
    """The clips of a dump.

    Attributes:
        ids: N clip ids, in the split's order where a split is known.
        rows: int64 [N] row of the dump for each clip; -1 where it has none.
        order: ``ids`` or ``unverified``.
        note: how this was found.
    """

    ids: IdArray
    rows: Ints
    order: Literal["ids", "unverified"]
    note: str


def place(dump: Dump, labels: Mapping[str, Ints], split: Split | None, named: tuple[str, ...] | None) -> Placed:
    """Find the clips of a dump.

    Args:
        labels: int64 [N] per task in the dump's rows, numbered as the split numbers its classes.
        split: the split that the dump is of, where it is known.
        named: ids that the user gives for the rows, in the dump's order.

    Raises:
        DumpError: other clips than the split's, or rows that cannot be placed beyond doubt.
    """
    ids = named or dump.ids
    if split is None:
        return _without_split(dump, ids)
    if ids is None:
        return _by_position(dump, labels, split)
    return _by_id(ids, labels, split)


def _without_split(dump: Dump, ids: tuple[str, ...] | None) -> Placed:
    rows = np.arange(len(dump))
    if ids is not None:
        if dump.verified:
            return Placed(IdArray.of(ids), rows, "ids", "clip ids are the source's own")
        return Placed(
            IdArray.of(ids),
            rows,
            "unverified",
            "rows are numbered only: the source says that their order is unverified",
        )
    return Placed(
        IdArray.of(f"row-{row:05d}" for row in rows), rows, "unverified",
        "the source has no clip ids and no split was named: rows are row-00000 .., order unverified",
    )  # fmt: skip


def _by_id(ids: tuple[str, ...], labels: Mapping[str, Ints], split: Split) -> Placed:
    known = set(split.ids)
    found = {name: row for row, name in enumerate(ids)}
    if not found.keys() & known:
        found = {_bare(name): row for row, name in enumerate(ids)}
    strange = [name for name in found if name not in known]
    if strange or len(found) != len(ids):
        raise DumpError(
            f"{len(strange):,} of {len(ids):,} clips are not in {split.dataset}/{split.name}"
            + (f", first {strange[0]!r}; its first clip is {split.ids[0]!r}" if strange else ": two ids become one"),
            where=split.list_path,
            fix="name the split that was tested: --split; or leave it away",
        )
    rows = np.array([found.get(name, -1) for name in split.ids], np.int64)
    _check_labels(labels, split, rows)
    missing = int((rows < 0).sum())
    note = f"rows were matched to {split.dataset}/{split.name} by clip id"
    return Placed(
        split.ids, rows, "ids", note + (f"; {missing:,} of its clips are not in the source" if missing else "")
    )


def _bare(name: str) -> str:
    """A video's name without folder and ending."""
    last = name.rsplit("/", 1)[-1]
    return next((last.removesuffix(ending) for ending in ENDINGS if last.endswith(ending)), last)


def _check_labels(labels: Mapping[str, Ints], split: Split, rows: Ints) -> None:
    """Refuse labels that differ from the split's for the same clips."""
    for task, mine in labels.items():
        theirs = split.labels.get(task)
        if theirs is None:
            continue
        there = rows >= 0
        wrong = np.flatnonzero((mine[rows[there]] != theirs[there]) & (mine[rows[there]] >= 0))
        if wrong.size:
            clip = int(np.flatnonzero(there)[wrong[0]])
            raise DumpError(
                f"{wrong.size:,} {task} labels differ from the split's, first of clip {split.ids[clip]!r}: "
                f"{mine[rows[clip]]} in the source, {theirs[clip]} in the list",
                where=split.list_path,
                fix=_other_order(
                    paired_labels(mine[rows[there]], theirs[there].astype(np.int64), int(theirs.max()) + 1)
                ),
            )


def _other_order(found: Renumbering | None) -> str:
    if found is not None:
        return (
            "the labels are the same but for the numbers of the classes: --classes FILE with the source's class names "
            "in its order"
        )
    return "--classes FILE with the source's class names in its order, or the split that was tested"


def _by_position(dump: Dump, labels: Mapping[str, Ints], split: Split) -> Placed:
    """Rows without ids: only where the number of clips and every label agree."""
    where, name = split.list_path, f"{split.dataset}/{split.name}"
    if len(dump) != len(split):
        raise DumpError(
            f"the source has {len(dump):,} rows without ids, {name} has {len(split):,} clips", where=where,
            fix="name the split that was tested, or leave --dataset and --split away: then its order is unverified",
        )  # fmt: skip
    compared = [task for task in labels if task in split.labels and (labels[task] >= 0).all()]
    if not compared:
        raise DumpError(
            f"the source has neither clip ids nor labels, so its rows cannot be told to be those of {name}", where=where,
            fix="--ids FILE gives the list that was tested, a clip per line; or leave --dataset and --split away",
        )  # fmt: skip
    orders = {"list": np.arange(len(split)), "sorted": _from_sorted(split.ids)}
    for order in ("sorted", "list") if dump.sorted_by_name else ("list", "sorted"):
        rows = orders[order]
        if all(np.array_equal(labels[task][rows], split.labels[task]) for task in compared):
            how = (
                "in the list's order"
                if order == "list"
                else "sorted by video name, and were put back in the list's order"
            )
            return Placed(
                split.ids,
                rows,
                "ids",
                f"rows without ids were {how}: {len(split):,} clips and all labels of {name} agree",
            )
    raise _disagreement(dump, labels, split, compared)


def _from_sorted(ids: Sequence[str]) -> Ints:
    """For each clip its row in a dump whose rows are sorted by id."""
    rows = np.empty(len(ids), np.int64)
    rows[sorted(range(len(ids)), key=ids.__getitem__)] = np.arange(len(ids))
    return rows


def _disagreement(dump: Dump, labels: Mapping[str, Ints], split: Split, compared: list[str]) -> DumpError:
    task = compared[0]
    rows = _from_sorted(split.ids) if dump.sorted_by_name else np.arange(len(split))
    theirs = split.labels[task].astype(np.int64)
    wrong = np.flatnonzero(labels[task][rows] != theirs)
    renumbered = paired_labels(labels[task][rows], theirs, dump.scores[task].shape[2])
    fix = (
        _other_order(renumbered)
        if renumbered
        else "--ids FILE gives the list that was tested; --classes FILE its class names; without --dataset and --split "
        "the order stays unverified"
    )
    return DumpError(
        f"{wrong.size:,} of {len(split):,} {task} labels differ from those of {split.dataset}/{split.name} row by row, "
        f"first in row {int(wrong[0]) if wrong.size else 0}",
        where=split.list_path,
        fix=fix,
    )


def read_ids(path: Path) -> tuple[str, ...]:
    """Clip ids, one per line: the first word of each, as in the lists that tests are run with."""
    if not path.is_file():
        raise DumpError("there is no such list of clip ids", where=path, fix="correct --ids")
    try:
        lines = [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise DumpError("this list of clip ids is not a text file", where=path, fix="one clip per line") from error
    return refuse_doubles(tuple(_bare(line.split()[0].split(",")[0]) for line in lines), path)
