"""Video classifiers of Hugging Face's transformers. Nothing is downloaded, and no code of a repository runs.

``config.json`` and ``preprocessor_config.json`` (or ``video_preprocessor_config.json``) beside the weights say what the
network is and how its input is made. What of the configuration differs from the class's own default becomes the
entry's options, so that an entry is whole.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import transformers
from torch import nn

from gsm_bench.entries import ModelEntry
from gsm_bench.errors import NetworkError
from gsm_bench.nets.libraries import NetworkSettings

PREPROCESSOR_FILES = ("preprocessor_config.json", "video_preprocessor_config.json")
NOT_OPTIONS = frozenset({
    "architectures", "dtype", "id2label", "label2id", "model_type", "num_labels", "problem_type", "torch_dtype",
    "transformers_version", "_name_or_path", "finetuning_task", "use_cache",
})  # fmt: skip
"""Keys of a configuration that the entry says otherwise, or that change no score."""
BILINEAR = 2
LARGEST_BYTES = 20_000_000


@dataclass(frozen=True)
class Family:
    """A family of classifiers: its classes in transformers, and its configuration's keys for frames and size.

    Attributes:
        rescale: what its preprocessor multiplies bytes with, where the file does not say it.
        offset: whether it subtracts 1 afterwards, where the file does not say it.
    """

    config: str
    classifier: str
    frames: str = "num_frames"
    size: str = "image_size"
    rescale: float = 1 / 255
    offset: bool = False


FAMILIES = {
    "videomae": Family("VideoMAEConfig", "VideoMAEForVideoClassification"),
    "timesformer": Family("TimesformerConfig", "TimesformerForVideoClassification"),
    "vivit": Family("VivitConfig", "VivitForVideoClassification", rescale=1 / 127.5, offset=True),
    "vjepa2": Family("VJEPA2Config", "VJEPA2ForVideoClassification", "frames_per_clip", "crop_size"),
}


def build(name: str, entry: ModelEntry) -> nn.Module:
    """The classifier, untrained; its keys are those of transformers."""
    family = _family(name)
    defaults = _defaults(family)
    unknown = [key for key in entry.options if key not in defaults]
    if unknown:
        raise NetworkError(f"{family.config} has no option {unknown[0]!r}", fix="correct options of the entry")
    given: dict[str, Any] = {key: _listed(value, defaults[key]) for key, value in entry.options.items()}
    given |= {family.frames: entry.frames, family.size: entry.input.size}
    config = getattr(transformers, family.config)(num_labels=entry.tasks["action"], **given)
    network: nn.Module = getattr(transformers, family.classifier)(config)
    return network


def settings(name: str, checkpoint: Path | None) -> NetworkSettings:
    """What the files beside the weights say."""
    family = _family(name)
    if checkpoint is None:
        raise NetworkError(
            f"transformers:{name} is described by files beside its weights", fix="give --checkpoint FILE"
        )
    folder = checkpoint if checkpoint.is_dir() else checkpoint.parent
    config = _json(folder / "config.json")
    if config.get("model_type") != name:
        raise NetworkError(
            f"these are weights of a {config.get('model_type')!r}, not of a {name!r}", where=folder / "config.json",
            fix=f"--network transformers:{config.get('model_type')}" if config.get("model_type") in FAMILIES else "",
        )  # fmt: skip
    defaults = _defaults(family)
    frames, size = (config.get(key, defaults[key]) for key in (family.frames, family.size))
    values: dict[str, Any] = {
        "title": f"{family.classifier.removesuffix('ForVideoClassification')}, {folder.name}",
        "frames": frames, "classes": _classes(config), "score_kind": "logits",
        "options": dict(_options(config, defaults, {family.frames, family.size})),
        "checkpoint": {"file": str(_weights_of(checkpoint).resolve())},
    }  # fmt: skip
    path = next((folder / file for file in PREPROCESSOR_FILES if (folder / file).is_file()), None)
    if path is None:
        missing = {"input": f"put {PREPROCESSOR_FILES[0]} beside the weights, or copy an input with --like MODEL"}
        return NetworkSettings(values, (str(folder / "config.json"),), missing)
    preprocessor = _json(path)
    try:
        values["input"] = _input(preprocessor, int(size if isinstance(size, int) else size[0]), family)
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        fix = "correct the file; if the weights were trained so, score with the library and import its dump"
        raise NetworkError(f"this preprocessor cannot be followed: {error}", where=path, fix=fix) from error
    if name == "vjepa2":  # its processor never reads `size`
        values["input"]["resize"] = int(values["input"]["size"] * 256 / 224)
    return NetworkSettings(values, (str(folder / "config.json"), str(path)))


def _family(name: str) -> Family:
    if name not in FAMILIES:
        raise NetworkError(
            f"no video classifier {name!r} of transformers is known here", fix=f"one of {', '.join(FAMILIES)}"
        )
    return FAMILIES[name]


def _defaults(family: Family) -> dict[str, Any]:
    defaults: dict[str, Any] = getattr(transformers, family.config)().to_dict()
    return defaults


def _options(config: Mapping[str, Any], defaults: Mapping[str, Any], named: set[str]) -> Any:
    """Values of a configuration that are not the default ones; lists as text between commas."""
    for key, value in config.items():
        if key in NOT_OPTIONS or key in named or key not in defaults or value is None or value == defaults[key]:
            continue
        if isinstance(value, list):
            yield key, ",".join(map(str, value))
        elif isinstance(value, int | float | str | bool):
            yield key, value


def _listed(value: Any, default: Any) -> Any:
    return [int(part) for part in value.split(",")] if isinstance(default, list) and isinstance(value, str) else value


def _classes(config: Mapping[str, Any]) -> int:
    labels = config.get("id2label")
    return len(labels) if isinstance(labels, Mapping) and labels else int(config.get("num_labels", 2))


def _weights_of(checkpoint: Path) -> Path:
    """The file of weights of a folder."""
    if checkpoint.is_file():
        return checkpoint
    names = [name for name in ("model.safetensors", "pytorch_model.bin") if (checkpoint / name).is_file()]
    if names:
        return checkpoint / names[0]
    shards = sorted(checkpoint.glob("*.index.json"))
    raise NetworkError(
        "the weights lie in several files" if shards else "no model.safetensors or pytorch_model.bin in this folder",
        where=checkpoint, fix="save them into one: model.save_pretrained(DIR, max_shard_size='100GB')",
    )  # fmt: skip


def _input(preprocessor: Mapping[str, Any], size: int, family: Family) -> dict[str, Any]:
    """The input that a preprocessor makes, as an entry says it; raises ValueError if an entry cannot."""
    resample = preprocessor.get("resample", BILINEAR)
    if resample != BILINEAR:
        raise ValueError(f"it resizes by Pillow's filter {resample}; only bilinear ({BILINEAR}) is supported")
    if not preprocessor.get("do_resize", True):
        raise ValueError("do_resize is false; frames are always resized here")
    crop = _side(preprocessor.get("crop_size") or size) if preprocessor.get("do_center_crop", True) else size
    values: dict[str, Any] = {"size": crop, "channel_order": "RGB", **_values(preprocessor, family)}
    shape = preprocessor.get("size")
    if isinstance(shape, Mapping) and {"height", "width"} <= shape.keys():
        stretch = [int(shape["height"]), int(shape["width"])]
        return values | {"resize": min(stretch), "stretch": stretch}
    return values | {"resize": _side(shape)}


def _values(preprocessor: Mapping[str, Any], family: Family) -> dict[str, Any]:
    """Range, mean and std: rescaled, shifted by one if ``offset``, then normalised."""
    rescaled = preprocessor.get("do_rescale", True)
    scale = float(preprocessor.get("rescale_factor", family.rescale)) if rescaled else 1.0
    mean, std = [0.0] * 3, [1.0] * 3
    if preprocessor.get("do_normalize", True):
        mean, std = (_per_channel(preprocessor, key) for key in ("image_mean", "image_std"))
    shift = 1.0 if rescaled and preprocessor.get("offset", family.offset) else 0.0
    return {"value_range": round(255 * scale, 9), "mean": [value + shift for value in mean], "std": std}


def _per_channel(preprocessor: Mapping[str, Any], key: str) -> list[float]:
    value = preprocessor.get(key)
    if not isinstance(value, list) or len(value) != 3:
        raise ValueError(f"{key} is {value!r}, not three numbers")
    return [float(each) for each in value]


def _side(value: Any) -> int:
    """Pixels of a square, or of the shorter side."""
    if isinstance(value, Mapping):
        sides = {value[key] for key in ("height", "width", "shortest_edge") if key in value}
        if len(sides) != 1 or "longest_edge" in value:
            raise ValueError(f"size {dict(value)} is neither a square nor a shorter side")
        value = sides.pop()
    if not isinstance(value, int):
        raise ValueError(f"a size is {value!r}, not a number of pixels")
    return value


def _json(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(LARGEST_BYTES))
    except OSError as error:
        raise NetworkError(
            f"no {path.name} beside the weights: {error.strerror}", where=path.parent, fix="download it too"
        ) from error
    except (ValueError, RecursionError) as error:
        raise NetworkError(f"this file is not JSON: {error}", where=path, fix="download it again") from error
    if not isinstance(content, dict):
        raise NetworkError("this file holds no object", where=path, fix="download it again")
    return content
