"""Tables of the paper and your own: published rows as printed, measured rows apart from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from gsm_bench.ensembles.member_files import place_text
from gsm_bench.entries import TableEntry
from gsm_bench.evaluation.paper import MeasuredRow, PaperEvaluation, PublishedRow, published_rows
from gsm_bench.manifest import Manifest
from gsm_bench.tables.columns import CATALOGUE, choose_columns, side_by_side, sorted_by, with_headings
from gsm_bench.tables.origin import common_place
from gsm_bench.tables.results import results_table
from gsm_bench.tables.table import Table

DEFAULT_COLUMNS = ("label", "backbone", "pretraining", "frames", "params", "gflops", "top1", "top5", "source")
"""Columns of a table of your own, without those that no row fills."""


def paper_table(evaluation: PaperEvaluation) -> Table:
    """The table with measured accuracies; a row without scores has dashes."""
    entry = evaluation.entry
    other_title = f"The rows of table {entry.name} on {evaluation.dataset}/{evaluation.split}"
    measured = results_table(
        entry.title if evaluation.own_split else other_title,
        [evaluation.results],
        published=not entry.columns and any(result.published for result in evaluation.results),
        brief=True,
        name=f"table {entry.name}",
    )
    if not measured.title:
        measured = replace(measured, title=common_place(result.place for result in evaluation.results if result.files))
    rows = iter(measured.rows)
    per_clip = any("x" in row.gflops for block in entry.blocks for row in block)
    blocks = tuple(
        tuple(
            _published(row) if isinstance(row, PublishedRow) else _measured(row, next(rows), per_clip) for row in block
        )
        for block in evaluation.blocks
    )
    table = replace(measured, blocks=blocks, notes=(*_notes(evaluation), *measured.notes))
    return arranged(table, evaluation)


def arranged(table: Table, evaluation: PaperEvaluation) -> Table:
    """The table with the columns, the order and the shape that its entry asks for."""
    entry = evaluation.entry
    if entry.columns:
        names = [name for name in entry.columns if name != "source" or _has_both(evaluation)]
        if len({row.get("place") for row in table.rows if row.get("place")}) > 1 and "place" not in names:
            names.insert(1, "place")
        table = replace(table, columns=with_headings(choose_columns(names, table.columns), entry.headings))
    if entry.side_by_side:
        table = side_by_side(table)
    return sorted_by(table, entry.sort) if entry.sort else table


def _has_both(evaluation: PaperEvaluation) -> bool:
    """Whether there are published and measured rows, so that each has to say what it is."""
    return len({type(row) for block in evaluation.blocks for row in block}) > 1


def published_table(entry: TableEntry, manifest: Manifest) -> Table:
    """The published rows of a table alone, with those that the registry holds."""
    blocks = tuple(tuple(map(_published, block)) for block in published_rows(entry, manifest))
    return Table(entry.title, tuple(CATALOGUE[name] for name in DEFAULT_COLUMNS), blocks, name=f"table {entry.name}")


def _published(row: PublishedRow) -> dict[str, Any]:
    entry = row.row
    return {
        "label": entry.label,
        "backbone": entry.backbone or None,
        "pretraining": entry.pretraining or None,
        "frames": entry.frames or None,
        "params": None if entry.params_m is None else round(entry.params_m * 1e6),
        "macs_paper": gflops_of(entry.gflops),
        "macs_paper_shown": entry.gflops or None,
        **{key: round(value / 100, 6) for key, value in entry.printed.items()},
        "source": "printed",
        "published_source": row.source,
        "dataset": row.dataset,
        "split": row.split,
        "place": place_text(row.dataset, row.split),
    }


def gflops_of(text: str) -> float | None:
    """Multiply-adds of a printed cost: the product of GFLOPs and clips, ``66.5x30``; None for ``NA``."""
    try:
        per_clip, _, clips = text.rstrip("*").partition("x")
        return round(float(per_clip) * 1e9) * int(clips or 1)
    except ValueError:
        return None


def _measured(row: MeasuredRow, values: Mapping[str, Any], per_clip: bool) -> dict[str, Any]:
    """The values of a measured row, its cost per clip where the published rows say theirs so."""
    own = {**values, "backbone": row.row.backbone or None, "pretraining": row.row.pretraining or None}
    clips = own.get("clips_per_video")
    if per_clip and isinstance(clips, int) and clips > 1 and own["macs_paper"]:
        own["macs_paper_shown"] = f"{own['macs_paper'] / clips / 1e9:.2f}x{clips}"
    return own | {"source": "measured"}


def _notes(evaluation: PaperEvaluation) -> Iterator[str]:
    """What is printed where, and how many videos the measured rows are over: of the full split, if that has more."""
    entry, full = evaluation.entry, evaluation.full_videos
    sources = [row.source for block in evaluation.blocks for row in block if isinstance(row, PublishedRow)]
    if entry.source and any(result.published for result in evaluation.results):
        sources.append(entry.source)
    for source in dict.fromkeys(filter(None, sources)):
        yield f"Printed: {source}."
    if entry.notes and evaluation.own_split:
        yield entry.notes
    for total in sorted({accuracy.total for result in evaluation.results for accuracy in result.accuracy.values()}):
        part = f" of the {full:,} of the full split" if full not in (None, total) else ""
        yield f"Measured over {total:,} videos{part}."


def filled_columns(table: Table) -> Table:
    """The table without columns that have no value in any row, but for accuracies."""
    kept = [
        column
        for column in table.columns
        if column.key in ("label", CATALOGUE["top1"].key) or any(row.get(column.key) is not None for row in table.rows)
    ]
    return replace(table, columns=tuple(kept))
