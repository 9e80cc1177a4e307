"""Labels of a dump from a list of ``<id> <class>``, which its user has beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from gsm_bench.errors import DumpError, SplitError
from gsm_bench.importers.align import NAME_THE_LIST
from gsm_bench.importers.dump import Dump, Ints, bare_name, refuse_doubles
from gsm_bench.layouts.columns import NUMBER, ListTable, parse_list
from gsm_bench.layouts.plain import as_labels
from gsm_bench.layouts.rows import text_lines

FORM = "write rows of <id> <class>, with the class number or its name"


def with_listed_labels(dump: Dump, path: Path, ids: Sequence[str] | None, names: Sequence[str]) -> Dump:
    """The dump with the action labels of a list in place of its own.

    Args:
        path: of the list: rows of ``<id> <class>`` or ``<id> <frames> <class>``, or columns with a header.
        ids: N ids of the dump's rows, where the user named them.
        names: C class names in column order, where they are known; labels may then be names.

    Raises:
        DumpError: no list of labels, a dump without ids, or a list of other videos.
    """
    if "action" not in dump.scores:
        raise DumpError(
            "a list gives action labels, and this dump has no action scores", where=path, fix="remove --labels"
        )
    ids = ids or dump.ids
    if ids is None:
        raise DumpError("this dump has no video ids to find labels for", where=path, fix=NAME_THE_LIST)
    listed, labels = _read(path, names)
    videos, known = _matched(list(ids), listed)
    row_of = {name: row for row, name in enumerate(known)}
    if len(row_of) != len(known):
        raise DumpError("two ids become one without folders and endings", where=path, fix=FORM)
    rows = np.array([row_of.get(name, -1) for name in videos], np.int64)
    if (rows < 0).all():
        raise DumpError(
            f"this list has none of the {len(videos):,} videos: its first is {listed[0]!r}, the dump's {ids[0]!r}",
            where=path, fix="name the list of the videos that were tested: --labels FILE",
        )  # fmt: skip
    chosen = np.where(rows < 0, -1, labels[rows])
    note = _note(path, dump.labels.get("action"), chosen)
    return replace(dump, labels={**dump.labels, "action": chosen}, notes=(*dump.notes, note))


def _read(path: Path, names: Sequence[str]) -> tuple[tuple[str, ...], Ints]:
    """The ids and class numbers int64 of a list."""
    if not path.is_file():
        raise DumpError("there is no such list of labels", where=path, fix="correct --labels")
    try:
        table = parse_list(path, list(text_lines(path)))
    except SplitError as error:
        raise DumpError(error.what, where=error.where, fix=FORM) from error
    if "label" not in table.columns and table.inferred and "frames" in table.columns:
        table = replace(table, columns=as_labels(table.columns))
    if "label" not in table.columns:
        raise DumpError("this list has no labels", where=path, fix=FORM)
    return refuse_doubles(tuple(table.texts("id")), path), _numbers(table, names)


def _numbers(table: ListTable, names: Sequence[str]) -> Ints:
    texts = table.texts("label")
    number_of = {name: at for at, name in enumerate(names)}
    if all(NUMBER.fullmatch(text) for text in texts):
        return np.array(table.numbers("label"), np.int64)
    if not names:
        raise DumpError(
            f"this list names classes, such as {next(text for text in texts if not NUMBER.fullmatch(text))!r}, and their "
            "numbers are not known", where=table.path, fix="name the file of class names in column order: --classes FILE",
        )  # fmt: skip
    for (line, _), text in zip(table.rows, texts, strict=True):
        if text not in number_of:
            raise DumpError(
                f"{text!r} is not one of the {len(names)} class names", where=f"{table.path}, line {line}",
                fix="correct the line, or name the class file: --classes FILE",
            )  # fmt: skip
    return np.array([number_of[text] for text in texts], np.int64)


def _matched(ids: list[str], listed: Sequence[str]) -> tuple[list[str], list[str]]:
    """Both as they are if they share a video, else both without folders and endings of video files."""
    if not set(ids).isdisjoint(listed):
        return ids, list(listed)
    return [bare_name(name) for name in ids], [bare_name(name) for name in listed]


def _note(path: Path, own: Ints | None, labels: Ints) -> str:
    absent = int((labels < 0).sum())
    note = f"labels are those of {path}" + (f", which lacks {absent:,} of {len(labels):,} videos" if absent else "")
    if own is None:
        return note
    differ = int(((own != labels) & (labels >= 0)).sum())
    return f"{note}; the source's own labels differ for {differ:,} videos"
