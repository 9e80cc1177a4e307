"""The source of a submission: a model, an ensemble or a score file, with a signature that all its splits share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gsm_bench.ensembles.members import MemberSpec, OpenMember, model_spec, protocols, specs_of_entry
from gsm_bench.errors import MissingScoresError
from gsm_bench.manifest import Manifest
from gsm_bench.scorefile import open_scores
from gsm_bench.settings import Space
from gsm_bench.workspace import Workspace, pasteable


@dataclass(frozen=True)
class SubmissionSource:
    """The source as named by the user; all None for the only score file of the split."""

    model: str | None = None
    ensemble: str | None = None
    scores: Path | None = None


@dataclass(frozen=True)
class ResolvedSource:
    """A source with its members, and the space of its ensemble entry; None for what the score files hold."""

    name: str
    members: tuple[MemberSpec, ...]
    space: Space | None = None


def resolve_source(
    source: SubmissionSource, manifest: Manifest, workspace: Workspace, dataset: str, split: str
) -> ResolvedSource:
    """The members of a source on a split.

    Raises:
        MissingScoresError: no source is named and the split has no score file, or several.
    """
    if source.ensemble:
        entry = manifest.ensemble(source.ensemble)
        members = specs_of_entry(entry, manifest, workspace, dataset, split)
        return ResolvedSource(source.ensemble, tuple(members), entry.space)
    if source.model:
        spec = model_spec(manifest.model(source.model), manifest, workspace, dataset, split)
        return ResolvedSource(source.model, (_all_clips(spec) if spec.path.is_file() else spec,))
    path = source.scores or _only_file(workspace, dataset, split)
    if not path.exists() and (workspace.root / path).exists():
        path = workspace.root / path
    return ResolvedSource(path.stem, (_all_clips(MemberSpec(path.stem, path, None, 1.0)),))


def source_signature(source: ResolvedSource, members: Sequence[OpenMember], space: str, actions: str) -> str:
    """16 hexadecimal digits of everything that determines the scores except the split: equal for S1 and S2."""
    parts: list[Any] = [
        [_without_split(member), member.weight, member.head.views[member.views].tolist()] for member in members
    ]
    text = json.dumps([source.name, parts, space, actions], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _all_clips(spec: MemberSpec) -> MemberSpec:
    """The member with all clips of its file."""
    with open_scores(spec.path) as file:
        return replace(spec, clips=protocols(file.head)[-1])


def _only_file(workspace: Workspace, dataset: str, split: str) -> Path:
    folder = workspace.score_path(dataset, split, "x").parent
    paths = sorted(path for path in folder.glob("*.h5") if not path.name.startswith("."))
    if len(paths) == 1:
        return paths[0]
    if not paths:
        raise MissingScoresError(
            f"no scores of {dataset}/{split}",
            where=folder,
            fix=f"gsmbench score --model NAME --dataset {dataset} --split {split}",
        )
    raise MissingScoresError(
        f"{dataset}/{split} has {len(paths)} score files",
        where=folder,
        fix="one of\n         " + "\n         ".join(f"--scores {pasteable(path)}" for path in paths),
    )


def _without_split(member: OpenMember) -> str:
    provenance = member.head.provenance
    parts = str(provenance.signature).split("; ")
    kept = [part for part in parts if not part.startswith("split=")]
    return "; ".join(kept).replace(provenance.place, "").replace(str(provenance.split_sha256), "")
