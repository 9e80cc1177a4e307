"""A network under trial: scores of clips for any settings, computed once for each."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from gsm_bench.entries import ModelEntry
from gsm_bench.errors import GsmBenchError, NetworkError
from gsm_bench.frames.transform import normalise
from gsm_bench.nets.inference import prepare_for_inference
from gsm_bench.scorefile import Scores
from gsm_bench.scoring.job import Settings
from gsm_bench.scoring.network import ForwardPool
from gsm_bench.scoring.network_output import scores_by_task
from gsm_bench.trust.diagnose_frames import FrameStore
from gsm_bench.trust.diagnose_settings import Trial

SMALL_SIZE = 128
BATCH, SMALL_BATCH = 4, 20
"""Clips per pass of usual and of small networks; a part of the settings where batch norms use the batch."""
Load = Callable[[ModelEntry], nn.Module]


class NetworkUnderTrial:
    """Scores of videos for trials, remembered.

    Args:
        entry: of the model.
        load: builds the network of an entry and loads its weights.
        store: frames of the videos.
        settings: device and threads.
        task: whose scores are wanted.
        pool: runs the passes.
    """

    def __init__(
        self, entry: ModelEntry, load: Load, store: FrameStore, settings: Settings, task: str, pool: ForwardPool
    ) -> None:
        self.entry, self.load, self.store, self.settings, self.task, self.pool = (
            entry,
            load,
            store,
            settings,
            task,
            pool,
        )
        self.batch = SMALL_BATCH if entry.input.size <= SMALL_SIZE else BATCH
        self.clips_scored = 0
        self.failures: dict[Trial, str] = {}
        self._networks: dict[tuple[int, str], nn.Module] = {}
        self._scores: dict[Trial, Scores] = {}

    @property
    def has_batch_norms(self) -> bool:
        return any(
            isinstance(module, _BatchNorm) for module in self._network(self.entry.frames, "of the batch").modules()
        )

    def scores(self, trial: Trial, places: Sequence[int]) -> Scores:
        """Scores float32 [n, C] of the first n videos in order; `places` begin as those of earlier calls.

        Raises:
            NetworkError: the network cannot take these clips.
        """
        return self.all_scores([trial], places)[0]

    def all_scores(self, trials: Sequence[Trial], places: Sequence[int]) -> list[Scores]:
        """The scores of several trials, computed side by side; a trial that the network cannot take has none: [0, C]."""
        passes = {trial: self._submit(trial, places) for trial in trials if trial not in self.failures}
        for trial, futures in passes.items():
            try:
                parts = [future.result() for future in futures]
            except GsmBenchError as error:
                self.failures[trial] = error.what
                continue
            known = [self._scores[trial]] if trial in self._scores else []
            if known or parts:
                self._scores[trial] = np.concatenate([*known, *parts])
            self.clips_scored += sum(map(len, parts))
        empty = np.empty((0, self.entry.tasks[self.task]), np.float32)
        return [empty if trial in self.failures else self._scores[trial][: len(places)] for trial in trials]

    def _submit(self, trial: Trial, places: Sequence[int]) -> list[Future[Scores]]:
        done = len(self._scores.get(trial, ()))
        starts = range(done, len(places), self.batch)
        return [self.pool.pool.submit(self._pass, trial, places[start : start + self.batch]) for start in starts]

    def _pass(self, trial: Trial, places: Sequence[int]) -> Scores:
        clips = normalise(self.store.clips(places, trial).to(self.settings.device), trial.spec)  # [B, T, 3, S, S]
        scores = self._forward(trial, clips)[self.task]
        return scores.float().cpu().numpy()

    def _forward(self, trial: Trial, clips: Tensor) -> dict[str, Tensor]:
        network = self._network(trial.frames, trial.statistics)
        try:
            with torch.inference_mode():
                output = network(clips)
        except Exception as error:  # a network of the user may raise anything
            reason = f"the network refuses clips {list(clips.shape)}: {type(error).__name__}: {error}"
            raise NetworkError(reason, fix="check the entry's frames, input and options") from error
        return dict(scores_by_task(output, self.entry, len(clips)))

    def _network(self, frames: int, statistics: str) -> nn.Module:
        """The network for T frames, with batch norms of the checkpoint or of the batch."""
        key = (frames, statistics)
        if key not in self._networks:
            network = self.load(replace(self.entry, frames=frames))
            prepared = prepare_for_inference(network) if statistics == "stored" else with_batch_statistics(network)
            self._networks[key] = prepared.to(self.settings.device)
        return self._networks[key]

    def prepare(self, trials: Sequence[Trial]) -> None:
        """Build the networks of trials; those that cannot be built are failures."""
        for trial in trials:
            try:
                self._network(trial.frames, trial.statistics)
            except GsmBenchError as error:
                self.failures[trial] = error.what


def with_batch_statistics(network: nn.Module) -> nn.Module:
    """A copy of a network whose batch norms take mean and variance from the batch that they are given."""
    network = copy.deepcopy(network).eval().requires_grad_(False)
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            module.track_running_stats = False
            module.running_mean = module.running_var = None
    return network


def predictions_of(scores: Scores) -> NDArray[np.int64]:
    """The best class int64 [n] of scores [n, C]; -1 for rows that are not finite."""
    best: NDArray[np.int64] = np.nan_to_num(scores, nan=-np.inf).argmax(axis=1)
    best[~np.isfinite(scores).all(axis=1)] = -1
    return best
