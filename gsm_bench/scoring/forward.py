"""Pixels to scores: one forward pass per view of a batch of clips."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gsm_bench.entries import ModelEntry
from gsm_bench.errors import NetworkError
from gsm_bench.scorefile import Scores
from gsm_bench.scoring.inference_module import Answer, Compiled, InferenceModule
from gsm_bench.scoring.job import Settings
from gsm_bench.scoring.loading import Loader, NetworkInput
from gsm_bench.scoring.transfer import PendingDownload

BATCHES_IN_FLIGHT = 2
NO_MEMORY = ("can't allocate memory", "CUDNN_STATUS_ALLOC_FAILED", "CUBLAS_STATUS_ALLOC_FAILED")
"""What torch's allocator on a CPU and NVIDIA's libraries say where torch's own for a GPU raises OutOfMemoryError."""
Passes = list[Future[list[PendingDownload]]]
"""The passes of a batch, one per view, each in as many pieces as memory demanded."""


class ForwardPool:
    """Threads that carry passes, and the loader that feeds them; a context manager.

    On a CPU, passes run side by side in lanes of one thread each. That is faster than all threads on one pass (they
    never wait for each other), and the result does not depend on how many there are. Networks that share a run share
    the lanes.
    """

    def __init__(self, settings: Settings) -> None:
        self.on_cpu = torch.device(settings.device).type == "cpu"
        self.count = settings.threads if self.on_cpu else 1
        self.loader = Loader(torch.device(settings.device))
        self._device = torch.device(settings.device)
        self._exact = settings.precision == "float32"
        self.pool = ThreadPoolExecutor(self.count, "network", initializer=self._enter)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.shutdown(cancel_futures=True)
        self.loader.close()

    def are_full(self, batches: int, passes: int) -> bool:
        """Whether to wait for answers before more is started.

        A GPU works on a batch while another is on its way to it; a third waits for neither.
        """
        return passes > 2 * self.count if self.on_cpu else batches > BATCHES_IN_FLIGHT

    def _enter(self) -> None:
        if self.on_cpu:
            torch.set_num_threads(1)
            return
        if self._device.index is not None:
            torch.cuda.set_device(self._device)
        if self._exact:
            # cuDNN would otherwise round float32 convolutions to 10 bits of mantissa.
            torch.backends.cudnn.allow_tf32 = False
            torch.backends.cuda.matmul.allow_tf32 = False
            torch.backends.cudnn.deterministic = True


class Scorer:
    """A network on its device, ready to score batches.

    Views go through one after the other, so that a pass has the same shape whatever the number of views: the
    one-clip row of a two-clip run is bit-equal to a one-clip run, and memory does not grow with views.

    Where memory does not hold a batch, it goes through in halves from then on; `halved_to` says in how many clips.
    """

    def __init__(self, network: nn.Module, entry: ModelEntry, settings: Settings, forward_pool: ForwardPool) -> None:
        self.entry = entry
        self.settings = settings
        self.device = torch.device(settings.device)
        answering = InferenceModule(network, entry.input, settings).to(self.device)
        self._compiled = None if settings.compile == "none" else Compiled(answering, settings)
        self._answer = self._compiled or answering
        self._lanes = forward_pool
        self._pass_clips = settings.batch
        self._lock = threading.Lock()

    @property
    def halved_to(self) -> int:
        """Clips per pass where memory did not hold the batch, else 0."""
        return 0 if self._pass_clips == self.settings.batch else self._pass_clips

    @property
    def compile_fallback(self) -> str:
        """Why the network could not be compiled, where it was to be."""
        return self._compiled.failure if self._compiled else ""

    def submit(self, batch: NetworkInput) -> Passes:
        """Start scoring a batch, a pass per view; `collect` waits for the answer."""
        return [self._lanes.pool.submit(self._score_view, batch, view) for view in range(batch.views)]

    def _score_view(self, batch: NetworkInput, view: int) -> list[PendingDownload]:
        """Answers for a view, in as many passes as memory demands; on a GPU they are still on their way."""
        answers: list[PendingDownload] = []
        at, clips = 0, len(batch.present)
        while at < clips:
            size = self._pass_clips
            try:
                answers.append(self._score_rows(batch, view, slice(at, min(at + size, clips))))
                at += size
            except torch.OutOfMemoryError as error:
                self._halve(min(size, clips - at), size, error)
        return answers

    def _halve(self, tried: int, size: int, error: Exception) -> None:
        """Let fewer clips through at once; another lane may have seen to it already."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        with self._lock:
            if self._pass_clips < size:
                return
            if tried == 1:
                fix = "--precision bfloat16 or float16 needs half of it; --threads 1 keeps fewer passes in memory"
                said = f"{self.entry.name} needs more memory for one clip than {self.device} has"
                raise NetworkError(said, fix=fix) from error
            self._pass_clips = max(1, tried // 2)

    def _score_rows(self, batch: NetworkInput, view: int, rows: slice) -> PendingDownload:
        """Scores float32 [b, C] per task of some clips."""
        with torch.inference_mode():
            pixels = batch.pixels(view, rows)  # [b, T, S, S, 3]
            clips, size = len(pixels), self._pass_clips
            if self._compiled and clips < size:  # what is compiled is compiled for one shape
                pixels = torch.cat([pixels, pixels.new_zeros((size - clips, *pixels.shape[1:]))])
            answers = self._by_task(self._forward(pixels), len(pixels))
            return self._lanes.loader.copies.fetch({task: values[:clips] for task, values in answers.items()})

    def _forward(self, pixels: Tensor) -> Answer:
        try:
            answer: Answer = self._answer(pixels)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # anything may come out of a network that is not ours
            if any(words in str(error) for words in NO_MEMORY):
                raise torch.OutOfMemoryError(str(error)) from error
            batch, frames, side = pixels.shape[:3]
            said = (
                f"{self.entry.name} failed on clips {[batch, frames, 3, side, side]}: {type(error).__name__}: {error}"
            )
            raise NetworkError(said, fix="check the entry's frames, input and options against the network") from error
        return answer

    def _by_task(self, answer: Answer, batch: int) -> Mapping[str, Tensor]:
        answers = {"action": answer} if isinstance(answer, Tensor) else answer
        wanted = self.entry.tasks
        found = {task: tuple(values.shape) for task, values in answers.items()}
        fits = found.keys() == wanted.keys() and all(
            len(shape) == 2 and shape[0] == batch and wanted[task] in (0, shape[1]) for task, shape in found.items()
        )
        if not fits:
            expected = ", ".join(f"{task} [{batch}, {classes}]" for task, classes in wanted.items())
            raise NetworkError(
                f"{self.entry.name} answered with {found}, where its entry says {expected}",
                fix="correct `classes` of the entry, or what the network returns",
            )
        return answers


def collect(passes: Passes, present: NDArray[np.bool_]) -> dict[str, Scores]:
    """Wait for the passes of a batch: scores float32 [B, V, C] per task, NaN for clips that are not present."""
    per_view = [_joined([leave() for leave in future.result()]) for future in passes]
    scores = {task: np.stack([view[task] for view in per_view], axis=1) for task in per_view[0]}  # [B, V, C]
    for values in scores.values():
        values[~present] = np.nan
    return scores


def _joined(results: Sequence[dict[str, Scores]]) -> dict[str, Scores]:
    return {task: np.concatenate([result[task] for result in results]) for task in results[0]}
