"""From bytes on a device to a network's answer: one function, as it is or compiled."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from gsm_bench.frames.transform import channel_constants, normalise
from gsm_bench.geometry import InputSpec
from gsm_bench.nets.inference import prepare_for_inference
from gsm_bench.nets.segment import SegmentNetwork
from gsm_bench.scoring.job import HALVES, Settings

Answer = Tensor | Mapping[str, Tensor]
MODES = {"kernels": "default", "graphs": "reduce-overhead"}
MOST_SHAPES = 64
"""Shapes that one network may be compiled for: one per network of a run, and one per halving."""


class InferenceModule(nn.Module):
    """uint8 RGB [B, T, S, S, 3] to logits [B, C], or to logits per task.

    In half precision our networks hold their convolutions' weights in it, while batch norms, the sums of gates, the
    classifier and the mean over frames stay float32; a network of somebody else's runs under autocast.
    """

    def __init__(self, network: nn.Module, spec: InputSpec, settings: Settings) -> None:
        super().__init__()
        half = HALVES.get(settings.precision)
        self.spec = spec
        self.on_gpu = settings.device_type == "cuda"
        self.ours = isinstance(network, SegmentNetwork)
        self.dtype = half if half is not None and self.ours else torch.float32
        self.autocast = half if not self.ours else None
        self.network = prepare_for_inference(network, self.dtype)
        mean, std = channel_constants(spec)
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("std", std, persistent=False)

    def forward(self, pixels: Tensor) -> Answer:
        # A GPU's convolutions take channels last, as the bytes lie.
        clips = normalise(
            pixels, self.spec, (self.get_buffer("mean"), self.get_buffer("std")), keep_layout=self.on_gpu
        )  # [B, T, 3, S, S]
        with self._casting(pixels.device.type):
            answer: Answer = self.network(clips.to(self.dtype))
        return answer

    def _casting(self, device: str) -> Any:
        return nullcontext() if self.autocast is None else torch.autocast(device, dtype=self.autocast)


class Compiled:
    """A network compiled for passes of one shape, or plain where that fails: `failure` says why then."""

    def __init__(self, answering: InferenceModule, settings: Settings) -> None:
        self.failure = ""
        self._plain = answering
        self._graphs = settings.compile == "graphs"
        self._compiled: Any = None
        # A compiler is no place for several threads at once.
        self._first = threading.Lock()
        self._shapes: set[tuple[int, ...]] = set()
        try:
            torch._dynamo.config.recompile_limit = max(MOST_SHAPES, torch._dynamo.config.recompile_limit)
            self._compiled = torch.compile(answering, dynamic=False, fullgraph=True, mode=MODES[settings.compile])
        except Exception as error:  # no compiler for this platform or this Python
            self._give_up(error)

    def __call__(self, pixels: Tensor) -> Answer:
        if self._compiled is None:
            return self._run_plain(pixels)
        if tuple(pixels.shape) in self._shapes:
            return self._run(pixels)
        with self._first:
            return self._try(pixels)

    def _try(self, pixels: Tensor) -> Answer:
        """The first pass of a shape, which compiles; whatever goes wrong but memory, the plain network is tried."""
        if self._compiled is None:
            return self._run_plain(pixels)
        try:
            answer = self._run(pixels)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # anything may come out of a compiler
            answer = self._run_plain(pixels)
            self._give_up(error)
            return answer
        self._shapes.add(tuple(pixels.shape))
        return answer

    def _run(self, pixels: Tensor) -> Answer:
        if self._graphs:
            torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        answer: Answer = self._compiled(pixels)
        return answer

    def _run_plain(self, pixels: Tensor) -> Answer:
        answer: Answer = self._plain(pixels)
        return answer

    def _give_up(self, error: Exception) -> None:
        self._compiled = None
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        self.failure = f"{type(error).__name__}: {lines[0] if lines else 'no reason given'}"
