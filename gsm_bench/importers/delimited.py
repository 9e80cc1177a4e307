"""Text tables as columns: the first lines show separator, header and decimal mark, pandas reads the rest."""

from __future__ import annotations

import csv
import io
import itertools
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import DumpError
from gsm_bench.importers.columns import INDEX_COLUMNS, MISSING, ScoreColumn

MARKS = (",", ";", "\t", " ")
"""Separators; a blank means any run of blanks and tabs."""
LOOKED_AT, LOOKED_AT_CHARACTERS = 20, 2_000_000
FIRST_AS_TEXT = 3
"""So many first columns are read as text first: ids that look like numbers keep their zeros."""


@dataclass(frozen=True)
class TableShape:
    """How a text table is written.

    Attributes:
        mark: one of `MARKS`.
        decimal: ``.`` or ``,``.
        names: of the columns, from the header; None without one.
        width: number of columns.
        sample: the first rows, as words.
    """

    mark: str
    decimal: str
    names: tuple[str, ...] | None
    width: int
    sample: tuple[tuple[str, ...], ...]

    @property
    def first_line(self) -> int:
        """The line of the first row, counted from 1."""
        return 1 if self.names is None else 2


def without_hint(text: str) -> str:
    """The text without a first line ``sep=;``, which tells spreadsheets the separator."""
    return text.partition("\n")[2] if re.match(r"sep=.\r?\n", text) else text


def table_shape(text: str) -> TableShape | None:
    """How a text is written if it is a table with numbers; None for other texts."""
    lines = [line.rstrip("\r") for line in text[:LOOKED_AT_CHARACTERS].split("\n")[: LOOKED_AT + 1] if line.strip()]
    if not lines:
        return None
    lines[0] = re.sub(r"^\s*#\s*", "", lines[0])
    ranked = [(_numbers_per_row(lines, mark), -place, mark) for place, mark in enumerate(MARKS)]
    numbers, _, mark = max(ranked)
    if not numbers:
        return None
    rows = [tuple(words) for words in _split(lines, mark)]
    if all(not row[-1] for row in rows):
        rows = [row[:-1] for row in rows]
    width = Counter(len(row) for row in rows[1:] or rows).most_common(1)[0][0]
    decimal = "," if mark != "," and any(_is_decimal_comma(word) for word in (rows[-1])) else "."
    if _has_header(rows, width, decimal):
        names = rows[0] if len(rows[0]) == width else ("", *rows[0])
        return TableShape(mark, decimal, names, width, tuple(rows[1:]))
    return TableShape(mark, decimal, None, width, tuple(rows))


def _split(lines: Sequence[str], mark: str) -> list[list[str]]:
    if mark == " ":
        lines, mark = [re.sub(r"\s+", " ", line.strip()) for line in lines], " "
    rows = csv.reader(lines, delimiter=mark, skipinitialspace=True)
    return [[word.strip() for word in row] for row in rows]


def _numbers_per_row(lines: Sequence[str], mark: str) -> int:
    """How many numbers most rows hold with this separator; 0 where rows have unlike numbers of words."""
    try:
        rows = _split(lines[1:] or lines, mark)
    except csv.Error:
        return 0
    width, count = Counter(len(row) for row in rows).most_common(1)[0]
    if width < 2 or 2 * count < len(rows):
        return 0
    first = next(row for row in rows if len(row) == width)
    return sum(is_number(word) or (mark != "," and _is_decimal_comma(word)) for word in first)


def _has_header(rows: Sequence[Sequence[str]], width: int, decimal: str) -> bool:
    """Whether the first row names the columns: words above numbers, whole numbers that count, or one word short."""
    first, body = rows[0], [row for row in rows[1:] if len(row) == width]
    if not body:
        return False
    if len(first) == width - 1:
        return True
    if len(first) != width:
        return False
    below = [all(is_number(row[at], decimal) or row[at] in MISSING for row in body) for at in range(width)]
    if any(numeric and not is_number(word, decimal) for word, numeric in zip(first, below, strict=True)):
        return True
    numbers = [word for word, numeric in zip(first, below, strict=True) if numeric]
    if len(numbers) < 2 or not all(word.isdecimal() for word in numbers):
        return False
    places = [int(word) for word in numbers]
    if places in (list(range(len(places))), list(range(1, len(places) + 1))):
        return True
    fractions = any("." in row[at] or "," in row[at] for row in body for at in range(width) if below[at])
    return fractions and all(low < high for low, high in itertools.pairwise(places))


