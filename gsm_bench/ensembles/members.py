"""The members of an ensemble: score files, their views and weights, opened and aligned."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gsm_bench.ensembles.alignment import aligned_rows, check_classes, check_labels
from gsm_bench.entries import EnsembleEntry, ModelEntry
from gsm_bench.errors import AlignmentError, GsmBenchError, ManifestError, MissingScoresError
from gsm_bench.manifest import Manifest
from gsm_bench.manifest_files import Entries, nearest
from gsm_bench.sampling import CENTRE, clip_offsets
from gsm_bench.scorefile import ScoreFile, ScoreHead, open_scores
from gsm_bench.settings import Space
from gsm_bench.workspace import Workspace, pasteable

SERVER_SUFFIXES = (".json", ".zip")
"""Of files for the EPIC-KITCHENS servers, which are opened as members like score files."""
SERVER_NAMES = ("test", "seen", "unseen")
"""Stems of such files that say nothing of their model."""


@dataclass(frozen=True)
class MemberSpec:
    """A requested member: its score file, its number of clips, its weight before division by the sum."""

    label: str
    path: Path
    clips: int | None
    weight: float
    entry: ModelEntry | None = None
    workspace_option: str = ""
    temperature: float = 1.0


@dataclass(frozen=True)
class OpenMember:
    """A member with its file open.

    Attributes:
        views: indices of the views that are averaged.
        rows: int64 [N] row in this file of each video of the ensemble; None if the order is the same.
        weight: share of this member; all shares sum to one.
    """

    spec: MemberSpec
    file: ScoreFile
    views: NDArray[np.int64]
    rows: NDArray[np.int64] | None
    weight: float

    @property
    def head(self) -> ScoreHead:
        return self.file.head

    @property
    def status(self) -> NDArray[np.uint8]:
        """uint8 [N] in the ensemble's order."""
        return self.head.status if self.rows is None else self.head.status[self.rows]


def specs_of_entry(
    ensemble: EnsembleEntry, manifest: Manifest, workspace: Workspace, dataset: str | None, split: str | None
) -> list[MemberSpec]:
    """The members of a manifest's ensemble on a split (each model's own split unless given)."""
    return [
        replace(
            model_spec(manifest.model(member.model), manifest, workspace, dataset, split, member.clips),
            weight=member.weight,
            temperature=member.temperature,
        )
        for member in ensemble.members
    ]


def model_spec(
    entry: ModelEntry,
    manifest: Manifest,
    workspace: Workspace,
    dataset: str | None,
    split: str | None,
    clips: int | None = None,
) -> MemberSpec:
    """The score file of a model on a split (the model's own unless given)."""
    path = workspace.score_path(*manifest.place(entry.dataset, entry.split, dataset, split), entry.name)
    return MemberSpec(entry.name, path, clips, 1.0, entry, workspace.option)


def parse_members(
    text: str,
    weights: Sequence[float] | None,
    manifest: Manifest,
    workspace: Workspace,
    dataset: str | None,
    split: str | None,
) -> list[MemberSpec]:
    """Members from ``inv3_8f@2,inv3_12f,scores/x.h5``: model names or score files, each with ``@clips``."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise GsmBenchError("no members are given", fix="name them, e.g. --members inv3_8f@2,inv3_12f")
    return reweighted([_parse_member(name, manifest, workspace, dataset, split) for name in names], weights)


def named_members(
    text: str, manifest: Manifest, workspace: Workspace, dataset: str | None, split: str | None
) -> tuple[list[MemberSpec], Space | None]:
    """The members that a name stands for, an ensemble's or those of `parse_members`, and the entry's space."""
    if text in manifest.ensembles:
        entry = manifest.ensemble(text)
        return specs_of_entry(entry, manifest, workspace, dataset, split), entry.space
    return parse_members(text, None, manifest, workspace, dataset, split), None


def reweighted(specs: Sequence[MemberSpec], weights: Sequence[float] | None) -> list[MemberSpec]:
    """The members with other weights; raises GsmBenchError unless there is one positive number for each."""
    if weights is None:
        return list(specs)
    if len(weights) != len(specs):
        names = ", ".join(spec.label for spec in specs)
        raise GsmBenchError(
            f"{len(specs)} members but {len(weights)} weights", fix=f"give one weight for each of {names}"
        )
    if not all(np.isfinite(weight) and weight > 0 for weight in weights) or not np.isfinite(sum(weights)):
        raise GsmBenchError("weights are positive numbers", fix="leave a member out instead of giving it the weight 0")
    return [replace(spec, weight=weight) for spec, weight in zip(specs, weights, strict=True)]


def file_name(path: Path) -> str:
    """A file's name as a member: its stem, behind its folder where the name is one that a server prescribes."""
    named = path.suffix in SERVER_SUFFIXES and path.stem in SERVER_NAMES and path.absolute().parent.name
    return f"{path.absolute().parent.name}/{path.stem}" if named else path.stem


