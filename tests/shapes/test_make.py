import csv
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gsm_bench.errors import RunConflictError, SplitError, WorkerError
from gsm_bench.sampling import sample_indices
from gsm_bench.shapes import CLASSES, DEFAULT_SEEDS, checksum, make, plan_videos, read_list, reversed_class
from gsm_bench.shapes.card import write_card
from gsm_bench.shapes.events import LENGTHS, plan_event
from gsm_bench.shapes.textures import SEEN, UNSEEN
from gsm_bench.workspace import shipped_manifests
from tests.waiting import PATIENCE_S, children, running, until

VIDEOS = 14
ROOT = Path(__file__).parents[2]
making = sys.modules["gsm_bench.shapes.make"]
WRITE_EVENT = making._write_event


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    root = tmp_path_factory.mktemp("shapes")
    return root, make(root, "val", seed=5, videos=VIDEOS)


def frames_of(root, video):
    return [path.read_bytes() for path in sorted((root / "frames" / video).iterdir())]


def test_same_seed_same_bytes_for_any_number_of_processes(generated, tmp_path):
    root, result = generated
    assert make(tmp_path, "val", seed=5, videos=VIDEOS, processes=2).checksum == result.checksum
    for name in ("val_videofolder.txt", "val_clips.csv", "category.txt", "README.md", "val_recipe.json"):
        assert (tmp_path / name).read_bytes() == (root / name).read_bytes()


def test_another_seed_or_split_draws_other_videos(generated, tmp_path):
    _, result = generated
    assert make(tmp_path / "seed", "val", seed=6, videos=VIDEOS).checksum != result.checksum
    assert plan_event("train", 5, 0) != plan_event("val", 5, 0)
    train = make(tmp_path / "split", "train", seed=5, videos=2)
    assert frames_of(tmp_path / "split", "100001")[0] != frames_of(generated[0], "200001")[0]
    assert train.written == 2


def test_a_video_does_not_depend_on_how_many_are_generated(generated, tmp_path):
    make(tmp_path, "val", seed=5, videos=3)
    assert frames_of(tmp_path, "200003") == frames_of(generated[0], "200003")


def test_partners_hold_the_same_frames_in_reverse_order(generated):
    root, _ = generated
    rows = read_list(root, "val")
    for (forward, n, label), (backward, m, partner) in zip(rows[::2], rows[1::2], strict=True):
        assert n == m
        assert partner == reversed_class(label)
        assert frames_of(root, forward) == frames_of(root, backward)[::-1]
        assert frames_of(root, forward) != frames_of(root, backward)


@pytest.mark.parametrize("frames", [8, 12, 16, 24])
@pytest.mark.parametrize("length", LENGTHS)
def test_the_test_rule_takes_the_same_frames_from_a_video_and_its_reversal(length, frames):
    taken = sample_indices(length, frames)[0]
    assert np.array_equal(length + 1 - taken[::-1], taken)


def test_the_reason_for_the_left_out_lengths():
    taken = sample_indices(16, 8)[0]
    assert not np.array_equal(17 - taken[::-1], taken)


def test_lists_files_and_table_agree(generated):
    root, result = generated
    rows = read_list(root, "val")
    assert [len(frames_of(root, video)) for video, _, _ in rows] == [frames for _, frames, _ in rows]
    assert sorted(label for _, _, label in rows) == list(range(14))
    assert (root / "category.txt").read_text().split("\n") == [*CLASSES, ""]
    table = list(csv.DictReader((root / "val_clips.csv").open()))
    assert [(row["id"], int(row["frames"]), int(row["class"])) for row in table] == rows
    assert all(CLASSES[int(row["class"])] == row["verb"] for row in table)
    assert {row["seed"] for row in table} == {"5"}
    assert checksum(root, "val") == result.checksum
    assert sorted(path.name for path in (root / "frames").iterdir()) == [video for video, _, _ in rows]


def test_frames_are_small_pictures(generated):
    root, _ = generated
    image = Image.open(io.BytesIO(frames_of(root, "200001")[0]))
    assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (96, 72))


def test_plan_of_the_benchmark():
    val = plan_videos("val", DEFAULT_SEEDS["val"], 560)
    assert np.bincount([video.label for video in val]).tolist() == [40] * 14
    assert sum(video.event.group in UNSEEN for video in val) == 280
    assert {video.event.frames for video in val} <= set(LENGTHS)
    train = plan_videos("train", DEFAULT_SEEDS["train"], 2800)
    assert {video.event.group for video in train} == set(SEEN)
    assert {video.event.frames for video in train} == set(LENGTHS)
    assert {video.event.pace for video in train} == {"steady", "stretch", "burst"}


def test_shapes_and_lengths_say_nothing_about_the_class():
    """A video and its partner share them, so that they are spread alike within each pair."""
    for forward, backward in zip(*[iter(plan_videos("train", 1, 200))] * 2, strict=True):
        assert forward.event is backward.event
        assert (forward.backward, backward.backward) == (False, True)


