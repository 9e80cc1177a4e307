"""Files for the EPIC-KITCHENS servers as score dumps: test.json, seen.json or unseen.json, bare or in a zip."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gsm_bench.errors import DumpError
from gsm_bench.importers.containers import SERVER_ZIP, DumpSource
from gsm_bench.importers.dump import Dump, ReadOptions, refuse_doubles, score_array
from gsm_bench.importers.listed_actions import ListedActions, are_products
from gsm_bench.submit.findings import Findings
from gsm_bench.submit.parse import NUMBERS, is_pair, read_results, target_of
from gsm_bench.submit.server_scores import ServerScores
from gsm_bench.submit.targets import SLS, TARGETS, Target, sls_words

TASKS = ("verb", "noun")


def fits_file(source: DumpSource) -> bool:
    """A zip with a server's file, or JSON whose `results` hold verbs and nouns by segment."""
    if source.container == SERVER_ZIP:
        return True
    document = source.value
    if source.container != "json" or not isinstance(document, dict) or "results" not in document:
        return False
    results = document["results"]
    rows = results.values() if isinstance(results, dict) else ()
    return "challenge" in document or any(isinstance(row, dict) and {*TASKS} <= row.keys() for row in rows)


def read_file(sources: list[DumpSource], options: ReadOptions) -> Dump:
    """Verbs and nouns of all segments, and the actions that they list."""
    (source,) = sources
    name, document = _chosen(source, options.split)
    findings, where = Findings(), source.path
    target = target_of(document, name, findings)
    if target is None:
        raise _refused(findings, where)
    notes = [f"{kept.what}" for kept in findings.kept]
    results = document.get("results")
    if not isinstance(results, dict) or not results:
        raise DumpError(f"{name} has no results", where=where, fix="give a file with a score per class and segment")
    findings = Findings()
    scores = read_results({segment: _verbs_and_nouns(row) for segment, row in results.items()}, target, name, findings)
    if findings.counts:
        raise _refused(findings, where)
    actions, action_notes = _read_actions(results, scores, target, where)
    return Dump(
        "epic-server",
        {task: score_array(getattr(scores, task), task, where) for task in TASKS},
        refuse_doubles(scores.ids, where),
        notes=(f"{name} is for {target.title}, version {target.version}", *notes, *_levels(document), *action_notes),
        actions=actions,
    )


def target_name(source: DumpSource) -> str | None:
    """The data set that a server's file is for; None if it does not say."""
    documents = source.value.values() if source.container == SERVER_ZIP else [source.value]
    targets = [target_of(document, "", Findings()) for document in documents]
    return next((target.name for target in targets if target is not None), None)


def segment_ids(source: DumpSource, split: str | None = None) -> tuple[str, ...]:
    """The ids of the segments in a server's file; empty if it is damaged. `split` as for `read_file`."""
    results = _chosen(source, split)[1].get("results")
    return tuple(results) if isinstance(results, dict) else ()


def _chosen(source: DumpSource, split: str | None) -> tuple[str, dict[str, Any]]:
    """Name and content of the one file in a source, or of the one of a split."""
    if source.container != SERVER_ZIP:
        return source.path.name, source.value
    documents: dict[str, Any] = source.value
    splits = {member: held for target in TARGETS.values() for member, held in target.members.items()}
    fitting = [name for name in documents if split in (None, splits.get(name)) or len(documents) == 1]
    if len(fitting) != 1:
        held = " and ".join(f"{name} ({splits.get(name, 'unknown')})" for name in documents)
        choices = " or ".join(splits[name] for name in documents if name in splits)
        raise DumpError(
            f"this zip holds {held}" + (f", nothing of {split}" if split and not fitting else ""), where=source.path,
            fix=f"--split {choices}, or unpack the zip and name one file",
        )  # fmt: skip
    name = fitting[0]
    if not isinstance(documents[name], dict):
        raise DumpError(f"{name} holds no object", where=source.path, fix="gsmbench check FILE lists what is wrong")
    return name, documents[name]


def _verbs_and_nouns(row: Any) -> Any:
    return {task: row[task] for task in TASKS if task in row} if isinstance(row, dict) else row


def _refused(findings: Findings, where: Path) -> DumpError:
    first, count = findings.kept[0], sum(findings.counts.values())
    more = f" ({count:,} faults in all)" if count > 1 else ""
    place = f"{where}, {first.where}" if first.where else where
    return DumpError(f"{first.what}{more}", where=place, fix="correct the file: gsmbench check FILE lists its faults")


def _levels(document: Mapping[str, Any]) -> list[str]:
    """The supervision levels that a file states, in words."""
    levels = {key: document[key] for key in SLS if type(document.get(key)) is int and 0 <= document[key] <= 5}
    if not levels:
        return []
    stated = "; ".join(sls_words(key, level) for key, level in levels.items())
    return [f"the file states {stated}: an ensemble has at least the highest levels of its members"]


def _read_actions(
    results: Mapping[str, Any], scores: ServerScores, target: Target, where: Path
) -> tuple[ListedActions | None, list[str]]:
    """The listed actions, unless they say nothing more than verbs and nouns; and a note."""
    without = [name for name, row in results.items() if "action" not in row]
    if len(without) == len(results):
        return None, []
    if without:
        return None, [
            f"{len(without):,} of {len(results):,} segments list no actions, first {without[0]!r}: the actions of the "
            "others are left out"
        ]
    listed = _listed(results, target, where)
    if are_products(listed, scores.verb, scores.noun):
        return None, ["the listed actions are products of verb and noun: they are computed again from both"]
    different, counts = len(listed.names()), listed.counts(len(results))
    same = counts == f"{different:,}"
    rest = (
        "" if same else f", {different:,} different ones in all; an action that a segment does not list has no chance"
    )
    return listed, [f"each segment lists {counts} actions{rest}"]


def _listed(results: Mapping[str, Any], target: Target, where: Path) -> ListedActions:
    rows: list[int] = []
    keys: list[str] = []
    values: list[float] = []
    known: set[str] = set()
    for row, (name, result) in enumerate(results.items()):
        listed = result["action"]
        place = f"{where}, {name!r}: action"
        if not isinstance(listed, dict) or not listed:
            raise DumpError("this is no object of actions", where=place, fix='write {"<verb>,<noun>": score, ..}')
        wrong = next((key for key in listed if key not in known and not is_pair(key, target)), None)
        if wrong is not None:
            raise DumpError(
                f"{wrong[:40]!r} is not <verb>,<noun> within the classes of {target.title}", where=place,
                fix="correct the key",
            )  # fmt: skip
        bad = next((k for k, v in listed.items() if type(v) not in NUMBERS or not math.isfinite(v)), None)
        if bad is not None:
            raise DumpError(f"{bad} has no finite number", where=place, fix="write a number")
        known |= listed.keys()
        rows += [row] * len(listed)
        keys += listed
        values += listed.values()
    number = {key: [int(part) for part in key.split(",")] for key in known}
    pairs = np.array([number[key] for key in keys], np.int64)
    return ListedActions(np.array(rows, np.int64), pairs, np.array(values, np.float64))
