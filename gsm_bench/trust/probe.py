"""What of a network depends on time: the same frames in other orders, one frame, and the first half of a video."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import NetworkError
from gsm_bench.manifest import Manifest
from gsm_bench.metrics.intervals import Interval, accuracy_interval
from gsm_bench.metrics.paired import PairedDifference, paired_difference
from gsm_bench.scorefile import Scores
from gsm_bench.scoring.network import ForwardPool
from gsm_bench.trust.diagnose_labels import Hits
from gsm_bench.trust.diagnose_network import NetworkUnderTrial, predictions_of
from gsm_bench.trust.diagnose_settings import Trial
from gsm_bench.trust.diagnose_setup import DiagnosisRequest, Setup, set_up
from gsm_bench.workspace import Workspace

FORWARD = "forward"
CONDITIONS = (FORWARD, "reversed", "shuffled", "frozen", "first half")
SAME_SCORES = 1e-4
"""Largest difference of scores, over their spread, that rounding in another order makes."""


@dataclass(frozen=True)
class PublishedProbe:
    """Top-1 in percent of a network with frames forward and reversed, and where it is printed."""

    network: str
    forward: float
    reversed: float
    source: str


PAPER = PublishedProbe(
    "GSM InceptionV3, 8 frames, Something-V1", 49.01, 15.38, "Sudhakaran et al., CVPR 2020, section 4"
)


@dataclass(frozen=True)
class Condition:
    """A network that is shown frames in one way.

    Attributes:
        top1: a fraction, with its 95% interval.
        drop: against the frames in their order; None for these themselves.
        changed: predictions that differ from those.
        moved: largest difference of a score, divided by the standard deviation of all scores.
        per_class: top-1 by class, NaN for classes without videos.
    """

    name: str
    top1: float
    interval: Interval
    drop: PairedDifference | None
    changed: int
    moved: float
    per_class: NDArray[np.float64]


@dataclass(frozen=True)
class Probe:
    """What depends on time.

    Attributes:
        conditions: in the order of `CONDITIONS`.
        class_names: C names; class_counts: videos of each.
        sees_order: whether the order of frames changes its scores beyond rounding.
        bad: videos that cannot be read.
        same_frames: videos that show the same frames backwards, such as those of one frame.
    """

    model: str
    place: str
    task: str
    videos: int
    conditions: tuple[Condition, ...]
    class_names: tuple[str, ...]
    class_counts: NDArray[np.int64]
    bad: int
    seconds: float
    same_frames: int = 0

    @property
    def sees_order(self) -> bool:
        return any(one.moved > SAME_SCORES for one in self.conditions if one.name in ("reversed", "shuffled"))


def probe_model(
    request: DiagnosisRequest, manifest: Manifest, workspace: Workspace,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> Probe:  # fmt: skip
    """Show a network frames backwards, shuffled, one frame alone, and those of the first half.

    Every frame is decoded once, and one clip per video is scored in each way. Labels are needed.

    Args:
        progress: called with the videos whose frames are read, and all.
    """
    started = time.monotonic()
    setup = set_up(request, manifest, workspace, lambda base, *_: trials_of(base), progress)
    places = setup.places.tolist()
    with ForwardPool(setup.job.settings) as pool:
        network = setup.network(pool)
        scores = network.all_scores(trials_of(setup.base), places)
    _check_scores(network, setup.base, scores)
    classes = setup.job.entry.tasks[setup.task]
    labels = setup.labels[setup.rows]
    names = setup.job.split.class_names.get(setup.task) or tuple(f"class {number}" for number in range(classes))
    return Probe(
        setup.job.entry.name, f"{setup.job.split.dataset}/{setup.job.split.name}", setup.task, len(places),
        tuple(_condition(name, values, scores[0], setup) for name, values in zip(CONDITIONS, scores, strict=True)),
        tuple(names), np.bincount(labels, minlength=classes), len(setup.store.bad), time.monotonic() - started,
        sum(len(set(setup.store.numbers(place, setup.base).tolist())) == 1 for place in places),
    )  # fmt: skip


def _check_scores(network: NetworkUnderTrial, base: Trial, scores: Sequence[Scores]) -> None:
    """Raise a NetworkError where the network takes no clips, or returns NaN or inf."""
    if network.failures:
        raise NetworkError(next(iter(network.failures.values())), fix="check the entry's network, frames and input")
    wrong = int((~np.isfinite(scores[0]).all(axis=1)).sum())
    if wrong or not all(np.isfinite(values).all() for values in scores):
        raise NetworkError(
            f"the network returns NaN or inf for {wrong:,} of {len(scores[0]):,} videos as sampled, or in another order",
            fix="check its weights, and value range, mean and std of the entry",
        )


def trials_of(base: Trial) -> list[Trial]:
    """The conditions as trials, in the order of `CONDITIONS`."""
    orders = [replace(base, order=order) for order in ("reversed", "shuffled", "frozen")]
    return [base, *orders, replace(base, rule="first half")]


def _condition(name: str, scores: Scores, forward: Scores, setup: Setup) -> Condition:
    labels = setup.labels[setup.rows]
    best, usual = predictions_of(scores), predictions_of(forward)
    hits, usual_hits = _hits(best, labels), _hits(usual, labels)
    counts = np.bincount(labels, minlength=scores.shape[1])
    with np.errstate(invalid="ignore"):
        per_class = np.bincount(labels, hits == 1, minlength=scores.shape[1]) / counts
    spread = float(forward.std()) or 1.0
    return Condition(
        name, float((hits == 1).mean()), accuracy_interval(hits, setup.groups),
        None if name == FORWARD else paired_difference(hits, usual_hits, setup.groups),
        int((best != usual).sum()), float(np.abs(scores - forward).max()) / spread, per_class,
    )  # fmt: skip


def _hits(best: NDArray[np.int64], labels: NDArray[np.int64]) -> Hits:
    hits: Hits = (best == labels).astype(np.int8)
    return hits
