"""Progress of a run on stderr: a bar on a terminal, else a line every 15 s; lines of JSON with ``--json-progress``."""

from __future__ import annotations

import json
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

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


class ProgressDisplay:
    """Shows videos done, rate and remaining time; call it with each `Progress`."""

    def __init__(self, label: str, *, quiet: bool = False) -> None:
        self.label = label
        self.quiet = quiet
        self._as_json = _as_json()
        self._first: tuple[float, int] | None = None
        self._printed_at = 0.0
        self._ended: int | None = None
        self._bar = None if quiet or self._as_json or not sys.stderr.isatty() else _bar(label)

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
        every_s = JSON_EVERY_S if self._as_json else LINE_EVERY_S
        if self._bar:
            self._bar.update(
                self._bar.task_ids[0],
                completed=done,
                total=total,
                rate=_rate(rate),
                left=duration(left),
                bad=bad,
            )
        elif not self.quiet and (now - self._printed_at > every_s or done == total != self._ended):
            self._printed_at, self._ended = now, done if done == total else None
            if self._as_json:
                echo(_json_line(self.label, done, total, bad, rate, left), err=True)
                return
            note = f", {bad} bad" if bad else ""
            echo(
                f"{self.label}: {done:,}/{total:,} videos, {_rate(rate)}, {duration(left)} left{note}",
                err=True,
            )


def _as_json() -> bool:
    """Whether the command of this process was given ``--json-progress``."""
    context = click.get_current_context(silent=True)
    return bool(context and context.meta.get(AS_JSON))


def _json_line(label: str, done: int, total: int, bad: int, rate: float, left: float | None) -> str:
    """Progress as JSON: ``rate_per_s`` counts videos of this process, ``left_s`` is null where it is not known."""
    from datetime import UTC, datetime

    return json.dumps(
        {
            "progress": label, "time": datetime.now(UTC).isoformat(timespec="seconds"), "done": done, "total": total,
            "bad": bad, "rate_per_s": round(rate, 3), "left_s": None if left is None else round(left, 1),
        }
    )  # fmt: skip


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
