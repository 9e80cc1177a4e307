"""The unit both backbones are made of: convolution, optional gate-shift, batch norm, rectifier.

The released checkpoints name every layer flat (``inception_3a_1x1``, ``inception_3a_1x1_bn``), so a unit is
three children of the backbone under the released names rather than a module of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gsm_bench.nets.gate_shift import GateShift
from gsm_bench.nets.gate_shift_fuse import GateShiftFuse
from gsm_bench.settings import GateActivation, GsmBranch, TemporalModule

Kernel = int | tuple[int, int]
Means = dict[str, Tensor | None]
"""Means over the feature map of each frame, float32 [B*T, F], by block; None until they are known."""


@dataclass(frozen=True)
class BackboneOptions:
    """What may vary between two backbones of one family.

    Attributes:
        frames: T, frames per clip (a gate-shift module needs to know where a clip ends).
        gsm_blocks: how many of the family's blocks have temporal modules, counted from the last; 0 is plain TSN.
        gate: activation of the gates.
        width: factor on every channel count.
        temporal: what stands at the sites.
        gsf_ratio: percentage of the channels that gate-shift-fuse modules use.
        shift_div: one of so many parts of the channels is shifted each way, for ``tsm``.
        gsm_branch: which branch of a block holds the gate-shift module.
    """

    frames: int
    gsm_blocks: int
    gate: GateActivation = "tanh"
    width: float = 1.0
    temporal: TemporalModule = "gsm"
    gsf_ratio: int = 100
    shift_div: int = 8
    gsm_branch: GsmBranch = "1x1"

    def channels(self, full: int) -> int:
        """Channels of a layer that has `full` at width 1, kept a multiple of 4 for the gate-shift halves."""
        return full if self.width == 1.0 else max(4, round(full * self.width / 4) * 4)


class UnitNet(nn.Module):
    """A 2-D network over frames [B*T, 3, S, S] whose units are children under the released layer names."""

    CONV: ClassVar[str]
    NORM: ClassVar[str]
    GSM_SITES: ClassVar[tuple[Mapping[str, str], ...]]
    """Of each block that may have gate-shift modules, the unit after whose convolution one stands, by branch.

    ``1x1`` is the released one. The paper does not say after which convolution of the other branches a module stands:
    it is the first one here, as in the released networks where a block has no 1x1 branch. A block without a branch
    has the module where the released networks have it.
    """
    GSF_SITES: ClassVar[tuple[str, ...]] = ()
    """Where gate-shift-fuse modules stand, if elsewhere."""
    TEMPORAL: ClassVar[tuple[str, ...]] = ("gsm", "gsf", "none")
    BLOCK_NAMES: ClassVar[tuple[str, ...]]
    """Inception blocks, the first one first."""
    FEATURES: ClassVar[int]
    """Channels of the last feature map at width 1."""
    features: int
    """Channels of the last feature map of this network."""
    pixels_at_once: int | None = None
    """On a CPU, how many pixels [H x W] of frames go through the stem at once; None: all of a batch."""

    projects_first: bool = False
    """Whether `mean_unit` projects before it takes means: fewer channels to average. Wants folded batch norms."""

    def __init__(self, options: BackboneOptions) -> None:
        super().__init__()
        sites = self.possible_sites(options.temporal, options.gsm_branch)
        if not 0 <= options.gsm_blocks <= len(sites):
            raise ValueError(f"gsm_blocks is 0 to {len(sites)}, not {options.gsm_blocks}")
        self.options = options
        self.sites = frozenset(unit for block in sites[len(sites) - options.gsm_blocks :] for unit in block)

    @classmethod
    def possible_sites(cls, temporal: TemporalModule, branch: GsmBranch = "1x1") -> tuple[tuple[str, ...], ...]:
        """Units that may have a temporal module, by block, the first one first."""
        if temporal == "gsf" and cls.GSF_SITES:
            return tuple((site,) for site in cls.GSF_SITES)
        if branch == "all":
            return tuple(tuple(dict.fromkeys(block.values())) for block in cls.GSM_SITES)
        return tuple((block.get(branch, block["1x1"]),) for block in cls.GSM_SITES)

    def forward(self, x: Tensor, means: Means | None = None) -> Tensor:
        """Frames [B*T, 3, S, S] to feature maps [B*T, `features`, S', S']; `means` as for `blocks`."""
        if self.pixels_at_once is None or x.device.type != "cpu" or torch.compiler.is_compiling():
            return self.blocks(self.stem(x), means)
        frames = max(1, self.pixels_at_once // (x.shape[-2] * x.shape[-1]))
        return self.blocks(torch.cat([self.stem(piece) for piece in torch.split(x, frames)]), means)

    def stem(self, x: Tensor) -> Tensor:
        """Frames [B*T, 3, S, S] to the first block's input [B*T, C, H, W]; a frame's result depends on no other frame."""
        raise NotImplementedError

    def blocks(self, x: Tensor, means: Means | None = None) -> Tensor:
        """The stem's maps [B*T, C, H, W] through all blocks, [B*T, `features`, S', S']; `means` gets [B*T, C] of each block that it names."""
        raise NotImplementedError

    def add_unit(self, name: str, into: int, out: int, *, kernel: Kernel, stride: int = 1, padding: Kernel = 0) -> int:
        """Register the layers of unit `name`; `into` is an actual channel count, `out` one at width 1.

        Returns the actual number of output channels.
        """
        channels = self.options.channels(out)
        self.add_module(name + self.CONV, nn.Conv2d(into, channels, kernel, stride, padding))
        if name in self.sites:
            self.add_module(self._gsm_name(name), self._temporal_module(channels))
        self.add_module(name + self.NORM, nn.BatchNorm2d(channels))
        return channels

    def _temporal_module(self, channels: int) -> nn.Module:
        options = self.options
        if options.temporal == "gsf":
            return GateShiftFuse(channels, options.frames, options.gsf_ratio)
        return GateShift(channels, options.frames, options.gate)

    def unit(self, name: str, x: Tensor) -> Tensor:
        """Run unit `name` on [B*T, C, H, W]."""
        x = self.get_submodule(name + self.CONV)(x)
        if name in self.sites:
            x = self.get_submodule(self._gsm_name(name))(x)
        return F.relu(self.get_submodule(name + self.NORM)(x), inplace=True)

    def mean_unit(self, name: str, x: Tensor) -> Tensor:
        """Run unit `name`, a 1x1 convolution, on the 3x3 means of [B*T, C, H, W]."""
        if not self.projects_first or name in self.sites:
            return self.unit(name, mean_pool(x))
        conv = self.get_submodule(name + self.CONV)
        assert isinstance(conv, nn.Conv2d)
        assert conv.bias is not None
        # The bias comes last: means at the border count zeros that have none.
        return F.relu_(mean_pool(F.conv2d(x, conv.weight)).add_(conv.bias.view(-1, 1, 1)))

    def chain(self, names: tuple[str, ...], x: Tensor) -> Tensor:
        """Run units one after the other on [B*T, C, H, W]."""
        for name in names:
            x = self.unit(name, x)
        return x

    def foldable_pairs(self) -> list[tuple[str, str]]:
        """Names of (convolution, batch norm) that touch, so that the norm can be folded into the convolution."""
        units = [name.removesuffix(self.NORM) for name, _ in self.named_children() if name.endswith(self.NORM)]
        return [(unit + self.CONV, unit + self.NORM) for unit in units if unit not in self.sites]

    def _gsm_name(self, name: str) -> str:
        return f"{'gsf' if self.options.temporal == 'gsf' else 'gsm'}_{name}{self.CONV}"


def map_mean(x: Tensor) -> Tensor:
    """Means over the maps [B*T, C, H, W], [B*T, C]; float32 also where the maps are of half precision."""
    return x.mean((2, 3), dtype=torch.promote_types(x.dtype, torch.float32))


def keep_mean(name: str, x: Tensor, means: Means | None) -> Tensor:
    """Maps [B*T, C, H, W] of block `name`, unchanged; their means [B*T, C] go into `means` if it names the block."""
    if means is not None and name in means:
        means[name] = map_mean(x)
    return x


def max_pool(x: Tensor, *, stride: int, padding: int = 0) -> Tensor:
    """3x3 maximum of [B*T, C, H, W]; the Caffe-era networks round the output size up."""
    return F.max_pool2d(x, 3, stride, padding, ceil_mode=True)


def mean_pool(x: Tensor) -> Tensor:
    """3x3 mean of [B*T, C, H, W] at stride 1, of the same size, that counts its padding as Caffe does."""
    return F.avg_pool2d(x, 3, 1, 1, ceil_mode=True, count_include_pad=True)
