"""The released training steps, in float64 against the fixtures that the released code made (tests/reference/training)."""

import json
import os
import zlib

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gsm_bench.nets import build_network
from gsm_bench.train.schedule import released_rate
from gsm_bench.train.steps import StepMaker, StepRule, released_optimiser, set_to_train
from tests.conftest import REFERENCE, reference_module

FOLDER = REFERENCE / "training"
RECORD = json.loads((FOLDER / "train_steps.json").read_text())
ARRAYS = np.load(FOLDER / "train_steps.npz")
CASES = [(name, scenario) for name, net in RECORD["networks"].items() for scenario in net["scenarios"]]
FIRST = "base_model.conv1_7x7_s2.weight", "base_model.conv_Conv2D.weight"
BAR = 1e-6


def network_of(name, dtype):
    kind, family = name.split("-")
    network = build_network(family.lower(), "gsm" if kind == "GSM" else "none", 8, dropout=0.0)
    tensor_for = reference_module("weights").tensor_for
    state = {}
    for key, tensor in network.state_dict().items():
        values = np.asarray(tensor_for(key, tuple(tensor.shape), RECORD["seed"]))
        state[key] = torch.from_numpy(values * np.float32(50) if key in FIRST else values)
    network.load_state_dict(state)
    return network.to(dtype)


def micro_batch(name, number, dtype):
    size = 224 if "BNInception" in name else 229
    rng = np.random.default_rng([7, zlib.crc32(f"{name}-8f-train-b{number}{RECORD['suffix']}".encode())])
    still, moving = rng.standard_normal((2, 1, 3, size, size)) * 40, rng.standard_normal((2, 8, 3, size, size)) * 25
    return torch.from_numpy((still + moving).astype(np.float32)).to(dtype), torch.tensor(RECORD["labels"][number])


def figures(tensor):
    """Mean, population standard deviation and the first 8 values, NaN where there are fewer."""
    values = tensor.detach().double().flatten().numpy()
    first = np.pad(values[:8], (0, 8 - len(values[:8])), constant_values=np.nan)
    return np.concatenate([[values.mean(), values.std()], first])


def close(measured, expected, *, each=True):
    """Within 1e-6 of each value, or of the largest value of each row where values may cancel to nearly 0."""
    measured, expected = np.asarray(measured, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    assert measured.shape == expected.shape
    np.testing.assert_array_equal(np.isnan(measured), np.isnan(expected))
    scale = np.abs(expected) if each else np.nanmax(np.abs(expected), axis=-1, keepdims=True)
    worst = np.nanmax(np.abs(measured - expected) / np.where(scale > 0, scale, 1))
    assert worst <= BAR, worst


@pytest.mark.skipif("GSMBENCH_ALL_STEPS" not in os.environ, reason="minutes long: set GSMBENCH_ALL_STEPS=1")
@pytest.mark.parametrize(("name", "scenario"), CASES)
def test_steps_equal_the_released_codes(name, scenario):
    how, record = RECORD["scenarios"][scenario], RECORD["networks"][name]
    expected = {key: ARRAYS[f"{name}/{scenario}/{key}"] for key in ("loss", "grad_norm", "stats", "update_norm")}
    network = network_of(name, torch.float64)
    set_to_train(network, full_batch_norm=how["npb"])
    optimiser = released_optimiser(network, rate=how["lr"], weight_decay=how["wd"])
    rule = StepRule(how["iter_size"], how["gd"], clip_each=True, carry=True)
    maker, losses, norms, rows, updates, running = StepMaker(network, optimiser, rule), [], [], [], [], []
    before = {key: value.clone() for key, value in network.state_dict().items()}
    rows.append([figures(before[key]) for key in record["watch"]])
    for epoch, batches in enumerate(how["epochs_of_batches"], how["start_epoch"]):
        for group in optimiser.param_groups:
            group["lr"] = released_rate(epoch, highest=how["lr"], warmup=how["warmup"], epochs=how["epochs"])
        for number in batches:
            clips, labels = micro_batch(name, number, torch.float64)
            logits = network(clips)
            loss = F.cross_entropy(logits, labels)
            losses.append(loss.item())
            norm, stepped = maker.add(loss)
            norms.append(norm)
            if stepped:
                after = {key: value.clone() for key, value in network.state_dict().items()}
                rows.append([figures(after[key]) for key in record["watch"]])
                updates.append([float((after[key] - before[key]).norm()) for key in record["params"]])
                running.append([float(after[key].norm()) for key in record["buffers"]])
                before = after
        maker.end_epoch()
    close(losses, expected["loss"])
    close(norms, expected["grad_norm"])
    close(rows, expected["stats"], each=False)
    close(updates, expected["update_norm"])
    close(running, ARRAYS[f"{name}/{scenario}/running_norm"])
    close(logits.detach().numpy(), ARRAYS[f"{name}/{scenario}/train_logits"], each=False)
    with torch.no_grad():
        close(
            network.eval()(micro_batch(name, 0, torch.float64)[0]).numpy(),
            ARRAYS[f"{name}/{scenario}/eval_logits"],
        )


@pytest.mark.parametrize("name", ["TSN-BNInception"])
def test_first_loss_in_float32(name):
    network = network_of(name, torch.float32)
    set_to_train(network)
    clips, labels = micro_batch(name, 0, torch.float32)
    with torch.no_grad():
        loss = F.cross_entropy(network(clips), labels)
    assert loss.item() == pytest.approx(float(ARRAYS[f"{name}/release/loss"][0]), rel=1e-4)
