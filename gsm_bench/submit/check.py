"""A submission validated as its server would, before an attempt is spent on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gsm_bench.submit.archive import KNOWN_MEMBERS, members
from gsm_bench.submit.findings import Finding, Findings, Severity, first_ids
from gsm_bench.submit.parse import check_header, load_json, read_results, target_of
from gsm_bench.submit.score_checks import check_scores
from gsm_bench.submit.server_scores import ServerScores
from gsm_bench.submit.targets import Target

IdsOf = Callable[[str, str], Sequence[str] | None]
"""Segment ids of a split by data set and split; None if its list is missing."""


@dataclass(frozen=True)
class Verdict:
    """Whether a server would accept a file, and why not.

    Attributes:
        findings: errors, warnings and notes.
        contents: the scores of each member of the zip that could be read.
        target: the server that it is for; None if unknown.
        ids_checked: whether the ids were compared with the split's list.
        notes: what could not be checked, and why.
    """

    findings: tuple[Finding, ...]
    contents: Mapping[str, ServerScores]
    target: Target | None
    ids_checked: bool
    notes: tuple[str, ...] = ()

    @property
    def passes(self) -> bool:
        """Whether the server would accept the file and read the intended scores."""
        return not self.of("error") and bool(self.contents)

    def of(self, severity: Severity) -> tuple[Finding, ...]:
        """The findings of one severity."""
        return tuple(finding for finding in self.findings if finding.severity == severity)


def check_file(path: Path, ids_of: IdsOf) -> Verdict:
    """Validate a zip or JSON file from any source.

    Args:
        path: the file.
        ids_of: segment ids by data set and split.
    """
    findings = Findings()
    files = members(path, findings)
    contents: dict[str, ServerScores] = {}
    targets: list[Target] = []
    checked = bool(files)
    for name, data in files.items():
        target, scores, compared = _check_document(data, name, ids_of, findings)
        checked &= compared
        if target:
            targets.append(target)
        if scores is not None:
            contents[name] = scores
    if len({target.name for target in targets}) > 1:
        findings.add("mixed challenges", "the files in the zip are for different servers", path.name)
    target = targets[0] if targets else None
    if target and path.name in files:
        inside = " and ".join(target.members)
        findings.add("not a zip", f"the server takes a zip: zip it as {inside}", path.name, severity="note")
    elif target and (absent := target.members.keys() - files.keys()):
        severity: Severity = "error" if len(target.members) == 1 else "note"
        findings.add("missing member", f"{', '.join(sorted(absent))} is not in the zip", path.name, severity)
    return Verdict(findings.result(), contents, target, checked)


def _check_document(
    data: bytes, name: str, ids_of: IdsOf, findings: Findings
) -> tuple[Target | None, ServerScores | None, bool]:
    """Target and scores of one JSON file, and whether its ids were compared."""
    document = load_json(data, name, findings)
    target = target_of(document, name, findings) if document is not None else None
    if target is None:
        return None, None, False
    levels = check_header(document, target, name, findings)
    results = document.get("results")
    if not isinstance(results, dict):
        return target, None, False
    scores = read_results(results, target, name, findings)
    compared = _check_ids(scores.ids, target, name, ids_of, findings)
    if not (np.isnan(scores.verb).any() or np.isnan(scores.noun).any()):
        for finding in check_scores(scores, name):
            findings.add(finding.kind, finding.what, finding.where, finding.severity)
    return target, replace(scores, sls=levels), compared


def _check_ids(ids: Sequence[str], target: Target, name: str, ids_of: IdsOf, findings: Findings) -> bool:
    split = target.members.get(name) if name in KNOWN_MEMBERS else _likely_split(ids, target, ids_of)
    if split is None:
        findings.add("wrong member", f"{target.title} takes {' and '.join(target.members)}", name)
        return False
    expected = ids_of(target.name, split)
    if expected is None:
        findings.add(
            "ids not checked",
            f"the list of {target.name}/{split} is missing: clone its annotations into data/{target.name}",
            name,
            severity="note",
        )
        return False
    listed_ids, held_ids = set(expected), set(ids)
    if listed_ids == held_ids:
        return True
    for other in set(target.members.values()) - {split}:
        listed = ids_of(target.name, other)
        if listed is not None and held_ids == set(listed):
            findings.add("ids of another split", f"these are the segments of {other}, not of {split}", name)
            return True
    missing, unknown = sorted(listed_ids - held_ids), sorted(held_ids - listed_ids)
    if missing:
        findings.add(
            "missing ids",
            f"{len(missing):,} of {len(expected):,} segments of {split} are missing: {first_ids(missing)}",
            name,
        )
    if unknown:
        findings.add("unexpected ids", f"{len(unknown):,} ids are not in {split}: {first_ids(unknown)}", name)
    return True


def _likely_split(ids: Sequence[str], target: Target, ids_of: IdsOf) -> str | None:
    """The split of a bare JSON with another name: the one that shares most ids."""
    shared = {
        split: len(set(ids) & set(listed))
        for split in target.members.values()
        if (listed := ids_of(target.name, split))
    }
    return max(shared, key=shared.__getitem__) if shared else next(iter(target.members.values()))


def as_row(finding: Finding) -> dict[str, Any]:
    """A finding as a row of a table."""
    return {
        "verdict": finding.severity,
        "kind": finding.kind,
        "what": finding.what,
        "where": finding.where,
    }
