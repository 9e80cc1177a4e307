"""The tables of one result as files in a folder, one each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from gsm_bench.errors import GsmBenchError
from gsm_bench.files import create_whole, write_whole
from gsm_bench.settings import Mark
from gsm_bench.tables.render import render
from gsm_bench.tables.table import Table

SUFFIXES = {"rich": "txt", "latex": "tex"}
"""Suffixes of formats whose files are not called after the format."""
WIDTH = 160


def write_tables(
    tables: Sequence[Table], form: str, folder: Path, *, force: bool = False, marks: Iterable[Mark] | None = None
) -> list[Path]:
    """Write each table to a file of its name in `folder`, which is created; returns the paths.

    Raises:
        GsmBenchError: a file exists, and `force` is not set; nothing is written then.
    """
    paths = [folder / f"{stem}.{SUFFIXES.get(form, form)}" for stem in _stems(tables)]
    there = [path for path in paths if path.exists()]
    if there and not force:
        raise GsmBenchError(
            "this file exists already", where=there[0], fix="use --force to replace it, or another --out"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for table, path in zip(tables, paths, strict=True):
        content = f"{render(table, form, width=WIDTH, marks=marks)}\n".encode()
        if force:
            write_whole(path, content)
        elif not create_whole(path, content):
            raise GsmBenchError("this file exists already", where=path, fix="use --force to replace it")
    return paths


def _stems(tables: Sequence[Table]) -> list[str]:
    """Names for files, all different."""
    stems: list[str] = []
    for table in tables:
        stem = re.sub(r"[^\w.-]+", "-", table.name).strip("-.") or "table"
        same = sum(other == stem or re.fullmatch(rf"{re.escape(stem)}-\d+", other) is not None for other in stems)
        stems.append(f"{stem}-{same + 1}" if same else stem)
    return stems
