"""What a table is drawn for: a terminal's size, and the marks that its reader asks for."""

from __future__ import annotations

from dataclasses import dataclass

from gsm_bench.settings import Mark


@dataclass(frozen=True)
class Screen:
    """How to draw.

    Attributes:
        width: of a terminal in columns, None for its own; other formats ignore it.
        colour: whether the terminal shows colours.
        marks: what is marked; None for what the format usually marks.
    """

    width: int | None = None
    colour: bool = False
    marks: frozenset[Mark] | None = None

    def marks_or(self, usual: tuple[Mark, ...]) -> frozenset[Mark]:
        """The marks that are asked for, else the usual ones."""
        return frozenset(usual) if self.marks is None else self.marks
