"""The entries of the manifests: models, ensembles, cascades, data sets and tables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from gsm_bench.geometry import InputSpec
from gsm_bench.sampling_rules import TICKS, Sampling
from gsm_bench.settings import ClassOrder, Crops, Head, Layout, Rule, Space

Count = Annotated[int, Meta(ge=1)]
Percent = Annotated[float, Meta(ge=0, le=100)]
OptionValue = int | float | str | bool

OWN_NETWORKS = ("bninception", "inceptionv3", "resnet50", "resnet101")
LIBRARIES = {"torchvision": "gsm-bench[score]", "transformers": "gsm-bench[hf]", "timm": "gsm-bench[timm]"}
"""Installed libraries whose networks are known by name, ``torchvision:r3d_18``, with what installs them."""
FOREIGN_NETWORK = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def library_of(network: str) -> str:
    """The library of a network such as ``torchvision:r3d_18``; empty for others."""
    library = network.partition(":")[0]
    return library if library in LIBRARIES and ":" in network else ""


def runs_named_code(network: str) -> bool:
    """Whether a network is a function that the entry names, ``package.module:function``, which may be anybody's code."""
    return network not in OWN_NETWORKS and not library_of(network)


@dataclass(frozen=True)
class CheckpointFile:
    """A file of weights.

    Attributes:
        file: its name in ``checkpoints/``; url: where to download it; sha256: where known.
        weights: place of the weights in a file with several sets, such as ``state_dict_ema``; "" for the only one.
    """

    file: str
    sha256: str = ""
    url: str = ""
    weights: str = ""


@dataclass(frozen=True)
class Published:
    """A published accuracy in percent, with its source; `version` of the labels where a data set has several."""

    source: str
    clips: Count = 1
    top1_percent: Percent | None = None
    top5_percent: Percent | None = None
    split: str | None = None
    task: str = "action"
    version: str = ""


@dataclass(frozen=True)
class ModelEntry:
    """A trained checkpoint and everything that determines its numbers.

    Attributes:
        network: a built-in network; ``library:name`` of an installed library; or ``package.module:function``, called with
            this entry, that returns a module.
        temporal: ``gsm``, ``gsf``, ``tsm`` or ``none``.
        frames: T, frames per clip.
        classes: C, or one C per task.
        class_order: ``alphabetical`` (sorted class names) or ``file`` (order of the class file).
        score_kind: kind of the network's outputs.
        clips: default number of clips per video; 2 serves the one-clip protocol too.
        crops: default number of crops: 1, 3 (along the longer side), 5 or 10 (five, each also mirrored).
        sampling: which frames the clips have.
        published: published accuracies.
        trained_on: ``dataset/split`` names.
        cite: keys of its papers in the .bib files beside the manifests.
        ignore_keys: checkpoint keys that may be missing or unexpected.
        options: further arguments of the network's constructor.
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
    sampling: Sampling = TICKS
    cite: tuple[str, ...] = ()

    @property
    def tasks(self) -> dict[str, int]:
        """Number of classes per task."""
        return {"action": self.classes} if isinstance(self.classes, int) else dict(self.classes)

    def published_for(self, clips: int, split: str, task: str = "action") -> Published | None:
        """The published accuracy for a number of clips on a split; None if there is none."""
        for figure in self.published:
            if (figure.clips, figure.split or self.split, figure.task) == (clips, split, task):
                return figure
        return None


@dataclass(frozen=True)
class Member:
    """A member of an ensemble: model, number of clips, and weight before normalisation.

    Its scores are divided by `temperature` first; probabilities through their logarithms.
    """

    model: str
    clips: Count = 1
    weight: Annotated[float, Meta(gt=0)] = 1.0
    temperature: Annotated[float, Meta(gt=0)] = 1.0


@dataclass(frozen=True)
class EnsembleEntry:
    """A named ensemble: members whose scores are averaged."""

    name: str
    members: Annotated[tuple[Member, ...], Meta(min_length=1)]
    title: str = ""
    space: Space | None = None
    published: tuple[Published, ...] = ()


Threshold = Annotated[float, Meta(ge=0, le=1)]


@dataclass(frozen=True)
class CascadeEntry:
    """Models that run in sequence, each one only on the videos whose confidence is still too low.

    Attributes:
        members: models in running order.
        rule: confidence measure on the probabilities of the running mean: the highest, its margin over the second
            highest, or one minus the normalised entropy.
        thresholds: one per member but the last; a video continues while its confidence is at most the threshold.
        task: task whose confidence decides.
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
        lists: names of its list file, in search order; with ``*`` for a list of several files, with a slash
            at the end for a folder without a list.
        videos: number of videos of the complete split, where known.
        groups: ``FILE.csv:COLUMN`` beside the list, with a column ``id``. Videos of one group are not independent (same
            recording, participant or event); intervals resample groups.
        overlaps: other ``dataset/split`` names that contain videos of this split, with a note on how many.
        columns: meaning of the columns of a plain list, ``["id", "label"]``; empty to recognise them.
        versions: number of videos of each release of the list, where their labels are unlike; one is recognised by it.
        mark: number of its videos in files that belong to several splits, as those of HMDB51.
    """

    lists: Annotated[tuple[str, ...], Meta(min_length=1)]
    videos: Count | None = None
    groups: Annotated[str, Meta(pattern=r"^$|^[^:]+\.csv:[^:]+$")] = ""
    overlaps: Mapping[str, str] = field(default_factory=dict)
    columns: tuple[Literal["id", "frames", "label", ""], ...] = ()
    versions: Mapping[str, Count] = field(default_factory=dict)
    mark: int | None = None


@dataclass(frozen=True)
class DatasetEntry:
    """A data set as it lies on disk.

    Attributes:
        layout: format of its annotation files.
        classes: C, or one C per task.
        class_order: see `ModelEntry`.
        frame_pattern: path of a frame below the frame root, with ``{id}``, ``{video}``, ``{participant}`` and ``{frame}``.
        frame_roots: directories of frames below the data directory, in search order.
        class_files: names of the file with the class names, in search order.
        data: its directory in the workspace's data/, if not its name.
        other_frame_patterns: further patterns, for releases that store some videos elsewhere.
        class_groups: named sets of groups of classes, each group a list of class names; a class is in one group of a set.
        first_frame: number of the first frame in the file names. None means 1, as in the released code, and refuses
            files that are numbered from 0.
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
    class_groups: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        """Its directory in the workspace's data/."""
        return self.data or self.name

    @property
    def tasks(self) -> dict[str, int]:
        """Number of classes per task."""
        return {"action": self.classes} if isinstance(self.classes, int) else dict(self.classes)

    @property
    def frame_patterns(self) -> tuple[str, ...]:
        """All patterns in search order."""
        return (self.frame_pattern, *self.other_frame_patterns)

    @property
    def evaluation_split(self) -> str:
        """Default evaluation split: validation if there is one, else test, else the first."""
        return next((name for name in ("validation", "val", "test") if name in self.splits), next(iter(self.splits)))


