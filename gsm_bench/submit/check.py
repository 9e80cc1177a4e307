"""A server's file judged as its server would, before an attempt is spent on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gsm_bench.metrics.softmax import PROBABILITY_TOLERANCE, are_probabilities
from gsm_bench.submit.archive import KNOWN_MEMBERS, members
from gsm_bench.submit.findings import Finding, Findings
from gsm_bench.submit.parse import check_header, load_json, read_results, target_of
from gsm_bench.submit.rescore import readings_differ
from gsm_bench.submit.server_scores import Floats, ServerScores
from gsm_bench.submit.targets import Target

IdsOf = Callable[[str, str], Sequence[str] | None]
"""Ids of a split, given data set and split; None where its list is not here."""


@dataclass(frozen=True)
class Verdict:
    """What a server would say of a file.

    Attributes:
        findings: what is wrong, and what is worth knowing.
        answers: the content per member that could be read.
        target: which server it is for; None where that cannot be told.
        ids_checked: whether the ids were compared with the split's list.
    """

    findings: tuple[Finding, ...]
    answers: Mapping[str, ServerScores]
    target: Target | None
    ids_checked: bool

    @property
    def passes(self) -> bool:
        """Whether the server would take the file and read it as it was meant."""
        return not any(finding.fatal for finding in self.findings) and bool(self.answers)


def check_file(path: Path, ids_of: IdsOf) -> Verdict:
    """Judge a zip or JSON, ours or not.

    Args:
        path: the file.
        ids_of: ids of the split of a data set, where its list is here.
    """
    findings = Findings()
    contents = members(path, findings)
    answers: dict[str, ServerScores] = {}
    targets: list[Target] = []
    checked = bool(contents)
    for name, data in contents.items():
        target, found, compared = _judge(data, name, ids_of, findings)
        checked &= compared
        if target:
            targets.append(target)
        if found is not None:
            answers[name] = found
    if len({target.name for target in targets}) > 1:
        findings.add("mixed challenges", "the files inside are for different servers", path.name)
    target = targets[0] if targets else None
    if target and path.name in contents:
        inside = " and ".join(target.members)
        findings.add("not a zip", f"the server takes a zip: put it in one as {inside}", path.name, fatal=False)
    elif target and (absent := target.members.keys() - contents.keys()):
        fatal = len(target.members) == 1
        findings.add("missing member", f"{', '.join(sorted(absent))} is not in the zip", path.name, fatal=fatal)
    return Verdict(findings.result(), answers, target, checked)


def _judge(
    data: bytes, name: str, ids_of: IdsOf, findings: Findings
) -> tuple[Target | None, ServerScores | None, bool]:
    """Target, content and whether ids were compared, of one JSON file."""
    document = load_json(data, name, findings)
    target = target_of(document, name, findings) if document is not None else None
    if target is None:
        return None, None, False
    levels = check_header(document, target, name, findings)
    results = document.get("results")
    if not isinstance(results, dict):
        return target, None, False
    found = read_results(results, target, name, findings)
    compared = _check_ids(found.ids, target, name, ids_of, findings)
    if not (np.isnan(found.verb).any() or np.isnan(found.noun).any()):
        _note_scores(found, target, name, findings)
    return target, ServerScores(found.ids, found.verb, found.noun, found.actions, levels), compared


def _check_ids(ids: Sequence[str], target: Target, name: str, ids_of: IdsOf, findings: Findings) -> bool:
    split = target.members.get(name) if name in KNOWN_MEMBERS else _likely_split(ids, target, ids_of)
    if split is None:
        findings.add("wrong member", f"{target.title} takes {' and '.join(target.members)}", name)
        return False
    expected = ids_of(target.name, split)
    if expected is None:
        findings.add(
            "ids not checked",
            f"the list of {target.name}/{split} is not here: clone its annotations into data/{target.name}",
            name,
            fatal=False,
        )
        return False
    wanted, held = set(expected), set(ids)
    if wanted == held:
        return True
    for other in set(target.members.values()) - {split}:
        listed = ids_of(target.name, other)
        if listed is not None and held == set(listed):
            findings.add("ids of another split", f"these are the clips of {other}, not of {split}", name)
            return True
    missing, unknown = sorted(wanted - held), sorted(held - wanted)
    if missing:
        findings.add(
            "missing ids", f"{len(missing):,} of {len(wanted):,} clips of {split} are missing: {_some(missing)}", name
        )
    if unknown:
        findings.add("unexpected ids", f"{len(unknown):,} ids are no clips of {split}: {_some(unknown)}", name)
    return True


def _likely_split(ids: Sequence[str], target: Target, ids_of: IdsOf) -> str | None:
    """The split that a bare JSON of another name is for: the one that shares most ids."""
    shared = {
        split: len(set(ids) & set(listed))
        for split in target.members.values()
        if (listed := ids_of(target.name, split))
    }
    return max(shared, key=shared.__getitem__) if shared else next(iter(target.members.values()))


def _note_scores(answers: ServerScores, target: Target, name: str, findings: Findings) -> None:
    """What is wrong with numbers that are all there."""
    for task, scores in (("verb", answers.verb), ("noun", answers.noun)):
        if not len(scores):
            continue
        constant = np.flatnonzero(np.ptp(scores, axis=1) == 0)
        if constant.size:
            findings.add(
                "constant scores",
                f"{constant.size:,} clips have equal scores for every {task}, first {answers.ids[constant[0]]}",
                name,
                fatal=False,
            )
        _note_kind(scores, task, answers.ids, name, findings)
    if differ := readings_differ(answers):
        findings.add(
            "file-wide softmax",
            f"the organisers' code takes the softmax over the whole file, which would change {len(differ):,} clips, such as {differ[0]}: "
            "write log-probabilities, each row by itself",
            name, fatal=False,
        )  # fmt: skip


def _note_kind(scores: Floats, task: str, ids: Sequence[str], name: str, findings: Findings) -> None:
    sums = np.exp(np.minimum(scores, 50.0)).sum(axis=1)
    off = np.flatnonzero(np.abs(sums - 1) > PROBABILITY_TOLERANCE)
    if are_probabilities(scores):
        findings.add(
            "probabilities",
            f"the {task} scores are probabilities; the server takes a softmax again, which flattens them",
            name,
            fatal=False,
        )
    elif 0 < off.size <= max(1, len(scores) // 100) < len(scores):
        findings.add(
            "odd rows",
            f"{off.size:,} clips, such as {ids[off[0]]}, have {task} scores that are no log-probabilities, as all the others are",
            name,
        )


def _some(ids: Sequence[str], most: int = 3) -> str:
    return ", ".join(ids[:most]) + (" .." if len(ids) > most else "")


def as_row(finding: Finding) -> dict[str, Any]:
    """A finding as a row of a table."""
    return {
        "verdict": "error" if finding.fatal else "note",
        "kind": finding.kind,
        "what": finding.what,
        "where": finding.where,
    }
