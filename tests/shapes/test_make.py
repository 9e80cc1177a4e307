import csv
import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from gsm_bench.errors import RunConflictError, SplitError
from gsm_bench.sampling import sample_indices
from gsm_bench.shapes import CLASSES, DEFAULT_SEEDS, checksum, make, plan_clips, read_list, reversed_class
from gsm_bench.shapes.events import LENGTHS, plan_event
from gsm_bench.shapes.textures import SEEN, UNSEEN

CLIPS = 14


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("shapes")
    return root, make(root, "val", seed=5, clips=CLIPS)


def frames_of(root, clip):
    return [path.read_bytes() for path in sorted((root / "frames" / clip).iterdir())]


def test_same_seed_same_bytes_for_any_number_of_processes(made, tmp_path):
    root, result = made
    assert make(tmp_path, "val", seed=5, clips=CLIPS, processes=2).checksum == result.checksum
    for name in ("val_videofolder.txt", "val_clips.csv", "category.txt", "README.md", "val_recipe.json"):
        assert (tmp_path / name).read_bytes() == (root / name).read_bytes()


def test_another_seed_or_split_draws_other_clips(made, tmp_path):
    _, result = made
    assert make(tmp_path / "seed", "val", seed=6, clips=CLIPS).checksum != result.checksum
    assert plan_event("train", 5, 0) != plan_event("val", 5, 0)
    train = make(tmp_path / "split", "train", seed=5, clips=2)
    assert frames_of(tmp_path / "split", "100001")[0] != frames_of(made[0], "200001")[0]
    assert train.written == 2


def test_a_clip_does_not_depend_on_how_many_are_made(made, tmp_path):
    make(tmp_path, "val", seed=5, clips=3)
    assert frames_of(tmp_path, "200003") == frames_of(made[0], "200003")


def test_partners_hold_the_same_frames_in_reverse_order(made):
    root, _ = made
    rows = read_list(root, "val")
    for (forward, n, label), (backward, m, partner) in zip(rows[::2], rows[1::2], strict=True):
        assert n == m
        assert partner == reversed_class(label)
        assert frames_of(root, forward) == frames_of(root, backward)[::-1]
        assert frames_of(root, forward) != frames_of(root, backward)


@pytest.mark.parametrize("frames", [8, 12, 16, 24])
@pytest.mark.parametrize("length", LENGTHS)
def test_the_test_rule_takes_the_same_frames_from_a_clip_and_its_reversal(length, frames):
    taken = sample_indices(length, frames)[0]
    assert np.array_equal(length + 1 - taken[::-1], taken)


def test_the_reason_for_the_left_out_lengths():
    taken = sample_indices(16, 8)[0]
    assert not np.array_equal(17 - taken[::-1], taken)


def test_lists_files_and_table_agree(made):
    root, result = made
    rows = read_list(root, "val")
    assert [len(frames_of(root, clip)) for clip, _, _ in rows] == [frames for _, frames, _ in rows]
    assert sorted(label for _, _, label in rows) == list(range(14))
    assert (root / "category.txt").read_text().split("\n") == [*CLASSES, ""]
    table = list(csv.DictReader((root / "val_clips.csv").open()))
    assert [(row["id"], int(row["frames"]), int(row["class"])) for row in table] == rows
    assert all(CLASSES[int(row["class"])] == row["verb"] for row in table)
    assert {row["seed"] for row in table} == {"5"}
    assert checksum(root, "val") == result.checksum
    assert sorted(path.name for path in (root / "frames").iterdir()) == [clip for clip, _, _ in rows]


def test_frames_are_small_pictures(made):
    root, _ = made
    image = Image.open(io.BytesIO(frames_of(root, "200001")[0]))
    assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (96, 72))


def test_plan_of_the_benchmark():
    val = plan_clips("val", DEFAULT_SEEDS["val"], 560)
    assert np.bincount([clip.label for clip in val]).tolist() == [40] * 14
    assert sum(clip.event.group in UNSEEN for clip in val) == 280
    assert {clip.event.frames for clip in val} <= set(LENGTHS)
    train = plan_clips("train", DEFAULT_SEEDS["train"], 2800)
    assert {clip.event.group for clip in train} == set(SEEN)
    assert {clip.event.frames for clip in train} == set(LENGTHS)
    assert {clip.event.pace for clip in train} == {"steady", "stretch", "burst"}


def test_shapes_and_lengths_say_nothing_about_the_class():
    """A clip and its partner share them, so that they are spread alike within each pair."""
    for forward, backward in zip(*[iter(plan_clips("train", 1, 200))] * 2, strict=True):
        assert forward.event is backward.event
        assert (forward.backward, backward.backward) == (False, True)


def test_an_interrupted_run_is_finished_without_drawing_anything_twice(made, tmp_path):
    def stop(done, total):
        if done >= 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, "val", seed=5, clips=CLIPS, progress=stop)
    with pytest.raises(SplitError, match="has not been made"):
        read_list(tmp_path, "val")
    assert "not finished" not in (made[0] / "README.md").read_text()
    leftover = tmp_path / "frames" / ".200009.part"
    leftover.mkdir()
    (leftover / "00099.jpg").write_bytes(b"half a pic")
    seen = []
    again = make(tmp_path, "val", seed=5, clips=CLIPS, progress=lambda done, total: seen.append((done, total)))
    assert again.written == CLIPS - 6
    assert again.checksum == made[1].checksum
    assert seen[0] == (6, CLIPS)
    assert seen[-1] == (CLIPS, CLIPS)
    assert not leftover.exists()


def test_one_clip_of_a_pair_can_be_made_again(made, tmp_path):
    result = make(tmp_path, "val", seed=5, clips=4)
    for path in (tmp_path / "frames" / "200004").iterdir():
        path.unlink()
    (tmp_path / "frames" / "200004").rmdir()
    again = make(tmp_path, "val", seed=5, clips=4)
    assert (again.written, again.checksum) == (1, result.checksum)


def test_another_recipe_at_the_same_place_is_refused(made):
    root, _ = made
    with pytest.raises(RunConflictError, match=r"seed 5, clips 14, version 1, not seed 9, clips 14") as refused:
        make(root, "val", seed=9, clips=CLIPS)
    assert "another directory" in str(refused.value)


def test_wrong_requests_are_known_errors(tmp_path):
    with pytest.raises(SplitError, match="no split 'test'"):
        make(tmp_path, "test")
    with pytest.raises(SplitError, match="not 0 clips"):
        make(tmp_path, "val", clips=0)


def test_the_card_tells_what_is_there(made, tmp_path):
    root, result = made
    card = (root / "README.md").read_text()
    assert f"| val | 5 | 14 | 1 | `{result.checksum}` |" in card
    assert "moving right / moving left" in card
    make(tmp_path, "val", seed=5, clips=2)
    make(tmp_path, "train", seed=5, clips=2)
    rows = [line for line in (tmp_path / "README.md").read_text().splitlines() if line.startswith(("| train", "| val"))]
    assert [row.split(" | ")[:3] for row in rows] == [["| train", "5", "2"], ["| val", "5", "2"]]


def test_a_changed_frame_changes_the_checksum(tmp_path):
    result = make(tmp_path, "val", seed=5, clips=2)
    frame = tmp_path / "frames" / "200002" / "00003.jpg"
    frame.write_bytes(frame.read_bytes()[:-1])
    assert checksum(tmp_path, "val") != result.checksum


def test_the_light_side_stays_light():
    check = "import sys, gsm_bench.shapes; raise SystemExit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0
