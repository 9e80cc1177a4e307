"""Actions of fused members: from their action heads, from verb and noun, or from both with a training prior."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gsm_bench.actions import NO_COLUMN, action_columns, are_pairs, parse_pairs
from gsm_bench.ensembles.fuse import FusedBlock, fuse_blocks
from gsm_bench.ensembles.members import OpenMember, common_tasks
from gsm_bench.ensembles.score_kinds import check_score_kinds
from gsm_bench.ensembles.spaces import fusion_space
from gsm_bench.errors import AlignmentError
from gsm_bench.evaluation.ground_truth import GroundTruth
from gsm_bench.evaluation.predictions import Predictions
from gsm_bench.metrics.action_ranks import best_pairs, pair_ranks
from gsm_bench.metrics.epic import EpicAnswers
from gsm_bench.metrics.softmax import safe_log
from gsm_bench.metrics.top_actions import (
    SERVED,
    TopActions,
    pair_scores,
    top_actions,
    top_columns,
    top_known_actions,
)
from gsm_bench.metrics.topk import BEYOND, Accuracy, accuracy_of_ranks, label_ranks
from gsm_bench.scorefile import NOT_SCORED
from gsm_bench.settings import ActionSource, Space
from gsm_bench.splits import read_split

SOURCE_WORDS: dict[ActionSource, str] = {
    "head": "from the action head",
    "verb-noun": "from verb x noun",
    "prior": "from verb x noun x the pair's count in training",
}
REQUESTED = "as requested"
RANKED_ROWS = 256
"""Rows ranked at once: what is computed for them stays in a core's cache."""
LOWEST_LOGARITHM = -1e6
"""What a stored logarithm of 0 counts for in a sum: less than every other."""


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
        why: the reason in words.
    """

    source: ActionSource
    pairs: NDArray[np.int64] | None = None
    prior: Prior | None = None
    why: str = ""


@dataclass(frozen=True)
class ActionBlock:
    """A block of n rows, from row `start` on.

    Attributes:
        answers: verb and noun scores [n, C] in a logarithmic space, and the best actions.
        scored: bool [n], which rows have a score of every member; the answers of others mean nothing.
    """

    start: int
    answers: EpicAnswers
    scored: NDArray[np.bool_]


def rule_for(members: Sequence[OpenMember], truth: GroundTruth, requested: ActionSource | None) -> ActionRule | None:
    """How actions are ranked where the members have verbs and nouns; None where they have not.

    Raises:
        AlignmentError: these members or labels do not allow what is requested.
    """
    if {"verb", "noun"} <= set(common_tasks(members)):
        return action_rule(members, requested, training_prior(truth) if requested == "prior" else None)
    if requested:
        raise AlignmentError(
            "--actions applies only to scores of verbs and nouns",
            where=members[0].spec.path,
            fix="leave --actions out",
        )
    return None


def action_rule(
    members: Sequence[OpenMember], requested: ActionSource | None, prior: Prior | None = None
) -> ActionRule:
    """The action head if every member has one, else verb x noun; or as requested.

    Raises:
        AlignmentError: the head is requested and a member has none; the prior is requested and not known.
    """
    headless = [member.spec.label for member in members if "action" not in member.head.kinds]
    names = members[0].head.class_names.get("action", ())
    nameless = not headless and not are_pairs(names)
    if requested == "head" and (headless or nameless):
        reason = f"{_subject(headless)} no action scores" if headless else "the action columns have no names"
        raise AlignmentError(f"actions cannot come from the action head: {reason}", fix="leave --actions head out")
    if requested == "prior":
        if prior is None:
            raise AlignmentError(
                "the training csv with the action counts is missing",
                fix="put it beside the list, or name its directory with --data DIR",
            )
        return ActionRule("prior", prior=prior, why=REQUESTED)
    if requested == "verb-noun" or headless or nameless:
        why = REQUESTED if requested else f"{_subject(headless)} no action head" if headless else "no column names"
        return ActionRule("verb-noun", why=why)
    return ActionRule("head", _head_pairs(members[0], names), why=REQUESTED if requested else "every member has one")


def _head_pairs(member: OpenMember, names: Sequence[str]) -> NDArray[np.int64]:
    """Verb and noun int64 [A, 2] of a head's columns."""
    pairs = parse_pairs(names)
    classes = member.head.classes_per_task
    outside = np.flatnonzero((pairs >= (classes["verb"], classes["noun"])).any(axis=1))
    codes, counts = np.unique(pairs, axis=0, return_counts=True)
    if outside.size or (counts > 1).any():
        repeated = "" if outside.size else ",".join(map(str, codes[counts.argmax()]))
        reason = f"no verb and noun for {names[outside[0]]!r}" if outside.size else f"duplicate pair {repeated!r}"
        raise AlignmentError(
            f"the action columns of {member.spec.label} have wrong names: {reason}",
            where=member.spec.path,
            fix="correct /classes/action, or remove /scores/action and use verb x noun",
        )
    return pairs


def _subject(labels: Sequence[str]) -> str:
    names = list(dict.fromkeys(labels))
    return f"{', '.join(names)} {'has' if len(names) == 1 else 'have'}"


