"""The released recipe's rules against the fixtures that the released code made (tests/reference/training)."""

import hashlib
import json
import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from gsm_bench.nets import build_network
from gsm_bench.nets.gate_shift import GateShift, interleave
from gsm_bench.train.augment import (
    crop_offsets,
    crop_picture,
    crop_sizes,
    is_mirrored,
    mirrored_label,
    released_indices,
    segment_starts,
)
from gsm_bench.train.schedule import released_rate
from gsm_bench.train.steps import StepMaker, StepRule, released_optimiser, set_to_train, start_values
from tests.conftest import REFERENCE, reference_module

FOLDER = REFERENCE / "training"
AUGMENT = json.loads((FOLDER / "augment.json").read_text())
INIT = json.loads((FOLDER / "init.json").read_text())
SCHEDULE = json.loads((FOLDER / "schedule.json").read_text())
RATES = {
    key: value["rate_in_epoch"] for key, value in SCHEDULE["rates"].items() if "warmup" in key and "error" not in value
}


@pytest.mark.parametrize("name", RATES)
def test_rates(name):
    epochs, _, _, warmup, _, highest = name.split("_")
    rates = [
        released_rate(epoch, highest=float(highest), warmup=int(warmup), epochs=int(epochs))
        for epoch in range(int(epochs))
    ]
    np.testing.assert_allclose(rates, RATES[name], rtol=1e-12, atol=0)
    last = released_rate(int(epochs), highest=float(highest), warmup=int(warmup), epochs=int(epochs))
    written = SCHEDULE["rates"][name]["rate_written_into_the_last_checkpoint"]
    assert last == pytest.approx(written, rel=1e-6)


@pytest.mark.parametrize(("warmup", "epochs"), [(5, 5), (10, 3), (-1, 3)])
def test_a_warmup_as_long_as_the_training_is_refused(warmup, epochs):
    with pytest.raises(ValueError, match="shorter than the training"):
        released_rate(0, highest=0.01, warmup=warmup, epochs=epochs)


@pytest.mark.parametrize("name", AUGMENT["crops"])
def test_crops(name):
    picture, _, size = name.partition(" to ")
    width, height = map(int, picture.split("x"))
    record, sizes = AUGMENT["crops"][name], crop_sizes(width, height, int(size))
    assert [list(pair) for pair in sizes] == record["pairs_in_order_w_h"]
    for crop, offsets in record["offsets_x_y_per_crop"].items():
        across, down = map(int, crop.split("x"))
        assert [list(place) for place in crop_offsets(width, height, (across, down))] == offsets


@pytest.mark.parametrize("name", AUGMENT["pixels"]["cases"])
def test_pixels(name):
    picture, _, size = name.partition(" to ")
    width, height = map(int, picture.split("x"))
    image = Image.fromarray(reference_module("images").frame(width, height))
    for case in AUGMENT["pixels"]["cases"][name]:
        crop = crop_sizes(width, height, int(size))[case["pair"]]
        pixels = crop_picture(image, crop, crop_offsets(width, height, crop)[case["offset"]], int(size))
        bgr = np.ascontiguousarray(pixels[..., ::-1].transpose(2, 0, 1))
        mean = (bgr - np.array([104.0, 117.0, 128.0]).reshape(3, 1, 1)).mean((1, 2))
        np.testing.assert_allclose(mean, case["mean_per_channel_after_normalising"], atol=0.05)
        if Image.__version__ == AUGMENT["pixels"]["pillow"]:
            assert hashlib.sha256(bgr.tobytes()).hexdigest() == case["sha256_of_uint8_bgr_chw"]


def test_a_crop_beyond_the_picture_is_black_there():
    white = Image.fromarray(np.full((222, 222, 3), 255, dtype=np.uint8))
    crop = crop_sizes(222, 222, 224)[0]
    assert crop == (224, 224)
    place = crop_offsets(222, 222, crop)[4]
    assert place == (-2, -2)
    pixels = crop_picture(white, crop, place, 224)
    assert pixels[:2].max() == pixels[:, :2].max() == 0
    assert pixels[2:, 2:].min() == 255


