"""Checkpoints in, safely and strictly: the authors' released files, any ``torch.save`` of tensors, safetensors."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor, nn

from gsm_bench.errors import CheckpointError
from gsm_bench.nets.checkpoint_file import Skipped, read_saved
from gsm_bench.nets.identify import UNKNOWN, gate_of, network_words
from gsm_bench.nets.key_names import is_beside_network, removed_prefix, renamed_keys
from gsm_bench.settings import GateActivation

FRAMES_KEYS = ("frames", "num_segments", "num_frames", "n_frames", "segments")
"""Keys under which training scripts save the frames per clip."""
SETTINGS_KEYS = ("args", "cfg", "config", "hyper_parameters", "opt", "options")
"""Keys under which training scripts save their settings."""
NO_WEIGHTS = re.compile(r"optim|sched|scaler|loss|rng|random|criterion")
"""Parts of keys of mappings that hold tensors, but no weights of a network."""
DEEPEST = 3
"""Levels of mappings in which weights are looked for."""
COUNTER = ".num_batches_tracked"
"""Counters of batch norms, which play no part in inference; torch before 0.4.1 did not write them."""


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds.

    Attributes:
        sets: tensors by key, of each set of weights by its place in the file, such as ``state_dict``; "" at the top.
        beside: the other plain values of the file.
        skipped: class of each object beside the weights that was not made, by its place.
        chosen: the set that is used.
    """

    path: Path
    sets: Mapping[str, Mapping[str, Tensor]]
    beside: Mapping[str, Any]
    skipped: Mapping[str, str] = field(default_factory=dict)
    chosen: str = ""

    @property
    def weights(self) -> Mapping[str, Tensor]:
        """Tensors of the chosen set by key, as they stand in the file."""
        return self.sets[self.chosen]


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


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read tensors and plain values from `path` without running anything that it holds."""
    path = Path(path)
    if not path.is_file():
        raise CheckpointError("no such checkpoint", where=path, fix="gsmbench models show NAME says where to get it")
    if _is_safetensors(path):
        weights, beside = _read_safetensors(path)
        return Checkpoint(path, {"": weights}, beside)
    return _checkpoint_of(read_saved(path), path)


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


def stated_frames(checkpoint: Checkpoint) -> int | None:
    """Frames per clip that a file states beside its weights, or in a released name; None if it does not."""
    named = re.search(r"segment(\d+)", checkpoint.path.name)
    places = [checkpoint.beside, *(checkpoint.beside.get(key) for key in SETTINGS_KEYS)]
    values = [place.get(key) for place in places if isinstance(place, Mapping) for key in FRAMES_KEYS]
    for value in (*values, named and named.group(1)):
        if isinstance(value, int | str) and str(value).isdecimal():
            return int(value)
    return None


def stated_gate(checkpoint: Checkpoint) -> str | None:
    """Activation of the gates that a file states beside its weights; None if it does not, and there the keys cannot tell."""
    places = [checkpoint.beside, *(_unpacked(checkpoint.beside.get(key)) for key in SETTINGS_KEYS)]
    values = [place.get("gate") for place in places if isinstance(place, Mapping)]
    return next((value for value in values if value in get_args(GateActivation)), None)


def _unpacked(settings: Any) -> Any:
    """Settings as they are, or out of the JSON text that the metadata of safetensors hold them in."""
    try:
        return json.loads(settings) if isinstance(settings, str) else settings
    except (ValueError, RecursionError):
        return None


def describe(checkpoint: Checkpoint) -> str:
    """The network that the keys look like, in words."""
    weights = next((each for each in (checkpoint.weights, *checkpoint.sets.values()) if each), {})
    return network_words({key: tuple(tensor.shape) for key, tensor in weights.items()})


def refuse_other_gate(network: nn.Module, checkpoint: Checkpoint) -> None:
    """Raise a CheckpointError if the file states another activation of the gates than the network has."""
    stated, own = stated_gate(checkpoint), gate_of(network)
    if stated and own and stated != own:
        raise CheckpointError(
            f"this file was trained with {stated} gates, and the network has {own} gates",
            where=checkpoint.path,
            fix=f'write options.gate = "{stated}" into the entry, or use another file',
        )


def _is_safetensors(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(9)
    return len(head) == 9 and head[8:] == b"{" and int.from_bytes(head[:8], "little") < path.stat().st_size


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except SafetensorError as error:
        raise CheckpointError(
            f"this safetensors file is damaged ({error})", where=path, fix="download or copy it again"
        ) from error


def _checkpoint_of(saved: Any, path: Path) -> Checkpoint:
    """The sets of weights in what a file holds, and the plain values beside them."""
    if isinstance(saved, Skipped):
        raise CheckpointError(
            f"the file holds a {saved.name} object, which is code, not a dict of tensors",
            where=path,
            fix="save the weights: torch.save({'state_dict': net.state_dict()}, FILE)",
        )
    if not isinstance(saved, Mapping):
        raise CheckpointError(
            f"the file holds a {type(saved).__name__}, not a dict of tensors", where=path, fix="save net.state_dict()"
        )
    sets = dict(_sets(saved, "", path))
    skipped = dict(_skipped(saved, ""))
    if not sets:
        objects = "".join(f", but {key!r} is a {name} object" for key, name in list(skipped.items())[:1])
        raise CheckpointError(
            f"the file holds no weights{objects}", where=path, fix="save {'state_dict': net.state_dict()}"
        )
    return Checkpoint(path, sets, dict(_beside(saved, "", sets)), skipped, next(iter(sets)))


def _sets(saved: Mapping[Any, Any], place: str, path: Path) -> Iterator[tuple[str, Mapping[str, Tensor]]]:
    """Mappings that hold tensors in the main, by their place."""
    tensors = {str(key): value for key, value in saved.items() if isinstance(value, Tensor)}
    if 2 * len(tensors) > len(saved) and any(value.ndim for value in tensors.values()):
        for key, value in saved.items():
            if isinstance(value, Skipped):
                raise CheckpointError(
                    f"the weight {key!r} is a {value.name} object, which is code and not a tensor", where=path
                )
        yield place, tensors
        return
    for key, value in saved.items():
        inner = f"{place}.{key}" if place else str(key)
        nested = isinstance(value, Mapping) and not isinstance(value, Skipped) and inner.count(".") < DEEPEST
        if nested and not NO_WEIGHTS.search(str(key).lower()):
            yield from _sets(value, inner, path)


def _skipped(saved: Mapping[Any, Any], place: str) -> Iterator[tuple[str, str]]:
    for key, value in saved.items():
        inner = f"{place}.{key}" if place else str(key)
        if isinstance(value, Skipped) or (isinstance(value, type) and issubclass(value, Skipped)):
            yield inner, value.name
        elif isinstance(value, Mapping) and inner.count(".") < DEEPEST:
            yield from _skipped(value, inner)


def _beside(saved: Mapping[Any, Any], place: str, sets: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Values beside the weights; of an object that was not made, its plain values."""
    for key, value in saved.items():
        inner = f"{place}.{key}" if place else str(key)
        if inner in sets or isinstance(value, Tensor):
            continue
        if any(name.startswith(f"{inner}.") for name in sets):
            yield from _beside(value, inner, sets)
        elif isinstance(value, Skipped):
            if value.state:
                yield str(key), dict(value.state)
        elif not isinstance(value, type):
            yield str(key), value


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
