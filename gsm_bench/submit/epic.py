"""From scores to a file for an EPIC-KITCHENS server: row by row, written aside, read back, and only then in place."""

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
from gsm_bench.submit.source import OpenSource, source_signature
from gsm_bench.submit.supervision import check_levels
from gsm_bench.submit.targets import Target


@dataclass(frozen=True)
class Submission:
    """Answers of one split, ready to be written.

    Attributes:
        target: the server.
        split: the split that they answer.
        meant: log-probabilities at full length.
        written: the same in as few decimals as keep every ranking.
        rule: where actions come from.
        source: name of the model, ensemble or score file.
        signature: of all that decided the scores, alike for every split of one source.
        leaks: members that were trained on the split, in words, where that was allowed.
        members: in words, one line each: label, frames, clips.
        doubts: what a user should look at before sending it, in words.
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
    """What a user decides beside the source: the fusion space, supervision levels, whether leaks are allowed."""

    space: Space | None = None
    sls: Mapping[str, int] | None = None
    allow_leak: bool = False


def build(source: OpenSource, target: Target, split: Split, manifest: Manifest, options: Options) -> Submission:
    """Fuse a source and rank it row by row.

    Raises:
        SubmissionError: ids, classes or rows that the server would not take; levels that the cards contradict.
        AlignmentError: members that cannot be fused, or of unlike kinds without a space to fuse them in.
        LeakError: a member was trained on clips of this split.
    """
    with open_members(source.members) as members:
        _check_tasks(members, target)
        rows = _rows_of_split(members, split, target)
        place = f"{split.dataset}/{split.name}"
        leaks = refuse_leaks(find_leaks(members, manifest, place), place, allowed=options.allow_leak)
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
            rule = ActionRule("verb-noun", why="this server takes verbs and nouns only")
        elif rule.pairs is not None and len(rule.pairs) < SERVED:
            rule = ActionRule("verb-noun", why=f"the action head has {len(rule.pairs)} columns, fewer than {SERVED}")
        space = options.space or source.space
        answers = _answers(members, rule, space, target, split.ids)
        exact = _reordered(replace(answers, sls=sls), rows)
        spaces = {task: fusion_space(members, task, space) for task in common_tasks(members)}
        signature = source_signature(source, members, str(sorted(spaces.items())), rule.source)
        warnings = (*_doubts(exact), *_unsigned(members, target))
        words = tuple(
            f"{member.spec.label}, weight {member.weight:.3f}, {len(member.views)} views" for member in members
        )
    return Submission(target, split, exact, rounded(exact), rule, source.name, signature, tuple(leaks), words, warnings)


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
            found = member.head.classes_per_task.get(task)
            if found != classes:
                raise SubmissionError(
                    f"{member.spec.label} has {found or 'no'} {task} classes, {target.title} has {classes}",
                    where=member.spec.path,
                    fix=f"use scores of a model for {target.title}",
                )


def _rows_of_split(members: Sequence[OpenMember], split: Split, target: Target) -> NDArray[np.int64]:
    """Row in the first member of each clip of the split; every clip must be there, scored."""
    head, where = members[0].head, members[0].spec.path
    if head.order == "unverified":
        raise SubmissionError(
            "these scores came without clip ids",
            where=where,
            fix=f"gsmbench import FILE --dataset {target.name} --split {split.name}",
        )
    place = {name: row for row, name in enumerate(head.ids)}
    missing = [name for name in split.ids if name not in place]
    unknown = sorted(place.keys() - set(split.ids))
    if missing or unknown:
        said = (
            [f"{len(missing):,} clips of {split.dataset}/{split.name} are missing, first {missing[0]}"]
            if missing
            else []
        )
        said += [f"{len(unknown):,} ids are not in it, first {unknown[0]}"] if unknown else []
        raise SubmissionError(
            "; ".join(said),
            where=where,
            fix=f"gsmbench score --model NAME --dataset {target.name} --split {split.name}",
        )
    status = np.max([member.status for member in members], axis=0)
    bad = [head.ids[row] for row in np.flatnonzero(status == NOT_SCORED)]
    if bad:
        raise SubmissionError(
            f"{len(bad):,} clips have no score, first {bad[0]}: the server takes all or nothing",
            where=where,
            fix="import a dump that holds them all"
            if head.provenance.imported_from
            else "mend their frames and run gsmbench score again, or --on-bad-frame nearest",
        )
    return np.array([place[name] for name in split.ids], dtype=np.int64)


def _answers(
    members: Sequence[OpenMember], rule: ActionRule, space: Space | None, target: Target, ids: Sequence[str]
) -> ServerScores:
    """Row-wise log-probabilities in the first member's rows, and the best actions where the target takes them."""
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
    """What cannot be compared between the splits that go into one zip."""
    unsigned = [member.spec.label for member in members if not member.head.provenance.signature]
    if unsigned and len(target.members) > 1:
        splits = " and ".join(target.members.values())
        yield f"the scores of {', '.join(unsigned)} do not say how they were made: that {splits} come from one model is your word"


def _doubts(answers: ServerScores) -> Iterator[str]:
    """What a network that works does not do."""
    for task, scores in (("verb", answers.verb), ("noun", answers.noun)):
        constant = np.flatnonzero(np.ptp(scores, axis=1) == 0)
        if constant.size:
            yield f"{constant.size:,} clips have equal scores for every {task}, first {answers.ids[constant[0]]}"
        elif len(scores) > 1 and (scores == scores[0]).all():
            yield f"all clips have the same {task} scores"


def _refuse_infinities(block: ActionBlock, member: OpenMember) -> None:
    for task, scores in (("verb", block.answers.verb), ("noun", block.answers.noun)):
        broken = np.flatnonzero(~np.isfinite(scores).all(axis=1) | (scores <= -1e6).any(axis=1))
        if broken.size:
            raise SubmissionError(
                f"{broken.size:,} clips have infinite {task} scores, first {member.head.ids[block.start + broken[0]]}",
                where=member.spec.path,
                fix="the server takes finite numbers: write logits, or probabilities above 0",
            )


def _reordered(answers: ServerScores, rows: NDArray[np.int64]) -> ServerScores:
    best = answers.actions
    if best is not None:
        best = TopActions(best.verbs[rows], best.nouns[rows], best.scores[rows])
    return ServerScores(
        tuple(answers.ids[row] for row in rows), answers.verb[rows], answers.noun[rows], best, answers.sls
    )
