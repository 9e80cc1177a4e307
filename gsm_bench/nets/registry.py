"""From a manifest entry to its network: one of this package, or a function that the user names."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from gsm_bench.entries import ModelEntry, library_of, runs_named_code
from gsm_bench.errors import CheckpointError, NetworkError, TrustError
from gsm_bench.files import file_sha256
from gsm_bench.nets.checkpoint import load_weights
from gsm_bench.nets.libraries import build_library_network
from gsm_bench.nets.segment import build_network
from gsm_bench.network_code import NetworkCode, running
from gsm_bench.permissions import allowed_code


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


def network_for(entry: ModelEntry, *, search: Path | None = None, code: NetworkCode | None = None) -> nn.Module:
    """Build the entry's network, untrained.

    Args:
        entry: whose ``network`` names it.
        search: the workspace of the entry, where ``package.module`` is looked for before the installed packages.
        code: of that network, where it was allowed to run already.

    Raises:
        NetworkError: the function is missing, fails, or does not return a module.
        TrustError: the user did not allow this workspace to run it.
    """
    if runs_named_code(entry.network):
        return _foreign_network(entry, code or allowed_code(entry, search or Path.cwd()))
    uncounted = [task for task, classes in entry.tasks.items() if classes == 0]
    if uncounted:
        raise NetworkError(
            f"{entry.name}: its number of {uncounted[0]} classes is counted in the data set's files, which were not read",
            fix=f"score finds it in data/{entry.dataset}/; or write it into the entry: gsmbench models add",
        )
    if library_of(entry.network):
        return build_library_network(entry)
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
        f"gsmbench models fetch {entry.name} downloads it from {url}; or put it there yourself"
        if url
        else "put your own checkpoint there; gsmbench models check tells whether it fits"
    )


def _foreign_network(entry: ModelEntry, code: NetworkCode) -> nn.Module:
    network = _call(entry, code)
    if not isinstance(network, nn.Module):
        raise NetworkError(f"{entry.network} returned a {type(network).__name__}", fix="return a torch.nn.Module")
    return network


def _call(entry: ModelEntry, code: NetworkCode) -> Any:
    """What the function of a network returns; the user's own file may raise anything."""
    function: Any = None
    try:
        with running(code) as function:
            if callable(function):
                return function(entry)
    except TrustError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        if function is not None:
            raise NetworkError(f"{entry.network} failed for {entry.name}: {reason}", fix="fix the function") from error
        fix = "install it, put its file into the workspace, or fix it"
        raise NetworkError(f"cannot import {code.module}: {reason}", where=code.folder, fix=fix) from error
    name = entry.network.partition(":")[2]
    raise NetworkError(f"{code.module} has no function {name}", where=code.folder, fix="define it, or name another")
