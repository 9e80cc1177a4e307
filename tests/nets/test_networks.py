import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gsm_bench.nets import build_network  # noqa: E402
from gsm_bench.nets.cost import count_cost  # noqa: E402
from gsm_bench.nets.gate_shift import GateShift  # noqa: E402
from gsm_bench.nets.inference import FlatGateShift, prepare_for_inference  # noqa: E402

COSTS = {  # parameters, bare, the paper's convention: 8 frames, 174 classes
    ("bninception", "none"): (10_448_590, 16_254_033_920, 16_365_600_256),
    ("bninception", "gsm"): (10_499_650, 16_338_705_920, 16_456_599_136),
    ("inceptionv3", "none"): (22_159_310, 26_619_304_960, 26_768_711_808),
    ("inceptionv3", "gsm"): (22_207_586, 26_692_627_456, 26_847_524_224),
}
SIZES = {"bninception": 224, "inceptionv3": 229}


@pytest.mark.parametrize(("backbone", "temporal"), COSTS)
def test_cost_is_exact(backbone, temporal):
    network = build_network(backbone, temporal, 8)
    cost = count_cost(network, 8, SIZES[backbone])
    assert (cost.params, cost.macs_bare, cost.macs_paper) == COSTS[backbone, temporal]
    assert network.training, "counting leaves the network as it was"


def test_uncounted_operators_are_listed():
    cost = count_cost(build_network("bninception", "gsm", 8), 8, 224)
    assert set(cost.uncounted) >= {"relu_", "tanh", "mul", "add", "sub"}
    assert cost.uncounted["tanh"] == 10
    assert not set(cost.uncounted) & {"cat", "view", "convolution", "promote_types", "mean"}
    assert cost.uncounted["mean other than pooling"] == 1, "over frames; the one over the feature map is counted"