@pytest.mark.parametrize("name", AUGMENT["sampling"]["cases"])
def test_frames(name):
    frames, num_frames = (int(part[1:]) for part in name.split())
    record = AUGMENT["sampling"]["cases"][name]
    starts, length = segment_starts(num_frames, frames)
    lowest = released_indices(num_frames, frames, np.zeros(frames))
    highest = released_indices(num_frames, frames, np.full(frames, np.nextafter(1, 0)))
    if record["rule"] == "all frame 1":
        assert set(highest) == {1}
        return
    assert lowest.tolist() == record["lowest"]
    assert highest.tolist() == record["highest"]
    seen = {int(first) + place for first in starts for place in range(length)}
    assert sorted(set(range(1, num_frames + 1)) - seen) == record["frames_never_seen_in_training"]


@pytest.mark.parametrize("arguments", [(0, 8), (8, 0)])
def test_frames_of_nothing_are_refused(arguments):
    with pytest.raises(ValueError, match="cannot sample"):
        segment_starts(*arguments)


@pytest.mark.parametrize("draw", AUGMENT["flip"]["cases"])
def test_mirroring(draw):
    assert is_mirrored(float(draw)) == AUGMENT["flip"]["cases"][draw]["mirrored"]


def test_labels_of_mirrored_clips():
    swaps = {int(a): b for a, b in AUGMENT["flip"]["labels_when_mirrored_something_v1"].items()}
    assert [mirrored_label(label, "something-v1") for label in range(174)] == [swaps.get(at, at) for at in range(174)]
    assert [mirrored_label(label, "diving48") for label in range(174)] == list(range(174))


@pytest.mark.parametrize("name", SCHEDULE["coverage"])
def test_which_tensors_are_trained(name):
    record = SCHEDULE["coverage"][name]
    kind, family = name.split(" ")[0].split("-")
    network = build_network(family.lower(), "gsm" if kind == "GSM" else "none")
    set_to_train(network, full_batch_norm="full BN" in name)
    held = {parameter for group in released_optimiser(network, rate=0.01).param_groups for parameter in group["params"]}
    parameters = list(network.parameters())
    assert len(parameters) == record["parameter_tensors"]
    assert len(parameters) - len(held) == record["in_no_group"]
    left_out = [parameter for parameter in parameters if parameter not in held]
    assert sum(parameter.requires_grad for parameter in left_out) == record["in_no_group_but_still_requires_grad"]
    assert sum(not parameter.requires_grad for parameter in parameters) == record["requires_grad_false"]
    for form in ("BatchNorm2d", "BatchNorm3d"):
        norms = [module for module in network.modules() if type(module).__name__ == form]
        assert len(norms) == record[form]
        assert sum(norm.training for norm in norms) == record[f"{form}_in_train_mode"]


def test_every_tensor_has_one_rate_and_one_decay():
    network = build_network("bninception", "gsm", width=0.25)
    optimiser = released_optimiser(network, rate=0.01)
    before = [parameter.detach().clone() for parameter in network.parameters()]
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimiser.step()
    for old, new in zip(before, network.parameters(), strict=True):
        torch.testing.assert_close(new.detach(), old - 0.01 * (1 + 5e-4 * old), rtol=1e-6, atol=1e-8)


def test_start_values():
    network = build_network("bninception", "gsm", width=0.25)
    for module in network.modules():
        if isinstance(module, GateShift):
            nn.init.normal_(module.conv3D.weight)
    start_values(network, 5)
    weight = network.new_fc.weight
    assert float(weight.detach().std()) == pytest.approx(
        INIT["networks"]["GSM-BNInception"]["new_fc.weight"]["std_measured"], rel=0.02
    )
    assert not network.new_fc.bias.detach().any()
    gates = [module for module in network.modules() if isinstance(module, GateShift)]
    assert len(gates) == 10
    for gate in gates:
        assert not any(parameter.detach().any() for parameter in gate.conv3D.parameters())
        norm = [gate.bn.weight, gate.bn.bias, gate.bn.running_mean, gate.bn.running_var]
        assert [float(tensor.detach().mean()) for tensor in norm] == [1, 0, 0, 1]
    again = build_network("bninception", "gsm", width=0.25)
    start_values(again, 5)
    assert torch.equal(again.new_fc.weight, weight)
    start_values(again, 6)
    assert not torch.equal(again.new_fc.weight, weight)


