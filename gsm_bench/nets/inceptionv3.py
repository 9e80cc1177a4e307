"""InceptionV3 of the Caffe era (appendix C.2 of the GSM paper), input 229 x 229.

Not torchvision's ``inception_v3``: the stem pads otherwise, every convolution has a bias and the names differ.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from gsm_bench.nets.units import BackboneOptions, Means, UnitNet, keep_mean, max_pool

FIVE_POOLS = {"mixed": 32, "mixed_1": 64, "mixed_2": 64}
"""35x35-style blocks and the channels of their pooled branch."""
SEVEN_WIDTHS = {"mixed_4": 128, "mixed_5": 160, "mixed_6": 160, "mixed_7": 192}
"""17x17-style blocks and the channels inside their factorised 7x7 branches."""
ROW, COLUMN = (1, 7), (7, 1)


def _same(kernel: tuple[int, int]) -> tuple[int, int]:
    return kernel[0] // 2, kernel[1] // 2


def _gate_sites(name: str) -> Mapping[str, str]:
    """By the names of BN-Inception's branches; ``3x3`` and ``double_3x3`` are the shorter and the longer tower."""
    if name == "mixed_3":
        return {"1x1": "mixed_3_tower_conv", "3x3": "mixed_3_conv", "double_3x3": "mixed_3_tower_conv"}
    towers = {"3x3": f"{name}_tower_conv", "double_3x3": f"{name}_tower_1_conv"}
    if name == "mixed_8":
        return {"1x1": towers["3x3"], **towers}
    return {"1x1": f"{name}_conv", **towers, "pool_proj": f"{name}_tower_2_conv"}


