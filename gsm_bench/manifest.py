"""The registry: the shipped manifests, overridden by those of the workspace, and their validation."""

from __future__ import annotations

import fnmatch
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from gsm_bench.entries import (
    CascadeEntry,
    DatasetEntry,
    EnsembleEntry,
    ModelEntry,
    TableEntry,
)
from gsm_bench.entry_validation import convert_entry
from gsm_bench.errors import ManifestError, NetworkError, SplitError
from gsm_bench.manifest_files import (
    LOCAL_FILE,
    SECTIONS,
    Entries,
    Origin,
    manifest_files,
    nearest,
    origin_of,
    read_tables,
    with_inherited,
)
from gsm_bench.workspace import Workspace, shipped_manifests

__all__ = [
    "LOCAL_FILE",
    "Manifest",
    "Origin",
    "check_model_fits",
    "convert_entry",
    "load_manifest",
    "natural_key",
    "shipped_dataset",
]

Entry = TypeVar("Entry", ModelEntry, EnsembleEntry, DatasetEntry, TableEntry, CascadeEntry)


@dataclass(frozen=True)
class Manifest:
    """All entries of the registry by name.

    Attributes:
        problems: errors of entries and files of the workspace that cannot be used.
    """

    models: Mapping[str, ModelEntry]
    ensembles: Mapping[str, EnsembleEntry]
    datasets: Mapping[str, DatasetEntry]
    tables: Mapping[str, TableEntry]
    origins: Mapping[tuple[str, str], Origin]
    cascades: Mapping[str, CascadeEntry] = field(default_factory=dict)
    problems: Sequence[ManifestError] = ()

    def model(self, name: str) -> ModelEntry:
        """The model `name`; raises ManifestError with similar names if it is unknown."""
        return _find(self.models, name, "model", "gsmbench models list")

    def ensemble(self, name: str) -> EnsembleEntry:
        """The ensemble `name`; raises ManifestError if it is unknown."""
        return _find(self.ensembles, name, "ensemble", "gsmbench ensemble --members A,B fuses without an entry")

    def cascade(self, name: str) -> CascadeEntry:
        """The cascade `name`; raises ManifestError if it is unknown."""
        return _find(self.cascades, name, "cascade", "gsmbench cascade MODEL,MODEL --save NAME creates one")

    def models_of(self, names: Iterable[str]) -> list[ModelEntry]:
        """The models of these names, and the members of ensembles of these names; unknown names are left out."""
        members = [
            [member.model for member in self.ensembles[name].members] if name in self.ensembles else [name]
            for name in names
        ]
        return [self.models[name] for name in dict.fromkeys(itertools.chain(*members)) if name in self.models]

    def dataset(self, name: str) -> DatasetEntry:
        """The data set `name`; raises ManifestError if it is unknown."""
        return _find(
            self.datasets,
            name,
            "data set",
            "gsmbench datasets list; your own are [datasets.NAME] in a .toml file in manifests/",
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
    """Read and validate all manifests; a wrong entry of the workspace stops only those who look it up.

    Args:
        workspace: its entries override the shipped ones; by default the one that `Workspace.locate` returns.

    Raises:
        ManifestError: a shipped entry is wrong.
    """
    workspace = workspace or Workspace.locate()
    reading = _Reading()
    for path, shipped in manifest_files(workspace):
        try:
            rows = read_tables(path)
        except ManifestError as error:
            reading.unread.append(_unless(shipped, error))
            continue
        for section, name, raw in rows:
            try:
                reading.add(section, name, raw, path, shipped=shipped)
            except ManifestError as error:
                reading.refuse(section, name, _unless(shipped, error))
    return reading.manifest()


def _unless(shipped: bool, error: ManifestError) -> ManifestError:
    if shipped:
        raise error
    return error


class _Reading:
    """The entries that were read so far."""

    def __init__(self) -> None:
        self.unread: list[ManifestError] = []
        self.problems: list[ManifestError] = []
        self.wrong: dict[str, dict[str, ManifestError]] = {section: {} for section in SECTIONS}
        self.entries: dict[str, Entries[Any]] = {
            section: Entries(self.wrong[section], self.unread) for section in SECTIONS
        }
        self.origins: dict[tuple[str, str], Origin] = {}
        self.tables: dict[tuple[str, str], dict[str, Any]] = {}

    def add(self, section: str, name: str, own: dict[str, Any] | ManifestError, path: Path, *, shipped: bool) -> None:
        """Validate an entry, which overrides one of the same name; raises ManifestError."""
        if isinstance(own, ManifestError):
            raise own
        where = f"{path}, key {section}.{name}.like"
        self.tables[section, name] = raw = with_inherited(own, section, self.tables, where)
        entry = convert_entry(section, name, raw, path)
        origin = origin_of(path, shipped, self.origins.get((section, name)), f"{section}.{name}")
        same_as_shipped = origin.overrides and self.entries[section].get(name) == entry
        self.origins[section, name] = replace(origin, overrides=origin.overrides and not same_as_shipped)
        self.entries[section][name] = entry
        self.wrong[section].pop(name, None)

    def refuse(self, section: str, name: str, error: ManifestError) -> None:
        """Take an entry out, with the reason."""
        if error not in self.problems:
            self.problems.append(error)
        if section in SECTIONS and name:
            self.entries[section].pop(name, None)
            self.wrong[section][name] = error

    def manifest(self) -> Manifest:
        """The registry, once every entry refers to sound ones only."""
        manifest = Manifest(
            **self.entries,
            origins=self.origins,
            problems=self.problems,
        )
        for section in ("models", "ensembles", "cascades", "tables", "tables"):  # tables refer to tables, too
            for name, entry in list(self.entries[section].items()):
                try:
                    _check_references(manifest, section, entry, self.origins[section, name].file)
                except ManifestError as error:
                    self.refuse(section, name, error)
        return replace(manifest, problems=(*self.unread, *self.problems))


@cache
def shipped_dataset(name: str) -> DatasetEntry:
    """The shipped entry of a data set, whatever the workspace puts in its place; KeyError if there is none."""
    path = shipped_manifests() / "datasets.toml"
    raw = {own_name: own for section, own_name, own in read_tables(path) if section == "datasets"}
    entry: DatasetEntry = convert_entry("datasets", name, cast("dict[str, Any]", raw[name]), path)
    return entry


def check_model_fits(manifest: Manifest, entry: ModelEntry, path: Path) -> None:
    """Raise ManifestError if `entry`, from the file `path`, names a data set or split that does not exist."""
    _check_references(manifest, "models", entry, path)


def check_same_classes(entry: ModelEntry, dataset: DatasetEntry) -> None:
    """Refuse a model whose columns stand for other classes than the labels of the data set."""
    if entry.class_order != dataset.class_order:
        raise NetworkError(
            f"{entry.name} orders its classes by {entry.class_order}, {dataset.name} by {dataset.class_order}",
            fix="use a data set entry with the model's class_order, so that labels and columns mean the same",
        )
    for task, classes in dataset.tasks.items():
        if 0 not in (classes, entry.tasks.get(task, 0)) and entry.tasks[task] != classes:
            raise NetworkError(
                f"{entry.name} has {entry.tasks[task]} {task} classes, {dataset.name} has {classes}",
                fix="score the data set that the model was trained for, or correct `classes` of its entry",
            )


def natural_key(name: str) -> tuple[tuple[int, str], ...]:
    """Sort key that puts 8f before 12f."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name))


def _check_references(manifest: Manifest, section: str, entry: Any, path: Path) -> None:
    where = f"{path}, key {section}.{entry.name}"
    for target_section, target in _references(entry):
        targets: Mapping[str, Any] = getattr(manifest, target_section)
        if target not in targets:
            raise ManifestError(
                f"{section}.{entry.name} names {target_section}.{target}, which does not exist{nearest(target, targets)}",
                where=where,
                fix=f"add [{target_section}.{target}] or correct the name",
            )
        targets[target]  # raises the error of a wrong entry
    if (
        isinstance(entry, ModelEntry | TableEntry)
        and entry.dataset
        and entry.split not in manifest.datasets[entry.dataset].splits
    ):
        raise ManifestError(
            f"{entry.dataset} has no split {entry.split!r}",
            where=f"{where}.split",
            fix=f"its splits are {', '.join(manifest.datasets[entry.dataset].splits)}",
        )


def _references(entry: Any) -> Iterable[tuple[str, str]]:
    """Section and name of every entry that an entry refers to."""
    match entry:
        case ModelEntry():
            yield "datasets", entry.dataset
        case EnsembleEntry() | CascadeEntry():
            yield from (("models", member.model) for member in entry.members)
        case TableEntry():
            yield from [("datasets", entry.dataset)] if entry.dataset else []
            yield from [("tables", entry.with_paper)] if entry.with_paper else []
            for row in (row for block in entry.blocks for row in block):
                yield from [("models", row.model)] if row.model else []
                yield from [("ensembles", row.ensemble)] if row.ensemble else []


def _find(entries: Mapping[str, Entry], name: str, noun: str, fix: str) -> Entry:
    if name not in entries:
        if isinstance(entries, Entries) and entries.unread:
            raise entries.unread[0]
        raise ManifestError(f"no {noun} {name!r}{nearest(name, entries)}", fix=fix)
    return entries[name]
