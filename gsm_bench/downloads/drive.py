"""Files of Google Drive, by gdown: large ones stand behind a page that asks whether to go on."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from gsm_bench.downloads.http import PAGE, page_instead_of
from gsm_bench.downloads.link import Link, Report
from gsm_bench.errors import DownloadError
from gsm_bench.files import full_disk_named

TIMEOUT_S = 60.0
RETRIES = 4
PAGE_BYTES = 512


def download_drive(link: Link, partial: Path, *, report: Report, retries: int = RETRIES) -> None:
    """Download a shared file into `partial`; its unfinished bytes lie beside it, and are used again.

    Raises:
        DownloadError: gdown is not installed, or Drive refuses the file.
    """
    try:
        import gdown
        from gdown.exceptions import DownloadError as DriveError
        from gdown.exceptions import FileURLRetrievalError
        from requests.exceptions import RequestException
    except ImportError as error:
        raise DownloadError(
            "links of Google Drive need gdown", where=link.url, fix="pip install 'gsm-bench[fetch]'"
        ) from error
    try:
        with full_disk_named(partial):
            gdown.download(
                url=_direct(link.location), output=str(partial), quiet=True, resume=True, use_cookies=False,
                timeout=TIMEOUT_S, retries=retries, progress=report,
            )  # fmt: skip
    except FileURLRetrievalError as error:
        reason = " ".join(str(error).split())[:200]
        raise DownloadError(
            f"Google Drive gives no file: {reason}", where=link.url,
            fix="too many people may have asked for it today: try tomorrow, or get it in a browser",
        ) from error  # fmt: skip
    except (DriveError, RequestException) as error:
        raise DownloadError(
            f"the download was cut off: {' '.join(str(error).split())[:200]}", where=link.url,
            fix="run the same command again: it continues",
        ) from error  # fmt: skip
    with partial.open("rb") as file:
        page = PAGE.match(file.read(PAGE_BYTES))
    if page:
        partial.unlink()
        raise page_instead_of(link)


def _direct(url: str) -> str:
    """The address of a file by its id, for ``open?id=`` links."""
    file_id = parse_qs(urlsplit(url).query).get("id", [""])[0]
    return f"https://drive.google.com/uc?id={file_id}" if file_id else url
