"""The settings with a fixed set of values: the types of the code and the choices of the command line."""

from __future__ import annotations

from typing import Literal

Space = Literal["logits", "probabilities", "log_probabilities"]
"""Kinds of scores, and the spaces in which ensembles average them."""
Crops = Literal[1, 3, 5, 10]
SamplingRule = Literal["ticks", "slowfast", "slowfast-segments", "tsm-dense", "mmaction2", "videomae", "vjepa2"]
"""Which frames the clips of a video have; see `sampling_rules`."""
Rule = Literal["confidence", "margin", "entropy"]
ClassOrder = Literal["alphabetical", "file"]
Head = Literal["action", "verb-noun-action"]
Layout = Literal[
    "something-v1", "something-v2", "diving48", "list", "epic-55", "epic-100", "verb-noun", "ucf101", "kinetics",
    "charades", "hmdb51", "folder"
]  # fmt: skip
Temporal = Literal["gsm", "none"]
TemporalModule = Literal["gsm", "gsf", "tsm", "none"]
GateActivation = Literal["tanh", "sigmoid"]
"""Activation of the gates: ``tanh`` in the paper's final networks, ``sigmoid`` in an ablation of section 4.3."""
GsmBranch = Literal["1x1", "3x3", "double_3x3", "pool_proj", "all"]
"""Branch of an Inception block that holds the gate-shift module; ``1x1`` in the released networks."""
PAPER_BRANCHES: dict[int, GsmBranch] = {1: "double_3x3", 2: "3x3", 3: "pool_proj", 4: "1x1"}
"""The branches by their number in table 1 of the paper, which counts from left to right in its figure 4.

Branch 4 has the accuracy of the released networks, so it is ``1x1``. The others are an assumption: this is the order, from
left to right, in which Szegedy et al., *Rethinking the Inception Architecture for Computer Vision* (2016) draw such a block.
"""
RecipeName = Literal["default", "released"]
Precision = Literal["float32", "bfloat16", "float16"]
Compile = Literal["none", "kernels", "graphs"]
Resize = Literal["reader", "device"]
FrameOrder = Literal["forward", "reversed", "shuffled", "frozen"]
"""Order in which a network is shown the sampled frames; ``frozen`` repeats the middle one."""
Prefer = Literal["folder", "file"]
"""Which form of a video is read if it has a folder of pictures and a file."""
BadFramePolicy = Literal["skip", "error", "nearest"]
EngineName = Literal["local", "ray"]
ActionSource = Literal["head", "verb-noun", "prior"]
Metric = Literal["top1", "top5"]
SearchMethod = Literal["exact", "greedy", "weights"]
Theme = Literal["light", "dark"]
FigureKind = Literal[
    "complexity", "improved", "confusion", "reliability", "pareto", "cascade", "per-class", "agreement", "tsne",
    "saliency", "frames"
]  # fmt: skip
FigureFormat = Literal["pdf", "svg", "png"]
FilmFormat = Literal["mp4", "mkv", "webm"]
SourceKind = Literal["logits", "probabilities", "log_probabilities", "softmax_sums"]
"""What the scores of an imported dump may be."""
Mark = Literal["best", "second", "not-significant"]
"""What tables mark: the best and the second best of a column, and what does not differ significantly from the best."""
