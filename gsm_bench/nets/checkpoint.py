"""Checkpoints in, safely and strictly: the authors' released files, any ``torch.save`` of tensors, safetensors."""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gsm_bench.errors import CheckpointError

WEIGHT_KEYS = ("state_dict", "model_state", "model", "module")
"""Keys under which training scripts save the weights."""
FRAMES_KEYS = ("frames", "num_segments")
"""Keys under which training scripts save the frames per clip."""


@dataclass(frozen=True)
class Checkpoint:
    """Tensors of a file by key, without the prefix of a wrapper, and the other values that it holds."""

    path: Path
    weights: Mapping[str, Tensor]
    beside: Mapping[str, Any]
    prefix: str


@dataclass(frozen=True)
class Fit:
    """Keys of a checkpoint compared with those of a network; keys that `ignore_keys` allows are in `ignored` alone."""

    matched: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misshapen: tuple[str, ...]
    ignored: tuple[str, ...]

    @property
    def complete(self) -> bool:
        return not (self.missing or self.unexpected or self.misshapen)


def load_checkpoint(network: nn.Module, path: str | Path, *, ignore_keys: Sequence[str] = ()) -> dict[str, Any]:
    """Load weights into `network`, every key or none.

    Args:
        network: any module; its own keys and shapes decide.
        path: a released ``.pth.tar``, another ``torch.save`` file of tensors, or ``.safetensors``.
        ignore_keys: patterns (``*`` matches) of keys that may be missing or superfluous.

    Returns:
        The other values of the file (epoch, arch, best_prec1 ...).

    Raises:
        CheckpointError: not found, damaged, holding code, or of another network. The network is then unchanged.
    """
    checkpoint = read_checkpoint(path)
    fit = compare_keys(network, checkpoint, ignore_keys)
    if not fit.complete:
        raise CheckpointError(
            _mismatch(fit, checkpoint),
            where=path,
            fix="gsmbench models check NAME --file FILE lists every key; use the entry whose network this file holds",
        )
    weights = {key: checkpoint.weights[key] for key in fit.matched}
    network.load_state_dict(weights, strict=False)  # `compare_keys` has accounted for every key
    return dict(checkpoint.beside)


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read tensors and plain values from `path` without running anything that it holds."""
    path = Path(path)
    if not path.is_file():
        raise CheckpointError("no such checkpoint", where=path, fix="gsmbench models show NAME says where to get it")
    if _is_safetensors(path):
        weights, beside = _read_safetensors(path)
    else:
        weights, beside = _split_weights(_read_torch(path), path)
    prefix = _wrapper_prefix(list(weights))
    return Checkpoint(path, {key.removeprefix(prefix): tensor for key, tensor in weights.items()}, beside, prefix)


def compare_keys(network: nn.Module, checkpoint: Checkpoint, ignore_keys: Sequence[str] = ()) -> Fit:
    """Compare the keys and shapes of a checkpoint with a network's own."""
    network_shapes = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
    file_shapes = {key: tuple(tensor.shape) for key, tensor in checkpoint.weights.items()}
    ignored = [
        key for key in network_shapes.keys() ^ file_shapes.keys() if any(fnmatchcase(key, p) for p in ignore_keys)
    ]
    shared = [key for key in network_shapes if key in file_shapes]
    return Fit(
        matched=tuple(key for key in shared if network_shapes[key] == file_shapes[key]),
        missing=tuple(key for key in network_shapes if key not in file_shapes and key not in ignored),
        unexpected=tuple(key for key in file_shapes if key not in network_shapes and key not in ignored),
        misshapen=tuple(
            f"{key}: {_shape(file_shapes[key])} in the file, {_shape(network_shapes[key])} in the network"
            for key in shared
            if network_shapes[key] != file_shapes[key]
        ),
        ignored=tuple(sorted(ignored)),
    )


def stated_frames(checkpoint: Checkpoint) -> int | None:
    """Frames per clip that a file states beside its weights, or in a released name; None if it does not."""
    named = re.search(r"segment(\d+)", checkpoint.path.name)
    for value in (*(checkpoint.beside.get(key) for key in FRAMES_KEYS), named and named.group(1)):
        if isinstance(value, int | str) and str(value).isdecimal():
            return int(value)
    return None


