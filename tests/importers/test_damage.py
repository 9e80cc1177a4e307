"""Dumps with bytes changed, lost or put in: a score, or one clear error, and nothing else."""

import json
import random

import pytest

from gsm_bench.errors import DumpError
from gsm_bench.importers.detect import read_dump
from tests.importers import dumps
from tests.importers.dumps import Source

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
    getattr(dumps, name)(path, Source(4, 6))
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


TEXTS = {
    "csv": lambda: "id,label,run,sit,jump\n" + "".join(f"v{at},{at % 3},0.{at}5,-1.5,2.{at}\n" for at in range(8)),
    "blanks": lambda: "".join(f"v{at} 0.{at}5 -1.5 2.{at}\n" for at in range(8)),
    "export": lambda: (
        "video_id,label.action,action.logits.a,action.logits.b\n"
        + "".join(f"v{at},{at % 2},0.{at},1.{at}\n" for at in range(8))
    ),
    "videomae": lambda: (
        "1.0, 2.0\n" + "".join(f"v{at} [0.{at}, 1.5] 1 {view} 0\n" for at in range(4) for view in (0, 1))
    ),
    "json": lambda: json.dumps({f"v{at}": {"scores": [0.5, at / 8], "label": at % 2} for at in range(8)}),
    "lines": lambda: "".join(json.dumps({"id": f"v{at}", "scores": [0.5, at / 8]}) + "\n" for at in range(8)),
}


@pytest.mark.parametrize("name", TEXTS)
def test_damaged_texts(name, tmp_path):
    rng = random.Random(name)
    path = tmp_path / "dump.txt"
    sound = TEXTS[name]().encode()
    path.write_bytes(sound)
    assert len(read_dump([path])[0]) in (4, 8)
    refused = 0
    for _ in range(TRIES):
        path.write_bytes(_damaged(bytearray(sound), rng))
        try:
            read_dump([path])
        except DumpError as error:
            assert error.fix
            refused += 1
    assert refused > TRIES // 20


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
