"""Where the scores of a result come from: the score file of each member, its split, its clips, its weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gsm_bench.ensembles.members import OpenMember, clips_of


@dataclass(frozen=True)
class MemberFile:
    """A member of a result.

    Attributes:
        path: its score file; a name for scores in memory.
        dataset, split: where its videos are from; None where an import does not know.
        limit: number of videos, for a run over the first ones only.
        clips: clips per video that are averaged; None where the views have no offsets.
        weight: share of this member; all shares of a result sum to one.
        unchecked: whether its file has no checksums, so that damage of its scores cannot be seen.
        checkpoint: sha256 of its weights; None where an import does not know.
    """

    path: Path
    dataset: str | None
    split: str | None
    limit: int | None
    clips: int | None
    weight: float
    unchecked: bool = False
    checkpoint: str | None = None

    @property
    def place(self) -> str:
        """``dataset/split``, with the limit of a run over a part: ``toy/val, first 10``."""
        return place_text(self.dataset, self.split, self.limit)


def place_text(dataset: str | None, split: str | None, limit: int | None = None) -> str:
    """A split as text; empty where nothing is known of it."""
    names = "/".join(name for name in (dataset, split) if name)
    part = f"first {limit:,}" if limit else ""
    return ", ".join(filter(None, (names, part)))


def member_files(members: Sequence[OpenMember]) -> tuple[MemberFile, ...]:
    """The files of open members, in their order."""
    return tuple(_member_file(member) for member in members)


def _member_file(member: OpenMember) -> MemberFile:
    provenance = member.head.provenance
    views = member.head.views[member.views]
    clips = None if np.isnan(views["offset"]).any() and not provenance.other_rule else clips_of(views)
    return MemberFile(
        member.spec.path, provenance.dataset, provenance.split, provenance.limit, clips, float(member.weight),
        unchecked=member.file.covered == "nothing", checkpoint=provenance.checkpoint_sha256,
    )  # fmt: skip