def test_an_interrupted_run_is_finished_without_drawing_anything_twice(generated, tmp_path):
    def stop(done, total):
        if done >= 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, "val", seed=5, videos=VIDEOS, progress=stop)
    with pytest.raises(SplitError, match="no val split of Temporal Shapes here"):
        read_list(tmp_path, "val")
    assert "not finished" not in (generated[0] / "README.md").read_text()
    with subprocess.Popen(["true"]) as ended:
        pass
    leftover = tmp_path / "frames" / f".200009.{socket.gethostname()}.{ended.pid}.1.tmp"
    leftover.mkdir()
    (leftover / "00099.jpg").write_bytes(b"half a pic")
    seen = []
    again = make(tmp_path, "val", seed=5, videos=VIDEOS, progress=lambda done, total: seen.append((done, total)))
    assert again.written == VIDEOS - 6
    assert again.checksum == generated[1].checksum
    assert seen[0] == (6, VIDEOS)
    assert seen[-1] == (VIDEOS, VIDEOS)
    assert not leftover.exists()


def test_one_video_of_a_pair_can_be_generated_again(generated, tmp_path):
    result = make(tmp_path, "val", seed=5, videos=4)
    for path in (tmp_path / "frames" / "200004").iterdir():
        path.unlink()
    (tmp_path / "frames" / "200004").rmdir()
    again = make(tmp_path, "val", seed=5, videos=4)
    assert (again.written, again.checksum) == (1, result.checksum)


def test_another_recipe_at_the_same_place_is_refused(generated):
    root, _ = generated
    with pytest.raises(RunConflictError, match=r"seed 5, videos 14, version 1, not seed 9, videos 14") as refused:
        make(root, "val", seed=9, videos=VIDEOS)
    assert "another directory" in str(refused.value)


def test_wrong_requests_are_known_errors(tmp_path):
    with pytest.raises(SplitError, match="no split 'test'"):
        make(tmp_path, "test")
    with pytest.raises(SplitError, match="not 0 videos"):
        make(tmp_path, "val", videos=0)


def test_the_card_tells_what_is_there(generated, tmp_path):
    root, result = generated
    card = (root / "README.md").read_text()
    assert f"| val | 5 | 14 | 1 | `{result.checksum}` |" in card
    assert "moving right / moving left" in card
    make(tmp_path, "val", seed=5, videos=2)
    make(tmp_path, "train", seed=5, videos=2)
    rows = [line for line in (tmp_path / "README.md").read_text().splitlines() if line.startswith(("| train", "| val"))]
    assert [row.split(" | ")[:3] for row in rows] == [["| train", "5", "2"], ["| val", "5", "2"]]


def test_the_card_that_ships_is_current():
    folder = shipped_manifests() / "shapes" / "data"
    recipe = json.loads((folder / "val_recipe.json").read_text())
    assert (folder / "README.md").read_text() == write_card([{"videos": recipe.get("clips"), **recipe}])


def test_a_changed_frame_changes_the_checksum(tmp_path):
    result = make(tmp_path, "val", seed=5, videos=2)
    frame = tmp_path / "frames" / "200002" / "00003.jpg"
    frame.write_bytes(frame.read_bytes()[:-1])
    assert checksum(tmp_path, "val") != result.checksum


def test_the_light_side_stays_light():
    check = "import sys, gsm_bench.shapes; raise SystemExit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0


def test_two_at_once_draw_each_video_once(generated, tmp_path):
    """The second waits for the first, says so, and finds everything there."""
    drawing, said, results = threading.Event(), threading.Event(), []

    def first():
        def progress(done, total):
            drawing.set()
            assert said.wait(PATIENCE_S)

        results.append(make(tmp_path, "val", seed=5, videos=VIDEOS, progress=progress))

    thread = threading.Thread(target=first)
    thread.start()
    assert drawing.wait(PATIENCE_S)
    second = make(tmp_path, "val", seed=5, videos=VIDEOS, waiting=said.set)
    thread.join()
    assert (results[0].written, second.written) == (VIDEOS, 0)
    assert results[0].checksum == second.checksum == generated[1].checksum
    assert not list(tmp_path.glob(".*"))


def test_a_killed_worker_is_one_error_and_finished_videos_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(making, "_write_event", partial(die_after, 2))
    with pytest.raises(WorkerError, match="a worker process was killed"):
        make(tmp_path, "val", seed=5, videos=VIDEOS, processes=2)
    monkeypatch.undo()
    again = make(tmp_path, "val", seed=5, videos=VIDEOS)
    assert 0 < again.written < VIDEOS
    assert not list(tmp_path.rglob(".*"))


def die_after(videos, frames_root, job):
    if len(list(frames_root.iterdir())) >= videos:
        os.kill(os.getpid(), signal.SIGKILL)
    return WRITE_EVENT(frames_root, job)


def test_workers_end_with_their_parent(tmp_path):
    code = f"from gsm_bench.shapes import make\nif __name__ == '__main__':\n    make({str(tmp_path)!r}, 'train', processes=2)\n"
    script = tmp_path / "script.py"
    script.write_text(code)
    parent = subprocess.Popen([sys.executable, script], env=os.environ | {"PYTHONPATH": str(ROOT)})
    until(lambda: list(tmp_path.glob("frames/*")), "the first video")
    workers = children(parent.pid)
    assert workers
    parent.kill()
    parent.wait()
    until(lambda: not any(map(running, workers)), "the end of the workers")
