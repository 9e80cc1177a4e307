"""The servers: the files that they accept and the attempts that they allow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gsm_bench.manifest import shipped_dataset

CHALLENGE = "action_recognition"
SLS = {
    "sls_pt": (
        "pretraining",
        ("none", "public images", "public images and video", "self-supervised on public video", "the same and on EPIC", "private data"),
    ),
    "sls_tl": (
        "training labels",
        ("none", "video-level", "narration timestamps", "start and stop times", "spatial, by a pretrained detector", "outside knowledge"),
    ),
    "sls_td": (
        "training data",
        ("zero-shot", "at most 5 per class", "at most 25%", "the training split", "training and validation", "more"),
    ),
}  # fmt: skip
"""Supervision levels of EPIC-KITCHENS-100: the subject of each, and its levels 0 to 5."""


@dataclass(frozen=True)
class Target:
    """One server.

    Attributes:
        name: of the data set.
        version: the value of `version` in its files.
        members: the split of each file in the zip.
        actions: whether the 100 best actions of each segment may be given.
        sls: whether supervision levels are required.
        per_day, in_all: attempts that the server allows; None if unknown.
        notice: what a user must know about this server.
    """

    name: str
    title: str
    version: str
    members: Mapping[str, str]
    actions: bool
    sls: bool
    per_day: int | None
    in_all: int | None
    notice: str

    @property
    def classes(self) -> dict[str, int]:
        """Number of verb and noun classes, as the shipped entry of the data set has them."""
        tasks = shipped_dataset(self.name).tasks
        return {task: tasks[task] for task in ("verb", "noun")}

    def member_of(self, split: str) -> str:
        """The file in the zip that holds a split."""
        return next(member for member, held in self.members.items() if held == split)


EPIC_55 = Target(
    "epic-55", "EPIC-KITCHENS-55", "0.1", {"seen.json": "s1", "unseen.json": "s2"},
    actions=True, sls=False, per_day=None, in_all=None,
    notice=(
        "the organisers declared the EPIC-KITCHENS-55 leaderboard no longer valid in February 2024, because "
        "EPIC-KITCHENS-100 published its labels. Report EPIC-KITCHENS-100 instead; "
        "gsmbench evaluate --offline epic-55 estimates S1 and S2."
    ),
)  # fmt: skip
EPIC_100 = Target(
    "epic-100", "EPIC-KITCHENS-100", "0.2", {"test.json": "test"},
    actions=False, sls=True, per_day=1, in_all=50,
    notice="the server allows one submission a day and 50 in total, including failed ones",
)  # fmt: skip
TARGETS = {target.name: target for target in (EPIC_55, EPIC_100)}


def sls_words(name: str, level: int) -> str:
    """A supervision level in words."""
    subject, levels = SLS[name]
    return f"{name} {level}: {subject}, {levels[level]}"
