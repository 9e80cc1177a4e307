"""The Gate-Shift Module: learned spatial gates decide which features move one frame through time.

Section 3.1 of "Gate-Shift Networks for Video Action Recognition" (CVPR 2020), with the batch
normalisation, the rectifier and the channel interleaving that the released code adds to the paper's equations;
a released checkpoint gives its accuracy only with all three.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gsm_bench.settings import GateActivation


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
        clips = x.view(rows // frames, frames, channels, height, width)  # [B, T, C, H, W]
        gate = self.gate(clips.transpose(1, 2)).permute(0, 2, 3, 4, 1)  # [B, T, H, W, 2]
        # Channels last throughout: the layout in which convolutions on a CPU cost half as much.
        halves = clips.permute(0, 1, 3, 4, 2).view(-1, frames, height, width, 2, channels // 2)
        gated = halves * gate.unsqueeze(-1)
        out = interleave(_shift(gated) + (halves - gated))  # [B, T, H, W, C]
        return out.flatten(0, 1).permute(0, 3, 1, 2)

    def gate(self, x: Tensor) -> Tensor:
        """One gate plane per half and position: [B, C, T, H, W] -> [B, 2, T, H, W]."""
        planes: Tensor = self.conv3D(torch.relu(self.bn(x)))
        return torch.tanh(planes) if self.activation == "tanh" else torch.sigmoid(planes)


def _shift(gated: Tensor) -> Tensor:
    """Move half 0 of [B, T, H, W, 2, C/2] one frame towards the past, half 1 towards the future; zeros come in."""
    past = F.pad(gated[:, 1:, ..., 0, :], (0, 0) * 3 + (0, 1))
    future = F.pad(gated[:, :-1, ..., 1, :], (0, 0) * 3 + (1, 0))
    return torch.stack((past, future), dim=-2)


def interleave(halves: Tensor) -> Tensor:
    """Reorder each half's channels a0 a1 .. b0 b1 .. as a0 b0 a1 b1 ..: [.., 2, C/2] -> [.., C]."""
    quarters = halves.view(*halves.shape[:-1], 2, halves.shape[-1] // 2)  # [.., 2, 2, C/4]
    return quarters.transpose(-1, -2).flatten(-3)
