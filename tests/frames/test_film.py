"""Films: the same pictures give the same bytes, whatever lies in memory."""

import numpy as np
import pytest

pytest.importorskip("av", reason="PyAV is not installed: pip install 'gsm-bench[score]'")

from gsm_bench.frames.film import SUFFIXES, write_film


def pictures():
    """Blocks that move below a bar, 96 x 64 pixels."""
    blocks = np.random.default_rng(0).integers(0, 255, (8, 12, 3), np.uint8)
    for number in range(30):
        picture = np.kron(np.roll(blocks, number // 2, axis=1), np.ones((8, 8, 1), np.uint8))
        picture[:, number * 3 : number * 3 + 6] = 255 - number
        yield picture


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_bytes_in_whatever_memory(tmp_path, suffix):
    rng, films = np.random.default_rng(1), set()
    for number in range(6):
        left = [rng.bytes(int(size)) for size in rng.integers(1_000, 400_000, 8)]
        del left  # its content stays where the encoder's memory will be
        path = tmp_path / f"{number}{suffix}"
        write_film(path, pictures(), 8)
        films.add(path.read_bytes())
    assert len(films) == 1
