"""What a submission is made from: a model, an ensemble or a score file, and a signature that all its splits share."""

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
from gsm_bench.workspace import Workspace


@dataclass(frozen=True)
class SubmissionSource:
    """The source as asked for; all None takes the only score file of the split."""

    model: str | None = None
    ensemble: str | None = None
    scores: Path | None = None


@dataclass(frozen=True)
class OpenSource:
    """A source resolved: its name, its members, the space they are fused in unless told."""

    name: str
    members: tuple[MemberSpec, ...]
    space: Space | None = None


def find_source(
    wanted: SubmissionSource, manifest: Manifest, workspace: Workspace, dataset: str, split: str
) -> OpenSource:
    """Resolve a source on a split.

    Raises:
        MissingScoresError: nothing is asked for and the split has no score file, or several.
    """
    if wanted.ensemble:
        entry = manifest.ensemble(wanted.ensemble)
        members = specs_of_entry(entry, manifest, workspace, dataset, split)
        return OpenSource(wanted.ensemble, tuple(members), entry.space)
    if wanted.model:
        spec = model_spec(manifest.model(wanted.model), manifest, workspace, dataset, split)
        return OpenSource(wanted.model, (_all_clips(spec) if spec.path.is_file() else spec,))
    path = wanted.scores or _only_file(workspace, dataset, split)
    if not path.exists() and (workspace.root / path).exists():
        path = workspace.root / path
    return OpenSource(path.stem, (_all_clips(MemberSpec(path.stem, path, None, 1.0)),))


def source_signature(source: OpenSource, members: Sequence[OpenMember], space: str, actions: str) -> str:
    """16 hexadecimal digits of all that decided the scores but the split: alike for S1 and S2 of one source."""
    parts: list[Any] = [
        [_without_split(member), member.weight, member.head.views[member.views].tolist()] for member in members
    ]
    text = json.dumps([source.name, parts, space, actions], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _all_clips(spec: MemberSpec) -> MemberSpec:
    """The member with as many clips as its file holds."""
    with open_scores(spec.path) as file:
        return replace(spec, clips=protocols(file.head)[-1])


def _only_file(workspace: Workspace, dataset: str, split: str) -> Path:
    folder = workspace.score_path(dataset, split, "x").parent
    found = sorted(path for path in folder.glob("*.h5") if not path.name.startswith("."))
    if len(found) == 1:
        return found[0]
    if not found:
        raise MissingScoresError(
            f"there are no scores of {dataset}/{split}",
            where=folder,
            fix=f"gsmbench score --model NAME --dataset {dataset} --split {split}",
        )
    raise MissingScoresError(
        f"{len(found)} score files of {dataset}/{split}: which one?",
        where=folder,
        fix="one of\n         " + "\n         ".join(f"--scores {workspace.shown(path)}" for path in found),
    )


def _without_split(member: OpenMember) -> str:
    provenance = member.head.provenance
    parts = str(provenance.signature).split("; ")
    kept = [part for part in parts if not part.startswith("split=")]
    return "; ".join(kept).replace(provenance.place, "").replace(str(provenance.split_sha256), "")
