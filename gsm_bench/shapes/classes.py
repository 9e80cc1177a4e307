"""The fourteen classes of Temporal Shapes: seven motions and the same seven run backwards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class MotionPair:
    """One motion and its time reversal.

    Attributes:
        motion: which scene of `gsm_bench.shapes.scenes` draws it.
        forward: class name of the frames in the order they were drawn.
        backward: class name of the same frames in reverse order.
        mirror_swaps: whether a left-right mirror image shows the partner's motion.
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
"""Class names in id order: sorted by name, as the Something-V1 lists of this field are."""

CLASS_IDS = {name: index for index, name in enumerate(CLASSES)}

SHAPES = ("cross", "disc", "ring", "square", "star", "triangle")
"""The nouns, in id order."""


ACTIONS = tuple((verb, noun) for verb in range(len(CLASSES)) for noun in range(len(SHAPES)))
"""The 84 actions in id order: every motion (the verb) of every shape (the noun)."""


def class_counts() -> dict[str, int]:
    """How many verbs, nouns and actions there are."""
    return {"verb": len(CLASSES), "noun": len(SHAPES), "action": len(ACTIONS)}


def action_ids(verbs: NDArray[np.int64], nouns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Action ids [N] of verb and noun ids [N]."""
    return verbs * len(SHAPES) + nouns


def reversed_class(index: int) -> int:
    """Class id of the same frames in reverse order."""
    return _PARTNERS[index]


def mirrored_class(index: int) -> int:
    """Class id of the left-right mirror image: left and right swap, and so do the turns; the others stay."""
    return _PARTNERS[index] if index in _MIRROR_SWAPPED else index


_PARTNERS = {CLASS_IDS[pair.forward]: CLASS_IDS[pair.backward] for pair in PAIRS}
_PARTNERS.update({backward: forward for forward, backward in list(_PARTNERS.items())})
_MIRROR_SWAPPED = frozenset(
    CLASS_IDS[name] for pair in PAIRS if pair.mirror_swaps for name in (pair.forward, pair.backward)
)
