import json
import os
import shutil
import socket
import subprocess
import time

import numpy as np
import pytest

from gsm_bench.scoring import claims
from gsm_bench.scoring.chunks import Chunk, ChunkFolder, RunCard
from gsm_bench.scoring.claims import STALE_AFTER_S

CARD = RunCard("a=1; b=2", "then")


def some_part():
    scores = {"action": np.arange(12, dtype=np.float32).reshape(2, 2, 3)}
    return Chunk(np.array([4, 5]), np.array([0, 2], np.uint8), np.array([9, 0]), {5: "frame 1 is missing"}, scores)


def test_round_trip(tmp_path):
    folder = ChunkFolder(tmp_path / "p")
    assert folder.join(CARD) == CARD
    folder.write(3, some_part())
    assert folder.finished() == {3}
    found = folder.read(3)
    assert found.rows.tolist() == [4, 5]
    assert found.problems == {5: "frame 1 is missing"}
    assert np.array_equal(found.scores["action"], some_part().scores["action"])


def test_the_first_to_come_names_the_run(tmp_path):
    ChunkFolder(tmp_path / "p").join(CARD)
    assert ChunkFolder(tmp_path / "p").join(RunCard("a=2", "later")) == CARD
    assert ChunkFolder(tmp_path / "none").card() is None


def test_a_part_has_one_owner(tmp_path):
    one, other = ChunkFolder(tmp_path), ChunkFolder(tmp_path)
    assert one.claim("1")
    assert not other.claim("1")
    assert other.claimed_by_others()
    assert not one.claimed_by_others()
    one.release("1")
    assert other.claim("1")


def claim_of(folder, name, pid, host=None, age_s=0.0):
    path = folder.path / f"{name}.claim"
    path.write_text(json.dumps({"host": host or socket.gethostname(), "pid": pid}))
    then = time.time() - age_s
    os.utime(path, (then, then))


def dead_pid():
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_the_claim_of_a_dead_process_is_taken_over(tmp_path):
    folder = ChunkFolder(tmp_path)
    claim_of(folder, "1", dead_pid())
    assert not folder.claimed_by_others()
    assert folder.claim("1")
    assert [path.name for path in tmp_path.glob("*.claim*")] == ["1.claim"]


def test_a_claim_on_another_machine_lives_by_its_heartbeat(tmp_path):
    folder = ChunkFolder(tmp_path)
    claim_of(folder, "1", dead_pid(), host="elsewhere", age_s=STALE_AFTER_S / 2)
    assert not folder.claim("1")
    claim_of(folder, "1", dead_pid(), host="elsewhere", age_s=STALE_AFTER_S + 5)
    assert folder.claim("1")


def test_a_claim_stamped_in_the_future_ages_by_what_is_seen(tmp_path, monkeypatch):
    """The clock of another machine is hours ahead, or its process is gone: nobody waits for ever."""
    folder, now = ChunkFolder(tmp_path), time.monotonic()
    claim_of(folder, "1", 5, host="elsewhere", age_s=-7200)
    assert not folder.claim("1")
    monkeypatch.setattr(claims.time, "monotonic", lambda: now + STALE_AFTER_S - 5)
    assert not folder.claim("1")
    claim_of(folder, "1", 5, host="elsewhere", age_s=-7300)
    assert folder.claimed_by_others(), "it was renewed: its process lives"
    monkeypatch.setattr(claims.time, "monotonic", lambda: now + 2 * STALE_AFTER_S - 15)
    assert not folder.claim("1")
    assert "process 5 on elsewhere for chunk 1, last sign of it seen at " in folder.waiting_for()
    monkeypatch.setattr(claims.time, "monotonic", lambda: now + 2 * STALE_AFTER_S + 15)
    assert folder.waiting_for() == ""
    assert folder.claim("1")


