import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open

from gsm_bench.errors import NetworkError, RunConflictError, SplitError
from gsm_bench.frames import preprocess, sample_indices
from gsm_bench.nets import build_network, load_checkpoint
from gsm_bench.nets.gate_shift import GateShift
from gsm_bench.shapes import CLASSES
from gsm_bench.train import TrainConfig, train
from gsm_bench.train.clips import centre_clip, load_split, random_clip, random_indices
from gsm_bench.train.recipe import INPUT, learning_rate
from gsm_bench.train.run import new_network, recipe_text, save, validate


@pytest.fixture
def config(data, tmp_path):
    return TrainConfig(data=data, out=tmp_path / "net.safetensors", frames=4, epochs=1, batch=4, threads=1)


def with_open_gates(network):
    """Gates that do something, as after a training."""
    torch.manual_seed(3)
    for module in network.modules():
        if isinstance(module, GateShift):
            torch.nn.init.normal_(module.conv3D.weight, std=0.3)
    return network.eval()


def with_fresh_statistics(network, clips):
    """Batch norms that fit these clips: signals of an untrained network die out otherwise."""
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.momentum = 1.0
    network.train()(clips)
    return network.eval()


def clips_and_reversals(data, frames):
    videos = load_split(data, "val").videos
    return torch.stack([centre_clip(video, frames, INPUT) for video in videos])


def test_learning_rate_rises_then_falls_along_a_cosine(config):
    rates = [learning_rate(config, step, 600) for step in range(600)]
    assert rates[0] == pytest.approx(0.01 / 101)
    assert max(rates) == rates[100] == 0.01
    assert rates[350] == pytest.approx(0.005)
    assert rates[-1] < 1e-6
    assert np.all(np.diff(rates[:101]) > 0)
    assert np.all(np.diff(rates[100:]) < 0)


def test_random_frames_come_one_from_each_part_and_reach_both_ends():
    rng = np.random.default_rng(0)
    taken = np.stack([random_indices(23, 8, rng) for _ in range(4000)])
    assert np.all(np.diff(taken) >= 0)
    assert (taken.min(), taken.max()) == (1, 23)
    for part in range(8):
        assert set(taken[:, part]) == set(24 - taken[:, 7 - part])
    counts = np.bincount(taken.ravel(), minlength=24)[1:]
    assert np.all(np.abs(counts / counts.mean() - 1) < 0.15)


def test_short_videos_repeat_frames():
    taken = random_indices(3, 8, np.random.default_rng(0))
    assert set(taken) == {1, 2, 3}


@pytest.mark.parametrize(
    ("name", "mirrored"), [("moving left", "moving right"), ("turning clockwise", "turning anticlockwise")]
)
def test_a_mirrored_sample_gets_the_mirrored_label(name, mirrored):
    video = np.zeros((20, 72, 96, 3), np.uint8)
    video[:, :, 48:] = 255
    sides = {}
    for seed in range(20):
        clip, label = random_clip(video, CLASSES.index(name), 4, INPUT, np.random.default_rng(seed))
        sides.setdefault(CLASSES[label], set()).add(bool(clip[..., -10:].mean() > clip[..., :10].mean()))
    assert sides == {name: {True}, mirrored: {False}}


def test_other_classes_keep_their_label_in_a_mirror():
    video = np.zeros((20, 72, 96, 3), np.uint8)
    labels = {random_clip(video, 0, 4, INPUT, np.random.default_rng(seed))[1] for seed in range(20)}
    assert labels == {0}


def test_training_samples_have_the_values_of_test_samples():
    video = np.full((20, 72, 96, 3), (10, 100, 200), np.uint8)
    clip, _ = random_clip(video, 0, 4, INPUT, np.random.default_rng(0))
    assert clip.shape == (4, 3, 64, 64)
    assert torch.allclose(clip, centre_clip(video, 4, INPUT), atol=1e-3)
    assert clip[0, :, 0, 0].tolist() == pytest.approx([200 - 104, 100 - 117, 10 - 128], abs=1e-3)


def test_test_samples_follow_the_released_rule(data):
    video = load_split(data, "val").videos[0]
    frames = video[sample_indices(len(video), 8)[0] - 1]
    assert torch.equal(centre_clip(video, 8, INPUT), preprocess(frames, INPUT))


@torch.no_grad()
def test_a_network_of_single_frames_cannot_tell_a_clip_from_its_reversal(config, data):
    clips = clips_and_reversals(data, 4)
    network = with_fresh_statistics(new_network(replace(config, temporal="none")), clips)
    logits = network(clips)
    assert torch.allclose(logits[::2], logits[1::2], atol=1e-4)
    assert logits[::2].std(0).min() > 0.01
    split = load_split(data, "val")
    assert validate(network, split, 4) == validate(network, split, 4, backwards=True)


