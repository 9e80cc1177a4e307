"""A server of files on this machine, whose faults are chosen."""

from __future__ import annotations

import http.server
import re
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Behaviour:
    """What a server does.

    Attributes:
        cuts: bytes after which the connection ends, one per request; the requests after them are answered whole.
        requests: the ``Range`` that each request asked for, None for the whole file.
        said_start: that ``Content-Range`` names in place of the true one; always_partial: answer with it to all requests.
        redirect: address that all requests are sent on to.
        times: how often `status` is answered; for ever if None.
    """

    content: bytes
    ranges: bool = True
    etag: str | None = '"v1"'
    length: bool = True
    type: str = "application/octet-stream"
    encoding: str | None = None
    status: int | None = None
    times: int | None = None
    cuts: list[int] = field(default_factory=list)
    requests: list[str | None] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    said_start: int | None = None
    always_partial: bool = False
    redirect: str = ""


@contextmanager
def serving(behaviour: Behaviour):
    """The address of a file on such a server."""
    handler = type("Handler", (_Handler,), {"behaviour": behaviour})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/weights.pth"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    behaviour: Behaviour

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self._answer(body=False)

    def do_GET(self):
        self._answer(body=True)

    def _answer(self, *, body):
        does = self.behaviour
        if self.path.startswith("/api/"):  # questions of huggingface_hub that are about no file
            self.send_error(404)
            return
        if does.redirect:
            self.send_response(302)
            self.send_header("Location", does.redirect)
            self.end_headers()
            return
        if body:
            does.requests.append(self.headers.get("Range"))
        if does.status and (does.times is None or does.times > 0):
            does.times = None if does.times is None else does.times - 1
            self.send_error(does.status)
            return
        start = self._start() if does.ranges else 0
        if start >= len(does.content) > 0:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(does.content)}")
            self.end_headers()
            return
        self._head(start)
        if body:
            rest = does.content[start:]
            with suppress(ConnectionError):  # the other side has seen enough
                self.wfile.write(rest[: does.cuts.pop(0)] if does.cuts else rest)
                self.wfile.flush()

    def _start(self):
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(asked[1]) if asked else 0

    def _head(self, start):
        does, whole = self.behaviour, len(self.behaviour.content)
        partial = start or does.always_partial
        self.send_response(206 if partial else 200)
        self.send_header("Content-Type", does.type)
        if partial:
            said = start if does.said_start is None else does.said_start
            self.send_header("Content-Range", f"bytes {said}-{whole - 1}/{whole}")
        if does.length:
            self.send_header("Content-Length", str(whole - start))
        for name, value in {"ETag": does.etag, "Content-Encoding": does.encoding, **does.headers}.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