def test_nobody_is_waited_for_where_nobody_works(tmp_path):
    folder = ChunkFolder(tmp_path)
    claim_of(folder, "1", dead_pid())
    assert folder.claim("2")
    assert folder.waiting_for() == ""
    claim_of(folder, "merge", os.getppid())
    assert f"process {os.getppid()} on {socket.gethostname()} for the merge" in folder.waiting_for()


def test_a_claim_that_is_released_while_claims_are_listed_is_waited_for_by_nobody(tmp_path, monkeypatch):
    folder = ChunkFolder(tmp_path)
    claim_of(folder, "1", os.getppid())
    judged = ChunkFolder._stale

    def released(self, path):
        path.unlink()
        return judged(self, path)

    monkeypatch.setattr(ChunkFolder, "_stale", released)
    assert folder.waiting_for() == ""


def test_a_folder_that_is_removed_while_claims_are_judged(tmp_path, monkeypatch):
    """The process that merged the chunks removes it: another one sees no claim there, and cannot claim."""
    folder = ChunkFolder(tmp_path / "p")
    clock = ChunkFolder._folder_time

    def removed(self):
        shutil.rmtree(self.path)
        return clock(self)

    monkeypatch.setattr(ChunkFolder, "_folder_time", removed)
    for look in (folder.claimed_by_others, folder.waiting_for):
        folder.path.mkdir()
        claim_of(folder, "1", os.getppid())
        look()
    folder.path.mkdir()
    claim_of(folder, "1", os.getppid())
    with pytest.raises(FileNotFoundError):
        folder.claim("1")


def test_a_claim_cut_short_by_a_crash_is_not_for_ever(tmp_path):
    folder = ChunkFolder(tmp_path)
    (tmp_path / "1.claim").write_text("")
    assert not folder.claim("1")
    then = time.time() - STALE_AFTER_S - 5
    os.utime(tmp_path / "1.claim", (then, then))
    assert folder.claim("1")


def test_a_claim_that_was_taken_over_meanwhile_is_left_alone(tmp_path, monkeypatch):
    """One process judges a claim dead; another takes it over before the first acts; the living claim stays."""
    folder = ChunkFolder(tmp_path)
    claim_of(folder, "1", dead_pid())
    judged = ChunkFolder._stale

    def overtaken(self, path):
        dead = judged(self, path)
        claim_of(folder, "1", os.getppid())
        return dead

    monkeypatch.setattr(ChunkFolder, "_stale", overtaken)
    assert not folder.claim("1")
    assert json.loads((tmp_path / "1.claim").read_text())["pid"] == os.getppid()
    folder.release("1")
    assert (tmp_path / "1.claim").exists(), "nobody releases another's claim"


def test_parts_that_are_damaged_or_hold_unscored_clips_are_dropped(tmp_path):
    folder = ChunkFolder(tmp_path)
    sound = some_part()
    folder.write(1, sound)
    folder.write(2, Chunk(sound.rows, np.zeros(2, np.uint8), sound.num_frames, {}, sound.scores))
    (tmp_path / "000003.npz").write_bytes(b"PK damaged")
    assert folder.drop_unsound() == [1, 3]
    assert folder.finished() == {2}


def test_claims_go_when_the_work_ends(tmp_path):
    folder = ChunkFolder(tmp_path)
    with folder.heartbeat():
        assert folder.claim("1")
    assert not list(tmp_path.glob("*.claim"))


def test_remove_twice(tmp_path):
    folder = ChunkFolder(tmp_path / "p")
    folder.join(CARD)
    folder.remove()
    folder.remove()
    assert list(tmp_path.iterdir()) == []


def test_what_a_process_killed_while_removing_left_goes_with_the_next_run(tmp_path):
    folder = ChunkFolder(tmp_path / "a[1].h5.parts")
    left = tmp_path / "a[1].h5.parts.vm.7.done"
    left.mkdir()
    (left / "000000.npz").write_bytes(b"x")
    other = tmp_path / "b.h5.parts.vm.7.done"
    other.mkdir()
    folder.remove()
    assert [path.name for path in tmp_path.iterdir()] == [other.name]
