"""Checkpoints into networks, strictly: every key of the released files, of any ``torch.save`` of tensors, of safetensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gsm_bench.errors import CheckpointError
from gsm_bench.nets.checkpoint_content import Checkpoint, describe, read_checkpoint, stated_gate
from gsm_bench.nets.identify import UNKNOWN, gate_of, network_words
from gsm_bench.nets.key_names import is_beside_network, removed_prefix, renamed_keys

__all__ = [
    "Checkpoint", "Fit", "Loaded", "check_finite", "choose_weights", "compare_keys", "load_checkpoint", "load_weights",
    "read_checkpoint", "stated_gate",
]  # fmt: skip

COUNTER = ".num_batches_tracked"
"""Counters of batch norms, which play no part in inference; torch before 0.4.1 did not write them."""


@dataclass(frozen=True)
class Fit:
    """Keys of a checkpoint compared with those of a network, both by the network's names.

    Attributes:
        ignored: keys that `ignore_keys` allows; they are in no other list.
        left_out: keys of training code, such as a loss function or a counter.
        names: key of the network by key of the file.
    """

    matched: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misshapen: tuple[str, ...]
    ignored: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        return not (self.missing or self.unexpected or self.misshapen)

    @property
    def prefix(self) -> str:
        """What was removed before every key of the file."""
        return removed_prefix(self.names)


@dataclass(frozen=True)
class Loaded:
    """What a checkpoint held beside the weights that were loaded.

    Attributes:
        beside: other plain values (epoch, arch, best_prec1 ...).
        left_out: keys of training code that are no part of the network.
    """

    beside: dict[str, Any]
    left_out: tuple[str, ...]


def load_checkpoint(network: nn.Module, path: str | Path, *, ignore_keys: Sequence[str] = ()) -> dict[str, Any]:
    """Load weights into `network`, every key or none; returns the other values of the file (epoch, arch ...).

    Raises:
        CheckpointError: see `load_weights`.
    """
    return load_weights(network, path, ignore_keys=ignore_keys).beside


def load_weights(network: nn.Module, path: str | Path, *, ignore_keys: Sequence[str] = (), weights: str = "") -> Loaded:
    """Load weights into `network`, every key or none.

    Args:
        network: any module; its own keys and shapes decide.
        path: a released ``.pth.tar``, another ``torch.save`` file of tensors, or ``.safetensors``.
        ignore_keys: patterns (``*`` matches) of keys that may be missing or superfluous.
        weights: place of the weights in a file with several sets, such as ``state_dict_ema``.

    Raises:
        CheckpointError: not found, damaged, holding code, of another network, trained with other gates, or with several
            sets of weights that fit. The network is then unchanged.
    """
    checkpoint = choose_weights(network, read_checkpoint(path), ignore_keys, weights)
    fit = compare_keys(network, checkpoint, ignore_keys)
    if not fit.complete:
        raise CheckpointError(
            _mismatch(fit, checkpoint, network),
            where=path,
            fix="gsmbench models check NAME --file FILE lists every key; use the entry whose network this file holds",
        )
    refuse_other_gate(network, checkpoint)
    matched = set(fit.matched)
    tensors = {name: checkpoint.weights[key] for key, name in fit.names.items() if name in matched}
    check_finite(tensors, Path(path))
    network.load_state_dict(tensors, strict=False)  # `compare_keys` has accounted for every key
    return Loaded(dict(checkpoint.beside), fit.left_out)


def check_finite(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Raise a CheckpointError if a weight is NaN or infinite."""
    broken = [key for key, value in tensors.items() if value.is_floating_point() and not torch.isfinite(value).all()]
    if broken:
        more = f" and {len(broken) - 1} more keys hold" if len(broken) > 1 else " holds"
        raise CheckpointError(
            f"{broken[0]}{more} numbers that are not finite",
            where=path,
            fix="use a checkpoint from before training diverged",
        )


