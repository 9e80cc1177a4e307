"""Actions as pairs of a verb and a noun: their columns in a score file, and the labels that these columns have."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

NO_COLUMN = -2
"""Label of a clip whose class is known and has no column: it counts, and no answer is right (-1 is unknown)."""
PAIR = re.compile(r"\d+,\d+")


def parse_pairs(names: Sequence[str]) -> NDArray[np.int64]:
    """Verb and noun int64 [A, 2] of action names ``<verb>,<noun>``.

    Raises:
        ValueError: a name that is no pair.
    """
    wrong = next((name for name in names if not PAIR.fullmatch(name)), None)
    if wrong is not None:
        raise ValueError(f"{wrong!r} is not a pair <verb>,<noun>")
    return np.array([[int(number) for number in name.split(",")] for name in names], dtype=np.int64).reshape(-1, 2)


def are_pairs(names: Sequence[str]) -> bool:
    """Whether action names are pairs ``<verb>,<noun>``, all of them."""
    return bool(names) and all(PAIR.fullmatch(name) for name in names)


def action_columns(
    pairs: NDArray[np.int64], verbs: NDArray[np.integer], nouns: NDArray[np.integer]
) -> NDArray[np.int32]:
    """Columns int32 [N] of the actions (verbs [N], nouns [N]) among `pairs` [A, 2].

    NO_COLUMN for a pair that has none, -1 where verb or noun is not known (-1).
    """
    width = 1 + max(int(values.max(initial=0)) for values in (pairs[:, 1], nouns))
    codes = pairs[:, 0] * width + pairs[:, 1]
    wanted = verbs.astype(np.int64) * width + nouns
    order = np.argsort(codes)
    at = np.minimum(np.searchsorted(codes, wanted, sorter=order), len(codes) - 1)
    columns = np.where(codes[order[at]] == wanted, order[at], NO_COLUMN)
    return np.where((verbs < 0) | (nouns < 0), -1, columns).astype(np.int32)
