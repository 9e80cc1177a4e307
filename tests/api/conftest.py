import shutil

import pytest

from gsm_bench.workspace import shipped_manifests


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """A workspace with the shipped scores of Temporal Shapes."""
    root = tmp_path_factory.mktemp("demo")
    shipped = shipped_manifests() / "shapes"
    shutil.copytree(shipped / "data", root / "data" / "shapes")
    shutil.copytree(shipped / "scores", root / "scores")
    return root