def describe(checkpoint: Checkpoint) -> str:
    """The network that the keys look like, in words."""
    keys = checkpoint.weights.keys()
    if any(key.startswith("base_model.inception_3a_") for key in keys):
        family = "BN-Inception"
    elif any(key.startswith("base_model.mixed_conv_") for key in keys):
        family = "InceptionV3"
    else:
        return "none of the networks known here"
    modules = sum(key.endswith(".conv3D.weight") for key in keys)
    kind = f"GSM {family} with {modules} gate-shift modules" if modules else f"TSN {family}"
    classifier = checkpoint.weights.get("new_fc.weight")
    return kind if classifier is None else f"{kind}, {classifier.shape[0]} classes"


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


def _read_torch(path: Path) -> Any:
    # best_prec1 may be a numpy scalar; these three rebuild one and can do nothing else.
    scalar: list[Any] = [
        np.dtype,
        type(np.float64(0)).__reduce__(np.float64(0))[0],
        *{type(np.dtype(kind)) for kind in "fdilq"},
    ]
    try:
        with torch.serialization.safe_globals(scalar), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle protocols; what cannot be read is refused below
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise _refusal(path, str(error)) from error
    except Exception as error:  # a damaged stream fails wherever its reader happens to be: struct, zip, codec, index
        raise _damaged(path) from error


def _refusal(path: Path, message: str) -> CheckpointError:
    unsafe = re.search(r"GLOBAL ([\w.]+)|(?:class|function) ['\"]?([\w.]+)['\"]? .*not", message)
    if unsafe:
        name = unsafe.group(1) or unsafe.group(2)
        return CheckpointError(
            f"this file asks for {name}, which is code and not weights; it was not run",
            where=path,
            fix="do not load it elsewhere either; save the tensors alone: torch.save({'state_dict': net.state_dict()}, FILE)",
        )
    return _damaged(path)


def _damaged(path: Path) -> CheckpointError:
    with path.open("rb") as file:
        head = file.read(64).lstrip().lower()
    size = path.stat().st_size
    if head.startswith((b"<!doctype html", b"<html")):
        return CheckpointError(
            "this is a web page, not a checkpoint: the download site returned its confirmation page",
            where=path,
            fix="download the file in a browser",
        )
    if head.startswith((b"\x80", b"pk")):
        return CheckpointError(
            f"this checkpoint is cut short or damaged ({size:,} bytes)", where=path, fix="download or copy it again"
        )
    return CheckpointError(
        f"this is not a checkpoint: neither a torch.save file nor safetensors ({size:,} bytes)",
        where=path,
        fix="point the entry's checkpoint at the downloaded .pth.tar or .safetensors file",
    )


def _split_weights(saved: Any, path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    if not isinstance(saved, Mapping):
        raise CheckpointError(
            f"the file holds a {type(saved).__name__}, not a dict of tensors", where=path, fix="save net.state_dict()"
        )
    beside: dict[str, Any] = {}
    inner = saved
    for key in WEIGHT_KEYS:
        if isinstance(saved.get(key), Mapping):
            inner, beside = saved[key], {name: value for name, value in saved.items() if name != key}
            break
    weights = {str(key): value for key, value in inner.items() if isinstance(value, Tensor)}
    if not weights:
        raise CheckpointError("the file holds no weights", where=path, fix="save {'state_dict': net.state_dict()}")
    return weights, beside


def _wrapper_prefix(keys: list[str]) -> str:
    """What wrappers (DataParallel's ``module.``, torch.compile's ``_orig_mod.``) put before every key."""
    prefix = ""
    while True:
        first = {key[len(prefix) :].split(".", 1)[0] for key in keys}
        if len(first) != 1 or any(key.count(".", len(prefix)) == 0 for key in keys):
            return prefix
        prefix += first.pop() + "."


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def _mismatch(fit: Fit, checkpoint: Checkpoint) -> str:
    differences = [
        f"{len(keys)} {word} (first: {keys[0]})"
        for word, keys in (
            ("missing", fit.missing),
            ("unexpected", fit.unexpected),
            ("of another shape", fit.misshapen),
        )
        if keys
    ]
    return f"this file does not fit the network: {len(fit.matched)} keys match, {', '.join(differences)}; it looks like {describe(checkpoint)}"