def _parse_member(
    text: str, manifest: Manifest, workspace: Workspace, dataset: str | None, split: str | None
) -> MemberSpec:
    name, at, number = text.rpartition("@")
    if not at:
        name, number = text, ""
    if at and not (number.isdecimal() and int(number) > 0):
        raise GsmBenchError(
            f"{text!r} has no number of clips after @", fix="write the number of clips after @, e.g. inv3_8f@2"
        )
    clips = int(number) if at else None
    if name.endswith((".h5", ".hdf5", *SERVER_SUFFIXES)) or "/" in name:
        path = Path(name) if Path(name).exists() else workspace.root / name
        return MemberSpec(file_name(path), path, clips, 1.0)
    if name not in manifest.models:
        raise _unknown_member(name, manifest, workspace)
    return model_spec(manifest.model(name), manifest, workspace, dataset, split, clips)


def _unknown_member(name: str, manifest: Manifest, workspace: Workspace) -> GsmBenchError:
    """The error for a name that is no model, with the score files of that name."""
    if isinstance(manifest.models, Entries) and manifest.models.unread:
        return manifest.models.unread[0]
    files = sorted(path for path in workspace.scores.rglob("*.h5") if path.stem == name)[:3]
    if files:
        places = " or ".join(pasteable(path) for path in files)
        return ManifestError(f"{name!r} is no model of the registry", fix=f"name its score file by its path: {places}")
    return ManifestError(
        f"no model {name!r}{nearest(name, [*manifest.models, *manifest.ensembles])}",
        fix="gsmbench models list; a score file is named by its path: scores/x.h5",
    )


@contextmanager
def open_members(
    specs: Sequence[MemberSpec], opened: Mapping[Path, ScoreFile] | None = None
) -> Iterator[list[OpenMember]]:
    """Open all members except those `opened` before, and align them video by video.

    Raises:
        MissingScoresError: scores are missing; names the command that creates them.
        AlignmentError: the members cannot be fused; says why.
    """
    missing = [spec for spec in specs if spec.path not in (opened or {}) and not spec.path.is_file()]
    if missing:
        raise _missing(missing)
    total = sum(spec.weight for spec in specs)
    with ExitStack() as stack:
        by_path = dict(opened or {})
        for spec in specs:
            if spec.path not in by_path:
                by_path[spec.path] = stack.enter_context(open_scores(spec.path))
        files = [by_path[spec.path] for spec in specs]
        first = files[0].head
        members = []
        for spec, file in zip(specs, files, strict=True):
            names = message_names(specs[0], spec)
            rows = None if spec.path == specs[0].path else aligned_rows(names, first, file.head)
            check_classes(names, first, file.head)
            _check_file_labels(names, first, file.head, rows)
            members.append(OpenMember(spec, file, select_views(file.head, spec), rows, spec.weight / total))
        yield members


def message_names(first: MemberSpec, second: MemberSpec) -> list[str]:
    """Names of two members for messages: their labels, or their paths if these are equal."""
    same = first.label == second.label
    return [str(spec.path) if same else spec.label for spec in (first, second)]


def _check_file_labels(names: Sequence[str], first: ScoreHead, head: ScoreHead, rows: NDArray[np.int64] | None) -> None:
    """Compare the labels that two files carry; `rows` are those of the second in the order of the first."""
    for task in first.labels.keys() & head.labels.keys():
        others = head.labels[task]
        check_labels(names, task, first.ids, first.labels[task], others if rows is None else others[rows])


def file_labels(members: Sequence[OpenMember]) -> dict[str, NDArray[np.int32]]:
    """Labels int32 [N] per task that the members' files carry, of the first member that knows a video's; -1 unknown."""
    merged: dict[str, NDArray[np.int32]] = {}
    for member in members:
        for task, values in member.head.labels.items():
            labels = values if member.rows is None else values[member.rows]
            merged[task] = np.where(merged[task] >= 0, merged[task], labels) if task in merged else labels
    return merged


