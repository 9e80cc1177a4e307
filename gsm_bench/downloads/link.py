"""What a link leads to, before its file is downloaded."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from gsm_bench.errors import DownloadError

DRIVE_HOSTS = ("drive.google.com", "docs.google.com")
Report = Callable[[int, int | None], None]
"""Called with the bytes that are here, and those of the whole file, None if the server does not say."""


@dataclass(frozen=True)
class Link:
    """A file of a server.

    Attributes:
        url: as the entry gives it.
        location: where its bytes are.
        version: what names the content of the file, where known before the download; equal for equal content.
        sha256: stated by the server; empty if it does not.
    """

    url: str
    location: str
    version: str = ""
    sha256: str = ""


def checked_url(url: str, sha256: str) -> SplitResult:
    """The parts of a URL that may be downloaded.

    Raises:
        DownloadError: it is no http address, or neither the connection nor a sha256 protects its file.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError as error:
        raise DownloadError(f"this is no web address: {error}", where=url, fix="correct checkpoint.url") from error
    if parts.scheme not in ("http", "https") or not host:
        raise DownloadError("this is no web address", where=url, fix="checkpoint.url begins with https://")
    if parts.scheme == "http" and not sha256 and not _is_this_machine(host):
        raise DownloadError(
            "this address is not encrypted, and no sha256 is pinned: the file could be changed on its way",
            where=url, fix="use https, or write checkpoint.sha256 into the entry",
        )  # fmt: skip
    return parts


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def partial_of(path: Path) -> Path:
    """Where the bytes of an unfinished download of `path` are kept."""
    return path.with_name(f".{path.name}.partial")
