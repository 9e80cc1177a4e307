"""The first weights of a training: a backbone trained on ImageNet, a new classifier, gates of zero."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from gsm_bench.errors import CheckpointError
from gsm_bench.nets.checkpoint import check_finite, read_checkpoint, refuse_other_gate
from gsm_bench.nets.gate_shift import GateShift
from gsm_bench.nets.gate_shift_fuse import GateShiftFuse
from gsm_bench.nets.key_names import renamed_keys
from gsm_bench.nets.segment import SegmentNetwork

COUNTER = "num_batches_tracked"
CLASSIFIERS = {"fc", "top_cls_fc", "last_linear", "classifier", "new_fc"}
"""Names of classifiers in files; they are not used."""


def load_backbone(network: SegmentNetwork, path: Path) -> int:
    """Load a backbone file, such as ImageNet weights, into a network; returns the number of tensors.

    The classifier keeps its values, and so do gates, which ImageNet files lack; a checkpoint of the same network gives its
    gates, too. Batch-norm tensors of old Caffe conversions are [1, C]: the leading 1 is dropped.

    Raises:
        CheckpointError: the file lacks a tensor of the backbone, or one has another shape, or its gates were trained with
            another function. The network is then unchanged.
    """
    checkpoint = read_checkpoint(path)
    own = network.base_model.state_dict()
    weights = {key: _without_leading_one(value) for key, value in checkpoint.weights.items()}
    names = renamed_keys(weights, own)
    chosen = {names[key]: value for key, value in weights.items() if names[key] in own}
    gates = [key for key in own if key.startswith(_gates(network))] if _gates(network) else []
    optional = set() if any(key in chosen for key in gates) else set(gates)
    wanted = [key for key in own if not key.endswith(COUNTER) and key not in optional]
    missing = [key for key in wanted if key not in chosen]
    misshapen = [key for key in wanted if key in chosen and chosen[key].shape != own[key].shape]
    if missing or misshapen:
        raise CheckpointError(
            f"this is not the backbone of the network: {len(missing)} of its {len(wanted)} tensors are missing"
            f"{_first(missing)}, {len(misshapen)} have another shape{_first(misshapen)}",
            where=path,
            fix="use the ImageNet file of this backbone, or leave out --init to train from scratch",
        )
    unknown = [key for key in weights if names[key] not in own and not CLASSIFIERS & set(key.split("."))]
    if unknown:
        raise CheckpointError(
            f"this file has {len(unknown)} tensors that the backbone lacks (first: {unknown[0]})",
            where=path,
            fix="use the ImageNet file of this backbone",
        )
    check_finite(chosen, path)
    if not optional:
        refuse_other_gate(network, checkpoint, way="use --gate {}")
    network.base_model.load_state_dict(chosen, strict=False)
    return len(wanted)


def _gates(network: SegmentNetwork) -> tuple[str, ...]:
    modules = network.base_model.named_modules()
    return tuple(f"{name}." for name, module in modules if isinstance(module, GateShift | GateShiftFuse))


def _without_leading_one(value: Tensor) -> Tensor:
    return value[0] if value.ndim == 2 and value.shape[0] == 1 else value


def _first(keys: list[str]) -> str:
    return f" (first: {keys[0]})" if keys else ""
