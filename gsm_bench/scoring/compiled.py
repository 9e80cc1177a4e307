"""Networks compiled for passes of one shape, or recorded as CUDA graphs; what fails runs as it is, and says why."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gsm_bench.settings import Compile

Forward = Callable[[Tensor], Any]
"""A forward pass: pixels to logits, or to logits per task."""
Record = Callable[[Forward, Tensor], Forward]
"""Records the pass of a network on some pixels; returns what repeats it on other pixels of the same shape."""
MAX_SHAPES = 64
"""Shapes that one network may be compiled for: one per network of a run, and one per halving of the batch."""
NO_GRAPH = "no CUDA graph"
"""How the reason begins where only the recording failed."""
WARM_UPS = 2
"""Passes before a recording, in which libraries choose their kernels and set memory aside."""


class Compiled:
    """A network that is compiled for each shape in its first pass, and recorded as a CUDA graph if asked to be.

    The graphs of torch.compile are not used: they belong to the thread that compiled, and record in the second pass of a
    shape. Where compiling or recording fails, the network runs without it; `failure` says why.
    """

    def __init__(self, module: nn.Module, ways: Compile, record: Record | None = None) -> None:
        self._plain: Forward = module
        self._compiled: Forward | None = None
        self._record = (record or record_graph) if ways == "graphs" else None
        self._recorded: dict[tuple[int, ...], Forward] = {}
        self._seen: set[tuple[int, ...]] = set()
        self._failures: list[str] = []
        # torch.compile is not safe in several threads at once.
        self._lock = threading.Lock()
        try:
            self._compiled = torch.compile(module, dynamic=False, fullgraph=True, mode="default")
        except Exception as error:  # no compiler for this platform or this Python
            self._give_up_compiled(error)

    @property
    def failure(self) -> str:
        """What failed and why; empty if nothing did."""
        return "; ".join(self._failures)

    def __call__(self, pixels: Tensor) -> Any:
        """Logits of a pass; those of a recorded one are overwritten by the next pass of the same shape."""
        if tuple(pixels.shape) in self._seen:
            return self._run(pixels)
        with self._lock:
            output = self._run(pixels)
            if self._record is not None:
                self._record_shape(pixels)
            self._seen.add(tuple(pixels.shape))
        return output

    def _run(self, pixels: Tensor) -> Any:
        if recorded := self._recorded.get(tuple(pixels.shape)):
            return recorded(pixels)
        if self._compiled is None:
            return self._plain(pixels)
        try:
            # This setting of torch belongs to a thread, and networks compile in the threads of the pool.
            torch._dynamo.config.recompile_limit = max(MAX_SHAPES, torch._dynamo.config.recompile_limit)
            return self._compiled(pixels)
        except Exception as error:  # anything may come out of a compiler
            if _lacks_memory(error):
                raise
            output = self._plain(pixels)
            self._give_up_compiled(error)
            return output

    def _record_shape(self, pixels: Tensor) -> None:
        assert self._record is not None
        try:
            self._recorded[tuple(pixels.shape)] = self._record(self._compiled or self._plain, pixels)
        except Exception as error:  # a network of the user may do anything that cannot be recorded
            self._recorded.clear()  # recordings hold memory
            if lacking := _lacks_memory(error):
                raise torch.OutOfMemoryError(str(lacking)) from error
            self._record = None
            self._failures.append(f"{NO_GRAPH}: {_in_one_line(error)}")

    def _give_up_compiled(self, error: Exception) -> None:
        if self._compiled is not None or not self._failures:
            self._failures.append(_in_one_line(error))
        self._compiled = None


def _in_one_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else 'no reason given'}"


def _lacks_memory(error: BaseException) -> BaseException | None:
    """The error of lacking memory that caused `error`: the end of a recording hides it behind an error of its own."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, torch.OutOfMemoryError):
        cause = cause.__cause__ or cause.__context__
    return cause


def record_graph(network: Forward, pixels: Tensor) -> Forward:
    """Record a pass as a CUDA graph: one launch instead of hundreds.

    Args:
        network: computes on the current stream, without waiting for the device.
        pixels: on a GPU; the recording works for their shape only.

    Returns:
        A function that copies pixels to the recorded ones and repeats the pass; its output is overwritten by the next.
    """
    held, current = pixels.clone(), torch.cuda.current_stream(pixels.device)
    aside = torch.cuda.Stream(pixels.device)  # type: ignore[no-untyped-call]
    aside.wait_stream(current)
    with torch.cuda.stream(aside):
        for _ in range(WARM_UPS):
            network(held)
    current.wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    # The thread that copies frames may allocate page-locked memory meanwhile.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        output = network(held)

    def repeat(pixels: Tensor) -> Any:
        held.copy_(pixels)
        graph.replay()
        return output

    return repeat
