"""From a manifest entry to its network: one of this package, or a function that the user names."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from gsm_bench.entries import OWN_NETWORKS, ModelEntry
from gsm_bench.errors import CheckpointError, NetworkError
from gsm_bench.files import file_sha256
from gsm_bench.nets.checkpoint import load_weights
from gsm_bench.nets.segment import build_network


@dataclass(frozen=True)
class LoadedNetwork:
    """A network with its weights, the sha256 of the file that they came from, and what else the file holds.

    Attributes:
        left_out: keys of training code that are no part of the network.
    """

    network: nn.Module
    sha256: str
    beside: dict[str, Any]
    left_out: tuple[str, ...] = ()


def network_for(entry: ModelEntry, *, search: Path | None = None) -> nn.Module:
    """Build the entry's network, untrained.

    Args:
        entry: whose ``network`` names it.
        search: a directory, beside the installed packages, where ``package.module`` is looked for.

    Raises:
        NetworkError: the function is missing, fails, or does not return a module.
    """
    if entry.network not in OWN_NETWORKS:
        return _foreign_network(entry, search)
    uncounted = [task for task, classes in entry.tasks.items() if classes == 0]
    if uncounted:
        raise NetworkError(
            f"{entry.name}: its number of {uncounted[0]} classes is counted in the data set's files, which were not read",
            fix=f"score finds it in data/{entry.dataset}/; or write it into the entry: gsmbench models add",
        )
    classes = entry.tasks["action"] if entry.head == "action" else entry.tasks
    try:
        return build_network(entry.network, entry.temporal, entry.frames, classes, **entry.options)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        known = [name for name, p in inspect.signature(build_network).parameters.items() if p.kind is p.KEYWORD_ONLY]
        raise NetworkError(f"{entry.name}: {error}", fix=f"options of this network are {', '.join(known)}") from error


def load_network(entry: ModelEntry, checkpoint: Path, *, search: Path | None = None) -> LoadedNetwork:
    """Build the entry's network and load its checkpoint strictly.

    Raises:
        CheckpointError: missing, of another network, or not the file whose sha256 the entry pins.
    """
    if not checkpoint.is_file():
        raise CheckpointError(f"no checkpoint of {entry.name}", where=checkpoint, fix=_where_to_get(entry))
    digest = file_sha256(checkpoint)
    if entry.checkpoint.sha256 and digest != entry.checkpoint.sha256:
        raise CheckpointError(
            f"this is not the pinned checkpoint of {entry.name}: its sha256 is {digest}, the entry says {entry.checkpoint.sha256}",
            where=checkpoint,
            fix=f"put the right file there, or pin this one: gsmbench models check {entry.name} --pin",
        )
    network = network_for(entry, search=search)
    loaded = load_weights(network, checkpoint, ignore_keys=entry.ignore_keys, weights=entry.checkpoint.weights)
    return LoadedNetwork(network, digest, loaded.beside, loaded.left_out)


def _where_to_get(entry: ModelEntry) -> str:
    url = entry.checkpoint.url
    return (
        f"download it from {url} to that place"
        if url
        else "put your own checkpoint there; gsmbench models check tells whether it fits"
    )


def _foreign_network(entry: ModelEntry, search: Path | None) -> nn.Module:
    function = _function(entry.network, search)
    try:
        network = function(entry)
    except Exception as error:
        raise NetworkError(
            f"{entry.network} failed for {entry.name}: {type(error).__name__}: {error}", fix="fix the function"
        ) from error
    if not isinstance(network, nn.Module):
        raise NetworkError(f"{entry.network} returned a {type(network).__name__}", fix="return a torch.nn.Module")
    return network


def _function(name: str, search: Path | None) -> Callable[[ModelEntry], Any]:
    module_name, _, function_name = name.partition(":")
    try:
        with _importable([str(search)] if search else []):
            module = importlib.import_module(module_name)
    except Exception as error:  # the user's own file may hold anything
        raise NetworkError(
            f"cannot import {module_name}: {type(error).__name__}: {error}",
            where=search,
            fix="install it, put its file into the workspace, or fix it",
        ) from error
    function: Callable[[ModelEntry], Any] | None = getattr(module, function_name, None)
    if function is None:
        raise NetworkError(f"{module_name} has no function {function_name}", where=getattr(module, "__file__", None))
    return function


@contextmanager
def _importable(directories: Sequence[str]) -> Iterator[None]:
    sys.path[:0] = directories
    try:
        yield
    finally:
        for directory in directories:
            sys.path.remove(directory)
