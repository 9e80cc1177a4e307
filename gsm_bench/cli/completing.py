"""What the shell offers for names: models, ensembles, data sets and splits of the workspace."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from gsm_bench.manifest import Manifest

Complete = Callable[[click.Context, click.Parameter, str], list[str]]


def _manifest(context: click.Context) -> Manifest | None:
    """The registry of the workspace that the unfinished command line names; None where it cannot be read."""
    from gsm_bench.errors import GsmBenchError
    from gsm_bench.manifest import load_manifest
    from gsm_bench.workspace import Workspace

    try:
        return load_manifest(Workspace.locate(context.obj or context.find_root().params.get("workspace")))
    except GsmBenchError:
        return None


def _completion(names: Callable[[Manifest, click.Context], Iterable[str]], *, several: bool = False) -> Complete:
    """Names that begin with the unfinished word; with `several`, with its part behind the last comma."""

    def complete(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
        manifest = _manifest(context)
        before, comma, last = incomplete.rpartition(",") if several else ("", "", incomplete)
        offered = names(manifest, context) if manifest else ()
        return [f"{before}{comma}{name}" for name in offered if name.startswith(last)]

    return complete


def _splits(manifest: Manifest, context: click.Context) -> list[str]:
    """The splits of the chosen data set, else of all."""
    chosen = str(context.params.get("dataset"))
    entries = [manifest.datasets[chosen]] if chosen in manifest.datasets else manifest.datasets.values()
    return list(dict.fromkeys(split for entry in entries for split in entry.splits))


model_name = _completion(lambda manifest, _: manifest.models)
member_names = _completion(lambda manifest, _: [*manifest.models, *manifest.ensembles], several=True)
ensemble_name = _completion(lambda manifest, _: manifest.ensembles)
dataset_name = _completion(lambda manifest, _: manifest.datasets)
split_name = _completion(_splits)
table_name = _completion(lambda manifest, _: manifest.tables)
