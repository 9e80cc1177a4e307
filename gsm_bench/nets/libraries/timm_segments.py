"""TSN with a backbone of timm: every frame is classified, and a clip's logits are the mean over its frames.

With the option ``shift_div`` the input of the first convolution of each residual block is shifted over time, as in
Lin et al., *TSM: Temporal Shift Module for Efficient Video Understanding* (ICCV 2019): one part of ``shift_div`` of the
channels comes from the next frame, as many from the previous one, zeros at the ends.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from functools import partial
from pathlib import Path
from typing import Any

import timm
import torch
from timm.models import get_pretrained_cfg
from torch import Tensor, nn

from gsm_bench.entries import ModelEntry
from gsm_bench.errors import NetworkError
from gsm_bench.nets.libraries import NetworkSettings

OWN_OPTIONS = ("shift_div",)


def build(name: str, entry: ModelEntry) -> nn.Module:
    """The network, untrained; its keys are timm's."""
    _check(name)
    options: dict[str, Any] = {key: value for key, value in entry.options.items() if key not in OWN_OPTIONS}
    network: nn.Module = timm.create_model(name, pretrained=False, num_classes=entry.tasks["action"], **options)
    if "shift_div" in entry.options:
        _add_shift(network, entry.frames, int(entry.options["shift_div"]))
    network.register_forward_pre_hook(_frames_as_batch)
    network.register_forward_hook(partial(_mean_over_frames, frames=entry.frames))
    return network


def settings(name: str, checkpoint: Path | None) -> NetworkSettings:
    """Input of the backbone's default weights; the number of frames is the user's."""
    _check(name)
    known = get_pretrained_cfg(name)
    if known is None:
        raise NetworkError(f"timm says nothing of the input of {name!r}", fix="use a model with weights of timm")
    config: dict[str, Any] = dataclasses.asdict(known)
    size = config["input_size"][1]
    resize = math.floor(size / config.get("crop_pct", 0.875))
    values: dict[str, Any] = {
        "title": f"TSN {name}",
        "input": {
            "size": size, "resize": resize, "channel_order": "RGB",
            "value_range": 1.0, "mean": list(config["mean"]), "std": list(config["std"]),
        },
        "score_kind": "logits",
    }  # fmt: skip
    if config.get("crop_mode") == "squash":
        values["input"]["stretch"] = [resize, resize]
    if (filter_name := config.get("interpolation")) != "bilinear":
        values["notes"] = f"timm resizes pictures for {name} by the filter {filter_name}, this entry by bilinear"
    source = f"timm's configuration of {name}, which is that of pictures"
    return NetworkSettings(values, (source,), {"frames": "--frames T", "classes": "--classes C, or --dataset NAME"})


def shifted(features: Tensor, frames: int, parts: int) -> Tensor:
    """Features [B * T, C, H, W] with one part of the channels moved one frame back and as many one frame on."""
    clips = features.view(-1, frames, *features.shape[1:])
    fold = clips.shape[2] // parts
    moved = torch.zeros_like(clips)
    moved[:, :-1, :fold] = clips[:, 1:, :fold]
    moved[:, 1:, fold : 2 * fold] = clips[:, :-1, fold : 2 * fold]
    moved[:, :, 2 * fold :] = clips[:, :, 2 * fold :]
    return moved.view_as(features)


def _add_shift(network: nn.Module, frames: int, parts: int) -> None:
    blocks = [
        block
        for layer in ("layer1", "layer2", "layer3", "layer4")
        for block in getattr(network, layer, ())
        if isinstance(getattr(block, "conv1", None), nn.Module)
    ]
    if not blocks or parts < 2:
        raise NetworkError(
            "shift_div needs a network of residual blocks (layer1 to layer4), and a number from 2 on",
            fix="take a ResNet of timm, or leave shift_div out",
        )
    for block in blocks:
        block.conv1.register_forward_pre_hook(partial(_shift, frames=frames, parts=parts))


def _shift(_: nn.Module, inputs: tuple[Any, ...], *, frames: int, parts: int) -> tuple[Any, ...]:
    return (shifted(inputs[0], frames, parts),)


def _frames_as_batch(_: nn.Module, clips: tuple[Any, ...]) -> tuple[Any, ...]:
    """[B, T, 3, S, S] -> [B * T, 3, S, S]."""
    return (clips[0].flatten(0, 1),)


def _mean_over_frames(_: nn.Module, __: tuple[Any, ...], logits: Tensor, *, frames: int) -> Tensor:
    """[B * T, C] -> [B, C]."""
    return logits.view(-1, frames, logits.shape[-1]).mean(dim=1)


def _check(name: str) -> None:
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=5)
        more = f", such as {', '.join(near)}" if near else ""
        raise NetworkError(f"timm has no model {name!r}", fix=f"one of timm.list_models(){more}")
