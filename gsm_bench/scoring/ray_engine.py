"""The engine on a Ray cluster: decoding tasks and network actors on any number of machines, parts kept by the driver.

The driver claims parts as a local run does, cuts them into the same batches, and alone writes them: whatever dies, a
part is in the result once, and a run may be begun here and finished locally. A batch whose worker died is given to
another; Ray starts the dead one again. Passes have one thread each and the same shape as anywhere, so scores are bit-equal on
machines of one kind.
"""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray.exceptions import RayError, RayTaskError

from gsm_bench.entries import ModelEntry
from gsm_bench.errors import GsmBenchError
from gsm_bench.nets.registry import network_for
from gsm_bench.scoring.batch_result import BatchResult, batch_result, start_passes
from gsm_bench.scoring.forward import ForwardPool, Scorer
from gsm_bench.scoring.job import Settings
from gsm_bench.scoring.pipeline import Batch, Read, ToRead, clips_per_model, read_row, to_read
from gsm_bench.scoring.run import Run

IN_FLIGHT = 2
"""Batches that each actor has at hand, so that it does not wait for the driver."""
MOST_FAILURES = 50
"""Deaths in a row, without a batch in between that came back, after which the cluster is given up."""
PAUSE_S = 0.5
ADDRESS = "RAY_ADDRESS"
LOCAL = "local"
"""A cluster of its own; without an address Ray would join whatever cluster it finds on the machine."""


@dataclass(frozen=True)
class Model:
    """All that an actor needs to build a network; the weights come beside it.

    Attributes:
        search: where a network of the user's own is looked for; a folder that all machines see.
    """

    entry: ModelEntry
    settings: Settings
    views: int
    search: Path | None


class NetworkActor:
    """The networks of a run in a process of their own."""

    def __init__(self, models: Sequence[Model], weights: Sequence[Any]) -> None:
        self.models = models
        self.forward_pool = ForwardPool(models[0].settings)
        self.scorers = []
        for model, state in zip(models, ray.get(list(weights)), strict=True):
            network = network_for(model.entry, search=model.search)
            network.load_state_dict(state)
            self.scorers.append(Scorer(network, model.entry, model.settings, self.forward_pool))

    def score(self, rows: np.ndarray, places: Sequence[int], read: Sequence[Read]) -> list[BatchResult]:
        """Answers to a batch of the models at `places`, whose clips have been read."""
        clips = clips_per_model(read, len(places))
        passes = start_passes([self.scorers[place] for place in places], clips, self.forward_pool)
        return [
            batch_result(rows, some, started, self.scorers[place], self.models[place].views)
            for place, some, started in zip(places, clips, passes, strict=True)
        ]


def _read_rows(needed: Sequence[ToRead]) -> list[Read]:
    return [read_row(row) for row in needed]


