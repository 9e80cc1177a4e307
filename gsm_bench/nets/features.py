"""Features of a clip: the mean outputs of layers, from a network that returns them instead of logits."""

from __future__ import annotations

import copy
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gsm_bench.entries import ModelEntry
from gsm_bench.errors import NetworkError
from gsm_bench.manifest_files import nearest
from gsm_bench.nets.segment import POOL, SegmentNetwork

SHOWN = 30
"""Layers that a message names."""


@dataclass(frozen=True)
class FeatureLayers:
    """A network that returns features float32 [B, F] per layer, and F of each layer."""

    network: nn.Module
    widths: Mapping[str, int]


def with_features(network: nn.Module, layers: Sequence[str], entry: ModelEntry) -> FeatureLayers:
    """A copy of `network` that returns the features of `layers`; the original does not change.

    A layer of a built-in network is one of its blocks, or ``pool``: the classifier's input, the mean of the last block.
    Of another network it is any module by its dotted name, or ``pool``: the input of its last linear layer. Features
    are means over all positions and frames.

    Raises:
        NetworkError: a layer does not exist, or its output is no tensor of features.
    """
    known = layer_names(network)
    for layer in layers:
        if layer not in known:
            raise NetworkError(
                f"{entry.name} has no layer {layer!r}{nearest(layer, known)}", fix=f"--layers is some of {_some(known)}"
            )
    network = copy.deepcopy(network)
    if isinstance(network, SegmentNetwork):
        network.feature_layers = tuple(layers)
    else:
        network = HookedFeatures(network, layers)
    return FeatureLayers(network, _widths(network, entry))


def layer_names(network: nn.Module) -> list[str]:
    """The layers of a network that have features."""
    if isinstance(network, SegmentNetwork):
        return [POOL, *reversed(network.base_model.BLOCK_NAMES)]
    names = [name for name, _ in network.named_modules() if name]
    return [*([POOL] if _last_linear(network) is not None else []), *(name for name in names if name != POOL)]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", .." if len(names) > SHOWN else "")


def _last_linear(network: nn.Module) -> nn.Linear | None:
    linear = [module for module in network.modules() if isinstance(module, nn.Linear)]
    return linear[-1] if linear else None


Seen = dict[int, dict[str, Any]]
"""What layers returned, by thread and layer."""


@dataclass(frozen=True)
class LayerHook:
    """Keeps what a layer returns, or what it takes if it is the classifier, for the thread that runs it."""

    seen: Seen
    layer: str

    def __call__(self, _: nn.Module, taken: Any, *returned: Any) -> None:
        values = returned[0] if returned else taken[0]
        self.seen.get(threading.get_ident(), {})[self.layer] = values


class HookedFeatures(nn.Module):
    """Features of any network by hooks: clips [B, T, 3, S, S] to float32 [B, F] per layer; any number of threads."""

    def __init__(self, network: nn.Module, layers: Sequence[str]) -> None:
        super().__init__()
        self.network = network
        self._layers = tuple(layers)
        self._seen: Seen = {}
        for layer in layers:
            hook = LayerHook(self._seen, layer)
            if layer == POOL and (linear := _last_linear(network)) is not None:
                linear.register_forward_pre_hook(hook)
            else:
                network.get_submodule(layer).register_forward_hook(hook)

    def forward(self, clips: Tensor) -> dict[str, Tensor]:
        """float32 [B, T, 3, S, S] -> float32 [B, F] per layer."""
        thread = threading.get_ident()
        self._seen[thread] = {}
        try:
            self.network(clips)
            outputs = self._seen[thread]
            return {layer: clip_mean(layer, outputs.get(layer), len(clips)) for layer in self._layers}
        finally:
            del self._seen[thread]


def clip_mean(layer: str, output: Any, clips: int) -> Tensor:
    """Means float32 [B, F] of a layer's output over positions and frames.

    Outputs are [R, F], tokens [R, L, F], or maps [R, F, H, W] and [R, F, T, H, W]; R is B, or B times the frames.

    Raises:
        NetworkError: the output is something else.
    """
    value = output if isinstance(output, Tensor) else getattr(output, "last_hidden_state", output)
    if isinstance(value, tuple | list) and value:
        value = value[0]
    if not isinstance(value, Tensor) or not 2 <= value.ndim <= 5 or value.shape[0] % clips or not len(value):
        shape = f"a tensor {list(value.shape)}" if isinstance(value, Tensor) else f"a {type(output).__name__}"
        what = "did not run" if output is None else f"returned {shape}, not features of {clips} clips"
        raise NetworkError(f"layer {layer} {what}", fix="name a layer that returns [R, F], [R, L, F] or [R, F, ..]")
    value = value.float()
    value = value.mean(1) if value.ndim == 3 else value.flatten(2).mean(2) if value.ndim > 3 else value  # [R, F]
    return value.view(clips, -1, value.shape[1]).mean(1)


def _widths(network: nn.Module, entry: ModelEntry) -> dict[str, int]:
    """F of each layer, from one clip of zeros; on the meta device where the network can run there."""
    shape = (1, entry.frames, 3, entry.input.size, entry.input.size)
    training = network.training
    try:
        with torch.no_grad():
            try:
                features = copy.deepcopy(network).eval().to("meta")(torch.zeros(shape, device="meta"))
            except (NotImplementedError, RuntimeError):
                features = network.eval()(torch.zeros(shape))
    except NetworkError:
        raise
    except Exception as error:  # a network of the user may raise anything
        raise NetworkError(f"{entry.name} failed on a clip of zeros: {error}", fix="check the entry's input") from error
    finally:
        network.train(training)
    return {layer: int(values.shape[1]) for layer, values in features.items()}