def choose_weights(
    network: nn.Module, checkpoint: Checkpoint, ignore_keys: Sequence[str] = (), weights: str = ""
) -> Checkpoint:
    """The checkpoint with the set of weights called `weights`, or with the only one that fits the network.

    Raises:
        CheckpointError: there is no such set, or several sets fit.
    """
    names = ", ".join(repr(name) for name in checkpoint.sets)
    if weights:
        if weights not in checkpoint.sets:
            raise CheckpointError(f"no weights {weights!r} in this file; it holds {names}", where=checkpoint.path)
        return _with(checkpoint, weights)
    fits = {name: compare_keys(network, _with(checkpoint, name), ignore_keys) for name in checkpoint.sets}
    complete = [name for name, fit in fits.items() if fit.complete]
    if len(complete) > 1:
        raise CheckpointError(
            f"this file holds several sets of weights for this network: {', '.join(map(repr, complete))}",
            where=checkpoint.path,
            fix=f'choose one in the entry: checkpoint = {{ file = "{checkpoint.path.name}", weights = "{complete[0]}" }}',
        )
    return _with(checkpoint, complete[0] if complete else max(fits, key=lambda name: len(fits[name].matched)))


def _with(checkpoint: Checkpoint, name: str) -> Checkpoint:
    return Checkpoint(checkpoint.path, checkpoint.sets, checkpoint.beside, checkpoint.skipped, name)


def compare_keys(network: nn.Module, checkpoint: Checkpoint, ignore_keys: Sequence[str] = ()) -> Fit:
    """Compare the keys and shapes of a checkpoint's chosen weights with a network's own."""
    own = network.state_dict()
    names = renamed_keys(checkpoint.weights, own)
    network_shapes = {key: tuple(tensor.shape) for key, tensor in own.items()}
    file_shapes = {names[key]: tuple(tensor.shape) for key, tensor in checkpoint.weights.items()}
    ignored = [
        key for key in network_shapes.keys() ^ file_shapes.keys() if any(fnmatchcase(key, p) for p in ignore_keys)
    ]
    superfluous = [key for key in file_shapes if key not in network_shapes and key not in ignored]
    left_out = [key for key in superfluous if is_beside_network(key, network_shapes.keys())]
    shared = [key for key in network_shapes if key in file_shapes]
    return Fit(
        matched=tuple(key for key in shared if network_shapes[key] == file_shapes[key]),
        missing=tuple(
            key for key in network_shapes if key not in file_shapes and key not in ignored and not key.endswith(COUNTER)
        ),
        unexpected=tuple(key for key in superfluous if key not in left_out),
        misshapen=tuple(
            f"{key}: {_shape(file_shapes[key])} in the file, {_shape(network_shapes[key])} in the network"
            for key in shared
            if network_shapes[key] != file_shapes[key]
        ),
        ignored=tuple(sorted(ignored)),
        left_out=tuple(left_out),
        names=names,
    )


def refuse_other_gate(
    network: nn.Module, checkpoint: Checkpoint, way: str = 'write options.gate = "{}" into the entry'
) -> None:
    """Raise a CheckpointError if the file states another activation of the gates than the network has.

    Args:
        way: how a user gets a network with the gates of the file, which are put for ``{}``.
    """
    stated, own = stated_gate(checkpoint), gate_of(network)
    if stated and own and stated != own:
        raise CheckpointError(
            f"this file was trained with {stated} gates, and the network has {own} gates",
            where=checkpoint.path,
            fix=f"{way.format(stated)}, or use another file",
        )


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def _mismatch(fit: Fit, checkpoint: Checkpoint, network: nn.Module) -> str:
    differences = [
        f"{len(keys)} {word} (first: {keys[0]})"
        for word, keys in (
            ("missing", fit.missing),
            ("unexpected", fit.unexpected),
            ("of another shape", fit.misshapen),
        )
        if keys
    ]
    file, own = describe(checkpoint), network_words({key: tuple(t.shape) for key, t in network.state_dict().items()})
    other = f"; the network is {own}" if own not in (file, UNKNOWN) else ""
    counts = f"{len(fit.matched)} keys match, {', '.join(differences)}"
    return f"this file does not fit the network: {counts}; it looks like {file}{other}"
