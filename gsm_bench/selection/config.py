"""What a search is asked for, and what that means for the members that are open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gsm_bench.ensembles.members import OpenMember
from gsm_bench.ensembles.spaces import fusion_space
from gsm_bench.errors import LabelError, TaskError
from gsm_bench.evaluation.actions import ActionRule, rule_for
from gsm_bench.evaluation.ground_truth import GroundTruth
from gsm_bench.metrics.folds import FOLDS
from gsm_bench.scorefile import ScoreHead
from gsm_bench.selection.temperatures import member_temperatures
from gsm_bench.settings import Space


@dataclass(frozen=True)
class SearchConfig:
    """What to search for.

    Attributes:
        k: a video counts as right if its label is among the k best classes.
        budget: at most so many multiply-adds per video; None for any cost.
        folds: of the held-out estimate.
        task: None for action where there is one, else the only task.
        space: what is averaged; None for what the score files hold.
        temperatures: divide each member's scores by its own temperature first, fitted on all videos.
        rounds: of greedy selection.
    """

    k: int = 1
    budget: float | None = None
    folds: int = FOLDS
    task: str | None = None
    space: Space | None = None
    temperatures: bool = False
    rounds: int = 100


DEFAULTS = SearchConfig()


@dataclass(frozen=True)
class SearchTask:
    """A config applied to open members.

    Attributes:
        members: with their temperatures.
        rule: how actions follow from verbs and nouns; None where the scores of one task are searched.
        space: in which the members are averaged.
        tasks: of the score files.
        unverified: whether some rows were matched by position, because they came without ids.
    """

    members: Sequence[OpenMember]
    name: str
    rule: ActionRule | None
    space: Space
    tasks: tuple[str, ...]
    unverified: bool


def resolve(members: Sequence[OpenMember], truth: GroundTruth, config: SearchConfig) -> SearchTask:
    """Choose the task and the space, and fit the temperatures if they are asked for.

    Raises:
        TaskError: no task or a wrong one is named, or actions from verb x noun are to be scaled by temperatures.
        LabelError: the videos have no labels of this task.
    """
    head = members[0].head
    rule = derived_rule(members, truth, config.task)
    name = "action" if rule else choose_task(head, truth, config.task)
    if rule and config.temperatures:
        raise TaskError("actions from verb x noun have no temperatures", fix=DERIVED_FIX)
    space = fusion_space(members, "verb" if rule else name, config.space)
    if config.temperatures:
        members = [
            replace(member, spec=replace(member.spec, temperature=temperature))
            for member, temperature in zip(members, member_temperatures(members, name, truth), strict=True)
        ]
    unverified = any(member.head.order == "unverified" for member in members)
    return SearchTask(members, name, rule, space, tuple(head.kinds), unverified)


DERIVED_FIX = "--method exact without --temperatures, or --task verb or --task noun"
"""What to do where actions follow from verbs and nouns and only a task with scores of its own is possible."""


def derived_rule(members: Sequence[OpenMember], truth: GroundTruth, task: str | None) -> ActionRule | None:
    """How actions follow from verbs and nouns; None if another task is asked for or every member has an action head."""
    if task not in (None, "action") or not {"verb", "noun"} <= truth.labels.keys():
        return None
    rule = rule_for(members, truth, None)
    return rule if rule and rule.source != "head" else None


def choose_task(head: ScoreHead, truth: GroundTruth, task: str | None) -> str:
    """The task asked for, else action, else the only one.

    Raises:
        TaskError: the score file does not have this task, or has several and none is named.
        LabelError: the videos have no labels of this task.
    """
    if task is None and "action" not in head.kinds and len(head.kinds) > 1:
        names = sorted(head.kinds, key="verb noun".find)
        raise TaskError(
            f"these scores have several tasks: {' and '.join(names)}", fix=f"--task {' or --task '.join(names)}"
        )
    name = task or ("action" if "action" in head.kinds else next(iter(head.kinds)))
    if name not in head.kinds:
        names = list(head.kinds)
        raise TaskError(f"no {name} scores: these scores are of {', '.join(names)}", fix=f"--task {names[0]}")
    if name not in truth.labels:
        raise LabelError(f"these videos have no {name} labels", fix="--data DIR with a labelled list")
    return name
