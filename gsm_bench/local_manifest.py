"""Entries of the user, written to ``manifests/local.toml`` of the workspace."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import tomlkit

from gsm_bench.entries import CascadeEntry, Member, ModelEntry
from gsm_bench.errors import ManifestError
from gsm_bench.files import locked, write_whole
from gsm_bench.manifest import LOCAL_FILE, check_model_fits, convert_entry, load_manifest
from gsm_bench.settings import Space
from gsm_bench.workspace import Workspace


def save_model(workspace: Workspace, name: str, raw: Mapping[str, Any], *, force: bool = False) -> Path:
    """Validate a raw model table and write it to local.toml; returns the path.

    Raises:
        ManifestError: the entry is wrong, or local.toml has the name already and `force` is not set.
    """
    path = workspace.manifests / LOCAL_FILE
    check_model_fits(load_manifest(workspace), convert_entry("models", name, raw, path), path)
    return _save(path, "models", name, raw, force=force)


def save_ensemble(
    workspace: Workspace, name: str, members: Sequence[Member], space: Space, title: str = "", *, force: bool = False
) -> Path:
    """Write an ensemble of registered models to local.toml; returns the path.

    Raises:
        ManifestError: a model is not registered, or local.toml has the name already and `force` is not set.
    """
    raw = {"title": title, "members": [_plain_member(member) for member in members], "space": space}
    return _save_members(workspace, "ensembles", name, raw, force=force)


def save_cascade(workspace: Workspace, entry: CascadeEntry, *, force: bool = False) -> Path:
    """Write a cascade of registered models to local.toml; returns the path; raises as `save_ensemble`."""
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
    with locked(path):
        document = _parsed(path) if path.exists() else tomlkit.document()
        entries = document.setdefault(section, tomlkit.table(is_super_table=True))
        if not isinstance(entries, MutableMapping):
            raise ManifestError(
                f"{section} holds a value, not entries", where=path, fix=f"write [{section}.NAME] there"
            )
        if name in entries and not force:
            fix = "choose another name, or replace it with --force"
            raise ManifestError(f"{name} exists already in this manifest", where=path, fix=fix)
        entries[name] = _table(raw)
        write_whole(path, tomlkit.dumps(document).encode())
    return path


def _parsed(path: Path) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"this manifest is not valid TOML: {error}", where=path, fix="correct that line") from error


def pin_checkpoint(workspace: Workspace, entry: ModelEntry, sha256: str) -> Path:
    """Write the entry with the sha256 of its checkpoint to local.toml; returns the path."""
    pinned = replace(entry, checkpoint=replace(entry.checkpoint, sha256=sha256))
    return save_model(workspace, entry.name, raw_model(pinned), force=True)


def raw_model(entry: ModelEntry) -> dict[str, Any]:
    """The complete TOML table of an entry."""
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
    """A table with inline inner tables, as in the shipped manifests."""
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
