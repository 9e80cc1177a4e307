"""A toy workspace for black-box tests: lists, frames, weights in, score files out, through the command line alone."""

from __future__ import annotations

import json
import re
import types
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from PIL import Image

from tests.conftest import TOY_NETWORK, trust

HERE = Path(__file__).parent
FRAMES = HERE / "frames"
"""Frames and videos that failed once."""
FIX = re.compile(r"^ *fix:", re.MULTILINE)


@dataclass(frozen=True)
class Scores:
    """A score file as any program may read it."""

    ids: list[str]
    action: np.ndarray
    status: list[int]
    num_frames: list[int]
    provenance: dict


def read_scores(path) -> Scores:
    with h5py.File(path) as file:
        ids = file["video_ids"] if "video_ids" in file else file["clip_ids"]
        counts = file["num_frames"][:].tolist() if "num_frames" in file else []
        return Scores(
            [name.decode() for name in ids[:]], file["scores/action"][:], file["status"][:].tolist(), counts,
            json.loads(file.attrs["provenance"]),
        )  # fmt: skip


def score_file(workspace, model="toy_4f", dataset="toy", split="val") -> Path:
    return workspace.root / "scores" / dataset / split / f"{model}.h5"


def network(frames=4, classes=5, seed=0):
    """The toy network of tests/conftest.py with random weights."""
    import torch

    module = types.ModuleType("toynet_inside")
    exec(TOY_NETWORK, module.__dict__)
    torch.manual_seed(seed)
    return module.ToyNetwork(frames, classes)


def save_weights(workspace, seed=0):
    from safetensors.torch import save_file

    (workspace.root / "checkpoints").mkdir(exist_ok=True)
    save_file(network(seed=seed).state_dict(), workspace.root / "checkpoints" / "toy.safetensors")


def local(workspace, text):
    """Write manifests/local.toml, and allow the code of its models to run."""
    (workspace.root / "manifests" / "local.toml").write_text(text)
    trust(workspace)


def noise(total, seed, size=(24, 32)):
    """Pictures uint8 [total, H, W, 3]."""
    return np.random.default_rng(seed).integers(0, 255, (total, *size, 3), np.uint8)


def write_frames(folder: Path, pictures, first=1, name="{:05d}.jpg", quality=80):
    """One file per picture; of the kind that the name's suffix says."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(pictures, start=first):
        Image.fromarray(picture).save(folder / name.format(number), quality=quality)


def data_of(workspace) -> Path:
    data = workspace.root / "data" / "toy"
    data.mkdir(parents=True, exist_ok=True)
    (data / "classes.txt").write_text("ape\nbee\ncat\ndog\nelk\n")
    return data


def make_videos(workspace, totals, seed=0, place="frames") -> Path:
    """Folders of noise v0, v1, .. of so many frames, and val.txt that lists them rightly; returns data/toy."""
    data = data_of(workspace)
    for row, total in enumerate(totals):
        write_frames(data / place / f"v{row}", noise(total, 1000 * seed + row))
    (data / "val.txt").write_text("".join(f"v{row} {n} {row % 5}\n" for row, n in enumerate(totals)))
    return data


def decoded(path) -> list[np.ndarray]:
    """What a decoder shows of a video, one frame after the other."""
    import av

    with av.open(str(path), metadata_errors="replace") as file:
        return [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]


def one_message(ran):
    """An error is one message with what to do about it, and no traceback."""
    assert "Traceback" not in ran.err
    assert ran.status == 1, ran.err
    assert FIX.search(ran.err), ran.err
    return ran.err
