"""The registry: the shipped manifests, overridden by those of the workspace, and their validation."""

from __future__ import annotations

import difflib
import fnmatch
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec

from gsm_bench.entries import (
    FOREIGN_NETWORK,
    OWN_NETWORKS,
    CascadeEntry,
    DatasetEntry,
    EnsembleEntry,
    ModelEntry,
    TableEntry,
)
from gsm_bench.errors import ManifestError, SplitError
from gsm_bench.workspace import Workspace, shipped_manifests

SHIPPED_FILES = ("models.toml", "ensembles.toml", "datasets.toml", "tables.toml")
LOCAL_FILE = "local.toml"
SECTIONS: dict[str, type] = {
    "models": ModelEntry,
    "ensembles": EnsembleEntry,
    "datasets": DatasetEntry,
    "tables": TableEntry,
    "cascades": CascadeEntry,
}

Entry = TypeVar("Entry", ModelEntry, EnsembleEntry, DatasetEntry, TableEntry, CascadeEntry)


@dataclass(frozen=True)
class Origin:
    """The file of an entry, and whether it overrides a shipped entry."""

    file: Path
    shipped: bool
    overrides: bool = False


@dataclass(frozen=True)
class Manifest:
    """All entries of the registry by name."""

    models: Mapping[str, ModelEntry]
    ensembles: Mapping[str, EnsembleEntry]
    datasets: Mapping[str, DatasetEntry]
    tables: Mapping[str, TableEntry]
    origins: Mapping[tuple[str, str], Origin]
    cascades: Mapping[str, CascadeEntry] = field(default_factory=dict)

    def model(self, name: str) -> ModelEntry:
        """The model `name`; raises ManifestError with similar names if it is unknown."""
        return _find(self.models, name, "model", "gsmbench models list")

    def ensemble(self, name: str) -> EnsembleEntry:
        """The ensemble `name`; raises ManifestError if it is unknown."""
        return _find(self.ensembles, name, "ensemble", "gsmbench ensemble --members A,B fuses without an entry")

    def cascade(self, name: str) -> CascadeEntry:
        """The cascade `name`; raises ManifestError if it is unknown."""
        return _find(self.cascades, name, "cascade", "gsmbench cascade MODEL,MODEL --save NAME creates one")

    def dataset(self, name: str) -> DatasetEntry:
        """The data set `name`; raises ManifestError if it is unknown."""
        return _find(
            self.datasets, name, "data set", "add [datasets.NAME] to a .toml file in manifests/ of the workspace"
        )

    def table(self, name: str, dataset: str | None = None) -> TableEntry:
        """The table `name`, for `dataset` if it has such a version; raises ManifestError if it is unknown."""
        if dataset and f"{name}.{dataset}" in self.tables:
            return self.tables[f"{name}.{dataset}"]
        if name not in self.tables:
            numbers = [number for number in self.tables if "." not in number]
            raise ManifestError(f"No table {name}. Available: {', '.join(numbers)}.", fix="gsmbench table lists them")
        return self.tables[name]

    def place(self, dataset: str, split: str, asked_dataset: str | None, asked_split: str | None) -> tuple[str, str]:
        """Data set and split of a request: as requested, else the defaults; for another data set, its evaluation split."""
        name = asked_dataset or dataset
        entry = self.dataset(name)
        chosen = asked_split or (split if name == dataset else entry.evaluation_split)
        if chosen not in entry.splits:
            raise SplitError(f"{name} has no split {chosen!r}", fix=f"--split is one of {', '.join(entry.splits)}")
        return name, chosen

    def matching_models(self, patterns: Iterable[str]) -> list[ModelEntry]:
        """Models whose names match a wildcard, 8f before 12f; all models without a pattern."""
        patterns = list(patterns) or ["*"]
        for pattern in patterns:
            if not fnmatch.filter(self.models, pattern):
                self.model(pattern)
        names = {name for pattern in patterns for name in fnmatch.filter(self.models, pattern)}
        return [self.models[name] for name in sorted(names, key=natural_key)]


