"""Scores from the JSON of a submission; every damage becomes a finding with its place."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from gsm_bench.metrics.top_actions import SERVED, TopActions
from gsm_bench.submit.findings import Findings, first_ids
from gsm_bench.submit.server_scores import Floats, ServerScores
from gsm_bench.submit.targets import CHALLENGE, SLS, TARGETS, Target

BOM = b"\xef\xbb\xbf"
NUMBERS = {float, int}


def load_json(data: bytes, where: str, findings: Findings) -> Any:
    """The parsed document, or None with the reason in `findings`."""
    if data.startswith((BOM, b"\xff\xfe", b"\xfe\xff")):
        findings.add("byte order mark", "the file starts with a byte order mark: save it as UTF-8 without one", where)
        return None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        findings.add("not UTF-8", f"byte {error.start:,} is not UTF-8 text", where)
        return None
    if "\0" in text:
        findings.add("not UTF-8", "the file has null bytes, as UTF-16 and UTF-32 have: save it as UTF-8", where)
        return None
    literals: list[str] = []

    def note_literal(literal: str) -> float:
        literals.append(literal)
        return math.nan

    def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        values = dict(pairs)
        if len(values) != len(pairs):
            _name_duplicates(pairs, where, findings)
        return values

    try:
        document = json.loads(text, object_pairs_hook=without_duplicates, parse_constant=note_literal)
    except json.JSONDecodeError as error:
        findings.add("broken JSON", f"line {error.lineno}, column {error.colno}: {error.msg}", where)
        return None
    except RecursionError:
        findings.add("nested too deep", "too many objects inside objects", where)
        return None
    except ValueError as error:  # an integer of thousands of digits
        findings.add("broken JSON", str(error), where)
        return None
    if literals:
        findings.add("not finite", f"{literals[0]} occurs {len(literals):,} times; JSON does not have it", where)
    return document


def target_of(document: Any, where: str, findings: Findings) -> Target | None:
    """The server that a document is for, by its classes, else by its version; None with the reason in `findings`."""
    if not isinstance(document, dict):
        findings.add("not an object", f"the document is {_kind(document)}, not an object", where)
        return None
    version = document.get("version")
    by_version = next((target for target in TARGETS.values() if target.version == version), None)
    by_classes = _target_by_classes(document.get("results"))
    if by_classes and by_classes != by_version:
        classes = " and ".join(f"{count} {task}s" for task, count in by_classes.classes.items())
        findings.add(
            "wrong version",
            f'version is {_short(version)}, but {classes} are those of {by_classes.title}: write "{by_classes.version}"',
            f"{where}: version",
        )
    elif by_version is None:
        known = " or ".join(f'"{target.version}" ({target.title})' for target in TARGETS.values())
        findings.add("wrong version", f"version is {_short(version)}, not {known}", f"{where}: version")
    return by_classes or by_version


def _target_by_classes(results: Any) -> Target | None:
    """The server whose numbers of classes most of the segments have."""
    rows = [row for row in results.values() if isinstance(row, dict)] if isinstance(results, dict) else []
    for target in TARGETS.values():
        fitting = sum(
            all(isinstance(row.get(task), dict) and len(row[task]) == count for task, count in target.classes.items())
            for row in rows
        )
        if 2 * fitting > len(rows):
            return target
    return None


def check_header(document: dict[str, Any], target: Target, where: str, findings: Findings) -> dict[str, int]:
    """Check everything except the results; returns the supervision levels."""
    if document.get("challenge") != CHALLENGE:
        findings.add(
            "wrong challenge",
            f'challenge is {_short(document.get("challenge"))}, not "{CHALLENGE}"',
            f"{where}: challenge",
        )
    expected = {"version", "challenge", "results", *(SLS if target.sls else ())}
    for key in document.keys() - expected:
        findings.add("unknown key", f"{_short(key)} is not a key of this document", f"{where}: {key}")
    levels = {}
    for key in SLS if target.sls else ():
        level = document.get(key)
        if type(level) is not int or not 0 <= level <= 5:
            findings.add(
                "supervision level", f"{key} is {_short(level)}, not an integer from 0 to 5", f"{where}: {key}"
            )
        else:
            levels[key] = level
    if not isinstance(document.get("results"), dict):
        findings.add("no results", f"results is {_kind(document.get('results'))}, not an object", f"{where}: results")
    return levels


def read_results(results: dict[str, Any], target: Target, where: str, findings: Findings) -> ServerScores:
    """The scores of all segments; NaN in damaged rows."""
    ids = tuple(results)
    scores = {task: np.full((len(ids), classes), np.nan) for task, classes in target.classes.items()}
    keys = {task: [str(number) for number in range(classes)] for task, classes in target.classes.items()}
    listed: list[dict[str, float] | None] = []
    without: list[str] = []
    for row, (name, result) in enumerate(results.items()):
        place = f"{where}: {name!r}"
        if not isinstance(result, dict):
            findings.add("not an object", f"the segment has {_kind(result)}, not an object", place)
            listed.append(None)
            continue
        for task, columns in keys.items():
            values = _row(result.get(task), columns, f"{place}: {task}", findings)
            if values is not None:
                scores[task][row] = values
        if "action" not in result:
            without.append(name)
        listed.append(_listed_actions(result, target, f"{place}: action", findings))
        if result.keys() - {*target.classes, "action"}:
            extra = min(result.keys() - {*target.classes, "action"})
            findings.add("unknown key", f"{_short(extra)} is not a key of a segment", place)
    if 0 < len(without) < len(ids):
        what = f"{len(without):,} of {len(ids):,} segments have no actions, others do: {first_ids(without)}"
        findings.add("actions missing", what, where)
    return ServerScores(ids, scores["verb"], scores["noun"], _as_actions(listed))


def _row(row: Any, columns: list[str], where: str, findings: Findings) -> Iterable[float] | None:
    """The scores of one task in class order."""
    if not isinstance(row, dict):
        kind = "missing" if row is None else f"{_kind(row)}, not an object"
        findings.add("missing scores" if row is None else "not an object", f"the scores are {kind}", where)
        return None
    if list(row) == columns:
        values = list(row.values())
    else:
        problem = _key_problem(row, columns)
        if problem:
            findings.add(*problem, where)
            return None
        values = [row[column] for column in columns]
    if not set(map(type, values)) <= NUMBERS:
        at = next(at for at, value in enumerate(values) if type(value) not in NUMBERS)
        findings.add("not a number", f"class {at} has {_short(values[at])}, {_kind(values[at])}", f"{where}: {at}")
        return None
    if not all(map(math.isfinite, values)):
        at = next(at for at, value in enumerate(values) if not math.isfinite(value))
        findings.add("not finite", f"class {at} has a number beyond what float64 holds", f"{where}: {at}")
        return None
    return values


def _key_problem(values: dict[str, Any], columns: list[str]) -> tuple[str, str] | None:
    expected, given = set(columns), set(values)
    if given == expected:
        return None
    unknown = sorted(given - expected)
    absent = [column for column in columns if column not in given]
    if unknown:
        hint = f'; classes are "0" to "{len(columns) - 1}"'
        return (
            "unknown class",
            f"{_short(unknown[0])} is not a class{hint} ({len(unknown)} such, {len(absent)} missing)",
        )
    return "missing class", f"{len(absent)} of {len(columns)} classes are missing, first {absent[0]}"


def _listed_actions(result: dict[str, Any], target: Target, where: str, findings: Findings) -> dict[str, float] | None:
    if "action" not in result:
        return None
    listed = result["action"]
    if not target.actions:
        findings.add("actions not taken", f"{target.title} takes verbs and nouns only", where)
    elif not isinstance(listed, dict):
        findings.add("not an object", f"the actions are {_kind(listed)}, not an object", where)
    elif len(listed) != SERVED:
        findings.add("number of actions", f"{len(listed)} actions, must be {SERVED}", where)
    elif wrong := next((key for key in listed if not is_pair(key, target)), None):
        findings.add("not an action", f'{_short(wrong)} is not "<verb>,<noun>" within the classes', where)
    elif bad := next((k for k, v in listed.items() if type(v) not in NUMBERS or not math.isfinite(v)), None):
        kind = "not finite" if type(listed[bad]) in NUMBERS else "not a number"
        findings.add(kind, f"{bad} has {_short(listed[bad])}", where)
    else:
        return listed
    return None


def is_pair(key: str, target: Target) -> bool:
    """Whether a key is ``<verb>,<noun>`` within the classes of a target."""
    verb, comma, noun = key.partition(",")
    limits = (target.classes["verb"], target.classes["noun"])
    return bool(comma) and all(
        len(part) < 7 and part.isascii() and part.isdecimal() and str(int(part)) == part and int(part) < limit
        for part, limit in zip((verb, noun), limits, strict=True)
    )


def _as_actions(listed: list[dict[str, float] | None]) -> TopActions | None:
    """The actions of all segments; None if some have none."""
    if not listed or None in listed:
        return None
    pairs = np.array([[key.split(",") for key in actions] for actions in listed if actions], dtype=np.int64)
    scores: Floats = np.array([list(actions.values()) for actions in listed if actions], dtype=np.float64)
    return TopActions(pairs[:, :, 0], pairs[:, :, 1], scores)


def _name_duplicates(pairs: list[tuple[str, Any]], where: str, findings: Findings) -> None:
    """A finding per duplicate key: JSON parsers, the server's too, keep the last one silently."""
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            findings.add("duplicate key", f"duplicate key {_short(key)}; the server keeps one of them", where)
        seen.add(key)


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "nothing"}
    return names.get(type(value), "a number")


def _short(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 40 else f"{text[:37]}..."
