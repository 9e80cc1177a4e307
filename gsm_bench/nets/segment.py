"""A clip's score from its frames: backbone, pooled features, a classifier per frame, the mean over frames."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from gsm_bench.nets.bninception import BNInception
from gsm_bench.nets.gate_shift import GateActivation
from gsm_bench.nets.heads import build_head
from gsm_bench.nets.inceptionv3 import InceptionV3
from gsm_bench.nets.units import BackboneOptions, Means, UnitNet, keep_mean, map_mean
from gsm_bench.settings import Temporal

Backbone = Literal["bninception", "inceptionv3"]
POOL = "pool"
"""The classifier's input among the layers of a network."""
BACKBONES: dict[str, type[UnitNet]] = {"bninception": BNInception, "inceptionv3": InceptionV3}


class SegmentNetwork(nn.Module):
    """Segment consensus over a 2-D backbone: clips [B, T, 3, S, S] to logits [B, C], or to a dict of them per task.

    Children carry the released names: ``base_model`` and ``new_fc``.

    Attributes:
        feature_layers: blocks whose means over the clip are returned instead of logits, ``pool`` for the classifier's
            input; empty for logits.
    """

    feature_layers: tuple[str, ...] = ()

    def __init__(self, base_model: UnitNet, *, frames: int, classes: int | dict[str, int], dropout: float) -> None:
        super().__init__()
        self.frames = frames
        self.base_model = base_model
        self.dropout = nn.Dropout(dropout)
        self.new_fc = build_head(base_model.features, classes)

    def forward(self, clips: Tensor) -> Tensor | dict[str, Tensor]:
        """float32 [B, T, 3, S, S] (BGR minus mean for the released weights) -> logits [B, C], or one per task."""
        batch, frames = clips.shape[:2]
        if frames != self.frames:
            raise ValueError(f"this network takes clips of {self.frames} frames, not {frames}")
        if self.feature_layers:
            return self._features(clips)
        features = self.base_model(clips.flatten(0, 1))  # [B*T, F, H, W]
        # Half precision ends here: the classifier and the mean over frames are float32.
        pooled = map_mean(features)  # [B*T, F]
        logits: Tensor | dict[str, Tensor] = self.new_fc(self.dropout(pooled))  # [B*T, C]
        if isinstance(logits, dict):
            return {task: values.view(batch, frames, -1).mean(1) for task, values in logits.items()}
        return logits.view(batch, frames, -1).mean(1)  # [B, C]

    def _features(self, clips: Tensor) -> dict[str, Tensor]:
        """float32 [B, T, 3, S, S] -> means over the maps and frames of each layer, float32 [B, F]."""
        means: Means = dict.fromkeys(self.feature_layers)
        maps = self.base_model(clips.flatten(0, 1), means)
        keep_mean(POOL, maps, means)
        return {name: values.view(*clips.shape[:2], -1).mean(1) for name, values in means.items() if values is not None}


def build_network(
    backbone: Backbone,
    temporal: Temporal = "gsm",
    frames: int = 8,
    classes: int | dict[str, int] = 174,
    *,
    gsm_blocks: int | None = None,
    gate: GateActivation = "tanh",
    dropout: float = 0.5,
    width: float = 1.0,
) -> SegmentNetwork:
    """Build a network of the paper, untrained.

    Args:
        backbone: ``bninception`` (input 224) or ``inceptionv3`` (input 229).
        temporal: ``gsm`` for gate-shift modules, ``none`` for plain TSN.
        frames: T, frames per clip.
        classes: C, outputs; or outputs of ``verb``, ``noun`` and ``action`` for the three-headed network.
        gsm_blocks: gate-shift modules used, counted from the last; all ten unless told (table 2 of the paper).
        gate: ``tanh`` or ``sigmoid``.
        dropout: rate before the classifier; 0.5, and 0.7 for Diving48 (section 4.2).
        width: factor on the channel counts.

    Returns:
        A module on the CPU, in training mode: float32 [B, T, 3, S, S] -> logits [B, C], or
        a dict of logits [B, C] per task.

    Raises:
        ValueError: for a backbone, temporal module, gate, number of modules or set of tasks that does not exist.
    """
    if backbone not in BACKBONES:
        raise ValueError(f"no backbone {backbone!r}; there are {', '.join(BACKBONES)}")
    if temporal not in ("gsm", "none"):
        raise ValueError(f"no temporal module {temporal!r}; there are gsm, none")
    if gate not in ("tanh", "sigmoid"):
        raise ValueError(f"no gate {gate!r}; there are tanh, sigmoid")
    if temporal == "none" and gsm_blocks:
        raise ValueError("temporal 'none' has no gate-shift modules: leave gsm_blocks out or use temporal 'gsm'")
    family = BACKBONES[backbone]
    sites = len(family.GSM_SITES) if gsm_blocks is None else gsm_blocks
    options = BackboneOptions(frames, sites if temporal == "gsm" else 0, gate, width)
    return SegmentNetwork(family(options), frames=frames, classes=classes, dropout=dropout)