def common_tasks(members: Sequence[OpenMember]) -> list[str]:
    """The tasks that every member has scores of; verbs and nouns before actions."""
    common = [task for task in members[0].head.kinds if all(task in member.head.kinds for member in members)]
    return sorted(common, key=lambda task: {"verb": 0, "noun": 1}.get(task, 2))


def select_views(head: ScoreHead, spec: MemberSpec) -> NDArray[np.int64]:
    """Indices int64 [v] of the views of `spec.clips` clips (1 unless given), selected by their offsets, with all crops of each.

    Raises:
        MissingScoresError: the file has no scores of these clips.
        AlignmentError: clips are requested of a file whose views have no offsets.
    """
    offsets = head.views["offset"]
    if np.isnan(offsets).all():
        sampled = clips_of(head.views) if head.provenance.other_rule else 1
        if spec.clips not in (None, 1, sampled):
            if sampled > 1:
                raise AlignmentError(
                    f"{spec.label} has {sampled} clips, sampled by {head.provenance.other_rule}, which belong together",
                    where=spec.path, fix=f"leave @{spec.clips} out, which averages all of them",
                )  # fmt: skip
            state = "were averaged before writing" if len(offsets) == 1 else "have unknown clip offsets"
            raise AlignmentError(
                f"the views of {spec.label} {state}: @{spec.clips} is impossible",
                where=spec.path, fix=f"leave @{spec.clips} out",
            )  # fmt: skip
        return np.arange(len(head.views))
    targets = clip_offsets(spec.clips or 1)
    absent = [offset for offset in targets if not np.isclose(offsets, offset, atol=1e-9).any()]
    if absent:
        held = ", ".join(f"{offset:g}" for offset in sorted(set(offsets.tolist())))
        raise MissingScoresError(
            f"{spec.label} has scores at the clip offsets {held}; {spec.clips or 1} clips need {', '.join(f'{o:g}' for o in targets)}",
            where=spec.path,
            fix=f"{score_command(spec)} --clips {spec.clips or 1} --out FILE, then use FILE@{spec.clips or 1} as the member",
        )
    return np.flatnonzero(np.isclose(offsets[:, None], np.array(targets), atol=1e-9).any(axis=1))


def clips_of(views: NDArray[np.void]) -> int:
    """Number of clips among views [V]: different offsets, or different numbers of clips where offsets are unknown."""
    return len(set(views["clip" if np.isnan(views["offset"]).any() else "offset"].tolist()))


def score_command(spec: MemberSpec) -> str:
    """The command that creates a member's scores."""
    if spec.entry is None:
        return "gsmbench score --model NAME"
    command = f"gsmbench{spec.workspace_option} score --model {spec.entry.name}"
    dataset, split = spec.path.parent.parent.name, spec.path.parent.name
    if dataset != spec.entry.dataset:
        command += f" --dataset {dataset}"
    if split != spec.entry.split:
        command += f" --split {split}"
    return command


def _missing(specs: Iterable[MemberSpec]) -> MissingScoresError:
    specs = list(specs)
    names = ", ".join(dict.fromkeys(spec.label for spec in specs))
    commands = dict.fromkeys(
        score_command(spec)
        + (f" --clips {spec.clips}" if (spec.clips or 1) > (spec.entry.clips if spec.entry else 1) else "")
        for spec in specs
        if spec.entry
    )
    return MissingScoresError(
        f"there are no scores of {names}",
        where=", ".join(dict.fromkeys(str(spec.path) for spec in specs)),
        fix="\n         ".join(commands) or "correct the path",
    )


def shared_out(members: Sequence[OpenMember]) -> list[OpenMember]:
    """The members with weights relative to each other alone, after they were opened together with others."""
    total = sum(member.spec.weight for member in members)
    return [replace(member, weight=member.spec.weight / total) for member in members]


def member_label(spec: MemberSpec) -> str:
    """A member as a command line names it."""
    return f"{spec.label}@{spec.clips}" if (spec.clips or 1) > 1 else spec.label


def protocols(head: ScoreHead) -> list[int | None]:
    """Numbers of clips that a file has scores of; None alone if its views are averaged or follow no protocol."""
    offsets = sorted(set(head.views["offset"].tolist()))
    if np.isnan(offsets).any():
        return [None]
    counts: list[int | None] = [1] if any(np.isclose(offset, CENTRE) for offset in offsets) else []
    if len(offsets) > 1 and np.allclose(offsets, clip_offsets(len(offsets))):
        counts.append(len(offsets))
    return counts or [None]
