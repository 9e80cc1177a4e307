"""ImageNet files of the released code, made up in their layout (tests/reference/training/init.json)."""

import json

import pytest
import torch

from gsm_bench.errors import CheckpointError
from gsm_bench.nets import build_network
from gsm_bench.train.first_weights import load_backbone
from tests.conftest import REFERENCE

INIT = json.loads((REFERENCE / "training" / "init.json").read_text())


def network(temporal="gsm"):
    torch.manual_seed(1)
    return build_network("bninception", temporal, 4, 5, width=0.25)


def imagenet_of(net):
    """A file as such weights were published: no gates, no counters, batch norms [1, C], a layer of 1000 classes."""
    tensors = {
        key: torch.rand_like(value)
        for key, value in net.base_model.state_dict().items()
        if "gsm" not in key and not key.endswith("num_batches_tracked")
    }
    old = {key: value[None] if "_bn." in key else value for key, value in tensors.items()}
    return {**old, "fc.weight": torch.zeros(1000, net.base_model.features), "fc.bias": torch.zeros(1000)}, tensors


@pytest.mark.parametrize("temporal", ["gsm", "none"])
def test_a_file_of_imagenet_weights_is_loaded_whole(tmp_path, temporal):
    net = network(temporal)
    saved, tensors = imagenet_of(network())
    torch.save(saved, tmp_path / "imagenet.pth")
    before = {key: value.clone() for key, value in net.state_dict().items()}
    count = load_backbone(net, tmp_path / "imagenet.pth")
    assert count == len(tensors) == INIT["networks"]["GSM-BNInception"]["tensors_expected_in_the_file"] - 2
    after = net.state_dict()
    for key, value in tensors.items():
        assert torch.equal(after[f"base_model.{key}"], value), key
    untouched = [key for key in after if "gsm" in key or key.startswith("new_fc")]
    assert all(torch.equal(after[key], before[key]) for key in untouched)


def test_a_wrapped_file_is_loaded_too(tmp_path):
    saved, tensors = imagenet_of(network())
    torch.save({"state_dict": {f"module.base_model.{key}": value for key, value in saved.items()}}, tmp_path / "x.pth")
    assert load_backbone(network(), tmp_path / "x.pth") == len(tensors)


def test_a_checkpoint_of_the_network_gives_its_gates_and_not_its_classifier(tmp_path):
    trained, net = network(), network()
    state = {
        key: torch.rand_like(value) if value.is_floating_point() else value
        for key, value in trained.state_dict().items()
    }
    torch.save({"state_dict": {f"module.{key}": value for key, value in state.items()}}, tmp_path / "x.pth")
    before = net.new_fc.weight.clone()
    load_backbone(net, tmp_path / "x.pth")
    after = net.state_dict()
    assert all(torch.equal(after[key], value) for key, value in state.items() if not key.startswith("new_fc."))
    assert torch.equal(net.new_fc.weight, before)
    gate = next(key for key in state if key.endswith("conv3D.weight"))
    torch.save({key: value for key, value in state.items() if key != gate}, tmp_path / "y.pth")
    with pytest.raises(CheckpointError, match="1 of its"):
        load_backbone(network(), tmp_path / "y.pth")


def test_other_files_are_refused(tmp_path):
    saved, _ = imagenet_of(network())
    conv = "conv1_7x7_s2.weight"
    wrong = {
        "of another width": ({**saved, conv: saved[conv][:3]}, "1 have another shape"),
        "with a gap": ({key: value for key, value in saved.items() if key != conv}, "1 of its 414 tensors are missing"),
        "of another network": (
            {f"layer{at}.weight": torch.zeros(2, 2) for at in range(5)},
            "414 of its 414 tensors are missing",
        ),
        "with more": ({**saved, "conv9.weight": torch.zeros(2)}, "1 tensors that the backbone lacks"),
        "of no numbers": ({**saved, conv: saved[conv] * float("nan")}, "not finite"),
    }
    for name, (tensors, message) in wrong.items():
        path = tmp_path / f"{name}.pth"
        torch.save(tensors, path)
        net = network()
        before = {key: value.clone() for key, value in net.state_dict().items()}
        with pytest.raises(CheckpointError, match=message):
            load_backbone(net, path)
        assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
