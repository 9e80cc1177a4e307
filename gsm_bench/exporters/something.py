"""A score file as predictions for the test sets of Something-Something: V1 takes a class name, V2 five numbers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from gsm_bench.errors import ExportError
from gsm_bench.exporters.rows import best_classes, blocks, check_complete, mean_rows
from gsm_bench.scorefile import ScoreFile, ScoreHead


def write_v1(path: Path, file: ScoreFile, task: str) -> list[str]:
    """Write ``video_id;class name`` per video, without a header; returns notes."""
    notes, head = check_complete(file, task), file.head
    names = head.class_names.get(task)
    if not names:
        raise ExportError(
            "this score file has no class names, which the format needs",
            fix="put category.txt beside the list and score again, or import with --dataset",
        )
    _check_fields(head.ids, "id")
    _check_fields(names, "class name")
    with path.open("w", encoding="utf-8") as text:
        for rows in blocks(len(head)):
            best = best_classes(mean_rows(file, task, rows), 1)[:, 0]
            text.writelines(f"{video};{names[at]}\n" for video, at in zip(head.ids[rows], best, strict=True))
    return [*notes, *_order(head), "the server of Something-Something V1 is down"]


def write_v2(path: Path, file: ScoreFile, task: str) -> list[str]:
    """Write ``video_id;i1;i2;i3;i4;i5`` per video, best class first, without a header; returns notes."""
    notes, head = check_complete(file, task), file.head
    if head.classes_per_task[task] < 5:
        raise ExportError(
            f"the format needs five classes; the scores have {head.classes_per_task[task]}", fix="--to something-v1"
        )
    _check_fields(head.ids, "id")
    with path.open("w", encoding="utf-8") as text:
        for rows in blocks(len(head)):
            best = best_classes(mean_rows(file, task, rows), 5).tolist()
            text.writelines(
                ";".join([video, *map(str, row)]) + "\n" for video, row in zip(head.ids[rows], best, strict=True)
            )
    return [*notes, *_order(head), *_column_order(head, task)]


def _check_fields(fields: Iterable[str], what: str) -> None:
    """Refuse a text that would be several fields or rows; all others are written as they are."""
    odd = next((field for field in fields if any(character in field for character in ";\n\r")), None)
    if odd is not None:
        raise ExportError(f"the {what} {odd!r} holds a separator of this format", fix="--to csv or npz")


def _order(head: ScoreHead) -> list[str]:
    return ["the order of these rows is unverified: their ids are not video ids"] if head.order != "ids" else []


def _column_order(head: ScoreHead, task: str) -> list[str]:
    """Check that classes are in the order of their names without brackets, which the format requires; returns a note."""
    names = [name.replace("[", "").replace("]", "") for name in head.class_names.get(task, ())]
    if not names:
        return ["the score file has no class names: it is not checked that classes are in the order of their names"]
    if names != sorted(names):
        at = next(at for at, pair in enumerate(zip(names, sorted(names), strict=True)) if pair[0] != pair[1])
        raise ExportError(
            f"the classes are not in the order of their names: class {at} is {names[at]!r}",
            fix="import with --dataset and --classes to reorder them",
        )
    return []
