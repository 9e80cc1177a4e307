"""The demonstration: the main job from frames to table 4, on four small clips and made-up weights.

The weights are the deterministic ones of the reference fixtures, written as checkpoints in the released format. They
were never trained: the demonstration shows the road, and its accuracies say nothing about the networks.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from gsm_bench.errors import GsmBenchError
from gsm_bench.manifest import Manifest
from gsm_bench.workspace import Workspace

FAMILY = "GSM-InceptionV3"


def reference_directory() -> Path:
    """The fixtures of a checkout.

    Raises:
        GsmBenchError: the package was installed without its checkout.
    """
    found = Path(__file__).resolve().parent.parent / "tests" / "reference"
    if not (found / "e2e").is_dir():
        raise GsmBenchError(
            "the demonstration needs the fixtures of a checkout",
            where=found,
            fix="run `make demo` in a clone of the repository",
        )
    return found


def write_checkpoints(reference: Path, workspace: Workspace, manifest: Manifest, models: list[str]) -> None:
    """Write made-up weights for `models` into the workspace, in the released format."""
    shapes = json.loads((reference / "checkpoint_keys.json").read_text())[FAMILY]
    tensor_for = _weights_function(reference)
    state = {f"module.{key}": torch.from_numpy(tensor_for(key, tuple(shape)).copy()) for key, shape in shapes.items()}
    workspace.checkpoints.mkdir(parents=True, exist_ok=True)
    for name in models:
        path = workspace.checkpoints / manifest.model(name).checkpoint.file
        torch.save({"epoch": 0, "arch": "InceptionV3", "state_dict": state}, path, _use_new_zipfile_serialization=False)


def _weights_function(reference: Path) -> Callable[[str, tuple[int, ...]], Any]:
    spec = importlib.util.spec_from_file_location("reference_weights", reference / "weights.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function: Callable[[str, tuple[int, ...]], Any] = module.tensor_for
    return function
