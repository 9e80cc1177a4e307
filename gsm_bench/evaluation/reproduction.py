"""PASS or FAIL: is a measured accuracy the published one?

PASS: the published accuracy lies in the 95% interval of the measured one. FAIL: it lies outside of an interval that at
most one sound run in 10,000 leaves. OPEN: neither. Where a part of the videos is scored, only FAIL or OPEN is possible,
by a test that holds however often one looks. No verdict: the protocols differ, or the part is no fair sample.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from gsm_bench.ensembles.members import OpenMember, clips_of
from gsm_bench.entries import Published
from gsm_bench.evaluation.ground_truth import GroundTruth
from gsm_bench.metrics.intervals import QUANTILE, Interval, accuracy_interval, wilson
from gsm_bench.metrics.sequential import first_exclusion, is_fair_part
from gsm_bench.metrics.topk import Accuracy

ERROR = 1e-4
"""Share of sound runs for which the answer is FAIL, at most."""
FAIL_QUANTILE = 3.890591886413094
"""Two-sided quantile of the normal distribution for `ERROR`."""
NEARLY_ALL = 0.99
"""Share of the videos from which on a run counts as complete."""
UNKNOWN_INTERVAL = Interval(math.nan, math.nan)
ReproductionVerdict = Literal["PASS", "FAIL", "OPEN", ""]


@dataclass(frozen=True)
class Reproduction:
    """A measured top-1 accuracy against the published one.

    Attributes:
        verdict: empty where none is possible.
        published: the published accuracy, a fraction; source: where it is printed; protocol: its clips and crops.
        measured: the measured one; interval: its 95% interval.
        scored, total: videos.
        excluded_after: number of videos after which a partial run excludes the published accuracy.
        why: why no verdict is possible.
    """

    verdict: ReproductionVerdict
    published: float
    source: str
    protocol: str
    measured: float = math.nan
    interval: Interval = UNKNOWN_INTERVAL
    scored: int = 0
    total: int = 0
    excluded_after: int | None = None
    why: str = ""

    @property
    def sentence(self) -> str:
        """The answer in plain words."""
        paper = f"the published {100 * self.published:.2f} ({self.protocol}, {self.source})"
        if not self.verdict:
            return f"no verdict on {paper}: {self.why}"
        low, high = 100 * self.interval.low, 100 * self.interval.high
        mine = f"top-1 {100 * self.measured:.2f}, 95% interval {low:.2f} to {high:.2f}"
        if self.excluded_after is not None:
            return f"FAIL: after {self.excluded_after:,} of {self.total:,} videos {paper} is excluded; {mine}"
        if self.scored < NEARLY_ALL * self.total:
            return f"OPEN: after {self.scored:,} of {self.total:,} videos {paper} is not excluded; {mine}"
        if self.verdict == "PASS":
            return f"PASS: {mine}, holds {paper}"
        if self.verdict == "OPEN":
            return f"OPEN: {mine}, misses {paper}, but 1 sound run in 20 does so"
        return f"FAIL: {mine}; {paper} is too far away: fewer than 1 sound run in 10,000 is"


def reproduction_of(member: OpenMember, truth: GroundTruth, accuracy: Mapping[str, Accuracy]) -> Reproduction | None:
    """Compare the top-1 accuracy of one score file with the card that it was scored by.

    Returns:
        None where the card publishes no accuracy for this data set and split, or nothing was measured.
    """
    provenance = member.head.provenance
    card = provenance.entry or {}
    printed = _printed(card, provenance.split)
    if provenance.dataset != card.get("dataset") or not printed or not isinstance(card.get("crops"), int):
        return None
    views = member.head.views[member.views]
    clips = clips_of(views)
    crops = len(views) // clips
    chosen = next((one for one in printed if one.clips == clips), printed[0])
    if chosen.task not in accuracy:
        return None
    protocol = _protocol(chosen.clips, card["crops"])
    claim = Reproduction("", (chosen.top1_percent or 0) / 100, chosen.source, protocol)
    why = _other_labels(chosen, truth) or _why_not(member, claim, _protocol(clips, crops))
    if why:
        return replace(claim, why=why)
    return _judged(claim, accuracy[chosen.task], truth, chosen.task)


def _printed(card: Mapping[str, Any], split: str | None) -> list[Published]:
    """Published top-1 accuracies of a card on a split, those of actions first; a card in a file may hold anything."""
    printed: list[Published] = []
    for raw in card.get("published") or ():
        with suppress(msgspec.ValidationError):
            printed.append(msgspec.convert(raw, Published))
    here = [one for one in printed if one.top1_percent is not None and (one.split or card.get("split")) == split]
    return sorted(here, key=lambda one: one.task != "action")


def _protocol(clips: int, crops: int) -> str:
    return f"{'1 clip' if clips == 1 else f'{clips} clips'} x {'1 crop' if crops == 1 else f'{crops} crops'}"


def _other_labels(printed: Published, truth: GroundTruth) -> str:
    """That the accuracy was published on another release of the labels; empty if it was not."""
    if not printed.version or truth.split is None or printed.version == truth.split.version:
        return ""
    return f"it is on the labels of {printed.version}, these are of {truth.split.version or 'another list'}"


def _why_not(member: OpenMember, claim: Reproduction, protocol: str) -> str:
    """Why the protocols cannot be compared; empty if they can."""
    if member.head.provenance.frame_order != "forward":
        return f"the frames were played {member.head.provenance.frame_order}"
    return "" if protocol == claim.protocol else f"these scores have {protocol}"


def reproduction_of_ensemble(
    members: Sequence[OpenMember], printed: Published | None, truth: GroundTruth, accuracy: Mapping[str, Accuracy]
) -> Reproduction | None:
    """As `reproduction_of`, for an ensemble whose entry publishes an accuracy of just these members and clips."""
    if printed is None or printed.top1_percent is None or printed.task not in accuracy:
        return None
    if any(member.head.provenance.split != (member.head.provenance.entry or {}).get("split") for member in members):
        return None
    claim = Reproduction(
        "", printed.top1_percent / 100, printed.source, "the ensemble", why=_other_labels(printed, truth)
    )
    if claim.why:
        return claim
    order = next((each.head.provenance.frame_order for each in members), "forward")
    if order != "forward":
        return replace(claim, why=f"the frames were played {order}")
    return _judged(claim, accuracy[printed.task], truth, printed.task)


def _judged(claim: Reproduction, accuracy: Accuracy, truth: GroundTruth, task: str) -> Reproduction:
    """The verdict on videos with labels and scores."""
    known = accuracy.correct >= 0
    whole = truth.whole_labels.get(task, truth.labels[task])
    total = int((whole >= 0).sum())
    if truth.split is not None and truth.split.full_size:
        total = max(total, truth.split.full_size)
    interval = accuracy_interval(accuracy.correct, truth.groups)
    claim = replace(claim, measured=accuracy.top(1), interval=interval, scored=accuracy.scored, total=total)
    if not accuracy.scored:
        return replace(claim, why="no video with a label is scored")
    if accuracy.scored >= NEARLY_ALL * total:
        return replace(claim, verdict=_verdict(claim, accuracy, truth.groups))
    if not is_fair_part(_counts(truth.labels[task][known], whole), _counts(whole, whole)):
        return replace(claim, why="the scored videos have other classes than the list, which is sorted; score all")
    correct = accuracy.correct[known]
    if truth.groups is not None:
        correct = correct[np.sort(np.unique(truth.groups[known], return_index=True)[1])]  # one video of each group
    low, high = printed_range(claim.published)
    excluded = first_exclusion(correct, low, high, ERROR)
    if excluded is not None and truth.groups is not None:
        excluded = accuracy.scored
    return replace(claim, verdict="OPEN" if excluded is None else "FAIL", excluded_after=excluded)


def printed_range(published: float) -> tuple[float, float]:
    """The accuracies that are printed as this fraction: half a unit of the last digit, which may be a zero left out."""
    percent = 100 * published
    digits = 1 if abs(percent * 10 - round(percent * 10)) < 1e-6 else 2
    half = 0.5 * 10 ** (-digits - 2) * (1 + 1e-9)
    return max(0.0, published - half), min(1.0, published + half)


def _verdict(claim: Reproduction, accuracy: Accuracy, groups: NDArray[np.int64] | None) -> ReproductionVerdict:
    """The verdict on a complete run."""
    low, high = printed_range(claim.published)
    if claim.interval.low <= high and low <= claim.interval.high:
        return "PASS"
    wide = _wide_interval(claim.interval, accuracy)
    if claim.interval.few_groups or (wide.low <= high and low <= wide.high):
        return "OPEN"
    return "FAIL"


def _wide_interval(narrow: Interval, accuracy: Accuracy) -> Interval:
    """The interval of error `ERROR`: Wilson's; over groups, the 95% one stretched on the logit scale."""
    if narrow.groups is None:
        return wilson(accuracy.hits_at(1), accuracy.scored, FAIL_QUANTILE)
    share = min(max(accuracy.top(1), 1e-9), 1 - 1e-9)
    centre, times = math.log(share / (1 - share)), FAIL_QUANTILE / QUANTILE

    def stretched(end: float) -> float:
        if end in (0.0, 1.0):
            return end
        return 1 / (1 + math.exp(-(centre + times * (math.log(end / (1 - end)) - centre))))

    return Interval(stretched(narrow.low), stretched(narrow.high), narrow.groups)


def _counts(labels: NDArray[np.integer[Any]], like: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Videos per class int64 [C] of the known labels."""
    return np.bincount(labels[labels >= 0], minlength=int(like.max(initial=0)) + 1).astype(np.int64)


def verdict_messages(reproductions: Sequence[tuple[str, Reproduction | None]]) -> list[str]:
    """Sentences of some results by label; one without a verdict only where no result of its label has one."""
    judged = {label for label, one in reproductions if one is not None and one.verdict}
    sentences = [
        f"{label}: {one.sentence}"
        for label, one in reproductions
        if one is not None and (one.verdict or label not in judged)
    ]
    return list(dict.fromkeys(sentences))
