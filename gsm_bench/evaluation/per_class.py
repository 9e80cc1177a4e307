"""One result class by class: accuracy, and which classes are confused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsm_bench.evaluation.predictions import Predictions
from gsm_bench.metrics.intervals import Interval, accuracy_interval


@dataclass(frozen=True)
class ClassAccuracy:
    """One class that occurs in the labels.

    Attributes:
        name: of the class.
        videos: scored videos of the class.
        top1, top5: fractions of them with the label among the best 1 and 5.
        top1_interval: 95% interval of `top1`.
        precision: fraction right of the videos predicted as this class; None if there is none.
        confused_with: the most frequent wrong prediction for the class; None if all are right.
        confused: videos of the class with that prediction.
    """

    name: str
    videos: int
    top1: float
    top5: float
    top1_interval: Interval
    precision: float | None
    confused_with: str | None
    confused: int


@dataclass(frozen=True)
class Confusion:
    """A class that is predicted for another one.

    Attributes:
        true, predicted: names of the classes.
        videos: videos of the true class with that prediction.
        of_class: scored videos of the true class.
        share: `videos` / `of_class`.
        reverse: videos of the predicted class that are predicted as the true one.
    """

    true: str
    predicted: str
    videos: int
    of_class: int
    share: float
    reverse: int


@dataclass(frozen=True)
class ClassEvaluation:
    """One task of one result, class by class.

    Attributes:
        label, frames, task: what was evaluated, as in `Evaluation`.
        names: the C class names, in column order.
        matrix: int64 [C, C], videos by true class (rows) and predicted class (columns).
        classes: those that occur, in column order.
    """

    label: str
    frames: str
    task: str
    names: tuple[str, ...]
    matrix: NDArray[np.int64] = field(repr=False)
    classes: tuple[ClassAccuracy, ...]

    @property
    def errors(self) -> NDArray[np.int64]:
        """The confusion matrix [C, C] without its diagonal."""
        return self.matrix * (1 - np.eye(len(self.names), dtype=np.int64))

    def confusions(self, most: int | None = None) -> tuple[Confusion, ...]:
        """Confused pairs, the most frequent first, at most `most` of them; equal counts in order of the classes."""
        errors, counts = self.errors, self.matrix.sum(axis=1)
        order = np.argsort(-errors, axis=None, kind="stable")[: np.count_nonzero(errors)][:most]
        return tuple(
            Confusion(
                true=self.names[true],
                predicted=self.names[predicted],
                videos=int(errors[true, predicted]),
                of_class=int(counts[true]),
                share=float(errors[true, predicted] / counts[true]),
                reverse=int(errors[predicted, true]),
            )
            for true, predicted in (divmod(place, len(self.names)) for place in order.tolist())
        )


def confusion_matrix(best: NDArray[np.integer], labels: NDArray[np.integer], classes: int) -> NDArray[np.int64]:
    """Videos int64 [C, C] by true class (rows) and predicted class (columns).

    Args:
        best: predicted classes int [N], -1 not scored.
        labels: true classes int [N], negative unknown; such videos are left out.
        classes: C.
    """
    known = (best >= 0) & (labels >= 0)
    pairs = np.bincount(labels[known].astype(np.int64) * classes + best[known], minlength=classes * classes)
    return pairs.reshape(classes, classes)


def evaluate_classes(
    label: str,
    frames: str,
    task: str,
    predictions: Predictions,
    labels: NDArray[np.integer],
    names: Sequence[str],
    groups: NDArray[np.int64] | None,
) -> ClassEvaluation:
    """Accuracy of each class that occurs, and the confusion matrix.

    Args:
        predictions: for the N videos of `labels` int [N].
        names: of the C classes, in column order.
        groups: int64 [N], equal for videos that are not independent.
    """
    matrix = confusion_matrix(predictions.best, labels, len(names))
    classes = tuple(
        _class_accuracy(number, predictions, labels, names, matrix, groups)
        for number in np.flatnonzero(matrix.sum(axis=1)).tolist()
    )
    return ClassEvaluation(label, frames, task, tuple(names), matrix, classes)


def _class_accuracy(
    number: int,
    predictions: Predictions,
    labels: NDArray[np.integer],
    names: Sequence[str],
    matrix: NDArray[np.int64],
    groups: NDArray[np.int64] | None,
) -> ClassAccuracy:
    rows = np.flatnonzero((labels == number) & (predictions.ranks >= 0))
    top1, top5 = (predictions.correct(k)[rows] for k in (1, 5))
    wrong = matrix[number].copy()
    wrong[number] = 0
    most = int(wrong.argmax())
    return ClassAccuracy(
        name=names[number],
        videos=len(rows),
        top1=float(top1.mean()),
        top5=float(top5.mean()),
        top1_interval=accuracy_interval(top1, None if groups is None else groups[rows]),
        precision=_share(matrix[number, number], matrix[:, number].sum()),
        confused_with=names[most] if wrong[most] else None,
        confused=int(wrong[most]),
    )


def _share(part: np.integer[Any], total: np.integer[Any]) -> float | None:
    return float(part / total) if total else None
