"""Signatures: one line of everything that could change a number of a run, parsed and compared."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

ABSENT = "-"


@dataclass(frozen=True)
class SettingChange:
    """A setting that differs between two runs, with both values."""

    name: str
    first: str
    second: str


def signature_difference(before: str, now: str) -> str:
    """Text with the settings that differ between two signatures, one per line."""
    if not _items(before):
        return "    all: the existing file has no signature"
    return "\n".join(f"    {key}: there {old}, now {new}" for key, old, new in _different(_items(before), _items(now)))


def setting_changes(first: str, second: str) -> list[SettingChange]:
    """The settings that differ between two signatures; of a JSON object, such as ``input``, only the keys that differ."""
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
    """The values of a JSON object as JSON text; None for any other value."""
    try:
        document: Any = json.loads(value)
    except ValueError:
        return None
    return {key: json.dumps(part) for key, part in document.items()} if isinstance(document, dict) else None
