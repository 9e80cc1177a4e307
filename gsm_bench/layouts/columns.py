"""Recognise the columns of a text list: its separator, its header, and which column holds ids, frame counts and labels."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gsm_bench.errors import SplitError

SEPARATORS = ("\t", ",", ";")
"""Between fields, where spaces are not."""
WORDS = {
    "id": {"id", "video", "video_id", "vid", "vid_name", "path", "name", "file", "filename", "youtube_id", "clip"},
    "frames": {"frames", "num_frames", "n_frames", "nframes", "frame_count", "length"},
    "label": {"label", "labels", "class", "class_id", "action", "target", "category"},
}
"""Names of columns in the headers of lists."""
DEFAULT = ("id", "frames", "label")
FORMS = ("<id>", "<id> <frames>", "<id> <frames> <class>")
NUMBER = re.compile(r"([0-9]+)(\.0+)?")
MOST_DIGITS = 100
"""A longer number is none; Python refuses to convert those of thousands of digits."""
MOST_SHOWN = 40
FIX = 'write rows of <id> <frames> <class>, or name the columns: columns = ["id", "label"] below the split of the data set\'s entry'
Row = tuple[int, list[str]]
"""A line number from 1, and the fields of the line."""


@dataclass(frozen=True)
class ListTable:
    """The rows of a list with known columns.

    Attributes:
        columns: meaning of each field: ``id``, ``frames``, ``label``, or empty for one that is not used.
        rows: N rows of as many fields.
        inferred: whether the columns were inferred from the values, without a header.
    """

    path: Path
    columns: tuple[str, ...]
    rows: list[Row] = field(repr=False)
    inferred: bool = False

    def texts(self, column: str) -> list[str]:
        """The N fields of a column."""
        at = self.columns.index(column)
        return [fields[at] for _, fields in self.rows]

    def numbers(self, column: str, least: int = 0) -> list[int]:
        """The N numbers of a column; raises SplitError for anything but whole numbers from `least` up."""
        at, values = self.columns.index(column), []
        for line, fields in self.rows:
            match = NUMBER.fullmatch(fields[at])
            if match is None or len(match[1]) > MOST_DIGITS or int(match[1]) < least:
                raise SplitError(
                    f"{fields[at][:MOST_SHOWN]!r} in the column {column!r} is not a whole number from {least}",
                    where=f"{self.path}, line {line}", fix="correct the line",
                )  # fmt: skip
            values.append(int(match[1]))
        return values


def parse_list(path: Path, lines: Sequence[str], columns: Sequence[str] = ()) -> ListTable:
    """The rows of a list.

    Args:
        path: of the list, for messages.
        lines: its lines.
        columns: meaning of the fields, if it is known.

    Raises:
        SplitError: the list is empty, or its columns cannot be recognised.
    """
    numbered = [(number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip()]
    while numbered and numbered[0][1].startswith("#"):
        numbered.pop(0)
    if not numbered:
        raise SplitError("this list is empty", where=path, fix="write a row per video: <id> <frames> <class>")
    rows = _separated(numbered)
    if columns and rows and len(rows[0][1]) != len(columns):
        rows = []  # ids contain the separator
    header = _header(rows[0][1] if rows else numbered[0][1].split())
    if header and len(numbered) > 1:
        return _with_header(path, rows[1:] if rows else numbered[1:], header)
    if columns:
        return ListTable(path, tuple(columns), _fields(path, rows or numbered, len(columns)))
    return _typed(path, rows) if rows else _spaced(path, numbered)


def _separated(lines: Sequence[tuple[int, str]]) -> list[Row]:
    """Rows of a list with tabs, commas or semicolons; none if spaces separate its fields."""
    for separator in SEPARATORS:
        if separator not in lines[0][1]:
            continue
        fields = _split(lines, separator)
        widths = {len(row) for row in fields}
        if len(fields) != len(lines) or len(widths) != 1 or widths == {1}:
            continue
        used = [at for at in range(widths.pop()) if any(row[at].strip() for row in fields[1:] or fields)]
        rows = [(number, [row[at].strip() for at in used]) for (number, _), row in zip(lines, fields, strict=True)]
        if len(used) == 1 or _header(rows[0][1]) or _number_columns(rows):
            return rows
    return []


def _split(lines: Sequence[tuple[int, str]], separator: str) -> list[list[str]]:
    try:
        return list(csv.reader((line for _, line in lines), delimiter=separator, skipinitialspace=True))
    except csv.Error:  # a field of more than 128 kB
        return []


def _header(fields: Sequence[str]) -> tuple[str, ...]:
    """The meaning of each field of a header; empty if the row is none."""
    meanings = tuple(next((name for name, words in WORDS.items() if text.lower() in words), "") for text in fields)
    if len(fields) < 2 or "id" not in meanings or any(NUMBER.fullmatch(text) for text in fields):
        return ()
    return meanings


def _with_header(path: Path, lines: Sequence[Row] | Sequence[tuple[int, str]], header: tuple[str, ...]) -> ListTable:
    repeated = next((name for name in WORDS if header.count(name) > 1), None)
    if repeated:
        raise SplitError(f"the header of this list names several columns of {repeated}s", where=path, fix=FIX)
    return ListTable(path, header, _fields(path, lines, len(header)))


def _fields(path: Path, lines: Sequence[Row] | Sequence[tuple[int, str]], width: int) -> list[Row]:
    """Rows of `width` fields; only the first may contain spaces in a list that they separate."""
    rows = [(number, line.rsplit(None, width - 1) if isinstance(line, str) else line) for number, line in lines]
    for number, fields in rows:
        if len(fields) != width:
            raise SplitError(
                f"expected {width} columns, not {len(fields)}", where=f"{path}, line {number}", fix="correct the line"
            )
    return rows


def _number_columns(rows: Sequence[Row]) -> list[int]:
    """Columns in which all fields are whole numbers."""
    return [at for at in range(len(rows[0][1])) if all(NUMBER.fullmatch(fields[at]) for _, fields in rows)]


def _typed(path: Path, rows: list[Row]) -> ListTable:
    """Columns of a list with separators, by their types: one of ids, then numbers of frames and labels."""
    width, numbers = len(rows[0][1]), _number_columns(rows)
    names = [at for at in range(width) if at not in numbers] or [0]
    others = [at for at in range(width) if at != names[0]]
    if len(names) > 1 or len(others) > 2:
        raise SplitError(f"the {width} columns of this list have no header", where=path, fix=FIX)
    columns = ["id"] * width
    for at, name in zip(others, ("frames", "label"), strict=False):
        columns[at] = name
    return ListTable(path, tuple(columns), rows, inferred=True)


def _spaced(path: Path, lines: Sequence[tuple[int, str]]) -> ListTable:
    """Columns of a list with spaces, which ids may contain: as many numbers at the end as leave ids different."""
    counts = [_trailing_numbers(line) for _, line in lines]
    _check_even(path, lines, counts)
    common = min(2, *counts)
    for width in range(common, 0, -1):
        ids = {line.rsplit(None, width)[0] for _, line in lines}
        if 2 * len(ids) >= len(lines):  # else numbers belong to the ids: take 1, take 2, take 3
            break
    else:
        width = 0
    return ListTable(path, DEFAULT[: width + 1], _fields(path, lines, width + 1), inferred=True)


def _check_even(path: Path, lines: Sequence[tuple[int, str]], counts: Sequence[int]) -> None:
    """Refuse rows with other columns than the first, and more columns than are known, where ids are single words."""
    words = [len(line.split()) for _, line in lines]
    single = all(word == count + 1 for word, count in zip(words, counts, strict=True))
    even = len(set(words)) == 1 and words[0] == max(counts) + 1 <= len(DEFAULT)
    if (single or even) and len(set(counts)) > 1:
        at = next(row for row, count in enumerate(counts) if count != counts[0])
        raise SplitError(
            f"expected {FORMS[min(counts[0], 2)]}, as in line {lines[0][0]}, not {lines[at][1]!r}",
            where=f"{path}, line {lines[at][0]}", fix="correct the line",
        )  # fmt: skip
    if single and counts[0] > 2 and len({line.split()[0] for _, line in lines}) == len(lines):
        raise SplitError(f"the {counts[0] + 1} columns of this list have no header", where=path, fix=FIX)


def _trailing_numbers(line: str) -> int:
    """Whole numbers at the end of a row, behind its first word."""
    fields = line.split()[1:]
    return next((at for at, text in enumerate(reversed(fields)) if not NUMBER.fullmatch(text)), len(fields))
