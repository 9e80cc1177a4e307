"""torchvision's video models. Sizes, mean, std and frames are those of their default weights' metadata."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from torch import nn
from torchvision.models import get_model, get_model_weights, list_models
from torchvision.models import video as video_models

from gsm_bench.entries import ModelEntry
from gsm_bench.errors import NetworkError
from gsm_bench.nets.libraries import NetworkSettings

FIXED = {"mvit_v1_b": (16, 224), "mvit_v2_s": (16, 224)}
"""Frames and size of networks whose encodings of positions fit one size of clip only."""


def build(name: str, entry: ModelEntry) -> nn.Module:
    """The network, untrained; its keys are torchvision's."""
    _check(name)
    fixed, given = FIXED.get(name), (entry.frames, entry.input.size)
    if fixed is not None and given != fixed:
        what = "{} frames of {} pixels"
        raise NetworkError(
            f"torchvision:{name} takes {what.format(*fixed)}, {entry.name} gives {what.format(*given)}",
            fix=f"frames = {fixed[0]} and input.size = {fixed[1]} in the entry",
        )
    network: nn.Module = get_model(name, weights=None, num_classes=entry.tasks["action"], **entry.options)
    network.register_forward_pre_hook(_channels_first)
    return network


def settings(name: str, checkpoint: Path | None) -> NetworkSettings:
    """Input, frames, classes and download of the default weights; weights of the user's own may have other classes."""
    _check(name)
    weights = get_model_weights(name).DEFAULT
    preset, meta = weights.transforms(), weights.meta
    resize = list(preset.resize_size)
    values: dict[str, Any] = {
        "title": f"torchvision {name}",
        "input": {
            "size": preset.crop_size[0], "resize": min(resize), "channel_order": "RGB", "value_range": 1.0,
            "mean": list(preset.mean), "std": list(preset.std),
        },
        "score_kind": "logits",
        "notes": "torchvision resizes without antialiasing, this entry with it",
    }  # fmt: skip
    if len(resize) == 2:
        values["input"]["stretch"] = resize
    if checkpoint is None:
        values["classes"] = len(meta["categories"])
        values["checkpoint"] = {"file": Path(weights.url).name, "url": weights.url}
    missing = {} if checkpoint is None else {"classes": "--classes C, or --dataset NAME"}
    source = f"{weights}"
    frames = re.search(r"clip_len=(\d+)", meta.get("_docs", ""))
    if frames is None and not meta.get("min_temporal_size"):
        return NetworkSettings(values, (source,), missing | {"frames": "--frames T"})
    values["frames"] = int(frames[1]) if frames else meta["min_temporal_size"]
    return NetworkSettings(values, (source,), missing)


def _check(name: str) -> None:
    known = list_models(module=video_models)
    if name not in known:
        raise NetworkError(f"torchvision has no video model {name!r}", fix=f"one of {', '.join(known)}")


def _channels_first(_: nn.Module, clips: tuple[Any, ...]) -> tuple[Any, ...]:
    """[B, T, 3, S, S] -> [B, 3, T, S, S]."""
    return (clips[0].transpose(1, 2),)
