"""``gsmbench models list|show|check|add|cost|cite|fetch``."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gsm_bench.cli import completing
from gsm_bench.cli.ask_for_code import ask_for_code
from gsm_bench.cli.canary import canary_options, check_model_canary, make_model_canary
from gsm_bench.cli.console import echo
from gsm_bench.cli.fetch import fetch_models
from gsm_bench.cli.model_layers import layers_table
from gsm_bench.cli.options import PATH, format_option, print_table, registry, say, workspace_option
from gsm_bench.workspace import pasteable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gsm_bench.entries import ModelEntry, Published
    from gsm_bench.geometry import InputSpec
    from gsm_bench.manifest import Manifest
    from gsm_bench.nets.checkpoint import Fit
    from gsm_bench.workspace import Workspace


OF_THE_NETWORK = ("pretraining", "temporal", "options", "ignore_keys", "head", "score_kind", "cite")
"""Keys of an entry that say nothing of another network: `models add --network` does not copy them."""

CHECKPOINT_FIX = "give a path, or the name of a file in checkpoints/"


@click.group("models", short_help="List, show, check and add models.")
def command() -> None:
    """The registry of trained checkpoints.

    \b
    Example:
      gsmbench models list 'inv3*'
    """


@command.command("list")
@click.argument("patterns", nargs=-1, shell_complete=completing.model_name)
@format_option
@workspace_option
def list_models(patterns: tuple[str, ...], form: str) -> None:
    """List models, 8f before 12f; PATTERNS may hold wildcards.

    \b
    Example:
      gsmbench models list 'inv3*' --format md
    """
    from gsm_bench.tables.table import Column, Table

    workspace, manifest = registry()
    rows = tuple(_list_row(entry, manifest, workspace) for entry in manifest.matching_models(patterns))
    columns = (
        Column("name", "Model"),
        Column("title", "Network"),
        Column("frames", "Frames", "whole"),
        Column("dataset", "Data set"),
        Column("top1", "Paper Top-1", "percent"),
        Column("checkpoint", "Checkpoint"),
    )
    print_table(Table("", columns, (rows,), name="models"), form)


def _list_row(entry: ModelEntry, manifest: Manifest, workspace: Workspace) -> dict[str, Any]:
    here = workspace.checkpoint_path(entry.checkpoint.file).is_file()
    printed = entry.published_for(1, entry.split) or entry.published_for(entry.clips, entry.split)
    return {
        "name": entry.name,
        "title": entry.title,
        "frames": entry.frames,
        "dataset": entry.dataset,
        "top1": printed.top1_percent / 100 if printed and printed.top1_percent is not None else None,
        "checkpoint": "here" if here else "released" if entry.checkpoint.url else "your own",
        "source": str(manifest.origins["models", entry.name].file),
    }


@command.command("show")
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
        (
            "channels",
            f"{spec.channel_order}, values 0..{spec.value_range:g}, mean {_numbers(spec.mean)}, std {_numbers(spec.std)}",
        ),
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


@command.command("cost")
@click.argument("names", nargs=-1, required=True, shell_complete=completing.model_name)
@click.option(
    "--clips", type=click.IntRange(1), default=1, show_default=True, metavar="K", help="Clips per video, for models."
)
@format_option
@workspace_option
def cost(names: tuple[str, ...], clips: int, form: str) -> None:
    """Parameters and multiply-adds of models and ensembles, per view and in all, in both conventions.

    \b
    Example:
      gsmbench models cost inv3_8f inv3_12f En3x2
    """
    from gsm_bench.nets.cost import video_cost
    from gsm_bench.tables.notes import CONVENTION
    from gsm_bench.tables.table import Column, Table

    workspace, manifest = registry()
    ask_for_code(manifest.models_of(names), workspace)
    costs = [video_cost(name, manifest, clips=clips, search=workspace.root) for name in names]
    keys = ("name", "frames_text", "params", "macs_paper_per_view", "macs_paper", "macs_bare", "uncounted")
    rows = tuple({key.removesuffix("_text"): getattr(each, key) for key in keys} for each in costs)
    uncounted = {operator for each in costs for operators in each.uncounted for operator in operators}
    columns = (
        Column("name", "Name"),
        Column("frames", "Frames"),
        Column("params", "Parameters", "count"),
        Column("macs_paper_per_view", "Per view, paper's", "count"),
        Column("macs_paper", "All views, paper's", "count"),
        Column("macs_bare", "All views, bare", "count"),
    )
    notes = (
        CONVENTION,
        "Bare: multiply-adds of convolutions and linear layers.",
        f"Counted in neither: {', '.join(sorted(uncounted)) or 'nothing'}.",
    )
    print_table(Table("Cost per video", columns, (rows,), notes, name="cost"), form)


@command.command("cite")
@click.argument("names", nargs=-1, shell_complete=completing.model_name)
@workspace_option
def cite(names: tuple[str, ...]) -> None:
    """Print BibTeX of the papers of models, of the members of ensembles, and of this tool; without NAMES, of the tool.

    \b
    Example:
      gsmbench models cite inv3_8f tsm_r50_8f En3
    """
    from gsm_bench.api.citing import references

    workspace, manifest = registry()
    text, unnamed = references(names, manifest, workspace)
    echo(text)
    if unnamed:
        say(
            f'note: no papers are known of {", ".join(unnamed)}: add cite = ["KEY"] to the entry, and KEY to a .bib file'
        )


@command.command("check")
@click.argument("name", shell_complete=completing.model_name)
@click.option("--file", "file", type=PATH, metavar="FILE", help="The checkpoint (default: the entry's).")
@click.option("--pin", is_flag=True, help="Write the file's sha256 into manifests/local.toml.")
@click.option(
    "--canary", is_flag=True,
    help="Score a few videos, and compare their logits with those stored for the model: is everything as on its card?",
)  # fmt: skip
@canary_options
@workspace_option
def check_model(name: str, file: Path | None, pin: bool, canary: bool, **places: Any) -> int:
    """Check whether a checkpoint fits its entry: matched, missing and unexpected keys, frames, hash.

    \b
    Example:
      gsmbench models check inv3_12f --file ~/Downloads/checkpoint.pth.tar
      gsmbench models check shapes_8f --canary --data data/shapes
    """
    if canary:
        if file or pin:
            raise click.UsageError("--canary checks the entry's own checkpoint: leave out --file and --pin")
        return check_model_canary(name, **places)
    if any(places.values()):
        raise click.UsageError("--data, --dataset, --split, --frames and --device belong to --canary")
    from gsm_bench.files import file_sha256
    from gsm_bench.nets.checkpoint import (
        check_finite,
        choose_weights,
        compare_keys,
        describe,
        read_checkpoint,
        stated_frames,
        stated_gate,
    )
    from gsm_bench.nets.identify import gate_of
    from gsm_bench.nets.registry import network_for

    workspace, manifest = registry()
    entry = manifest.model(name)
    ask_for_code([entry], workspace)
    path = file or workspace.checkpoint_path(entry.checkpoint.file)
    network, checkpoint = network_for(entry, search=workspace.root), read_checkpoint(path)
    checkpoint = choose_weights(network, checkpoint, entry.ignore_keys, entry.checkpoint.weights)
    fit = compare_keys(network, checkpoint, entry.ignore_keys)
    digest = file_sha256(path)
    echo(f"{path}\n  holds    {describe(checkpoint)}")
    for key, value in sorted(checkpoint.beside.items()):
        if isinstance(value, str | int | float):
            echo(f"  says     {key} = {value}")
    for place, class_name in checkpoint.skipped.items():
        echo(f"  skipped  {place}: a {class_name}, which was not made")
    if len(checkpoint.sets) > 1:
        echo(f"  weights  {', '.join(map(repr, checkpoint.sets))}; {checkpoint.chosen!r} are compared")
    if fit.prefix:
        echo(f"  prefix   {fit.prefix!r} of a wrapper was removed from every key")
    _echo_fit(fit)
    check_finite(checkpoint.weights, path)
    frames = stated_frames(checkpoint)
    other_frames = frames is not None and frames != entry.frames
    if other_frames:
        echo(f"  frames   {frames}, the entry says {entry.frames}")
    gate, own_gate = stated_gate(checkpoint), gate_of(network)
    other_gate = bool(gate and own_gate and gate != own_gate)
    if other_gate:
        echo(f"  gate     {gate}, the entry says {own_gate}")
    pinned = digest == entry.checkpoint.sha256
    echo(
        f"  sha256   {digest} ({'as pinned' if pinned else 'NOT the pinned one' if entry.checkpoint.sha256 else 'none is pinned'})"
    )
    fits = fit.complete and not other_frames and not other_gate and (pinned or not entry.checkpoint.sha256 or pin)
    why = f": the file says {frames} frames, the entry {entry.frames}" if other_frames else ""
    why = f": the file says {gate} gates, the entry {own_gate}" if other_gate else why
    echo(f"{'fits' if fits else 'does NOT fit'} {entry.name} ({entry.title}, {entry.frames} frames){why}")
    if frames is None:
        say("note: the file does not say its number of frames, and weights have the same shape for any number")
    if pin and fits:
        from gsm_bench.local_manifest import pin_checkpoint

        say(f"pinned in {pasteable(pin_checkpoint(workspace, entry, digest))}")
    elif fits and not entry.checkpoint.sha256:
        say(f"to check this hash in every run: gsmbench models check {name}{f' --file {file}' if file else ''} --pin")
    return 0 if fits else 1


def _echo_fit(fit: Fit) -> None:
    echo(f"  matched  {len(fit.matched)} keys")
    for word, keys in (
        ("missing", fit.missing),
        ("unexpected", fit.unexpected),
        ("shape", fit.misshapen),
        ("ignored", fit.ignored),
        ("left out", fit.left_out),
    ):
        if keys:
            echo(f"  {word:<8} {len(keys)} keys")
            for key in keys[:10]:
                echo(f"             {key}")
            if len(keys) > 10:
                echo(f"             and {len(keys) - 10} more")


command.add_command(make_model_canary)
command.add_command(fetch_models)


@command.command("add")
@click.argument("name")
@click.option("--like", metavar="MODEL", help="The entry to copy; the options below replace its values.")
@click.option("--checkpoint", metavar="FILE", help="The weights: a path, or a file name in checkpoints/.")
@click.option("--title", metavar="TEXT", help="What it is (default: its name).")
@click.option(
    "--network",
    metavar="NAME",
    help="bninception, inceptionv3, torchvision:NAME, transformers:NAME, timm:NAME or package.module:function.",
)
@click.option("--frames", type=click.IntRange(1), metavar="T")
@click.option("--classes", type=click.IntRange(1), metavar="C")
@click.option("--dataset", metavar="NAME", shell_complete=completing.dataset_name)
@click.option("--split", metavar="NAME")
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="Any other key, as TOML: --set 'input.channel_order=\"RGB\"'.",
)
@click.option("--force", is_flag=True, help="Replace an existing entry of this name in local.toml.")
@workspace_option
def add_model(
    name: str, like: str | None, checkpoint: str | None, assignments: tuple[str, ...], force: bool, title: str | None,
    **given: Any,
) -> None:  # fmt: skip
    """Add a model of your own to manifests/local.toml of the workspace.

    For a network of torchvision, transformers or timm, the library or the files beside the weights say input, frames
    and classes; --like is then not needed.

    \b
    Example:
      gsmbench models add mine_8f --like inv3_8f --checkpoint mine.pth.tar
      gsmbench models add r3d --network torchvision:r3d_18 --checkpoint r3d.pth --dataset something-v1
    """
    from gsm_bench.entries import library_of
    from gsm_bench.local_manifest import save_model

    workspace, manifest = registry()
    library = library_of(given["network"] or "")
    if like is None and not library:
        raise click.UsageError("Missing option '--like', or '--network' of torchvision, transformers or timm.")
    base = manifest.model(like) if like else None
    given = {key: value for key, value in given.items() if value is not None}
    weights = None if checkpoint is None else _place_of_weights(checkpoint, workspace)
    raw = _copied(base, given.get("network")) if base else {}
    if library:
        raw |= _described_by_library(given, weights, manifest, set(raw) - {"checkpoint"})
    elif checkpoint is None:
        raise click.UsageError("Missing option '--checkpoint'.")
    raw |= given
    raw |= {"title": title or raw.get("title") or name}
    if base:
        asked = given.get("dataset"), given.get("split")
        raw["dataset"], raw["split"] = manifest.place(base.dataset, base.split, *asked)
    if checkpoint is not None and weights is not None and not weights.is_dir():
        raw["checkpoint"] = {"file": str(weights.resolve()) if Path(checkpoint).expanduser().exists() else checkpoint}
    for text in assignments:
        _assign(raw, text)
    _check_addition(name, raw, manifest, workspace)
    if base and not library and given.get("network") not in (None, base.network):
        say(f"note: input settings are those of {like} ({_input(base)}); --set 'input.size=112' changes one")
    path = save_model(workspace, name, raw, force=force)
    say(f"wrote [models.{name}] to {pasteable(path)}")
    echo(name)


def _place_of_weights(checkpoint: str, workspace: Workspace) -> Path:
    given = Path(checkpoint).expanduser()
    return given if given.exists() else workspace.checkpoint_path(checkpoint)


def _copied(base: ModelEntry, network: str | None) -> dict[str, Any]:
    """The raw table of an entry, without what is only true of its own weights."""
    from gsm_bench.local_manifest import raw_model

    raw = raw_model(base) | {"title": "", "published": [], "trained_on": [], "notes": f"added like {base.name}"}
    if network not in (None, base.network):
        raw = {key: value for key, value in raw.items() if key not in OF_THE_NETWORK}
    return raw


def _described_by_library(
    given: Mapping[str, Any], weights: Path | None, manifest: Manifest, copied: set[str]
) -> dict[str, Any]:
    """What a library, the files beside the weights and the data set say of a network; tells where each is from.

    Args:
        given: options of the command by key of the entry.
        weights: the file or folder of `--checkpoint`.
        manifest: knows the data set.
        copied: keys that `--like` gives.

    Raises:
        ManifestError, NetworkError: something is not known, with the option that gives it.
    """
    from gsm_bench.errors import CheckpointError, NetworkError
    from gsm_bench.nets.libraries import library_settings

    network = given["network"]
    if weights is not None and not weights.exists():
        raise CheckpointError("no such checkpoint", where=weights, fix=CHECKPOINT_FIX)
    settings = library_settings(network, weights)
    raw = dict(settings.values)
    say(f"{', '.join(sorted(raw.keys() - {'title', 'score_kind', 'notes'}))}: from {' and '.join(settings.sources)}")
    if "notes" in raw:
        say(f"note: {raw['notes']}")
    missing = dict(settings.missing)
    if name := given.get("dataset"):
        dataset = manifest.dataset(name)
        raw |= {"split": dataset.evaluation_split, "class_order": dataset.class_order}
        if "classes" not in raw and isinstance(dataset.classes, int) and dataset.classes:
            raw["classes"] = dataset.classes
    else:
        missing["dataset"] = "--dataset NAME; manifests/ of the workspace may hold your own"
    if "checkpoint" not in raw and (weights is None or weights.is_dir()):
        missing["checkpoint"] = "--checkpoint FILE, the file of the weights"
    unknown = {key: how for key, how in missing.items() if key not in raw and key not in given and key not in copied}
    if unknown:
        raise NetworkError(f"{network}: {', '.join(unknown)} not known", fix="; ".join(unknown.values()))
    return raw


def _input(entry: ModelEntry) -> str:
    spec = entry.input
    return (
        f"{spec.size} x {spec.size}, {spec.channel_order}, values 0..{spec.value_range:g}, "
        f"mean {_numbers(spec.mean)}, std {_numbers(spec.std)}"
    )


def _check_addition(name: str, raw: dict[str, Any], manifest: Manifest, workspace: Workspace) -> None:
    """Refuse an entry that cannot be scored: without its checkpoint, or for a data set of other classes.

    Raises:
        CheckpointError, ManifestError, NetworkError: why not.
    """
    from gsm_bench.entries import library_of
    from gsm_bench.errors import CheckpointError
    from gsm_bench.manifest import LOCAL_FILE, check_same_classes, convert_entry

    entry = convert_entry("models", name, raw, workspace.manifests / LOCAL_FILE)
    path = workspace.checkpoint_path(entry.checkpoint.file)
    if not path.is_file() and entry.checkpoint.url:
        say(f"note: download the weights from {entry.checkpoint.url} to {pasteable(path)}")
    elif not path.is_file():
        raise CheckpointError("no such checkpoint", where=path, fix=CHECKPOINT_FIX)
    check_same_classes(entry, manifest.dataset(entry.dataset))
    if library_of(entry.network):
        _check_library_network(entry, path)


def _check_library_network(entry: ModelEntry, checkpoint: Path) -> None:
    """Refuse frames, sizes and weights that the network of a library does not take.

    Raises:
        CheckpointError, NetworkError: why not.
    """
    from gsm_bench.nets.cost import entry_cost
    from gsm_bench.nets.registry import load_network

    entry_cost(entry)
    if checkpoint.is_file():
        load_network(entry, checkpoint)


def _assign(raw: dict[str, Any], text: str) -> None:
    key, equals, value = text.partition("=")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError as error:
        raise click.UsageError(
            f"--set {text}: {value!r} is not a TOML value; texts need quotes: --set 'key=\"text\"'"
        ) from error
    if not equals:
        raise click.UsageError(f"--set {text}: write KEY=VALUE")
    *parents, last = key.strip().split(".")
    at = raw
    for parent in parents:
        at = at.setdefault(parent, {})
        if not isinstance(at, dict):
            raise click.UsageError(f"--set {text}: {parent} holds a value, not keys")
    at[last] = parsed
