"""Errors and notes about a submission: what is wrong, and where in the file."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Finding:
    """One error or note.

    Attributes:
        kind: a short name of the damage, such as ``duplicate key``.
        what: the damage in words, with the fix.
        where: the place in the file.
        fatal: whether the server would refuse or misread the file; else it is a note.
    """

    kind: str
    what: str
    where: str = ""
    fatal: bool = True


@dataclass
class Findings:
    """Findings as they are collected: the first few of each kind, and how many there are of each."""

    kept: list[Finding] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    MOST_OF_A_KIND = 3

    def add(self, kind: str, what: str, where: str = "", *, fatal: bool = True) -> None:
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if self.counts[kind] <= self.MOST_OF_A_KIND:
            self.kept.append(Finding(kind, what, where, fatal))

    def result(self) -> tuple[Finding, ...]:
        """The findings, with one line for each kind that has more than were kept."""
        more = [
            Finding(kind, f"{count - self.MOST_OF_A_KIND:,} more of this kind", "", self._fatal(kind))
            for kind, count in self.counts.items()
            if count > self.MOST_OF_A_KIND
        ]
        return (*self.kept, *more)

    def _fatal(self, kind: str) -> bool:
        return any(finding.fatal for finding in self.kept if finding.kind == kind)