@dataclass(frozen=True)
class RowEntry:
    """A row of a table: a model with its clips, an ensemble, a score file, or published numbers.

    Attributes:
        scores: path of a score file, absolute or in the workspace.
        backbone, pretraining: as the table shows them.
        printed: published accuracies in percent, by column. A row that has some is never measured.
        frames, gflops: published, as printed: ``16x30``, ``66.5x30``, ``NA``; of a measured row, for comparison alone.
        params_m: published, in millions; of a measured row, for comparison alone.
    """

    label: str
    model: str | None = None
    clips: Count = 1
    ensemble: str | None = None
    scores: str = ""
    backbone: str = ""
    pretraining: str = ""
    printed: Mapping[str, Percent] = field(default_factory=dict)
    frames: str = ""
    gflops: str = ""
    params_m: float | None = None


@dataclass(frozen=True)
class TableEntry:
    """A table of the paper, or of your own; rules separate its `blocks`.

    Attributes:
        dataset, split: of its rows; that of each row's model where empty.
        source: of its published numbers.
        columns: what it shows, by name; those of its form where empty.
        headings: of columns, where they are not the usual ones.
        sort: column that its rows are sorted by.
        with_paper: a table whose published rows stand above its own.
        side_by_side: whether each split has columns of its own, with one row per model.
        form: ``accuracy``: cost and top-1/5 on one split; ``verb-noun-action``: top-1 of three tasks on `splits`.
        splits: the splits of the second form.
    """

    name: str
    title: str
    blocks: tuple[tuple[RowEntry, ...], ...]
    dataset: str = ""
    split: str = ""
    source: str = ""
    columns: tuple[str, ...] = ()
    headings: Mapping[str, str] = field(default_factory=dict)
    sort: str = ""
    with_paper: str = ""
    side_by_side: bool = False
    form: Literal["accuracy", "verb-noun-action"] = "accuracy"
    splits: tuple[str, ...] = ()
    notes: str = ""
