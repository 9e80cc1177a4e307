"""Saliency tubes of networks: exact for those of this package, an estimate for others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gsm_bench.errors import NetworkError
from gsm_bench.metrics.saliency import SaliencyTube, linear_tube
from gsm_bench.nets.heads import VerbNounActionHead
from gsm_bench.nets.segment import SegmentNetwork
from gsm_bench.nets.units import map_mean

Pick = Callable[[Tensor], int]
"""Chooses a class by the logits [C]."""


@dataclass(frozen=True)
class ExplainedClip:
    """What a network said about a clip, and the tube of one class.

    Attributes:
        scores: float32 [C], as the network returns them.
        chosen: the class.
    """

    scores: Tensor
    chosen: int
    tube: SaliencyTube


def explain_clip(
    network: nn.Module, clip: Tensor, scores_of: Callable[[Any], Tensor], task: str, pick: Pick
) -> ExplainedClip:
    """The saliency tube of one clip.

    Args:
        network: in evaluation mode.
        clip: float32 [1, T, 3, S, S], on the device of the network.
        scores_of: the scores [1, C] of the task in what the network returns.
        task: whose classes are meant.
        pick: chooses the class that is explained.

    Raises:
        NetworkError: the network has no convolution whose output leads to the scores.
    """
    if isinstance(network, SegmentNetwork):
        return _exact(network, clip, task, pick)
    return _estimated(network, clip, scores_of, pick)


def _exact(network: SegmentNetwork, clip: Tensor, task: str, pick: Pick) -> ExplainedClip:
    with torch.inference_mode():
        maps = network.base_model(clip.flatten(0, 1))  # [T, F, H, W]
        output = network.new_fc(map_mean(maps))
        scores = (output[task] if isinstance(output, dict) else output).mean(0)  # [C]
        chosen = pick(scores)
        weights, bias = class_weights(network.new_fc, task, chosen)
    tube = linear_tube(maps.float().cpu().numpy(), weights.detach().cpu().numpy(), float(bias.detach()))
    return ExplainedClip(scores.float().cpu(), chosen, tube)


def class_weights(head: nn.Module, task: str, chosen: int) -> tuple[Tensor, Tensor]:
    """Weights [F] and bias of one class of a head on the pooled features, which are linear for every task."""
    if isinstance(head, nn.Linear):
        return head.weight[chosen], head.bias[chosen]
    assert isinstance(head, VerbNounActionHead)
    own = head.get_submodule(task)
    assert isinstance(own, nn.Linear)
    weights, bias = own.weight[chosen], own.bias[chosen]
    if task != "action":
        from_action = head.get_parameter(f"{task}_from_action.weight")[chosen]  # [actions]
        weights, bias = weights + from_action @ head.action.weight, bias + from_action @ head.action.bias
    return weights, bias


def _estimated(network: nn.Module, clip: Tensor, scores_of: Callable[[Any], Tensor], pick: Pick) -> ExplainedClip:
    """Gradient times output at the last convolution that runs: exact if only means and a linear layer follow."""
    outputs: list[Tensor] = []

    def keep(_: nn.Module, __: Any, output: Tensor) -> Tensor:
        output = output if output.requires_grad else output.detach().requires_grad_()
        outputs[:] = [output]
        return output.clone()  # what follows may work in place

    handles = [m.register_forward_hook(keep) for m in network.modules() if isinstance(m, nn.Conv2d | nn.Conv3d)]
    try:
        with torch.enable_grad():
            scores = scores_of(network(clip))[0]
            chosen = pick(scores.detach())
            maps = outputs[-1] if outputs else None
            gradient = None if maps is None else torch.autograd.grad(scores[chosen], maps, allow_unused=True)[0]
    except RuntimeError as error:
        raise NetworkError(
            f"no gradients come from this network: {error}", fix="return what its layers compute"
        ) from error
    finally:
        for handle in handles:
            handle.remove()
    if maps is None or gradient is None:
        raise NetworkError(
            "the scores of this network come from no convolution, so there is no map",
            fix="use a network with convolutions",
        )
    evidence = _by_frame((gradient * maps).detach().double())  # [T', H, W]
    logit = float(scores[chosen].detach())
    tube = SaliencyTube(evidence.cpu().numpy(), logit - float(evidence.sum()), logit, exact=False)
    return ExplainedClip(scores.detach().float().cpu(), chosen, tube)


def _by_frame(values: Tensor) -> Tensor:
    """[R, F, H, W] or [1, F, T', H, W] summed over features: [T', H, W]."""
    return values.sum(1) if values.ndim == 4 else values.sum(1)[0]
