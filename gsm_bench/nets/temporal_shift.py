"""The Temporal Shift Module: some channels come from the neighbouring frames, without parameters or multiply-adds.

Lin, Gan and Han, *TSM: Temporal Shift Module for Efficient Video Understanding* (ICCV 2019).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class TemporalShift(nn.Module):
    """A module whose input is shifted over the frames of each clip.

    Args:
        net: that module; its released name.
        frames: T, the frames of one clip; the batch axis holds whole clips, frame after frame.
        parts: one of so many parts of the channels comes from the next frame, as many from the previous one.
    """

    def __init__(self, net: nn.Module, frames: int, parts: int = 8) -> None:
        super().__init__()
        if parts < 2:
            raise ValueError(f"shift_div is 2 or more, not {parts}")
        self.net = net
        self.frames = frames
        self.parts = parts

    def forward(self, x: Tensor) -> Tensor:
        """[B*T, C, H, W] to what `net` makes of it."""
        clips = x.view(-1, self.frames, *x.shape[1:])
        fold = x.shape[1] // self.parts
        zeros = torch.zeros_like(clips[:, :1])
        following = torch.cat((clips[:, 1:, :fold], zeros[:, :, :fold]), dim=1)
        previous = torch.cat((zeros[:, :, :fold], clips[:, :-1, fold : 2 * fold]), dim=1)
        shifted = torch.cat((following, previous, clips[:, :, 2 * fold :]), dim=2)
        out: Tensor = self.net(shifted.flatten(0, 1))
        return out
