"""The entries of the manifests: what a model, an ensemble, a data set and a table are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from gsm_bench.geometry import InputSpec
from gsm_bench.settings import ClassOrder, Crops, Head, Layout, Rule, Space

Count = Annotated[int, Meta(ge=1)]
Percent = Annotated[float, Meta(ge=0, le=100)]
OptionValue = int | float | str | bool

OWN_NETWORKS = ("bninception", "inceptionv3")
FOREIGN_NETWORK = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True)
class CheckpointFile:
    """The file with the weights: its name in ``checkpoints/``, its hash where known, and where to get it."""

    file: str
    sha256: str = ""
    url: str = ""


@dataclass(frozen=True)
class Published:
    """One printed accuracy, in percent, and the place that prints it."""

    source: str
    clips: Count = 1
    top1_percent: Percent | None = None
    top5_percent: Percent | None = None
    split: str | None = None
    task: str = "action"


@dataclass(frozen=True)
class ModelEntry:
    """One trained checkpoint and all that decides its numbers.

    Attributes:
        network: one of ours, or ``package.module:function`` that is called with this entry and returns a module.
        temporal: ``gsm`` or ``none``.
        frames: T.
        classes: C, or one C per task.
        class_order: ``alphabetical`` (label names sorted) or ``file`` (as the class file has them).
        score_kind: what the network's outputs are.
        clips: default number of clips; 2 serves the one-clip protocol too.
        crops: default number of crops: 1, 5 or 10 (five, each also mirrored).
        published: accuracies printed for it.
        trained_on: ``dataset/split`` names.
        ignore_keys: checkpoint keys that may be missing or superfluous.
        options: further arguments of the network.
    """

    name: str
    title: str
    network: str
    frames: Count
    classes: Count | dict[str, int]
    class_order: ClassOrder
    input: InputSpec
    checkpoint: CheckpointFile
    dataset: str
    split: str
    temporal: str = "none"
    head: Head = "action"
    score_kind: Space = "logits"
    clips: Count = 1
    crops: Crops = 1
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    ignore_keys: tuple[str, ...] = ()
    published: tuple[Published, ...] = ()
    pretraining: str = ""
    trained_on: tuple[str, ...] = ()
    notes: str = ""

    @property
    def tasks(self) -> dict[str, int]:
        """Classes per task."""
        return {"action": self.classes} if isinstance(self.classes, int) else dict(self.classes)

    def published_for(self, clips: int, split: str, task: str = "action") -> Published | None:
        """The printed accuracy of a protocol on a split, if there is one."""
        for figure in self.published:
            if (figure.clips, figure.split or self.split, figure.task) == (clips, split, task):
                return figure
        return None


@dataclass(frozen=True)
class Member:
    """A model's part in an ensemble: how many clips of it, and its weight before division by the sum.

    Its scores are divided by `temperature`, probabilities through their logarithms, before anything else.
    """

    model: str
    clips: Count = 1
    weight: Annotated[float, Meta(gt=0)] = 1.0
    temperature: Annotated[float, Meta(gt=0)] = 1.0


@dataclass(frozen=True)
class EnsembleEntry:
    """A named set of members whose scores are averaged."""

    name: str
    members: Annotated[tuple[Member, ...], Meta(min_length=1)]
    title: str = ""
    space: Space | None = None
    published: tuple[Published, ...] = ()


Threshold = Annotated[float, Meta(ge=0, le=1)]


@dataclass(frozen=True)
class CascadeEntry:
    """Models that are run one after the other, each later one only on the clips that are not sure enough by then.

    Attributes:
        members: in the order in which they run.
        rule: what sureness is: of the running mean's probabilities the highest, the lead of the highest over the
            second, or one minus their entropy over that of equal ones.
        thresholds: one less than members: a clip goes on from the k-th while its sureness is at most the k-th.
        task: whose sureness decides.
    """

    name: str
    members: Annotated[tuple[Member, ...], Meta(min_length=2)]
    rule: Rule
    thresholds: tuple[Threshold, ...]
    title: str = ""
    space: Space = "logits"
    task: str = "action"


@dataclass(frozen=True)
class SplitEntry:
    """A split of a data set.

    Attributes:
        lists: its list files, in the order in which they are looked for.
        clips: how many clips the full split has, where known.
        groups: ``FILE.csv:COLUMN`` beside the list, with an ``id`` column: clips of one group are not independent
            (same video, participant, event), and intervals resample groups instead of clips.
        overlaps: other ``dataset/split`` names that hold clips of this one, and how many.
    """

    lists: Annotated[tuple[str, ...], Meta(min_length=1)]
    clips: Count | None = None
    groups: Annotated[str, Meta(pattern=r"^$|^[^:]+\.csv:[^:]+$")] = ""
    overlaps: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DatasetEntry:
    """A data set as users have it on disk.

    Attributes:
        layout: how its lists are read.
        classes: C, or one C per task.
        class_order: see `ModelEntry`.
        frame_pattern: path of a frame below the frame root, from ``{id}``, ``{video}``, ``{participant}`` and ``{frame}``.
        frame_roots: folders below the data directory where frames are looked for, in order.
        class_files: files with the class names, in the order in which they are looked for.
        data: its directory in the workspace's data/, where that has another name.
        other_frame_patterns: further patterns, for releases that keep some videos elsewhere.
        first_frame: number of a video's first frame in the names of its pictures. The released code counts from 1,
            and so it is where nothing is said; then pictures that are numbered from 0 are refused.
    """

    name: str
    title: str
    layout: Layout
    classes: Count | dict[str, int]
    class_order: ClassOrder
    frame_pattern: str
    splits: Mapping[str, SplitEntry]
    frame_roots: tuple[str, ...] = (".",)
    class_files: tuple[str, ...] = ()
    url: str = ""
    notes: str = ""
    data: str = ""
    other_frame_patterns: tuple[str, ...] = ()
    first_frame: Literal[0, 1] | None = None

    @property
    def folder(self) -> str:
        """Its directory in the workspace's data/."""
        return self.data or self.name

    @property
    def tasks(self) -> dict[str, int]:
        """Classes per task."""
        return {"action": self.classes} if isinstance(self.classes, int) else dict(self.classes)

    @property
    def frame_patterns(self) -> tuple[str, ...]:
        """All patterns, in the order in which they are tried."""
        return (self.frame_pattern, *self.other_frame_patterns)

    @property
    def evaluation_split(self) -> str:
        """The split that a model is evaluated on unless told: validation if there is one, else test, else the first."""
        return next((name for name in ("validation", "val", "test") if name in self.splits), next(iter(self.splits)))


@dataclass(frozen=True)
class RowEntry:
    """One row of a table: a model with its clips, an ensemble, or what others printed.

    Attributes:
        printed: accuracies in percent that a paper prints, by column.
    """

    label: str
    model: str | None = None
    clips: Count = 1
    ensemble: str | None = None
    pretraining: str = ""
    printed: Mapping[str, Percent] = field(default_factory=dict)


@dataclass(frozen=True)
class TableEntry:
    """A table of the paper; `blocks` are separated by rules.

    Attributes:
        form: ``accuracy``, one split with cost and top-1/5; or ``verb-noun-action``, top-1 of three tasks on `splits`.
        splits: the splits side by side, for the second form.
    """

    name: str
    title: str
    dataset: str
    split: str
    blocks: tuple[tuple[RowEntry, ...], ...]
    form: Literal["accuracy", "verb-noun-action"] = "accuracy"
    splits: tuple[str, ...] = ()
    notes: str = ""
