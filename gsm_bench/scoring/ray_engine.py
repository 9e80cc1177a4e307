"""The Ray engine: decoding tasks and network actors on any number of machines; the driver writes the chunks.

The driver claims chunks as a local run does and cuts them into the same batches. It alone writes chunks: whatever
dies, each chunk is in the result once, and a Ray run can be resumed locally. A batch whose worker died goes to another
worker, and Ray restarts the dead one. Passes have one thread each and the same shape everywhere, so scores are
bit-equal on machines of one kind.
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
from ray.job_config import JobConfig

from gsm_bench.entries import ModelEntry, runs_named_code
from gsm_bench.errors import GsmBenchError
from gsm_bench.frames.read_views import VideoPixels
from gsm_bench.nets.registry import network_for
from gsm_bench.network_code import NetworkCode
from gsm_bench.permissions import allowed_code
from gsm_bench.scoring.chunks import BatchResult
from gsm_bench.scoring.job import Job, Settings
from gsm_bench.scoring.network import ForwardPool, Scorer
from gsm_bench.scoring.pipeline import (
    Batch,
    ReadRequest,
    batch_result,
    read_requests,
    read_row,
    start_passes,
    videos_per_model,
)
from gsm_bench.scoring.run import Run

IN_FLIGHT = 2
"""Batches queued per actor, so that it does not wait for the driver."""
MAX_FAILURES = 50
"""Deaths of workers in a row, without a finished batch, after which the run stops."""
PAUSE_S = 0.5
ADDRESS = "RAY_ADDRESS"
LOCAL = "local"
"""A cluster of this run; without an address Ray would join any cluster on the machine."""


@dataclass(frozen=True)
class ActorModel:
    """What an actor needs to build a network; the weights are sent separately.

    Attributes:
        code: of a network of the user's own, which was allowed to run; None for one of this package.
    """

    entry: ModelEntry
    settings: Settings
    views: int
    code: NetworkCode | None


class NetworkActor:
    """The networks of a run in one worker process."""

    def __init__(self, models: Sequence[ActorModel], weights: Sequence[Any]) -> None:
        self.models = models
        self.forward_pool = ForwardPool(models[0].settings).__enter__()  # until this process ends
        self.scorers = []
        for model, state in zip(models, ray.get(list(weights)), strict=True):
            network = network_for(model.entry, code=model.code)
            network.load_state_dict(state)
            self.scorers.append(Scorer(network, model.entry, model.settings, self.forward_pool))

    def score(
        self, rows: np.ndarray, places: Sequence[int], read: Sequence[dict[int, VideoPixels]]
    ) -> list[BatchResult]:
        """Results of a batch for the models at `places`."""
        videos = videos_per_model(read, len(places))
        passes = start_passes([self.scorers[place] for place in places], videos, self.forward_pool)
        return [
            batch_result(rows, videos[at], passes[at], self.scorers[place], self.models[place].views)
            for at, place in enumerate(places)
        ]


def _code(job: Job) -> NetworkCode | None:
    return None if not runs_named_code(job.entry.network) or job.search is None else allowed_code(job.entry, job.search)


def _read_rows(requests: Sequence[ReadRequest]) -> list[dict[int, VideoPixels]]:
    return [read_row(request) for request in requests]


class RayEngine:
    """Scores the batches of a run on a cluster: the one at `RAY_ADDRESS`, the one of this process, or a local one.

    Args:
        workers: network actors; by default one per GPU of the cluster, or one per two cores.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers

    def __call__(self, run: Run) -> None:
        with _cluster():
            _Driver(run, self.workers).execute()


@dataclass
class _SentBatch:
    """A batch in work, and the index of the actor that scores it."""

    batch: Batch
    actor: int


