"""BN-Inception as Caffe drew it (appendix C.1 of the GSM paper), input 224 x 224."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from gsm_bench.nets.units import BackboneOptions, Means, UnitNet, keep_mean, max_pool


class Block(NamedTuple):
    """Output channels of an Inception block's branches; `one` and `pool` are 0 in the two blocks that halve the map."""

    one: int
    three_reduce: int
    three: int
    double_reduce: int
    double: int
    pool: int

    @property
    def halves(self) -> bool:
        return self.one == 0


BLOCKS = {
    "3a": Block(64, 64, 64, 64, 96, 32),
    "3b": Block(64, 64, 96, 64, 96, 64),
    "3c": Block(0, 128, 160, 64, 96, 0),
    "4a": Block(224, 64, 96, 96, 128, 128),
    "4b": Block(192, 96, 128, 96, 128, 128),
    "4c": Block(160, 128, 160, 128, 160, 128),
    "4d": Block(96, 128, 192, 160, 192, 128),
    "4e": Block(0, 128, 192, 192, 256, 0),
    "5a": Block(352, 192, 320, 160, 224, 128),
    "5b": Block(352, 192, 320, 192, 224, 128),
}


def _gate_sites(name: str, block: Block) -> Mapping[str, str]:
    name = f"inception_{name}"
    towers = {"3x3": f"{name}_3x3_reduce", "double_3x3": f"{name}_double_3x3_reduce"}
    if block.halves:
        return {"1x1": towers["3x3"], **towers}
    return {"1x1": f"{name}_1x1", **towers, "pool_proj": f"{name}_pool_proj"}


class BNInception(UnitNet):
    """Frames [B*T, 3, 224, 224] to feature maps [B*T, 1024, 7, 7]."""

    CONV = ""
    NORM = "_bn"
    GSM_SITES = tuple(_gate_sites(name, block) for name, block in BLOCKS.items())
    BLOCK_NAMES = tuple(f"inception_{name}" for name in BLOCKS)
    FEATURES = 1024

    def __init__(self, options: BackboneOptions) -> None:
        super().__init__(options)
        into = self.add_unit("conv1_7x7_s2", 3, 64, kernel=7, stride=2, padding=3)
        into = self.add_unit("conv2_3x3_reduce", into, 64, kernel=1)
        into = self.add_unit("conv2_3x3", into, 192, kernel=3, padding=1)
        for name, block in BLOCKS.items():
            into = self._add_block(f"inception_{name}", into, block)
        self.features = into

    def _add_block(self, name: str, into: int, block: Block) -> int:
        stride = 2 if block.halves else 1
        out = 0
        if block.one:
            out += self.add_unit(f"{name}_1x1", into, block.one, kernel=1)
        reduced = self.add_unit(f"{name}_3x3_reduce", into, block.three_reduce, kernel=1)
        out += self.add_unit(f"{name}_3x3", reduced, block.three, kernel=3, stride=stride, padding=1)
        reduced = self.add_unit(f"{name}_double_3x3_reduce", into, block.double_reduce, kernel=1)
        middle = self.add_unit(f"{name}_double_3x3_1", reduced, block.double, kernel=3, padding=1)
        out += self.add_unit(f"{name}_double_3x3_2", middle, block.double, kernel=3, stride=stride, padding=1)
        if block.pool:
            return out + self.add_unit(f"{name}_pool_proj", into, block.pool, kernel=1)
        return out + into

    def stem(self, x: Tensor) -> Tensor:
        x = max_pool(self.unit("conv1_7x7_s2", x), stride=2)  # [B*T, 64, 56, 56]
        return max_pool(self.chain(("conv2_3x3_reduce", "conv2_3x3"), x), stride=2)  # [B*T, 192, 28, 28]

    def blocks(self, x: Tensor, means: Means | None = None) -> Tensor:
        for name, block in zip(self.BLOCK_NAMES, BLOCKS.values(), strict=True):
            x = keep_mean(name, self._block(name, block, x), means)
        return x

    def _block(self, name: str, block: Block, x: Tensor) -> Tensor:
        branches = [
            self.chain((f"{name}_3x3_reduce", f"{name}_3x3"), x),
            self.chain((f"{name}_double_3x3_reduce", f"{name}_double_3x3_1", f"{name}_double_3x3_2"), x),
        ]
        if block.halves:
            branches.append(max_pool(x, stride=2))
        else:
            branches.append(self._pooled(f"{name}_pool_proj", x))
            branches.insert(0, self.unit(f"{name}_1x1", x))
        return torch.cat(branches, dim=1)

    def _pooled(self, projection: str, x: Tensor) -> Tensor:
        # The last block alone pools by maximum.
        if projection == "inception_5b_pool_proj":
            return self.unit(projection, max_pool(x, stride=1, padding=1))
        return self.mean_unit(projection, x)
