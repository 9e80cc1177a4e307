"""The pool of a search: models and score files, each with every number of clips that its file holds."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from gsm_bench.ensembles.members import MemberSpec, OpenMember, member_label, model_spec, parse_members, protocols
from gsm_bench.errors import GsmBenchError, MissingScoresError
from gsm_bench.manifest import Manifest
from gsm_bench.scorefile import open_scores
from gsm_bench.workspace import Workspace


@dataclass(frozen=True)
class Choice:
    """A member that may be taken, and what it costs; None where its file does not say."""

    label: str
    macs: int | None
    params: int | None


def pool_of(
    names: Sequence[str], manifest: Manifest, workspace: Workspace, dataset: str | None, split: str | None, *,
    every: bool = True,
) -> list[MemberSpec]:  # fmt: skip
    """Members for a search: of an ensemble its models, of ``inv3_*`` the models that have scores, else as named.

    Without ``@K`` a file stands for one choice per number of clips that it holds, or, unless `every`, for the most.
    """
    found: dict[tuple[str, int | None], MemberSpec] = {}
    for name in (part.strip() for text in names for part in text.split(",") if part.strip()):
        for spec in _named(name, manifest, workspace, dataset, split):
            for choice in _with_clips(spec)[0 if every else -1 :]:
                found.setdefault((str(choice.path.absolute()), choice.clips), choice)
    if not found:
        raise GsmBenchError("no members are given", fix="gsmbench search 'inv3_*', or names between commas")
    return list(found.values())


def choices_of(members: Sequence[OpenMember]) -> list[Choice]:
    """What each open member of a pool costs."""
    choices = []
    for member in members:
        macs = member.head.provenance.macs_paper_per_view
        choices.append(
            Choice(
                label=member_label(member.spec),
                macs=None if macs is None else macs * len(member.views),
                params=member.head.provenance.params,
            )
        )
    return choices


def _named(
    name: str, manifest: Manifest, workspace: Workspace, dataset: str | None, split: str | None
) -> Iterator[MemberSpec]:
    if name in manifest.ensembles:
        for member in manifest.ensemble(name).members:
            yield model_spec(manifest.model(member.model), manifest, workspace, dataset, split)
    elif any(letter in name for letter in "*?[") and "/" not in name:
        entries = [entry for entry in manifest.matching_models([name]) if fnmatch.fnmatch(entry.name, name)]
        specs = [model_spec(entry, manifest, workspace, dataset, split) for entry in entries]
        there = [spec for spec in specs if spec.path.is_file()]
        if not there:
            raise MissingScoresError(
                f"none of the {len(specs)} models {name} has scores",
                where=specs[0].path.parent,
                fix=f"gsmbench{workspace.option} score --model {specs[0].label}",
            )
        yield from there
    else:
        yield from parse_members(name, None, manifest, workspace, dataset, split)


def _with_clips(spec: MemberSpec) -> list[MemberSpec]:
    if spec.clips is not None or not spec.path.is_file():
        return [spec]
    with open_scores(spec.path) as file:
        return [replace(spec, clips=clips) for clips in protocols(file.head)]
