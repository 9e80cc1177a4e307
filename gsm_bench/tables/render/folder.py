"""The tables of one result as files in a folder, one each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from gsm_bench.errors import GsmBenchError
from gsm_bench.files import create_whole, sweep, write_whole
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
        GsmBenchError: a file with another content exists, and `force` is not set; nothing is written then.
    """
    contents = {
        folder / f"{stem}.{SUFFIXES.get(form, form)}": f"{render(table, form, width=WIDTH, marks=marks)}\n".encode()
        for table, stem in zip(tables, _stems(tables), strict=True)
    }
    others = [path for path, content in contents.items() if path.exists() and path.read_bytes() != content]
    if others and not force:
        raise _exists(others[0])
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in contents.items():
        sweep(path)
        if force:
            write_whole(path, content)
        elif not create_whole(path, content) and path.read_bytes() != content:
            raise _exists(path)
    return list(contents)


def _exists(path: Path) -> GsmBenchError:
    return GsmBenchError("this file exists already", where=path, fix="use --force to replace it, or another --out")


def _stems(tables: Sequence[Table]) -> list[str]:
    """Names for files, all different."""
    stems: list[str] = []
    for table in tables:
        stem = re.sub(r"[^\w.-]+", "-", table.name).strip("-.") or "table"
        same = sum(other == stem or re.fullmatch(rf"{re.escape(stem)}-\d+", other) is not None for other in stems)
        stems.append(f"{stem}-{same + 1}" if same else stem)
    return stems
