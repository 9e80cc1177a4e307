"""Errors, warnings and notes about a submission: what is wrong, and where in the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One error, warning or note.

    Attributes:
        kind: a short name of the damage, such as ``duplicate key``.
        what: the damage in words, with the fix.
        where: the place in the file.
        severity: ``error`` if the server would refuse or misread the file; ``warning`` if it would take scores that
            are hardly what the sender means; ``note`` otherwise.
    """

    kind: str
    what: str
    where: str = ""
    severity: Severity = "error"


@dataclass
class Findings:
    """Findings as they are collected: the first few of each kind, and how many there are of each."""

    kept: list[Finding] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    MOST_OF_A_KIND = 3

    def add(self, kind: str, what: str, where: str = "", severity: Severity = "error") -> None:
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if self.counts[kind] <= self.MOST_OF_A_KIND:
            self.kept.append(Finding(kind, what, where, severity))

    def result(self) -> tuple[Finding, ...]:
        """The findings, with one line for each kind that has more than were kept."""
        more = [
            Finding(kind, f"{count - self.MOST_OF_A_KIND:,} more of this kind", "", self._severity(kind))
            for kind, count in self.counts.items()
            if count > self.MOST_OF_A_KIND
        ]
        return (*self.kept, *more)

    def _severity(self, kind: str) -> Severity:
        return next(finding.severity for finding in self.kept if finding.kind == kind)


def first_ids(ids: Sequence[str], most: int = 3) -> str:
    """The first few ids in quotes, so that a trailing space is seen and no control character reaches a terminal."""
    return ", ".join(map(repr, ids[:most])) + (" .." if len(ids) > most else "")
