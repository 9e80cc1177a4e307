"""Pixels to scores: one forward pass per view of a batch of clips."""

from __future__ import annotations

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


class Scorer:
    """A network on its device, ready to score batches; a context manager.

    Views go through one after the other, so that a pass has the same shape whatever the number of views: the
    one-clip row of a two-clip run is bit-equal to a one-clip run, and memory does not grow with views.

    On a CPU, passes run side by side in lanes of one thread each. That is faster than all threads on one pass (they
    never wait for each other), and the result does not depend on how many there are.
    """

    def __init__(self, network: nn.Module, entry: ModelEntry, settings: Settings) -> None:
        self.entry = entry
        self.settings = settings
        self.device = torch.device(settings.device)
        self._network = prepare_for_inference(network).to(self.device)
        self.lanes = settings.threads if self.device.type == "cpu" else 1
        self._pool = ThreadPoolExecutor(self.lanes, "network", initializer=self._enter_lane)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def submit(self, batch: Sequence[NDArray[np.uint8] | None]) -> list[Future[dict[str, Scores]]]:
        """Start scoring B clips of uint8 RGB [V, T, S, S, 3]; `collect` waits for the answer.

        A clip that is None goes through as black frames to keep the pass in shape, and comes back as NaN.
        """
        shape = next(pixels.shape for pixels in batch if pixels is not None)
        return [self._pool.submit(self._score_view, batch, view, shape[1:]) for view in range(shape[0])]

    def score(self, batch: Sequence[NDArray[np.uint8] | None]) -> dict[str, Scores]:
        """Scores float32 [B, V, C] per task, for B clips of uint8 RGB [V, T, S, S, 3]."""
        return collect(self.submit(batch), batch)

    def _enter_lane(self) -> None:
        if self.device.type == "cpu":
            torch.set_num_threads(1)
        elif self.settings.precision == "float32":
            # cuDNN would otherwise round float32 convolutions to 10 bits of mantissa.
            torch.backends.cudnn.allow_tf32 = False
            torch.backends.cuda.matmul.allow_tf32 = False
            torch.backends.cudnn.deterministic = True

    def _score_view(
        self, batch: Sequence[NDArray[np.uint8] | None], view: int, shape: tuple[int, ...]
    ) -> dict[str, Scores]:
        pixels = np.zeros((len(batch), *shape), np.uint8)  # [B, T, S, S, 3]
        for at, clip in enumerate(batch):
            if clip is not None:
                pixels[at] = clip[view]
        with torch.inference_mode():
            clips = normalise(torch.from_numpy(pixels).to(self.device), self.entry.input)  # [B, T, 3, S, S]
            answer = self._forward(clips)
            return {task: values.float().cpu().numpy() for task, values in self._by_task(answer, len(batch)).items()}

    def _forward(self, clips: Tensor) -> Tensor | Mapping[str, Tensor]:
        half = HALVES.get(self.settings.precision)
        with torch.autocast(self.device.type, dtype=half, enabled=half is not None):
            try:
                answer: Tensor | Mapping[str, Tensor] = self._network(clips)
            except torch.OutOfMemoryError as error:
                fix = f"--batch {max(1, len(clips) // 2)}"
                raise NetworkError(f"{self.entry.name} needs more memory than {self.device} has", fix=fix) from error
            except Exception as error:  # anything may come out of a network that is not ours
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
