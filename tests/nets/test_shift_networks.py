"""ResNets, temporal shift and gate-shift-fuse: against torchvision and plain loops, with the released names of keys."""

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from gsm_bench.errors import CheckpointError  # noqa: E402
from gsm_bench.manifest import load_manifest  # noqa: E402
from gsm_bench.nets import build_network, load_checkpoint  # noqa: E402
from gsm_bench.nets.checkpoint_content import describe, read_checkpoint  # noqa: E402
from gsm_bench.nets.cost import count_cost, entry_cost  # noqa: E402
from gsm_bench.nets.gate_shift_fuse import GateShiftFuse  # noqa: E402
from gsm_bench.nets.inference import prepare_for_inference  # noqa: E402
from gsm_bench.nets.temporal_shift import TemporalShift  # noqa: E402

T = 4
NOT_TRIVIAL = ("running_mean", "gsf", "channel_conv", "conv3D")


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def randomised(module, seed=0):
    """A module in evaluation mode whose norms and gates do something."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in module.state_dict().items():
        if tensor.ndim == 4 and "channel_conv" not in name:  # keeps the spread of activations from layer to layer
            tensor.normal_(0, (2 / tensor[0].numel()) ** 0.5, generator=generator)
        elif "running_var" in name:
            tensor.uniform_(0.5, 1.5, generator=generator)
        elif tensor.is_floating_point() and any(part in name for part in NOT_TRIVIAL):
            tensor.normal_(0, 0.3, generator=generator)
    return module.eval()


def spread(a, b):
    return (a - b).abs().max().item() / b.std().item()


def fused_by_loops(module, x):
    """Gate-shift-fuse frame by frame and channel by channel, from its equations."""
    gated = module.gated
    out = x.clone()
    for first in range(0, len(x), T):
        clip = x[first : first + T, :gated]  # [T, C, H, W]
        normal = torch.relu(module.bn(clip.transpose(0, 1)[None]))
        gate = torch.tanh(module.conv3D(normal))[0].transpose(0, 1)  # [T, 2, H, W]
        for half, step, weigh in ((0, 1, module.channel_conv1), (1, -1, module.channel_conv2)):
            begin, width = half * gated // 2, gated // 2
            features = clip[:, begin : begin + width]
            moved, kept = torch.zeros_like(features), torch.zeros_like(features)
            for t in range(T):
                kept[t] = features[t] * (1 - gate[t, half])
                if 0 <= t + step < T:
                    moved[t] = features[t + step] * gate[t + step, half]
            means = torch.stack([moved.mean((2, 3)).T, kept.mean((2, 3)).T])  # [2, C, T]
            weight = torch.sigmoid(weigh(means[None]))[0, 0].T[:, :, None, None]
            mean = weight * moved + (1 - weight) * kept
            for channel in range(width):
                place = 2 * channel if channel < width // 2 else 2 * (channel - width // 2) + 1
                out[first : first + T, begin + place] = mean[:, channel]
    return out


@pytest.mark.parametrize(("channels", "ratio"), [(8, 100), (16, 50), (32, 25)])
@torch.no_grad()
def test_gate_shift_fuse_is_its_equations(channels, ratio):
    module = randomised(GateShiftFuse(channels, T, ratio))
    x = torch.randn(2 * T, channels, 5, 5)
    assert module.gated == channels * ratio // 100
    torch.testing.assert_close(module(x), fused_by_loops(module, x))


@torch.no_grad()
def test_temporal_shift_moves_an_eighth_each_way():
    x = torch.randn(2 * T, 16, 2, 2)
    out = TemporalShift(nn.Identity(), T)(x)
    for row in range(2 * T):
        t = row % T
        expected = x[row].clone()
        expected[:2] = x[row + 1, :2] if t < T - 1 else 0
        expected[2:4] = x[row - 1, 2:4] if t else 0
        assert torch.equal(out[row], expected)


@torch.no_grad()
def test_a_plain_resnet_is_that_of_torchvision():
    models = pytest.importorskip("torchvision").models
    theirs = randomised(models.resnet50(weights=None, num_classes=7))
    mine = build_network("resnet50", "none", 2, 7).eval()
    theirs_by_my_names = {
        f"base_model.{key}".replace("base_model.fc", "new_fc"): v for key, v in theirs.state_dict().items()
    }
    mine.load_state_dict(theirs_by_my_names)
    mine, theirs = mine.double(), theirs.double()
    clips = torch.randn(1, 2, 3, 32, 32).double()
    expected = theirs(clips[0]).mean(0, keepdim=True)
    assert spread(mine(clips), expected) < 1e-9
    assert spread(prepare_for_inference(mine, torch.float64)(clips), expected) < 1e-6


@pytest.mark.parametrize(
    ("backbone", "temporal", "options", "size"),
    [
        ("resnet50", "tsm", {}, 32),
        ("resnet50", "gsf", {"gsf_ratio": 25}, 32),
        ("bninception", "gsf", {"width": 0.25}, 224),
        ("inceptionv3", "gsf", {"width": 0.25}, 229),
    ],
)
@torch.no_grad()
def test_prepared_networks_give_the_same_logits(backbone, temporal, options, size):
    """In float64, so that rounding is far from what a wrong step would do, whatever the weights."""
    network = randomised(build_network(backbone, temporal, T, 7, **options)).double()
    clips = torch.randn(1, T, 3, size, size).double()
    logits = network(clips)
    assert logits.shape == (1, 7)
    assert spread(prepare_for_inference(network, torch.float64)(clips), logits) < 1e-6
    backwards = network(clips.flip(1))
    assert spread(backwards, logits) > 1e-3
    if backbone == "bninception":
        half = prepare_for_inference(network.float(), torch.bfloat16)(clips.bfloat16())
        assert half.shape == (1, 7)
        assert half.isfinite().all()


@pytest.mark.parametrize(
    ("backbone", "temporal", "key", "count"),
    [
        ("resnet50", "tsm", "base_model.layer1.0.conv1.net.weight", 16),
        ("resnet101", "tsm", "base_model.layer3.22.conv1.net.weight", 2 + 2 + 12 + 2),
        ("resnet50", "gsf", "base_model.layer4.2.gsf.conv3D.weight", 16),
        ("bninception", "gsf", "base_model.gsf_inception_3c_3x3_reduce.channel_conv2.bias", 10),
        ("inceptionv3", "gsf", "base_model.gsf_mixed_8_tower_conv_Conv2D.bn.running_var", 11),
        ("inceptionv3", "gsf", "base_model.gsf_mixed_6_conv_Conv2D.conv3D.bias", 11),
    ],
)
def test_names_are_the_released_ones(backbone, temporal, key, count):
    with torch.device("meta"):
        keys = build_network(backbone, temporal, 8, 174).state_dict().keys()
    assert key in keys
    modules = {name.rpartition(".conv1.net.")[0] or name.rpartition(".conv3D.")[0] for name in keys} - {""}
    assert len(modules) == count


@pytest.mark.parametrize(
    ("temporal", "place", "words"),
    [("tsm", "state_dict", "TSM ResNet-50, 7 classes"), ("gsf", "model_state_dict", "GSF ResNet-50 with 16")],
)
def test_files_as_their_authors_save_them(tmp_path, temporal, place, words):
    network = build_network("resnet50", temporal, 8, 7)
    weights = {f"module.{key}": value for key, value in network.state_dict().items()}
    path = tmp_path / "w.pth.tar"
    torch.save({"epoch": 45, "arch": "resnet50", place: weights, "best_prec1": 45.6}, path)
    assert words in describe(read_checkpoint(path))
    loaded = build_network("resnet50", temporal, 8, 7)
    assert load_checkpoint(loaded, path)["epoch"] == 45
    assert all(
        torch.equal(a, b) for a, b in zip(loaded.state_dict().values(), network.state_dict().values(), strict=True)
    )
    for other in (build_network("resnet50", "none", 8, 7), build_network("resnet50", temporal, 8, 9)):
        with pytest.raises(CheckpointError, match="does not fit the network"):
            load_checkpoint(other, path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("resnet50", "gsm"), "no temporal module 'gsm' for resnet50; there are none, tsm, gsf"),
        (("bninception", "tsm"), "for bninception; there are gsm, gsf, none"),
        (("resnet18", "tsm"), "no backbone"),
    ],
)
def test_combinations_that_do_not_exist(arguments, words):
    with pytest.raises(ValueError, match=words):
        build_network(*arguments)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"backbone": "resnet50", "temporal": "tsm", "width": 0.5}, "no width"),
        ({"backbone": "resnet50", "temporal": "tsm", "gsm_blocks": 3}, "no gate-shift modules"),
        ({"backbone": "resnet50", "temporal": "tsm", "shift_div": 1}, "shift_div"),
        ({"temporal": "gsf", "backbone": "bninception", "gate": "sigmoid"}, "tanh"),
        ({"temporal": "gsf", "backbone": "bninception", "gsf_ratio": 3}, "multiple of 4"),
        ({"temporal": "gsf", "backbone": "bninception", "gsf_blocks": 3}, "gsf_blocks"),
    ],
)
def test_options_that_do_not_fit(options, words):
    with pytest.raises((ValueError, TypeError), match=words):
        build_network(**options)


def test_the_cost_of_temporal_shift_is_that_of_the_plain_network():
    with torch.device("meta"):
        tsm, plain, gsf = (build_network("resnet50", temporal, 8, 174) for temporal in ("tsm", "none", "gsf"))
    cost = count_cost(tsm, 8, 224)
    assert (cost.params, cost.macs_bare) == (23_864_558, 32_699_940_864)  # the TSM paper: 24.3 M, 33 G
    assert count_cost(plain, 8, 224).macs_bare == cost.macs_bare
    assert count_cost(gsf, 8, 224).macs_bare > cost.macs_bare


@pytest.mark.parametrize("name", ["tsm_r50_8f", "tsm_v2_r101_8f", "gsf_bninc_16f", "gsf_inv3_16f", "gsf_r50_16f"])
def test_entries_of_released_networks_can_be_built(name):
    entry = load_manifest().model(name)
    with torch.device("meta"):
        assert entry_cost(entry).params > 9e6
