"""Saliency tubes: their sum plus the bias is the logit, for the real networks; an estimate for others."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gsm_bench.errors import NetworkError  # noqa: E402
from gsm_bench.metrics.saliency import SaliencyTube, linear_tube  # noqa: E402
from gsm_bench.nets.saliency import explain_clip  # noqa: E402
from gsm_bench.nets.segment import build_network  # noqa: E402


def explain(network, clip, task="action", chosen=None, of=lambda output: output):
    return explain_clip(
        network.eval(), clip, of, task, lambda scores: int(scores.argmax()) if chosen is None else chosen
    )


def test_an_exact_case():
    """Two frames of two positions, two features: (1 * 1 + 2 * 3) / 4 at the first position, and so on."""
    maps = np.array([[[[1, 2]], [[3, 4]]], [[[0, 1]], [[1, 0]]]], np.float32)  # [T, F, H, W]
    tube = linear_tube(maps, np.array([1.0, 2.0]), 0.5)
    assert tube.evidence.tolist() == [[[7 / 4, 10 / 4]], [[2 / 4, 1 / 4]]]
    assert tube.logit == 20 / 4 + 0.5
    assert tube.rest == 0.5
    assert tube.exact


def test_frames_that_share_a_map():
    tube = SaliencyTube(np.arange(2.0).reshape(2, 1, 1), 0.0, 1.0, exact=False)
    assert tube.of_frames(4)[:, 0, 0].tolist() == [0, 0, 1, 1]
    assert tube.of_frames(5)[:, 0, 0].tolist() == [0, 0, 0, 1, 1]


@pytest.mark.parametrize(("backbone", "size"), [("bninception", 224), ("inceptionv3", 229)])
def test_tube_and_bias_are_the_logit_of_the_real_networks(backbone, size):
    torch.manual_seed(1)
    network = build_network(backbone, "gsm", 2, 174)
    torch.nn.init.normal_(network.new_fc.bias)
    torch.nn.init.normal_(network.new_fc.weight)
    clip = torch.randn(1, 2, 3, size, size) * 50
    seen = explain(network, clip)
    with torch.no_grad():
        logits = network(clip)[0]
    assert seen.chosen == int(logits.argmax())
    tube = seen.tube
    assert tube.evidence.shape == ((2, 7, 7) if backbone == "bninception" else (2, 6, 6))
    assert abs(tube.evidence.sum() + tube.rest - float(logits[seen.chosen])) < 1e-4
    assert tube.rest == pytest.approx(network.new_fc.bias[seen.chosen].item())
    assert torch.allclose(seen.scores, logits, atol=1e-4)
    other = explain(network, clip, chosen=3)
    assert abs(other.tube.evidence.sum() + other.tube.rest - float(logits[3])) < 1e-4


@pytest.mark.parametrize("task", ["verb", "noun", "action"])
def test_three_headed_networks_are_exact_too(task):
    torch.manual_seed(2)
    network = build_network("bninception", "gsm", 3, {"verb": 7, "noun": 5, "action": 11}, width=0.25)
    for parameter in network.new_fc.parameters():
        torch.nn.init.normal_(parameter)
    clip = torch.randn(1, 3, 3, 64, 64) * 50
    with torch.no_grad():
        logits = network.eval()(clip)[task][0]
    for chosen in range(5):
        tube = explain(network, clip, task, chosen).tube
        assert abs(tube.evidence.sum() + tube.rest - float(logits[chosen])) < 1e-4
        assert tube.logit == pytest.approx(float(logits[chosen]), abs=1e-4)


class Own(torch.nn.Module):
    """A network of the user's own: a convolution, a rectifier in place, means, a linear layer."""

    def __init__(self, dims=2, pool=None):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 8, 3, 2) if dims == 2 else torch.nn.Conv3d(3, 8, 3, 2)
        self.relu = torch.nn.ReLU(inplace=True)
        self.fc = torch.nn.Linear(8, 5)
        self.dims, self.pool = dims, pool

    def forward(self, x):
        x = x.flatten(0, 1) if self.dims == 2 else x.transpose(1, 2)
        maps = self.relu(self.conv(x))
        maps = maps.flatten(2)
        pooled = maps.amax(2) if self.pool == "max" else maps.mean(2)
        return self.fc(pooled).mean(0, keepdim=True)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("frozen", [False, True])
def test_the_estimate_is_exact_where_means_and_a_linear_layer_follow(dims, frozen):
    torch.manual_seed(3)
    network = Own(dims).requires_grad_(not frozen)
    seen = explain(network, torch.randn(1, 5, 3, 16, 16))
    assert not seen.tube.exact, "nobody knows what follows the convolution of another network"
    assert seen.tube.evidence.shape == ((5, 7, 7) if dims == 2 else (2, 7, 7))
    assert seen.tube.rest == pytest.approx(network.fc.bias[seen.chosen].item(), abs=1e-5)
    assert not network.conv._forward_hooks


def test_what_belongs_to_no_position_is_the_rest():
    network = Own(pool="max")
    seen = explain(network, torch.randn(1, 5, 3, 16, 16))
    assert seen.tube.evidence.sum() + seen.tube.rest == pytest.approx(seen.tube.logit)


class Flat(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(3, 5)
        self.conv = torch.nn.Conv2d(3, 1, 1)
        self.how = ""

    def forward(self, x):
        if self.how == "unused":
            self.conv(x[0])
        if self.how == "detached":
            x = x + self.conv(x[0]).detach().mean()
        return self.fc(x.mean((1, 3, 4)))


@pytest.mark.parametrize("how", ["", "unused", "detached"])
def test_scores_without_a_convolution_are_refused(how):
    network = Flat()
    network.how = how
    with pytest.raises(NetworkError, match="come from no convolution"):
        explain(network, torch.randn(1, 2, 3, 8, 8))


def test_scores_without_a_gradient_are_refused():
    network = Own()
    with pytest.raises(NetworkError, match="no gradients come from this network"):
        explain(network, torch.randn(1, 2, 3, 16, 16), of=lambda output: output.detach())
