"""JSON and JSON lines as lists and dicts. A key that occurs twice is refused, because one of its values would be lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gsm_bench.errors import DumpError

JSON_GROWTH = 12
"""Bytes of memory per character: a score of eight characters becomes a Python number in a list."""


def read_json(text: str, where: Path) -> Any:
    """The value of a JSON document; of JSON lines, the list of their values."""
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and _is_complete(lines[0]) and _is_complete(lines[1]):
        return [_parsed(line, f"{where}, line {number}") for number, line in enumerate(lines, start=1)]
    return _parsed(text, where)


def _is_complete(line: str) -> bool:
    """Whether a line is a JSON value by itself, as in JSON lines, and not a part of a document."""
    try:
        return isinstance(json.loads(line), dict | list)
    except (ValueError, RecursionError):
        return False


def _parsed(text: str, where: Path | str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=lambda pairs: _unique(pairs, where))
    except (ValueError, RecursionError) as error:
        raise DumpError(f"this is not JSON ({error})", where=where, fix="write it again with a JSON library") from error


def _unique(pairs: list[tuple[str, Any]], where: Path | str) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        seen: set[str] = set()
        double = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise DumpError(f"the key {double!r} occurs twice", where=where, fix="give every video one entry")
    return values
