"""``gsmbench cascade``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gsm_bench.cli.evaluate import found_truth
from gsm_bench.cli.options import (
    INCOMPLETE,
    data_option,
    format_option,
    print_table,
    registry,
    say,
    split_options,
    workspace_option,
)
from gsm_bench.cli.search import chosen_task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gsm_bench.ensembles.members import MemberSpec
    from gsm_bench.entries import CascadeEntry, Rule, Space
    from gsm_bench.selection.cascade import Setting


@click.command("cascade", short_help="More models only for the clips that are not sure.")
@click.argument("name")
@click.option("--rule", type=click.Choice(["confidence", "margin", "entropy"]), help="Only this rule (default: all).")
@click.option(
    "--budget", type=click.FloatRange(0, min_open=True), metavar="G",
    help="Choose the most accurate of at most G GFLOPs on average (default: the cheapest as accurate as all members).",
)  # fmt: skip
@click.option("--steps", type=click.IntRange(1), default=5, show_default=True, help="Thresholds shown per rule.")
@click.option(
    "--space",
    type=click.Choice(["logits", "probabilities", "log_probabilities"]),
    help="What is averaged (default: the entry's, else what the files hold).",
)
@click.option("--task", metavar="NAME", help="Task whose sureness decides (default: action where there is one).")
@click.option("--folds", type=click.IntRange(2), default=5, show_default=True, help="Folds of the held-out estimate.")
@click.option("--save", metavar="ENTRY", help="Save what was chosen as a cascade of this name.")
@click.option("--force", is_flag=True, help="Replace a saved cascade of this name.")
@split_options
@data_option
@format_option
@workspace_option
def command(
    name: str, rule: Rule | None, budget: float | None, steps: int, space: Space | None, task: str | None, folds: int,
    save: str | None, force: bool, dataset: str | None, split: str | None, data: Path | None, form: str,
) -> int:  # fmt: skip
    """Simulate running a first model on every clip, and later ones only where the mean so far is not sure.

    NAME is an ensemble, members between commas in the order in which they run, or a saved cascade. What was chosen
    can be saved and then run for real: gsmbench score --cascade ENTRY.

    \b
    Example:
      gsmbench cascade inv3_8f,inv3_12f,inv3_16f --save quick
    """
    from gsm_bench.ensembles.members import named_members, open_members
    from gsm_bench.ensembles.spaces import fusion_space
    from gsm_bench.errors import GsmBenchError
    from gsm_bench.selection.cascade import RULES, CascadeStudy, stages_of
    from gsm_bench.selection.pool import choices_of
    from gsm_bench.tables.cascade_result import cascade_table
    from gsm_bench.tables.results import order_notes
    from gsm_bench.tables.table import with_notes

    workspace, manifest = registry()
    saved = manifest.cascades.get(name)
    listed = ",".join(f"{m.model}@{m.clips}" for m in saved.members) if saved else name
    specs, own = named_members(listed, manifest, workspace, dataset, split)
    if saved:
        specs, own, task = _weighted(specs, saved), saved.space, task or saved.task
    if len(specs) < 2:
        raise GsmBenchError(
            "a cascade has at least two members", fix="name them between commas, the first to run first"
        )
    with open_members(specs) as opened:
        truth = found_truth(opened[0].head, manifest, workspace, data)
        task = chosen_task(opened[0].head, truth, task)
        space = fusion_space(opened, task, space or own)
        choices = choices_of(opened)
        notes = order_notes(opened)
        stages = stages_of(opened, task, space, truth.labels[task], choices)
    if not len(stages.rows):
        raise GsmBenchError("no clip has a label and a score in every member", fix="score the missing clips")
    groups = None if truth.groups is None else truth.groups[stages.rows]
    rules = (rule,) if rule else RULES
    shown = (name, _setting(saved)) if saved else None
    study = CascadeStudy(
        [choice.label for choice in choices], stages, groups, rules, budget and budget * 1e9, folds, shown
    )
    title = f"Cascades of {len(specs)} members: running mean of {space.replace('_', '-')}"
    print_table(with_notes(cascade_table(study, title, steps), notes), form)
    if save:
        path = _save(save, specs, study.chosen, space, task, force)
        say(f"{save} saved in {path}: gsmbench score --cascade {save}")
    return INCOMPLETE if len(stages.rows) < int((truth.labels[task] != -1).sum()) else 0


def _weighted(specs: Sequence[MemberSpec], entry: CascadeEntry) -> list[MemberSpec]:
    from gsm_bench.ensembles.members import reweighted

    weighted = reweighted(specs, [member.weight for member in entry.members])
    return [replace(spec, temperature=m.temperature) for spec, m in zip(weighted, entry.members, strict=True)]


def _setting(entry: CascadeEntry) -> Setting:
    from gsm_bench.selection.cascade import Setting

    return Setting(entry.rule, entry.thresholds)


def _save(name: str, specs: Sequence[MemberSpec], setting: Setting, space: Space, task: str, force: bool) -> str:
    from gsm_bench.entries import CascadeEntry, Member
    from gsm_bench.errors import ManifestError
    from gsm_bench.local_manifest import save_cascade

    foreign = [str(spec.path) for spec in specs if spec.entry is None]
    if foreign:
        raise ManifestError(
            f"an entry names models, and {foreign[0]} is a file", fix="name the members by their models"
        )
    workspace, _ = registry()
    members = tuple(Member(spec.label, spec.clips or 1, spec.weight, spec.temperature) for spec in specs)
    title = f"Found by cascade, {len(members)} members"
    entry = CascadeEntry(name, members, setting.rule, setting.thresholds, title, space, task)
    return workspace.shown(save_cascade(workspace, entry, force=force))
