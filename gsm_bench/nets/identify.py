"""What a network is: in words, from the keys of its weights, and its gates as options."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import get_args

from torch import nn

from gsm_bench.nets.bninception import BNInception
from gsm_bench.nets.gate_shift import GateShift
from gsm_bench.nets.inceptionv3 import InceptionV3
from gsm_bench.nets.segment import SegmentNetwork
from gsm_bench.nets.units import UnitNet
from gsm_bench.settings import GsmBranch

UNKNOWN = "none of the networks known here"
GATE_SITE = re.compile(r"(?:^|\.)gsm_([^.]+)\.conv3D\.weight$")


def network_words(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """The network whose weights have these keys and shapes, in words; keys may have prefixes."""
    title, family = _family(shapes)
    if not title:
        return UNKNOWN
    modules = sum(key.endswith(".conv3D.weight") for key in shapes)
    kind = f"TSN {title}"
    if any(key.endswith(".channel_conv1.weight") for key in shapes):
        kind = f"GSF {title} with {modules} gate-shift-fuse modules"
    elif any(key.endswith(".conv1.net.weight") for key in shapes):
        kind = f"TSM {title}"
    elif modules:
        plural = "" if modules == 1 else "s"
        kind = f"GSM {title} with {modules} gate-shift module{plural}{_place_words(shapes, family)}"
    classifier = next((shape for key, shape in shapes.items() if key.endswith("new_fc.weight")), None)
    return kind if classifier is None else f"{kind}, {classifier[0]} classes"


def gate_of(network: nn.Module) -> str | None:
    """Activation of the gates of a network; None if it has no gate-shift modules."""
    return next((module.activation for module in network.modules() if isinstance(module, GateShift)), None)


def gate_options(network: nn.Module) -> dict[str, str]:
    """Options of the gates of a network, as texts for the metadata of its checkpoint; none for other networks.

    A file that holds them is refused by a network with other gates, whose keys are the same.
    """
    gate = gate_of(network)
    if gate is None or not isinstance(network, SegmentNetwork):
        return {}
    options = network.base_model.options
    return {"gate": gate, "gsm_blocks": str(options.gsm_blocks), "gsm_branch": options.gsm_branch}


def _family(keys: Iterable[str]) -> tuple[str, type[UnitNet] | None]:
    keys = list(keys)
    if any("base_model.layer4." in key for key in keys):
        return ("ResNet-101" if any("base_model.layer3.22." in key for key in keys) else "ResNet-50"), None
    if any("base_model.inception_3a_" in key for key in keys):
        return "BN-Inception", BNInception
    if any("base_model.mixed_conv_" in key for key in keys):
        return "InceptionV3", InceptionV3
    return "", None


def _place_words(keys: Iterable[str], family: type[UnitNet] | None) -> str:
    """Where the gate-shift modules stand, if not as in the released networks, counted from the last block."""
    if family is None:
        return ""
    units = {match[1].removesuffix(family.CONV) for key in keys if (match := GATE_SITE.search(key))}
    for branch in get_args(GsmBranch):
        blocks = family.possible_sites("gsm", branch)
        if any(units == {unit for block in blocks[first:] for unit in block} for first in range(len(blocks))):
            return {"1x1": "", "all": " in all branches"}.get(branch, f" in branch {branch}")
    return " at other places"
