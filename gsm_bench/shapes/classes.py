"""The fourteen classes of Temporal Shapes: seven motions and their reversals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class MotionPair:
    """One motion and its time reversal.

    Attributes:
        motion: name of the scene in `gsm_bench.shapes.scenes`.
        forward: class name of the frames in forward order.
        backward: class name of the same frames in reverse order.
        mirror_swaps: whether a left-right mirror image shows the reversed motion.
    """

    motion: str
    forward: str
    backward: str
    mirror_swaps: bool = False


PAIRS = (
    MotionPair("across", "moving right", "moving left", mirror_swaps=True),
    MotionPair("along", "moving down", "moving up"),
    MotionPair("depth", "approaching", "receding"),
    MotionPair("fade", "appearing", "disappearing"),
    MotionPair("cloth", "covering", "uncovering"),
    MotionPair("turn", "turning clockwise", "turning anticlockwise", mirror_swaps=True),
    MotionPair("box", "putting in", "taking out"),
)

CLASSES = tuple(sorted(name for pair in PAIRS for name in (pair.forward, pair.backward)))
"""Class names in id order: sorted by name, as in the common Something-V1 lists."""

CLASS_IDS = {name: index for index, name in enumerate(CLASSES)}

SHAPES = ("cross", "disc", "ring", "square", "star", "triangle")
"""The nouns, in id order."""

ACTIONS = tuple((verb, noun) for verb in range(len(CLASSES)) for noun in range(len(SHAPES)))
"""The 84 actions in id order: every pair of a motion (verb) and a shape (noun)."""


def class_counts() -> dict[str, int]:
    """Number of verbs, nouns and actions."""
    return {"verb": len(CLASSES), "noun": len(SHAPES), "action": len(ACTIONS)}


def action_ids(verbs: NDArray[np.int64], nouns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Action ids [N] of verb and noun ids [N]."""
    return verbs * len(SHAPES) + nouns


def reversed_class(index: int) -> int:
    """Class id of the same frames in reverse order."""
    return _PARTNERS[index]


def mirrored_class(index: int) -> int:
    """Class id of the left-right mirror image: left and right swap, and the two turns; the others stay."""
    return _PARTNERS[index] if index in _MIRROR_SWAPPED else index


_PARTNERS = {CLASS_IDS[pair.forward]: CLASS_IDS[pair.backward] for pair in PAIRS}
_PARTNERS.update({backward: forward for forward, backward in list(_PARTNERS.items())})
_MIRROR_SWAPPED = frozenset(
    CLASS_IDS[name] for pair in PAIRS if pair.mirror_swaps for name in (pair.forward, pair.backward)
)