def is_number(word: str, decimal: str = ".") -> bool:
    """Whether a word is a number; NaN is one."""
    return not math.isnan(as_number(word, decimal)) or word.lower() == "nan"


def as_number(word: str, decimal: str = ".") -> float:
    """The number that a word means; NaN where it is none."""
    try:
        return float(word.replace(decimal, ".") if decimal != "." else word) if "_" not in word else math.nan
    except ValueError:
        return math.nan


def _is_decimal_comma(word: str) -> bool:
    return re.fullmatch(r"[-+]?\d+,\d+(?:[eE][-+]?\d+)?", word) is not None


def read_columns(text: str, shape: TableShape, as_text: Sequence[str], where: Path) -> list[ScoreColumn]:
    """All columns of a table.

    Args:
        as_text: names of columns that are kept as text and as numbers, in lower case.

    Raises:
        DumpError: a row with another number of cells, or no rows.
    """
    body = text.partition("\n")[2] if shape.names is not None else text
    _check_widths(body, shape, where)
    texts = [at for at in range(shape.width) if _is_kept_as_text(at, shape, as_text)]
    try:
        frame = _frame(body, shape, texts)
    except ValueError:  # a word further down is no number: the text shows which one
        texts = list(range(shape.width))
        frame = _frame(body, shape, texts)
    names = shape.names or tuple(f"column {at + 1}" for at in range(shape.width))
    return [
        _text_column(names[at], frame[at].tolist(), shape) if at in texts
        else ScoreColumn(names[at], frame[at].to_numpy(), None, shape.first_line)
        for at in range(shape.width)
    ]  # fmt: skip


def _is_kept_as_text(at: int, shape: TableShape, as_text: Sequence[str]) -> bool:
    name = shape.names[at].lower() if shape.names else ""
    if (shape.names and name in (*as_text, *INDEX_COLUMNS)) or (at < FIRST_AS_TEXT and "." not in name):
        return True
    return any(
        not is_number(row[at], shape.decimal) and row[at] not in MISSING for row in shape.sample if at < len(row)
    )


def _frame(body: str, shape: TableShape, texts: Sequence[int]) -> Any:
    """A DataFrame whose columns are 0 .. width - 1, float64 but for `texts`."""
    import pandas

    kept = set(texts)
    numeric = [at for at in range(shape.width) if at not in kept]
    return pandas.read_csv(
        io.StringIO(body), sep=r"\s+" if shape.mark == " " else shape.mark, header=None, names=list(range(shape.width)),
        usecols=list(range(shape.width)), index_col=False, dtype={at: object if at in kept else np.float64 for at in range(shape.width)},
        na_values={at: list(MISSING) for at in numeric}, keep_default_na=False, skipinitialspace=True,
        decimal=shape.decimal, low_memory=False, **_exact(pandas.__version__),
    )  # fmt: skip


def _exact(version: str) -> dict[str, str]:
    """Before pandas 3.1 its default parser was off by the last digit now and then; since then the option is deprecated."""
    major, minor = (int(part) for part in version.split(".")[:2])
    return {} if (major, minor) >= (3, 1) else {"float_precision": "round_trip"}


def _text_column(name: str, words: list[str], shape: TableShape) -> ScoreColumn:
    numbers: NDArray[np.float64] = np.array([as_number(word.strip(), shape.decimal) for word in words])
    return ScoreColumn(name, numbers, words, shape.first_line)


def _check_widths(body: str, shape: TableShape, where: Path) -> None:
    """Refuse a row with another number of cells than the others, by its line."""
    lines = [line for line in body.split("\n") if line.strip()]
    if not lines:
        raise DumpError("this table has a header and no rows", where=where, fix="export it again")
    if '"' in body:
        widths = [len(row) for row in _split(lines, shape.mark)]
    elif shape.mark == " ":
        widths = [len(line.split()) for line in lines]
    else:
        widths = [line.count(shape.mark) + 1 for line in lines]
    trailing = 1 if lines[0].rstrip().endswith(shape.mark) and widths[0] == shape.width + 1 else 0
    odd = next((at for at, width in enumerate(widths) if width != shape.width + trailing), None)
    if odd is not None:
        raise DumpError(
            f"row {odd + shape.first_line} has {widths[odd]} columns, most rows have {shape.width + trailing}", where=where,
            fix="export the table again: a row may be cut short",
        )  # fmt: skip