class RayEngine:
    """Scores a run's batches on a cluster: the one at `RAY_ADDRESS`, one that this process is in, or a local one.

    Args:
        workers: network actors; one per GPU of the cluster, or per two cores, unless given.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers

    def __call__(self, run: Run) -> None:
        with _cluster():
            _Driver(run, self.workers).carry_out()


@dataclass
class _Flying:
    """A batch on its way: who scores it."""

    batch: Batch
    actor: int


class _Driver:
    def __init__(self, run: Run, workers: int | None) -> None:
        self.run = run
        settings = run.members[0].job.settings
        on_gpu = settings.device_type == "cuda"
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        cores, gpus = resources.get("CPU", 1.0), int(resources.get("GPU", 0))
        if on_gpu and not gpus:
            raise GsmBenchError("the cluster has no GPU", fix="--device cpu, or ray start with GPUs")
        count = workers or (gpus if on_gpu else max(1, int(cores // 2)))
        share = min(1.0, 0.5 * cores / count)  # half of the cores decode
        # Where the device resizes, a batch is on its way to it while another is at work.
        at_once = IN_FLIGHT if settings.resize == "device" else 1
        actor: Any = ray.remote(num_cpus=share, num_gpus=int(on_gpu), max_restarts=-1, scheduling_strategy="SPREAD")(
            NetworkActor
        )
        actor = actor.options(max_concurrency=at_once)
        self.read = ray.remote(num_cpus=min(1.0, 0.5 * cores), max_retries=-1, scheduling_strategy="SPREAD")(_read_rows)
        self.place = {member: at for at, member in enumerate(run.members)}
        self.models = [
            Model(m.job.entry, replace(m.job.settings, threads=1), len(m.job.views), m.job.search) for m in run.members
        ]
        # Held here as long as the run: an actor that is started again fetches them again.
        self.weights = [
            ray.put({key: value.cpu() for key, value in m.network.state_dict().items()}) for m in run.members
        ]
        self.actors: list[Any] = [actor.remote(self.models, self.weights) for _ in range(count)]
        self.flying: dict[Any, _Flying] = {}
        self.again: deque[Batch] = deque()
        self.failures = 0

    def carry_out(self) -> None:
        try:
            for batch in self.run.batches():
                if batch is None:
                    self._drain()
                    continue
                self._send(batch)
                while len(self.flying) + len(self.again) >= IN_FLIGHT * len(self.actors):
                    self._take_some()
            self._drain()
        finally:
            for actor in self.actors:
                ray.kill(actor)

    def _send(self, batch: Batch) -> None:
        """Let a batch be read, and scored by the actor that has least to do."""
        load = [sum(flying.actor == at for flying in self.flying.values()) for at in range(len(self.actors))]
        chosen = load.index(min(load))
        places = [self.place[member] for member, _ in batch.members]
        read = self.read.remote(to_read(batch))
        self.flying[self.actors[chosen].score.remote(batch.rows, places, read)] = _Flying(batch, chosen)

    def _drain(self) -> None:
        while self.flying or self.again:
            self._take_some()

    def _take_some(self) -> None:
        """Wait for answers and keep them; batches whose worker died are sent again."""
        while self.again:
            self._send(self.again.popleft())
        done, _ = ray.wait(list(self.flying), num_returns=1, timeout=5.0)
        for answer in done:
            flying = self.flying.pop(answer)
            try:
                results = ray.get(answer)
            except RayTaskError as error:
                raise _cause(error) from error
            except RayError as error:
                self._count_failure(error)
                self.again.append(flying.batch)
                continue
            self.failures = 0
            for member, part in self.run.keep(flying.batch, results):
                member.folder.write(flying.batch.part, part)

    def _count_failure(self, error: RayError) -> None:
        if "error raised in its creation task" in str(error):
            said = str(error).strip().splitlines()[-1]
            raise GsmBenchError(f"a network cannot be built on the cluster: {said}", fix="try it with --engine local")
        self.failures += 1
        if self.failures > MOST_FAILURES:
            raise GsmBenchError(
                f"the cluster's workers die again and again: {str(error).splitlines()[0]}",
                fix="see the logs in /tmp/ray/session_latest/logs; finished parts are kept, run the same command again",
            ) from error
        time.sleep(PAUSE_S)


def _cause(error: RayTaskError) -> BaseException:
    """What went wrong in a task, as it would have been raised here."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, GsmBenchError) else error


@contextmanager
def _cluster() -> Iterator[None]:
    """A connection to Ray, closed afterwards unless it was there before."""
    if ray.is_initialized():
        yield
        return
    address = os.environ.get(ADDRESS) or LOCAL
    # What goes wrong in a task is raised here, or its batch is sent again: Ray need not print it, too.
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")
    # Workers import this package from where this process has it.
    package = str(Path(__file__).parents[2])
    runtime = {"env_vars": {"PYTHONPATH": os.pathsep.join([package, os.environ.get("PYTHONPATH", "")])}}
    try:
        ray.init(
            address=address,
            include_dashboard=False if address == LOCAL else None,
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env=runtime,
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise GsmBenchError(
            f"no Ray cluster answers: {str(error).splitlines()[0]}",
            where=address,
            fix=f"unset {ADDRESS} for a local one",
        ) from error
    try:
        yield
    finally:
        ray.shutdown()
