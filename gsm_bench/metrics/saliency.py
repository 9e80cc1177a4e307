"""Saliency tubes: which positions of which frames speak for a class.

With a mean over positions and frames and one linear layer, the logit of a class is a sum over positions, so the map is
exact (Stergiou et al. 2019 call it a saliency tube): the sum of the tube plus the bias is the logit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SaliencyTube:
    """What one clip says for one class.

    Attributes:
        evidence: float64 [T', H, W], how much each position adds to the logit; T' may be below T where a network joins
            frames.
        rest: of the logit, what belongs to no position: the bias, where the tube is exact.
        logit: of the class.
        exact: whether evidence and rest sum to the logit by construction; else the evidence is a first-order estimate.
    """

    evidence: Floats
    rest: float
    logit: float
    exact: bool

    def of_frames(self, frames: int) -> Floats:
        """Evidence at the positions of each of T frames, float64 [T, H, W]."""
        return self.evidence[np.arange(frames) * len(self.evidence) // frames]


def linear_tube(maps: NDArray[np.floating], weights: NDArray[np.floating], bias: float) -> SaliencyTube:
    """The exact tube of a class.

    Args:
        maps: features [T, F, H, W] whose mean over T, H and W a linear layer takes.
        weights: of the class, [F].
        bias: of the class.
    """
    frames, _, height, width = maps.shape
    evidence = np.einsum("f,tfhw->thw", weights.astype(np.float64), maps.astype(np.float64)) / (frames * height * width)
    return SaliencyTube(evidence, bias, float(evidence.sum() + bias), exact=True)
