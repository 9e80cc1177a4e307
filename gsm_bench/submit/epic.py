"""Submissions to the EPIC-KITCHENS servers: scores fused and ranked, ready to be written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gsm_bench.ensembles.leaks import find_leaks, refuse_leaks, training_data
from gsm_bench.ensembles.members import OpenMember, common_tasks, open_members
from gsm_bench.ensembles.spaces import fusion_space
from gsm_bench.errors import SubmissionError
from gsm_bench.evaluation.actions import ActionBlock, ActionRule, action_blocks, action_rule
from gsm_bench.manifest import Manifest
from gsm_bench.metrics.softmax import log_softmax
from gsm_bench.metrics.top_actions import SERVED, TopActions
from gsm_bench.scorefile import NOT_SCORED
from gsm_bench.settings import Space
from gsm_bench.splits import Split
from gsm_bench.submit.server_scores import ServerScores, rounded
from gsm_bench.submit.source import ResolvedSource, source_signature
from gsm_bench.submit.supervision import check_levels
from gsm_bench.submit.targets import Target


@dataclass(frozen=True)
class Submission:
    """The scores of one split, ready to be written.

    Attributes:
        target: the server.
        split: the split of the scores.
        exact: log-probabilities before rounding.
        written: the same, rounded to as few decimals as keep every ranking.
        rule: where actions come from.
        source: name of the model, ensemble or score file.
        signature: of everything that determines the scores except the split.
        leaks: sentences about members that were trained on the split, if that is allowed.
        members: one line each: label, weight, views.
        warnings: what the user should check before sending it.
    """

    target: Target
    split: Split
    exact: ServerScores
    written: ServerScores
    rule: ActionRule
    source: str
    signature: str
    leaks: tuple[str, ...]
    members: tuple[str, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Options:
    """The user's choices besides the source.

    Attributes:
        space: in which members are averaged; None for the entry's, else what the score files hold.
        sls: supervision levels by name.
        allow_leak: use members that were trained on segments of the split.
    """

    space: Space | None = None
    sls: Mapping[str, int] | None = None
    allow_leak: bool = False


def build(source: ResolvedSource, target: Target, split: Split, manifest: Manifest, options: Options) -> Submission:
    """Fuse the members of a source and rank the scores row by row.

    Raises:
        SubmissionError: the server does not accept the ids, classes or rows, or the entries contradict a level.
        AlignmentError: the members cannot be fused, or have different kinds of scores and no space is given.
        LeakError: a member was trained on segments of this split.
    """
    with open_members(source.members) as members:
        _check_tasks(members, target)
        rows = _rows_of_split(members, split, target)
        split_name = f"{split.dataset}/{split.name}"
        leaks = refuse_leaks(find_leaks(members, manifest, split_name), split_name, allowed=options.allow_leak)
        sls = dict(options.sls or {})
        if target.sls:
            trained = [name for member in members for name in training_data(member, manifest)]
            check_levels(
                sls,
                [text for member in members for text in member.head.provenance.pretraining],
                trained,
                target.name,
            )
        rule = action_rule(members, None)
        if not target.actions:
            rule = ActionRule("verb-noun", why="this server accepts verbs and nouns only")
        elif rule.pairs is not None and len(rule.pairs) < SERVED:
            rule = ActionRule("verb-noun", why=f"the action head has {len(rule.pairs)} columns, fewer than {SERVED}")
        space = options.space or source.space
        scores = _server_scores(members, rule, space, target)
        exact = _reordered(replace(scores, sls=sls), rows)
        spaces = {task: fusion_space(members, task, space) for task in common_tasks(members)}
        signature = source_signature(source, members, str(sorted(spaces.items())), rule.source)
        warnings = (*_constant_scores(exact), *_unsigned(members, target))
        lines = tuple(
            f"{member.spec.label}, weight {member.weight:.3f}, {len(member.views)} views" for member in members
        )
    return Submission(target, split, exact, rounded(exact), rule, source.name, signature, tuple(leaks), lines, warnings)


def _check_tasks(members: Sequence[OpenMember], target: Target) -> None:
    for member in members:
        held = member.head.classes_per_task
        if (held.get("verb"), held.get("noun")) == (target.classes["noun"], target.classes["verb"]):
            raise SubmissionError(
                f"the verbs and nouns of {member.spec.label} are swapped: {held['verb']} verbs, {held['noun']} nouns",
                where=member.spec.path,
                fix="write each under the name of its task, /scores/verb and /scores/noun",
            )
        for task, classes in target.classes.items():
            if held.get(task) != classes:
                raise SubmissionError(
                    f"{member.spec.label} has {held.get(task) or 'no'} {task} classes, {target.title} has {classes}",
                    where=member.spec.path,
                    fix=f"use scores of a model for {target.title}",
                )


def _rows_of_split(members: Sequence[OpenMember], split: Split, target: Target) -> NDArray[np.int64]:
    """Row int64 [N] in the first member of each segment of the split; every segment must have scores."""
    head, where = members[0].head, members[0].spec.path
    if head.order == "unverified":
        raise SubmissionError(
            "these scores have no segment ids",
            where=where,
            fix=f"gsmbench import FILE --dataset {target.name} --split {split.name}",
        )
    row_of = {name: row for row, name in enumerate(head.ids)}
    missing = [name for name in split.ids if name not in row_of]
    unknown = sorted(row_of.keys() - set(split.ids))
    if missing or unknown:
        split_name, problems = f"{split.dataset}/{split.name}", []
        if missing:
            problems.append(f"{len(missing):,} segments of {split_name} are missing, first {missing[0]}")
        if unknown:
            problems.append(f"{len(unknown):,} ids are not in {split_name}, first {unknown[0]}")
        raise SubmissionError(
            "; ".join(problems),
            where=where,
            fix=f"gsmbench score --model NAME --dataset {target.name} --split {split.name}",
        )
    status = np.max([member.status for member in members], axis=0)
    bad = [head.ids[row] for row in np.flatnonzero(status == NOT_SCORED)]
    if bad:
        raise SubmissionError(
            f"{len(bad):,} segments have no score, first {bad[0]}: the server needs all of them",
            where=where,
            fix="import a dump that has all of them"
            if head.provenance.imported_from
            else "fix their frames and run gsmbench score again, or --on-bad-frame nearest",
        )
    return np.array([row_of[name] for name in split.ids], dtype=np.int64)


def _server_scores(
    members: Sequence[OpenMember], rule: ActionRule, space: Space | None, target: Target
) -> ServerScores:
    """Row-wise log-probabilities in the first member's rows, and the best actions if the target accepts them."""
    verbs, nouns, best = [], [], []
    for block in action_blocks(members, rule, space):
        _refuse_infinities(block, members[0])
        verbs.append(log_softmax(block.answers.verb))
        nouns.append(log_softmax(block.answers.noun))
        if target.actions:
            best.append(block.answers.actions)
    actions = None
    if best:
        actions = TopActions(
            *(np.concatenate([getattr(b, name) for b in best]) for name in ("verbs", "nouns", "scores"))
        )
    return ServerScores(tuple(members[0].head.ids), np.concatenate(verbs), np.concatenate(nouns), actions)


