"""Progress on stderr: a bar on a terminal, else a line every 15 s; lines of JSON with ``--json-progress``."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import click

from gsm_bench.cli.console import echo
from gsm_bench.printable import printable

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

    from gsm_bench.scoring.run import Progress

LINE_EVERY_S = 15.0
JSON_EVERY_S = 5.0
AS_JSON = "gsm_bench.json_progress"
"""Key of a call's context: progress is printed as JSON."""


class RateDisplay:
    """What displays of videos and of bytes share: the bar, the rate, and when a line is due."""

    def __init__(self, label: str, bar: Callable[[str], RichProgress], *, quiet: bool = False) -> None:
        self.label = label
        self.quiet = quiet
        self._as_json = _as_json()
        self._first: tuple[float, int] | None = None
        self._printed_at = 0.0
        self._ended: int | None = None
        self._bar = None if quiet or self._as_json or not sys.stderr.isatty() else bar(label)

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def _rate(self, done: int, total: int | None) -> tuple[float, float | None]:
        """What is done per second since the first call, and the seconds that are left; None if that is not known."""
        now = time.monotonic()
        if self._first is None or done < self._first[1]:
            self._first = (now, done)
        rate = (done - self._first[1]) / max(now - self._first[0], 1e-9)
        return rate, (total - done) / rate if rate and total is not None else None

    def _show(self, done: int, total: int | None, line: str, values: Mapping[str, Any], **fields: Any) -> None:
        """Update the bar; without one, print a line if it is due.

        Args:
            line: for people.
            values: for programs, printed as JSON.
            fields: of the bar.
        """
        if self._bar:
            self._bar.update(self._bar.task_ids[0], completed=done, total=total, **fields)
        elif not self.quiet and self._is_due(done, total):
            echo(self._json_line(values) if self._as_json else f"{self.label}: {line}", err=True)

    def _is_due(self, done: int, total: int | None) -> bool:
        """Whether the last line is some seconds old, or this is the end and was not printed yet."""
        now = time.monotonic()
        due = now - self._printed_at > (JSON_EVERY_S if self._as_json else LINE_EVERY_S) or done == total != self._ended
        if due:
            self._printed_at, self._ended = now, done if done == total else None
        return due

    def _json_line(self, values: Mapping[str, Any]) -> str:
        from datetime import UTC, datetime

        return json.dumps({"progress": self.label, "time": datetime.now(UTC).isoformat(timespec="seconds"), **values})


class ProgressDisplay(RateDisplay):
    """Shows videos done, rate and remaining time; call it with each `Progress`."""

    def __init__(self, label: str, *, quiet: bool = False) -> None:
        super().__init__(label, _video_bar, quiet=quiet)

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
        """Show that `done` of `total` videos are done, `bad` of them unscored; the rate is that of this process."""
        rate, left = self._rate(done, total)
        speed, note = _video_rate(rate), f", {bad} bad" if bad else ""
        values = {"done": done, "total": total, "bad": bad, "rate_per_s": round(rate, 3), "left_s": _tenths(left)}
        line = f"{done:,}/{total:,} videos, {speed}, {duration(left)} left{note}"
        self._show(done, total, line, values, rate=speed, left=duration(left), bad=bad)


class DownloadDisplay(RateDisplay):
    """Shows bytes, rate and remaining time of a download; its first line comes after some seconds."""

    def __init__(self, label: str, *, quiet: bool = False) -> None:
        super().__init__(label, _byte_bar, quiet=quiet)
        self._printed_at = time.monotonic()

    def __call__(self, done: int, total: int | None) -> None:
        """Show that `done` of `total` bytes are here."""
        rate, left = self._rate(done, total)
        whole = "" if total is None else f" of {total / 1e6:,.1f}"
        line = f"{done / 1e6:,.1f}{whole} MB, {rate / 1e6:,.1f} MB/s, {duration(left)} left"
        self._show(done, total, line, {"done_bytes": done, "total_bytes": total, "left_s": _tenths(left)})


def _as_json() -> bool:
    """Whether the command of this process was given ``--json-progress``."""
    context = click.get_current_context(silent=True)
    return bool(context and context.meta.get(AS_JSON))


def _video_bar(label: str) -> RichProgress:
    from rich.progress import MofNCompleteColumn, TextColumn

    columns = (MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TextColumn("{task.fields[left]} left"))
    return _bar(label, *columns, rate="", left="-", bad=0)


def _byte_bar(label: str) -> RichProgress:
    from rich.progress import DownloadColumn, TimeRemainingColumn, TransferSpeedColumn

    return _bar(label, DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())


def _bar(label: str, *columns: Any, **fields: Any) -> RichProgress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    bar = Progress(TextColumn("{task.description}"), BarColumn(), *columns, console=Console(stderr=True))
    bar.add_task(label, total=None, **fields)
    return bar


def duration(seconds: float | None) -> str:
    """A duration as short text in s, min or h."""
    if seconds is None:
        return "-"
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"


def _tenths(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def _video_rate(rate: float) -> str:
    return f"{rate:.1f} videos/s" if rate >= 1 or not rate else f"{1 / rate:.1f} s/video"
