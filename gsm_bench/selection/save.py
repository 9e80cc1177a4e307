"""The result of a search as an entry of the workspace's own manifest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gsm_bench.ensembles.members import MemberSpec
from gsm_bench.entries import CascadeEntry, Member
from gsm_bench.errors import ManifestError
from gsm_bench.local_manifest import save_cascade, save_ensemble
from gsm_bench.selection.cascade_search import CascadeResult
from gsm_bench.selection.search import SearchResult
from gsm_bench.selection.weighting import WeightedResult
from gsm_bench.workspace import Workspace


def save_best(result: SearchResult | WeightedResult, name: str, workspace: Workspace, *, force: bool = False) -> Path:
    """Save the best members as an ensemble; returns the manifest file.

    Raises:
        ManifestError: a member is a file, or the name is taken (unless `force`).
    """
    members = _registered(result.best)
    title = f"Found by search, {len(members)} members"
    return save_ensemble(workspace, name, members, result.space, title, force=force)


def save_chosen(
    result: CascadeResult, specs: Sequence[MemberSpec], name: str, workspace: Workspace, *, force: bool = False
) -> Path:
    """Save the chosen cascade of these members; returns the manifest file; raises as `save_best`."""
    members, chosen = tuple(_registered(specs)), result.chosen
    title = f"Found by cascade, {len(members)} members"
    entry = CascadeEntry(name, members, chosen.rule, chosen.thresholds, title, result.space, result.task)
    return save_cascade(workspace, entry, force=force)


def _registered(specs: Sequence[MemberSpec]) -> list[Member]:
    files = [str(spec.path) for spec in specs if spec.entry is None]
    if files:
        raise ManifestError(
            f"an entry names models, and {files[0]} is a file", fix="name the members by their models, or omit --save"
        )
    return [Member(spec.label, spec.clips or 1, spec.weight, spec.temperature) for spec in specs]