def test_start_values_of_three_heads():
    network = build_network("bninception", classes={"verb": 3, "noun": 4, "action": 5}, width=0.25)
    start_values(network, 1)
    assert float(network.new_fc.verb_from_action.weight.detach().abs().max()) < 0.01
    assert not network.new_fc.noun.bias.detach().any()


@pytest.mark.parametrize("channels", [64, 128, 192, 352])
def test_a_zero_gate_interleaves_and_mixes_no_frames(channels):
    gate = GateShift(channels, 2).eval()
    x = torch.randn(2, channels, 3, 3)
    order = interleave(torch.arange(channels).view(2, channels // 2))
    torch.testing.assert_close(gate(x), x[:, order])
    recorded = INIT["zero_gate"]["output_channel_order_first_16"][str(channels)]
    assert order[:16].tolist() == recorded


class _Line(nn.Module):
    """Two weights; the gradient of `loss` with respect to them is the micro-batch itself."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2, dtype=torch.float64))


GRADIENTS = ([30.0, 0.0], [0.0, 40.0], [6.0, 8.0], [1.0, 2.0], [3.0, 1.0], [2.0, 2.0])


def _run(rule, epochs):
    """Sums of gradients that were stepped, by hand-made micro-batches."""
    line = _Line()
    maker = StepMaker(line, torch.optim.SGD(line.parameters(), 1.0), rule)
    steps, norms, before = [], [], line.weight.detach().clone()
    for numbers in epochs:
        for number in numbers:
            norm, stepped = maker.add(torch.tensor(GRADIENTS[number], dtype=torch.float64) @ line.weight)
            norms.append(norm)
            if stepped:
                steps.append((before - line.weight.detach()).tolist())
                before = line.weight.detach().clone()
        if maker.end_epoch():
            steps.append((before - line.weight.detach()).tolist())
            before = line.weight.detach().clone()
    return steps, norms, line


def _by_hand(groups, accumulate, limit, each):
    """The same, in plain arithmetic; `groups` are micro-batches per step."""
    steps = []
    for group in groups:
        total = np.zeros(2)
        for place, number in enumerate(group):
            total = total + np.array(GRADIENTS[number]) / accumulate
            if each or place == len(group) - 1:
                total = total * min(1.0, limit / (math.hypot(*total) + 1e-6))
        steps.append(total)
    return steps


def test_the_sum_is_clipped_after_every_micro_batch():
    rule = StepRule(2, 10.0, clip_each=True, carry=True)
    steps, norms, _ = _run(rule, [[0, 1]])
    np.testing.assert_allclose(steps, _by_hand([[0, 1]], 2, 10.0, each=True), rtol=1e-12)
    assert norms == pytest.approx([15.0, math.hypot(10, 20)], rel=1e-6)


def test_clipping_once_gives_another_step():
    once, norms, _ = _run(StepRule(2, 10.0), [[0, 1]])
    np.testing.assert_allclose(once, _by_hand([[0, 1]], 2, 10.0, each=False), rtol=1e-12)
    assert norms[0] == 0.0
    assert not np.allclose(once, _by_hand([[0, 1]], 2, 10.0, each=True))


def test_the_last_group_runs_into_the_next_epoch():
    steps, _, line = _run(StepRule(2, 5.0, clip_each=True, carry=True), [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_allclose(steps, _by_hand([[0, 1], [2, 3, 4]], 2, 5.0, each=True), rtol=1e-12)
    assert line.weight.grad is not None  # of micro-batch 5, which no step has used


def test_without_the_slip_each_epoch_ends_with_its_own_step():
    steps, _, _ = _run(StepRule(2, 1000.0), [[0, 1, 2], [3, 4, 5]])
    assert len(steps) == 4
    np.testing.assert_allclose(steps[1], GRADIENTS[2])  # the mean over one micro-batch, not half of it
    np.testing.assert_allclose(steps[3], GRADIENTS[5])


@pytest.mark.parametrize(("accumulate", "limit"), [(0, 20.0), (1, 0.0)])
def test_impossible_rules_are_refused(accumulate, limit):
    with pytest.raises(ValueError, match="accumulate must be at least 1"):
        StepRule(accumulate, limit)
