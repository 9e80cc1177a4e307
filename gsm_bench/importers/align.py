"""Which video each row of a dump is: by id, or not verified. Labels alone prove an order only if each occurs once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from gsm_bench.errors import DumpError
from gsm_bench.id_array import IdArray
from gsm_bench.importers.class_order import Renumbering, paired_labels
from gsm_bench.importers.dump import Dump, Ints, bare_name, refuse_doubles
from gsm_bench.importers.label_base import counts_from_1, from_0
from gsm_bench.importers.result_files import without_seconds
from gsm_bench.splits import Split

NAME_THE_LIST = "--ids FILE names the list that was tested, a video per line in its order"


@dataclass(frozen=True)
class Placed:
    """The videos of a dump.

    Attributes:
        ids: N video ids, in the split's order where a split is known; ``row-00000`` .. where they are not known.
        rows: int64 [N] row of the dump for each video; -1 where it has none.
        order: ``ids`` or ``unverified``.
        note: why.
    """

    ids: IdArray
    rows: Ints
    order: Literal["ids", "unverified"]
    note: str


def place(dump: Dump, labels: Mapping[str, Ints], split: Split | None, named: tuple[str, ...] | None) -> Placed:
    """Assign a video to each row of a dump.

    Args:
        labels: int64 [N] per task in the dump's rows, numbered as the split numbers its classes.
        split: the split that the dump is of, where it is known.
        named: ids that the user gives for the rows, in the dump's order.

    Raises:
        DumpError: other videos than the split's, or rows that contradict its labels.
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
            return Placed(IdArray.of(ids), rows, "ids", "video ids are the source's own")
        note = "rows are numbered only: the source says that their order is unverified"
        return Placed(IdArray.of(ids), rows, "unverified", note)
    note = "the source has no video ids and no split was named: rows are row-00000 .., order unverified"
    return Placed(_row_numbers(len(dump)), rows, "unverified", note)


def _row_numbers(count: int) -> IdArray:
    return IdArray.of(f"row-{row:05d}" for row in range(count))


def _by_id(ids: tuple[str, ...], labels: Mapping[str, Ints], split: Split) -> Placed:
    known = set(split.ids)
    row_of = {name: row for row, name in enumerate(ids)}
    if not row_of.keys() & known:
        row_of = {bare_name(name): row for row, name in enumerate(ids)}
    if not row_of.keys() & known:
        whole = without_seconds(split.ids)
        row_of = {whole.get(name, name): row for name, row in row_of.items()}
    unknown = [name for name in row_of if name not in known]
    if unknown or len(row_of) != len(ids):
        raise DumpError(
            f"{len(unknown):,} of {len(ids):,} videos are not in {split.dataset}/{split.name}"
            + (f", first {unknown[0]!r}; its first video is {split.ids[0]!r}" if unknown else ": two ids become one"),
            where=split.list_path,
            fix="name the split that was tested: --split; or remove --dataset and --split",
        )
    rows = np.array([row_of.get(name, -1) for name in split.ids], np.int64)
    _check_labels(labels, split, rows)
    missing = int((rows < 0).sum())
    note = f"rows were matched to {split.dataset}/{split.name} by video id"
    return Placed(
        split.ids, rows, "ids", note + (f"; {missing:,} of its videos are not in the source" if missing else "")
    )


def _check_labels(labels: Mapping[str, Ints], split: Split, rows: Ints) -> None:
    """Refuse labels that differ from the split's for the same videos."""
    for task, mine in labels.items():
        theirs = split.labels.get(task)
        if theirs is None:
            continue
        there = rows >= 0
        wrong = np.flatnonzero((mine[rows[there]] != theirs[there]) & (mine[rows[there]] >= 0))
        if wrong.size:
            source, listed = mine[rows[there]], theirs[there].astype(np.int64)
            classes = int(theirs.max()) + 1
            if _equal_from_1(source, listed):
                raise counts_from_1(task, source, classes, split.list_path)
            video = int(np.flatnonzero(there)[wrong[0]])
            raise DumpError(
                f"{wrong.size:,} {task} labels differ from the split's, first of video {split.ids[video]!r}: "
                f"{mine[rows[video]]} in the source, {theirs[video]} in the list",
                where=split.list_path,
                fix=_other_order(paired_labels(source, listed, classes)),
            )


