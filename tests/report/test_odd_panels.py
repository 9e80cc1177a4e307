"""Playground, cascade and frames of odd workspaces: each report is written, and its figures are those of the library."""

import numpy as np
import pytest
from PIL import Image

from gsm_bench import Bench
from gsm_bench.report.sections import report_html


def report_of(workspace, *names, **options):
    content = Bench(workspace.root).report(*names, **options)
    assert report_html(content).startswith("<!doctype html>")
    return content.splits[0], content


def noisy(labels, seed, noise=1.0, classes=5):
    rng = np.random.default_rng(seed)
    return 3 * np.eye(classes)[labels][:, None] + rng.normal(0, noise, (len(labels), 2, classes))


@pytest.fixture
def pair(workspace, toy_labels, save_scores):
    for seed, name in enumerate(("a", "b")):
        save_scores(name, noisy(toy_labels, seed))
    return workspace


NAMES = ("scores/toy/val/a.h5", "scores/toy/val/b.h5", "scores/toy/val/a.h5,scores/toy/val/b.h5")


def write_frames(workspace, rows, count=None, name="{number:05d}.jpg", picture=None):
    lines = (workspace.data / "toy" / "val.txt").read_text().splitlines()
    for row in rows:
        video, frames, *_ = lines[row].split()
        folder = workspace.data / "toy" / "frames" / video
        folder.mkdir(parents=True)
        for number in range(1, int(count or frames) + 1):
            (picture or Image.new("RGB", (40, 30), (number, 9, 9))).save(folder / name.format(number=number))


def test_a_split_without_labels_has_frames_and_no_accuracy(workspace, save_scores):
    data = workspace.data / "toy"
    data.mkdir(parents=True)
    (data / "unlabelled.txt").write_text("".join(f"v{row} 5\n" for row in range(30)))
    for seed, name in enumerate(("a", "b")):
        scores = np.random.default_rng(seed).normal(size=(30, 2, 5))
        save_scores(name, scores, provenance={"split": "unlabelled"})
    for row in range(30):
        (data / "frames" / f"v{row}").mkdir(parents=True)
        for number in range(1, 6):
            Image.new("RGB", (40, 30)).save(data / "frames" / f"v{row}" / f"{number:05d}.jpg")
    split, _ = report_of(workspace, *NAMES[:2])
    assert split.cascades == split.playgrounds == ()
    assert 0 < len(split.frames.inside) < 30  # those on which the two disagree


def test_videos_without_scores_are_counted_like_the_library(workspace, toy_labels, save_scores):
    save_scores("a", noisy(toy_labels, 0))
    save_scores("b", noisy(toy_labels, 1), status=[0] * 50 + [2] * 10)
    split, _ = report_of(workspace, *NAMES)
    (playground,) = split.playgrounds
    assert {member.name: member.scored for member in playground.members} == {"a": 60, "b": 50}
    assert playground.saved[0].scored == 50
    (cascade,) = split.cascades
    assert (len(cascade.rows), cascade.result.left_out) == (50, 10)


def test_members_of_other_orders_are_matched_by_id(workspace, toy_labels, save_scores):
    order = np.random.default_rng(8).permutation(60)
    save_scores("a", noisy(toy_labels, 0))
    save_scores("b", noisy(toy_labels, 1)[order], ids=[f"v{row}" for row in order])
    split, _ = report_of(workspace, *NAMES)
    (playground,) = split.playgrounds
    labels = split.labels["action"]
    for member in playground.members:
        (layer,) = member.layers
        best = playground.codes[layer].argmin(axis=1)
        assert abs(int((best == labels).sum()) - member.hits[1]) <= 1


def test_masked_classes_and_chances_of_zero(workspace, toy_labels, save_scores):
    masked = noisy(toy_labels, 0)
    masked[:, :, 4] = -np.inf
    save_scores("a", masked)
    certain = np.eye(5)[toy_labels][:, None].repeat(2, 1)
    save_scores("b", certain, kind="probabilities")
    split, _ = report_of(workspace, *NAMES[:2])
    (playground,) = split.playgrounds
    assert set(playground.kinds) == {"logits", "probabilities"}
    (first,) = (member for member in playground.members if member.name == "a")
    assert (playground.codes[first.layers[0]][:, 4] == playground.levels - 1).all()


