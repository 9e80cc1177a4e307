"""What a diagnosis says: causes, what was tried, and what cannot be told."""

from __future__ import annotations

from dataclasses import dataclass

from gsm_bench.entries import Published
from gsm_bench.metrics.intervals import Interval
from gsm_bench.metrics.paired import PairedDifference

ALPHA = 0.001
"""Level, over everything that was tried, at which a lift is no accident."""
SMALLEST_LIFT = 0.05
"""Lifts below this are called no fault: a sound network may gain a few points from other settings."""


@dataclass(frozen=True)
class Cause:
    """A fault.

    Attributes:
        name: the setting, as in `diagnose_settings.KEYS`; title: what it is called.
        before, after: its value now, and the one that makes more videos right.
        alone: what correcting it alone lifts.
        together: what it lifts after all other causes are corrected.
        fix: what to do.
    """

    name: str
    title: str
    before: str
    after: str
    alone: PairedDifference
    together: PairedDifference
    fix: str


@dataclass(frozen=True)
class Tried:
    """One change that was tried alone.

    Attributes:
        lift: of the accuracy, with its 95% interval.
        p: after Holm, over all that were tried alone.
        videos: how many it was tried on; hopeless ones are dropped early.
        changed: how many predictions it changes.
    """

    name: str
    lift: PairedDifference
    p: float
    videos: int
    changed: int


@dataclass(frozen=True)
class Diagnosis:
    """A model or a score file, diagnosed.

    Attributes:
        place: data set and split.
        before: accuracy as it is, a fraction, with its 95% interval.
        after: accuracy with all causes corrected; None without a fault. lift, p: against `before`.
        causes: the largest lift first.
        toml: lines of a manifest that correct the entry.
        value_faults: what the values of the scores say: name, evidence, what to do.
        tested: explanations that were tried, for which p is corrected.
        alike: other explanations that fit as well.
        indifferent: changes that change no prediction, so that nothing can be said about them.
    """

    model: str
    videos: int
    before: float
    interval: Interval
    causes: tuple[Cause, ...] = ()
    after: float | None = None
    lift: PairedDifference | None = None
    p: float | None = None
    place: str = ""
    task: str = "action"
    published: Published | None = None
    toml: str = ""
    value_faults: tuple[tuple[str, str, str], ...] = ()
    tried: tuple[Tried, ...] = ()
    tested: int = 0
    alike: tuple[str, ...] = ()
    indifferent: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    clips_scored: int = 0
    seconds: float = 0.0

    @property
    def is_sound(self) -> bool:
        """Whether no fault was found."""
        return not self.causes and not self.value_faults

    @property
    def ranking(self) -> list[str]:
        """Names of the faults, the surest first: those that values show, then causes by their lift."""
        return [*(name for name, _, _ in self.value_faults), *(cause.name for cause in self.causes)]
