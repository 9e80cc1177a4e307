import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gsm_bench.nets import build_network  # noqa: E402
from gsm_bench.nets.cost import count_cost  # noqa: E402
from gsm_bench.nets.heads import VerbNounActionHead  # noqa: E402
from gsm_bench.nets.inference import prepare_for_inference  # noqa: E402

CLASSES = {"verb": 5, "noun": 7, "action": 11}


def small():
    torch.manual_seed(0)
    return build_network("bninception", "gsm", 4, CLASSES, width=0.125).eval()


def test_verbs_and_nouns_are_biased_by_the_action_logits():
    """verb = W_v f + b_v + U_v a, noun = W_n f + b_n + U_n a, by hand in numpy."""
    head = VerbNounActionHead(3, CLASSES)
    features = torch.randn(2, 3)
    f = features.numpy()
    w = {name: value.detach().numpy() for name, value in head.named_parameters()}
    action = f @ w["action.weight"].T + w["action.bias"]
    found = head(features)
    assert np.allclose(found["action"].detach(), action, atol=1e-6)
    for task in ("verb", "noun"):
        wanted = f @ w[f"{task}.weight"].T + w[f"{task}.bias"] + action @ w[f"{task}_from_action.weight"].T
        assert np.allclose(found[task].detach(), wanted, atol=1e-6)


def test_three_answers_per_clip_and_the_mean_over_frames():
    network, clips = small(), torch.randn(2, 4, 3, 64, 64) * 30
    found = network(clips)
    assert {task: tuple(values.shape) for task, values in found.items()} == {
        task: (2, classes) for task, classes in CLASSES.items()
    }
    features = network.base_model(clips.flatten(0, 1)).mean((2, 3))
    each = network.new_fc(features)["verb"].view(2, 4, -1)
    assert torch.allclose(found["verb"], each.mean(1), atol=1e-5)


def test_made_ready_it_answers_alike():
    network, clips = small(), torch.randn(1, 4, 3, 64, 64) * 30
    before, after = network(clips), prepare_for_inference(network)(clips)
    for task in CLASSES:
        spread = before[task].std()
        assert (before[task] - after[task]).abs().max() < 1e-4 * spread


def test_parameters_and_cost_of_the_shipped_size():
    """125 verbs, 352 nouns, 2,513 actions on 1,024 features, and two linear maps of the actions."""
    one = build_network("bninception", "gsm", 16, 174)
    three = build_network("bninception", "gsm", 16, {"verb": 125, "noun": 352, "action": 2513})
    heads = 1025 * (125 + 352 + 2513) + 2513 * (125 + 352)
    params = [sum(p.numel() for p in network.parameters()) for network in (one, three)]
    assert params[1] - params[0] == heads - 1025 * 174
    costs = [count_cost(network, 16, 224).macs_bare for network in (one, three)]
    assert costs[1] - costs[0] == 16 * (1024 * (125 + 352 + 2513) + 2513 * (125 + 352) - 1024 * 174)


@pytest.mark.parametrize(
    "classes", [{"verb": 3}, {"verb": 3, "noun": 4, "action": 0}, {"verb": 1, "noun": 1, "act": 1}]
)
def test_classes_that_make_no_head(classes):
    with pytest.raises(ValueError, match="verb, noun, action"):
        build_network("bninception", "gsm", 4, classes, width=0.125)