class _Driver:
    def __init__(self, run: Run, workers: int | None) -> None:
        self.run = run
        settings = run.models[0].job.settings
        on_gpu = settings.device_type == "cuda"
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        cores, gpus = resources.get("CPU", 1.0), int(resources.get("GPU", 0))
        if on_gpu and not gpus:
            raise GsmBenchError("the cluster has no GPU", fix="use --device cpu, or ray start with GPUs")
        count = workers or (gpus if on_gpu else max(1, int(cores // 2)))
        share = min(1.0, 0.5 * cores / count)  # half of the cores decode
        # Where the device resizes, one batch is copied to it while another is computed.
        concurrency = IN_FLIGHT if settings.resize == "device" else 1
        actor: Any = ray.remote(num_cpus=share, num_gpus=int(on_gpu), max_restarts=-1, scheduling_strategy="SPREAD")(
            NetworkActor
        )
        actor = actor.options(max_concurrency=concurrency)
        self.read = ray.remote(num_cpus=min(1.0, 0.5 * cores), max_retries=-1, scheduling_strategy="SPREAD")(_read_rows)
        self.places = {model: at for at, model in enumerate(run.models)}
        self.models = [
            ActorModel(m.job.entry, replace(m.job.settings, threads=1), len(m.job.views), _code(m.job))
            for m in run.models
        ]
        # Kept for the whole run: a restarted actor fetches them again.
        self.weights = [
            ray.put({key: value.cpu() for key, value in m.network.state_dict().items()}) for m in run.models
        ]
        self.actors: list[Any] = [actor.remote(self.models, self.weights) for _ in range(count)]
        self.sent: dict[Any, _SentBatch] = {}
        self.retries: deque[Batch] = deque()
        self.failures = 0

    def execute(self) -> None:
        try:
            for batch in self.run.batches():
                if batch is None:
                    self._drain()
                    continue
                self._send(batch)
                while len(self.sent) + len(self.retries) >= IN_FLIGHT * len(self.actors):
                    self._take_some()
            self._drain()
        finally:
            for actor in self.actors:
                ray.kill(actor)

    def _send(self, batch: Batch) -> None:
        """Send a batch to be read, and scored by the actor with the fewest batches."""
        load = [sum(sent.actor == at for sent in self.sent.values()) for at in range(len(self.actors))]
        actor = load.index(min(load))
        places = [self.places[model] for model, _ in batch.models]
        read = self.read.remote(read_requests(batch))
        self.sent[self.actors[actor].score.remote(batch.rows, places, read)] = _SentBatch(batch, actor)

    def _drain(self) -> None:
        while self.sent or self.retries:
            self._take_some()

    def _take_some(self) -> None:
        """Wait for results and keep them; batches whose worker died are sent again."""
        while self.retries:
            self._send(self.retries.popleft())
        done, _ = ray.wait(list(self.sent), num_returns=1, timeout=5.0)
        for reference in done:
            sent = self.sent.pop(reference)
            try:
                results = ray.get(reference)
            except RayTaskError as error:
                raise _cause(error) from error
            except RayError as error:
                self._count_failure(error)
                self.retries.append(sent.batch)
                continue
            self.failures = 0
            for model, chunk in self.run.keep(sent.batch, results):
                model.folder.write(sent.batch.chunk, chunk)

    def _count_failure(self, error: RayError) -> None:
        if "error raised in its creation task" in str(error):
            reason = str(error).strip().splitlines()[-1]
            raise GsmBenchError(f"a network cannot be built on the cluster: {reason}", fix="try --engine local")
        self.failures += 1
        if self.failures > MAX_FAILURES:
            raise GsmBenchError(
                f"the workers of the cluster keep dying: {str(error).splitlines()[0]}",
                fix="see the logs in /tmp/ray/session_latest/logs; finished chunks are kept, run the same command again",
            ) from error
        time.sleep(PAUSE_S)


def _cause(error: RayTaskError) -> BaseException:
    """The error of a task as this process would have raised it."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, GsmBenchError) else error


class _NoSearchPath(list[str]):
    """Where workers look for modules, kept empty: Ray would add the current directory, and run whatever lies there."""

    def extend(self, _: object) -> None:
        pass


@contextmanager
def _cluster() -> Iterator[None]:
    """A connection to Ray, closed afterwards unless it existed before."""
    if ray.is_initialized():
        yield
        return
    address = os.environ.get(ADDRESS) or LOCAL
    # Errors of tasks are raised here or their batch is retried: Ray must not print them, too.
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")
    # Workers import this package from where this process has it.
    package = str(Path(__file__).parents[2])
    runtime = {"env_vars": {"PYTHONPATH": os.pathsep.join([package, os.environ.get("PYTHONPATH", "")])}}
    job_config = JobConfig()
    job_config._py_driver_sys_path = _NoSearchPath()
    try:
        ray.init(
            address=address,
            job_config=job_config,
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
