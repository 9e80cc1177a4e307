"""Axes of charts: from values to places, with round ticks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

LOG_FROM = 3.0
"""Costs are on a logarithmic axis if the largest is at least so many times the smallest, as in figures."""


@dataclass(frozen=True)
class Scale:
    """A linear or logarithmic axis from `low` to `high` between the places `start` and `end`."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The place of a value, to a tenth of a unit."""
        low, high, at = (self._flat(number) for number in (self.low, self.high, value))
        return round(self.start + (self.end - self.start) * (at - low) / (high - low), 1)

    def _flat(self, value: float) -> float:
        return math.log10(value) if self.log else value

    def ticks(self, most: int = 7) -> list[float]:
        """Round values within the axis, at most about `most`."""
        return _log_ticks(self.low, self.high) if self.log else _linear_ticks(self.low, self.high, most)


def scale_of(values: Iterable[float], start: float, end: float, *, log: bool = False, margin: float = 0.06) -> Scale:
    """An axis that holds all values, with a margin on both sides, as a share of its length."""
    known = [value for value in values if math.isfinite(value) and (value > 0 or not log)]
    low, high = (min(known), max(known)) if known else (1.0, 2.0)
    if log:
        ratio = max(high / low, 1.5) ** margin
        return Scale(low / ratio, high * ratio, start, end, log=True)
    room = (high - low or abs(high) or 1.0) * margin
    return Scale(low - room, high + room, start, end)


def is_wide(values: Iterable[float]) -> bool:
    """Whether positive values ask for a logarithmic axis."""
    known = [value for value in values if value > 0]
    return bool(known) and max(known) >= LOG_FROM * min(known)


def _linear_ticks(low: float, high: float, most: int) -> list[float]:
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 10) for number in range(first, last + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    decades = math.log10(high / low)
    factors = (1, 2, 5) if decades < 2.5 else (1,)
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    ticks = [factor * 10.0**power for power in powers for factor in factors]
    return [tick for tick in ticks if low <= tick <= high]
