"""Checks around every reader of foreign files: size before reading, one clear error for every failure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gsm_bench.errors import DumpError, GsmBenchError
from gsm_bench.importers.limits import require_memory


def guarded(read: Callable[[], Any], where: Path | str) -> Any:
    """Call a reader; every exception that a damaged file causes becomes one clear error."""
    try:
        return read()
    except (GsmBenchError, ModuleNotFoundError):
        raise
    except MemoryError as error:
        raise DumpError("this file asks for more memory than there is", where=where, fix="get it again") from error
    except Exception as error:  # a damaged stream fails anywhere: index, codec, number, end
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise DumpError(f"this file is cut short or damaged ({reason})", where=where, fix="copy it again") from error


def require_file(path: Path) -> int:
    """The size of a file that fits into memory; raises DumpError if it is missing, empty or too large."""
    if not path.is_file():
        raise DumpError("there is no such file", where=path, fix="correct the path")
    size = path.stat().st_size
    if not size:
        raise DumpError("this file is empty (0 bytes)", where=path, fix="copy it again: the dump was not written")
    require_memory(3 * size, "reading this file", path)
    return size
