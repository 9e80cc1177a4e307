"""Members that were trained on the evaluated videos, also under the name of another data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gsm_bench.ensembles.members import OpenMember
from gsm_bench.errors import LeakError
from gsm_bench.manifest import Manifest
from gsm_bench.scorefile import ScoreHead


@dataclass(frozen=True)
class Leak:
    """A member whose training data overlaps the split, and how."""

    member: str
    trained_on: str
    how: str


def find_leaks(members: Sequence[OpenMember], manifest: Manifest, place: str | None = None) -> list[Leak]:
    """Members whose cards name training data that overlaps a split.

    Args:
        place: name of the split, ``dataset/split``; that of the first member's scores unless given.
    """
    dataset, _, split = (place or split_name(members[0].head)).partition("/")
    if dataset not in manifest.datasets or split not in manifest.datasets[dataset].splits:
        return []
    overlaps = {f"{dataset}/{split}": "the split itself", **manifest.datasets[dataset].splits[split].overlaps}
    return [
        Leak(member.spec.label, name, overlaps[name])
        for member in members
        for name in training_data(member, manifest)
        if name in overlaps
    ]


def split_name(head: ScoreHead) -> str:
    """``dataset/split`` of a score file."""
    return head.provenance.place


def training_data(member: OpenMember, manifest: Manifest) -> tuple[str, ...]:
    """``dataset/split`` names that a member was trained on, from its score file, else from its card; empty if unknown."""
    provenance = member.head.provenance
    entry = manifest.models.get(provenance.model or "")
    return provenance.trained_on or (entry.trained_on if entry else ())


def refuse_leaks(leaks: Sequence[Leak], split: str, *, allowed: bool) -> list[str]:
    """The leaks in words; raises LeakError unless allowed."""
    lines = [f"{leak.member} was trained on {leak.trained_on}, which overlaps {split}: {leak.how}" for leak in leaks]
    if lines and not allowed:
        raise LeakError(
            "\n  ".join(lines),
            fix="leave the member out; or use --allow-leak, and report the leak with the number",
        )
    return lines
