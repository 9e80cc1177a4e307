"""A run is tied to what it read: another list, place or naming, or other frames, never slip into a score file unseen."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import zipfile

import h5py
import numpy as np
import pytest

from tests.conftest import edited_h5
from tests.waiting import PATIENCE_S

pytest.importorskip("torch")

from tests.cases.toy import (
    FRAMES,
    data_of,
    local,
    make_videos,
    noise,
    one_message,
    read_scores,
    save_weights,
    score_file,
    write_frames,
)

TOTALS = [6, 9, 14, 21, 12, 30]
SCORE = ("score", "--model", "toy_4f", "--quiet")


@pytest.fixture
def toys(workspace):
    save_weights(workspace)
    make_videos(workspace, TOTALS)
    return workspace


@pytest.fixture
def tied(toys, gsmbench):
    """Score, change something, and give the same command again: refused with both sides, or as a fresh run scores."""

    def check(change, *options, split="val", first=()):
        path = score_file(toys, split=split)
        begun = gsmbench(*SCORE, "--split", split, *options, *first)
        assert begun.status == 0, begun.err
        before = read_scores(path) if path.exists() else None
        change()
        assert gsmbench(*SCORE, "--split", split, *options, "--fresh", "--out", "fresh.h5").status in (0, 3)
        fresh = read_scores("fresh.h5")
        if before:
            assert not np.array_equal(before.action, fresh.action, equal_nan=True), "the change changes nothing"
        again = gsmbench(*SCORE, "--split", split, *options)
        if again.status == 1:
            said = one_message(again)
            assert "--fresh" in said
            if before:
                assert np.array_equal(read_scores(path).action, before.action, equal_nan=True)
            return said
        after = read_scores(path)
        assert np.array_equal(after.action, fresh.action, equal_nan=True), "old scores were kept in silence"
        return again.err

    return check


def set_list(workspace, totals, name="val.txt"):
    text = "".join(f"v{row} {n} {row % 5}\n" for row, n in enumerate(totals))
    (workspace.root / "data" / "toy" / name).write_text(text)


def frames_of(workspace, clip, place="frames"):
    return workspace.root / "data" / "toy" / place / clip


def extract_again(workspace, clips=range(6), totals=TOTALS, seed=7, place="frames"):
    for clip in clips:
        folder = frames_of(workspace, f"v{clip}", place)
        shutil.rmtree(folder, ignore_errors=True)
        write_frames(folder, noise(totals[clip], 1000 * seed + clip))


# What may change between two runs of one command.


@pytest.mark.parametrize("changed", [range(6), [0], [5], [2, 3]])
def test_frame_counts_of_the_list(toys, tied, changed):
    halved = [n // 2 if row in changed else n for row, n in enumerate(TOTALS)]
    set_list(toys, halved)
    said = tied(lambda: set_list(toys, TOTALS))
    row = next(iter(changed))
    assert f"{halved[row]}" in said and f"{TOTALS[row]}" in said, "both sides are shown"


def test_frame_counts_that_were_none(toys, tied):
    """A list without counts gets some."""
    data = data_of(toys)
    (data / "val.txt").write_text("".join(f"v{row}\n" for row in range(6)))
    tied(lambda: set_list(toys, [n // 2 for n in TOTALS]))


@pytest.mark.parametrize("clips", [range(6), [0], [5], [3]])
def test_frames_extracted_again(toys, tied, clips):
    tied(lambda: extract_again(toys, clips))


@pytest.mark.parametrize("clips", [range(6), [2]])
def test_frames_extracted_at_another_rate(workspace, toys, tied, clips):
    """A list without counts: other counts are found."""
    data = data_of(toys)
    (data / "bare.txt").write_text("".join(f"v{row}\n" for row in range(6)))
    tied(lambda: extract_again(toys, clips, [2 * n for n in TOTALS]), split="bare")


def test_more_frames_behind_the_listed_ones(toys, tied):
    """At twice the rate the first frames of a list are half of the video."""
    tied(lambda: extract_again(toys, totals=[2 * n for n in TOTALS]))


def test_frames_of_another_size(toys, tied):
    def larger():
        for row, n in enumerate(TOTALS):
            write_frames(frames_of(toys, f"v{row}"), noise(n, row, (30, 40)))

    tied(larger)


def test_frames_of_another_quality(toys, tied):
    def poorer():
        for row, n in enumerate(TOTALS):
            write_frames(frames_of(toys, f"v{row}"), noise(n, row), quality=40)

    tied(poorer)


def test_frames_of_two_clips_changed_over(toys, tied):
    def swap():
        frames_of(toys, "v0").rename(frames_of(toys, "x"))
        shutil.copytree(frames_of(toys, "v3"), frames_of(toys, "v0"))

    tied(swap)


def test_frames_renumbered(toys, tied):
    """The same pictures, one later: the first is gone, and there is a new last one."""

    def shift():
        for row, n in enumerate(TOTALS):
            folder = frames_of(toys, f"v{row}")
            for number in range(1, n):
                (folder / f"{number + 1:05d}.jpg").replace(folder / f"{number:05d}.jpg")
            write_frames(folder, noise(1, 50 + row), first=n)

    tied(shift)


def test_another_place_by_frames(toys, gsmbench):
    assert gsmbench(*SCORE).status == 0
    before = read_scores(score_file(toys))
    extract_again(toys, place="others")
    again = gsmbench(*SCORE, "--frames", "data/toy/others")
    assert gsmbench(*SCORE, "--frames", "data/toy/others", "--fresh", "--out", "fresh.h5").status == 0
    after, fresh = read_scores(score_file(toys)), read_scores("fresh.h5")
    assert not np.array_equal(before.action, fresh.action)
    if again.status == 1:
        assert "--fresh" in one_message(again)
        assert np.array_equal(after.action, before.action)
    else:
        assert np.array_equal(after.action, fresh.action), "scores of other frames were kept in silence"


def test_another_place_by_data(toys, gsmbench):
    assert gsmbench(*SCORE).status == 0
    before = read_scores(score_file(toys))
    shutil.copytree(toys.root / "data" / "toy", toys.root / "other")
    for row, n in enumerate(TOTALS):
        write_frames(toys.root / "other" / "frames" / f"v{row}", noise(n, 99 + row))
    again = gsmbench(*SCORE, "--data", "other")
    assert gsmbench(*SCORE, "--data", "other", "--fresh", "--out", "fresh.h5").status == 0
    after, fresh = read_scores(score_file(toys)), read_scores("fresh.h5")
    if again.status == 1:
        said = one_message(again)
        assert "--fresh" in said and "other" in said
        assert np.array_equal(after.action, before.action)
    else:
        assert np.array_equal(after.action, fresh.action)


NAMED = '[datasets.toy]\nlike = "toy"\nframe_pattern = "{{id}}/{name}_{{frame:05d}}.jpg"\n'


def test_another_frame_pattern(toys, tied):
    """Pictures and flow in one folder."""
    for row, n in enumerate(TOTALS):
        for at, kind in enumerate(("rgb", "flow")):
            write_frames(frames_of(toys, f"v{row}"), noise(n, 31 * at + row), name=kind + "_{:05d}.jpg")
    local(toys, NAMED.format(name="rgb"))
    tied(lambda: local(toys, NAMED.format(name="flow")))


def test_another_first_frame(toys, tied):
    for row in range(len(TOTALS)):
        write_frames(frames_of(toys, f"v{row}"), noise(1, 77 + row), first=0)
    local(toys, '[datasets.toy]\nlike = "toy"\nfirst_frame = 1\n')
    tied(lambda: local(toys, '[datasets.toy]\nlike = "toy"\nfirst_frame = 0\n'))


@pytest.mark.parametrize("form", ["zip", "tar", "h5"])
def test_another_archive_of_the_same_name(toys, tied, form):
    place = toys.root / "data" / "toy" / f"frames.{form}"

    def pack(seed):
        frames = {f"v{row}": [jpeg(picture) for picture in noise(n, 100 * seed + row)] for row, n in enumerate(TOTALS)}
        place.unlink(missing_ok=True)
        if form == "h5":
            with h5py.File(place, "w") as file:
                for clip, pictures in frames.items():
                    rows = file.create_dataset(clip, len(pictures), h5py.vlen_dtype(np.uint8))
                    for at, content in enumerate(pictures):
                        rows[at] = np.frombuffer(content, np.uint8)
            return
        made = toys.root / f"made{seed}"
        for clip, pictures in frames.items():
            (made / clip).mkdir(parents=True)
            for at, content in enumerate(pictures, start=1):
                (made / clip / f"{at:05d}.jpg").write_bytes(content)
        if form == "tar":
            with tarfile.open(place, "w") as archive:
                archive.add(made, "frames")
        else:
            with zipfile.ZipFile(place, "w") as archive:
                for path in sorted(made.rglob("*.jpg")):
                    archive.write(path, path.relative_to(made))

    shutil.rmtree(toys.root / "data" / "toy" / "frames")
    pack(1)
    tied(lambda: pack(2))


def jpeg(picture):
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(picture).save(out, "JPEG", quality=80)
    return out.getvalue()


def test_another_video_of_the_same_name(toys, tied):
    pytest.importorskip("av")
    place = toys.root / "data" / "toy" / "frames"
    shutil.rmtree(place)
    place.mkdir()
    shutil.copy(FRAMES / "v01_plain.mp4", place / "v0.mp4")
    (toys.root / "data" / "toy" / "bare.txt").write_text("v0\n")
    tied(lambda: shutil.copy(FRAMES / "title_cp1252.avi", place / "v0.mp4"), split="bare")


def test_videos_in_place_of_folders(toys, tied):
    pytest.importorskip("av")
    place = toys.root / "data" / "toy" / "frames"
    (toys.root / "data" / "toy" / "bare.txt").write_text("v0\n")

    def change():
        shutil.rmtree(place / "v0")
        shutil.copy(FRAMES / "v01_plain.mp4", place / "v0.mp4")

    tied(change, split="bare")


# Half of a run.


@pytest.fixture
def halves(workspace, gsmbench):
    """Twenty videos in two parts, of which one shard has scored the first."""
    save_weights(workspace)
    totals = [6 + row % 5 for row in range(20)]
    make_videos(workspace, totals)
    ran = gsmbench(*SCORE, "--shard", "1/2")
    assert ran.status == 0, ran.err
    assert not score_file(workspace).exists()
    return totals


def check_not_mixed(workspace, gsmbench, *options):
    again = gsmbench(*SCORE, *options)
    assert gsmbench(*SCORE, *options, "--fresh", "--out", "fresh.h5").status == 0
    if again.status == 1:
        said = one_message(again)
        assert "--fresh" in said
        assert not score_file(workspace).exists()
    else:
        fresh = read_scores("fresh.h5")
        assert np.array_equal(read_scores(score_file(workspace)).action, fresh.action), "half a file comes from each"


def test_half_a_run_and_another_list(workspace, halves, gsmbench):
    set_list(workspace, [n // 2 for n in halves])
    check_not_mixed(workspace, gsmbench)


def test_half_a_run_and_other_frames(workspace, halves, gsmbench):
    extract_again(workspace, range(20), halves)
    check_not_mixed(workspace, gsmbench)


def test_half_a_run_and_one_other_clip(workspace, halves, gsmbench):
    extract_again(workspace, [3], halves)
    check_not_mixed(workspace, gsmbench)


def test_half_a_run_and_another_place(workspace, halves, gsmbench):
    extract_again(workspace, range(20), halves, place="others")
    check_not_mixed(workspace, gsmbench, "--frames", "data/toy/others")


def test_half_a_run_and_changes_in_the_other_half_only(workspace, halves, gsmbench):
    extract_again(workspace, [18, 19], halves)
    check_not_mixed(workspace, gsmbench)


def test_half_a_run_is_finished_where_nothing_changed(workspace, halves, gsmbench):
    ran = gsmbench(*SCORE)
    assert ran.status == 0, ran.err
    assert gsmbench(*SCORE, "--fresh", "--out", "fresh.h5").status == 0
    assert np.array_equal(read_scores(score_file(workspace)).action, read_scores("fresh.h5").action)


# What may change without a change of scores.


def check_kept(workspace, gsmbench, *options):
    before = read_scores(score_file(workspace))
    ran = gsmbench(*SCORE, *options)
    assert ran.status == 0, ran.err
    assert ran.err.startswith("scored 0 clips") or "scored 0" in ran.err, ran.err
    assert np.array_equal(read_scores(score_file(workspace)).action, before.action)


def test_nothing_changed(toys, gsmbench):
    assert gsmbench(*SCORE).status == 0
    check_kept(toys, gsmbench)


def test_the_folder_moved(toys, gsmbench):
    assert gsmbench(*SCORE).status == 0
    (toys.root / "data" / "toy").rename(toys.root / "elsewhere")
    check_kept(toys, gsmbench, "--data", "elsewhere")


def test_the_frames_copied_with_new_times(toys, gsmbench):
    assert gsmbench(*SCORE).status == 0
    shutil.copytree(toys.root / "data" / "toy" / "frames", toys.root / "copied", copy_function=shutil.copyfile)
    check_kept(toys, gsmbench, "--frames", "copied")


def test_the_frames_packed(toys, gsmbench):
    """Bytes of pictures are copied, so that scores stay what they were."""
    assert gsmbench(*SCORE).status == 0
    assert gsmbench("pack", "data/toy/frames", "packed.h5", "--quiet").status == 0
    check_kept(toys, gsmbench, "--frames", "packed.h5")


def test_a_label_changed(toys, gsmbench):
    """Labels play no part in scoring."""
    assert gsmbench(*SCORE).status == 0
    (data_of(toys) / "val.txt").write_text("".join(f"v{row} {n} 4\n" for row, n in enumerate(TOTALS)))
    check_kept(toys, gsmbench)


def test_another_file_beside_the_frames(toys, gsmbench):
    assert gsmbench(*SCORE).status == 0
    (frames_of(toys, "v0") / ".DS_Store").write_bytes(b"x")
    (frames_of(toys, "v1") / "Thumbs.db").write_bytes(b"x")
    check_kept(toys, gsmbench)


def test_a_bad_clip_put_right_is_scored_alone(toys, gsmbench):
    """The clips that were scored are as they were: nothing is refused."""
    for frame in frames_of(toys, "v2").iterdir():
        frame.write_bytes(b"no picture")
    assert gsmbench(*SCORE).status == 3
    extract_again(toys, [2], seed=0)
    ran = gsmbench(*SCORE)
    assert ran.status == 0, ran.err
    assert "scored 1 " in ran.err


def test_a_wrong_count_of_a_bad_clip_put_right(toys, gsmbench):
    """More frames listed than there are: the clip was never scored."""
    set_list(toys, [7, *TOTALS[1:]])
    assert gsmbench(*SCORE).status == 3
    set_list(toys, TOTALS)
    ran = gsmbench(*SCORE)
    assert ran.status == 0, ran.err
    assert "scored 1 " in ran.err


def test_a_file_without_fingerprints_is_still_good(toys, gsmbench):
    """Score files from before: what they do tell, the counts, is compared."""
    assert gsmbench(*SCORE).status == 0
    forget_fingerprints(score_file(toys))
    check_kept(toys, gsmbench)


def test_counts_are_compared_without_fingerprints(toys, tied):
    set_list(toys, [n // 2 for n in TOTALS])

    def change():
        forget_fingerprints(score_file(toys))
        set_list(toys, TOTALS)

    tied(change)


def forget_fingerprints(path):
    known = {"video_ids", "clip_ids", "scores", "views", "status", "labels", "classes", "num_frames", "problems"}
    with edited_h5(path) as file:
        for name in [name for name in file if name not in known]:
            del file[name]
        said = json.loads(file.attrs["provenance"])
        file.attrs["provenance"] = json.dumps({key: value for key, value in said.items() if "fingerprint" not in key})


# The commands that put files side by side.


@pytest.fixture
def two(toys, gsmbench):
    """Two score files of one model; `change` lies between them."""

    def score(change):
        assert gsmbench(*SCORE, "--out", "one.h5").status == 0
        change()
        assert gsmbench(*SCORE, "--out", "two.h5").status == 0

    return score


CHANGES = {
    "counts": lambda toys: set_list(toys, [n // 2 for n in TOTALS]),
    "one count": lambda toys: set_list(toys, [*TOTALS[:5], 15]),
    "frames": extract_again,
    "one clip": lambda toys: extract_again(toys, [4]),
}


@pytest.mark.parametrize("what", list(CHANGES))
def test_compare_why_names_what_was_read(toys, two, gsmbench, what):
    two(lambda: CHANGES[what](toys))
    ran = gsmbench("compare", "one.h5", "two.h5", "--why")
    assert ran.status == 0, ran.err
    assert "No setting that could change" not in ran.out
    assert re.search("frames", ran.out.partition("Different settings")[2])


def test_compare_why_is_content_where_nothing_differs(two, gsmbench):
    two(lambda: None)
    ran = gsmbench("compare", "one.h5", "two.h5", "--why")
    assert "No setting that could change" in ran.out


@pytest.mark.parametrize("what", list(CHANGES))
def test_an_ensemble_of_other_frames_is_not_silent(toys, two, gsmbench, what):
    two(lambda: CHANGES[what](toys))
    ran = gsmbench("ensemble", "--members", "one.h5,two.h5")
    if ran.status == 1:
        one_message(ran)
    assert re.search(r"\bframes\b", ran.err + ran.out), "members that read other frames are fused in silence"


def test_an_ensemble_of_the_same_frames_says_nothing(two, gsmbench):
    two(lambda: None)
    ran = gsmbench("ensemble", "--members", "one.h5,two.h5")
    assert ran.status == 0, ran.err
    assert "other frames" not in ran.out + ran.err and not re.search("frames.*differ", ran.out + ran.err)


def test_evaluate_says_that_the_list_has_other_counts_now(toys, gsmbench):
    set_list(toys, [n // 2 for n in TOTALS])
    assert gsmbench(*SCORE).status == 0
    set_list(toys, TOTALS)
    ran = gsmbench("evaluate", score_file(toys))
    assert ran.status in (0, 1)
    assert re.search(r"\b6\b.*frames|frames.*\b6\b", ran.out + ran.err), (
        "all six clips have other counts in the list now"
    )


def test_evaluate_says_nothing_where_the_list_is_the_same(toys, gsmbench):
    assert gsmbench(*SCORE).status == 0
    ran = gsmbench("evaluate", score_file(toys))
    assert ran.status == 0
    assert ran.err == ""


# What a score file says of its making.


def test_provenance_has_command_host_and_commit(toys, gsmbench):
    assert gsmbench(*SCORE).status == 0
    said = read_scores(score_file(toys)).provenance
    assert "--model toy_4f" in " ".join(said["command_line"]) or "--model toy_4f" in str(said["command_line"])
    assert said["host"] == socket.gethostname()
    assert "code_commit" in said


def test_provenance_has_a_fingerprint_of_what_was_read(toys, gsmbench):
    fingerprints = []
    for change in (lambda: None, lambda: set_list(toys, [n // 2 for n in TOTALS]), lambda: extract_again(toys)):
        change()
        assert gsmbench(*SCORE, "--fresh").status == 0
        fingerprints.append(json.dumps(read_scores(score_file(toys)).provenance["fingerprint"]))
    assert len(set(fingerprints)) == 3


def test_an_ensemble_keeps_the_provenance_of_its_members(two, gsmbench):
    two(lambda: None)
    assert gsmbench("ensemble", "--members", "one.h5,two.h5", "--out", "both.h5").status == 0
    assert "fingerprint" in json.dumps(read_scores("both.h5").provenance)


# Processes and folders.

LOUD = """

