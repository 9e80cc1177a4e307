"""Dumps of TDN: one file ``<clip>_crop<k>.pkl`` per clip and crop, each a list of ``[array (1, C), label]``. No ids."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import DumpError
from gsm_bench.importers.containers import DumpSource
from gsm_bench.importers.dump import Dump, ReadOptions, is_row, label_numbers, score_rows, unknown_views
from gsm_bench.scorefile import VIEW_TYPE


def fits_pairs(source: DumpSource) -> bool:
    value = source.value
    return isinstance(value, list) and bool(value) and all(_is_pair(row) for row in value[:3])


def _is_pair(row: Any) -> bool:
    return isinstance(row, list | tuple) and len(row) == 2 and is_row(row[0]) and np.size(row[1]) == 1


def read_pairs(sources: list[DumpSource], _: ReadOptions) -> Dump:
    """All files of one test; each is a view of the same videos."""
    files = [_read_file(source) for source in sources]
    scores, labels = files[0]
    for source, (others, other_labels) in zip(sources[1:], files[1:], strict=True):
        if others.shape != scores.shape or not np.array_equal(labels, other_labels):
            raise DumpError(
                f"{source.path.name} and {sources[0].path.name} have unlike videos or labels", where=source.path,
                fix="give the files of one test run",
            )  # fmt: skip
    stacked = np.concatenate([values for values, _ in files], axis=1)
    views, notes = _views(sources, stacked.shape[1])
    return Dump("tdn", {"action": stacked}, labels={"action": labels}, views=views, notes=notes)


def _views(sources: list[DumpSource], count: int) -> tuple[NDArray[np.void], tuple[str, ...]]:
    """Clip and crop from the files' names, where each file holds one view."""
    places = [re.search(r"(\d+)_crop(\d+)", source.path.name) for source in sources]
    if not all(places) or count != len(sources):
        return unknown_views(count), ()
    rows = [(int(place[1]) % 2**15, int(place[2]) % 128, 0, np.nan) for place in places if place]
    note = "clips and crops are numbered as in the file names and have unknown offsets"
    return np.array(rows, dtype=VIEW_TYPE), (note,)


def _read_file(source: DumpSource) -> tuple[Any, Any]:
    rows, where = source.value, source.path
    at = next((at for at, row in enumerate(rows) if not _is_pair(row)), None)
    if at is not None:
        raise DumpError(f"row {at} of this TDN dump is not [scores, label]", where=Path(where), fix="dump again")
    return score_rows([row[0] for row in rows], "the list", where), label_numbers(
        [row[1] for row in rows], len(rows), where
    )
