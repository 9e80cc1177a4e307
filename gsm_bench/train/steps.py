"""From gradients to steps: accumulation, clipping and SGD as the released code does them, or without its slips."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gsm_bench.nets.gate_shift import GateShift
from gsm_bench.nets.heads import TASKS

CLASSIFIER_STD = 0.001
"""Standard deviation of a new classifier's weights."""


@dataclass(frozen=True)
class StepRule:
    """How micro-batches become steps.

    Attributes:
        accumulate: micro-batches of a step.
        clip_norm: the gradient's largest L2 norm.
        clip_each: clip the sum so far after every micro-batch, as the release does; else once, before the step.
        carry: keep an unfinished group at the end of an epoch for the next epoch's first step, as the release does;
            else `StepMaker.end_epoch` makes a step of it, with the mean over the micro-batches that it has.
    """

    accumulate: int = 1
    clip_norm: float = 20.0
    clip_each: bool = False
    carry: bool = False

    def __post_init__(self) -> None:
        if self.accumulate < 1 or self.clip_norm <= 0:
            raise ValueError(
                f"accumulate must be at least 1 and clip_norm above 0: {self.accumulate}, {self.clip_norm}"
            )


RELEASED = StepRule(accumulate=2, clip_each=True, carry=True)
"""The rule of the released code with the settings of its README."""


class StepMaker:
    """Adds up the gradients of micro-batches and makes steps of them.

    Args:
        network: whose parameters all count in the norm, also those that no optimiser group holds.
        optimiser: makes the step; gradients of its parameters alone are cleared.
        rule: when to clip and when to step.
        scaler: of losses in float16; it cannot clip after every micro-batch.
    """

    def __init__(
        self,
        network: nn.Module,
        optimiser: torch.optim.Optimizer,
        rule: StepRule,
        scaler: torch.amp.GradScaler | None = None,
    ) -> None:
        if scaler is not None and (rule.clip_each or rule.carry):
            raise ValueError("gradients of scaled losses can be clipped once per step, and not carried")
        self.network, self.optimiser, self.rule, self.scaler = network, optimiser, rule, scaler
        self.number = 0  # of the next micro-batch in this epoch
        self.waiting = 0  # micro-batches whose gradients are not yet in a step

    def add(self, loss: Tensor) -> tuple[float, bool]:
        """Add the gradient of a micro-batch's mean loss, a scalar; step if its group is complete.

        Returns:
            The L2 norm of the sum before it was clipped (0.0 if the rule did not clip now), and whether a step was made.
        """
        scaled = loss / self.rule.accumulate
        (scaled if self.scaler is None else self.scaler.scale(scaled)).backward()  # type: ignore[no-untyped-call]
        self.number += 1
        self.waiting += 1
        complete = self.number % self.rule.accumulate == 0
        norm = self._clip() if complete or self.rule.clip_each else 0.0
        if complete:
            self._step()
        return norm, complete

    def end_epoch(self) -> bool:
        """Count micro-batches from 0 again; make a step of an unfinished group unless the rule carries it."""
        self.number = 0
        if not self.waiting or self.rule.carry:
            return False
        for parameter in self.network.parameters():
            if parameter.grad is not None:
                parameter.grad.mul_(self.rule.accumulate / self.waiting)
        self._clip()
        self._step()
        return True

    def _clip(self) -> float:
        if self.scaler is not None:
            self.scaler.unscale_(self.optimiser)
        return float(nn.utils.clip_grad_norm_(self.network.parameters(), self.rule.clip_norm))

    def _step(self) -> None:
        if self.scaler is None:
            self.optimiser.step()
        else:
            self.scaler.step(self.optimiser)
            self.scaler.update()
        self.optimiser.zero_grad()
        self.waiting = 0


def released_optimiser(network: nn.Module, *, rate: float, weight_decay: float = 5e-4) -> torch.optim.SGD:
    """SGD with momentum 0.9, and one rate and one weight decay for every tensor, biases and batch norms included.

    After `set_to_train(network, full_batch_norm=False)`, the tensors of the first BatchNorm2d are stepped and those of the
    gates' batch norms are in no group, although they still take gradients.
    """
    skipped: set[Tensor] = set()
    if frozen := [parameter for parameter in network.parameters() if not parameter.requires_grad]:
        gates = [module.bn for module in network.modules() if isinstance(module, GateShift)]
        skipped = {*frozen, *(parameter for norm in gates for parameter in norm.parameters())}
    groups = [parameter for parameter in network.parameters() if parameter not in skipped]
    return torch.optim.SGD(groups, rate, momentum=0.9, weight_decay=weight_decay)


def set_to_train(network: nn.Module, *, full_batch_norm: bool = True) -> None:
    """Put a network into training mode; without `full_batch_norm`, all BatchNorm2d but the first are held as they are.

    BatchNorm3d of the gates go on updating their running statistics in either case, as in the released code.
    """
    network.train()
    if full_batch_norm:
        return
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms[1:]:
        norm.eval().requires_grad_(False)


def start_values(network: nn.Module, seed: int) -> None:
    """Give classifiers and gates their first values: weights normal(0, 0.001) and biases 0; gates 0.

    The numbers follow from `seed` alone. The heads of EPIC-KITCHENS, which the authors did not release, start equally.
    """
    random = torch.Generator().manual_seed(seed)
    head = network.get_submodule("new_fc")
    linear: list[nn.Module] = (
        [head] if isinstance(head, nn.Linear) else [head.get_submodule(name) for name in _classifiers()]
    )
    with torch.no_grad():
        for layer in linear:
            assert isinstance(layer, nn.Linear)
            layer.weight.copy_(torch.randn(layer.weight.shape, generator=random) * CLASSIFIER_STD)
            if layer.bias is not None:
                layer.bias.zero_()
        for module in network.modules():
            if isinstance(module, GateShift):
                for parameter in module.conv3D.parameters():
                    parameter.zero_()
                module.bn.reset_parameters()


def _classifiers() -> tuple[str, ...]:
    return (*TASKS, "verb_from_action", "noun_from_action")
