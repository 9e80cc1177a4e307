"""A score file as the answers for the test sets of Something-Something: V1 names a class, V2 the numbers of five."""

from __future__ import annotations

from pathlib import Path

from gsm_bench.errors import ExportError
from gsm_bench.exporters.rows import best_classes, whole_rows
from gsm_bench.scorefile import ClipScores


def write_v1(path: Path, content: ClipScores, task: str) -> list[str]:
    """``video_id;class name`` per clip, no header."""
    scores, notes = whole_rows(content, task)
    names = content.class_names.get(task)
    if not names:
        raise ExportError(
            "this score file does not name its classes, and the format wants names",
            fix="put category.txt beside the list and score again, or import again with --dataset",
        )
    best = best_classes(scores, 1)[:, 0]
    lines = [f"{clip};{names[column]}\n" for clip, column in zip(content.ids, best, strict=True)]
    path.write_text("".join(lines), encoding="utf-8")
    return [*notes, *_order(content), "the site of Something-Something V1 is down; the format is for whoever takes it"]


def write_v2(path: Path, content: ClipScores, task: str) -> list[str]:
    """``video_id;i1;i2;i3;i4;i5`` per clip, best first, no header."""
    scores, notes = whole_rows(content, task)
    if scores.shape[1] < 5:
        raise ExportError(f"{scores.shape[1]} classes cannot give five answers", fix="--to something-v1")
    best = best_classes(scores, 5)
    lines = [";".join([clip, *map(str, row)]) + "\n" for clip, row in zip(content.ids, best.tolist(), strict=True)]
    path.write_text("".join(lines), encoding="utf-8")
    return [*notes, *_order(content), *_column_order(content, task)]


def _order(content: ClipScores) -> list[str]:
    return ["the order of these rows is unverified: their ids are not the videos'"] if content.order != "ids" else []


def _column_order(content: ClipScores, task: str) -> list[str]:
    """The format numbers the classes by their sorted names, brackets removed."""
    names = [name.replace("[", "").replace("]", "") for name in content.class_names.get(task, ())]
    if not names:
        return ["classes have no names here: that they are numbered by their sorted names is not checked"]
    if names != sorted(names):
        at = next(at for at, pair in enumerate(zip(names, sorted(names), strict=True)) if pair[0] != pair[1])
        raise ExportError(
            f"the classes are not in the order of their sorted names: {names[at]!r} is number {at}",
            fix="import with --dataset and --classes, which puts them in order",
        )
    return []
