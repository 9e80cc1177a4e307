"""``gsmbench models add``."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gsm_bench.cli import completing
from gsm_bench.cli.console import echo
from gsm_bench.cli.model_card import channels_text
from gsm_bench.cli.options import registry, say, workspace_option
from gsm_bench.workspace import pasteable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gsm_bench.entries import ModelEntry
    from gsm_bench.manifest import Manifest
    from gsm_bench.workspace import Workspace

OF_THE_NETWORK = ("pretraining", "temporal", "options", "ignore_keys", "head", "score_kind", "cite")
"""Keys of an entry that say nothing of another network: `--network` does not copy them."""

CHECKPOINT_FIX = "give a path, or the name of a file in checkpoints/"


@click.command("add")
@click.argument("name")
@click.option(
    "--like",
    metavar="MODEL",
    shell_complete=completing.model_name,
    help="The entry to copy; the options below replace its values.",
)
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
@click.option("--split", metavar="NAME", shell_complete=completing.split_name)
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
        missing = "Missing option '--like', or '--network' of torchvision, transformers or timm"
        raise click.UsageError(f"{missing}, such as transformers:videomae.")
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
        settings = f"{base.input.size} x {base.input.size}, {channels_text(base.input)}"
        say(f"note: input settings are those of {like} ({settings}); --set 'input.size=112' changes one")
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