def _unsigned(members: Sequence[OpenMember], target: Target) -> Iterator[str]:
    """A warning if the splits of one zip cannot be compared."""
    unsigned = [member.spec.label for member in members if not member.head.provenance.signature]
    if unsigned and len(target.members) > 1:
        splits = " and ".join(target.members.values())
        yield f"the scores of {', '.join(unsigned)} have no signature: make sure that {splits} come from one model"


def _constant_scores(content: ServerScores) -> Iterator[str]:
    """Warnings about scores that do not depend on the class or on the segment."""
    for task, scores in (("verb", content.verb), ("noun", content.noun)):
        constant = np.flatnonzero(np.ptp(scores, axis=1) == 0)
        if constant.size:
            yield f"{constant.size:,} segments have equal scores for every {task}, first {content.ids[constant[0]]}"
        elif len(scores) > 1 and (scores == scores[0]).all():
            yield f"all segments have the same {task} scores"


def _refuse_infinities(block: ActionBlock, member: OpenMember) -> None:
    for task, scores in (("verb", block.answers.verb), ("noun", block.answers.noun)):
        broken = np.flatnonzero(~np.isfinite(scores).all(axis=1) | (scores <= -1e6).any(axis=1))
        if broken.size:
            raise SubmissionError(
                f"{broken.size:,} segments have infinite {task} scores, first {member.head.ids[block.start + broken[0]]}",
                where=member.spec.path,
                fix="the server needs finite numbers: write logits, or probabilities above 0",
            )


def _reordered(content: ServerScores, rows: NDArray[np.int64]) -> ServerScores:
    best = content.actions
    if best is not None:
        best = TopActions(best.verbs[rows], best.nouns[rows], best.scores[rows])
    return ServerScores(
        tuple(content.ids[row] for row in rows), content.verb[rows], content.noun[rows], best, content.sls
    )
