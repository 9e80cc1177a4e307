"""Progress of a run on stderr: a bar on a terminal, else a line every 15 s."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from gsm_bench.cli.console import echo
from gsm_bench.printable import printable

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

    from gsm_bench.scoring.run import Progress

LINE_EVERY_S = 15.0


class ProgressDisplay:
    """Shows videos done, rate and remaining time; call it with each `Progress`."""

    def __init__(self, label: str, *, quiet: bool = False) -> None:
        self.label = label
        self.quiet = quiet
        self._first: tuple[float, int] | None = None
        self._printed_at = 0.0
        self._ended: int | None = None
        self._bar = None if quiet or not sys.stderr.isatty() else _bar(label)

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def __call__(self, progress: Progress) -> None:
        self.count(progress.done, progress.total, progress.bad)
        if progress.waiting and not self.quiet:
            self._say(progress.waiting)

    def _say(self, words: str) -> None:
        if self._bar:
            self._bar.console.print(printable(f"{self.label}: {words}"), markup=False, highlight=False)
        else:
            echo(f"{self.label}: {words}", err=True)

    def count(self, done: int, total: int, bad: int = 0) -> None:
        """Show that `done` of `total` videos are done, `bad` of them unscored."""
        now = time.monotonic()
        self._first = self._first or (now, done)
        rate = (done - self._first[1]) / max(now - self._first[0], 1e-9)
        left = (total - done) / rate if rate else None
        if self._bar:
            self._bar.update(
                self._bar.task_ids[0],
                completed=done,
                total=total,
                rate=_rate(rate),
                left=duration(left),
                bad=bad,
            )
        elif not self.quiet and (now - self._printed_at > LINE_EVERY_S or done == total != self._ended):
            self._printed_at, self._ended = now, done if done == total else None
            note = f", {bad} bad" if bad else ""
            echo(
                f"{self.label}: {done:,}/{total:,} videos, {_rate(rate)}, {duration(left)} left{note}",
                err=True,
            )


def _bar(label: str) -> RichProgress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TextColumn("{task.fields[left]} left"),
        console=Console(stderr=True),
    )
    bar.add_task(label, rate="", left="-", bad=0)
    return bar


def duration(seconds: float | None) -> str:
    """A duration as short text in s, min or h."""
    if seconds is None:
        return "-"
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"


def _rate(rate: float) -> str:
    return f"{rate:.1f} videos/s" if rate >= 1 or not rate else f"{1 / rate:.1f} s/video"