def _equal_from_1(source: Ints, listed: Ints) -> bool:
    """Whether labels are the list's once 1 is taken off each that is known."""
    known = source >= 0
    return bool(known.any()) and np.array_equal(from_0(source)[known], listed[known])


def _other_order(renumbering: Renumbering | None) -> str:
    if renumbering is not None:
        return (
            "the labels are the same but for the numbers of the classes: --classes FILE with the source's class names "
            "in its order"
        )
    return "--classes FILE with the source's class names in its order, or the split that was tested"


def _by_position(dump: Dump, labels: Mapping[str, Ints], split: Split) -> Placed:
    """Rows without ids: compared with the split row by row, which refutes an order and seldom proves one."""
    where, name = split.list_path, f"{split.dataset}/{split.name}"
    if len(dump) != len(split):
        raise DumpError(
            f"the source has {len(dump):,} rows without ids, {name} has {len(split):,} videos", where=where,
            fix="name the split that was tested, or remove --dataset and --split: then its order is unverified",
        )  # fmt: skip
    compared = [task for task in labels if task in split.labels and (labels[task] >= 0).all()]
    if not compared:
        raise DumpError(
            f"the source has neither video ids nor labels, so nothing shows that its rows are those of {name}",
            where=where,
            fix=f"{NAME_THE_LIST}; or remove --dataset and --split",
        )
    orders = {"in the list's order": np.arange(len(split)), "sorted by video name": _from_sorted(split.ids)}
    for how in reversed(orders) if dump.sorted_by_name else orders:
        rows = orders[how]
        if all(np.array_equal(labels[task][rows], split.labels[task]) for task in compared):
            return _placed_by_labels(
                split, rows, how, _rows_left_open([split.labels[task].astype(np.int64) for task in compared])
            )
    raise _disagreement(dump, labels, split, compared)


def _placed_by_labels(split: Split, rows: Ints, how: str, left_open: int) -> Placed:
    count = f"{len(split):,}"
    note = f"rows without ids are taken {how}: {count} videos and all labels of {split.dataset}/{split.name} agree"
    if how.startswith("sorted"):
        note += "; they were put back in the list's order"
    if not left_open:
        return Placed(split.ids, rows, "ids", f"{note}, and no label occurs twice")
    note += f". Labels leave {left_open:,} of {count} rows open, so the order is unverified: {NAME_THE_LIST}"
    return Placed(_row_numbers(len(split)), rows, "unverified", note)


def _rows_left_open(labels: Sequence[Ints]) -> int:
    """How many rows share their labels with another: videos of one class may have changed places unseen."""
    _, counts = np.unique(np.stack(labels), axis=1, return_counts=True)
    return int(counts[counts > 1].sum())


def _from_sorted(ids: Sequence[str]) -> Ints:
    """For each video its row in a dump whose rows are sorted by id."""
    rows = np.empty(len(ids), np.int64)
    rows[sorted(range(len(ids)), key=ids.__getitem__)] = np.arange(len(ids))
    return rows


def _disagreement(dump: Dump, labels: Mapping[str, Ints], split: Split, compared: list[str]) -> DumpError:
    task = compared[0]
    rows = _from_sorted(split.ids) if dump.sorted_by_name else np.arange(len(split))
    mine, theirs = labels[task][rows], split.labels[task].astype(np.int64)
    classes = dump.scores[task].shape[2]
    if _equal_from_1(mine, theirs):
        return counts_from_1(task, mine, classes, split.list_path)
    wrong = np.flatnonzero(mine != theirs)
    renumbering = paired_labels(mine, theirs, classes)
    fix = (
        _other_order(renumbering)
        if renumbering
        else f"{NAME_THE_LIST}; --classes FILE its class names; without --dataset and --split the order is unverified"
    )
    return DumpError(
        f"{wrong.size:,} of {len(split):,} {task} labels differ from those of {split.dataset}/{split.name} row by row, "
        f"first in row {int(wrong[0]) if wrong.size else 0}",
        where=split.list_path,
        fix=fix,
    )


def read_ids(path: Path) -> tuple[str, ...]:
    """Video ids, one per line: the first word of each, as in the lists that tests are run with."""
    if not path.is_file():
        raise DumpError("there is no such list of video ids", where=path, fix="correct --ids")
    try:
        lines = [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise DumpError("this list of video ids is not a text file", where=path, fix="one video per line") from error
    return refuse_doubles(tuple(bare_name(line.split()[0].split(",")[0]) for line in lines), path)