def load_manifest(workspace: Workspace | None = None) -> Manifest:
    """Read and validate all manifests.

    Args:
        workspace: its entries override the shipped ones; by default the one that `Workspace.locate` returns.

    Raises:
        ManifestError: an entry is wrong; the error names file, key and what is expected.
    """
    workspace = workspace or Workspace.locate()
    entries: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    origins: dict[tuple[str, str], Origin] = {}
    tables: dict[tuple[str, str], dict[str, Any]] = {}
    for path, shipped in _manifest_files(workspace):
        for section, name, own in _read_tables(path):
            tables[section, name] = raw = _with_inherited(own, section, tables, f"{path}, key {section}.{name}.like")
            entry = convert_entry(section, name, raw, path)
            origin = _origin(path, shipped, origins.get((section, name)), f"{section}.{name}")
            same_as_shipped = origin.overrides and entries[section][name] == entry
            origins[section, name] = replace(origin, overrides=origin.overrides and not same_as_shipped)
            entries[section][name] = entry
    manifest = Manifest(
        entries["models"], entries["ensembles"], entries["datasets"], entries["tables"], origins, entries["cascades"]
    )
    _check_references(manifest)
    return manifest


@cache
def shipped_dataset(name: str) -> DatasetEntry:
    """The shipped entry of a data set, whatever the workspace puts in its place; KeyError if there is none."""
    path = shipped_manifests() / "datasets.toml"
    raw = {own_name: own for section, own_name, own in _read_tables(path) if section == "datasets"}
    entry: DatasetEntry = convert_entry("datasets", name, raw[name], path)
    return entry


def convert_entry(section: str, name: str, raw: Mapping[str, Any], path: Path) -> Any:
    """The entry of a raw TOML table, validated; raises ManifestError."""
    kind = SECTIONS[section]
    key = f"{section}.{name}"
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


def check_model_fits(manifest: Manifest, entry: ModelEntry, path: Path) -> None:
    """Raise ManifestError if `entry`, from the file `path`, names a data set or split that does not exist."""
    origins = {**manifest.origins, ("models", entry.name): Origin(path, shipped=False)}
    _check_references(replace(manifest, models={**manifest.models, entry.name: entry}, origins=origins))


def natural_key(name: str) -> tuple[tuple[int, str], ...]:
    """Sort key that puts 8f before 12f."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name))


def _manifest_files(workspace: Workspace) -> list[tuple[Path, bool]]:
    shipped = [shipped_manifests() / name for name in SHIPPED_FILES]
    seen = {path.resolve() for path in shipped}
    mine = [
        path for path in sorted(workspace.manifests.glob("*.toml")) if path.is_file() and path.resolve() not in seen
    ]
    mine.sort(key=lambda path: path.name == LOCAL_FILE)  # entries of `models add` override the others
    return [(path, True) for path in shipped] + [(path, False) for path in mine]


def _read_tables(path: Path) -> Iterable[tuple[str, str, dict[str, Any]]]:
    """Section, name and raw table of every entry of a manifest."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ManifestError("a shipped manifest is missing", where=path, fix="install the package again") from error
    except (ValueError, RecursionError) as error:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        raise ManifestError(f"this manifest is not valid TOML: {error}", where=path, fix="correct that line") from error
    for section, entries in document.items():
        if section not in SECTIONS:
            raise ManifestError(
                f"unknown section [{section}]",
                where=path,
                fix=f"sections are {', '.join(SECTIONS)}{_nearest(section, SECTIONS)}",
            )
        if not isinstance(entries, dict):
            raise ManifestError(f"{section} must be a table of entries", where=path, fix=f"write [{section}.NAME]")
        for name, raw in entries.items():
            if not isinstance(raw, dict):
                raise ManifestError(
                    "an entry must be a table", where=f"{path}, key {section}.{name}", fix=f"write [{section}.{name}]"
                )
            yield section, name, raw


