"""A run that waits for other processes says for whom, and since when."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from gsm_bench.scoring.claims import ClaimFolder

POLL_S = 0.3
SAY_AFTER_S = 5.0
SAY_EVERY_S = 60.0


class Waiting:
    """Waits of a run, each a moment long.

    Args:
        say: called with whom the run waits for, after 5 s, then once a minute.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._since: datetime | None = None
        self._say_at = 0.0

    def over(self) -> None:
        """Note that the run goes on."""
        self._since = None

    def wait(self, folders: Iterable[ClaimFolder]) -> None:
        """Wait a moment for those who hold claims in the folders."""
        if self._since is None:
            self._since, self._say_at = datetime.now(UTC), time.monotonic() + SAY_AFTER_S
        time.sleep(POLL_S)
        if time.monotonic() < self._say_at:
            return
        self._say_at = time.monotonic() + SAY_EVERY_S
        if holders := "; ".join(filter(None, (folder.waiting_for() for folder in folders))):
            self._say(f"waiting since {self._since:%H:%M:%S} UTC: {holders}")
