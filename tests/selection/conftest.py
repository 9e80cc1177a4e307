"""Labels of the pools."""

import numpy as np
import pytest


@pytest.fixture
def labels():
    return np.random.default_rng(4).integers(0, 9, 300)
