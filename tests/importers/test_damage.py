"""Dumps with bytes changed, lost or put in: a score, or one clear error, and nothing else."""

import random

import pytest

from gsm_bench.errors import DumpError
from gsm_bench.importers.detect import read_dump
from tests.importers import dumps
from tests.importers.dumps import Made

OPCODES = b".(]})NRbcoiQ012\x81\x85\x86\x87\x93\x94\x82\x8a\x8e\x95hjqrtue"
TRIES = 300


@pytest.mark.parametrize(
    "name", ["mmaction2", "mmaction2_old", "pyslowfast", "tsn_pytorch", "gsm", "tbn", "epic_baseline"]
)
def test_damaged_dumps(name, tmp_path):
    if name in ("mmaction2", "pyslowfast"):
        pytest.importorskip("torch")
    rng = random.Random(name)
    path = tmp_path / "dump.npz"
    getattr(dumps, name)(path, Made(4, 6))
    whole = path.read_bytes()
    refused = 0
    for _ in range(TRIES):
        path.write_bytes(_damaged(bytearray(whole), rng))
        try:
            read_dump([path])
        except DumpError as error:
            assert error.fix
            refused += 1
    assert refused > TRIES // 10


def _damaged(data, rng):
    for _ in range(rng.choice((1, 1, 2, 4))):
        at, way = rng.randrange(len(data)), rng.random()
        if way < 0.6:
            data[at] = rng.randrange(256)
        elif way < 0.75:
            del data[at : at + rng.randrange(1, 9)]
        elif way < 0.9:
            data[at:at] = bytes(rng.choice(OPCODES) for _ in range(rng.randrange(1, 5)))
        else:
            data[at : at + 4] = rng.choice((b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff", b"\x00\x00\x00\x80"))
    return data
