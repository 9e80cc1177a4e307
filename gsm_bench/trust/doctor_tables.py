"""What the examinations say, as tables."""

from __future__ import annotations

from itertools import groupby

from gsm_bench.tables.table import Column, Table
from gsm_bench.trust.environment import Environment


def environment_table(environment: Environment) -> Table:
    """Fact by fact, in blocks; the problems as notes."""
    blocks = tuple(
        tuple({"part": fact.part, "what": fact.what, "value": fact.value} for fact in facts)
        for _, facts in groupby(environment.facts, key=lambda fact: fact.part)
    )
    notes = tuple(f"Problem: {problem}." for problem in environment.problems)
    return Table("", (Column("what", "Environment"), Column("value", "")), blocks, notes, name="environment")
