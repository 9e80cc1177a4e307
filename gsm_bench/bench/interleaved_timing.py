"""Rates of several ways to do one job, taken in turns, so that a noisy minute falls on all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

TURNS = 3
StageName = Literal["decode", "preprocess", "network", "pipeline", "fusion"]
Work = Callable[[], float]
"""Does a bit of work, and says how many units it was."""


@dataclass(frozen=True)
class StageRate:
    """One step of the way from bytes to accuracies, measured.

    Attributes:
        unit: what is counted: ``frames`` or ``videos``.
        rate: units per second as the commands do it.
        ceiling: units per second that nothing could exceed here, and what that is.
        plain: units per second of the obvious loop, and what that is.
    """

    name: StageName
    unit: str
    rate: float
    ceiling: float
    ceiling_is: str
    plain: float
    plain_is: str

    @property
    def of_ceiling(self) -> float:
        return self.rate / self.ceiling

    @property
    def times_plain(self) -> float:
        return self.rate / self.plain


def rates_in_turns(ways: Mapping[str, Work], seconds: float) -> dict[str, float]:
    """Units per second of each way, the median of `TURNS` turns, in about so many seconds for all."""
    slot = seconds / (len(ways) * TURNS)
    seen: dict[str, list[float]] = {name: [] for name in ways}
    for work in ways.values():
        work()  # the first time is slower, and is not counted
    for _ in range(TURNS):
        for name, work in ways.items():
            seen[name].append(_rate(work, slot))
    return {name: statistics.median(rates) for name, rates in seen.items()}


def _rate(work: Work, seconds: float) -> float:
    began, units = time.perf_counter(), 0.0
    while True:
        units += work()
        passed = time.perf_counter() - began
        if passed >= seconds:
            return units / passed
