"""The bytes of the JSON files inside a submission; every damage of the zip becomes a finding."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

from gsm_bench.submit.findings import Findings, first_ids

MOST_BYTES = 1 << 29
"""Limit for an unpacked file: EPIC-KITCHENS-100 with all digits is 141 MB."""
ENCRYPTED = 0x1
KNOWN_MEMBERS = {"seen.json", "unseen.json", "test.json"}
LEFTOVERS = {".DS_Store", "Thumbs.db", "desktop.ini"}
"""What macOS and Windows put into folders, and so into zips; no server reads them."""


def members(path: Path, findings: Findings) -> dict[str, bytes]:
    """The JSON members of a zip, or a bare JSON file under its own name; damage goes to `findings`."""
    if not path.is_file():
        findings.add("no file", "no such file" if not path.exists() else "not a file", str(path))
        return {}
    size = path.stat().st_size
    if size == 0:
        findings.add("empty file", "the file has no bytes", path.name)
        return {}
    with path.open("rb") as file:
        start = file.read(4)
    if start[:2] == b"PK" or path.suffix.lower() == ".zip":
        return _unzipped(path, findings)
    if size > MOST_BYTES:
        findings.add("too large", f"{size:,} bytes, more than {MOST_BYTES:,}", path.name)
        return {}
    return {path.name: path.read_bytes()}


def _unzipped(path: Path, findings: Findings) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(path) as archive:
            return _read_members(archive, findings)
    except (zipfile.BadZipFile, EOFError, ValueError, OSError, OverflowError) as error:
        findings.add("broken zip", f"the zip is truncated or damaged: {error}", path.name)
    except NotImplementedError as error:
        findings.add("zip feature", f"the server cannot unpack this zip: {error}", path.name)
    return {}


def _read_members(archive: zipfile.ZipFile, findings: Findings) -> dict[str, bytes]:
    contents: dict[str, bytes] = {}
    leftovers: list[str] = []
    for info in archive.infolist():
        name = info.filename
        if name in contents or sum(other.filename == name for other in archive.infolist()) > 1:
            findings.add("duplicate member", "the zip has two files of this name", name)
            continue
        if _is_leftover(name):
            leftovers.append(name)
            continue
        if info.is_dir() or "/" in name or "\\" in name:
            findings.add("nested folder", "the zip must not hold folders: zip the files themselves", name)
            continue
        if name not in KNOWN_MEMBERS:
            findings.add("unexpected member", f"the server reads {', '.join(sorted(KNOWN_MEMBERS))} only", name)
            continue
        data = _read_member(archive, info, findings)
        if data is not None:
            contents[name] = data
    if not contents and not findings.counts:
        findings.add("empty zip", f"the zip holds {first_ids(leftovers) if leftovers else 'nothing'}", "")
    elif leftovers:
        what = f"{first_ids(leftovers)}: left by the operating system, no server reads it"
        findings.add("leftovers", what, "", "note")
    return contents


def _is_leftover(name: str) -> bool:
    """Whether an operating system put this file or folder into a zip by itself."""
    last = name.rpartition("/")[2]
    return name.split("/")[0] == "__MACOSX" or ("/" not in name and (last in LEFTOVERS or last.startswith("._")))


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, findings: Findings) -> bytes | None:
    if info.flag_bits & ENCRYPTED:
        findings.add("encrypted", "the server has no password", info.filename)
        return None
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        findings.add("zip feature", f"compression method {info.compress_type}: use deflate", info.filename)
        return None
    if info.file_size > MOST_BYTES:
        findings.add("zip bomb", f"{info.compress_size:,} bytes that unpack to {info.file_size:,}", info.filename)
        return None
    try:
        with archive.open(info) as member:
            data = member.read(MOST_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError) as error:
        findings.add("broken zip", f"this file cannot be unpacked: {error}", info.filename)
        return None
    if len(data) > MOST_BYTES or len(data) != info.file_size:
        findings.add("zip bomb", "it unpacks to more bytes than its header declares", info.filename)
        return None
    return data
