"""The terminal that a table is drawn for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Screen:
    """A terminal's width in columns, None for its own, and whether it shows colours; other formats ignore both."""

    width: int | None = None
    colour: bool = False
