"""How far the input of networks of libraries is from that of the library's own preprocessing, as a Markdown table.

Frames are moving windows of the two photographs that scikit-learn brings, in the sizes in which data sets are stored.
Differences of pixels are in grey levels of 255; those of logits in standard deviations over clips and classes, of
networks with random weights.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_sample_images

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
STORED = {"176x100": (176, 100), "320x240": (320, 240), "340x256": (340, 256), "427x240": (427, 240)}
LOGITS_AT = "340x256"
CLIPS, FRAMES, CLASSES = 10, 8, 10
TINY = {"image_size": 224, "num_frames": FRAMES, "hidden_size": 192, "num_hidden_layers": 2, "num_attention_heads": 3,
        "intermediate_size": 384}  # fmt: skip
TINY_VJEPA2 = {"crop_size": 256, "frames_per_clip": FRAMES, "hidden_size": 192, "num_hidden_layers": 2,
               "num_attention_heads": 3, "mlp_ratio": 2.0, "pred_num_hidden_layers": 1}  # fmt: skip
TRANSFORMERS = {
    "videomae": ("VideoMAEImageProcessor", {"size": {"shortest_edge": 224}}, TINY),
    "timesformer": ("VideoMAEImageProcessor", {"size": {"shortest_edge": 224}}, TINY),
    "vivit": ("VivitImageProcessor", {"size": {"shortest_edge": 256}}, TINY),
    "vjepa2": ("VJEPA2VideoProcessor", {"crop_size": 256}, TINY_VJEPA2),
}


def clips_of(width, height):
    """CLIPS clips uint8 [T, H, W, 3] of a window that moves over a photograph."""
    rng = np.random.default_rng(0)
    photographs = load_sample_images().images
    for clip in range(CLIPS):
        scale = rng.uniform(1.1, 1.5) * max(width / 640, height / 427)
        picture = Image.fromarray(photographs[clip % 2])
        picture = picture.resize((round(640 * scale), round(427 * scale)), Image.Resampling.LANCZOS)
        room = np.array([picture.width - width, picture.height - height])
        start, end = rng.uniform(0, 1, (2, 2))
        frames = []
        for at in np.linspace(0, 1, FRAMES):
            left, top = (room * (start + at * (end - start))).astype(int)
            frames.append(np.asarray(picture.crop((left, top, left + width, top + height))))
        yield np.stack(frames)


def of_torchvision(name):
    """The library's preprocessing, clip [T, H, W, 3] -> [T, 3, S, S]; the network without hooks' help; the settings."""
    from torchvision.models import get_model, get_model_weights

    preset = get_model_weights(name).DEFAULT.transforms()
    network = get_model(name, weights=None, num_classes=CLASSES)
    count = {"s3d": 14, "mvit_v2_s": 16}.get(name, FRAMES)
    repeated = [at * FRAMES // count for at in range(count)]
    return (
        lambda clip: preset(torch.from_numpy(clip).permute(0, 3, 1, 2)).transpose(0, 1),
        lambda pixels: network(pixels[repeated].transpose(0, 1)[None]),
        network,
        None,
    )


def of_transformers(name):
    import transformers

    from gsm_bench.nets.libraries.transformers_video import FAMILIES

    processor_name, options, config = TRANSFORMERS[name]
    processor = getattr(transformers, processor_name)(**options)
    family = FAMILIES[name]
    network = getattr(transformers, family.classifier)(
        getattr(transformers, family.config)(**config, num_labels=CLASSES)
    )
    folder = Path(tempfile.mkdtemp())
    network.save_pretrained(folder)
    processor.save_pretrained(folder)

    def prepare(clip):
        inputs = processor(
            list(clip) if name != "vjepa2" else torch.from_numpy(clip).permute(0, 3, 1, 2), return_tensors="pt"
        )
        return next(iter(inputs.values()))[0]

    return prepare, lambda pixels: network(pixels[None]).logits, network, folder


def of_timm(name):
    import timm

    network = timm.create_model(name, pretrained=False, num_classes=CLASSES)
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(network))
    return (
        lambda clip: torch.stack([transform(Image.fromarray(frame)) for frame in clip]),
        lambda pixels: network(pixels).mean(dim=0, keepdim=True),
        network,
        None,
    )


def differences(network_name):
    """Per stored size: mean and largest difference of pixels in grey levels, and of logits in standard deviations."""
    from gsm_bench.frames.transform import preprocess
    from gsm_bench.geometry import InputSpec
    from gsm_bench.nets.libraries import library_settings

    library, _, name = network_name.partition(":")
    torch.manual_seed(0)
    prepare, forward, network, folder = {
        "torchvision": of_torchvision,
        "transformers": of_transformers,
        "timm": of_timm,
    }[library](name)
    network.eval()
    values = dict(library_settings(network_name, folder).values["input"])
    spec = InputSpec(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})
    levels = 255 / spec.value_range * torch.tensor(spec.std).view(3, 1, 1)
    for stored, size in STORED.items():
        pixels, logits = [], []
        for clip in clips_of(*size):
            ours, theirs = preprocess(clip, spec), prepare(clip)
            pixels.append(((ours - theirs).abs() * levels).numpy())
            if stored == LOGITS_AT:
                with torch.inference_mode():
                    logits.append([forward(ours).numpy(), forward(theirs).numpy()])
        print(
            f"| `{network_name}` | {stored} | {spec.stretch[::-1] if spec.stretch else spec.resize} | {np.mean(pixels):.2f} "
            f"| {np.max(pixels):.0f} | {moved(logits)} |", flush=True,
        )  # fmt: skip


def moved(logits):
    """The largest difference of logits over their spread among clips; empty without logits."""
    if not logits:
        return ""
    ours, theirs = np.array(logits).squeeze(2).transpose(1, 0, 2)
    return f"{np.abs(ours - theirs).max() / (theirs - theirs.mean(axis=0)).std():.4f}"


def main():
    print("| Network | Stored | Resized to | Mean, levels | Largest | Logits |")
    print("| --- | --- | --- | ---: | ---: | ---: |")
    for name in sys.argv[1:] or (
        "torchvision:r3d_18",
        "torchvision:s3d",
        "torchvision:swin3d_t",
        "transformers:videomae",
        "transformers:timesformer",
        "transformers:vivit",
        "transformers:vjepa2",
        "timm:resnet50",
        "timm:resnet18",
        "timm:convnext_atto",
    ):
        differences(name)


if __name__ == "__main__":
    main()
