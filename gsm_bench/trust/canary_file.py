"""The canary of a model: the logits of a few videos, with what they were made from, in a small file beside the manifest."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import GsmBenchError
from gsm_bench.files import new_file
from gsm_bench.workspace import Workspace, shipped_manifests

FOLDER = "canaries"
DAMAGED = (zipfile.BadZipFile, zlib.error, ValueError, KeyError, EOFError, OSError)
MOST_BYTES = 64 << 20
"""A larger file is no canary: 64 videos of 3,000 classes take half a megabyte."""
LOGITS = "logits_"


@dataclass(frozen=True)
class CanaryCard:
    """What the logits of a canary were made from.

    Attributes:
        model: its name; settings: what of its entry changes scores; checkpoint_sha256: of the weights that ran.
        dataset, split: of the videos; decoder: how pixels may differ from the stored ones, empty for stored pictures.
        kind: kind of the scores; versions: of packages.
        ids: n videos; num_frames: their numbers of frames.
        pixels: checksum of the decoded frames of the clip, 8 hexadecimal digits per video; middle: of its middle one.
        view: which view of the entry's clips x crops each video has; empty for one clip of ticks, the centre crop.
    """

    model: str
    settings: dict[str, Any]
    checkpoint_sha256: str
    dataset: str
    split: str
    decoder: str
    kind: str
    versions: dict[str, str]
    ids: tuple[str, ...]
    num_frames: tuple[int, ...]
    pixels: tuple[str, ...]
    middle: tuple[str, ...]
    view: tuple[Annotated[int, msgspec.Meta(ge=0, lt=1 << 31)], ...] = ()


@dataclass(frozen=True)
class Canary:
    """A card, and float16 logits [n, C] per task of one view of each video."""

    card: CanaryCard
    logits: Mapping[str, NDArray[np.float16]]


def canary_path(model: str, workspace: Workspace) -> Path:
    """The canary of a model: in the workspace if it is there, else beside the shipped manifests, else where to put it."""
    mine, shipped = (place / FOLDER / f"{model}.npz" for place in (workspace.manifests, shipped_manifests()))
    return shipped if shipped.is_file() and not mine.is_file() else mine


def write_canary(canary: Canary, path: Path, *, force: bool) -> None:
    """Write a canary; the same canary has the same bytes."""
    text = json.dumps(asdict(canary.card), sort_keys=True)
    arrays: dict[str, Any] = {f"{LOGITS}{task}": values for task, values in sorted(canary.logits.items())}
    buffer = io.BytesIO()
    np.savez(buffer, card=np.array(text), sha256=np.array(_digest(text, arrays)), **arrays)
    exists = GsmBenchError("this canary exists already", where=path, fix="replace it with --force")
    with new_file(path, force=force, exists=exists) as written:
        written.write_bytes(buffer.getvalue())


def read_canary(path: Path) -> Canary:
    """Read a canary.

    Raises:
        GsmBenchError: there is none, or it is damaged.
    """
    if not path.is_file():
        raise GsmBenchError(
            "this model has no canary", where=path,
            fix=f"whoever has the weights and frames makes it: gsmbench models canary {path.stem}",
        )  # fmt: skip
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError("it is far too large")
        with np.load(path, allow_pickle=False) as file:
            text, digest = str(file["card"]), str(file["sha256"])
            arrays = {name: file[name] for name in file.files if name.startswith(LOGITS)}
        card = msgspec.json.decode(text, type=CanaryCard)
        if digest != _digest(text, arrays):
            raise ValueError("its content was changed")
        _check_shapes(card, arrays)
    except (*DAMAGED, MemoryError) as error:
        raise GsmBenchError(
            f"this canary cannot be used: {error}", where=path, fix="copy it again, or make it again with models canary"
        ) from error
    return Canary(card, {name.removeprefix(LOGITS): values for name, values in arrays.items()})


def _check_shapes(card: CanaryCard, arrays: Mapping[str, NDArray[Any]]) -> None:
    videos = len(card.ids)
    if not (videos and arrays and len(set(card.ids)) == videos):
        raise ValueError("its card is incomplete")
    if not videos == len(card.num_frames) == len(card.pixels) == len(card.middle) == (len(card.view) or videos):
        raise ValueError("its card is incomplete")
    for name, values in arrays.items():
        if values.dtype != np.float16 or values.ndim != 2 or len(values) != videos or not np.isfinite(values).all():
            raise ValueError(f"{name} is not a row of finite float16 numbers per video")


def _digest(text: str, arrays: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256(text.encode())
    for name, values in sorted(arrays.items()):
        digest.update(f"/{name}/{values.dtype}/{values.shape}/".encode())
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()
