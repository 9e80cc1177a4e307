"""What a workspace holds, without the times and places that differ between equal runs."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import zlib
from pathlib import Path

import h5py

from gsm_bench import checksums
from gsm_bench.errors import GsmBenchError
from gsm_bench.score_head import FEATURES, SCORES
from gsm_bench.scorefile import open_scores

CHANGING = {"started", "finished", "command_line", "host", "code_commit", "versions", "list_path", "frames_path", "batch_halvings"}  # fmt: skip
"""Facts of a score file that say when and where it was made."""
FORMS = {"gsm_bench.scores": SCORES, "gsm_bench.features": FEATURES}
TIMES = {"elapsed_s", "train_s", "date"}
BLOB = re.compile(rb"[A-Za-z0-9+/]{200,}={0,2}")
MOMENT = re.compile(rb"20\d\d-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?(\+00:00)?)?")


def contents(root: Path) -> dict[str, str]:
    """A digest of every file by its path; links are not followed, and the log of runs, which tells them apart, is left out."""
    digests = {}
    for folder, names, files in _walk(root):
        names[:] = [name for name in names if not (folder / name).is_symlink() and folder / name != root / "logs"]
        digests |= {str((folder / name).relative_to(root)): digest(folder / name, root) for name in files}
    return digests


def _walk(root: Path):
    for folder, names, files in os.walk(root):
        yield Path(folder), names, files


def digest(path: Path, root: Path) -> str:
    """A digest of a file's content that is the same for equal runs; "damaged" for a file that cannot be read."""
    try:
        if path.suffix == ".h5":
            return _hdf5(path)
        if path.suffix == ".jsonl":
            lines = [json.loads(line) for line in path.read_text().splitlines()]
            text = json.dumps([{key: value for key, value in line.items() if key not in TIMES} for line in lines])
            return hashlib.sha256(text.encode()).hexdigest()
        content = path.read_bytes().replace(os.fsencode(root), b"")
        if path.suffix in (".html", ".json"):
            content = MOMENT.sub(b"", BLOB.sub(_inflated, content))
        return hashlib.sha256(content).hexdigest()
    except (GsmBenchError, OSError, ValueError, KeyError) as error:
        return f"damaged: {type(error).__name__}"


def _hdf5(path: Path) -> str:
    with h5py.File(path) as file:
        form = FORMS.get(file.attrs.get("format"))
        content = _datasets(file)
    if form is None:
        return content
    with open_scores(path, form) as scores:
        origin = {key: value for key, value in scores.head.provenance.to_dict().items() if key not in CHANGING}
    return content + hashlib.sha256(json.dumps(origin, default=str).encode()).hexdigest()


def _inflated(blob: re.Match[bytes]) -> bytes:
    """The text of a compressed part of a report, which holds the time of the report."""
    try:
        return zlib.decompress(base64.b64decode(blob[0]))
    except (ValueError, zlib.error):
        return blob[0]


def _datasets(file: h5py.File) -> str:
    """A digest of the content of all data sets, whatever their place in the file."""
    lines: list[str] = []

    def add(name: str, item: h5py.Dataset | h5py.Group) -> None:
        if isinstance(item, h5py.Dataset) and name != checksums.NAME:  # they are of the times in the provenance too
            rows = item[()] if item.shape else [item[()]]
            content = b"".join(row.tobytes() if hasattr(row, "tobytes") else bytes(row) for row in rows)
            lines.append(f"{name} {item.shape} {hashlib.sha256(content).hexdigest()}")

    file.visititems(add)
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def difference(expected: dict[str, str], actual: dict[str, str]) -> str:
    """What differs between two workspaces, in words; empty if nothing does."""
    words = [f"missing {name}" for name in sorted(expected.keys() - actual.keys())]
    words += [f"left lying {name}" for name in sorted(actual.keys() - expected.keys())]
    words += [f"other content {name}" for name in sorted(expected.keys() & actual.keys()) if expected[name] != actual[name]]  # fmt: skip
    return ", ".join(words[:5])
