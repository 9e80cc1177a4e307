"""What a network costs: parameters, multiply-adds in two conventions, and the operators that neither counts.

``bare`` counts the multiply-adds of convolutions and linear layers. ``paper`` is the convention behind the GFLOPs of
the GSM paper: bare, plus one per convolution output (its bias), two per batch-norm output and one per pooling input.
Operators are seen as they are dispatched, so any module can be counted, also one that is not ours.
"""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten


@dataclass(frozen=True)
class Cost:
    """Cost of one view (one clip, one crop).

    Attributes:
        params: parameters, buffers not counted.
        macs_bare: multiply-adds of convolutions and linear layers.
        macs_paper: multiply-adds in the paper's convention, which the paper calls FLOPs.
        uncounted: calls per operator that does arithmetic and stands in neither number.
    """

    params: int
    macs_bare: int
    macs_paper: int
    uncounted: dict[str, int]


def count_cost(network: nn.Module, frames: int, size: int) -> Cost:
    """Cost of one clip of `frames` frames of `size` x `size` pixels; `network` stays as it is.

    Runs on meta tensors, which have shapes and no values; a network that cannot do that is run on zeros.
    """
    params = sum(parameter.numel() for parameter in network.parameters())
    counter = _MacCounter()
    clip = torch.zeros(1, frames, 3, size, size, device="meta")
    try:
        _run_on(copy.deepcopy(network).to("meta"), clip, counter)
    except (NotImplementedError, RuntimeError):
        counter = _MacCounter()
        _run_on(network, torch.zeros_like(clip, device=next(network.parameters()).device), counter)
    return Cost(params, counter.bare, counter.bare + counter.extra, dict(sorted(counter.uncounted.items())))


def _run_on(network: nn.Module, clip: Tensor, counter: _MacCounter) -> None:
    training = network.training
    network.eval()
    try:
        with torch.no_grad(), counter:
            network(clip)
    finally:
        network.train(training)


class _MacCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up multiply-adds of every operator that runs under it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bare = 0
        self.extra = 0
        self.uncounted: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        operator = func.overloadpacket
        bare, extra = COUNTED[operator](args, out) if operator in COUNTED else (0, 0)
        self.bare += bare
        self.extra += extra
        if not (bare or extra or operator in MOVES_ONLY):
            self.uncounted[operator.__name__] += 1
        return out


def _convolution(args: Any, out: Tensor) -> tuple[int, int]:
    weight = args[1]
    return out.numel() * math.prod(weight.shape[1:]), out.numel() if args[2] is not None else 0


def _linear(args: Any, out: Tensor) -> tuple[int, int]:
    return out.numel() * args[-2].shape[-1], 0


def _batch_norm(args: Any, out: tuple[Tensor, ...]) -> tuple[int, int]:
    return 0, 2 * out[0].numel()


def _pool(args: Any, out: Any) -> tuple[int, int]:
    return 0, args[0].numel()


def _mean(args: Any, out: Tensor) -> tuple[int, int]:
    """A mean over the feature map is the networks' global pooling; the one over frames is averaging, not pooling."""
    return 0, args[0].numel() if args[0].ndim == 4 else 0


COUNTED: dict[Any, Callable[[Any, Any], tuple[int, int]]] = {
    aten.convolution: _convolution,
    aten.addmm: _linear,
    aten.mm: _linear,
    aten.bmm: _linear,
    aten.native_batch_norm: _batch_norm,
    aten._native_batch_norm_legit_no_training: _batch_norm,
    aten._native_batch_norm_legit: _batch_norm,
    aten.cudnn_batch_norm: _batch_norm,
    aten.max_pool2d_with_indices: _pool,
    aten.max_pool3d_with_indices: _pool,
    aten.avg_pool2d: _pool,
    aten.avg_pool3d: _pool,
    aten._adaptive_avg_pool2d: _pool,
    aten._adaptive_avg_pool3d: _pool,
    aten.mean: _mean,
}
MOVES_ONLY = {
    aten.view, aten._unsafe_view, aten.reshape, aten.transpose, aten.permute, aten.t, aten.slice, aten.cat, aten.clone,
    aten.copy_, aten.empty, aten.empty_like, aten.zeros_like, aten.zeros, aten.expand, aten.select, aten.detach,
    aten.alias, aten.unsqueeze, aten.squeeze, aten._to_copy, aten.new_zeros, aten.fill_, aten.zero_, aten.split,
    aten.flip, aten.stack, aten.constant_pad_nd, aten.roll, aten.as_strided, aten._reshape_alias, aten.full,
}  # fmt: skip
"""Operators that move, make or look at values without arithmetic."""
