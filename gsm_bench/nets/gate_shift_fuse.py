"""The Gate-Shift-Fuse module: as gate-shift, with learned weights by which moved and kept features are fused.

Sudhakaran, Escalera and Lanz, *Gate-Shift-Fuse for Video Action Recognition* (TPAMI 2023). Details that the paper leaves
open are those of the released code: batch norm, rectifier, order of the channels, zeros at the ends of a clip, and that a
part of the channels may be left as it is.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class GateShiftFuse(nn.Module):
    """Gate-shift-fuse over the frames of each clip; the shape stays as it is.

    Children carry the released names.

    Args:
        channels: C of the features.
        frames: T, the frames of one clip; the batch axis holds whole clips, frame after frame.
        ratio: percentage of the channels that take part, the first ones.

    Raises:
        ValueError: the channels that take part are no multiple of 4.
    """

    def __init__(self, channels: int, frames: int, ratio: int = 100) -> None:
        super().__init__()
        gated = channels * ratio // 100
        gated += gated % 2
        if gated % 4 or not 0 < gated <= channels:
            raise ValueError(f"{ratio}% of {channels} channels are {gated}, which is no multiple of 4")
        self.frames = frames
        self.gated = gated
        self.bn = nn.BatchNorm3d(gated)
        self.conv3D = nn.Conv3d(gated, 2, kernel_size=3, padding=1, groups=2)
        self.channel_conv1 = nn.Conv2d(2, 1, kernel_size=3, padding=1)
        self.channel_conv2 = nn.Conv2d(2, 1, kernel_size=3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map features [B*T, C, H, W] to features of the same shape; inside, half precision becomes float32."""
        channels, (rows, _, *plane) = self.gated, x.shape
        wide = torch.promote_types(x.dtype, torch.float32)
        clips = x[:, :channels].to(wide).view(rows // self.frames, self.frames, channels, *plane).transpose(1, 2)
        gate = torch.tanh(self.conv3D(torch.relu(self.bn(clips))))  # [B, 2, T, H, W]
        halves = clips.view(-1, 2, channels // 2, self.frames, *plane)
        moved = halves * gate.unsqueeze(2)
        kept = halves - moved
        fused = torch.stack(
            [
                _fused(self.channel_conv1, _from_next(moved[:, 0]), kept[:, 0]),
                _fused(self.channel_conv2, _from_previous(moved[:, 1]), kept[:, 1]),
            ],
            dim=1,
        )
        # Channels of each half a0 a1 .. b0 b1 .. become a0 b0 a1 b1 ..
        quarters = fused.view(-1, 2, 2, channels // 4, self.frames, *plane)
        mixed = quarters.transpose(2, 3).flatten(1, 3)  # [B, C, T, H, W]
        frames = mixed.transpose(1, 2).flatten(0, 1).to(x.dtype)
        return frames if channels == x.shape[1] else torch.cat((frames, x[:, channels:]), dim=1)


def _from_next(half: Tensor) -> Tensor:
    """[B, C, T, H, W] with the features of the next frame; zeros after the last one."""
    return F.pad(half[:, :, 1:], (0, 0, 0, 0, 0, 1))


def _from_previous(half: Tensor) -> Tensor:
    """[B, C, T, H, W] with the features of the previous frame; zeros before the first one."""
    return F.pad(half[:, :, :-1], (0, 0, 0, 0, 1, 0))


def _fused(weigh: nn.Module, moved: Tensor, kept: Tensor) -> Tensor:
    """The weighted mean of moved and kept features [B, C, T, H, W], with a weight per channel and frame."""
    means = torch.stack((moved.mean((3, 4)), kept.mean((3, 4))), dim=1)  # [B, 2, C, T]
    dtype = next(weigh.parameters()).dtype
    weights = torch.sigmoid(weigh(means.to(dtype)).to(moved.dtype)).squeeze(1)[..., None, None]  # [B, C, T, 1, 1]
    return moved * weights + kept * (1 - weights)
