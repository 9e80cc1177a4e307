"""From raw tables of a manifest to validated entries."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec

from gsm_bench.entries import (
    FOREIGN_NETWORK,
    LIBRARIES,
    OWN_NETWORKS,
    CascadeEntry,
    DatasetEntry,
    ModelEntry,
    library_of,
    runs_named_code,
)
from gsm_bench.errors import ManifestError
from gsm_bench.manifest_files import SECTIONS, check_name, nearest
from gsm_bench.sampling_rules import sampling_problem
from gsm_bench.settings import TemporalModule

LIBRARY_NETWORK = re.compile(r"\w+:[\w.-]+")


def convert_entry(section: str, name: str, raw: Mapping[str, Any], path: Path) -> Any:
    """The entry of a raw TOML table, validated; raises ManifestError."""
    kind = SECTIONS[section]
    key = f"{section}.{name}"
    if section != "tables":
        check_name(section, name, path)
    _refuse_unknown_keys(raw, kind, key, path)
    try:
        entry: Any = msgspec.convert({**raw, "name": name}, kind)
    except msgspec.ValidationError as error:
        message, _, at = str(error).partition(" - at `$")
        raise ManifestError(
            f"bad entry: {message}",
            where=f"{path}, key {key}{at.rstrip('`')}",
            fix=f"edit {path.name}; see gsmbench models show",
        ) from error
    if isinstance(entry, ModelEntry):
        _check_model(entry, key, path)
    if isinstance(entry, CascadeEntry) and len(entry.thresholds) != len(entry.members) - 1:
        raise ManifestError(
            f"bad entry: {len(entry.thresholds)} thresholds for {len(entry.members)} members",
            where=f"{path}, key {key}.thresholds",
            fix="give one threshold per member but the last",
        )
    if isinstance(entry, DatasetEntry):
        _check_frame_pattern(entry, key, path)
    return entry


def _refuse_unknown_keys(raw: Mapping[str, Any], kind: type, key: str, path: Path) -> None:
    tables = _keys_of(kind)
    known = tables.keys() - {"name"}
    for name, value in raw.items():
        if name not in known:
            raise ManifestError(
                f"unknown key {name!r}{nearest(name, known)}",
                where=f"{path}, key {key}.{name}",
                fix=f"valid keys: {', '.join(sorted(known))}",
            )
        for inner in tables[name]:
            for position, item in _tables_in(value, by_name=name == "splits"):
                _refuse_unknown_keys(item, inner, f"{key}.{name}{position}", path)


@cache
def _keys_of(kind: type) -> dict[str, list[type]]:
    """The keys of an entry class, each with the classes of tables in its value."""
    hints = get_type_hints(kind)
    return {field.name: _dataclasses_in(hints[field.name]) for field in fields(kind)}


def _dataclasses_in(hint: Any) -> list[type]:
    if is_dataclass(hint) and isinstance(hint, type):
        return [hint]
    return [inner for argument in get_args(hint) for inner in _dataclasses_in(argument)]


def _tables_in(value: Any, *, by_name: bool) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """The tables inside a value, each with its position."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            for place, inner in _tables_in(item, by_name=False):
                yield f"[{index}]{place}", inner
    elif isinstance(value, dict):
        if by_name:
            yield from ((f".{name}", item) for name, item in value.items() if isinstance(item, dict))
        else:
            yield "", value


def _check_model(entry: ModelEntry, key: str, path: Path) -> None:
    spec = entry.input
    problem = None
    if runs_named_code(entry.network) and not FOREIGN_NETWORK.fullmatch(entry.network):
        libraries = ", ".join(f"{library}:NAME" for library in LIBRARIES)
        problem = ("network", f'{", ".join(OWN_NETWORKS)}, {libraries} or "package.module:function"')
    elif entry.network in OWN_NETWORKS and entry.temporal not in get_args(TemporalModule):
        problem = ("temporal", f"one of {', '.join(get_args(TemporalModule))}")
    elif library_of(entry.network) and not LIBRARY_NETWORK.fullmatch(entry.network):
        problem = ("network", f"{library_of(entry.network)}:NAME")
    elif spec.stretch is not None and min(spec.stretch) != spec.resize:
        problem = ("input.resize", f"the shorter side of input.stretch ({min(spec.stretch)})")
    elif sampling_problem(entry.sampling, entry.frames, entry.clips):
        problem = ("sampling", f"another one: {sampling_problem(entry.sampling, entry.frames, entry.clips)}")
    elif spec.size > spec.resize:
        problem = ("input.size", f"at most input.resize ({spec.resize})")
    elif any(value <= 0 for value in spec.std):
        problem = ("input.std", "three positive numbers")
    elif entry.checkpoint.sha256 and not re.fullmatch(r"[0-9a-f]{64}", entry.checkpoint.sha256):
        problem = ("checkpoint.sha256", "64 hexadecimal digits, or empty if unknown")
    if problem:
        name, expected = problem
        raise ManifestError(
            f"bad entry: {name} must be {expected}", where=f"{path}, key {key}.{name}", fix=f"edit {path.name}"
        )


def _check_frame_pattern(entry: DatasetEntry, key: str, path: Path) -> None:
    for name, pattern in [
        ("frame_pattern", entry.frame_pattern),
        *(("other_frame_patterns", other) for other in entry.other_frame_patterns),
    ]:
        if not _names_frames(pattern):
            raise ManifestError(
                f"bad entry: {pattern!r} is not a pattern of frame files",
                where=f"{path}, key {key}.{name}",
                fix="write a folder per video and a number per frame: {id}/{frame:05d}.jpg",
            )


def _names_frames(pattern: str) -> bool:
    try:
        folder, slash, file = pattern.rpartition("/")
        file.format(frame=1, id="a", video="a", participant="a")
        folder.format(id="a", video="a", participant="a")
        return bool(slash) and "{" in folder and "{frame" in file
    except (KeyError, ValueError, IndexError):
        return False
