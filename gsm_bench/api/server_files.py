"""Files for the EPIC-KITCHENS servers as members: opened in memory, with the columns of their actions made equal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from gsm_bench.actions import are_pairs, parse_pairs
from gsm_bench.api.sources import NamedSource
from gsm_bench.ensembles.members import SERVER_SUFFIXES, MemberSpec, file_name
from gsm_bench.errors import AlignmentError, DumpError, GsmBenchError
from gsm_bench.importers.containers import DumpSource, read_source
from gsm_bench.importers.convert import Imported, import_dump
from gsm_bench.importers.epic_server import fits_file, segment_ids, target_name
from gsm_bench.importers.listed_actions import columns_of
from gsm_bench.importers.orders import ImportRequest
from gsm_bench.scorefile import ClipScores, InMemoryScores, open_scores
from gsm_bench.splits import Split, read_split
from gsm_bench.workspace import pasteable

if TYPE_CHECKING:
    from gsm_bench.manifest import Manifest
    from gsm_bench.workspace import Workspace

Value = TypeVar("Value")


@dataclass(frozen=True)
class ListPlaces:
    """Where the segments of a server's file are listed.

    Attributes:
        dataset, split: the ones that the user named, if any.
        data: directory of the annotations; None for the one in the workspace.
    """

    manifest: Manifest
    workspace: Workspace
    dataset: str | None = None
    split: str | None = None
    data: Path | None = None


def with_server_files(sources: Sequence[NamedSource], places: ListPlaces) -> list[NamedSource]:
    """The sources with all servers' files among their members open; sources without such files are returned as they are.

    Files that are fused or compared with each other are given together: the columns of their actions become equal.

    Raises:
        DumpError: a file is damaged, or the kind of its scores is not clear.
        AlignmentError: the files are for different servers.
    """
    specs = {member.path: member for source in sources for member in source.members}
    paths = [path for path in specs if path.suffix in SERVER_SUFFIXES and path.is_file()]
    paths = [path for path in paths if all(path not in source.opened for source in sources)]
    if not paths:
        return list(sources)
    targets: dict[Path, str | None] = {}
    notes: dict[Path, list[str]] = {}
    contents: dict[Path, ClipScores] = {}
    for path in paths:
        imported, targets[path] = _open(specs[path], places)
        contents[path] = imported.content
        notes[path] = [f"note: {specs[path].label}: {line}" for line in imported.assumptions]
    _check_targets(targets, places.dataset)
    heads = [_action_names(spec, sources) for path, spec in specs.items() if path not in contents]
    contents, shared = with_equal_actions(contents, heads)
    opened = {path: InMemoryScores(content, str(path)) for path, content in contents.items()}
    return [_with_opened(source, opened, notes, shared) for source in sources]


def _with_opened(
    source: NamedSource, opened: Mapping[Path, InMemoryScores], notes: Mapping[Path, list[str]], shared: str
) -> NamedSource:
    mine = [path for path in dict.fromkeys(member.path for member in source.members) if path in opened]
    lines = [line for path in mine for line in notes[path]] + ([f"note: {shared}"] if mine and shared else [])
    return replace(
        source, opened={**source.opened, **{path: opened[path] for path in mine}}, notes=(*source.notes, *lines)
    )


def _open(spec: MemberSpec, places: ListPlaces) -> tuple[Imported, str | None]:
    """The scores of a server's file, and the data set of its server."""
    source = read_source(spec.path)
    if not fits_file(source):
        raise DumpError(
            "this file is no submission of EPIC-KITCHENS", where=spec.path,
            fix=f"gsmbench import {pasteable(spec.path)}, then name the score file",
        )  # fmt: skip
    target = target_name(source)
    split = _split_of(source, target, places) if target else None
    entry = places.manifest.dataset(target) if target and split is not None else None
    request = ImportRequest((spec.path,), file_name(spec.path), "epic-server", entry, split)
    if split is None and places.split:
        request = replace(request, options=replace(request.options, split=places.split))
    try:
        return import_dump(request, [source]), target
    except DumpError as error:
        if not (error.fix or "").startswith("say what they are: --kind"):
            raise
        fix = f"gsmbench import {pasteable(spec.path)} --kind KIND, then name the score file"
        raise DumpError(error.what, where=error.where, fix=fix) from error


