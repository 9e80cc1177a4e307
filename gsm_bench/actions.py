"""Actions as (verb, noun) pairs: their columns in a score file and their labels."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

NO_COLUMN = -2
"""Label of a video whose class is known but has no column: it counts as wrong (-1 is unknown and does not count)."""
PAIR = re.compile(r"\d+,\d+")


def parse_pairs(names: Sequence[str]) -> NDArray[np.int64]:
    """Verb and noun numbers int64 [A, 2] of action names ``<verb>,<noun>``.

    Raises:
        ValueError: a name is not such a pair.
    """
    wrong = next((name for name in names if not PAIR.fullmatch(name)), None)
    if wrong is not None:
        raise ValueError(f"{wrong!r} is not a pair <verb>,<noun>")
    return np.array([[int(number) for number in name.split(",")] for name in names], dtype=np.int64).reshape(-1, 2)


def are_pairs(names: Sequence[str]) -> bool:
    """Whether all action names are pairs ``<verb>,<noun>``."""
    return bool(names) and all(PAIR.fullmatch(name) for name in names)


def action_columns(
    pairs: NDArray[np.int64], verbs: NDArray[np.integer], nouns: NDArray[np.integer]
) -> NDArray[np.int32]:
    """Column int32 [N] of each action (verbs [N], nouns [N]) among `pairs` int64 [A, 2].

    NO_COLUMN where no column has the pair; -1 where verb or noun is unknown (-1).
    """
    width = 1 + max(int(values.max(initial=0)) for values in (pairs[:, 1], nouns))
    codes = pairs[:, 0] * width + pairs[:, 1]
    keys = verbs.astype(np.int64) * width + nouns
    order = np.argsort(codes)
    at = np.minimum(np.searchsorted(codes, keys, sorter=order), len(codes) - 1)
    columns = np.where(codes[order[at]] == keys, order[at], NO_COLUMN)
    return np.where((verbs < 0) | (nouns < 0), -1, columns).astype(np.int32)
