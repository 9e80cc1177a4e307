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
    "hmdb51", "folder"
]  # fmt: skip
Temporal = Literal["gsm", "none"]
TemporalModule = Literal["gsm", "gsf", "tsm", "none"]
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
