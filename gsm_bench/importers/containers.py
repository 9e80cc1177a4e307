"""What a file is, by its first bytes and never by its name, and what it holds: arrays, lists, dicts or text."""

from __future__ import annotations

import io
import math
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import DumpError
from gsm_bench.importers import pickles
from gsm_bench.importers.clean_errors import guarded, require_file
from gsm_bench.importers.json_text import JSON_GROWTH, read_json
from gsm_bench.importers.limits import LARGEST_RATIO, UNSUSPICIOUS_BYTES, require_memory
from gsm_bench.submit.archive import KNOWN_MEMBERS, members
from gsm_bench.submit.findings import Findings
from gsm_bench.workspace import pasteable

SERVER_ZIP = "server-zip"
HDF5, NUMPY, PARQUET, ZIP = b"\x89HDF\r\n\x1a\n", b"\x93NUMPY", b"PAR1", b"PK\x03\x04"
TEXT_PICKLE = re.compile(rb"[(\]}]|c[\w.]+\n[\w.]+\n|[ILFNV][-+\d.]*(?:[L\n]|$)")
"""How pickles of the protocols 0 and 1 begin; all end with a full stop."""


@dataclass(frozen=True)
class DumpSource:
    """One foreign file, read.

    Attributes:
        container: ``pickle``, ``torch``, ``npz``, ``npy``, ``json``, ``server-zip``, ``parquet`` or ``text``.
        value: its content: lists, dicts and arrays; of a server's zip, the documents by name; the text; for parquet None,
            its reader opens it.
    """

    path: Path
    container: str
    value: Any


def read_source(path: Path) -> DumpSource:
    """Read a file of any kind that score dumps come in; raises DumpError for other files."""
    require_file(path)
    with path.open("rb") as file:
        head = file.read(64)
    if head.startswith(HDF5):
        raise DumpError(
            "this is an HDF5 file: a score file needs no import", where=path, fix=f"gsmbench evaluate {pasteable(path)}"
        )
    if head.startswith(NUMPY):
        return DumpSource(path, "npy", guarded(lambda: _array_or_object(path), path))
    if head.startswith(PARQUET):
        return DumpSource(path, "parquet", None)
    if head.startswith(ZIP):
        return guarded(lambda: _read_zip(path), path)  # type: ignore[no-any-return]
    content = path.read_bytes()
    if pickles.is_old_torch(head):
        return DumpSource(path, "torch", pickles.load_old_torch(content, path))
    if (head[0] == 0x80 and head[1:2] <= b"\x05") or (TEXT_PICKLE.match(head) and content[-1:] == b"."):
        return DumpSource(path, "pickle", pickles.load(content, path))
    text = _text(content, path)
    if text.lstrip()[:1] in ("{", "["):
        require_memory(JSON_GROWTH * len(text), "reading this file", path)
        return DumpSource(path, "json", read_json(text, path))
    return DumpSource(path, "text", text)


def _array_or_object(path: Path) -> Any:
    """The array of an .npy file, or the one object, such as a dict, that numpy saved in it."""
    array = _read_npy(path.read_bytes(), str(path))
    return array.item() if array.dtype.hasobject and array.ndim == 0 else array


def _text(content: bytes, path: Path) -> str:
    if content[:1024].lstrip().lower().startswith((b"<!doctype html", b"<html")):
        raise DumpError("this is a web page, not a score dump", where=path, fix="download the file itself in a browser")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text[:4096]:
        raise DumpError(
            f"nothing here reads a file that begins with {content[:8]!r}",
            where=path,
            fix="score dumps are pickles, torch files, npz, npy, JSON, csv, parquet or text",
        )
    return text


def _read_zip(path: Path) -> DumpSource:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        inner = next((name for name in names if name == "data.pkl" or name.endswith("/data.pkl")), None)
        if inner is not None:
            from gsm_bench.importers.torch_zip import load_new_torch

            return DumpSource(path, "torch", load_new_torch(path, archive, inner))
        if names and all(name.endswith(".npy") for name in names):
            return DumpSource(path, "npz", _read_npz(path, archive))
    if any(name.rpartition("/")[2] in KNOWN_MEMBERS for name in names):
        return DumpSource(path, SERVER_ZIP, _read_server_zip(path))
    raise DumpError(
        f"this zip archive is neither npz nor torch's: it holds {', '.join(names[:3]) or 'nothing'}", where=path,
        fix="unpack it and import the dump inside",
    )  # fmt: skip


def _read_server_zip(path: Path) -> dict[str, Any]:
    """The JSON documents by name in a zip that a server takes."""
    findings = Findings()
    contents = members(path, findings)
    faults = [finding for finding in findings.kept if finding.severity == "error"]
    if faults or not contents:
        what = faults[0].what if faults else "this zip holds no file of a server"
        where = f"{path}, {faults[0].where}" if faults else path
        raise DumpError(
            what, where=where, fix="zip test.json, or seen.json and unseen.json, alone and without a folder"
        )
    require_memory(JSON_GROWTH * sum(map(len, contents.values())), "reading this file", path)
    return {name: read_json(_text(data, path), Path(f"{path}, {name}")) for name, data in contents.items()}


def _read_npz(path: Path, archive: zipfile.ZipFile) -> dict[str, NDArray[Any]]:
    infos = archive.infolist()
    total = sum(info.file_size for info in infos)
    if total > UNSUSPICIOUS_BYTES and total > LARGEST_RATIO * sum(info.compress_size for info in infos):
        raise DumpError(
            f"this archive says it holds {total / 2**30:,.1f} GiB in {path.stat().st_size:,} bytes: a bomb, or no scores",
            where=path,
            fix="do not unpack it elsewhere either",
        )
    require_memory(3 * total, "reading this archive", path)
    return {
        info.filename.removesuffix(".npy"): _read_npy(archive.read(info), f"{path}, {info.filename}") for info in infos
    }


def _read_npy(content: bytes, where: str) -> NDArray[Any]:
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
    shape, fortran, dtype = header(stream)
    start = stream.tell()
    if dtype.hasobject:
        return np.asarray(pickles.load(content[start:], where))
    if math.prod(shape) * dtype.itemsize != len(content) - start:
        raise DumpError(
            f"an array of shape {' x '.join(map(str, shape))[:80]} does not fit its {len(content) - start:,} bytes",
            where=where,
            fix="copy the file again",
        )
    return np.frombuffer(content, dtype, offset=start).reshape(shape, order="F" if fortran else "C")
