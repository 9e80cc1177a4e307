"""A small Temporal Shapes, drawn once per process."""

import pytest

from gsm_bench.shapes import make


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("shapes")
    make(root, "train", videos=8)
    make(root, "val", videos=14)
    return root
