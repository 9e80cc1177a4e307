"""The servers that files are written for: what they take, and what they allow."""

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
"""Supervision levels of EPIC-KITCHENS-100: what each asks, and its levels 0 to 5."""


@dataclass(frozen=True)
class Target:
    """One server's file.

    Attributes:
        name: of the target, and of the data set.
        version: as the file has to say it.
        members: file inside the zip -> split.
        actions: whether a clip may carry its 100 best actions.
        sls: whether supervision levels are asked for.
        per_day, in_all: attempts that the server allows; None where nothing is known.
        notice: what a user has to be told about this server.
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
        """The file inside the zip that holds a split."""
        return next(member for member, held in self.members.items() if held == split)


EPIC_55 = Target(
    "epic-55", "EPIC-KITCHENS-55", "0.1", {"seen.json": "s1", "unseen.json": "s2"},
    actions=True, sls=False, per_day=None, in_all=None,
    notice=(
        "the organisers declared the EPIC-KITCHENS-55 board no longer valid in February 2024: its labels came out inside "
        "EPIC-KITCHENS-100. Report EPIC-KITCHENS-100 instead; gsmbench evaluate --offline epic-55 estimates S1 and S2."
    ),
)  # fmt: skip
EPIC_100 = Target(
    "epic-100", "EPIC-KITCHENS-100", "0.2", {"test.json": "test"},
    actions=False, sls=True, per_day=1, in_all=50,
    notice="the server takes one submission a day and 50 in all, failed ones counted",
)  # fmt: skip
TARGETS = {target.name: target for target in (EPIC_55, EPIC_100)}


def sls_words(name: str, level: int) -> str:
    """A supervision level in words."""
    asks, levels = SLS[name]
    return f"{name} {level}: {asks}, {levels[level]}"
