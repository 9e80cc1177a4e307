"""Labels of the pools, in 9 classes."""

import numpy as np
import pytest


@pytest.fixture
def labels():
    return np.random.default_rng(4).integers(0, 9, 300)


@pytest.fixture
def labels_400():
    return np.random.default_rng(4).integers(0, 9, 400)
