"""A score file as a table that spreadsheets, pandas and numpy read: csv, parquet, npz. `import` reads them back whole.

The columns are described in `gsm_bench.importers.tabular`.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gsm_bench.importers.tabular import CLIP_ID, ROW_ID, STATUS
from gsm_bench.scorefile import VIEW_TYPE, ClipScores

NINE_DIGITS = "%.9g"
"""Nine digits give every float32 back."""


def write_csv(path: Path, content: ClipScores, _: str) -> list[str]:
    """A row per clip and view, a column per class."""
    columns = list(_beside(content))
    names = _score_names(content)
    line = ",".join([NINE_DIGITS] * len(names)) + "\n"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="")
        writer.writerow([*(name for name, _ in columns), *names])
        file.write("\n")
        for row in range(len(content) * len(content.views)):
            clip, view = divmod(row, len(content.views))
            writer.writerow([values[row] for _, values in columns])
            scores = np.concatenate([content.scores[task][clip, view] for task in content.scores])
            file.write("," + line % tuple(scores.tolist()))
    return []


def write_parquet(path: Path, content: ClipScores, _: str) -> list[str]:
    """The same table, with the provenance in the schema's metadata."""
    import pyarrow
    from pyarrow import parquet

    columns: dict[str, Any] = dict(_beside(content))
    rows = len(content) * len(content.views)
    table = np.concatenate([content.scores[task].reshape(rows, -1) for task in content.scores], axis=1)
    columns |= {name: np.ascontiguousarray(table[:, at]) for at, name in enumerate(_score_names(content))}
    said = {"gsm_bench.provenance": json.dumps(dict(content.provenance))}
    parquet.write_table(pyarrow.table(columns).replace_schema_metadata(said), path)
    return []


def write_npz(path: Path, content: ClipScores, _: str) -> list[str]:
    """Arrays under their names in the score file."""
    arrays: dict[str, Any] = {
        "clip_ids": np.array(content.ids), "order": np.array(content.order), "views": content.views,
        "status": content.status, "provenance": np.array(json.dumps(dict(content.provenance))),
    }  # fmt: skip
    for task, scores in content.scores.items():
        arrays[f"scores_{task}"], arrays[f"kind_{task}"] = scores, np.array(content.kinds[task])
    arrays |= {f"labels_{task}": labels for task, labels in content.labels.items()}
    arrays |= {f"classes_{task}": np.array(names) for task, names in content.class_names.items()}
    with path.open("wb") as file:
        np.savez(file, **arrays)
    return []


def _beside(content: ClipScores) -> Iterator[tuple[str, Sequence[Any]]]:
    """The columns that are no scores, each with a value per clip and view."""
    views = len(content.views)
    yield ROW_ID if content.order == "unverified" else CLIP_ID, [name for name in content.ids for _ in range(views)]
    if views > 1 or not np.isnan(content.views["offset"]).all():
        for field in VIEW_TYPE.names or ():
            yield field, content.views[field].tolist() * len(content)
    if content.status.any():
        yield STATUS, np.repeat(content.status, views).tolist()
    for task, labels in content.labels.items():
        yield f"label.{task}", np.repeat(labels, views).tolist()


def _score_names(content: ClipScores) -> list[str]:
    return [
        f"{task}.{content.kinds[task]}.{name}"
        for task, scores in content.scores.items()
        for name in content.class_names.get(task) or range(scores.shape[2])
    ]
