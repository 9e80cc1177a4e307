"""Files of Hugging Face: which version a link leads to, with the sha256 that the hub states for large files."""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

from gsm_bench.downloads.link import Link
from gsm_bench.errors import DownloadError

HOST = "huggingface.co"
FILE_OF_REPOSITORY = re.compile(r"/[^/]+/[^/]+/(blob|resolve|raw)/[^/]+/.+")
SHA256 = re.compile(r"[0-9a-f]{64}")


def hub_link(url: str) -> Link:
    """The file that a link of the hub leads to, of a mirror too if ``HF_ENDPOINT`` names one.

    The user's own token, where ``huggingface_hub`` knows one, goes to the hub alone, not to the servers that it names.

    Raises:
        DownloadError: no such file, or one whose conditions were not accepted.
    """
    parts = urlsplit(url)
    if not FILE_OF_REPOSITORY.fullmatch(parts.path):
        raise DownloadError(
            "this link of Hugging Face names no file", where=url,
            fix="https://huggingface.co/OWNER/NAME/resolve/main/model.safetensors",
        )  # fmt: skip
    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or f"https://{HOST}"
    address = endpoint + re.sub(r"/(blob|raw)/", "/resolve/", parts.path, count=1)
    try:
        from huggingface_hub import get_hf_file_metadata
        from huggingface_hub.errors import GatedRepoError, HfHubHTTPError
    except ImportError:
        return Link(url, address)
    try:
        file = get_hf_file_metadata(address)
    except GatedRepoError as error:
        raise DownloadError(
            "the owner of this file asks you to accept conditions first", where=url,
            fix="accept them on its page, then log in: hf auth login",
        ) from error  # fmt: skip
    except HfHubHTTPError as error:
        status = error.response.status_code
        raise DownloadError(
            f"Hugging Face refuses this file: {status}", where=url,
            fix="correct checkpoint.url; for a private file, log in first: hf auth login",
        ) from error  # fmt: skip
    except (OSError, ValueError) as error:
        raise DownloadError(
            f"Hugging Face cannot be reached: {error}", where=url, fix="check the connection, and run it again"
        ) from error
    etag = file.etag or ""
    return Link(url, file.location, version=etag, sha256=etag if SHA256.fullmatch(etag) else "")
