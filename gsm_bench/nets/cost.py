"""Cost of networks: parameters, multiply-adds in two conventions, and the operators that neither counts.

``bare`` counts the multiply-adds of convolutions and linear layers. ``paper`` is the convention behind the GFLOPs of
the GSM paper: bare, plus one per convolution output (its bias), two per batch-norm output and one per pooling input.
Operators are counted as they are dispatched, so any module can be counted.
"""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from gsm_bench.entries import ModelEntry
from gsm_bench.errors import GsmBenchError, NetworkError
from gsm_bench.manifest import Manifest
from gsm_bench.nets.registry import network_for

aten = torch.ops.aten


@dataclass(frozen=True)
class Cost:
    """Cost of one view (one clip, one crop).

    Attributes:
        params: parameters, buffers not counted.
        macs_bare: multiply-adds of convolutions and linear layers.
        macs_paper: multiply-adds in the paper's convention, which the paper calls FLOPs.
        uncounted: calls per operator that does arithmetic and is in neither number.
    """

    params: int
    macs_bare: int
    macs_paper: int
    uncounted: dict[str, int]


@dataclass(frozen=True)
class VideoCost:
    """Cost of one video: all views of one model, or of all members of an ensemble.

    Attributes:
        members: model entry, views per video and cost of one view of each member.
    """

    name: str
    members: tuple[tuple[ModelEntry, int, Cost], ...]

    @property
    def frames_text(self) -> str:
        """Frames of the members, with their numbers of clips: ``8x2+12``."""
        return "+".join(
            f"{entry.frames}x{clips}" if clips > 1 else str(entry.frames) for entry, clips, _ in self.members
        )

    @property
    def params(self) -> int:
        return sum(cost.params for *_, cost in self.members)

    @property
    def macs_paper(self) -> int:
        """Multiply-adds of all views in the paper's convention."""
        return sum(cost.macs_paper * clips for _, clips, cost in self.members)

    @property
    def macs_bare(self) -> int:
        """Multiply-adds of all views, of convolutions and linear layers alone."""
        return sum(cost.macs_bare * clips for _, clips, cost in self.members)

    @property
    def macs_paper_per_view(self) -> int | None:
        """Multiply-adds of one view in the paper's convention; None for an ensemble."""
        return self.members[0][2].macs_paper if len(self.members) == 1 else None

    @property
    def uncounted(self) -> tuple[dict[str, int], ...]:
        """Calls per uncounted operator of each member."""
        return tuple(cost.uncounted for *_, cost in self.members)


def video_cost(name: str, manifest: Manifest, *, clips: int = 1, search: Path | None = None) -> VideoCost:
    """Cost of one video for a model with `clips` clips, or for an ensemble with its own.

    Raises:
        GsmBenchError: `name` is neither a model nor an ensemble.
    """
    if name in manifest.ensembles:
        members = [(manifest.model(member.model), member.clips) for member in manifest.ensemble(name).members]
    elif name in manifest.models:
        members = [(manifest.model(name), clips)]
    else:
        raise GsmBenchError(f"{name!r} is neither a model nor an ensemble", fix="gsmbench models list")
    return VideoCost(name, tuple((entry, count, entry_cost(entry, search=search)) for entry, count in members))


def entry_cost(entry: ModelEntry, *, search: Path | None = None) -> Cost:
    """Cost of one view of an entry's network; `search` is the folder of networks of the user's own.

    Raises:
        NetworkError: see `network_for`; or the network does not take so many frames, or frames of this size.
    """
    network, (frames, size) = network_for(entry, search=search), (entry.frames, entry.input.size)
    try:
        return count_cost(network, frames, size)
    except (RuntimeError, ValueError, TypeError, AssertionError, IndexError) as error:
        text = " ".join(str(error).split())[:300] or type(error).__name__
        raise NetworkError(
            f"{entry.network} takes no {frames} frames of {size} x {size} pixels: {text}",
            fix="correct frames, input.size or options of the entry",
        ) from error


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
        counted = COUNTED[operator](args, out) if operator in COUNTED else None
        if counted is not None:
            self.bare += counted[0]
            self.extra += counted[1]
        elif operator not in MOVES_ONLY:
            self.uncounted[UNCOUNTED_NAMES.get(operator, operator.__name__)] += 1
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


def _mean(args: Any, out: Tensor) -> tuple[int, int] | None:
    """A mean over the feature map is global pooling; others, such as the one over frames, are not counted."""
    return (0, args[0].numel()) if args[0].ndim == 4 else None


COUNTED: dict[Any, Callable[[Any, Any], tuple[int, int] | None]] = {
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
UNCOUNTED_NAMES = {aten.mean: "mean other than pooling"}
"""Names of operators that are counted elsewhere, where they are not."""
MOVES_ONLY = {
    aten.view, aten._unsafe_view, aten.reshape, aten.transpose, aten.permute, aten.t, aten.slice, aten.cat, aten.clone,
    aten.copy_, aten.empty, aten.empty_like, aten.zeros_like, aten.zeros, aten.expand, aten.select, aten.detach,
    aten.alias, aten.unsqueeze, aten.squeeze, aten._to_copy, aten.new_zeros, aten.fill_, aten.zero_, aten.split,
    aten.flip, aten.stack, aten.constant_pad_nd, aten.roll, aten.as_strided, aten._reshape_alias, aten.full,
    aten.promote_types,
}  # fmt: skip
"""Operators that move, create or inspect values without arithmetic."""
