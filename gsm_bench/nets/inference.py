"""A network prepared for scoring: the same function, in fewer operations.

Batch norms that follow a convolution directly are folded into it, the feature maps are laid out channels-last,
the gates' 3-D convolutions become 2-D ones, means are taken after projections, and a CPU takes a few frames at a time
through the stem. All change results only by rounding; tests hold the difference below 1e-4 of the logits' spread.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from gsm_bench.nets.gate_shift import GateShift, interleave
from gsm_bench.nets.segment import SegmentNetwork

STEM_PIXELS = 2 * 229 * 229
"""The stem's maps of two full-size frames, 6 MB at their widest, stay in a core's cache from layer to layer."""


def prepare_for_inference(network: nn.Module, dtype: torch.dtype = torch.float32) -> nn.Module:
    """A copy of `network` in evaluation mode, faster for networks of this package; the original does not change.

    Args:
        network: on the CPU.
        dtype: of a network of this package: of its convolution weights, and of the clips that it takes.
            Batch norms, the sums of the gates and the classifier stay float32.
    """
    network = copy.deepcopy(network).eval().requires_grad_(False)
    if isinstance(network, SegmentNetwork):
        _fold_batch_norms(network)
        _flatten_gates(network)
        _lay_out_channels_last(network)
        _cast_convolutions(network, dtype)
        network.base_model.pixels_at_once = STEM_PIXELS
        # In half precision the order of the two moves results by far more than rounding of float32.
        network.base_model.projects_first = dtype == torch.float32
    return network


def _fold_batch_norms(network: SegmentNetwork) -> None:
    backbone = network.base_model
    for conv_name, norm_name in backbone.foldable_pairs():
        conv, norm = backbone.get_submodule(conv_name), backbone.get_submodule(norm_name)
        assert isinstance(conv, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        backbone.set_submodule(conv_name, fuse_conv_bn_eval(conv, norm))
        backbone.set_submodule(norm_name, nn.Identity())


class FlatGateShift(GateShift):
    """Gate-shift whose 3-D gate convolution is one 2-D convolution and a sum over neighbouring frames.

    Libraries are slow at 3-D convolutions with two output planes. For each half, the kernel's three slices in time are
    three output planes of a 2-D convolution; slice k of frame t belongs to the gate of frame t + 1 - k.
    """

    def __init__(self, module: GateShift) -> None:
        super().__init__(module.channels, module.frames, module.activation)
        self.bn = module.bn
        slices = module.conv3D.weight.detach().transpose(1, 2).flatten(0, 1)  # [2 * 3, C/2, 3, 3]
        bias = module.conv3D.bias
        assert bias is not None
        self.register_buffer("slices", slices.contiguous())
        self.register_buffer("plane_bias", bias.detach().view(2, 1, 1))
        del self.conv3D

    def forward(self, x: Tensor) -> Tensor:
        """As `GateShift`, on features [B*T, C, H, W], channels last."""
        frames, (rows, channels, height, width) = self.frames, x.shape
        gate = self._gates(x).permute(0, 1, 3, 4, 2).unsqueeze(-1)  # [B, T, H, W, 2, 1]
        halves = x.permute(0, 2, 3, 1).reshape(rows // frames, frames, height, width, 2, channels // 2)
        gated = halves * gate
        out = halves - gated
        out[:, :-1, ..., 0, :] += gated[:, 1:, ..., 0, :]
        out[:, 1:, ..., 1, :] += gated[:, :-1, ..., 1, :]
        return interleave(out).flatten(0, 1).permute(0, 3, 1, 2)

    def _gates(self, x: Tensor) -> Tensor:
        """One gate plane per half and position: [B*T, C, H, W] -> [B, T, 2, H, W]."""
        bn = self.bn
        normal = F.batch_norm(x, bn.running_mean, bn.running_var, bn.weight, bn.bias, eps=bn.eps)
        planes = F.conv2d(F.relu_(normal), self.get_buffer("slices"), padding=1, groups=2).float()  # [B*T, 6, H, W]
        planes = planes.view(-1, self.frames, 2, 3, *planes.shape[-2:])  # [B, T, 2, 3, H, W]
        gate = planes[:, :, :, 1] + self.get_buffer("plane_bias")
        gate[:, 1:] += planes[:, :-1, :, 0]
        gate[:, :-1] += planes[:, 1:, :, 2]
        return (torch.tanh_(gate) if self.activation == "tanh" else torch.sigmoid_(gate)).to(x.dtype)


def _flatten_gates(network: SegmentNetwork) -> None:
    for name, module in list(network.named_modules()):
        if isinstance(module, GateShift):
            network.set_submodule(name, FlatGateShift(module))


def _lay_out_channels_last(network: SegmentNetwork) -> None:
    # Convolution by convolution: Module.to() refuses the 5-D weights of the gates.
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.to(memory_format=torch.channels_last)


def _cast_convolutions(network: SegmentNetwork, dtype: torch.dtype) -> None:
    """Weights are rounded once, not at every pass as autocast does."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.to(dtype)
        elif isinstance(module, FlatGateShift):
            module.slices = module.get_buffer("slices").to(dtype)
