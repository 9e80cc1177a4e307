"""The Gate-Shift Module: learned spatial gates decide which features move one frame through time.

Section 3.1 of "Gate-Shift Networks for Video Action Recognition" (CVPR 2020), with the batch
normalisation, the rectifier and the channel interleaving that the released code adds to the paper's equations;
a released checkpoint gives its accuracy only with all three.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

GateActivation = Literal["tanh", "sigmoid"]


class GateShift(nn.Module):
    """Gate-shift over the frames of each clip; the shape stays as it is.

    Args:
        channels: C, a multiple of 4 (two halves, each interleaved in two quarters).
        frames: T, the frames of one clip; the batch axis holds whole clips, frame after frame.
        gate: the gate's activation, ``tanh`` in the paper's final model, ``sigmoid`` in its ablation (section 4.3).
    """

    def __init__(self, channels: int, frames: int, gate: GateActivation = "tanh") -> None:
        super().__init__()
        if channels % 4:
            raise ValueError(f"a gate-shift module needs a multiple of 4 channels, not {channels}")
        self.channels = channels
        self.frames = frames
        self.activation = gate
        self.bn = nn.BatchNorm3d(channels)
        self.conv3D = nn.Conv3d(channels, 2, kernel_size=3, padding=1, groups=2)
        # A gate of zero shifts nothing: a network starts its training as the plain 2-D network it was.
        nn.init.zeros_(self.conv3D.weight)
        if self.conv3D.bias is not None:
            nn.init.zeros_(self.conv3D.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map features [B*T, C, H, W] to features of the same shape."""
        frames, (rows, channels, height, width) = self.frames, x.shape
        x = x.view(rows // frames, frames, channels, height, width).transpose(1, 2)  # [B, C, T, H, W]
        gate = self.gate(x)  # [B, 2, T, H, W]
        half = channels // 2
        past = _interleave(_gated_shift(x[:, :half], gate[:, :1], towards_past=True))
        future = _interleave(_gated_shift(x[:, half:], gate[:, 1:], towards_past=False))
        out = torch.cat((past, future), dim=1)  # [B, C, T, H, W]
        return out.transpose(1, 2).reshape(rows, channels, height, width)

    def gate(self, x: Tensor) -> Tensor:
        """One gate plane per half and position: [B, C, T, H, W] -> [B, 2, T, H, W]."""
        planes: Tensor = self.conv3D(torch.relu(self.bn(x)))
        return torch.tanh(planes) if self.activation == "tanh" else torch.sigmoid(planes)


def _gated_shift(x: Tensor, gate: Tensor, *, towards_past: bool) -> Tensor:
    """Move the gated part of x [B, C, T, H, W] by one frame, with zeros coming in, and add what was not gated."""
    gated = gate * x
    zeros = torch.zeros_like(gated[:, :, :1])
    pieces = (gated[:, :, 1:], zeros) if towards_past else (zeros, gated[:, :, :-1])
    return torch.cat(pieces, dim=2) + (x - gated)


def _interleave(x: Tensor) -> Tensor:
    """Reorder channels a0 a1 .. b0 b1 .. as a0 b0 a1 b1 .., for x of [B, C, T, H, W]."""
    batch, channels, *rest = x.shape
    return x.view(batch, 2, channels // 2, *rest).transpose(1, 2).reshape(batch, channels, *rest)
