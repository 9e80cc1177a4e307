"""From scores to the logarithms of probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def log_softmax(logits: NDArray[np.floating]) -> NDArray[np.floating]:
    """Row-wise log-probabilities over the last axis."""
    shifted: NDArray[np.floating] = logits - logits.max(axis=-1, keepdims=True)
    total: NDArray[np.floating] = np.exp(shifted).sum(axis=-1, keepdims=True)
    log_probabilities: NDArray[np.floating] = shifted - np.log(total)
    return log_probabilities
