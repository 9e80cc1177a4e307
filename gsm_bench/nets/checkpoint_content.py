"""What a checkpoint holds: sets of weights, and what the file says beside them; nothing of it runs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from torch import Tensor

from gsm_bench.errors import CheckpointError
from gsm_bench.nets.checkpoint_file import Skipped, read_saved
from gsm_bench.nets.identify import network_words
from gsm_bench.settings import GateActivation

FRAMES_KEYS = ("frames", "num_segments", "num_frames", "n_frames", "segments")
"""Keys under which training scripts save the frames per clip."""
SETTINGS_KEYS = ("args", "cfg", "config", "hyper_parameters", "opt", "options")
"""Keys under which training scripts save their settings."""
NO_WEIGHTS = re.compile(r"optim|sched|scaler|loss|rng|random|criterion")
"""Parts of keys of mappings that hold tensors, but no weights of a network."""
DEEPEST = 3
"""Levels of mappings in which weights are looked for."""


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


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read tensors and plain values from `path` without running anything that it holds."""
    path = Path(path)
    if not path.is_file():
        raise CheckpointError("no such checkpoint", where=path, fix="gsmbench models show NAME says where to get it")
    if _is_safetensors(path):
        weights, beside = _read_safetensors(path)
        return Checkpoint(path, {"": weights}, beside)
    return _checkpoint_of(read_saved(path), path)


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
