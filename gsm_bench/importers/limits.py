"""How much a file may ask for: what is larger than this is refused before it is read."""

from __future__ import annotations

import resource
from pathlib import Path

from gsm_bench.errors import DumpError

MOST_OPERATIONS = 30_000_000
"""Steps of one pickle: 170,000 rows of mmaction2 take 12 million."""
MOST_OPEN_VALUES = 200_000
"""Values that wait at once for their container; a list hands them over by thousands."""
DEEPEST = 32
"""Containers within containers; the deepest known format has five."""
LARGEST_RATIO = 200
"""By how much scores shrink in a zip at the very most; beyond it the archive is a bomb."""
UNSUSPICIOUS_BYTES = 2**24


def memory_budget() -> int:
    """Bytes that one import may take: half of what is free, within the process's own limit."""
    free = _free_memory() // 2
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        free = min(free, max(soft - _mapped(), 0) // 2)
    return free


def require_memory(needed: int, what: str, where: Path | str) -> None:
    """Raise DumpError if `needed` bytes are more than one import may take."""
    allowed = memory_budget()
    if needed > allowed:
        raise DumpError(
            f"{what} would take {_shown(needed)}, more than the {_shown(allowed)} that one import may take here",
            where=where,
            fix="import it where there is more memory, or split the dump",
        )


def _free_memory() -> int:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):  # not Linux
        pass
    return 4 * 2**30


def _mapped() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        return 0


def _shown(size: int) -> str:
    return f"{size / 2**30:,.1f} GiB" if size >= 2**30 else f"{size / 2**20:,.0f} MiB"
