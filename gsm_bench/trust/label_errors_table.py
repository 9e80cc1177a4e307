"""Candidates for wrong labels, as a table."""

from __future__ import annotations

from gsm_bench.tables.table import Column, Table
from gsm_bench.trust.label_errors import LabelErrors


def label_errors_table(result: LabelErrors, most: int | None = None) -> Table:
    """A row per candidate, the likeliest first."""
    columns = (
        Column("id", "Video"), Column("label", "Label"), Column("agreed", "All members say"),
        Column("p_agreed", "p of that", "share"), Column("p_label", "p of the label", "share"), Column("margin", "Margin", "number"),
    )  # fmt: skip
    names = result.class_names
    rows = tuple(
        {
            "id": one.id, "label": names[one.label], "agreed": names[one.agreed], "p_agreed": one.p_agreed,
            "p_label": one.p_label, "margin": one.margin, "label_number": one.label, "agreed_number": one.agreed,
        }
        for one in result.candidates[:most]
    )  # fmt: skip
    left = len(result.candidates) - len(rows)
    members = ", ".join(f"{name} ({100 * top1:.2f})" for name, top1 in result.members.items())
    notes = [
        f"Candidates, not errors: look at each video. Members: {members}; probabilities calibrated on other videos."
    ]
    notes += [f"Too weak to count: {', '.join(result.weak)}."] if result.weak else []
    notes += [f"{left:,} more: --most N."] if left > 0 else []
    title = f"Labels to look at: {len(result.candidates):,} of {result.videos:,} videos"
    return Table(title, columns, (rows,), tuple(notes), "label-errors")
