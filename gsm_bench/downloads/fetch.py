"""Download a file to its place, once, with its sha256 compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gsm_bench.downloads.drive import download_drive
from gsm_bench.downloads.http import WAITS_S, download_http, remove_version
from gsm_bench.downloads.hugging_face import HOST, hub_link
from gsm_bench.downloads.link import DRIVE_HOSTS, Link, Report, checked_url, partial_of
from gsm_bench.errors import DownloadError
from gsm_bench.files import commit, file_sha256, full_disk_named, locked


@dataclass(frozen=True)
class Fetched:
    """A downloaded file.

    Attributes:
        compared: whose sha256 it has: ``entry``, ``server``, or empty if none was known.
        downloaded: whether it was downloaded; not if it was there already.
    """

    path: Path
    sha256: str
    compared: str
    downloaded: bool


def fetch(
    url: str, path: Path, *, sha256: str = "", force: bool = False, report: Report = lambda *_: None,
    waits_s: Sequence[float] = WAITS_S,
) -> Fetched:  # fmt: skip
    """Download `url` to `path`; what an earlier, interrupted call brought is used.

    Args:
        sha256: that the file must have; empty if unknown.
        force: replace an existing file of another sha256, or of an unknown one.
        report: called with the bytes that are here and those of the whole file.

    Raises:
        DownloadError: the link leads nowhere, the file has another sha256 (it is then kept under another name), another
            file is at `path`, or another process downloads it.
        DiskError: no room; what came is kept.
    """
    host = checked_url(url, sha256).hostname or ""
    if path.is_dir():
        raise DownloadError("a folder is at the place of this file", where=path, fix="correct checkpoint.file")
    if path.exists() and (there := _already_there(path, sha256, force=force)):
        return there
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_of(path)
    try:
        with locked(partial, wait=False), full_disk_named(path):
            link = hub_link(url) if host == HOST else Link(url, url)
            expected = sha256 or link.sha256
            link = replace(link, sha256=expected)
            if host in DRIVE_HOSTS:
                download_drive(link, partial, report=report)
            else:
                download_http(link, partial, report=report, waits_s=waits_s)
            digest = _compared(partial, path, expected, link)
            commit(partial, path)
            remove_version(partial)
    except BlockingIOError as error:
        raise DownloadError(
            "another process downloads this file", where=path, fix="wait for its end, or stop it"
        ) from error
    return Fetched(path, digest, "entry" if sha256 else "server" if expected else "", downloaded=True)


def _already_there(path: Path, sha256: str, *, force: bool) -> Fetched | None:
    """The file at `path`; None if it is to be replaced."""
    digest = file_sha256(path)
    if digest == sha256:
        return Fetched(path, digest, "entry", downloaded=False)
    if force:
        return None
    if sha256:
        raise DownloadError(
            f"another file is there: its sha256 is {digest}, the entry says {sha256}",
            where=path, fix="keep it under another name, or replace it with --force",
        )  # fmt: skip
    return Fetched(path, digest, "", downloaded=False)


def _compared(partial: Path, path: Path, expected: str, link: Link) -> str:
    """The sha256 of a complete download; one that is not `expected` is put beside its place under another name."""
    digest = file_sha256(partial)
    if not expected or digest == expected:
        return digest
    apart = path.with_name(f"{path.name}.sha256-{digest[:12]}")
    partial.replace(apart)
    remove_version(partial)
    raise DownloadError(
        f"this is another file: its sha256 is {digest}, not {expected}; it was kept as {apart.name}",
        where=link.url, fix="ask its owner, or correct checkpoint.url or checkpoint.sha256 of the entry",
    )  # fmt: skip
