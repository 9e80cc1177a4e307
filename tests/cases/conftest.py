"""Places whose names say nothing: messages show paths, and a test's name in one would be taken for what they say."""

import pytest


@pytest.fixture
def tmp_path(tmp_path_factory):
    return tmp_path_factory.mktemp("w")
