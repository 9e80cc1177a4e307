"""A clip's score from its frames: backbone, pooled features, a classifier per frame, the mean over frames."""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor, nn

from gsm_bench.nets.bninception import BNInception
from gsm_bench.nets.heads import build_head
from gsm_bench.nets.inceptionv3 import InceptionV3
from gsm_bench.nets.resnet import ResNet50, ResNet101
from gsm_bench.nets.units import BackboneOptions, Means, UnitNet, keep_mean, map_mean
from gsm_bench.settings import PAPER_BRANCHES, GateActivation, GsmBranch, TemporalModule

Backbone = Literal["bninception", "inceptionv3", "resnet50", "resnet101"]
POOL = "pool"
"""The classifier's input among the layers of a network."""
BACKBONES: dict[str, type[UnitNet]] = {
    "bninception": BNInception,
    "inceptionv3": InceptionV3,
    "resnet50": ResNet50,
    "resnet101": ResNet101,
}


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
    temporal: TemporalModule = "gsm",
    frames: int = 8,
    classes: int | dict[str, int] = 174,
    *,
    gsm_blocks: int | None = None,
    gsm_branch: GsmBranch | int = "1x1",
    gate: GateActivation = "tanh",
    dropout: float = 0.5,
    width: float = 1.0,
    gsf_ratio: int = 100,
    shift_div: int = 8,
) -> SegmentNetwork:
    """Build a network of the paper, or of those on TSM and GSF, untrained.

    Args:
        backbone: ``bninception`` (input 224), ``inceptionv3`` (input 229), ``resnet50`` or ``resnet101`` (input 224, RGB).
        temporal: ``gsm`` for gate-shift modules, ``gsf`` for gate-shift-fuse ones, ``tsm`` for the shift of TSM (ResNets),
            ``none`` for plain TSN.
        frames: T, frames per clip.
        classes: C, outputs; or outputs of ``verb``, ``noun`` and ``action`` for the three-headed network.
        gsm_blocks: blocks with gate-shift modules, counted from the last; all ten unless told (table 2 of the paper). That
            one module is in the last block is said in section 4.3. That five are in the last five is not said. Of the 252
            ways to place five, four have the parameters and GFLOPs of table 2, this alone in neighbouring blocks.
        gsm_branch: branch of a block that holds its module, by name, or by its number in table 1 (`PAPER_BRANCHES`);
            ``all``: one module in each.
        gate: ``tanh`` or ``sigmoid``.
        dropout: rate before the classifier; 0.5, and 0.7 for Diving48 (section 4.2).
        width: factor on the channel counts.
        gsf_ratio: percentage of the channels that gate-shift-fuse modules use.
        shift_div: of TSM: one of so many parts of the channels comes from the next frame, as many from the previous one.

    Returns:
        A module on the CPU, in training mode: float32 [B, T, 3, S, S] -> logits [B, C], or
        a dict of logits [B, C] per task.

    Raises:
        ValueError: for a backbone, temporal module, gate, number of modules or set of tasks that does not exist.
    """
    if backbone not in BACKBONES:
        raise ValueError(f"no backbone {backbone!r}; there are {', '.join(BACKBONES)}")
    family = BACKBONES[backbone]
    if temporal not in family.TEMPORAL:
        raise ValueError(f"no temporal module {temporal!r} for {backbone}; there are {', '.join(family.TEMPORAL)}")
    branch = gate_branch(gsm_branch)
    _check_gates(temporal, gsm_blocks, branch, gate)
    blocks = len(family.possible_sites(temporal)) if gsm_blocks is None else gsm_blocks
    used = blocks if temporal in ("gsm", "gsf") else 0
    options = BackboneOptions(frames, used, gate, width, temporal, gsf_ratio, shift_div, branch)
    return SegmentNetwork(family(options), frames=frames, classes=classes, dropout=dropout)


def gate_branch(branch: object) -> GsmBranch:
    """A branch by its name, or by its number in table 1 of the paper, as a number or a text.

    Raises:
        ValueError: there is no such branch.
    """
    numbers: dict[str, GsmBranch] = {str(number): name for number, name in PAPER_BRANCHES.items()}
    names: dict[str, GsmBranch] = {name: name for name in get_args(GsmBranch)}
    if str(branch) not in names | numbers:
        known = ", ".join((*names, *numbers))
        raise ValueError(f"no gsm_branch {branch!r}; there are {known}")
    return (names | numbers)[str(branch)]


def _check_gates(temporal: TemporalModule, gsm_blocks: object, branch: GsmBranch, gate: object) -> None:
    """Raise a ValueError for options of gates that do not exist, or that this temporal module does not have."""
    if gate not in get_args(GateActivation):
        raise ValueError(f"no gate {gate!r}; there are {', '.join(get_args(GateActivation))}")
    if gsm_blocks is not None and (isinstance(gsm_blocks, bool) or not isinstance(gsm_blocks, int)):
        raise ValueError(f"gsm_blocks is a whole number, not {gsm_blocks!r}")
    if temporal == "gsf" and gate != "tanh":
        raise ValueError("gate-shift-fuse modules have tanh gates")
    blocks = gsm_blocks if temporal != "gsf" else None
    changed = {"gsm_blocks": blocks, "gsm_branch": branch != "1x1", "gate": gate != "tanh"}
    if temporal != "gsm" and (wrong := next((name for name, value in changed.items() if value), None)):
        raise ValueError(f"temporal {temporal!r} has no gate-shift modules: leave {wrong} out or use temporal 'gsm'")
