"""The layers of a network as tables 7 and 8 of the GSM paper list them: kind, kernel, output size.

Nothing is written down here: the network runs on meta tensors, which have shapes and no values, and its operators and
blocks are listed as they run.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from gsm_bench.nets.resnet import Bottleneck, ResNet50
from gsm_bench.nets.segment import SegmentNetwork

aten = torch.ops.aten


@dataclass(frozen=True)
class LayerRow:
    """A layer before the blocks, a block, or a layer after them.

    Attributes:
        name: of its module; empty for pooling.
        kind: ``Conv``, ``Max Pool``, ``Inception-GSM``, ``Linear`` ..
        kernel: ``7x7/2``, side by side and stride; empty for a block.
        height, width, channels: of its output for one frame.
        gates: units of the block after whose convolution a temporal module stands.
    """

    name: str
    kind: str
    kernel: str
    height: int
    width: int
    channels: int
    gates: tuple[str, ...] = ()

    @property
    def output(self) -> str:
        return f"{self.height} x {self.width} x {self.channels}"


def network_layers(network: SegmentNetwork, size: int) -> list[LayerRow]:
    """The layers of `network` for frames of `size` x `size` pixels, in running order; `network` stays as it is."""
    network = copy.deepcopy(network).eval().to("meta")
    backbone, record = network.base_model, _Record()
    for name, module in backbone.named_modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_pre_hook(_NameHook(record, name))
    blocks = _BlockShapes(record)
    with torch.no_grad(), record:
        maps = backbone.stem(torch.zeros(network.frames, 3, size, size, device="meta"))
        stem = list(record.rows)
        maps = backbone.blocks(maps, blocks)
        output = network.new_fc(maps.mean((2, 3)))
    _, channels, height, width = maps.shape
    outputs = output if isinstance(output, dict) else {"": output}
    return [
        *stem,
        *(_block_row(network, name, shape) for name, shape in blocks.shapes.items()),
        LayerRow("", "Avg Pool", f"{height}x{width}/1", 1, 1, channels),
        *(LayerRow(f"new_fc.{t}" if t else "new_fc", "Linear", "", 1, 1, o.shape[1]) for t, o in outputs.items()),
    ]


def _block_row(network: SegmentNetwork, name: str, shape: tuple[int, ...]) -> LayerRow:
    backbone = network.base_model
    gates: tuple[str, ...] = ()
    if isinstance(backbone, ResNet50):
        stage = [module for module in backbone.get_submodule(name).modules() if isinstance(module, Bottleneck)]
        kind, temporal = f"{len(stage)} Residual", backbone.options.temporal != "none"
    else:
        gates = tuple(_units_of(network, name))
        kind, temporal = "Inception", bool(gates)
    suffix = f"-{backbone.options.temporal.upper()}" if temporal else ""
    return LayerRow(name, kind + suffix, "", shape[2], shape[3], shape[1], gates)


def _units_of(network: SegmentNetwork, block: str) -> Iterator[str]:
    """Units of a block with a temporal module, by their names within the block, in the order of the network."""
    backbone = network.base_model
    for name, _ in backbone.named_children():
        unit = name.removesuffix(backbone.NORM)
        if name.endswith(backbone.NORM) and unit in backbone.sites:
            owners = [each for each in backbone.BLOCK_NAMES if unit.startswith(f"{each}_")]
            if max(owners, key=len) == block:
                yield unit.removeprefix(f"{block}_")


class _Record(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Lists convolutions and pooling that run under it, and keeps the shape that the last mean was taken of."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.rows: list[LayerRow] = []
        self.name = ""
        self.meaned: tuple[int, ...] = ()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        operator = func.overloadpacket
        if operator is aten.mean:
            self.meaned = tuple(args[0].shape)
        elif operator is aten.convolution:
            self._add(self.name, "Conv", args[1].shape[2:], args[3], out)
        elif operator is aten.max_pool2d_with_indices:
            self._add("", "Max Pool", args[1], args[2], out[0])
        return out

    def _add(self, name: str, kind: str, kernel: Any, stride: Any, out: Tensor) -> None:
        if out.ndim == 4:
            sides = "x".join(map(str, [*kernel] * (2 // len(kernel))))
            _, channels, height, width = out.shape
            self.rows.append(LayerRow(name, kind, f"{sides}/{stride[0]}", height, width, channels))


@dataclass(frozen=True)
class _NameHook:
    """Tells the record which convolution runs."""

    record: _Record
    name: str

    def __call__(self, *_: Any) -> None:
        self.record.name = self.name


class _BlockShapes(dict[str, Tensor | None]):
    """Asks a backbone for the means of all its blocks, and keeps the shapes of the maps that they are means of."""

    def __init__(self, record: _Record) -> None:
        super().__init__()
        self._record = record
        self.shapes: dict[str, tuple[int, ...]] = {}

    def __contains__(self, _: object) -> bool:
        return True

    def __setitem__(self, name: str, value: Tensor | None) -> None:
        self.shapes[name] = self._record.meaned
