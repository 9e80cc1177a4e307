"""Search for the settings that make the most videos right: one change at a time, then a second one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from gsm_bench.metrics.paired import paired_test
from gsm_bench.trust.diagnose_findings import ALPHA, SMALLEST_LIFT
from gsm_bench.trust.diagnose_labels import AS_THEY_ARE, SOLVED, Hits, Reading, hits_of, near_chance, share_right
from gsm_bench.trust.diagnose_network import NetworkUnderTrial, predictions_of
from gsm_bench.trust.diagnose_settings import Possible, Trial, neighbours

FIRST_LOOK, SECOND_LOOK = 0.14, 0.45
"""Shares of the videos after which hopeless trials are dropped."""
KEPT_FIRST, KEPT_SECOND = 6, 3
"""Trials that are kept for their best reading of the labels; the best ones with the labels as they are join them."""
KEPT_PLAIN = 3
EXPANDED = 3
"""Trials that a second change is tried on."""
WORSE = 0.05
"""Level at which an explanation is worse than the best one, divided by how many are compared."""


@dataclass(frozen=True, eq=False)
class Explanation:
    """A trial with a reading of the labels.

    Attributes:
        hits: int8 [n], which of the first n videos are right.
        price: what it asks one to believe.
    """

    trial: Trial
    reading: Reading
    hits: Hits = field(repr=False)
    price: float

    @property
    def accuracy(self) -> float:
        return share_right(self.hits)


class Search:
    """Trials of a network over the same videos, and how often each is right.

    Args:
        network: under trial.
        base: the settings of its entry.
        places: int64 [n], the videos in the order of trial.
        rows: int64 [n], their rows in the split.
        readings: of the labels, the plain one first.
        groups: int64 [n], equal for videos that are not independent, or None.
    """

    def __init__(
        self, network: NetworkUnderTrial, base: Trial, places: NDArray[np.int64], rows: NDArray[np.int64],
        readings: Sequence[Reading], groups: NDArray[np.int64] | None,
    ) -> None:  # fmt: skip
        self.network, self.base, self.places, self.rows = network, base, places, rows
        self.readings, self.groups = readings, groups
        assert readings[0].labels is not None
        self.plain = readings[0].labels
        self.classes = network.entry.tasks[network.task]
        self.by_trial: dict[Trial, list[Explanation]] = {}
        self.rounds: list[int] = []

    @property
    def total(self) -> int:
        return len(self.places)

    @property
    def baseline(self) -> Explanation:
        """The entry as it is, with the labels as they are."""
        return self.by_trial[self.base][0]

    def complete(self) -> list[Explanation]:
        """Explanations that were tried on all videos."""
        return [one for several in self.by_trial.values() for one in several if len(one.hits) == self.total]

    def run(self, possible: Possible, step: Callable[[str], None]) -> Explanation:
        """The cheapest explanation that is not worse than the best one."""
        self.try_trials([self.base], self.total)
        step("one change at a time")
        self.try_round(neighbours(self.base, possible), FIRST_LOOK)
        if self.worth_a_second_round():
            step("a second change")
            starts = self.starts()
            pairs = [trial for start in starts for trial in neighbours(start, possible)]
            self.try_round(dict.fromkeys(pairs), FIRST_LOOK)
        return self.without_needless(self.cheapest(self.complete()))

    def worth_a_second_round(self) -> bool:
        """Whether one change lifts the accuracy, or so little is right that two faults may hide each other."""
        return self.is_fault(self.cheapest(self.complete())) or near_chance(self.baseline.hits, self.classes)

    @property
    def tested(self) -> int:
        """Explanations that were compared with the entry as it is."""
        return sum(self.rounds) * len(self.readings)

    def corrected_p(self, explanation: Explanation) -> float:
        """The p-value of a lift over the entry as it is, for everything that was tried.

        Half of the level is shared by single changes, the other half by all combinations (weighted Bonferroni).
        """
        alone = self.rounds[0] + len(self.readings)
        shared_by = alone if len(self.changes(explanation)) <= 1 else self.tested
        return min(1.0, 2 * shared_by * self.p_value(explanation, self.baseline))

    def is_fault(self, explanation: Explanation) -> bool:
        """Whether an explanation lifts the accuracy by more than accident and small improvements do."""
        lift = explanation.accuracy - self.baseline.accuracy
        return lift >= SMALLEST_LIFT and self.corrected_p(explanation) < ALPHA

    def adds(self, explanation: Explanation, fewer: Explanation) -> bool:
        """Whether an explanation lifts the accuracy over one with a change less by as much as a fault has to."""
        lift = explanation.accuracy - fewer.accuracy
        tried = sum(self.rounds) + len(self.readings)
        return lift >= SMALLEST_LIFT and min(1.0, 2 * tried * self.p_value(explanation, fewer)) < ALPHA

    def starts(self) -> list[Trial]:
        """The trials that a second change is tried on: the best ones, with every reading and with the plain ones."""
        several = sorted(self.complete(), key=lambda one: -one.accuracy)
        named = [one for one in several if one.reading.name != SOLVED and one.trial.statistics == self.base.statistics]
        plain = [one for one in several if one.reading.name == AS_THEY_ARE]
        best = self.cheapest(several)
        chosen = [best.trial, *(some[0].trial for some in (named, plain) if some), *(one.trial for one in named)]
        return [trial for trial in dict.fromkeys(chosen) if trial != self.base][:EXPANDED]

    def try_round(self, trials: Iterable[Trial], first: float) -> None:
        """Try trials on more and more videos, and drop the hopeless ones on the way."""
        places = self.places.tolist()
        left = [trial for trial in trials if trial not in self.by_trial and self.network.store.holds(trial, places)]
        self.network.prepare(left)
        for share, kept in ((first, KEPT_FIRST), (SECOND_LOOK, KEPT_SECOND), (1.0, 0)):
            left = self.try_trials(left, max(1, round(share * self.total)))
            if share == first:  # also those that are dropped
                self.rounds.append(len(left))
            if kept:
                left = self.hopeful(left, kept)

    def hopeful(self, trials: Sequence[Trial], kept: int) -> list[Trial]:
        """The best trials, by their best reading and by the labels as they are.

        Of few videos, some reading of a useless trial is often better than the labels as they are of one that corrects
        one of two faults.
        """
        by_best = sorted(trials, key=lambda trial: -self.best(trial).accuracy)
        plain = sorted(trials, key=lambda trial: -self.by_trial[trial][0].accuracy)
        return list(dict.fromkeys([*by_best[:kept], *plain[:KEPT_PLAIN]]))

    def try_trials(self, trials: Sequence[Trial], count: int) -> list[Trial]:
        """Score the first `count` videos by trials; those that the network refuses are left out."""
        places, rows = self.places[:count].tolist(), self.rows[:count]
        scored = []
        for trial, scores in zip(trials, self.network.all_scores(trials, places), strict=True):
            if not len(scores):
                continue
            best = predictions_of(scores)
            price = trial.price(self.base)
            self.by_trial[trial] = [
                Explanation(
                    trial, reading, hits_of(reading, best, self.plain, rows, self.classes), price + reading.price
                )
                for reading in self.readings
            ]
            scored.append(trial)
        return scored

    def best(self, trial: Trial) -> Explanation:
        """The reading that makes most videos of a trial right."""
        return max(self.by_trial[trial], key=lambda one: one.accuracy)

    def cheapest(self, several: Sequence[Explanation]) -> Explanation:
        """The cheapest explanation that is not significantly worse than the best one; the better of two equally cheap."""
        return min(self.eligible(several), key=lambda one: (round(one.price, 6), -one.accuracy))

    def eligible(self, several: Sequence[Explanation]) -> list[Explanation]:
        """The explanations that are not significantly worse than the best one."""
        best = max(several, key=lambda one: one.accuracy)
        level = WORSE / len(several)
        return [one for one in several if one is best or self.p_value(best, one) >= level]

    def p_value(self, first: Explanation, second: Explanation) -> float:
        """Two-sided p-value of equal accuracies over the videos that both were tried on."""
        count = min(len(first.hits), len(second.hits))
        groups = None if self.groups is None else self.groups[:count]
        return paired_test(first.hits[:count], second.hits[:count], groups).p

    def without(self, explanation: Explanation, name: str) -> Explanation:
        """An explanation without one of its changes, on all videos."""
        trial, reading = explanation.trial, explanation.reading.name
        if name == "labels":
            reading = AS_THEY_ARE
        else:
            trial = replace(trial, **{name: getattr(self.base, name)})
        if not self.network.store.holds(trial, self.places.tolist()):
            return self.baseline
        if trial not in self.by_trial or len(self.by_trial[trial][0].hits) < self.total:
            self.try_trials([trial], self.total)
        return next((one for one in self.by_trial.get(trial, ()) if one.reading.name == reading), self.baseline)

    def changes(self, explanation: Explanation) -> list[str]:
        """Names of what differs from the entry and the labels as they are."""
        names = list(explanation.trial.changes(self.base))
        return names + ([] if explanation.reading.name == AS_THEY_ARE else ["labels"])

    def without_needless(self, explanation: Explanation) -> Explanation:
        """The explanation without changes that add less than a fault does."""
        for name in self.changes(explanation) if len(self.changes(explanation)) > 1 else ():
            if name in self.changes(explanation):
                fewer = self.without(explanation, name)
                if fewer is not self.baseline and not self.adds(explanation, fewer):
                    explanation = fewer
        return explanation