class Loud(ToyNetwork):
    def forward(self, x):
        import os, pathlib, sys, time
        if os.environ.get("LOUD_PARENT") == str(os.getpid()):
            for _ in range(6000):  # until the child has taken a part in hand
                if pathlib.Path("child-at-work").exists():
                    break
                time.sleep(0.05)
        else:
            pathlib.Path("child-at-work").touch()
            sys.stderr.write("a library's warning\\n" * 20000)
            sys.stderr.flush()
        return super().forward(x)


def loud(entry):
    return Loud(entry.frames, entry.tasks["action"])
"""


def test_a_child_with_much_to_say_does_not_block_the_run(workspace):
    """Its messages fill a pipe that nobody empties until the run is whole."""
    from tests.conftest import TOY_NETWORK

    save_weights(workspace)
    make_videos(workspace, [4] * 64)
    (workspace.root / "loudnet.py").write_text(TOY_NETWORK + LOUD)
    local(workspace, '[models.loud]\nlike = "toy_4f"\nnetwork = "loudnet:loud"\n')
    start = "import os, sys; os.environ['LOUD_PARENT'] = str(os.getpid()); sys.argv[0] = 'gsmbench'; from gsm_bench.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", start, "score", "--model", "loud", "--quiet", "--device", "cpu,cpu", "--threads", "1"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        _, said = process.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.communicate()
        pytest.fail("the run hangs: the child waits for somebody to read its messages")
    assert process.returncode == 0, said[-2000:]
    found = read_scores(score_file(workspace, "loud"))
    assert found.status == [0] * 64


LISTED: list[str] = []
WATCHED: list[bool] = []


def watch(event, arguments):
    if WATCHED and event in ("os.scandir", "os.listdir") and arguments:
        LISTED.append(str(arguments[0]))


def test_the_folder_of_a_run_is_not_listed_for_every_batch(workspace, gsmbench, monkeypatch):
    from gsm_bench.scoring import model_run

    monkeypatch.setattr(model_run, "LOOK_EVERY_S", 1e9)  # a slow run looks more often
    save_weights(workspace)
    make_videos(workspace, [3] * 96)
    sys.addaudithook(watch)
    WATCHED.append(True)
    try:
        assert gsmbench(*SCORE).status == 0
    finally:
        WATCHED.clear()
    folder = [path for path in LISTED if path.endswith((".parts", ".chunks"))]
    assert 1 <= len(folder) <= 12, f"listed {len(folder)} times for 6 parts of 48 batches"


def test_a_large_run_looks_at_a_sample_with_both_ends():
    from gsm_bench.scoring.inputs import SAMPLED_VIDEOS, SMALL_RUN, _sample

    assert _sample(0).size == 0
    assert _sample(SMALL_RUN).tolist() == list(range(SMALL_RUN))
    rows = _sample(11_522)
    assert (len(set(rows.tolist())), rows[0], rows[-1]) == (SAMPLED_VIDEOS, 0, 11_521)
