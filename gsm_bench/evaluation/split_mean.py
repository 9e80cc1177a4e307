"""The mean accuracy over the splits of one data set, as UCF101 and HMDB51 are reported."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import AlignmentError
from gsm_bench.evaluation.evaluation import Evaluation
from gsm_bench.metrics.intervals import Interval, mean_interval

NUMBERED = re.compile(r"(?P<kind>.*?)(?P<number>[0-9]+)")
FIX = "name one score file per split: gsmbench evaluate scores/ucf101/test*/r3d.h5 --mean-over-splits"


@dataclass(frozen=True)
class SplitMean:
    """Accuracies of K splits and their mean; every split counts alike, whatever its number of videos.

    Attributes:
        evaluations: one per split, in the order of their numbers, in the same protocol.
    """

    evaluations: tuple[Evaluation, ...]

    @property
    def label(self) -> str:
        """The model, or all models if each split has its own."""
        return ", ".join(dict.fromkeys(result.label for result in self.evaluations))

    @property
    def dataset(self) -> str:
        return str(self.evaluations[0].files[0].dataset)

    @property
    def frames(self) -> str:
        return self.evaluations[0].frames

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(str(result.files[0].split) for result in self.evaluations)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks with an accuracy on every split."""
        first, *others = self.evaluations
        return tuple(task for task in first.accuracy if all(task in other.accuracy for other in others))

    def top(self, task: str, k: int) -> float:
        """Mean of the K top-k accuracies, a fraction."""
        return math.fsum(result.accuracy[task].top(k) for result in self.evaluations) / len(self.evaluations)

    def mean_class(self, task: str) -> float:
        """Mean of the K mean class accuracies, a fraction."""
        return math.fsum(result.accuracy[task].mean_class for result in self.evaluations) / len(self.evaluations)

    @cached_property
    def _clusters(self) -> list[NDArray[np.int64]]:
        return _clusters(self.evaluations)

    def interval(self, task: str, k: int = 1) -> Interval:
        """95% interval of the mean top-k accuracy; videos in several splits and videos of one group are clusters."""
        interval = mean_interval([result.accuracy[task].correct_at(k) for result in self.evaluations], self._clusters)
        grouped = any(result.truth is not None and result.truth.groups is not None for result in self.evaluations)
        return interval if grouped else Interval(interval.low, interval.high)


def split_means(evaluations: Sequence[Evaluation]) -> tuple[list[SplitMean], list[str]]:
    """The mean over splits for each protocol that all of them have, and warnings.

    Raises:
        AlignmentError: the score files are not one per split of one data set, or have no protocol in common.
    """
    by_split = _by_split(evaluations)
    protocols = {split: {result.frames: result for result in results} for split, results in by_split.items()}
    common = [frames for frames in next(iter(protocols.values())) if all(frames in own for own in protocols.values())]
    if not common:
        shown = "; ".join(f"{split} has {', '.join(own)}" for split, own in protocols.items())
        raise AlignmentError(
            f"these splits were not scored alike: {shown}", fix="score all of them with the same clips"
        )
    means = [SplitMean(tuple(own[frames] for own in protocols.values())) for frames in common]
    if not means[0].tasks:
        raise AlignmentError("these splits have no labels of one task", fix="--data DIR with the lists of the splits")
    return means, [*_warnings(means[0]), *_left_out(protocols, common)]


def _by_split(evaluations: Sequence[Evaluation]) -> dict[str, list[Evaluation]]:
    """The results of each split, in the order of the splits' numbers."""
    results: dict[tuple[str, str], list[Evaluation]] = {}
    for result in evaluations:
        place = result.files[0] if result.files else None
        if place is None or not place.dataset or not place.split:
            raise AlignmentError(f"{result.label} does not name its data set and split", fix="import it with --split")
        results.setdefault((place.dataset, place.split), []).append(result)
    datasets, splits = ({key[at] for key in results} for at in (0, 1))
    matches = {split: NUMBERED.fullmatch(split) for split in splits}
    kinds = {match["kind"] if match else split for split, match in matches.items()}
    if len(datasets) > 1 or len(splits) < 2 or len(kinds) > 1:
        shown = ", ".join("/".join(key) for key in results)
        raise AlignmentError(
            f"a mean over splits needs several splits such as test1, test2 of one data set, not {shown}", fix=FIX
        )
    for (dataset, split), own in results.items():
        files = dict.fromkeys(tuple(file.path for file in result.files) for result in own)
        if len(files) > 1:
            shown = ", ".join(str(paths[0]) for paths in files)
            raise AlignmentError(f"{len(files)} score files of {dataset}/{split}", where=shown, fix=FIX)
    return {split: own for (_, split), own in sorted(results.items(), key=lambda item: _number(item[0][1]))}


def _number(split: str) -> int:
    match = NUMBERED.fullmatch(split)
    return int(match["number"]) if match else 0


def _warnings(mean: SplitMean) -> Iterator[str]:
    truth = mean.evaluations[0].truth
    known = truth.dataset.splits if truth and truth.dataset else {}
    match = NUMBERED.fullmatch(mean.splits[0])
    kind = match["kind"] if match else ""
    absent = [
        name
        for name in known
        if (other := NUMBERED.fullmatch(name)) and other["kind"] == kind and name not in mean.splits
    ]
    if absent:
        yield f"warning: the mean is over {len(mean.splits)} of {len(mean.splits) + len(absent)} splits, without {', '.join(absent)}"
    checkpoints = [file.checkpoint for result in mean.evaluations for file in result.files if file.checkpoint]
    if len(set(checkpoints)) < len(checkpoints):
        yield (
            "warning: one checkpoint has scored several splits; if it was trained on the training list of one of them, it has "
            "seen test videos of the others"
        )


def _left_out(protocols: dict[str, dict[str, Evaluation]], common: Sequence[str]) -> Iterator[str]:
    """What some splits have and others lack."""
    for frames in dict.fromkeys(frames for own in protocols.values() for frames in own):
        if frames not in common:
            without = ", ".join(split for split, own in protocols.items() if frames not in own)
            yield f"note: no mean of {frames}: {without} has no such scores"


def _clusters(evaluations: Sequence[Evaluation]) -> list[NDArray[np.int64]]:
    """Numbers int64 [N_k] per split of what is not independent: the same video, or videos that a chain of groups joins."""
    parent: dict[object, object] = {}

    def root(node: object) -> object:
        while (above := parent.setdefault(node, node)) != node:
            parent[node] = node = parent[above]
        return node

    for at, result in enumerate(evaluations):
        groups = result.truth.groups if result.truth else None
        for row, name in enumerate(result.ids):
            parent[root(name)] = root(name if groups is None else (at, int(groups[row])))
    numbers: dict[object, int] = {}
    return [
        np.array([numbers.setdefault(root(name), len(numbers)) for name in result.ids], np.int64)
        for result in evaluations
    ]
