"""Download a file over http, and continue one that was cut off.

RFC 9110: ``Range`` asks for the rest (14.2), ``Content-Range`` says what came (14.4), ``ETag`` and ``Last-Modified``
name the version of the file (8.8). The rest is appended only to bytes of the same version.
"""

from __future__ import annotations

import http.client
import json
import re
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.error import HTTPError, URLError

from gsm_bench.downloads.link import Link, Report, checked_url
from gsm_bench.errors import DownloadError
from gsm_bench.files import ensure_room, write_whole

BLOCK_BYTES = 1 << 20
TIMEOUT_S = 60.0
WAITS_S = (1.0, 2.0, 4.0, 8.0)
"""Seconds before each further try; counted anew after a try that brought bytes."""
PASSING = (408, 425, 429, 500, 502, 503, 504)
"""States of a server that a later request may not meet."""
PAGE = re.compile(rb"\s*<(!doctype\s+html|html)[\s>]", re.IGNORECASE)
"""How web pages begin, whatever type their server names."""
RANGE_REFUSED = 416
PARTIAL_CONTENT = 206
FIXES = {
    401: "log in where the file is, download it there, and put it at its place",
    403: "the owner allows no direct download: get it in a browser, and put it at its place",
    404: "the file has moved: correct checkpoint.url in the entry, or give --url",
    410: "the file was removed: use another source, with --url",
}


@dataclass(frozen=True)
class _Version:
    """Which file the bytes of an unfinished download belong to.

    Attributes:
        tag: of the server; empty if it names no version.
        size: bytes of the whole file; None if unknown.
    """

    url: str
    tag: str
    size: int | None


class _CutOffError(Exception):
    """The connection ended before the file did."""


def download_http(link: Link, partial: Path, *, report: Report, waits_s: Sequence[float] = WAITS_S) -> None:
    """Complete the file `partial`, from the bytes that it already holds.

    Raises:
        DownloadError: the server refuses, sends something else than a file, or cannot be reached.
        DiskError: the file does not fit.
    """
    failures, before = 0, _size(partial)
    while True:
        try:
            return _receive(link, partial, report)
        except (OSError, http.client.HTTPException, _CutOffError) as error:
            _refuse_lasting(error, link)
            here = _size(partial)
            failures = 1 if here > before else failures + 1
            before = here
            if failures > len(waits_s):
                raise _gave_up(error, link, here) from error
        time.sleep(waits_s[failures - 1])


def _refuse_lasting(error: Exception, link: Link) -> None:
    """Raise what another try does not change: refusals of the server, and errors of this machine."""
    if isinstance(error, HTTPError):
        error.close()
        if error.code not in PASSING:
            fix = FIXES.get(error.code, "try later, or use another source with --url")
            raise DownloadError(
                f"the server refuses this file: {error.code} {error.reason}", where=link.url, fix=fix
            ) from error
    elif isinstance(error, OSError) and not isinstance(error, URLError | ConnectionError | TimeoutError):
        raise error


def _gave_up(error: Exception, link: Link, here: int) -> DownloadError:
    reason = getattr(error, "reason", None) or str(error) or type(error).__name__
    return DownloadError(
        f"the download was cut off: {reason}; {here:,} bytes are kept",
        where=link.url, fix="run the same command again: it continues there",
    )  # fmt: skip


def _receive(link: Link, partial: Path, report: Report) -> None:
    """One request, and its bytes into `partial`."""
    version = _read_version(partial)
    here = _size(partial) if version and version.url == link.url and version.tag else 0
    if link.version and version and version.tag != link.version:
        here = 0
    if version and here and here == version.size:
        return
    request = urllib.request.Request(link.location, headers={"Accept-Encoding": "identity"})
    if here:
        request.add_header("Range", f"bytes={here}-")
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except HTTPError as error:
        if error.code != RANGE_REFUSED or not here:
            raise
        error.close()
        partial.unlink()
        raise _CutOffError("the kept bytes are not a part of the file") from error
    with response:
        _refuse_other_content(response, link)
        answered = _version_of(response, link, here)
        start = here if response.status == PARTIAL_CONTENT else 0
        if start and not (_same(answered, version) and _range_start(response) == start):
            partial.unlink()
            raise _CutOffError("the file has changed on the server")
        if response.status == PARTIAL_CONTENT and _range_start(response) != start:
            raise _CutOffError("the server sends another part of the file than was asked for")
        if not start:
            partial.unlink(missing_ok=True)
            write_whole(_version_file(partial), json.dumps(asdict(answered)).encode())
        _append(response, link, partial, start, answered.size, report)


def _append(
    response: http.client.HTTPResponse, link: Link, partial: Path, here: int, size: int | None, report: Report
) -> None:
    if size is not None:
        ensure_room(partial, size - here)
    report(here, size)
    with partial.open("ab") as file:
        while block := response.read(BLOCK_BYTES):
            if not here and PAGE.match(block):
                raise page_instead_of(link)
            file.write(block)
            here += len(block)
            report(here, size)
    if size is not None and here != size:
        if here > size:
            partial.unlink()
        raise _CutOffError(f"{here:,} of {size:,} bytes came")


def _refuse_other_content(response: http.client.HTTPResponse, link: Link) -> None:
    """Raise a DownloadError for pages, encoded bytes, and files whose end cannot be told from a lost connection."""
    checked_url(response.url, link.sha256)  # where redirects led to
    if "html" in response.headers.get("Content-Type", ""):
        raise page_instead_of(link)
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise DownloadError("the server sends the file compressed", where=link.url, fix="use another source with --url")
    if not (response.headers.get("Content-Length") or response.headers.get("Transfer-Encoding") or link.sha256):
        raise DownloadError(
            "the server does not say how long the file is, so that a lost connection would look like its end",
            where=link.url, fix="write checkpoint.sha256 into the entry, or use another source with --url",
        )  # fmt: skip


def page_instead_of(link: Link) -> DownloadError:
    """The error for a web page in the place of a file."""
    return DownloadError(
        "the server sends a web page, not a file", where=link.url,
        fix="open it in a browser, download the file there, and put it at its place",
    )  # fmt: skip


def _version_of(response: http.client.HTTPResponse, link: Link, here: int) -> _Version:
    headers = response.headers
    etag = headers.get("ETag", "")
    tag = link.version or ("" if etag.startswith("W/") else etag) or headers.get("Last-Modified", "") or link.sha256
    total = headers.get("Content-Range", "").rpartition("/")[2] if response.status == PARTIAL_CONTENT else ""
    length = headers.get("Content-Length") or ""
    if total.isdecimal():
        return _Version(link.url, tag, int(total))
    return _Version(link.url, tag, int(length) + (here if total else 0) if length.isdecimal() else None)


def _same(answered: _Version, kept: _Version | None) -> bool:
    """Whether the bytes to come belong to those that are here."""
    return kept is not None and answered.tag == kept.tag and kept.size in (None, answered.size)


def _range_start(response: http.client.HTTPResponse) -> int | None:
    begin = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(begin[1]) if begin else None


def _version_file(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}.json")


def _read_version(partial: Path) -> _Version | None:
    """The version that the kept bytes belong to; None if that is not known."""
    try:
        return _Version(**json.loads(_version_file(partial).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def remove_version(partial: Path) -> None:
    """Forget an unfinished download, once it is finished."""
    _version_file(partial).unlink(missing_ok=True)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
