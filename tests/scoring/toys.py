"""A small data set with frames and a small network, for runs that take seconds."""

import io
from functools import lru_cache

import numpy as np
from PIL import Image

from gsm_bench.manifest import load_manifest


def make_clips(workspace, count, *, lengths=(3, 20), seed=0):
    """Write `count` clips of tiny noisy JPEG frames with lists into data/toy; returns their ids."""
    data = workspace.data / "toy"
    rows = []
    for clip, frames in enumerate(_drawn(count, lengths, seed)):
        folder = data / "frames" / f"v{clip}"
        folder.mkdir(parents=True)
        for number, content in enumerate(frames, start=1):
            (folder / f"{number:05d}.jpg").write_bytes(content)
        rows.append((f"v{clip}", len(frames), clip % 5))
    (data / "val.txt").write_text("".join(f"{name} {n} {label}\n" for name, n, label in rows))
    (data / "bare.txt").write_text("".join(f"{name}\n" for name, _, _ in rows))
    (data / "unlabelled.txt").write_text("".join(f"{name} {n}\n" for name, n, _ in rows))
    (data / "classes.txt").write_text("ape\nbee\ncat\ndog\nelk\n")
    return [name for name, _, _ in rows]


@lru_cache(maxsize=4)
def _drawn(count, lengths, seed):
    """The JPEG files of each clip; many tests of a module ask for the same."""
    rng = np.random.default_rng(seed)
    return [
        [_jpeg(rng.integers(0, 255, (24, 32, 3), np.uint8)) for _ in range(int(rng.integers(*lengths)))]
        for _ in range(count)
    ]


def _jpeg(picture):
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "JPEG", quality=80)
    return content.getvalue()


def make_checkpoint(workspace, name="toy_4f", seed=0):
    """Write random weights, gates open, for a toy model."""
    import torch

    from gsm_bench.nets.gate_shift import GateShift
    from gsm_bench.nets.registry import network_for

    torch.manual_seed(seed)
    entry = load_manifest(workspace).model(name)
    network = network_for(entry, search=workspace.root)
    for module in network.modules():
        if isinstance(module, GateShift):
            torch.nn.init.normal_(module.conv3D.weight, std=0.2)
    workspace.checkpoints.mkdir(exist_ok=True)
    from safetensors.torch import save_file

    save_file(network.state_dict(), workspace.checkpoints / entry.checkpoint.file)


def decoded_frames(length, frames=4):
    """Different frames read for two clips of a video."""
    from gsm_bench.sampling import sample_indices

    return len(np.unique(sample_indices(length, frames, 2)))
