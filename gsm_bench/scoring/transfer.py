"""Bytes to a device and answers back, beside its computing where it has streams, plainly where it has none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

PendingUpload = Callable[[], Tensor]
"""Gives the tensor on its device; what is computed with it from then on waits for the copy, the caller does not."""
PendingDownload = Callable[[], dict[str, NDArray[np.float32]]]
"""Waits for answers and gives them."""


class Copies(Protocol):
    """How a device is fed."""

    def stage(self, shape: tuple[int, ...]) -> Tensor:
        """A place on the host, uint8, to fill and send."""

    def send(self, staged: Tensor) -> PendingUpload:
        """Start copying to the device."""

    def fetch(self, answers: Mapping[str, Tensor]) -> PendingDownload:
        """Start copying answers back, as float32."""


def copies_for(device: torch.device) -> Copies:
    """Copies beside the computing on a GPU, plain ones elsewhere."""
    return StreamCopies(device) if device.type == "cuda" else PlainCopies(device)


class PlainCopies:
    """Copies that are done when the call returns."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def stage(self, shape: tuple[int, ...]) -> Tensor:
        return torch.empty(shape, dtype=torch.uint8)

    def send(self, staged: Tensor) -> PendingUpload:
        sent = staged.to(self.device)
        return lambda: sent

    def fetch(self, answers: Mapping[str, Tensor]) -> PendingDownload:
        found = {task: values.float().cpu().numpy() for task, values in answers.items()}
        return lambda: found


class StreamCopies:
    """Copies from and to page-locked memory: in on a stream of their own, out behind the pass that they come from.

    torch keeps page-locked memory for the next batch, and does not give it away while a copy still reads it.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def stage(self, shape: tuple[int, ...]) -> Tensor:
        return _page_locked(shape, torch.uint8)

    def send(self, staged: Tensor) -> PendingUpload:
        with torch.cuda.stream(self._stream):
            sent = staged.to(self.device, non_blocking=True)
            done = torch.cuda.Event()  # type: ignore[no-untyped-call]
            done.record(self._stream)

        def arrive() -> Tensor:
            computing = torch.cuda.current_stream(self.device)
            computing.wait_event(done)
            sent.record_stream(computing)  # its memory is not the copying stream's to use again before that
            return sent

        return arrive

    def fetch(self, answers: Mapping[str, Tensor]) -> PendingDownload:
        host = {task: _page_locked(tuple(values.shape), torch.float32) for task, values in answers.items()}
        for task, values in answers.items():
            host[task].copy_(values, non_blocking=True)
        # Whoever waits for it sleeps.
        done = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        done.record(torch.cuda.current_stream(self.device))

        def leave() -> dict[str, NDArray[np.float32]]:
            done.synchronize()
            return {task: values.numpy().copy() for task, values in host.items()}

        return leave


def _page_locked(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    return torch.empty(shape, dtype=dtype, pin_memory=True)
