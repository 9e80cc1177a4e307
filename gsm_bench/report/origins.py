"""Where every number comes from: a table of score files, and all that each file says of its origin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from gsm_bench.report.content import ReportedFile, ReportedTable
from gsm_bench.report.markup import table_markup
from gsm_bench.tables.render.cells import plain
from gsm_bench.tables.table import Column, Table

COLUMNS = (
    Column("path", "Score file"),
    Column("videos", "Videos", "count"),
    Column("sha256", "sha256"),
    Column("checkpoint", "Checkpoint\nsha256"),
    Column("finished", "Finished"),
    Column("code_commit", "Code"),
)
SHORT = 12
"""Shown digits of a digest in the table; the details have all."""


def origins_markup(files: Sequence[ReportedFile]) -> Markup:
    """The table, and details of each file that open on demand."""
    rows = tuple(_row(file) for file in files)
    table = table_markup(ReportedTable(Table("Score files", COLUMNS, (rows,), name="files")))
    details = [
        Markup("<details><summary>{}</summary><dl>{}</dl></details>").format(
            plain(file.path), Markup("").join(_lines(file))
        )
        for file in files
    ]
    return Markup('{}<div class="origins">{}</div>').format(table, Markup("\n").join(details))


def _row(file: ReportedFile) -> dict[str, Any]:
    provenance = file.provenance
    checkpoint, commit = str(provenance.get("checkpoint_sha256") or ""), str(provenance.get("code_commit") or "")
    return {
        "path": file.path,
        "videos": file.videos,
        "sha256": file.sha256[:SHORT],
        "checkpoint": checkpoint[:SHORT] or None,
        "finished": provenance.get("finished") or None,
        "code_commit": commit[:SHORT] or None,
    }


def _lines(file: ReportedFile) -> Iterator[Markup]:
    for key, value in {"sha256": file.sha256, **file.provenance}.items():
        for name, text in _flat(key, value):
            yield Markup("<dt>{}</dt><dd>{}</dd>").format(plain(name), plain(text))


def _flat(key: str, value: Any) -> Iterator[tuple[str, str]]:
    """A value as texts, objects key by key; nothing for what is unknown."""
    if isinstance(value, Mapping):
        for inner, own in value.items():
            yield from _flat(f"{key}.{inner}", own)
    elif key == "command_line" and isinstance(value, Sequence):
        yield key, " ".join(map(str, value))
    elif value not in (None, "", [], ()):
        yield key, str(value)
