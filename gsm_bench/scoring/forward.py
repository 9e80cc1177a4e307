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
from gsm_bench.frames.transform import normalise
from gsm_bench.nets.inference import prepare_for_inference
from gsm_bench.scorefile import Scores
from gsm_bench.scoring.job import Settings

HALVES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class Lanes:
    """Threads that carry passes; a context manager.

    On a CPU, passes run side by side in lanes of one thread each. That is faster than all threads on one pass (they
    never wait for each other), and the result does not depend on how many there are. Networks that share a run share
    the lanes.
    """

    def __init__(self, settings: Settings) -> None:
        self.on_cpu = torch.device(settings.device).type == "cpu"
        self.count = settings.threads if self.on_cpu else 1
        self._exact = settings.precision == "float32"
        self.pool = ThreadPoolExecutor(self.count, "network", initializer=self._enter)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.shutdown(cancel_futures=True)

    def _enter(self) -> None:
        if self.on_cpu:
            torch.set_num_threads(1)
        elif self._exact:
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

    def __init__(self, network: nn.Module, entry: ModelEntry, settings: Settings, lanes: Lanes) -> None:
        self.entry = entry
        self.settings = settings
        self.device = torch.device(settings.device)
        self._network = prepare_for_inference(network).to(self.device)
        self._lanes = lanes
        self._pass_clips = settings.batch
        self._lock = threading.Lock()

    @property
    def halved_to(self) -> int:
        """Clips per pass where memory did not hold the batch, else 0."""
        return 0 if self._pass_clips == self.settings.batch else self._pass_clips

    def submit(self, batch: Sequence[NDArray[np.uint8] | None]) -> list[Future[dict[str, Scores]]]:
        """Start scoring B clips of uint8 RGB [V, T, S, S, 3]; `collect` waits for the answer.

        A clip that is None goes through as black frames to keep the pass in shape, and comes back as NaN.
        """
        shape = next(pixels.shape for pixels in batch if pixels is not None)
        return [self._lanes.pool.submit(self._score_view, batch, view, shape[1:]) for view in range(shape[0])]

    def score(self, batch: Sequence[NDArray[np.uint8] | None]) -> dict[str, Scores]:
        """Scores float32 [B, V, C] per task, for B clips of uint8 RGB [V, T, S, S, 3]."""
        return collect(self.submit(batch), batch)

    def _score_view(
        self, batch: Sequence[NDArray[np.uint8] | None], view: int, shape: tuple[int, ...]
    ) -> dict[str, Scores]:
        pixels = np.zeros((len(batch), *shape), np.uint8)  # [B, T, S, S, 3]
        for at, clip in enumerate(batch):
            if clip is not None:
                pixels[at] = clip[view]
        answers: list[dict[str, Scores]] = []
        at = 0
        while at < len(batch):
            size = self._pass_clips
            try:
                answers.append(self._score_pixels(pixels[at : at + size]))
                at += size
            except torch.OutOfMemoryError as error:
                self._halve(min(size, len(batch) - at), size, error)
        return {task: np.concatenate([answer[task] for answer in answers]) for task in answers[0]}

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

    def _score_pixels(self, pixels: NDArray[np.uint8]) -> dict[str, Scores]:
        """Scores float32 [b, C] per task of uint8 RGB [b, T, S, S, 3]."""
        with torch.inference_mode():
            clips = normalise(torch.from_numpy(pixels).to(self.device), self.entry.input)  # [b, T, 3, S, S]
            answer = self._forward(clips)
            return {task: values.float().cpu().numpy() for task, values in self._by_task(answer, len(clips)).items()}

    def _forward(self, clips: Tensor) -> Tensor | Mapping[str, Tensor]:
        half = HALVES.get(self.settings.precision)
        with torch.autocast(self.device.type, dtype=half, enabled=half is not None):
            try:
                answer: Tensor | Mapping[str, Tensor] = self._network(clips)
            except torch.OutOfMemoryError:
                raise
            except Exception as error:  # anything may come out of a network that is not ours
                if "can't allocate memory" in str(error):  # the words of torch's allocator on a CPU
                    raise torch.OutOfMemoryError(str(error)) from error
                said = f"{self.entry.name} failed on clips {list(clips.shape)}: {type(error).__name__}: {error}"
                raise NetworkError(
                    said, fix="check the entry's frames, input and options against the network"
                ) from error
        return answer

    def _by_task(self, answer: Tensor | Mapping[str, Tensor], batch: int) -> Mapping[str, Tensor]:
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


def collect(
    passes: Sequence[Future[dict[str, Scores]]], batch: Sequence[NDArray[np.uint8] | None]
) -> dict[str, Scores]:
    """Wait for the passes of a batch: scores float32 [B, V, C] per task, NaN for clips that are None."""
    per_view = [future.result() for future in passes]
    present = np.array([pixels is not None for pixels in batch])
    scores = {task: np.stack([view[task] for view in per_view], axis=1) for task in per_view[0]}  # [B, V, C]
    for values in scores.values():
        values[~present] = np.nan
    return scores
