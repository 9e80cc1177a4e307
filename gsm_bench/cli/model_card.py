"""``gsmbench models show``: the card of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gsm_bench.cli import completing
from gsm_bench.cli.model_layers import layers_table
from gsm_bench.cli.options import format_option, print_table, registry, workspace_option

if TYPE_CHECKING:
    from gsm_bench.entries import ModelEntry, Published
    from gsm_bench.geometry import InputSpec
    from gsm_bench.manifest import Manifest
    from gsm_bench.workspace import Workspace


@click.command("show")
@click.argument("name", shell_complete=completing.model_name)
@click.option(
    "--layers", is_flag=True, help="List its layers instead: kernel, stride, output size, and where gates are."
)
@format_option
@workspace_option
def show_model(name: str, layers: bool, form: str) -> None:
    """Print the card of a model: input, classes, checkpoint and where to get it, cost, printed accuracy.

    \b
    Example:
      gsmbench models show inv3_12f
      gsmbench models show bninc_8f --layers
    """
    from gsm_bench.tables.table import Column, Table

    workspace, manifest = registry()
    entry = manifest.model(name)
    if layers:
        print_table(layers_table(entry), form)
        return
    rows = tuple({"what": what, "value": value} for what, value in _card(entry, manifest, workspace))
    print_table(
        Table(f"{entry.name}: {entry.title}", (Column("what", "Card"), Column("value", "")), (rows,), name="card"), form
    )


def _card(entry: ModelEntry, manifest: Manifest, workspace: Workspace) -> list[tuple[str, str]]:
    spec, origin = entry.input, manifest.origins["models", entry.name]
    place = workspace.checkpoint_path(entry.checkpoint.file)
    source = f"{origin.file}{' (replaces the shipped entry of this name)' if origin.overrides else ''}"
    return [
        ("network", f"{entry.network}, temporal {entry.temporal}, {entry.frames} frames{_options(entry)}"),
        *_gate_lines(entry),
        (
            "classes",
            f"{', '.join(f'{task} {count}' for task, count in entry.tasks.items())}; order: {entry.class_order}",
        ),
        ("input", f"{spec.size} x {spec.size}, {_resize(spec)}, {spec.interpolation}"),
        ("channels", channels_text(spec)),
        (
            "protocol",
            f"{entry.clips} clips x {entry.crops} crops on {entry.dataset}/{entry.split}; "
            f"sampling {entry.sampling}; scores are {entry.score_kind}",
        ),
        *_cost_lines(entry, workspace),
        *((_protocol(p), _printed(p)) for p in entry.published),
        ("trained on", f"{', '.join(entry.trained_on) or 'unknown'}; pretraining: {entry.pretraining or 'unknown'}"),
        ("checkpoint", f"{entry.checkpoint.file}: {'here' if place.is_file() else 'not here yet'}"),
        ("put it at", str(place)),
        ("get it from", entry.checkpoint.url or "not released: use your own"),
        ("sha256", entry.checkpoint.sha256 or f"unknown; gsmbench models check {entry.name} --pin pins yours"),
        ("ignored keys", ", ".join(entry.ignore_keys) or "none"),
        *([("papers", f"{', '.join(entry.cite)}: gsmbench models cite {entry.name}")] if entry.cite else []),
        *([("notes", entry.notes)] if entry.notes else []),
        ("entry", source),
    ]


def channels_text(spec: InputSpec) -> str:
    """Order, range, mean and std of the channels of an input."""
    return f"{spec.channel_order}, values 0..{spec.value_range:g}, mean {_numbers(spec.mean)}, std {_numbers(spec.std)}"


def _resize(spec: InputSpec) -> str:
    if spec.stretch is not None:
        return f"stretched to {spec.stretch[1]} x {spec.stretch[0]}"
    return f"shorter side to {spec.resize}"


def _protocol(published: Published) -> str:
    clips = "1 clip" if published.clips == 1 else f"{published.clips} clips"
    return f"printed, {clips}{f', {published.split}' if published.split else ''}"


def _options(entry: ModelEntry) -> str:
    return "".join(f", {key} {value}" for key, value in entry.options.items())


def _gate_lines(entry: ModelEntry) -> list[tuple[str, str]]:
    """Options of the gate-shift modules, with those that the entry leaves out."""
    from gsm_bench.entries import OWN_NETWORKS
    from gsm_bench.settings import PAPER_BRANCHES

    if entry.network not in OWN_NETWORKS or entry.temporal != "gsm":
        return []
    numbers = {name: number for number, name in PAPER_BRANCHES.items()}
    chosen = str(entry.options.get("gsm_branch", "1x1"))
    branch = next((name for name, number in numbers.items() if chosen == str(number)), chosen)
    number = f" ({numbers[branch]} in table 1)" if branch in numbers else ""
    blocks = entry.options.get("gsm_blocks")
    named = {"None": "all blocks", "0": "no block", "1": "the last block"}
    where = named.get(str(blocks), f"the last {blocks} blocks")
    return [("gate-shift", f"in {where}, branch {branch}{number}, {entry.options.get('gate', 'tanh')} gates")]


def _numbers(values: tuple[float, ...]) -> str:
    return "(" + ", ".join(f"{value:g}" for value in values) + ")"


def _printed(published: Published) -> str:
    parts = [
        f"top-{k} {value}"
        for k, value in ((1, published.top1_percent), (5, published.top5_percent))
        if value is not None
    ]
    task = f"{published.task}: " if published.task != "action" else ""
    return f"{task}{', '.join(parts)} ({published.source})"


def _cost_lines(entry: ModelEntry, workspace: Workspace) -> list[tuple[str, str]]:
    from gsm_bench.entries import runs_named_code
    from gsm_bench.errors import NetworkError

    if runs_named_code(entry.network):
        return [("cost", f"not counted here, because that runs {entry.network}: gsmbench models cost {entry.name}")]
    try:
        from gsm_bench.nets.cost import entry_cost
    except ImportError:
        return [("cost", "needs torch: pip install 'gsm-bench[score]'")]
    try:
        cost = entry_cost(entry)
    except NetworkError as error:
        return [("cost", error.what)]
    return [
        ("parameters", f"{cost.params:,}"),
        (
            "cost per view",
            f"{cost.macs_paper / 1e9:.2f} GFLOPs in the paper's convention, {cost.macs_bare / 1e9:.2f} G bare multiply-adds",
        ),
    ]
