"""Other readings of labels: counted from 1, classes in another order, rows shifted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gsm_bench.metrics.class_order import FEWEST_VIDEOS_PER_CLASS, held_out_hits, is_near_chance

Labels = NDArray[np.int64]
Hits = NDArray[np.int8]
AS_THEY_ARE = "as they are"
SOLVED = "classes in another order"
MOST_SHIFTED = 3


@dataclass(frozen=True, eq=False)
class Reading:
    """One reading of the labels of a split.

    Attributes:
        name: what it assumes.
        labels: int64 [N], the column that is right for each row, -1 where there is none; None for the order of classes
            that fits the predictions best.
        price: how much it asks one to believe; see `diagnose_settings.PRICES`.
    """

    name: str
    labels: Labels | None
    price: float


def readings_of(
    labels: NDArray[np.integer],
    classes: int,
    names: Sequence[str] = (),
    ids: Sequence[str] = (),
    most_shifted: int = MOST_SHIFTED,
) -> list[Reading]:
    """Readings of the labels int [N] of C classes, the plain one first.

    Args:
        names: the C class names in column order, where they are known.
        ids: of the N rows, where the order of the rows is in doubt.
        most_shifted: rows that labels may be away from theirs.
    """
    plain = labels.astype(np.int64)
    known = plain >= 0
    several = [Reading(AS_THEY_ARE, plain, 0)]
    for step, words in ((-1, "one too high"), (1, "one too low")):
        several.append(Reading(f"class numbers {words}", np.where(known, (plain + step) % classes, -1), 1))
    for words, columns in _orders(classes, names):
        several.append(Reading(words, np.where(known, columns[np.maximum(plain, 0)], -1), 1.2))
    for rows in (sign * count for count in range(1, most_shifted + 1) for sign in (1, -1)):
        words = f"labels {abs(rows)} {'row' if abs(rows) == 1 else 'rows'} {'above' if rows < 0 else 'below'} theirs"
        several.append(Reading(words, _shifted(plain, rows), 1.1 + 0.01 * abs(rows)))
    for words, order in _row_orders(ids):
        several.append(Reading(words, plain[order], 1.2))
    several.append(Reading(SOLVED, None, 4))
    return several


def _orders(classes: int, names: Sequence[str]) -> list[tuple[str, Labels]]:
    """Named orders of classes: the column int64 [C] of each class number."""
    orders = []
    if len(names) == classes and list(names) != sorted(names):
        by_name = np.argsort(np.array(sorted(range(classes), key=names.__getitem__)))
        orders += [
            ("class names in alphabetical order", by_name),
            ("class names in the order of the file", np.argsort(by_name)),
        ]
    by_text = np.argsort(np.array(sorted(range(classes), key=str)))
    if classes > 10:
        orders += [
            ("class numbers sorted as text", by_text),
            ("class numbers sorted as text, the other way", np.argsort(by_text)),
        ]
    return orders


def _shifted(labels: Labels, rows: int) -> Labels:
    """The label that stands `rows` below (above if negative) each row; -1 past the ends."""
    shifted = np.full_like(labels, -1)
    if 0 < rows < len(labels):
        shifted[:-rows] = labels[rows:]
    elif 0 < -rows < len(labels):
        shifted[-rows:] = labels[:rows]
    return shifted


def _row_orders(ids: Sequence[str]) -> list[tuple[str, Labels]]:
    """Orders in which the rows of a dump may be: rows int64 [N] of the list for each row of the scores."""
    rows = range(len(ids))
    orders = [("rows sorted by id", sorted(rows, key=ids.__getitem__))]
    if ids and all(name.isdecimal() for name in ids):
        orders.append(("rows sorted by number", sorted(rows, key=lambda row: int(ids[row]))))
    return [(words, np.array(order)) for words, order in orders if list(order) != list(rows)]


def hits_of(reading: Reading, best: Labels, plain: Labels, rows: Labels, classes: int) -> Hits:
    """Whether predictions are right by a reading: int8 [n], 1 right, 0 wrong, -1 without a score or a label.

    Args:
        best: int64 [n], the best class of each video, -1 not scored.
        plain: int64 [N], the labels as they are.
        rows: int64 [n], the row of each video.
    """
    known = (best >= 0) & (plain[rows] >= 0)
    hits = np.full(len(best), -1, np.int8)
    if reading.labels is not None:
        hits[known] = best[known] == reading.labels[rows[known]]
    elif can_be_solved(int(known.sum()), classes):
        hits[known] = held_out_hits(best[known], plain[rows[known]], classes)
    return hits


def can_be_solved(videos: int, classes: int) -> bool:
    """Whether so many videos can decide in which order the classes are."""
    return videos >= FEWEST_VIDEOS_PER_CLASS * classes


def share_right(hits: Hits) -> float:
    """Fraction of hits int8 [n] that is right among those with a score and a label; 0 without any."""
    known = hits[hits >= 0]
    return float(known.mean()) if known.size else 0.0


def near_chance(hits: Hits, classes: int) -> bool:
    """Whether the accuracy of hits int8 [n] is near chance for so many classes."""
    known = hits[hits >= 0]
    return bool(known.size) and is_near_chance(float(known.mean()), classes, max(known.size, 2 * classes))
