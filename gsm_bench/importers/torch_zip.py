"""Files that ``torch.save`` writes since 1.6. The only reader that needs torch, and only after the file was checked."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from gsm_bench.errors import DumpError
from gsm_bench.importers.clean_errors import guarded
from gsm_bench.importers.limits import require_memory
from gsm_bench.importers.pickle_scan import refused
from gsm_bench.importers.pickles import inspect_new_torch


def load_new_torch(path: Path, archive: zipfile.ZipFile, member: str) -> Any:
    """What the file holds, tensors as numpy arrays.

    Its pickle is first read without torch, so that a file that asks for code is refused by name before anything else of it
    is touched; then ``torch.load(weights_only=True)`` reads the file itself.
    """
    root = member.removesuffix("data.pkl")
    infos = archive.infolist()
    if any(info.compress_type != zipfile.ZIP_STORED for info in infos):
        raise DumpError("this torch file is compressed, which torch never does", where=path, fix="get it again")
    require_memory(3 * sum(info.file_size for info in infos), "reading this file", path)
    sizes = {
        info.filename.removeprefix(f"{root}data/"): info.file_size
        for info in infos
        if info.filename.startswith(f"{root}data/")
    }
    inspect_new_torch(archive.read(member), sizes, path)
    return guarded(lambda: _as_arrays(_load(path), {}), path)


def _load(path: Path) -> Any:
    import pickle

    import torch

    try:
        with torch.serialization.safe_globals(_numpy_names()), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle protocols
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise refused(str(error).splitlines()[-1][:120], path) from error


def _numpy_names() -> list[Any]:
    """What torch's safe loader needs to rebuild arrays and scalars of numbers, under numpy's names old and new."""
    rebuild = np.empty(0).__reduce__()[0]
    scalar = np.float64(0).__reduce__()[0]
    return [
        *((rebuild, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
        *((scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
        np.ndarray,
        np.dtype,
        *{type(np.dtype(kind)) for kind in "?bhilqBHILQefdUS"},
    ]


def _as_arrays(value: Any, seen: dict[int, Any]) -> Any:
    """The same containers with arrays in place of tensors; each object once."""
    import torch

    if id(value) in seen:
        return seen[id(value)]
    if isinstance(value, torch.Tensor):
        detached = value.detach()
        plain: Any = (detached.float() if detached.dtype == torch.bfloat16 else detached).numpy()
    elif isinstance(value, dict):
        plain = {key: _as_arrays(inner, seen) for key, inner in value.items()}
    elif isinstance(value, list | tuple):
        plain = type(value)(_as_arrays(inner, seen) for inner in value)
    else:
        plain = value
    seen[id(value)] = plain
    return plain
