"""The run log of a workspace: a JSON line per command that makes files, in ``logs/runs.jsonl``."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from gsm_bench.places import without_secrets

FILE = "runs.jsonl"
LOGGED = frozenset({"score", "train", "features", "pack", "import", "submit"})
"""Commands that are logged in any case; others if one of `WRITING` is given."""
WRITING = ("--out", "--save")
PACKAGES = ("gsm-bench", "numpy", "h5py", "torch", "torchvision", "pillow")


class RunLog:
    """Notes one command of this process.

    Attributes:
        workspace: the directory that the command used, once it is known.
    """

    def __init__(self) -> None:
        self.workspace: Path | None = None
        self._words: list[str] = []
        self._started = 0.0

    def begin(self, words: Sequence[str]) -> None:
        """A command begins; `words` are its name and what follows, without ``gsmbench``."""
        self.workspace, self._words, self._started = None, [without_secrets(word) for word in words], time.time()

    def end(self, status: int) -> str:
        """The command has ended: add its line. Returns why it could not be added; empty where all is well."""
        if self.workspace is None or not self._is_logged():
            return ""
        folder = self.workspace / "logs"
        try:
            folder.mkdir(exist_ok=True)
            _append(folder / FILE, self._line(status))
        except OSError as error:
            return f"the run log cannot be written: {error.strerror} ({folder / FILE})"
        return ""

    def _is_logged(self) -> bool:
        writes = any(word.partition("=")[0] in WRITING for word in self._words)
        return "--plan" not in self._words and (writes or any(word in LOGGED for word in self._words[:3]))

    def _line(self, status: int) -> bytes:
        import orjson

        from gsm_bench.run_origin import run_origin

        return orjson.dumps(
            {
                "started": datetime.fromtimestamp(self._started, UTC).isoformat(timespec="seconds"),
                "duration_s": round(time.time() - self._started, 3),
                "status": status,
                **_text(run_origin()),
                "directory": os.fsencode(Path.cwd()).decode(errors="backslashreplace"),
                "process": os.getpid(),
                "versions": _versions(),
            },
            option=orjson.OPT_APPEND_NEWLINE,
        )


def _text(origin: object) -> dict[str, object]:
    """The fields of an origin, with bytes that are no UTF-8 escaped."""
    escaped: dict[str, object] = {}
    for key, value in dict(origin).items():  # type: ignore[call-overload]
        words = value if isinstance(value, list) else [value]
        plain = [os.fsencode(word).decode(errors="backslashreplace") for word in words]
        escaped[key] = plain if isinstance(value, list) else plain[0]
    return escaped


def _versions() -> dict[str, str]:
    """Versions of the installed packages that decide numbers; none of them is imported."""
    from importlib.metadata import PackageNotFoundError

    from gsm_bench.run_origin import installed_version

    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = installed_version(name)
        except PackageNotFoundError:
            continue
    return versions


def _append(path: Path, line: bytes) -> None:
    """Add a line in one write, which other processes cannot split; a line that a full disk cut short stays by itself."""
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        end = os.lseek(descriptor, 0, os.SEEK_END)
        is_whole = not end or os.pread(descriptor, 1, end - 1) == b"\n"
        os.write(descriptor, line if is_whole else b"\n" + line)
    finally:
        os.close(descriptor)


run_log = RunLog()
"""The log of this process."""
