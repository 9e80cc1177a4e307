"""A score file as csv, parquet or npz, for spreadsheets, pandas and numpy; `import` reads them back without loss.

The columns are described in `gsm_bench.importers.tabular`. Rows are written block by block, so that memory does
not grow with the file.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from gsm_bench.exporters.rows import blocks
from gsm_bench.importers.columns import ROW_ID, STATUS, VIDEO_ID
from gsm_bench.scorefile import VIEW_TYPE, ScoreFile, ScoreHead, Scores

FORMULA = ("=", "+", "-", "@", "\t", "\r")
NINE_DIGITS = "%.9g"
"""Nine digits restore every float32 exactly."""


def write_csv(path: Path, file: ScoreFile, _: str) -> list[str]:
    """Write a row per video and view, a column per class; returns a note on ids that look like formulas.

    Ids are exact: programs match videos by them, and YouTube's ids may begin with ``-``.
    """
    names = _score_names(file.head)
    line = ",".join([NINE_DIGITS] * len(names)) + "\n"
    with path.open("w", encoding="utf-8", newline="") as text:
        writer = csv.writer(text, lineterminator="")
        writer.writerow([*(name for name, _ in _other_columns(file.head, slice(0, 0))), *names])
        text.write("\n")
        for rows in blocks(len(file.head)):
            others = [values for _, values in _other_columns(file.head, rows)]
            for at, scores in enumerate(_score_rows(file, rows).tolist()):
                writer.writerow([values[at] for values in others])
                text.write("," + line % tuple(scores))
    odd = [name for name in file.head.ids if name.startswith(FORMULA)]
    if not odd:
        return []
    first = f"{len(odd):,} {'id begins' if len(odd) == 1 else 'ids begin'} like a formula, first: {odd[0]!r}"
    return [f"{first}; in a spreadsheet, import that column as text"]


def write_parquet(path: Path, file: ScoreFile, _: str) -> list[str]:
    """Write the table of `write_csv`, with the provenance in the schema's metadata."""
    import pyarrow
    from pyarrow import parquet

    metadata = {"gsm_bench.provenance": file.head.provenance.to_json()}
    names = _score_names(file.head)
    writer = None
    try:
        for rows in blocks(len(file.head)) if len(file.head) else [slice(0, 0)]:
            scores = _score_rows(file, rows)
            columns: dict[str, Any] = dict(_other_columns(file.head, rows))
            columns |= {name: np.ascontiguousarray(scores[:, at]) for at, name in enumerate(names)}
            metadata["gsm_bench.columns"] = json.dumps(list(columns))  # parquet has no checksum of column names
            table = pyarrow.table(columns).replace_schema_metadata(metadata)
            writer = writer or parquet.ParquetWriter(path, table.schema, write_page_checksum=True)
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()
    return []


def write_npz(path: Path, file: ScoreFile, _: str) -> list[str]:
    """Write the arrays of the score file under their names there."""
    head = file.head
    arrays: dict[str, NDArray[Any]] = {
        "order": np.array(head.order), "views": head.views, "status": head.status,
        "provenance": np.array(head.provenance.to_json()),
    }  # fmt: skip
    arrays |= {f"kind_{task}": np.array(kind) for task, kind in head.kinds.items()}
    arrays |= {f"labels_{task}": labels for task, labels in head.labels.items()}
    arrays |= {f"classes_{task}": np.array(names) for task, names in head.class_names.items()}
    letters = max((len(name) for name in head.ids), default=1)
    with ZipFile(path, "w", allowZip64=True) as archive:
        for name, array in arrays.items():
            _write_array(archive, name, array.dtype, array.shape, [array])
        ids = (np.array(list(head.ids[rows]), f"<U{letters}") for rows in blocks(len(head)))
        _write_array(archive, "video_ids", np.dtype(f"<U{letters}"), (len(head),), ids)
        for task, classes in head.classes_per_task.items():
            scores = (file.block(task, rows.start, rows.stop) for rows in blocks(len(head)))
            shape = (len(head), len(head.views), classes)
            _write_array(archive, f"scores_{task}", np.dtype(np.float32), shape, scores)
    return []


def _write_array(
    archive: ZipFile, name: str, dtype: np.dtype[Any], shape: tuple[int, ...], row_blocks: Iterable[NDArray[Any]]
) -> None:
    """Write one array of an npz file from consecutive blocks of rows, as `numpy.savez` writes it."""
    head = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
        np.lib.format.write_array_header_1_0(entry, head)
        for block in row_blocks:
            entry.write(block.tobytes())


def _score_rows(file: ScoreFile, rows: slice) -> Scores:
    """Scores of all tasks side by side, float32 [n * V, C]."""
    tasks = [file.block(task, rows.start, rows.stop) for task in file.head.kinds]
    return np.concatenate([scores.reshape(-1, scores.shape[2]) for scores in tasks], axis=1)


def _other_columns(head: ScoreHead, rows: slice) -> Iterator[tuple[str, Sequence[Any]]]:
    """Names and values of the columns besides the scores, a value per view of some videos."""
    views = len(head.views)
    yield ROW_ID if head.order == "unverified" else VIDEO_ID, [name for name in head.ids[rows] for _ in range(views)]
    if views > 1 or not np.isnan(head.views["offset"]).all():
        for field in VIEW_TYPE.names or ():
            yield field, head.views[field].tolist() * (rows.stop - rows.start)
    if head.status.any():
        yield STATUS, np.repeat(head.status[rows], views).tolist()
    for task, labels in head.labels.items():
        yield f"label.{task}", np.repeat(labels[rows], views).tolist()


def _score_names(head: ScoreHead) -> list[str]:
    return [
        f"{task}.{kind}.{name}"
        for task, kind in head.kinds.items()
        for name in head.class_names.get(task) or range(head.classes_per_task[task])
    ]
