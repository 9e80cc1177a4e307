"""Local servers of files, as a storage of frames far away."""

import http.server
import os
import threading
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Files with `Range`, sizes and folder listings; what `server.answers` names gets its status instead."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append((unquote(self.path), self.headers.get("Range")))
        status = self.server.answers(self) if self.server.answers else 0
        if status:
            self.send_error(status)
            return
        path = Path(self.translate_path(self.path))
        limits = self.headers.get("Range")
        if not path.is_file() or limits is None or not self.server.ranges:
            super().do_GET()
            return
        first, last = limits.removeprefix("bytes=").split("-")
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            start, stop = (int(first), int(last) + 1 if last else size) if first else (size - int(last), size)
            file.seek(start)
            part = file.read(stop - start)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{start + len(part) - 1}/{size}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, *_):
        pass


class _Server(http.server.ThreadingHTTPServer):
    request_queue_size = 256  # a client asks for many files at once
    daemon_threads = True


@contextmanager
def http_server(folder, *, ranges=True, answers=None):
    """Serve a folder; yields the server, with `url` and the requests `asked` so far.

    Args:
        ranges: whether parts of files are served.
        answers: returns the status of an error for a request, 0 to serve it.
    """
    server = _Server(("127.0.0.1", 0), lambda *given: _Handler(*given, directory=str(folder)))
    server.asked, server.ranges, server.answers = [], ranges, answers
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def s3_server(folder, bucket, monkeypatch):
    """Serve a folder as a bucket of an S3-like server; yields its URL."""
    import boto3
    from moto.server import ThreadedMotoServer

    for name, value in (
        ("AWS_ACCESS_KEY_ID", "x"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        client = boto3.client("s3", endpoint_url=f"http://{host}:{port}")
        client.create_bucket(Bucket=bucket)
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file():
                client.put_object(Bucket=bucket, Key=str(path.relative_to(folder)), Body=path.read_bytes())
        yield f"s3://{bucket}"
    finally:
        server.stop()
