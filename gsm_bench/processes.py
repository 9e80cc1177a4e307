"""Pools of worker processes that end with their parent, and whose death is one error."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from typing import Any

from gsm_bench.errors import WorkerError


@contextmanager
def process_pool(
    processes: int, enter: Callable[..., object] | None = None, arguments: tuple[Any, ...] = ()
) -> Iterator[ProcessPoolExecutor]:
    """A pool of spawned processes.

    Args:
        enter: called with `arguments` at the start of each process.

    Raises:
        WorkerError: a process was killed.
    """
    try:
        with ProcessPoolExecutor(processes, get_context("spawn"), _start, (enter, arguments)) as pool:
            yield pool
    except BrokenProcessPool as error:
        raise WorkerError(
            "a worker process was killed; often the memory was not enough",
            fix="close other programs, then run the same command again: finished work is kept",
        ) from error


def _start(enter: Callable[..., object] | None, arguments: tuple[Any, ...]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if enter is not None:
        enter(*arguments)


def _end_with_parent() -> None:
    """Wait for the end of the parent, then end: a killed command leaves no processes behind."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
