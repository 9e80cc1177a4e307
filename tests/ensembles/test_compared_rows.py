"""Accuracies of score files with checksums: no number is returned before every block that it needs was compared."""

import h5py
import numpy as np
import pytest

from gsm_bench import checksums, kernels
from gsm_bench.ensembles.members import MemberSpec, open_members
from gsm_bench.errors import ScoreFileError
from gsm_bench.evaluation import accuracies
from gsm_bench.evaluation.accuracies import accuracies_alone, accuracies_of
from gsm_bench.scorefile import read, write

ROWS, BLOCK = 60, 8
SPECS = {
    "three files": ([("a", 2, 1.0), ("b", 2, 1.0), ("c", 2, 1.0)], "logits"),
    "a file twice": ([("a", 1, 1.0), ("b", 2, 1.0), ("a", 2, 1.0)], "logits"),
    "another space": ([("a", 2, 1.0), ("b", 2, 1.0), ("c", 2, 1.0)], "probabilities"),
    "a temperature": ([("a", 2, 3.0), ("b", 2, 1.0), ("a", 1, 1.0)], "logits"),
}


@pytest.fixture
def files(save_scores, monkeypatch):
    monkeypatch.setattr(checksums, "MOST_BLOCK_ROWS", BLOCK)
    rng = np.random.default_rng(5)
    return {name: save_scores(name, rng.standard_normal((ROWS, 2, 5)).astype(np.float32)) for name in "abc"}


@pytest.fixture(params=[False, True], ids=["summed afterwards", "summed while ranked"])
def summed(request, monkeypatch):
    """Both ways to compute checksums; the second one works with every processor, though slowly with some."""
    if request.param and not kernels.COMPILED:
        pytest.skip("this installation was built without a compiler")
    monkeypatch.setattr(accuracies, "SUMS_ROWS", request.param)


@pytest.fixture(params=SPECS)
def some(request, files, summed):
    """Specs of members, and the space in which they are averaged."""
    members, space = SPECS[request.param]
    return [MemberSpec(name, files[name], clips, 1.0, temperature=scale) for name, clips, scale in members], space


def second_view(path, row):
    """Offset in the file of a row's second view, which members with one clip do not use."""
    with h5py.File(path) as file:
        dataset = file["scores/action"]
        return dataset.id.get_offset() + (row * 2 + 1) * dataset.shape[2] * 4


def overwrite(path, at, content):
    with path.open("r+b") as file:
        file.seek(at)
        file.write(content)


@pytest.mark.parametrize("rows_at_once", [None, 3, 1000])
def test_every_block_is_compared(some, toy_labels, monkeypatch, rows_at_once):
    if rows_at_once:
        monkeypatch.setattr(accuracies, "_rows_at_once", lambda *_: rows_at_once)
    specs, space = some
    with open_members(specs) as members:
        accuracies_of(members, "action", space, toy_labels)
        assert [member.file.blocks_compared("action") for member in members] == [-(-ROWS // BLOCK)] * len(members)
    with open_members(specs) as members:
        accuracies_alone(members, "action", space, toy_labels)
        assert [member.file.blocks_compared("action") for member in members] == [-(-ROWS // BLOCK)] * len(members)


@pytest.mark.parametrize("damage", [b"\x01", np.float32([np.nan]).tobytes(), np.float32([-np.inf]).tobytes()])
@pytest.mark.parametrize("row", [0, 29, ROWS - 1])
@pytest.mark.parametrize("compute", [accuracies_of, accuracies_alone])
def test_damage_in_any_member_is_named(some, toy_labels, damage, row, compute):
    specs, space = some
    for path in {spec.path for spec in specs}:
        sound = path.read_bytes()
        overwrite(path, second_view(path, row), damage)
        first = row // BLOCK * BLOCK
        message = f"rows {first} to {min(first + BLOCK, ROWS) - 1} .* do not match their checksum"
        with open_members(specs) as members, pytest.raises(ScoreFileError, match=message) as refused:
            compute(members, "action", space, toy_labels)
        assert path.name in str(refused.value)
        path.write_bytes(sound)


def test_infinities_that_were_written_are_no_damage(save_scores, toy_labels, monkeypatch, summed):
    monkeypatch.setattr(checksums, "MOST_BLOCK_ROWS", BLOCK)
    scores = np.random.default_rng(6).standard_normal((ROWS, 2, 5)).astype(np.float32)
    scores[::7, :, 3] = -np.inf
    spec = MemberSpec("a", save_scores("a", scores), 2, 1.0)
    with open_members([spec]) as members:
        accuracies_of(members, "action", "logits", toy_labels)
        assert members[0].file.blocks_compared("action") == -(-ROWS // BLOCK)


def test_blocks_of_a_file_may_be_of_any_length(files, toy_labels, monkeypatch, summed):
    """As older files have them, and files that state absurd numbers."""
    specs = [MemberSpec(name, path, 2, 1.0) for name, path in files.items()]
    with open_members(specs) as members:
        expected = accuracies_of(members, "action", "logits", toy_labels)[0].ranks.tolist()
        assert members[0].file.block_rows("action") == BLOCK
    monkeypatch.setattr(checksums, "MOST_BLOCK_ROWS", 1 << 80)
    monkeypatch.setattr(checksums, "MOST_BLOCK_BYTES", 1 << 90)
    write(files["a"], read(files["a"]), force=True)
    with open_members(specs) as members:
        assert members[0].file.block_rows("action") == 1024
        assert accuracies_of(members, "action", "logits", toy_labels)[0].ranks.tolist() == expected
