"""The user's own entries: written into ``manifests/local.toml`` of the workspace, never into a shipped file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import tomlkit

from gsm_bench.entries import CascadeEntry, Member, ModelEntry
from gsm_bench.errors import ManifestError
from gsm_bench.files import write_whole
from gsm_bench.manifest import LOCAL_FILE, check_model_fits, convert_entry, load_manifest
from gsm_bench.settings import Space
from gsm_bench.workspace import Workspace


def save_model(workspace: Workspace, name: str, raw: Mapping[str, Any], *, force: bool = False) -> Path:
    """Validate a raw model table and write it; returns the file.

    Raises:
        ManifestError: a bad entry, or a name that local.toml has already (unless `force`).
    """
    path = workspace.manifests / LOCAL_FILE
    check_model_fits(load_manifest(workspace), convert_entry("models", name, raw, path), path)
    return _save(path, "models", name, raw, force=force)


def save_ensemble(
    workspace: Workspace, name: str, members: Sequence[Member], space: Space, title: str = "", *, force: bool = False
) -> Path:
    """Write an ensemble of registered models into local.toml; returns the file.

    Raises:
        ManifestError: a model that is not registered, or a name that local.toml has already (unless `force`).
    """
    raw = {"title": title, "members": [_plain_member(member) for member in members], "space": space}
    return _save_members(workspace, "ensembles", name, raw, force=force)


def save_cascade(workspace: Workspace, entry: CascadeEntry, *, force: bool = False) -> Path:
    """Write a cascade of registered models into local.toml; returns the file; raises as `save_ensemble`."""
    raw: dict[str, Any] = _without_none(msgspec.to_builtins(entry))
    del raw["name"]
    return _save_members(workspace, "cascades", entry.name, raw, force=force)


def _save_members(workspace: Workspace, section: str, name: str, raw: Mapping[str, Any], *, force: bool) -> Path:
    path = workspace.manifests / LOCAL_FILE
    entry = convert_entry(section, name, raw, path)
    manifest = load_manifest(workspace)
    for member in entry.members:
        manifest.model(member.model)
    return _save(path, section, name, raw, force=force)


def _plain_member(member: Member) -> dict[str, Any]:
    plain: dict[str, Any] = _without_none(msgspec.to_builtins(member))
    return plain


def _save(path: Path, section: str, name: str, raw: Mapping[str, Any], *, force: bool) -> Path:
    document = tomlkit.parse(path.read_text(encoding="utf-8")) if path.exists() else tomlkit.document()
    entries = document.setdefault(section, tomlkit.table(is_super_table=True))
    if name in entries and not force:
        raise ManifestError(
            f"{name} is in the workspace's own manifest already", where=path, fix="--force, or another name"
        )
    entries[name] = _table(raw)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, tomlkit.dumps(document).encode())
    return path


def pin_checkpoint(workspace: Workspace, entry: ModelEntry, sha256: str) -> Path:
    """Write the entry with its checkpoint's sha256 into local.toml; returns the file."""
    pinned = replace(entry, checkpoint=replace(entry.checkpoint, sha256=sha256))
    return save_model(workspace, entry.name, raw_model(pinned), force=True)


def raw_model(entry: ModelEntry) -> dict[str, Any]:
    """The TOML table of an entry, whole."""
    raw: dict[str, Any] = _without_none(msgspec.to_builtins(entry))
    del raw["name"]
    return raw


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_without_none(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _table(raw: Mapping[str, Any]) -> tomlkit.items.Table:
    """A table whose inner tables are inline, as the shipped manifests write them."""
    table = tomlkit.table()
    for key, value in raw.items():
        table[key] = _inline(value)
    return table


def _inline(value: Any) -> Any:
    if isinstance(value, Mapping):
        inline = tomlkit.inline_table()
        inline.update({key: _inline(item) for key, item in value.items()})
        return inline
    if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        array = tomlkit.array()
        array.extend(_inline(item) for item in value)
        return array.multiline(True)
    return value
