"""One column of a table of scores: its cells as numbers and as text, and the usual names of columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import DumpError
from gsm_bench.importers.dump import Ints
from gsm_bench.scorefile import VIEW_TYPE

CLIP_ID, VIDEO_ID, ROW_ID, STATUS = "clip_id", "video_id", "row_id", "status"
ID_COLUMNS = (
    CLIP_ID, ROW_ID, "id", "ids", "clip_ids", VIDEO_ID, "video_ids", "narration_id", "uid", "video", "video_name", "name",
    "names", "filename", "clip",
)  # fmt: skip
LABEL_COLUMNS = (
    "label", "labels", "gt_label", "gt", "target", "targets", "action_label", "true_label", "label_id", "class_id",
    "ground_truth", "y_true", "true_class",
)  # fmt: skip
VIEW_COLUMNS = VIEW_TYPE.names or ()
INDEX_COLUMNS = ("", "unnamed: 0", "index", "level_0")
MISSING = ("", "nan", "NaN", "NA", "N/A", "null", "None", "none")


@dataclass(frozen=True)
class ScoreColumn:
    """One column of a table of scores.

    Attributes:
        name: its name in the header; ``column 3`` where there is no header.
        numbers: float64 [rows]; NaN where a cell is missing or no number.
        words: the cells as written; None where they were read as numbers at once.
        first_line: line of the file, or row of the table, of its first cell.
    """

    name: str
    numbers: NDArray[np.float64]
    words: Sequence[str] | None = None
    first_line: int = 1

    @cached_property
    def not_numbers(self) -> Ints:
        """Rows of cells that hold text which is no number."""
        if self.words is None:
            return np.empty(0, np.int64)
        empty = np.flatnonzero(np.isnan(self.numbers))
        return np.array([row for row in empty.tolist() if self.words[row].strip() not in MISSING], np.int64)

    @cached_property
    def kind(self) -> Literal["text", "whole", "fraction", "empty"]:
        """What most cells hold."""
        known = self.numbers[~np.isnan(self.numbers)]
        if len(self.not_numbers) > len(known):
            return "text"
        if not len(known):
            return "empty"
        return "whole" if 2 * int((known == np.rint(known)).sum()) >= len(known) else "fraction"

    @property
    def shown(self) -> str:
        return self.name or "(unnamed)"

    def text(self, row: int) -> str:
        """A cell as text."""
        return self.words[row].strip() if self.words is not None else f"{self.numbers[row]:.15g}"

    def all_differ(self) -> bool:
        count = len(self.numbers)
        return len({self.text(row) for row in range(count)}) == count

    def counts(self) -> bool:
        """Whether cells count 0, 1, 2 .. or 1, 2, 3 ..; with leading zeros they are names."""
        if self.words is not None and any(word.startswith("00") for word in self.words[:1]):
            return False
        steps = np.arange(len(self.numbers))
        return any(np.array_equal(self.numbers, steps + first) for first in (0, 1))


def label_values(column: ScoreColumn, class_names: Sequence[str], where: Path) -> Ints:
    """Labels int64 [N] from class names, or from class numbers, also written 9.0; -1 where a cell is missing.

    Where all cells are class names, they are read as names, even if the names are numbers.
    """
    number_of = {name: number for number, name in enumerate(class_names)}
    words = [column.text(row) for row in range(len(column.numbers))]
    missing = [word in MISSING for word in words]
    all_names = all(word in number_of or absent for word, absent in zip(words, missing, strict=True))
    labels = np.full(len(words), -1, np.int64)
    for row, value in enumerate(column.numbers.tolist()):
        if missing[row]:
            continue
        if not all_names and np.isfinite(value) and value == np.rint(value):
            labels[row] = int(value)
        elif words[row] in number_of:
            labels[row] = number_of[words[row]]
        else:
            raise DumpError(
                f"label {words[row]!r} in row {row + column.first_line} of column {column.shown!r} is neither a class "
                "number nor one of the classes",
                where=where,
                fix="correct it, or name the column of labels: --label-column NAME",
            )
    return labels
