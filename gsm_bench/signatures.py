"""Signatures: one line of all that could change a number of a run, taken apart and compared."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

ABSENT = "-"


@dataclass(frozen=True)
class SettingChange:
    """A setting in which two runs differ, with its value in each."""

    name: str
    first: str
    second: str


def signature_difference(before: str, now: str) -> str:
    """The settings in which two signatures differ, one per line."""
    if not _items(before):
        return "    all: what is there was made elsewhere and has no signature"
    return "\n".join(
        f"    {key}: there {there}, now {here}" for key, there, here in _different(_items(before), _items(now))
    )


def setting_changes(first: str, second: str) -> list[SettingChange]:
    """The changes in which two signatures differ; of a setting with parts, such as ``input``, only those parts."""
    changes = []
    for key, one, other in _different(_items(first), _items(second)):
        parts, others = _table(one), _table(other)
        if parts is None or others is None:
            changes.append(SettingChange(key, one, other))
        else:
            changes += [
                SettingChange(f"{key}.{part}", mine, theirs) for part, mine, theirs in _different(parts, others)
            ]
    return changes


def _items(signature: str) -> dict[str, str]:
    pairs = (item.partition("=") for item in signature.split("; "))
    return {key: value for key, equals, value in pairs if equals}


def _different(first: dict[str, str], second: dict[str, str]) -> list[tuple[str, str, str]]:
    keys = [key for key in {**first, **second} if first.get(key) != second.get(key)]
    return [(key, first.get(key, ABSENT), second.get(key, ABSENT)) for key in keys]


def _table(value: str) -> dict[str, str] | None:
    """The parts of a value that is a JSON table, as text; None for any other value."""
    try:
        found: Any = json.loads(value)
    except ValueError:
        return None
    return {key: json.dumps(part) for key, part in found.items()} if isinstance(found, dict) else None
