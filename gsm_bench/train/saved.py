"""What a training keeps on disk: its state, to go on after any kill, and the checkpoints that come of it."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as serialise
from torch import Tensor, nn

from gsm_bench.errors import CheckpointError, RunConflictError
from gsm_bench.files import write_whole

DAMAGE = (
    OSError, RuntimeError, pickle.UnpicklingError, LookupError, TypeError, ValueError, AttributeError, EOFError,
    zipfile.BadZipFile,
)  # fmt: skip
"""What reading a damaged state, or one of another version, raises."""


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write a state whole, over the last one; raises DiskError, where torch itself would not say that the disk is full."""
    content = io.BytesIO()
    torch.save(dict(state), content)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content.getvalue(), sweeps=False)


def load_state(path: Path, signature: Mapping[str, str]) -> dict[str, Any] | None:
    """The state of an unfinished training; None if there is none.

    Raises:
        RunConflictError: it belongs to a training with other settings; both sides are shown.
        CheckpointError: the file is damaged.
    """
    if not path.is_file():
        return None
    try:
        _check_sums(path)
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        before: dict[str, str] = dict(state["signature"])
    except DAMAGE as error:
        raise damaged_state(path) from error
    differing = sorted(key for key in before.keys() | signature.keys() if before.get(key) != signature.get(key))
    if differing:
        sides = "; ".join(f"{key}: {before.get(key, 'none')}, now {signature.get(key, 'none')}" for key in differing)
        raise RunConflictError(
            f"an unfinished training here has other settings: {sides}",
            where=path,
            fix="use the same settings, another --out, or --force to start again",
        )
    return state


def damaged_state(path: Path) -> CheckpointError:
    """The error for a state that cannot be gone on from."""
    return CheckpointError("the state of this training is damaged", where=path, fix="start again: use --force")


def _check_sums(path: Path) -> None:
    """Raise BadZipFile unless all bytes have the checksums that were saved with them; torch does not look at them."""
    with zipfile.ZipFile(path) as archive:
        if (damaged := archive.testzip()) is not None:
            raise zipfile.BadZipFile(damaged)


def save_checkpoint(path: Path, network: nn.Module, card: Mapping[str, str]) -> None:
    """Write the weights of a network as safetensors in float32, with a card as metadata."""
    state = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, with_metadata(serialise(state), dict(card)))


def with_metadata(raw: bytes, metadata: dict[str, str]) -> bytes:
    """A safetensors file with metadata in a fixed order: the library's own order differs from run to run."""
    length = int.from_bytes(raw[:8], "little")
    header = json.dumps({"__metadata__": metadata, **json.loads(raw[8 : 8 + length])}, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + raw[8 + length :]


def gradients_of(network: nn.Module) -> dict[str, Tensor]:
    """Gradients by parameter name; those of an unfinished group of micro-batches count in a later step."""
    return {
        name: parameter.grad.detach().clone()
        for name, parameter in network.named_parameters()
        if parameter.grad is not None
    }


def give_gradients(network: nn.Module, gradients: Mapping[str, Tensor]) -> None:
    """Set the gradients of `gradients_of`, on the device and in the layout of each parameter."""
    for name, parameter in network.named_parameters():
        if name in gradients:
            parameter.grad = torch.empty_like(parameter).copy_(gradients[name])