@torch.no_grad()
def test_a_gate_shift_network_can_and_starts_as_one_that_cannot(config, data):
    clips = clips_and_reversals(data, 4)
    network = with_fresh_statistics(new_network(config), clips)
    logits = network(clips)
    assert torch.allclose(logits[::2], logits[1::2], atol=1e-4)
    logits = with_fresh_statistics(with_open_gates(network), clips)(clips)
    assert (logits[::2] - logits[1::2]).abs().mean() > 0.1 * logits.std()


def test_one_epoch_writes_weights_log_and_metadata(config):
    lines = []
    result = train(config, progress=lines.append)
    assert [json.loads(line) for line in result.log.read_text().splitlines()] == lines
    assert lines[0]["train_clips"] == 8
    assert lines[1]["epoch"] == 1
    assert lines[1]["loss"] > 0
    assert lines[-1]["top1"] == result.top1
    network = build_network("bninception", "gsm", 4, 14, width=0.25)
    said = load_checkpoint(network, result.checkpoint)
    assert (said["arch"], said["temporal"], said["frames"], said["epoch"]) == ("BNInception", "gsm", "4", "1")
    assert json.loads(said["recipe"])["learning_rate"] == 0.01
    assert validate(network, load_split(config.data, "val"), 4).top1 == result.top1
    gates = [module.conv3D.weight for module in network.modules() if isinstance(module, GateShift)]
    assert all(gate.abs().max() > 0 for gate in gates)


def test_the_same_configuration_gives_the_same_weights(config, tmp_path):
    first = train(config).checkpoint.read_bytes()
    assert train(replace(config, out=tmp_path / "again.safetensors")).checkpoint.read_bytes() == first
    assert train(replace(config, seed=2, force=True)).checkpoint.read_bytes() != first


def test_a_checkpoint_is_not_written_over(config):
    config.out.write_bytes(b"mine")
    with pytest.raises(RunConflictError, match="this checkpoint exists"):
        train(config)
    assert config.out.read_bytes() == b"mine"


def test_too_few_clips_for_a_batch_are_a_known_error(config):
    with pytest.raises(SplitError, match="8 videos, fewer than a batch of 16"):
        train(replace(config, batch=16))


def test_an_infinite_loss_stops_the_training(config):
    with pytest.raises(NetworkError, match="infinite in epoch 1"):
        train(replace(config, learning_rate=float("inf")))
    assert not config.out.exists()


def test_large_batch_norm_statistics_survive_the_half_precision_file(config):
    network = new_network(config)
    norm = network.base_model.conv1_7x7_s2_bn
    norm.running_var.fill_(1e6)
    save(network, config, validate(network, load_split(config.data, "val"), 4))
    with safe_open(str(config.out), framework="pt") as file:
        kinds = {key: file.get_tensor(key).dtype for key in file.keys()}  # noqa: SIM118
        assert file.get_tensor("base_model.conv1_7x7_s2_bn.running_var").min() == 1e6
    assert kinds["new_fc.weight"] == torch.float16
    assert config.out.stat().st_size < 1_600_000


def test_the_recipe_text_leaves_places_out(config):
    assert str(config.data) not in recipe_text(config)
    other = replace(config, data=config.data / "elsewhere", out=config.out / "elsewhere")
    assert recipe_text(config) == recipe_text(other)


@pytest.mark.parametrize(
    "settings, modules",
    [({}, 10), ({"gsm_blocks": 1}, 1), ({"gsm_blocks": 0}, 0), ({"gsm_branch": "all"}, 36), ({"temporal": "none"}, 0)],
)
def test_networks_of_the_ablations(config, settings, modules):
    network = new_network(replace(config, gate="tanh" if settings.get("temporal") == "none" else "sigmoid", **settings))
    assert sum(isinstance(module, GateShift) for module in network.modules()) == modules


def test_gate_options_of_the_command(data, tmp_path, gsmbench):
    recipe = ["train", "--data", data, "--out", tmp_path / "a.safetensors", "--frames", 4, "--epochs", 1, "--batch", 4]
    refused = gsmbench(*recipe, "--temporal", "none", "--gsm-blocks", 1)
    assert refused.status == 2
    assert "need --temporal gsm" in refused.err
    refused = gsmbench(*recipe, "--gsm-blocks", 11)
    assert (refused.status, "gsm_blocks is 0 to 10, not 11" in refused.err) == (1, True)
    assert gsmbench(*recipe, "--gate", "sigmoid", "--gsm-blocks", 5, "--gsm-branch", 3, "--threads", 1).status == 0
    with safe_open(tmp_path / "a.safetensors", "pt") as file:
        recipe = json.loads(file.metadata()["recipe"])
        assert sum("conv3D.weight" in key for key in file.keys()) == 5  # noqa: SIM118
    assert (recipe["gate"], recipe["gsm_blocks"], recipe["gsm_branch"]) == ("sigmoid", 5, "pool_proj")
