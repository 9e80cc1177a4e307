"""ResNet-50 and ResNet-101 over frames, plain, with temporal shift or with gate-shift-fuse; input 224 x 224.

He et al., *Deep Residual Learning for Image Recognition* (CVPR 2016), with the stride in the 3x3 convolution. Children
carry the names of torchvision's networks, which are those of the checkpoints that the authors of TSM and GSF released.
"""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from gsm_bench.nets.gate_shift_fuse import GateShiftFuse
from gsm_bench.nets.temporal_shift import TemporalShift
from gsm_bench.nets.units import BackboneOptions, Means, UnitNet, keep_mean

EXPANSION = 4
DEEP_STAGE = 23
"""Blocks of the third stage from which on TSM shifts every other block only."""


class Bottleneck(nn.Module):
    """A residual block of three convolutions.

    Args:
        into: channels of its input; inner: of its first two convolutions, a quarter of its output's.
        shifts: whether the input of the first convolution is shifted over time.
    """

    def __init__(self, into: int, inner: int, stride: int, options: BackboneOptions, *, shifts: bool) -> None:
        super().__init__()
        out = inner * EXPANSION
        conv1 = nn.Conv2d(into, inner, 1, bias=False)
        self.conv1 = TemporalShift(conv1, options.frames, options.shift_div) if shifts else conv1
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.gsf = GateShiftFuse(out, options.frames, options.gsf_ratio) if options.temporal == "gsf" else None
        self.downsample = None
        if stride != 1 or into != out:
            self.downsample = nn.Sequential(nn.Conv2d(into, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        """[B*T, C, H, W] to [B*T, C', H', W']."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.conv3(F.relu(self.bn2(self.conv2(y))))
        y = self.bn3(y if self.gsf is None else self.gsf(y))
        out: Tensor = F.relu(y + (x if self.downsample is None else self.downsample(x)))
        return out

    def foldable_pairs(self) -> list[tuple[str, str]]:
        """Names of (convolution, batch norm) that touch."""
        first = "conv1.net" if isinstance(self.conv1, TemporalShift) else "conv1"
        pairs = [(first, "bn1"), ("conv2", "bn2")]
        pairs += [("conv3", "bn3")] if self.gsf is None else []
        return pairs + ([("downsample.0", "downsample.1")] if self.downsample is not None else [])


class ResNet50(UnitNet):
    """Frames [B*T, 3, 224, 224] to feature maps [B*T, 2048, 7, 7]."""

    GSM_SITES = ()
    TEMPORAL = ("none", "tsm", "gsf")
    BLOCK_NAMES = ("layer1", "layer2", "layer3", "layer4")
    FEATURES = 2048
    STAGES: ClassVar[tuple[int, ...]] = (3, 4, 6, 3)

    def __init__(self, options: BackboneOptions) -> None:
        super().__init__(options)
        if options.width != 1.0:
            raise ValueError("a ResNet has no width option")
        self.conv1 = nn.Conv2d(3, 64, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        every = 2 if max(self.STAGES) >= DEEP_STAGE else 1
        into = 64
        for stage, blocks in enumerate(self.STAGES):
            inner, layers = 64 << stage, []
            for block in range(blocks):
                shifts = options.temporal == "tsm" and block % every == 0
                stride = 2 if stage and not block else 1
                layers.append(Bottleneck(into, inner, stride, options, shifts=shifts))
                into = inner * EXPANSION
            self.add_module(self.BLOCK_NAMES[stage], nn.Sequential(*layers))
        self.features = into

    def stem(self, x: Tensor) -> Tensor:
        return F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)  # [B*T, 64, 56, 56]

    def blocks(self, x: Tensor, means: Means | None = None) -> Tensor:
        for name in self.BLOCK_NAMES:
            x = keep_mean(name, self.get_submodule(name)(x), means)
        return x

    def foldable_pairs(self) -> list[tuple[str, str]]:
        inner = [
            (f"{name}.{conv}", f"{name}.{norm}")
            for name, module in self.named_modules()
            if isinstance(module, Bottleneck)
            for conv, norm in module.foldable_pairs()
        ]
        return [("conv1", "bn1"), *inner]


class ResNet101(ResNet50):
    """As `ResNet50`, deeper."""

    STAGES = (3, 4, 23, 3)
