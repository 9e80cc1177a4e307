"""Actions of fused members: from their action heads, from verb and noun, or from both with a training prior."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gsm_bench.actions import are_pairs, parse_pairs
from gsm_bench.ensembles.fuse import FusedBlock, fuse_blocks
from gsm_bench.ensembles.members import OpenMember, common_tasks
from gsm_bench.ensembles.score_kinds import check_score_kinds
from gsm_bench.ensembles.spaces import SMALLEST_PROBABILITY, fusion_space
from gsm_bench.entries import Space
from gsm_bench.errors import AlignmentError
from gsm_bench.evaluation.ground_truth import GroundTruth
from gsm_bench.evaluation.predictions import Predictions
from gsm_bench.metrics.epic import EpicAnswers
from gsm_bench.metrics.top_actions import SERVED, TopActions, top_actions, top_columns, top_known_actions
from gsm_bench.metrics.topk import BEYOND, KS, Accuracy
from gsm_bench.splits import read_split

ActionSource = Literal["head", "verb-noun", "prior"]
SOURCE_WORDS: dict[ActionSource, str] = {
    "head": "from the action head",
    "verb-noun": "from verb x noun",
    "prior": "from verb x noun x the count of the pair in training",
}
LOWEST_LOGARITHM = -1e6
"""What a stored logarithm of 0 counts for in a sum: below every other."""


@dataclass(frozen=True)
class Prior:
    """How often each action occurs in training: pairs int64 [A, 2] ascending, counts int64 [A]."""

    pairs: NDArray[np.int64]
    counts: NDArray[np.int64]


@dataclass(frozen=True)
class ActionRule:
    """How actions are ranked: the source, and what it needs.

    Attributes:
        source: where action scores come from.
        pairs: int64 [A, 2] of the action head's columns; None without a head.
        prior: counts in training, where they are used.
        why: in words, for people.
    """

    source: ActionSource
    pairs: NDArray[np.int64] | None = None
    prior: Prior | None = None
    why: str = ""


@dataclass(frozen=True)
class ActionBlock:
    """A block of rows from `start` on: verb and noun scores [n, C] in a logarithmic space, actions, which are whole."""

    start: int
    answers: EpicAnswers
    scored: NDArray[np.bool_]


def action_rule(members: Sequence[OpenMember], asked: ActionSource | None, prior: Prior | None = None) -> ActionRule:
    """The action head if every member has one, else verb x noun; or as asked.

    Raises:
        AlignmentError: a head is asked for and a member has none; a prior is asked for and not known.
    """
    headless = [member.spec.label for member in members if "action" not in member.head.kinds]
    names = members[0].head.class_names.get("action", ())
    nameless = not headless and not are_pairs(names)
    if asked == "head" and (headless or nameless):
        said = f"{_named(headless)} no action scores" if headless else "the action columns have no names"
        raise AlignmentError(f"actions cannot come from the action head: {said}", fix="leave --actions head away")
    if asked == "prior":
        if prior is None:
            raise AlignmentError(
                "the training csv with the counts of the actions is not here",
                fix="put it beside the list, or name --data DIR",
            )
        return ActionRule("prior", prior=prior, why="as asked")
    if asked == "verb-noun" or headless or nameless:
        why = "as asked" if asked else f"{_named(headless)} no action head" if headless else "no column names"
        return ActionRule("verb-noun", why=why)
    return ActionRule("head", _head_pairs(members[0], names), why="as asked" if asked else "every member has one")


def _head_pairs(member: OpenMember, names: Sequence[str]) -> NDArray[np.int64]:
    pairs = parse_pairs(names)
    held = member.head.classes_per_task
    beyond = np.flatnonzero((pairs >= (held["verb"], held["noun"])).any(axis=1))
    twice = len(np.unique(pairs, axis=0)) < len(pairs)
    if beyond.size or twice:
        what = f"{names[beyond[0]]!r} is no pair of its verbs and nouns" if beyond.size else "a pair stands twice"
        raise AlignmentError(
            f"the action columns of {member.spec.label} are named wrongly: {what}",
            where=member.spec.path,
            fix="write /classes/action again, or take actions from verb x noun: leave /scores/action away",
        )
    return pairs


def _named(labels: Sequence[str]) -> str:
    names = list(dict.fromkeys(labels))
    return f"{', '.join(names)} {'has' if len(names) == 1 else 'have'}"


def rule_for(members: Sequence[OpenMember], truth: GroundTruth, asked: ActionSource | None) -> ActionRule | None:
    """How actions are ranked where the members have verbs and nouns; None where they have not.

    Raises:
        AlignmentError: what is asked for cannot be had of these members or labels.
    """
    if {"verb", "noun"} <= set(common_tasks(members)):
        return action_rule(members, asked, training_prior(truth) if asked == "prior" else None)
    if asked:
        raise AlignmentError(
            "actions can be chosen only for scores of verbs and nouns",
            where=members[0].spec.path,
            fix="leave --actions away",
        )
    return None


def training_prior(truth: GroundTruth) -> Prior | None:
    """How often each action occurs in the training list beside the labels, if one is there.

    Raises:
        SplitError: it is there and damaged.
    """
    if truth.split is None or truth.dataset is None or "train" not in truth.dataset.splits:
        return None
    folder = truth.split.list_path.parent
    if not any((folder / name).is_file() for name in truth.dataset.splits["train"].lists):
        return None
    labels = read_split(truth.dataset, "train", folder).labels
    pairs, counts = np.unique(np.stack((labels["verb"], labels["noun"]), axis=1), axis=0, return_counts=True)
    return Prior(pairs.astype(np.int64), counts)


def action_blocks(
    members: Sequence[OpenMember], rule: ActionRule, space: Space | None = None, k: int = SERVED
) -> Iterator[ActionBlock]:
    """Verb and noun scores and the k best actions of the fused members, block by block.

    Rows that are not whole have answers that mean nothing.
    """
    tasks = ("verb", "noun", "action") if rule.source == "head" else ("verb", "noun")
    check_score_kinds(members, ("verb", "noun"))
    spaces = {task: fusion_space(members, task, space) for task in tasks}
    for blocks in zip(*(fuse_blocks(members, task, spaces[task]) for task in tasks), strict=True):
        found = {task: _logarithmic(block, spaces[task]) for task, block in zip(tasks, blocks, strict=True)}
        scored = np.logical_and.reduce([block.scored for block in blocks])
        yield ActionBlock(blocks[0].start, EpicAnswers(found["verb"], found["noun"], _ranked(found, rule, k)), scored)


def derived_action_accuracy(
    members: Sequence[OpenMember], rule: ActionRule, labels: Mapping[str, NDArray[np.integer]], space: Space | None
) -> Accuracy:
    """Top-1 and top-5 of actions ranked by `rule` against verb and noun labels [N]; no mean over classes."""
    known = (labels["verb"] >= 0) & (labels["noun"] >= 0)
    ranks = predict_actions(members, rule, labels, space).ranks.astype(np.int32)
    hits = {k: int(((ranks >= 0) & (ranks < k)).sum()) for k in KS}
    nothing = np.zeros(0, np.int64)
    correct = np.where(ranks < 0, -1, ranks == 0).astype(np.int8)
    return Accuracy(hits, int((correct >= 0).sum()), int(known.sum()), nothing, nothing, correct, ranks)


def predict_actions(
    members: Sequence[OpenMember], rule: ActionRule, labels: Mapping[str, NDArray[np.integer]], space: Space | None
) -> Predictions:
    """The actions that fused members answer, as codes of pairs, against verb and noun labels [N] (-1 unknown).

    A rank is known no finer than the ks: it is k - 1 for the least k whose best hold the label.
    """
    verbs, nouns = labels["verb"], labels["noun"]
    known, width = (verbs >= 0) & (nouns >= 0), members[0].head.classes_per_task["noun"]
    best, ranks = np.full(len(verbs), -1, np.int64), np.full(len(verbs), -1, np.int64)
    for block in action_blocks(members, rule, space, max(KS)):
        rows, actions = slice(block.start, block.start + len(block.scored)), block.answers.actions
        best[rows] = np.where(block.scored, actions.verbs[:, 0] * width + actions.nouns[:, 0], -1)
        counted = known[rows] & block.scored
        placed = np.where(counted, BEYOND, -1)
        for k in sorted(KS, reverse=True):
            placed[actions.hits(verbs[rows], nouns[rows], k) & counted] = k - 1
        ranks[rows] = placed
    return Predictions(best, ranks)


def pair_codes(labels: Mapping[str, NDArray[np.integer]], nouns: int) -> NDArray[np.int64]:
    """Codes int64 [N] of labelled actions, verb * `nouns` + noun; -1 where verb or noun is not known."""
    codes = labels["verb"].astype(np.int64) * nouns + labels["noun"]
    return np.where((labels["verb"] >= 0) & (labels["noun"] >= 0), codes, -1)


def _logarithmic(block: FusedBlock, space: Space) -> NDArray[np.float64]:
    """Scores that add up like logarithms, with 0 in rows that have none, so that ranking goes on."""
    scores = np.where(block.scored[:, None], block.scores, 0.0)
    if space == "probabilities":
        scores = np.log(np.maximum(scores, SMALLEST_PROBABILITY))
    return np.maximum(scores, LOWEST_LOGARITHM)


def _ranked(found: Mapping[str, NDArray[np.float64]], rule: ActionRule, k: int) -> TopActions:
    if rule.source == "head" and rule.pairs is not None:
        return top_columns(found["action"], rule.pairs, k)
    if rule.source == "prior" and rule.prior is not None:
        return top_known_actions(found["verb"], found["noun"], rule.prior.pairs, np.log(rule.prior.counts), k)
    return top_actions(found["verb"], found["noun"], k)