def _with_inherited(
    own: dict[str, Any], section: str, tables: Mapping[tuple[str, str], dict[str, Any]], where: str
) -> dict[str, Any]:
    """The keys of an entry, with those of the entry that `like` names as defaults."""
    if "like" not in own:
        return own
    names = [name for kind, name in tables if kind == section]
    if own["like"] not in names:
        raise ManifestError(
            f"`like` names no earlier entry: {own['like']!r}{_nearest(str(own['like']), names)}",
            where=where,
            fix=f"name a shipped entry of {section}, or move that entry before this one",
        )
    return tables[section, own["like"]] | {key: value for key, value in own.items() if key != "like"}


def _origin(path: Path, shipped: bool, before: Origin | None, key: str) -> Origin:
    if before is None:
        return Origin(path, shipped)
    if before.file != path and not before.shipped and path.name != LOCAL_FILE:
        raise ManifestError(
            f"{key} is defined twice, here and in {before.file}", where=path, fix="remove one of the two"
        )
    return Origin(path, shipped, overrides=before.shipped or before.overrides)


def _refuse_unknown_keys(raw: Mapping[str, Any], kind: type, key: str, path: Path) -> None:
    tables = _keys_of(kind)
    known = tables.keys() - {"name"}
    for name, value in raw.items():
        if name not in known:
            raise ManifestError(
                f"unknown key {name!r}{_nearest(name, known)}",
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
    if entry.network not in OWN_NETWORKS and not FOREIGN_NETWORK.fullmatch(entry.network):
        problem = ("network", f'{", ".join(OWN_NETWORKS)} or "package.module:function"')
    elif entry.network in OWN_NETWORKS and entry.temporal not in ("gsm", "none"):
        problem = ("temporal", "gsm or none")
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


def _check_references(manifest: Manifest) -> None:
    for section, name, target_section, target in _references(manifest):
        targets: Mapping[str, Any] = getattr(manifest, target_section)
        if target not in targets:
            raise ManifestError(
                f"{section}.{name} names {target_section}.{target}, which does not exist{_nearest(target, targets)}",
                where=f"{manifest.origins[section, name].file}, key {section}.{name}",
                fix=f"add [{target_section}.{target}] or correct the name",
            )
    for section, name, dataset, split in _splits_named(manifest):
        splits = manifest.datasets[dataset].splits
        if split not in splits:
            raise ManifestError(
                f"{dataset} has no split {split!r}",
                where=f"{manifest.origins[section, name].file}, key {section}.{name}.split",
                fix=f"its splits are {', '.join(splits)}",
            )


def _references(manifest: Manifest) -> Iterable[tuple[str, str, str, str]]:
    for model in manifest.models.values():
        yield "models", model.name, "datasets", model.dataset
    for ensemble in manifest.ensembles.values():
        for member in ensemble.members:
            yield "ensembles", ensemble.name, "models", member.model
    for cascade in manifest.cascades.values():
        for member in cascade.members:
            yield "cascades", cascade.name, "models", member.model
    for table in manifest.tables.values():
        if table.dataset:
            yield "tables", table.name, "datasets", table.dataset
        if table.with_paper:
            yield "tables", table.name, "tables", table.with_paper
        for row in (row for block in table.blocks for row in block):
            if row.model:
                yield "tables", table.name, "models", row.model
            if row.ensemble:
                yield "tables", table.name, "ensembles", row.ensemble


def _splits_named(manifest: Manifest) -> Iterable[tuple[str, str, str, str]]:
    for model in manifest.models.values():
        yield "models", model.name, model.dataset, model.split
    for table in manifest.tables.values():
        if table.dataset:
            yield "tables", table.name, table.dataset, table.split


def _find(entries: Mapping[str, Entry], name: str, noun: str, fix: str) -> Entry:
    if name not in entries:
        raise ManifestError(f"no {noun} {name!r}{_nearest(name, entries)}", fix=fix)
    return entries[name]


def _nearest(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(names), n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(near)}?" if near else ""