def _split_of(source: DumpSource, target: str, places: ListPlaces) -> Split | None:
    """The split whose list has the segments of a file; None if no list in the workspace has one of them."""
    entry = places.manifest.dataset(target)
    data = places.data or places.workspace.data / entry.folder
    names = [places.split] if places.split in entry.splits else [name for name in entry.splits if name != "train"]
    ids = set(segment_ids(source, places.split if places.split in entry.splits else None))
    shared: list[tuple[int, Split]] = []
    for name in names:
        try:
            split = read_split(entry, str(name), data)
        except GsmBenchError:
            continue  # its list is not here
        shared.append((len(ids.intersection(split.ids)), split))
    most, best = max(shared, key=lambda pair: pair[0], default=(0, None))
    return best if most else None


def _check_targets(targets: Mapping[Path, str | None], dataset: str | None) -> None:
    known = {path: target for path, target in targets.items() if target}
    if len(set(known.values())) > 1:
        listed = ", ".join(f"{path} for {target}" for path, target in known.items())
        raise AlignmentError(f"these files are for different servers: {listed}", fix="fuse files for one server")
    other = next((path for path, target in known.items() if dataset not in (None, target)), None)
    if other is not None:
        raise AlignmentError(f"this file is for {known[other]}, not for {dataset}", where=other, fix="remove --dataset")


def _action_names(spec: MemberSpec, sources: Sequence[NamedSource]) -> tuple[str, ...]:
    """The action columns of a score file beside servers' files; empty if it has none, or is missing."""
    opened = next((source.opened[spec.path] for source in sources if spec.path in source.opened), None)
    if opened is None and not spec.path.is_file():
        return ()
    if opened is not None:
        return opened.head.class_names.get("action", ()) if "action" in opened.head.kinds else ()
    with open_scores(spec.path) as file:
        return file.head.class_names.get("action", ()) if "action" in file.head.kinds else ()


def with_equal_actions(
    contents: Mapping[Path, ClipScores], heads: Sequence[tuple[str, ...]]
) -> tuple[dict[Path, ClipScores], str]:
    """Files with the same action columns, or without actions if some member has none; and a sentence that says so.

    Args:
        heads: the action names of the other members; empty for those without actions.
    """
    listed = [content.class_names["action"] for content in contents.values() if "action" in content.kinds]
    if not listed:
        return dict(contents), ""
    if len(listed) < len(contents) or not all(map(are_pairs, heads)):
        without = {path: _without_actions(content) for path, content in contents.items()}
        return without, "not all members have actions, so listed actions are left out"
    wanted = _all_pairs(listed) if not heads else heads[0]
    if not set(wanted).issuperset(name for names in listed for name in names):
        without = {path: _without_actions(content) for path, content in contents.items()}
        return without, "files list actions for which other members have no column, so listed actions are left out"
    alike = all(names == wanted for names in listed)
    words = (
        ""
        if alike
        else f"actions are averaged over {len(wanted):,} listed ones; those that a file lacks have no chance"
    )
    return {path: _with_columns(content, wanted) for path, content in contents.items()}, words


def _all_pairs(listed: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    pairs = np.unique(np.concatenate([parse_pairs(names) for names in listed]), axis=0)
    return tuple(f"{verb},{noun}" for verb, noun in pairs.tolist())


def _with_columns(content: ClipScores, wanted: tuple[str, ...]) -> ClipScores:
    names = content.class_names["action"]
    if names == wanted:
        return content
    table = columns_of(content.scores["action"], names, wanted, content.kinds["action"])
    return replace(
        content,
        classes_per_task={**content.classes_per_task, "action": len(wanted)},
        class_names={**content.class_names, "action": wanted},
        scores={**content.scores, "action": table},
    )


def _without_actions(content: ClipScores) -> ClipScores:
    return replace(
        content,
        kinds=_others(content.kinds),
        classes_per_task=_others(content.classes_per_task),
        class_names=_others(content.class_names),
        scores=_others(content.scores),
    )


def _others(values: Mapping[str, Value]) -> dict[str, Value]:
    """What belongs to verbs and nouns."""
    return {task: value for task, value in values.items() if task != "action"}
