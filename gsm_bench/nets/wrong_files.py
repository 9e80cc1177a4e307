"""Files that are no checkpoints, called by what they are, and how to get the weights out of them."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

from gsm_bench.errors import CheckpointError

INNER = (".pth", ".pt", ".tar", ".ckpt", ".bin", ".safetensors")
SAVE_WEIGHTS = "torch.save({'state_dict': net.state_dict()}, FILE)"
HEAD_BYTES = 512


def named_otherwise(path: Path) -> CheckpointError | None:
    """The error for a file that is known to be something else than a checkpoint; None if it may be one."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    what, fix = _zip_content(path) if head.startswith(b"PK") else _kind_of(head, path)
    return CheckpointError(f"this is {what}, not a checkpoint", where=path, fix=fix) if what else None


def _kind_of(head: bytes, path: Path) -> tuple[str, str]:
    """What a file is by its first bytes, and what to do about it; empty if it is not known."""
    text = head.lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "a web page: the download site returned its confirmation page", "download the file in a browser"
    if text.startswith(b"version https://git-lfs"):
        return "a pointer of Git LFS: the weights were not downloaded", "run git lfs pull in the clone"
    if head.startswith(b"\x1f\x8b"):
        return "a gzip file", f"decompress it once: gunzip {path.name}, or tar xzf {path.name}"
    if head.startswith(b"\x89HDF"):
        return "an HDF5 file, perhaps of Keras", f"convert the weights to torch: {SAVE_WEIGHTS}"
    if head.startswith(b"\x93NUMPY"):
        return "a NumPy array", f"save the weights with {SAVE_WEIGHTS}"
    if head[:1] == b"\x08" and (b"onnx" in head or b"pytorch" in head):
        return "an ONNX model", f"use the weights that it was exported from: {SAVE_WEIGHTS}"
    if head[:1] != b"\x80" and tarfile.is_tarfile(path):
        return "a tar archive", f"unpack it once: tar xf {path.name}"
    return "", ""


def _zip_content(path: Path) -> tuple[str, str]:
    """What a zip holds instead of weights; empty if it may be a checkpoint, or is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile, ValueError):
        return "", ""
    if any(name.endswith("constants.pkl") or "/code/" in name for name in names):
        return (
            "a TorchScript file of torch.jit.save",
            f"load it with torch.jit.load and save its weights: {SAVE_WEIGHTS}",
        )
    if any(name.endswith("/data.pkl") or name == "data.pkl" for name in names):
        return "", ""
    if inner := next((name for name in names if name.endswith(INNER)), None):
        return f"a zip archive around {inner}", f"unpack it once: unzip {path.name}"
    if any(name.endswith(".npy") for name in names):
        return "an npz file of NumPy arrays", f"save the weights with {SAVE_WEIGHTS}"
    return "a zip archive without weights of torch", f"save the weights with {SAVE_WEIGHTS}"


def damaged_error(path: Path, error: Exception) -> CheckpointError:
    """The error for a file that cannot be read to its end."""
    with path.open("rb") as file:
        head = file.read(2)
    size = f"{path.stat().st_size:,} bytes"
    if "CRC" in str(error):
        return CheckpointError(
            f"this checkpoint is damaged: a checksum is wrong ({size})", where=path, fix="download or copy it again"
        )
    if head[:1] == b"\x80" or head == b"PK":
        return CheckpointError(
            f"this checkpoint is cut short or damaged ({size})", where=path, fix="download or copy it again"
        )
    return CheckpointError(
        f"this is not a checkpoint: neither a torch.save file nor safetensors ({size})",
        where=path,
        fix="point the entry's checkpoint at the downloaded .pth.tar or .safetensors file",
    )
