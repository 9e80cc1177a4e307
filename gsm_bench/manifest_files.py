"""The manifest files of a workspace as raw tables, each entry on its own: one that is wrong leaves the others sound."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from gsm_bench.entries import CascadeEntry, DatasetEntry, EnsembleEntry, ModelEntry, TableEntry
from gsm_bench.errors import ManifestError
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
Value = TypeVar("Value")
Raw = dict[str, Any]


@dataclass(frozen=True)
class Origin:
    """The file of an entry, and whether it overrides a shipped entry."""

    file: Path
    shipped: bool
    overrides: bool = False


class Entries(dict[str, Value]):
    """The entries of a section by name. A wrong entry is in it, but not among its items: to look it up raises its error.

    Attributes:
        wrong: the error of each wrong entry.
        unread: errors of files that cannot be read, and may hold any entry.
    """

    def __init__(self, wrong: Mapping[str, ManifestError], unread: Sequence[ManifestError]) -> None:
        super().__init__()
        self.wrong = wrong
        self.unread = unread

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or name in self.wrong

    def __missing__(self, name: str) -> Value:
        raise self.wrong[name]


NOT_IN_NAMES = frozenset("/\\,@\x7f").union(map(chr, range(32)))
FILE_SUFFIXES = (".h5", ".hdf5", ".json", ".zip")
"""Ends of members that are files."""


def manifest_files(workspace: Workspace) -> list[tuple[Path, bool]]:
    """All manifest files in reading order, each with whether it is shipped."""
    shipped = [shipped_manifests() / name for name in SHIPPED_FILES]
    seen = {path.resolve() for path in shipped}
    mine = [
        path for path in sorted(workspace.manifests.glob("*.toml")) if path.is_file() and path.resolve() not in seen
    ]
    mine.sort(key=lambda path: path.name == LOCAL_FILE)  # entries of `models add` override the others
    return [(path, True) for path in shipped] + [(path, False) for path in mine]


def read_tables(path: Path) -> list[tuple[str, str, Raw | ManifestError]]:
    """Section, name and raw table of every entry of a manifest; an error in place of what is no table.

    Raises:
        ManifestError: the file is not TOML.
    """
    try:
        document = _parsed(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ManifestError("a shipped manifest is missing", where=path, fix="install the package again") from error
    except OSError as error:
        raise ManifestError(
            f"this manifest cannot be read: {error.strerror}", where=path, fix="allow reading it"
        ) from error
    except (ValueError, RecursionError) as error:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        raise ManifestError(f"this manifest is not valid TOML: {error}", where=path, fix="correct that line") from error
    return [row for section, entries in document.items() for row in _tables_of(section, entries, path)]


@lru_cache(maxsize=16)
def _parsed(text: str) -> Mapping[str, Any]:
    """The document of a TOML text, parsed once per process. Its values are shared, so nothing changes them."""
    return tomllib.loads(text)


def _tables_of(section: str, entries: Any, path: Path) -> Iterable[tuple[str, str, Raw | ManifestError]]:
    if section not in SECTIONS:
        fix = f"sections are {', '.join(SECTIONS)}{nearest(section, SECTIONS)}"
        yield section, "", ManifestError(f"unknown section [{section}]", where=path, fix=fix)
    elif not isinstance(entries, dict):
        yield (
            section,
            "",
            ManifestError(f"{section} must be a table of entries", where=path, fix=f"write [{section}.NAME]"),
        )
    else:
        for name, raw in entries.items():
            where = f"{path}, key {section}.{name}"
            fits = isinstance(raw, dict)
            wrong = ManifestError("an entry must be a table", where=where, fix=f"write [{section}.{name}]")
            yield section, name, raw if fits else wrong


def with_inherited(
    own: dict[str, Any], section: str, tables: Mapping[tuple[str, str], dict[str, Any]], where: str
) -> dict[str, Any]:
    """The keys of an entry, with those of the entry that `like` names as defaults."""
    if "like" not in own:
        return own
    names = [name for kind, name in tables if kind == section]
    if own["like"] not in names:
        raise ManifestError(
            f"`like` names no earlier entry: {own['like']!r}{nearest(str(own['like']), names)}",
            where=where,
            fix=f"name a shipped entry of {section}, or move that entry before this one",
        )
    return tables[section, own["like"]] | {key: value for key, value in own.items() if key != "like"}


def origin_of(path: Path, shipped: bool, before: Origin | None, key: str) -> Origin:
    if before is None:
        return Origin(path, shipped)
    if before.file != path and not before.shipped and path.name != LOCAL_FILE:
        raise ManifestError(
            f"{key} is defined twice, here and in {before.file}", where=path, fix="remove one of the two"
        )
    return Origin(path, shipped, overrides=before.shipped or before.overrides)


def nearest(name: str, names: Iterable[str]) -> str:
    """``; did you mean ..?`` with the names that are most like `name`; empty if none is."""
    near = difflib.get_close_matches(name, list(names), n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def check_name(section: str, name: str, path: Path) -> None:
    """Raise ManifestError for a name that is no part of a path, or that a list of members would take for something else."""
    odd = not name or name != name.strip() or name[0] in ".-" or set(name) & NOT_IN_NAMES
    if odd or name.endswith(FILE_SUFFIXES):
        raise ManifestError(
            f"{name!r} cannot be a name: it would be read as a path, an option or several members",
            where=f"{path}, key {section}.{name}", fix="use letters, digits, '_', '-' and '.', such as r3d_16f",
        )  # fmt: skip
