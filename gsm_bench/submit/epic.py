"""From scores to a file for an EPIC-KITCHENS server: row by row, written aside, read back, and only then in place."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gsm_bench.ensembles.actions import ActionBlock, ActionRule, action_blocks, action_rule
from gsm_bench.ensembles.fuse import fusion_space, log_softmax
from gsm_bench.ensembles.leaks import find_leaks, refuse_leaks, training_data
from gsm_bench.ensembles.members import OpenMember, common_tasks, open_members
from gsm_bench.ensembles.write import pretraining_of
from gsm_bench.entries import Space
from gsm_bench.errors import SubmissionError
from gsm_bench.files import aside, settle, settle_new
from gsm_bench.manifest import Manifest
from gsm_bench.metrics.top_actions import SERVED, TopActions
from gsm_bench.scorefile import NOT_SCORED
from gsm_bench.splits import Split
from gsm_bench.submit.answers import Answers, rounded
from gsm_bench.submit.cards import check_levels
from gsm_bench.submit.check import check_file
from gsm_bench.submit.document import json_pieces, write_json, write_zip
from gsm_bench.submit.ledger import WRITTEN, Entry
from gsm_bench.submit.rescore import rescore
from gsm_bench.submit.source import Source, source_signature
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
    meant: Answers
    written: Answers
    rule: ActionRule
    source: str
    signature: str
    leaks: tuple[str, ...]
    members: tuple[str, ...]
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Options:
    """What a user decides beside the source: the fusion space, supervision levels, whether leaks are allowed."""

    space: Space | None = None
    sls: Mapping[str, int] | None = None
    allow_leak: bool = False


def build(source: Source, target: Target, split: Split, manifest: Manifest, options: Options) -> Submission:
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
                [text for member in members for text in pretraining_of(member.head.provenance)],
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
        meant = _reordered(replace(answers, sls=sls), rows)
        spaces = {task: fusion_space(members, task, space) for task in common_tasks(members)}
        signature = source_signature(source, members, str(sorted(spaces.items())), rule.source)
        doubts = (*_doubts(meant), *_unsigned(members, target))
        words = tuple(
            f"{member.spec.label}, weight {member.weight:.3f}, {len(member.views)} views" for member in members
        )
    return Submission(target, split, meant, rounded(meant), rule, source.name, signature, tuple(leaks), words, doubts)


def write_file(path: Path, made: Submission, *, force: bool = False) -> Entry:
    """Write a zip or a bare JSON, read it back, judge and rescore it, and only then put it in place.

    Args:
        path: ``.zip`` or ``.json``.
        made: what to write.
        force: replace a file that is there.

    Returns:
        Its line for the ledger.

    Raises:
        SubmissionError: the file exists; or what was written is not what was meant, which leaves nothing in place.
    """
    _refuse_existing(path, force)
    target, member = made.target, made.target.member_of(made.split.name)
    with _written_aside(path) as written:
        if path.suffix == ".zip":
            write_zip(written, [(member, json_pieces(made.written, target))])
        else:
            write_json(written, made.written, target)
        found = _read_back(written, target, {made.split.name: made.split.ids})
        _compare(next(iter(found.values())), made.meant, path)
        entry = _entry(path, written, target, found)
        _place(written, path, force)
    return replace(
        entry, splits=(made.split.name,), source=made.source, signature=made.signature, actions=made.rule.source, sls=made.written.sls
    )  # fmt: skip


def bundle(path: Path, target: Target, written: Mapping[str, tuple[Path, Entry]], *, force: bool = False) -> Entry:
    """Zip the files of all splits of a target, as their ledger lines describe them, flat.

    Args:
        path: the zip.
        written: per member of the zip, the JSON file and the ledger line of its writing.

    Raises:
        SubmissionError: the zip exists, or a file is no longer what was written.
    """
    _refuse_existing(path, force)
    contents = {}
    for name, (file, entry) in written.items():
        contents[name] = file.read_bytes()
        if hashlib.sha256(contents[name]).hexdigest() != entry.sha256:
            raise SubmissionError(
                "this file changed since it was written", where=file, fix="submit its split again with --force"
            )
    with _written_aside(path) as aside_path:
        write_zip(aside_path, [(name, [data]) for name, data in contents.items()])
        entry = _entry(path, aside_path, target, _read_back(aside_path, target, None))
        _place(aside_path, path, force)
    first = next(iter(written.values()))[1]
    splits = tuple(target.members[name] for name in written)
    return replace(entry, splits=splits, source=first.source, signature=first.signature, actions=first.actions)


def _read_back(path: Path, target: Target, ids: Mapping[str, Sequence[str]] | None) -> dict[str, Answers]:
    """The content of a written file, judged as the server would, with the ids of its splits where they are given."""
    verdict = check_file(path, lambda _, split: None if ids is None else ids.get(split))
    if not verdict.passes:
        said = "; ".join(f"{finding.kind}: {finding.what}" for finding in verdict.findings if finding.fatal)
        raise SubmissionError(
            f"what was written would be refused: {said}", where=path, fix="check the disk, and write again"
        )
    return dict(verdict.answers)


def _compare(found: Answers, meant: Answers, path: Path) -> None:
    for reading, rescored in rescore(found, meant).items():
        if rescored.changed:
            raise SubmissionError(
                f"what was written ranks {len(rescored.changed):,} clips otherwise under {reading} softmax, first {rescored.changed[0]}",
                where=path,
                fix="this is a fault of gsm_bench: report it with the score file",
            )


def _entry(path: Path, written: Path, target: Target, found: Mapping[str, Answers]) -> Entry:
    return Entry(
        event=WRITTEN,
        file=str(path),
        sha256=hashlib.sha256(written.read_bytes()).hexdigest(),
        target=target.name,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        content={name: answers.digest for name, answers in found.items()},
    )


def _refuse_existing(path: Path, force: bool) -> None:
    if path.exists() and not force:
        raise _exists(path)


def _exists(path: Path) -> SubmissionError:
    return SubmissionError(
        "this file exists; nothing is overwritten unasked", where=path, fix="--force, or --out ANOTHER"
    )


def _place(written: Path, path: Path, force: bool) -> None:
    """Rename a judged file into place; another of the same name that was written meanwhile stays what it is."""
    if force:
        settle(written, path)
    elif not settle_new(written, path):
        raise _exists(path)


@contextmanager
def _written_aside(path: Path) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    written = aside(path).with_suffix(path.suffix)
    try:
        yield written
    finally:
        written.unlink(missing_ok=True)


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
            fix="mend their frames and run gsmbench score again, or --on-bad-frame nearest",
        )
    return np.array([place[name] for name in split.ids], dtype=np.int64)


def _answers(
    members: Sequence[OpenMember], rule: ActionRule, space: Space | None, target: Target, ids: Sequence[str]
) -> Answers:
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
    return Answers(tuple(members[0].head.ids), np.concatenate(verbs), np.concatenate(nouns), actions)


def _unsigned(members: Sequence[OpenMember], target: Target) -> Iterator[str]:
    """What cannot be compared between the splits that go into one zip."""
    unsigned = [member.spec.label for member in members if not member.head.provenance.get("signature")]
    if unsigned and len(target.members) > 1:
        splits = " and ".join(target.members.values())
        yield f"the scores of {', '.join(unsigned)} do not say how they were made: that {splits} come from one model is your word"


def _doubts(answers: Answers) -> Iterator[str]:
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


def _reordered(answers: Answers, rows: NDArray[np.int64]) -> Answers:
    best = answers.actions
    if best is not None:
        best = TopActions(best.verbs[rows], best.nouns[rows], best.scores[rows])
    return Answers(tuple(answers.ids[row] for row in rows), answers.verb[rows], answers.noun[rows], best, answers.sls)