def test_a_file_of_the_first_videos_only(workspace, toy_labels, save_scores):
    save_scores("a", noisy(toy_labels, 0))
    save_scores("b", noisy(toy_labels, 1)[:12], ids=[f"v{row}" for row in range(12)], provenance={"limit": 12})
    split, _ = report_of(workspace, *NAMES[:2])
    (playground,) = split.playgrounds
    assert {member.name: member.scored for member in playground.members} == {"a": 60, "b": 12}


def test_a_single_video(workspace, save_scores):
    data = workspace.data / "toy"
    data.mkdir(parents=True)
    (data / "val.txt").write_text("v0 5 2\n")
    for seed, name in enumerate(("a", "b")):
        save_scores(name, np.random.default_rng(seed).normal(size=(1, 2, 5)))
    split, _ = report_of(workspace, *NAMES)
    assert [len(cascade.rows) for cascade in split.cascades] == [1]


def test_scores_of_unknown_sampling_show_no_frames(workspace, toy_labels, save_scores):
    for seed, name in enumerate(("a", "b")):
        save_scores(name, noisy(toy_labels, seed), provenance={"sampling": None})
    split, _ = report_of(workspace, *NAMES[:2])
    assert split.frames is None


def test_videos_shorter_than_a_clip_and_tall_pictures(pair):
    write_frames(pair, range(60), picture=Image.new("RGB", (7, 900), (90, 20, 20)))
    split, _ = report_of(pair, *NAMES)
    assert not split.frames.problems
    assert split.frames.inside


def test_a_list_without_numbers_of_frames(workspace, toy_labels, save_scores):
    lines = (workspace.data / "toy" / "val.txt").read_text().splitlines()
    for seed, name in enumerate(("a", "b")):
        save_scores(name, noisy(toy_labels, seed, 3))
    write_frames(workspace, range(60))
    bare = "".join(f"{line.split()[0]} {line.split()[2]}\n" for line in lines)
    (workspace.data / "toy" / "val.txt").write_text(bare)
    split, _ = report_of(workspace, *NAMES)
    lengths = [int(line.split()[1]) for line in lines]
    assert all(split.frames.num_frames[row] == lengths[row] for row in split.frames.inside)


def test_fewer_frames_than_listed_are_named(pair):
    write_frames(pair, range(60), count=2)
    split, _ = report_of(pair, *NAMES)
    assert any("has 2 frames" in problem for problem in split.frames.problems.values())


def test_a_page_with_an_odd_name_finds_its_folder(pair):
    write_frames(pair, range(60))
    out = pair.root / "a #1 50%.html"
    content = Bench(pair.root).report(*NAMES, out=out, thumbnails=2, all_clips=True)
    assert content.splits[0].frames.folder == "a%20%231%2050%25_frames/0"
    assert (pair.root / "a #1 50%_frames" / "0").is_dir()
    assert "img-src data: blob: &#39;self&#39; file:" in out.read_text()


def test_tasks_have_a_playground_each(workspace):
    from gsm_bench.scorefile import ClipScores, views_array, write

    rng = np.random.default_rng(1)
    for name in ("a", "b"):
        content = ClipScores(
            ids=tuple(f"v{row}" for row in range(20)), kinds={"verb": "logits", "noun": "logits"},
            classes_per_task={"verb": 4, "noun": 6}, views=views_array((0.5,), 1), status=np.zeros(20, np.uint8),
            provenance={"model": name},
            labels={"verb": rng.integers(0, 4, 20).astype(np.int32) * 0 + 1, "noun": np.full(20, 2, np.int32)},
            scores={task: rng.normal(size=(20, 1, size)).astype(np.float32) for task, size in (("verb", 4), ("noun", 6))},
        )  # fmt: skip
        write(workspace.score_path("own", "x", name), content)
    split, _ = report_of(workspace, "scores/own/x/a.h5", "scores/own/x/b.h5")
    assert {playground.task for playground in split.playgrounds} == {"verb", "noun"}
