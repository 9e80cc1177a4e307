"""A table as it is printed: texts in columns whose meaning the headings give."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod

NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?")
FRAMES = re.compile(r"\d+(x\d+)*(\+\d+(x\d+)*)*")
ROLES = (
    ("", r"_(low|high|low95|high95|p|tied|shown|source|over)$|^(hits\d|weights?|limit|total|macs_bare)$|±"),
    ("context", r"^(place|split|source|data ?set)$"),
    ("cost", r"flops|macs"),
    ("params", r"param"),
    ("frames", r"frames"),
    ("scored", r"^scored$"),
    ("top5", r"top.?5|@5"),
    ("top1", r"top.?1|@1|^acc|accuracy"),
    ("percent", r"verb|noun|action|mean.?class|recall|precision"),
    ("lowest", r"error|\bece\b|adaptive|\bnll\b|brier"),
)
"""The role of a column by its heading in small letters; the first that fits counts. Other columns are text."""


@dataclass(frozen=True)
class PrintedCell:
    """A cell: its text, and whether it is bold."""

    text: str
    bold: bool = False

    @property
    def number(self) -> Number | None:
        """The first number in it; None for a text without one."""
        match = NUMBER.match(self.text.lstrip("≈~$ "))
        if not match:
            return None
        digits = match[0].replace(",", "")
        return Number(float(digits), 0.5 * 10.0 ** -len(digits.partition(".")[2]))


@dataclass(frozen=True)
class Number:
    """A printed number with half a unit of its last digit."""

    value: float
    half: float

    def scaled(self, factor: float) -> Number:
        """The number in another unit."""
        return Number(self.value * factor, self.half * abs(factor))

    def fits(self, low: float, high: float) -> bool:
        """Whether some value from `low` to `high` is printed so."""
        slack = 1e-9 * max(1.0, abs(self.value))
        return self.value - self.half <= high + slack and self.value + self.half >= low - slack


@dataclass(frozen=True)
class PrintedRow:
    """A row: its cells, and the block between two rules that it is in."""

    cells: tuple[PrintedCell, ...]
    block: int = 0


@dataclass(frozen=True)
class PrintedTable:
    """A table: its name, headings and rows.

    Attributes:
        scales: factor by column that turns its numbers into percent, GFLOPs and millions.
    """

    name: str
    headings: tuple[str, ...]
    rows: tuple[PrintedRow, ...]
    scales: dict[int, float] = field(default_factory=dict)

    def columns(self, *roles: str) -> list[int]:
        """Columns of some roles."""
        return [at for at, heading in enumerate(self.headings) if role_of(heading) in roles]

    @property
    def texts(self) -> list[int]:
        """Columns of text: those without a role whose cells are mostly no numbers, and the first one."""
        return [
            at
            for at, heading in enumerate(self.headings)
            if role_of(heading) == "text" and (at == 0 or not self._numeric(at))
        ]

    def _numeric(self, column: int) -> bool:
        texts = [row.cells[column].text for row in self.rows if row.cells[column].text]
        return sum(NUMBER.fullmatch(text) is not None for text in texts) > len(texts) / 2

    def number(self, row: PrintedRow, column: int) -> Number | None:
        """The number of a cell in percent, GFLOPs or millions."""
        number = row.cells[column].number
        return number.scaled(self.scales.get(column, 1.0)) if number else None

    def label(self, row: PrintedRow) -> str:
        """The name of a row: its texts and frames."""
        return self._joined(row, [*self.texts, *self.columns("frames")])

    def identity(self, row: PrintedRow) -> str:
        """What no other row has: the name, and the split and source where they are printed."""
        return self._joined(row, [*self.texts, *self.columns("frames", "context")])

    def _joined(self, row: PrintedRow, columns: Sequence[int]) -> str:
        return " ".join(filter(None, (row.cells[at].text for at in sorted(columns))))


def role_of(heading: str) -> str:
    """What a column is by its heading; ``text`` where the heading says nothing, empty for numbers without a check."""
    words = " ".join(heading.lower().split())
    return next((role for role, pattern in ROLES if re.search(pattern, words)), "text")


def members_of(text: str) -> list[tuple[int, int]] | None:
    """Frames and views of each member: ``8x2+16`` is (8, 2) and (16, 1); None for another text."""
    short = text.replace("\u00d7", "x").replace(" ", "")
    if not FRAMES.fullmatch(short):
        return None
    parts = [[int(number) for number in part.split("x")] for part in short.split("+")]
    return [(part[0], prod(part[1:])) for part in parts]


def scales_of(headings: Sequence[str], rows: Sequence[PrintedRow]) -> dict[int, float]:
    """Factors that turn raw numbers into printed units: fractions into percent, operations into GFLOPs."""
    scales = {}
    for at, heading in enumerate(headings):
        role = role_of(heading)
        values = [number.value for row in rows if (number := row.cells[at].number)]
        if not values:
            continue
        if role in ("top1", "top5", "percent") and max(values) <= 1:
            scales[at] = 100.0
        elif role == "cost" and max(values) >= 1e6:
            scales[at] = 1e-9
        elif role == "params" and max(values) >= 1e5:
            scales[at] = 1e-6
    return scales
