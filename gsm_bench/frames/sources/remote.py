"""Lists and reads what lies at a URL, through fsspec (extra ``remote``).

Bytes are fetched in the background, many pieces at a time, and kept for a while: whoever asks for a piece gets it when it
has come, so that the distance to the server does not rule. Listings are trusted no further than names: only what lies
directly below the listed folder counts.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from gsm_bench.errors import FrameError
from gsm_bench.frames.sources.pictures import reason
from gsm_bench.places import RemoteUrl

AT_ONCE = 48
"""Requests that are under way together."""
KEPT_BYTES = 192 << 20
"""Bytes of fetched pieces that a process keeps."""
LISTINGS_KEPT = 32
"""Listings of folders of videos that are kept; those of frames are kept by their readers."""
BLOCK = 4 << 20
"""Bytes that are read at a time where a file is read from begin to end."""
TRIES, WAIT_S = 3, 0.5
"""Tries of a request that failed in a way that may pass, and seconds before the second; then twice as long."""
SILENCE_S = 60
"""Seconds without an answer after which a request over http has failed."""
WEB = ("http", "https")
IN_EXTRA = ("fsspec", "aiohttp", "s3fs")
"""Packages that the extra ``remote`` installs."""


class RemoteEntry(NamedTuple):
    """A file or folder of a listing; `size` in bytes is -1 where the server does not tell."""

    path: str
    is_folder: bool
    size: int


class Piece(NamedTuple):
    """Bytes `start` to `stop` of a file; the whole file if `stop` is 0."""

    path: str
    start: int = 0
    stop: int = 0


class Connection:
    """What lies at and below one URL, for any number of threads of one process."""

    def __init__(self, url: str) -> None:
        self.url = RemoteUrl(url)
        self._system, self._base = _opened(self.url)
        self._listings: OrderedDict[tuple[str, ...], dict[str, RemoteEntry] | None] = OrderedDict()
        self._states: dict[RemoteUrl, tuple[str, int, str]] = {}
        self._lock = threading.RLock()
        self._listing_lock = threading.Lock()
        self._pieces: OrderedDict[Piece, Future[bytes]] = OrderedDict()
        self._kept = 0
        self._pool = ThreadPoolExecutor(AT_ONCE, "remote")
        self._turns: asyncio.Semaphore | None = None

    def path(self, place: RemoteUrl) -> str:
        """The path of a place as fsspec writes it."""
        names = [quote(name) for name in place.below] if place.protocol in WEB else place.below
        return "/".join((self._base.rstrip("/"), *names))

    def listing(self, place: RemoteUrl) -> dict[str, RemoteEntry]:
        """What lies directly in a folder, by name; raises FrameError if it cannot be listed, or is no folder."""
        path = self.path(place)
        with _named(place):
            entries = self._retried(lambda: self._system.ls(path, detail=True))
        web = place.protocol in WEB
        listing: dict[str, RemoteEntry] = {}
        for entry in entries:
            full = str(entry["name"]).partition("?")[0] if web else str(entry["name"])
            folder, _, name = full.rstrip("/").rpartition("/")
            if folder.strip("/") == path.strip("/") and name not in ("", ".", ".."):
                size = entry.get("size")
                is_folder = entry.get("type") == "directory"
                name = unquote(name) if web else name
                listing[name] = RemoteEntry(full.rstrip("/"), is_folder, -1 if size is None else int(size))
        return listing

    def kept_listing(self, place: RemoteUrl) -> dict[str, RemoteEntry]:
        """As `listing`, asked once; empty for a folder that does not exist. Raises FrameError for other failures."""
        with self._listing_lock:
            if place.below not in self._listings:
                try:
                    self._listings[place.below] = self.listing(place)
                except FrameError as error:
                    if not isinstance(error.__cause__, (FileNotFoundError, NotADirectoryError)):
                        raise
                    self._listings[place.below] = {}
            self._listings.move_to_end(place.below)
            while len(self._listings) > LISTINGS_KEPT:
                self._listings.popitem(last=False)
            return self._listings[place.below] or {}

    def state(self, place: RemoteUrl) -> tuple[str, int, str]:
        """Path, size in bytes, and what else tells one version of a file from another; -1 for an unknown size.

        Raises:
            FrameError: there is no such file, or it cannot be asked for.
        """
        path = self.path(place)
        with _named(place):
            entry = self._retried(lambda: self._system.info(path))
        marks = [str(entry[key]) for key in ("ETag", "etag", "LastModified", "Last-Modified", "mtime") if key in entry]
        return path, -1 if entry.get("size") is None else int(entry["size"]), " ".join(marks)

    def known_state(self, place: RemoteUrl) -> tuple[str, int, str]:
        """As `state`, asked once."""
        with self._lock:
            state = self._states.get(place)
        if state is None:
            state = self._states[place] = self.state(place)
        return state

    def file(self, place: RemoteUrl) -> Any:
        """A file, open to read it from begin to end, or here and there in large steps."""
        return self._system.open(self.path(place), "rb", block_size=BLOCK, cache_type="readahead")

    def download(self, place: RemoteUrl, target: Path) -> None:
        """Copy a whole file; raises FrameError if that fails."""
        with _named(place):
            self._retried(lambda: self._system.get_file(self.path(place), str(target)))

    def start(self, pieces: Sequence[Piece]) -> list[Future[bytes]]:
        """Begin to fetch pieces that are neither here nor on their way; returns all of them, each when it has come."""
        with self._lock:
            futures = []
            for piece in pieces:
                future = self._pieces.get(piece)
                if future is None:
                    future = self._pieces[piece] = self._begun(piece)
                    future.add_done_callback(partial(self._arrived, piece))
                else:
                    self._pieces.move_to_end(piece)
                futures.append(future)
            return futures

    def _begun(self, piece: Piece) -> Future[bytes]:
        if not self._system.async_impl:
            return self._pool.submit(self._fetched, piece)
        return asyncio.run_coroutine_threadsafe(self._fetched_async(piece), self._system.loop)

    def _arrived(self, piece: Piece, future: Future[bytes]) -> None:
        """Count the bytes of a piece; forget it if it failed, and the oldest ones where there are too many."""
        with self._lock:
            if future.cancelled() or future.exception() is not None:
                self._pieces.pop(piece, None)
                return
            self._kept += len(future.result())
            while self._kept > KEPT_BYTES and (oldest := next(iter(self._pieces.items())))[1].done():
                del self._pieces[oldest[0]]
                self._kept -= len(oldest[1].result())

    def _fetched(self, piece: Piece) -> bytes:
        stop = piece.stop or None
        return _complete(self._retried(lambda: self._system.cat_file(piece.path, piece.start, stop)), piece)

    async def _fetched_async(self, piece: Piece) -> bytes:
        if self._turns is None:
            self._turns = asyncio.Semaphore(AT_ONCE)
        limits = {"start": piece.start, "end": piece.stop} if piece.stop else {}
        wait = WAIT_S
        async with self._turns:
            for _ in range(TRIES - 1):
                try:
                    return _complete(await self._system._cat_file(piece.path, **limits), piece)
                except Exception as error:
                    if not _may_pass(error):
                        raise
                await asyncio.sleep(wait)
                wait *= 2
            return _complete(await self._system._cat_file(piece.path, **limits), piece)

    def _retried(self, ask: Callable[[], Any]) -> Any:
        wait = WAIT_S
        for _ in range(TRIES - 1):
            try:
                return ask()
            except Exception as error:
                if not _may_pass(error):
                    raise
            time.sleep(wait)
            wait *= 2
        return ask()


def connection_to(place: RemoteUrl) -> Connection:
    """The connection of this process to the URL that a place is below; raises FrameError if a package is missing."""
    return _connection(place.root, os.getpid())


@lru_cache(maxsize=8)
def _connection(root: str, process: int) -> Connection:
    return Connection(root)


def _opened(url: RemoteUrl) -> tuple[Any, str]:
    """The file system of a URL, and the path in it.

    Raises:
        FrameError: a package is missing, or no file system has this protocol.
    """
    try:
        import fsspec

        options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
        if url.protocol in WEB and "::" not in url.root:
            import aiohttp

            timeout = aiohttp.ClientTimeout(total=None, sock_connect=SILENCE_S, sock_read=SILENCE_S)
            options["client_kwargs"] = {"timeout": timeout}
        system, path = fsspec.core.url_to_fs(url.root, **options)
    except ImportError as error:
        missing = str(error.name or _package_of(url.protocol)).partition(".")[0]
        others = [] if missing in IN_EXTRA else [missing]
        raise FrameError(
            f"frames at {url.protocol}:// need the package {missing}",
            where=str(url),
            fix=" ".join(["pip install 'gsm-bench[remote]'", *others]),
        ) from error
    except ValueError as error:
        fix = "use s3://, gs://, https:// or another protocol of fsspec"
        raise FrameError(f"no file system is known for {url.protocol}://", where=str(url), fix=fix) from error
    return system, path


def _package_of(protocol: str) -> str:
    """The package with the file system of a protocol."""
    from fsspec.registry import known_implementations

    return str(known_implementations.get(protocol, {}).get("class", "fsspec"))


def _complete(content: bytes, piece: Piece) -> bytes:
    """The bytes of a piece; raises OSError if the server sent others."""
    if piece.stop and len(content) != piece.stop - piece.start:
        raise OSError(f"the server sent {len(content):,} bytes instead of {piece.stop - piece.start:,}")
    return content


def _may_pass(error: Exception) -> bool:
    """Whether a request that failed may succeed when it is repeated."""
    status = getattr(error, "status", None)
    if isinstance(status, int):
        return status >= 500 or status == 429
    lasting = (FileNotFoundError, PermissionError, NotADirectoryError, IsADirectoryError, ValueError, ImportError)
    return not isinstance(error, (*lasting, AttributeError, TypeError, NotImplementedError))


@contextmanager
def _named(place: RemoteUrl) -> Iterator[None]:
    """Whatever a file system raises becomes a FrameError that names the place."""
    try:
        yield
    except FrameError:
        raise
    except FileNotFoundError as error:
        raise FrameError("there is nothing at this URL, or its server does not answer", where=str(place)) from error
    except PermissionError as error:
        what = f"the server refuses access: {failure(error)}"
        fix = "set the credentials in the environment, as its package expects them (docs/scoring.md)"
        raise FrameError(what, where=str(place), fix=fix) from error
    except Exception as error:  # of a dozen packages, without a common ancestor
        raise FrameError(f"the server cannot be read: {failure(error)}", where=str(place)) from error


def failure(error: BaseException) -> str:
    """Why a request failed, in one line that shows no query of a URL."""
    status = getattr(error, "status", None)
    if isinstance(status, int):
        return f"it answers {status} {getattr(error, 'message', '')}".strip()
    if isinstance(error, asyncio.TimeoutError):
        return f"it did not answer for {SILENCE_S} s"
    return " ".join(word.partition("?")[0] if "://" in word else word for word in reason(error).split())
