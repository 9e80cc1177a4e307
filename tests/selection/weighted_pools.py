"""Pools of one-clip score files for the tests of weights."""

from gsm_bench.ensembles.members import MemberSpec
from gsm_bench.scorefile import write
from tests.conftest import clip_scores, reference_module


def pool(tmp_path, arrays, **options):
    specs = []
    for at, array in enumerate(arrays):
        path = tmp_path / f"m{at}.h5"
        write(path, clip_scores(array[:, None], offsets=(0.5,), macs_paper_per_view=10**9, params=10, **options))
        specs.append(MemberSpec(path.stem, path, 1, 1.0))
    return specs


def noisy(labels, count, signal=1.0):
    return [reference_module("scores").noisy_logits(labels, 9, at, signal=signal) for at in range(count)]
