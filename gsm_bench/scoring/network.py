"""The network of a run on its device: pixels in, scores out, one forward pass per view of a batch."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gsm_bench.entries import ModelEntry
from gsm_bench.errors import NetworkError
from gsm_bench.frames.transform import channel_constants, normalise
from gsm_bench.geometry import InputSpec
from gsm_bench.nets.inference import prepare_for_inference
from gsm_bench.nets.segment import SegmentNetwork
from gsm_bench.scorefile import Scores
from gsm_bench.scoring.arithmetic import arithmetic_of
from gsm_bench.scoring.compiled import Compiled
from gsm_bench.scoring.job import HALF_DTYPES, Settings
from gsm_bench.scoring.network_output import scores_by_task
from gsm_bench.scoring.transfer import Loader, NetworkInput, PendingDownload

Output = Any
"""Logits [B, C], or logits per task; see `scores_by_task`."""
BATCHES_IN_FLIGHT = 2
OUT_OF_MEMORY = ("can't allocate memory", "CUDNN_STATUS_ALLOC_FAILED", "CUBLAS_STATUS_ALLOC_FAILED")
"""Messages of torch's CPU allocator and of NVIDIA's libraries, where torch on a GPU raises OutOfMemoryError."""
Passes = list[Future[list[PendingDownload]]]
"""The forward passes of a batch, one per view, each in as many parts as memory demands."""


class InferenceModule(nn.Module):
    """uint8 RGB [B, T, S, S, 3] to logits [B, C], or to logits per task.

    In half precision, this package's networks hold their convolution weights in it; batch norms, sums of gates, the
    classifier and the mean over frames stay float32. Other networks run under autocast.
    """

    def __init__(self, network: nn.Module, spec: InputSpec, settings: Settings) -> None:
        super().__init__()
        half = HALF_DTYPES.get(settings.precision)
        self.spec = spec
        self.on_gpu = settings.device_type == "cuda"
        self.built_in = isinstance(network, SegmentNetwork)
        self.dtype = half if half is not None and self.built_in else torch.float32
        self.autocast = half if not self.built_in else None
        self.network = prepare_for_inference(network, self.dtype)
        mean, std = channel_constants(spec)
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("std", std, persistent=False)

    def forward(self, pixels: Tensor) -> Output:
        # Convolutions on a GPU take channels last, the layout of the bytes.
        clips = normalise(
            pixels, self.spec, (self.get_buffer("mean"), self.get_buffer("std")), keep_layout=self.on_gpu
        )  # [B, T, 3, S, S]
        with self._casting(pixels.device.type):
            output: Output = self.network(clips.to(self.dtype))
        return output

    def _casting(self, device: str) -> Any:
        return nullcontext() if self.autocast is None else torch.autocast(device, dtype=self.autocast)


class ForwardPool:
    """Threads that run forward passes, and the loader that feeds them; a context manager.

    On a CPU, passes run in parallel with one thread each. That is faster than all threads on one pass, because threads
    never wait for each other, and the result does not depend on their number. The networks of a run share the pool.
    """

    def __init__(self, settings: Settings) -> None:
        self.on_cpu = torch.device(settings.device).type == "cpu"
        self.count = settings.threads if self.on_cpu else 1
        self.loader = Loader(torch.device(settings.device))
        self._device = torch.device(settings.device)
        self._precision = settings.precision
        self._entered = ExitStack()
        self.pool = ThreadPoolExecutor(self.count, "network", initializer=self._enter)

    def __enter__(self) -> Self:
        self._entered.enter_context(arithmetic_of(self._precision))
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.shutdown(cancel_futures=True)
        self.loader.close()
        self._entered.close()

    def is_full(self, batches: int, passes: int) -> bool:
        """Whether to wait for results before another batch starts.

        A GPU computes one batch while another is being copied to it.
        """
        return passes > 2 * self.count if self.on_cpu else batches > BATCHES_IN_FLIGHT

    def _enter(self) -> None:
        if self.on_cpu:
            torch.set_num_threads(1)
            return
        if self._device.index is not None:
            torch.cuda.set_device(self._device)


class Scorer:
    """A network on its device, ready to score batches.

    Each view is one pass, so a pass has the same shape for any number of views: the one-clip row of a two-clip run is
    bit-equal to a one-clip run, and memory does not grow with views.

    Where memory does not hold a batch, passes are halved from then on; `halved_to` gives their clips.
    """

    def __init__(self, network: nn.Module, entry: ModelEntry, settings: Settings, forward_pool: ForwardPool) -> None:
        self.entry = entry
        self.settings = settings
        self.device = torch.device(settings.device)
        module = InferenceModule(network, entry.input, settings).to(self.device)
        self._compiled = None if settings.compile == "none" else Compiled(module, settings.compile)
        self._forward_fn = self._compiled or module
        self._forward_pool = forward_pool
        self._pass_clips = settings.batch
        self._lock = threading.Lock()

    @property
    def halved_to(self) -> int:
        """Clips per forward pass where memory did not hold the batch, else 0."""
        return 0 if self._pass_clips == self.settings.batch else self._pass_clips

    @property
    def compile_fallback(self) -> str:
        """Why the network could not be compiled, empty if it was or was not asked to be."""
        return self._compiled.failure if self._compiled else ""

    def submit(self, batch: NetworkInput) -> Passes:
        """Start scoring a batch, one pass per view; `collect` waits for the scores."""
        return [self._forward_pool.pool.submit(self._score_view, batch, view) for view in range(batch.views)]

    def _score_view(self, batch: NetworkInput, view: int) -> list[PendingDownload]:
        """Scores of a view, in as many passes as memory demands; on a GPU they are still being computed."""
        downloads: list[PendingDownload] = []
        at, clips = 0, len(batch.present)
        while at < clips:
            size = self._pass_clips
            try:
                downloads.append(self._score_rows(batch, view, slice(at, min(at + size, clips))))
                at += size
            except torch.OutOfMemoryError as error:
                self._halve(min(size, clips - at), size, error)
        return downloads

    def _halve(self, tried: int, size: int, error: Exception) -> None:
        """Halve the clips per pass, unless another thread already did."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        with self._lock:
            if self._pass_clips < size:
                return
            if tried == 1:
                raise NetworkError(
                    f"{self.entry.name} needs more memory for one clip than {self.device} has",
                    fix="use --precision bfloat16 or float16 for half of it, or --threads 1 for fewer passes at once",
                ) from error
            self._pass_clips = max(1, tried // 2)

    def _score_rows(self, batch: NetworkInput, view: int, rows: slice) -> PendingDownload:
        """Scores float32 [b, C] per task of some clips."""
        with torch.inference_mode():
            pixels = batch.pixels(view, rows)  # [b, T, S, S, 3]
            clips, size = len(pixels), self._pass_clips
            if self._compiled and clips < size:  # compiled for one shape
                pixels = torch.cat([pixels, pixels.new_zeros((size - clips, *pixels.shape[1:]))])
            scores = scores_by_task(self._forward(pixels), self.entry, len(pixels))
            return self._forward_pool.loader.copies.fetch({task: values[:clips] for task, values in scores.items()})

    def _forward(self, pixels: Tensor) -> Output:
        try:
            output: Output = self._forward_fn(pixels)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # a network of the user may raise anything
            if any(words in str(error) for words in OUT_OF_MEMORY):
                raise torch.OutOfMemoryError(str(error)) from error
            batch, frames, side = pixels.shape[:3]
            raise NetworkError(
                f"{self.entry.name} failed on clips {[batch, frames, 3, side, side]}: {type(error).__name__}: {error}",
                fix="check the entry's frames, input and options against the network",
            ) from error
        return output


def collect(passes: Passes, present: NDArray[np.bool_]) -> dict[str, Scores]:
    """Wait for the passes of a batch: scores float32 [B, V, C] per task, NaN for absent videos."""
    per_view = [_joined([download() for download in future.result()]) for future in passes]
    scores = {task: np.stack([view[task] for view in per_view], axis=1) for task in per_view[0]}  # [B, V, C]
    for values in scores.values():
        values[~present] = np.nan
    return scores


def _joined(results: Sequence[dict[str, Scores]]) -> dict[str, Scores]:
    return {task: np.concatenate([result[task] for result in results]) for task in results[0]}