class InceptionV3(UnitNet):
    """Frames [B*T, 3, 229, 229] to feature maps [B*T, 2048, 6, 6]."""

    CONV = "_Conv2D"
    NORM = "_batchnorm"
    # mixed_6 has none: the paper counts ten modules, the released network holds these ten.
    GSM_SITES = tuple(map(_gate_sites, ("mixed", *(f"mixed_{number}" for number in (1, 2, 3, 4, 5, 7, 8, 9, 10)))))
    GSF_SITES = (
        *("mixed_conv", *(f"mixed_{number}_conv" for number in range(1, 8))),
        *("mixed_8_tower_conv", "mixed_9_conv", "mixed_10_conv"),
    )
    BLOCK_NAMES = ("mixed", *(f"mixed_{number}" for number in range(1, 11)))
    FEATURES = 2048

    def __init__(self, options: BackboneOptions) -> None:
        super().__init__(options)
        into = self._add_stem()
        for name, pool in FIVE_POOLS.items():
            into = self._add_five(name, into, pool)
        into = self._add_mixed_3(into)
        for name, inner in SEVEN_WIDTHS.items():
            into = self._add_seven(name, into, inner)
        into = self._add_mixed_8(into)
        for name in ("mixed_9", "mixed_10"):
            into = self._add_fan(name, into)
        self.features = into

    def _add_stem(self) -> int:
        into = self.add_unit("conv", 3, 32, kernel=3, stride=2)
        into = self.add_unit("conv_1", into, 32, kernel=3)
        into = self.add_unit("conv_2", into, 64, kernel=3, padding=1)
        into = self.add_unit("conv_3", into, 80, kernel=1)
        return self.add_unit("conv_4", into, 192, kernel=3)

    def _add_five(self, name: str, into: int, pool: int) -> int:
        out = self.add_unit(f"{name}_conv", into, 64, kernel=1)
        inner = self.add_unit(f"{name}_tower_conv", into, 48, kernel=1)
        out += self.add_unit(f"{name}_tower_conv_1", inner, 64, kernel=5, padding=2)
        inner = self.add_unit(f"{name}_tower_1_conv", into, 64, kernel=1)
        inner = self.add_unit(f"{name}_tower_1_conv_1", inner, 96, kernel=3, padding=1)
        out += self.add_unit(f"{name}_tower_1_conv_2", inner, 96, kernel=3, padding=1)
        return out + self.add_unit(f"{name}_tower_2_conv", into, pool, kernel=1)

    def _add_mixed_3(self, into: int) -> int:
        out = self.add_unit("mixed_3_conv", into, 384, kernel=3, stride=2)
        inner = self.add_unit("mixed_3_tower_conv", into, 64, kernel=1)
        inner = self.add_unit("mixed_3_tower_conv_1", inner, 96, kernel=3, padding=1)
        out += self.add_unit("mixed_3_tower_conv_2", inner, 96, kernel=3, stride=2)
        return out + into

    def _add_seven(self, name: str, into: int, inner: int) -> int:
        out = self.add_unit(f"{name}_conv", into, 192, kernel=1)
        at = self.add_unit(f"{name}_tower_conv", into, inner, kernel=1)
        at = self.add_unit(f"{name}_tower_conv_1", at, inner, kernel=COLUMN, padding=_same(COLUMN))
        out += self.add_unit(f"{name}_tower_conv_2", at, 192, kernel=ROW, padding=_same(ROW))
        at = self.add_unit(f"{name}_tower_1_conv", into, inner, kernel=1)
        for step, (kernel, width) in enumerate(((ROW, inner), (COLUMN, inner), (ROW, inner), (COLUMN, 192)), start=1):
            at = self.add_unit(f"{name}_tower_1_conv_{step}", at, width, kernel=kernel, padding=_same(kernel))
        return out + at + self.add_unit(f"{name}_tower_2_conv", into, 192, kernel=1)

    def _add_mixed_8(self, into: int) -> int:
        at = self.add_unit("mixed_8_tower_conv", into, 192, kernel=1)
        out = self.add_unit("mixed_8_tower_conv_1", at, 320, kernel=3, stride=2)
        at = self.add_unit("mixed_8_tower_1_conv", into, 192, kernel=1)
        at = self.add_unit("mixed_8_tower_1_conv_1", at, 192, kernel=COLUMN, padding=_same(COLUMN))
        at = self.add_unit("mixed_8_tower_1_conv_2", at, 192, kernel=ROW, padding=_same(ROW))
        out += self.add_unit("mixed_8_tower_1_conv_3", at, 192, kernel=3, stride=2)
        return out + into

    def _add_fan(self, name: str, into: int) -> int:
        out = self.add_unit(f"{name}_conv", into, 320, kernel=1)
        at = self.add_unit(f"{name}_tower_conv", into, 384, kernel=1)
        out += self._add_split(f"{name}_tower", at)
        at = self.add_unit(f"{name}_tower_1_conv", into, 448, kernel=1)
        at = self.add_unit(f"{name}_tower_1_conv_1", at, 384, kernel=3, padding=1)
        out += self._add_split(f"{name}_tower_1", at)
        return out + self.add_unit(f"{name}_tower_2_conv", into, 192, kernel=1)

    def _add_split(self, name: str, into: int) -> int:
        out = self.add_unit(f"{name}_mixed_conv", into, 384, kernel=(3, 1), padding=(1, 0))
        return out + self.add_unit(f"{name}_mixed_conv_1", into, 384, kernel=(1, 3), padding=(0, 1))

    def stem(self, x: Tensor) -> Tensor:
        x = max_pool(self.chain(("conv", "conv_1", "conv_2"), x), stride=2)  # [B*T, 64, 56, 56]
        return max_pool(self.chain(("conv_3", "conv_4"), x), stride=2)  # [B*T, 192, 27, 27]

    def blocks(self, x: Tensor, means: Means | None = None) -> Tensor:
        for name in FIVE_POOLS:
            x = keep_mean(name, self._five(name, x), means)
        x = keep_mean("mixed_3", self._mixed_3(x), means)  # [B*T, 768, 13, 13]
        for name in SEVEN_WIDTHS:
            x = keep_mean(name, self._seven(name, x), means)
        x = keep_mean("mixed_8", self._mixed_8(x), means)  # [B*T, 1280, 6, 6]
        for name in ("mixed_9", "mixed_10"):
            x = keep_mean(name, self._fan(name, x), means)
        return x

    def _five(self, name: str, x: Tensor) -> Tensor:
        branches = (
            self.unit(f"{name}_conv", x),
            self.chain((f"{name}_tower_conv", f"{name}_tower_conv_1"), x),
            self.chain((f"{name}_tower_1_conv", f"{name}_tower_1_conv_1", f"{name}_tower_1_conv_2"), x),
            self.mean_unit(f"{name}_tower_2_conv", x),
        )
        return torch.cat(branches, dim=1)

    def _mixed_3(self, x: Tensor) -> Tensor:
        tower = self.chain(("mixed_3_tower_conv", "mixed_3_tower_conv_1", "mixed_3_tower_conv_2"), x)
        return torch.cat((self.unit("mixed_3_conv", x), tower, max_pool(x, stride=2)), dim=1)

    def _seven(self, name: str, x: Tensor) -> Tensor:
        tower_1 = (f"{name}_tower_1_conv", *(f"{name}_tower_1_conv_{step}" for step in range(1, 5)))
        branches = (
            self.unit(f"{name}_conv", x),
            self.chain((f"{name}_tower_conv", f"{name}_tower_conv_1", f"{name}_tower_conv_2"), x),
            self.chain(tower_1, x),
            self.mean_unit(f"{name}_tower_2_conv", x),
        )
        return torch.cat(branches, dim=1)

    def _mixed_8(self, x: Tensor) -> Tensor:
        tower = self.chain(("mixed_8_tower_conv", "mixed_8_tower_conv_1"), x)
        tower_1 = self.chain(("mixed_8_tower_1_conv", *(f"mixed_8_tower_1_conv_{step}" for step in (1, 2, 3))), x)
        return torch.cat((tower, tower_1, max_pool(x, stride=2)), dim=1)

    def _fan(self, name: str, x: Tensor) -> Tensor:
        branches = (
            self.unit(f"{name}_conv", x),
            self._split(f"{name}_tower", self.unit(f"{name}_tower_conv", x)),
            self._split(f"{name}_tower_1", self.chain((f"{name}_tower_1_conv", f"{name}_tower_1_conv_1"), x)),
            self._pooled(f"{name}_tower_2_conv", x),
        )
        return torch.cat(branches, dim=1)

    def _split(self, name: str, x: Tensor) -> Tensor:
        return torch.cat((self.unit(f"{name}_mixed_conv", x), self.unit(f"{name}_mixed_conv_1", x)), dim=1)

    def _pooled(self, projection: str, x: Tensor) -> Tensor:
        # The last block alone pools by maximum.
        if projection == "mixed_10_tower_2_conv":
            return self.unit(projection, max_pool(x, stride=1, padding=1))
        return self.mean_unit(projection, x)
