"""Faults of a model are found by trying; the labels are what a sound run of the toy network says."""

import tomllib
from dataclasses import replace

import numpy as np
import pytest

from gsm_bench.scorefile import read
from gsm_bench.workspace import Workspace
from tests.cases.toy import data_of, local, save_weights, score_file, write_frames
from tests.conftest import TOY_MANIFEST, TOY_NETWORK, trust

VIDEOS = 120


def pictures(seed):
    """Frames of one video: ramps of random colours that change over time, uint8 [n, 24, 32, 3]."""
    rng = np.random.default_rng(seed)
    total = int(rng.integers(11, 16))
    start, end, slope = rng.integers(0, 255, (3, 3))
    time = np.linspace(0, 1, total)[:, None, None, None]
    across = np.linspace(-0.5, 0.5, 32)[None, None, :, None]
    values = start * (1 - time) + end * time + slope * across
    return np.broadcast_to(values, (total, 24, 32, 3)).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder with frames, and labels by id from a sound run."""
    from gsm_bench.cli import main

    root = tmp_path_factory.mktemp("world")
    (root / "manifests").mkdir()
    (root / "manifests" / "toy.toml").write_text(TOY_MANIFEST)
    (root / "toynet.py").write_text(TOY_NETWORK)
    workspace = Workspace.locate(root)
    save_weights(workspace)
    trust(workspace)
    data = data_of(workspace)
    counts = []
    for row in range(VIDEOS):
        frames = pictures(row)
        write_frames(data / "frames" / f"v{row}", frames, name="{:05d}.jpg")
        counts.append(len(frames))
    (data / "val.txt").write_text("".join(f"v{row} {count} 0\n" for row, count in enumerate(counts)))
    with pytest.raises(SystemExit):
        main(["--workspace", str(root), "score", "--model", "toy_4f", "--clips", "1", "--quiet"])
    logits = read(score_file(workspace)).scores["action"][:, 0]
    labels = (logits - logits.mean(axis=0)).argmax(axis=1)
    return root, logits.mean(axis=0), labels, counts


@pytest.fixture
def planted(world, workspace):
    """Write the data set and weights that are sound, apart from what is given; a function."""
    import torch
    from safetensors.torch import load_file, save_file

    root, means, labels, counts = world

    def plant(entry="", change=lambda frames: frames, relabel=lambda labels: labels, counted=lambda count: count):
        data = data_of(workspace)
        for row in range(VIDEOS):
            place = data / "frames" / f"v{row}"
            place.parent.mkdir(exist_ok=True)
            source = root / "data" / "toy" / "frames" / f"v{row}"
            order = change(np.arange(1, counts[row] + 1))
            place.mkdir(exist_ok=True)
            for number, original in enumerate(order, start=1):
                (place / f"{number:05d}.jpg").symlink_to(source / f"{original:05d}.jpg")
        rows = zip(counts, relabel(labels), strict=True)
        lines = [f"v{row} {counted(count)} {label}" for row, (count, label) in enumerate(rows)]
        (data / "val.txt").write_text("\n".join(lines) + "\n")
        weights = load_file(root / "checkpoints" / "toy.safetensors")
        weights["fc.bias"] = weights["fc.bias"] - torch.from_numpy(means)
        (workspace.root / "checkpoints").mkdir(exist_ok=True)
        save_file(weights, workspace.root / "checkpoints" / "toy.safetensors")
        if entry:
            start = TOY_MANIFEST.index("[models.toy_4f]")
            own = TOY_MANIFEST[start : TOY_MANIFEST.index("[models.toy_bninc]")]
            local(workspace, own.replace(*entry))

    return plant


def diagnosed(workspace, **options):
    import gsm_bench as gb

    return gb.Bench(workspace.root).diagnose("toy_4f", device="cpu", threads=2, **options)


def test_a_sound_model_has_no_fault_and_the_scores_of_score(planted, workspace):
    planted()
    result = diagnosed(workspace)
    assert result.diagnosis.before == 1  # the labels came from `score`: every pixel is the same
    assert result.causes == []
    assert "No fault found" in str(result)


ENTRIES = {
    "channel_order": ('channel_order = "BGR"', 'channel_order = "RGB"'),
    "value_range": ("value_range = 255", "value_range = 1"),
    "mean": ("mean = [104, 117, 128]", "mean = [0, 0, 0]"),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_a_wrong_key_is_named_with_the_line_that_corrects_it(planted, workspace, name):
    planted(entry=ENTRIES[name])
    result = diagnosed(workspace)
    assert result.causes == [name]
    assert result.diagnosis.after > 0.95
    document = tomllib.loads(result.toml)["models"]["toy_4f"]
    sound = tomllib.loads(TOY_MANIFEST)["models"]["toy_4f"]
    assert {**document["input"], "mean": [float(x) for x in document["input"]["mean"]]} == {
        **sound["input"], "mean": [float(x) for x in sound["input"]["mean"]], "interpolation": "bilinear",
    }  # fmt: skip


def test_backwards_frames_and_a_label_off_by_one(planted, workspace):
    planted(change=lambda frames: frames[::-1], relabel=lambda labels: (labels + 1) % 5)
    result = diagnosed(workspace)
    assert set(result.causes) == {"order", "labels"}
    assert result.toml == ""
    assert "--frame-order reversed" in str(result)


def test_frames_renumbered_in_text_order(planted, workspace):
    planted(change=lambda frames: sorted(frames.tolist(), key=str))
    assert diagnosed(workspace).causes == ["numbering"]


def test_mirrored_frames_are_shown_as_they_were_before(tmp_path):
    """The crop of a mirrored frame is not the mirror of the crop where the margin is odd."""
    from gsm_bench.geometry import InputSpec
    from gsm_bench.trust.diagnose_frames import FrameStore, squares
    from gsm_bench.trust.diagnose_settings import Trial

    frame = np.random.default_rng(0).integers(0, 255, (20, 25, 3), np.uint8)
    base = Trial.of_entry(InputSpec(16, 20, "RGB", 255, (0, 0, 0), (1, 1, 1)), 4)
    assert not np.array_equal(squares(frame, base), squares(frame[:, ::-1], base)[:, ::-1])
    store = FrameStore.__new__(FrameStore)
    store._frames = [dict.fromkeys(range(1, 5), frame[:, ::-1])]
    store._counts = [(4, 4)]
    store.videos = [type("Video", (), {"id": "v"})()]
    (shown,) = store.clips([0], replace(base, flip=True)).numpy()
    assert all(np.array_equal(picture, squares(frame, base)) for picture in shown)


def test_stretched_frames_stay_stretched():
    """A diagnosis starts from the entry's own input; another resize is one that keeps the shape."""
    from dataclasses import replace

    from gsm_bench.frames.transform import preprocess
    from gsm_bench.geometry import InputSpec
    from gsm_bench.trust.diagnose_fixes import input_toml
    from gsm_bench.trust.diagnose_frames import squares
    from gsm_bench.trust.diagnose_settings import Trial

    frame = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    spec = InputSpec(16, 20, "RGB", 255, (0, 0, 0), (1, 1, 1), stretch=(20, 24))
    base = Trial.of_entry(spec, 4)
    assert base.spec == spec
    assert np.array_equal(squares(frame, base), preprocess(frame[None], spec)[0].permute(1, 2, 0).numpy())
    assert replace(base, resize=18).spec == replace(spec, resize=18, stretch=None)
    assert input_toml(spec).endswith("stretch = [20, 24] }")
    assert "stretch" not in input_toml(replace(spec, stretch=None))


