"""Several processes of one training, started by ``torchrun``: who they are, and sums over them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from gsm_bench.errors import GsmBenchError


@dataclass(frozen=True)
class Group:
    """The processes of a training, and this one's place and device."""

    rank: int
    processes: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Whether this process writes files and prints."""
        return self.rank == 0

    def wrapped(self, network: nn.Module) -> nn.Module:
        """The network whose backward pass takes the mean gradient over all processes.

        Batch norms take statistics of each process's own clips; the running statistics kept are the first process's.
        """
        if self.processes == 1:
            return network
        ids = [self.device.index] if self.device.type == "cuda" else None
        return DistributedDataParallel(network, device_ids=ids, find_unused_parameters=False)

    def sums(self, values: list[float]) -> list[float]:
        """The sum of each value over all processes."""
        if self.processes == 1:
            return values
        total = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(total)
        return [float(value) for value in total.cpu()]

    def meet(self) -> None:
        """Wait for all processes."""
        if self.processes > 1:
            dist.barrier()


def is_first() -> bool:
    """Whether this process is the first of those that ``torchrun`` started, or alone."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def process_group(device: str) -> Iterator[Group]:
    """The group that ``torchrun`` started, else one of this process alone.

    Raises:
        GsmBenchError: there are fewer GPUs than processes on this machine.
    """
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if processes == 1:
        yield Group(0, 1, torch.device(device))
        return
    place = torch.device(device)
    if place.type == "cuda":
        local = int(os.environ.get("LOCAL_RANK", "0"))
        if local >= torch.cuda.device_count():
            raise GsmBenchError(
                f"this machine has {torch.cuda.device_count()} GPUs, fewer than processes",
                fix="start torchrun with --nproc-per-node of the number of GPUs",
            )
        place = torch.device("cuda", local)
        torch.cuda.set_device(place)
    try:
        dist.init_process_group("nccl" if place.type == "cuda" else "gloo")
    except ValueError as error:
        raise GsmBenchError(
            f"WORLD_SIZE is {processes}, and the processes cannot meet: {error}",
            fix="start with torchrun, or unset WORLD_SIZE for one process",
        ) from error
    try:
        yield Group(dist.get_rank(), processes, place)
    finally:
        dist.destroy_process_group()
