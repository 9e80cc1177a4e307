"""Networks of installed libraries by name: torchvision's video models, Hugging Face's video classifiers, timm's backbones.

Each module has ``build(name, entry)``, which makes an untrained network whose keys are the library's own, and
``settings(name, checkpoint)``, which reads from the library, or from files beside the weights, what an entry needs.
A network takes clips float32 [B, T, 3, S, S]; hooks turn them into what the library expects.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from gsm_bench.entries import LIBRARIES, ModelEntry, library_of
from gsm_bench.errors import NetworkError

ROOMS = {"torchvision": "torchvision_video", "transformers": "transformers_video", "timm": "timm_segments"}


@dataclass(frozen=True)
class NetworkSettings:
    """What a library says of one of its networks.

    Attributes:
        values: keys of an entry with their values.
        sources: where they come from, in words.
        missing: keys that the library does not say, with how to give them.
    """

    values: Mapping[str, Any]
    sources: tuple[str, ...]
    missing: Mapping[str, str] = field(default_factory=dict)


def build_library_network(entry: ModelEntry) -> nn.Module:
    """Build the network of an entry such as ``torchvision:r3d_18``, untrained.

    Raises:
        NetworkError: the library is not installed, has no such network, or refuses the options.
    """
    library, name = _parts(entry.network)
    if set(entry.tasks) != {"action"}:
        raise NetworkError(f"{entry.network} has one task, action; the entry has {', '.join(entry.tasks)}")
    try:
        network: nn.Module = _room(library).build(name, entry)
    except NetworkError:
        raise
    except (TypeError, ValueError, AssertionError, RuntimeError, KeyError) as error:
        text = " ".join(str(error).split())[:300] or type(error).__name__
        raise NetworkError(
            f"{entry.network} cannot be built for {entry.name}: {text}", fix="correct options, frames or input.size"
        ) from error
    return network


def library_settings(network: str, checkpoint: Path | None) -> NetworkSettings:
    """What the library, and the files beside the weights, say of a network.

    Raises:
        NetworkError: see `build_library_network`; or a file beside the weights is damaged.
    """
    library, name = _parts(network)
    settings: NetworkSettings = _room(library).settings(name, checkpoint)
    return settings


def library_version(network: str) -> str:
    """``torchvision=0.26.0``: what besides torch decides the numbers of a network."""
    from importlib.metadata import version

    library = library_of(network)
    return f"{library}={version(library)}" if library else ""


def _parts(network: str) -> tuple[str, str]:
    library, _, name = network.partition(":")
    return library, name


def _room(library: str) -> ModuleType:
    try:
        importlib.import_module(library)
    except ImportError as error:
        raise NetworkError(f"{library} is not installed: {error}", fix=f"pip install '{LIBRARIES[library]}'") from error
    return importlib.import_module(f"gsm_bench.nets.libraries.{ROOMS[library]}")