def test_half_of_the_frames_listed(planted, workspace):
    planted(counted=lambda count: count // 2)
    result = diagnosed(workspace)
    assert result.causes == ["counts"]
    assert f"{VIDEOS} of {VIDEOS} videos have more frames than their list says" in str(result)


def test_labels_of_the_row_above(planted, workspace):
    planted(relabel=lambda labels: np.roll(labels, 1))
    assert diagnosed(workspace).diagnosis.causes[0].after == "labels 1 row below theirs"


def test_json_has_everything_that_was_tried(planted, workspace, gsmbench):
    import json

    planted(entry=ENTRIES["value_range"])
    ran = gsmbench("diagnose", "--model", "toy_4f", "--videos", "60", "--format", "json", "--quiet", "--device", "cpu")
    assert ran.status == 0 and ran.err == ""
    document = json.loads(ran.out)
    assert document["rows"][0]["name"] == "value_range"
    assert len(document["tables"]["tried"]["rows"]) > 30


def test_unreadable_videos_are_left_out_and_named(planted, workspace):
    planted()
    (workspace.root / "data/toy/frames/v3/00001.jpg").unlink()
    (workspace.root / "data/toy/frames/v3/00001.jpg").write_bytes(b"no picture")
    result = diagnosed(workspace)
    assert result.diagnosis.videos == VIDEOS - 1
    assert "1 videos cannot be read and are left out, first 'v3'" in str(result)


def test_the_same_seed_gives_the_same_diagnosis(planted, workspace):
    planted()
    first, second = (diagnosed(workspace, videos=40, seed=3) for _ in range(2))
    assert first.rows == second.rows and first.table("tried").rows == second.table("tried").rows


def test_a_probe_shows_that_the_toy_network_uses_order(planted, workspace, gsmbench):
    planted()
    ran = gsmbench("probe", "--model", "toy_4f", "--quiet", "--device", "cpu")
    assert ran.status == 0
    assert "The order of frames changes its scores" in ran.out
    assert "49.01" in ran.out and "15.38" in ran.out
    forward = next(line for line in ran.out.splitlines() if line.strip().startswith("Forward"))
    assert "100.00" in forward


def test_clips_of_the_entrys_own_rule(planted, workspace):
    """A rule without ticks shows the middle one of its clips, in diagnose and in probe; some rules need two."""
    import gsm_bench as gb
    from gsm_bench.sampling_rules import Sampling, clip_indices
    from gsm_bench.trust.diagnose_fixes import toml_fix
    from gsm_bench.trust.diagnose_frames import sampled
    from gsm_bench.trust.diagnose_setup import Trial

    planted(entry=("frames = 4\n", 'frames = 4\nsampling = { rule = "videomae", stride = 2 }\n'))
    bench = gb.Bench(workspace.root)
    probe = bench.probe("toy_4f", videos=12, device="cpu", threads=2)
    assert [row.name for row in probe.probe.conditions][:2] == ["forward", "reversed"]
    entry = bench.manifest.model("toy_4f")
    base = Trial.of_entry(entry.input, 4, entry.sampling, entry.clips)
    expected = clip_indices(Sampling("videomae", 2), 30, 4, 2)
    assert sampled(30, base).tolist() == expected[1].tolist()
    assert sampled(60, replace(base, rule="first half")).tolist() == expected[1].tolist()
    assert 'sampling = { rule = "ticks" }' in toml_fix(entry, base, replace(base, rule="middle of ticks"))


def after_build(workspace, change):
    """The toy network with a change of what it takes or returns."""
    path = workspace.root / "toynet.py"
    path.write_text(
        f"{TOY_NETWORK}\nsound = build\ndef build(entry):\n    network = sound(entry)\n    {change}\n    return network\n"
    )
    trust(workspace)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("network.register_forward_pre_hook(lambda *_: 1 / 0)", "the network refuses clips [4, 4, 3, 32, 32]: ZeroDivisionError"),
        ("network.register_forward_hook(lambda *a: a[2] * float('nan'))", "returns NaN or inf for 4 of 4 videos"),
    ],
)  # fmt: skip
def test_a_probe_of_a_network_that_fails_is_one_error(planted, workspace, gsmbench, change, words):
    planted()
    after_build(workspace, change)
    ran = gsmbench("probe", "--model", "toy_4f", "--videos", "4", "--quiet", "--device", "cpu")
    assert (ran.status, words in ran.err) == (1, True), ran.err


def test_a_probe_says_when_it_can_tell_nothing(planted, workspace):
    import gsm_bench as gb

    planted()
    rows = data_of(workspace) / "val.txt"
    listed = rows.read_text()
    rows.write_text("".join(f"{line.split()[0]} 1 {line.split()[2]}\n" for line in listed.splitlines()))
    bench = gb.Bench(workspace.root)
    one_frame = bench.probe("toy_4f", videos=4, device="cpu", threads=2)
    assert "cannot be seen on these videos" in str(one_frame) and "as for TSN" not in str(one_frame)
    rows.write_text(listed)
    after_build(workspace, "network.register_forward_hook(lambda *a: a[2] * 0)")
    constant = bench.probe("toy_4f", videos=4, device="cpu", threads=2)
    assert "Its scores do not depend on the frames" in str(constant) and "as for TSN" not in str(constant)