def training_prior(truth: GroundTruth) -> Prior | None:
    """How often each action occurs in the training list beside the labels; None if there is no such list.

    Raises:
        SplitError: the list is damaged.
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
    """Verb and noun scores and the k best actions of the fused members, block by block."""
    spaces = _fusion_spaces(members, rule, space)
    for blocks in zip(*(fuse_blocks(members, task, spaces[task]) for task in spaces), strict=True):
        scores, scored = _logarithmic_scores(dict(zip(spaces, blocks, strict=True)), spaces)
        answers = EpicAnswers(scores["verb"], scores["noun"], _best_actions(scores, rule, k))
        yield ActionBlock(blocks[0].start, answers, scored)


def derived_action_accuracy(
    members: Sequence[OpenMember], rule: ActionRule, labels: Mapping[str, NDArray[np.integer]], space: Space | None
) -> Accuracy:
    """Accuracy of actions ranked by `rule` against verb and noun labels [N]; a class is a pair of verb and noun.

    The classes are verb * nouns + noun. Pairs that `rule` never ranks count as wrong, and belong to no class.
    """
    classes = members[0].head.classes_per_task
    codes = pair_codes(labels, classes["noun"])
    ranks = predict_actions(members, rule, labels, space).ranks.astype(np.int32)
    scored = np.logical_and.reduce([member.status != NOT_SCORED for member in members])
    return accuracy_of_ranks(ranks, codes, scored, classes["verb"] * classes["noun"])


def predict_actions(
    members: Sequence[OpenMember], rule: ActionRule, labels: Mapping[str, NDArray[np.integer]], space: Space | None
) -> Predictions:
    """The best action of fused members per video, and the exact rank of its label.

    Args:
        labels: verbs and nouns int [N], -1 unknown.

    Returns:
        Actions as codes verb * nouns + noun, see `pair_codes`; ranks are among all actions that `rule` ranks.
    """
    spaces = _fusion_spaces(members, rule, space)
    nouns = members[0].head.classes_per_task["noun"]
    known = pair_codes(labels, nouns) >= 0
    best, ranks = np.full(len(known), -1, np.int64), np.full(len(known), -1, np.int64)
    for blocks in zip(*(fuse_blocks(members, task, spaces[task]) for task in spaces), strict=True):
        scores, scored = _logarithmic_scores(dict(zip(spaces, blocks, strict=True)), spaces)
        for start in range(0, len(scored), RANKED_ROWS):
            inside = slice(start, start + RANKED_ROWS)
            rows = slice(blocks[0].start + start, blocks[0].start + min(start + RANKED_ROWS, len(scored)))
            some = {task: values[inside] for task, values in scores.items()}
            actions, places = _rank_rows(some, rule, labels["verb"][rows], labels["noun"][rows])
            best[rows] = np.where(scored[inside], actions[:, 0] * nouns + actions[:, 1], -1)
            ranks[rows] = np.where(scored[inside] & known[rows], places, -1)
    return Predictions(best, ranks)


def _rank_rows(
    scores: Mapping[str, NDArray[np.float64]], rule: ActionRule, verbs: NDArray[np.integer], nouns: NDArray[np.integer]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Best pair int64 [n, 2] and rank int64 [n] of the labelled pair, which means nothing for unknown labels."""
    known = (verbs >= 0) & (nouns >= 0)
    if rule.source == "verb-noun":
        labelled = np.where(known, verbs, 0), np.where(known, nouns, 0)
        best = np.stack(best_pairs(scores["verb"], scores["noun"]), axis=1)
        return best, pair_ranks(scores["verb"], scores["noun"], *labelled) if known.any() else np.full(len(known), -1)
    pairs, actions = _scores_of_pairs(scores, rule)
    columns = action_columns(pairs, verbs, nouns)
    ranks = label_ranks(actions, np.maximum(columns, 0))
    return pairs[actions.argmax(axis=1)], np.where(columns == NO_COLUMN, BEYOND, ranks)


def _scores_of_pairs(
    scores: Mapping[str, NDArray[np.float64]], rule: ActionRule
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The pairs int64 [A, 2] that a head or a prior ranks, and their scores [n, A]."""
    if rule.prior is not None:
        pairs = rule.prior.pairs
        return pairs, pair_scores(scores["verb"], scores["noun"], pairs, np.log(rule.prior.counts))
    assert rule.pairs is not None
    return rule.pairs, scores["action"]


def pair_codes(labels: Mapping[str, NDArray[np.integer]], nouns: int) -> NDArray[np.int64]:
    """Codes int64 [N] of labelled actions, verb * `nouns` + noun; -1 where the verb or the noun is unknown."""
    codes = labels["verb"].astype(np.int64) * nouns + labels["noun"]
    return np.where((labels["verb"] >= 0) & (labels["noun"] >= 0), codes, -1)


def _fusion_spaces(members: Sequence[OpenMember], rule: ActionRule, space: Space | None) -> dict[str, Space]:
    """The tasks that a rule ranks by, each with the space it is fused in."""
    check_score_kinds(members, ("verb", "noun"))
    tasks = ("verb", "noun", "action") if rule.source == "head" else ("verb", "noun")
    return {task: fusion_space(members, task, space) for task in tasks}


def _logarithmic_scores(
    blocks: Mapping[str, FusedBlock], spaces: Mapping[str, Space]
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.bool_]]:
    """Scores float64 [n, C] per task that add up like logarithms, 0 in rows without a score; and which rows have one."""
    logarithms = {}
    for task, block in blocks.items():
        scores = np.where(block.scored[:, None], block.scores, 0.0)
        logarithms[task] = np.maximum(safe_log(scores) if spaces[task] == "probabilities" else scores, LOWEST_LOGARITHM)
    return logarithms, np.logical_and.reduce([block.scored for block in blocks.values()])


def _best_actions(scores: Mapping[str, NDArray[np.float64]], rule: ActionRule, k: int) -> TopActions:
    if rule.source == "head" and rule.pairs is not None:
        return top_columns(scores["action"], rule.pairs, k)
    if rule.source == "prior" and rule.prior is not None:
        return top_known_actions(scores["verb"], scores["noun"], rule.prior.pairs, np.log(rule.prior.counts), k)
    return top_actions(scores["verb"], scores["noun"], k)
