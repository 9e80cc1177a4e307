"""Which cascade of some members to take: rules and thresholds, their accuracy and cost, and a held-out estimate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from gsm_bench.ensembles.members import MemberSpec, OpenMember, named_members, reweighted
from gsm_bench.ensembles.spaces import fusion_space
from gsm_bench.errors import GsmBenchError
from gsm_bench.evaluation.ground_truth import GroundTruth
from gsm_bench.evaluation.significance import holm_p_values_vs_best
from gsm_bench.manifest import Manifest
from gsm_bench.metrics.folds import FOLDS, folds_of
from gsm_bench.metrics.intervals import Interval, accuracy_interval
from gsm_bench.metrics.paired import PairedDifference, paired_difference
from gsm_bench.selection.candidates import NO_VIDEOS
from gsm_bench.selection.cascade import (
    RULES,
    Setting,
    Simulated,
    Stages,
    all_stop_at,
    choose,
    held_out,
    settings_of,
    simulate,
    stages_of,
)
from gsm_bench.selection.config import choose_task
from gsm_bench.selection.pool import Choice, choices_of
from gsm_bench.settings import Rule, Space
from gsm_bench.workspace import Workspace


@dataclass(frozen=True)
class CascadeConfig:
    """What a cascade is searched for.

    Attributes:
        rules: of confidence, to choose from.
        budget: at most so many multiply-adds per video on average; None for the accuracy of all members at least cost.
        folds: of the held-out estimate.
        steps: thresholds shown per rule.
        task: whose confidence decides; None for action where there is one, else the only task.
        space: what is averaged; None for what the score files hold.
        saved: a saved setting that is shown too, with its name.
    """

    rules: Sequence[Rule] = RULES
    budget: float | None = None
    folds: int = FOLDS
    steps: int = 5
    task: str | None = None
    space: Space | None = None
    saved: tuple[str, Setting] | None = None


@dataclass(frozen=True)
class CascadeRow:
    """A cascade, or the mean of the first members for every video, where `setting` is None.

    Attributes:
        label: of the members, the rule, "chosen", "held out", or the name of a saved cascade.
        mean_macs: multiply-adds per video; None if unknown for a member.
        shares: of the videos that reach each member.
        accuracy, interval: top-1 and top-5 as fractions, with 95% intervals.
        p: of the paired test of top-1 against the most accurate row, Holm-corrected; None for that row.
    """

    label: str
    setting: Setting | None
    mean_macs: float | None
    shares: tuple[float, ...]
    accuracy: dict[int, float]
    interval: dict[int, Interval]
    p: float | None


@dataclass(frozen=True)
class CascadeResult:
    """Cascades of some members, simulated.

    Attributes:
        config: as asked for.
        task, space: whose scores are averaged, and how.
        choices: the members in the order in which they run.
        members: one row per number of members that every video runs through.
        cascades: per rule, rows over its thresholds.
        selected: the chosen setting, its held-out estimate, and the saved setting if there is one.
        chosen: the best setting over all rules and thresholds.
        gain: the held-out accuracy minus that of all members for every video.
        cost_share: the held-out cost divided by that of all members for every video.
        costs_known: whether the cost is in multiply-adds; else it is the number of members that run.
        videos: how many all members have scored and that have a label.
        left_out: videos with a label but without a score in some member.
        unverified: whether some rows were matched by position.
        stages: ranks and confidences after every member, from which any setting can be simulated.
    """

    config: CascadeConfig
    task: str
    space: Space
    choices: tuple[Choice, ...]
    members: tuple[CascadeRow, ...]
    cascades: tuple[tuple[CascadeRow, ...], ...]
    selected: tuple[CascadeRow, ...]
    chosen: Setting
    gain: PairedDifference
    cost_share: float
    costs_known: bool
    videos: int
    left_out: int
    unverified: bool
    stages: Stages | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class CascadeMembers:
    """The members of a cascade in the order in which they run, and what its entry says where it is a saved one."""

    specs: Sequence[MemberSpec]
    space: Space | None
    task: str | None = None
    saved: tuple[str, Setting] | None = None


def cascade_members(
    name: str, manifest: Manifest, workspace: Workspace, dataset: str | None, split: str | None
) -> CascadeMembers:
    """Members by the name of a saved cascade or an ensemble, or listed between commas.

    Raises:
        GsmBenchError: fewer than two members, or unknown ones.
    """
    entry = manifest.cascades.get(name)
    if entry is None:
        specs, space = named_members(name, manifest, workspace, dataset, split)
        if len(specs) < 2:
            raise GsmBenchError(
                "a cascade has at least two members", fix="name them between commas, the first to run first"
            )
        return CascadeMembers(specs, space)
    listed = ",".join(f"{member.model}@{member.clips}" for member in entry.members)
    specs, _ = named_members(listed, manifest, workspace, dataset, split)
    weighted = reweighted(specs, [member.weight for member in entry.members])
    specs = [replace(spec, temperature=m.temperature) for spec, m in zip(weighted, entry.members, strict=True)]
    return CascadeMembers(specs, entry.space, entry.task, (name, Setting(entry.rule, entry.thresholds)))


def search_cascades(
    members: Sequence[OpenMember], truth: GroundTruth, config: CascadeConfig = CascadeConfig()
) -> CascadeResult:
    """Simulate cascades of open members and choose one.

    Raises:
        GsmBenchError: no video has a label and a score in every member.
        TaskError, LabelError: as `choose_task`.
    """
    task = choose_task(members[0].head, truth, config.task)
    space = fusion_space(members, task, config.space)
    choices = choices_of(members)
    stages = stages_of(members, task, space, truth.labels[task], choices)
    if not len(stages.rows):
        raise GsmBenchError(NO_VIDEOS, fix="score the missing videos")
    groups = None if truth.groups is None else truth.groups[stages.rows]
    settings = settings_of(stages, config.rules)
    chosen = choose(stages, settings, np.ones(len(stages.rows), bool), config.budget)
    held = held_out(stages, settings, folds_of(len(stages.rows), groups, config.folds), config.budget)
    blocks = _blocks(stages, choices, config, chosen, held)
    rows = _rows(blocks, len(members), groups)
    labelled = int((truth.labels[task] != -1).sum())
    return CascadeResult(
        config=config,
        task=task,
        space=space,
        choices=tuple(choices),
        members=rows[0],
        cascades=rows[1:-1],
        selected=rows[-1],
        chosen=chosen,
        gain=paired_difference(held.correct(), all_stop_at(stages, len(members) - 1).correct(), groups),
        cost_share=float(stages.costs[held.stop].mean() / stages.costs[-1]),
        costs_known=not np.isnan(stages.macs).any(),
        videos=len(stages.rows),
        left_out=labelled - len(stages.rows),
        unverified=any(member.head.order == "unverified" for member in members),
        stages=stages,
    )


Run = tuple[str, Setting | None, Simulated]


def _blocks(
    stages: Stages, choices: Sequence[Choice], config: CascadeConfig, chosen: Setting, held: Simulated
) -> list[list[Run]]:
    """Labelled simulations: the first members, each rule over its thresholds, what was chosen."""
    labels = [choice.label for choice in choices]
    members: list[Run] = [(" + ".join(labels[: at + 1]), None, all_stop_at(stages, at)) for at in range(len(labels))]
    rules: list[list[Run]] = [
        [(rule, setting, simulate(stages, setting)) for setting in settings_of(stages, [rule], config.steps)]
        for rule in config.rules
    ]
    selected: list[Run] = [("chosen", chosen, simulate(stages, chosen)), ("held out", None, held)]
    if config.saved:
        name, setting = config.saved
        selected.append((name, setting, simulate(stages, setting)))
    return [members, *rules, selected]


def _rows(
    blocks: Sequence[Sequence[Run]], members: int, groups: NDArray[np.int64] | None
) -> tuple[tuple[CascadeRow, ...], ...]:
    correct = [run.correct() for block in blocks for _, _, run in block]
    p_values = iter(holm_p_values_vs_best(correct, groups))
    return tuple(
        tuple(_row(label, setting, run, members, groups, next(p_values)) for label, setting, run in block)
        for block in blocks
    )


def _row(
    label: str, setting: Setting | None, run: Simulated, members: int, groups: NDArray[np.int64] | None, p: float | None
) -> CascadeRow:
    return CascadeRow(
        label=label,
        setting=setting,
        mean_macs=None if np.isnan(run.mean_macs) else run.mean_macs,
        shares=tuple(run.shares(members)),
        accuracy={k: run.top(k) for k in (1, 5)},
        interval={k: accuracy_interval(run.correct(k), groups) for k in (1, 5)},
        p=p,
    )
