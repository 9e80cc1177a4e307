"""Groups of classes: those of a data set's entry, of a file, or the classes themselves."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gsm_bench.entries import DatasetEntry
from gsm_bench.errors import GsmBenchError
from gsm_bench.manifest_files import nearest

MOST_CLASSES = 20
"""Up to so many classes are shown as they are, unless groups are named."""

Groups = Mapping[str, Sequence[str]]
"""Class names by group."""


@dataclass(frozen=True)
class GroupedClasses:
    """Groups of classes.

    Attributes:
        names: of the groups.
        group_of: int64 [C], the group of each class; -1 for a class in none.
    """

    names: tuple[str, ...]
    group_of: NDArray[np.int64]


def grouped_classes(groups: Groups, class_names: Sequence[str]) -> GroupedClasses:
    """The group of each class.

    Raises:
        GsmBenchError: a class does not exist, or is in two groups.
    """
    number = {name: at for at, name in enumerate(class_names)}
    group_of = np.full(len(class_names), -1, np.int64)
    for at, (group, members) in enumerate(groups.items()):
        for name in members:
            if name not in number:
                raise GsmBenchError(
                    f"no class {name!r}, which the group {group!r} names{nearest(name, number)}",
                    fix="write it as in the class file of the data set",
                )
            if group_of[number[name]] >= 0:
                raise GsmBenchError(f"the class {name!r} is in two groups", fix="name it once")
            group_of[number[name]] = at
    return GroupedClasses(tuple(groups), group_of)


def chosen_groups(
    wanted: str | None, classes: Sequence[str], class_names: Sequence[str], entry: DatasetEntry | None
) -> Groups:
    """The groups that a request names.

    Args:
        wanted: a set of the entry, or a TOML file with a list of class names per group; None for the default: the
            classes themselves, or the first set of the entry where there are more than `MOST_CLASSES`.
        classes: only these classes, each a group, if there are any.
        class_names: C names.
        entry: of the data set.

    Raises:
        GsmBenchError: there are no such groups, or too many classes for none.
    """
    if classes:
        return {name: (name,) for name in classes}
    sets = entry.class_groups if entry else {}
    if wanted and wanted not in sets:
        return _read_groups(Path(wanted), sets)
    if wanted:
        return sets[wanted]
    if len(class_names) <= MOST_CLASSES:
        return {name: (name,) for name in class_names}
    if not sets:
        raise GsmBenchError(
            f"{len(class_names)} classes are too many for one figure",
            fix="--classes A,B names some, --groups FILE.toml groups of them",
        )
    return next(iter(sets.values()))


def _read_groups(path: Path, sets: Mapping[str, Groups]) -> Groups:
    """The groups of a TOML file: ``"group" = ["class", ..]``."""
    fix = '"name of the group" = ["class", "class"], one line per group'
    if not path.is_file():
        known = f"; this data set has {', '.join(sets)}" if sets else "; this data set has none"
        raise GsmBenchError(f"no groups {str(path)!r}{known}", fix=f"--groups FILE.toml, with {fix}")
    try:
        groups = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        raise GsmBenchError(f"this file of groups cannot be read: {error}", where=path, fix=fix) from error
    for name, members in groups.items():
        if not isinstance(members, list) or not members or not all(isinstance(one, str) for one in members):
            raise GsmBenchError(f"the group {name!r} is not a list of class names", where=path, fix=fix)
    if not groups:
        raise GsmBenchError("this file holds no groups", where=path, fix=fix)
    return groups
