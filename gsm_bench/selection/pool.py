"""The pool of a search: models and score files, one choice per number of clips that a file holds."""

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
    """A member that may be taken, its multiply-adds and its parameters; None if its file does not hold them."""

    label: str
    macs: int | None
    params: int | None


def pool_of(
    names: Sequence[str], manifest: Manifest, workspace: Workspace, dataset: str | None, split: str | None, *,
    every: bool = True,
) -> list[MemberSpec]:  # fmt: skip
    """Members for a search: the models of an ensemble, those of a pattern that have scores, or members as named.

    Args:
        names: ensembles, patterns such as ``inv3_*``, models and score files; also several between commas.
        every: without ``@K`` a file gives one choice per number of clips that it holds; else one with all its clips.

    Raises:
        GsmBenchError: no names.
        MissingScoresError: no model of a pattern has scores.
    """
    specs: dict[tuple[str, int | None], MemberSpec] = {}
    for name in (part.strip() for text in names for part in text.split(",") if part.strip()):
        for spec in _named(name, manifest, workspace, dataset, split):
            for choice in _with_clips(spec)[0 if every else -1 :]:
                specs.setdefault((str(choice.path.absolute()), choice.clips), choice)
    if not specs:
        raise GsmBenchError("no members are named", fix="gsmbench search 'inv3_*', or names between commas")
    return list(specs.values())


def choices_of(members: Sequence[OpenMember]) -> list[Choice]:
    """The cost of each open member of a pool."""
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
        scored = [spec for spec in specs if spec.path.is_file()]
        if not scored:
            raise MissingScoresError(
                f"none of the {len(specs)} models {name} has scores",
                where=specs[0].path.parent,
                fix=f"gsmbench{workspace.option} score --model {specs[0].label}",
            )
        yield from scored
    else:
        yield from parse_members(name, None, manifest, workspace, dataset, split)


def _with_clips(spec: MemberSpec) -> list[MemberSpec]:
    if spec.clips is not None or not spec.path.is_file():
        return [spec]
    with open_scores(spec.path) as file:
        return [replace(spec, clips=clips) for clips in protocols(file.head)]
