"""Notes that several tables carry, each written once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gsm_bench.metrics.intervals import FEW_GROUPS
from gsm_bench.tables.table import TIED

if TYPE_CHECKING:
    from gsm_bench.ensembles.members import OpenMember

CONVENTION = (
    "GFLOPs in the paper's convention: multiply-adds, one per bias, 2 per batch-norm output, 1 per pooling input."
)
UNVERIFIED = "Order unverified: rows were matched by position, because these scores have no video ids."


def order_notes(members: Sequence[OpenMember]) -> list[str]:
    """A note where ids could not confirm the order of the members' rows."""
    return [UNVERIFIED] if any(member.head.order == "unverified" for member in members) else []


def tied_note(test: str, rows: str = "row") -> str:
    """What the mark beside an accuracy means, from the best of which rows, and by which test."""
    return f"{TIED}: no significant difference from the best {rows} ({test})."


def half_interval(method: str = "") -> str:
    """What stands behind an accuracy, and how its interval is computed."""
    return f"±: half of the 95% interval{f' ({method})' if method else ''}; brackets where it is not symmetric."


def interval_note(test: str) -> str:
    """What both marks beside an accuracy mean."""
    return f"{half_interval()} {tied_note(test)}"


def few_groups_notes(groups: int | None) -> list[str]:
    """A warning where there are too few groups for an interval."""
    if groups is None or groups >= FEW_GROUPS:
        return []
    return [f"Only {groups} groups of videos: intervals from fewer than {FEW_GROUPS} groups are unreliable."]


def some_of(ids: Sequence[str], most: int = 5) -> str:
    """The first few ids, and how many more there are."""
    return ", ".join(ids[:most]) + (f" and {len(ids) - most:,} more" if len(ids) > most else "")


def counted(number: int, noun: str) -> str:
    """A number with its noun: ``1 video``, ``2,000 videos``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
