"""A score file as the answers for the test sets of Something-Something: V1 names a class, V2 the numbers of five."""

from __future__ import annotations

from pathlib import Path

from gsm_bench.errors import ExportError
from gsm_bench.exporters.rows import best_classes, blocks, check_whole, mean_rows
from gsm_bench.scorefile import ScoreFile, ScoreHead


def write_v1(path: Path, file: ScoreFile, task: str) -> list[str]:
    """``video_id;class name`` per clip, no header."""
    notes, head = check_whole(file, task), file.head
    names = head.class_names.get(task)
    if not names:
        raise ExportError(
            "this score file does not name its classes, and the format wants names",
            fix="put category.txt beside the list and score again, or import again with --dataset",
        )
    with path.open("w", encoding="utf-8") as text:
        for rows in blocks(len(head)):
            best = best_classes(mean_rows(file, task, rows), 1)[:, 0]
            text.writelines(f"{clip};{names[at]}\n" for clip, at in zip(head.ids[rows], best, strict=True))
    return [*notes, *_order(head), "the site of Something-Something V1 is down; the format is for whoever takes it"]


def write_v2(path: Path, file: ScoreFile, task: str) -> list[str]:
    """``video_id;i1;i2;i3;i4;i5`` per clip, best first, no header."""
    notes, head = check_whole(file, task), file.head
    if head.classes_per_task[task] < 5:
        raise ExportError(f"{head.classes_per_task[task]} classes cannot give five answers", fix="--to something-v1")
    with path.open("w", encoding="utf-8") as text:
        for rows in blocks(len(head)):
            best = best_classes(mean_rows(file, task, rows), 5).tolist()
            text.writelines(
                ";".join([clip, *map(str, row)]) + "\n" for clip, row in zip(head.ids[rows], best, strict=True)
            )
    return [*notes, *_order(head), *_column_order(head, task)]


def _order(head: ScoreHead) -> list[str]:
    return ["the order of these rows is unverified: their ids are not the videos'"] if head.order != "ids" else []


def _column_order(head: ScoreHead, task: str) -> list[str]:
    """The format numbers the classes by their sorted names, brackets removed."""
    names = [name.replace("[", "").replace("]", "") for name in head.class_names.get(task, ())]
    if not names:
        return ["classes have no names here: that they are numbered by their sorted names is not checked"]
    if names != sorted(names):
        at = next(at for at, pair in enumerate(zip(names, sorted(names), strict=True)) if pair[0] != pair[1])
        raise ExportError(
            f"the classes are not in the order of their sorted names: {names[at]!r} is number {at}",
            fix="import with --dataset and --classes, which puts them in order",
        )
    return []