def test_a_foreign_module_is_counted_too():
    class Foreign(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv3d(3, 4, 3, bias=False)

        def forward(self, x):
            return self.conv(x.transpose(1, 2)).mean((2, 3, 4))

    cost = count_cost(Foreign(), 4, 8)
    assert (cost.params, cost.macs_bare, cost.macs_paper) == (324, 324 * 2 * 6 * 6, 324 * 2 * 6 * 6)


def test_gate_of_one_shifts_everything_and_interleaves():
    module = GateShift(8, 3).eval()
    torch.nn.init.constant_(module.conv3D.bias, 20.0)  # tanh(20) = 1 in float32
    x = torch.arange(3 * 8, dtype=torch.float32).view(3, 8, 1, 1)  # one clip of 3 frames, x = 8t + c
    out = module(x)[:, :, 0, 0]
    past = torch.cat((x[1:, :4, 0, 0], torch.zeros(1, 4)))  # half 1 at t holds frame t + 1
    future = torch.cat((torch.zeros(1, 4), x[:-1, 4:, 0, 0]))  # half 2 at t holds frame t - 1
    expected = torch.cat((past[:, [0, 2, 1, 3]], future[:, [0, 2, 1, 3]]), dim=1)
    assert torch.allclose(out, expected, atol=1e-5)


def test_gate_of_zero_only_interleaves():
    x = torch.randn(6, 8, 5, 5)
    out = GateShift(8, 3).eval()(x)
    assert torch.equal(out, x[:, [0, 2, 1, 3, 4, 6, 5, 7]])


def test_clips_of_a_batch_do_not_mix():
    network = build_network("bninception", "gsm", 4, 5, width=0.125).eval()
    for module in network.modules():
        if isinstance(module, GateShift):
            torch.nn.init.normal_(module.conv3D.weight, std=10)
    x = torch.randn(3, 4, 3, 64, 64)
    with torch.inference_mode():
        assert torch.allclose(network(x), torch.cat([network(x[i : i + 1]) for i in range(3)]), atol=1e-5)


def test_order_of_frames_matters_to_gsm_alone():
    x = torch.randn(2, 4, 3, 64, 64) * 50
    changes = {}
    for temporal in ("gsm", "none"):
        torch.manual_seed(0)
        network = build_network("bninception", temporal, 4, 5, width=0.125).eval()
        for module in network.modules():
            if isinstance(module, GateShift):
                torch.nn.init.normal_(module.conv3D.weight, std=10)
        with torch.inference_mode():
            changes[temporal] = ((network(x) - network(x.flip(1))).abs().max() / network(x).std()).item()
    assert changes["none"] < 1e-5 < 1e-3 < changes["gsm"]


@pytest.mark.parametrize("options", [{}, {"gsm_blocks": 3}, {"gate": "sigmoid"}, {"width": 0.25}, {"dropout": 0.7}])
def test_options(options):
    network = build_network("inceptionv3", "gsm", 2, 7, **{"width": 0.25, **options}).eval()
    gates = [module for module in network.modules() if isinstance(module, GateShift)]
    assert len(gates) == options.get("gsm_blocks", 10)
    assert {gate.activation for gate in gates} == {options.get("gate", "tanh")}
    assert network.dropout.p == options.get("dropout", 0.5)
    with torch.inference_mode():
        assert network(torch.zeros(1, 2, 3, 229, 229)).shape == (1, 7)


@pytest.mark.parametrize(
    "wrong",
    [
        ("resnet", "gsm"),
        ("bninception", "tsm"),
        ("bninception", "gsm", 8, 5, {"gsm_blocks": 11}),
        ("bninception", "none", 8, 5, {"gsm_blocks": 2}),
        ("bninception", "gsm", 8, 5, {"gate": "relu"}),
    ],
)
def test_refuses(wrong):
    options = wrong[4] if len(wrong) == 5 else {}
    with pytest.raises(ValueError):
        build_network(*wrong[:4], **options)


def test_wrong_number_of_frames_is_an_error():
    with pytest.raises(ValueError, match="clips of 8 frames"):
        build_network("bninception", width=0.125)(torch.zeros(1, 4, 3, 64, 64))


def test_preparing_leaves_the_original_alone():
    network = build_network("bninception", "gsm", 4, 5, width=0.125)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    prepare_for_inference(network)
    assert network.training
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert np.isfinite(sum(value.double().sum().item() for value in before.values()))


@pytest.mark.parametrize("gate", ["tanh", "sigmoid"])
@pytest.mark.parametrize(("frames", "size"), [(1, 5), (2, 1), (8, 7), (12, 3)])
def test_flat_gates_are_the_3d_convolution(gate, frames, size):
    torch.manual_seed(frames)
    module = GateShift(16, frames, gate).eval()
    for values in (module.conv3D.weight, module.conv3D.bias, module.bn.weight, module.bn.bias, module.bn.running_mean):
        torch.nn.init.normal_(values, std=0.5)
    x = torch.randn(3 * frames, 16, size, size)
    with torch.inference_mode():
        expected, found = module(x), FlatGateShift(module)(x.to(memory_format=torch.channels_last))
    assert (found - expected).abs().max() < 1e-5 * expected.std()
    assert expected.std() > 0.1


@pytest.mark.parametrize(("backbone", "size"), [("bninception", 224), ("inceptionv3", 229)])
@pytest.mark.parametrize("pixels", [1, 3 * 229 * 229])
def test_a_few_frames_at_a_time_through_the_stem_change_no_bit(backbone, size, pixels):
    torch.manual_seed(3)
    network = prepare_for_inference(build_network(backbone, "gsm", 4, 5, width=0.125))
    clips = torch.randn(2, 4, 3, size, size)
    passes = []
    network.base_model.register_forward_pre_hook(lambda _, inputs: passes.append(len(inputs[0])))
    with torch.inference_mode():
        network.base_model.pixels_at_once = None
        whole = network(clips)
        network.base_model.pixels_at_once = pixels
        assert torch.equal(network(clips), whole)
    assert whole.std() > 0
    assert passes == [8, 8], "blocks still see whole clips"


@pytest.mark.parametrize("size", [1, 2, 9])
def test_means_of_projections_are_projections_of_means(size):
    torch.manual_seed(size)
    backbone = prepare_for_inference(build_network("bninception", "gsm", 4, 5, width=0.25)).base_model
    conv = backbone.get_submodule("inception_4a_pool_proj")
    torch.nn.init.normal_(conv.bias)
    x = torch.randn(3, conv.in_channels, size, size)
    with torch.inference_mode():
        assert backbone.projects_first
        found = backbone.mean_unit("inception_4a_pool_proj", x)
        backbone.projects_first = False
        expected = backbone.mean_unit("inception_4a_pool_proj", x)
    assert (found - expected).abs().max() < 1e-5 * expected.std()
    assert (expected > 0).any()
