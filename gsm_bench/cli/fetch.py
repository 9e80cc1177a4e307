"""``gsmbench models fetch``."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import click

from gsm_bench.cli import completing
from gsm_bench.cli.console import echo
from gsm_bench.cli.options import progress_options, registry, say, workspace_option
from gsm_bench.cli.progress import AS_JSON, JSON_EVERY_S, LINE_EVERY_S, duration
from gsm_bench.workspace import pasteable

if TYPE_CHECKING:
    from gsm_bench.downloads import Fetched
    from gsm_bench.entries import ModelEntry


@click.command("fetch", short_help="Download the weights of models; an interrupted download continues.")
@click.argument("names", nargs=-1, required=True, shell_complete=completing.model_name)
@click.option("--url", metavar="URL", help="Download from here instead of the entry's address (one model).")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@progress_options
@workspace_option
def fetch_models(names: tuple[str, ...], url: str | None, force: bool, quiet: bool) -> None:
    """Download the weights of models, or of all members of ensembles, to their places in checkpoints/.

    An interrupted download continues where it stopped. A file whose sha256 is not that of the entry is refused.

    \b
    Example:
      gsmbench models fetch inv3_8f
    """
    from gsm_bench.downloads import fetch
    from gsm_bench.errors import DownloadError

    workspace, manifest = registry()
    for name in names:
        if name not in manifest.ensembles:
            manifest.model(name)
    entries = manifest.models_of(names)
    if url and len(entries) > 1:
        raise click.UsageError("--url is the address of one model's weights: name one model")
    for entry in entries:
        if not (url or entry.checkpoint.url):
            raise DownloadError(
                f"nobody has said where the weights of {entry.name} are",
                where=manifest.origins["models", entry.name].file,
                fix="give --url, or put your file there: gsmbench models show " + entry.name,
            )
    for entry in entries:
        place = workspace.checkpoint_path(entry.checkpoint.file)
        with DownloadDisplay(entry.name, quiet=quiet) as display:
            fetched = fetch(
                url or entry.checkpoint.url, place, sha256=entry.checkpoint.sha256, force=force, report=display
            )
        _say_what_is_there(entry, fetched)
        echo(pasteable(fetched.path))


def _say_what_is_there(entry: ModelEntry, fetched: Fetched) -> None:
    where = "downloaded" if fetched.downloaded else "is here already"
    known = {"entry": "as in the entry", "server": "as the server states", "": "none is known to compare with"}
    say(f"{entry.name}: {where}; sha256 {fetched.sha256} ({known[fetched.compared]})")
    if not entry.checkpoint.sha256:
        say(f"to check that it fits, and to pin its hash: gsmbench models check {entry.name} --pin")


class DownloadDisplay:
    """Shows bytes, rate and remaining time on stderr: a bar on a terminal, else a line every 15 s, or JSON."""

    def __init__(self, label: str, *, quiet: bool = False) -> None:
        self.label = label
        self._as_json = bool(click.get_current_context().meta.get(AS_JSON))
        self._quiet = quiet
        self._first: tuple[float, int] | None = None
        self._printed_at = time.monotonic()
        self._bar: Any = None if quiet or self._as_json or not sys.stderr.isatty() else _bar(label)

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def __call__(self, done: int, total: int | None) -> None:
        """Show that `done` of `total` bytes are here."""
        now = time.monotonic()
        if self._first is None or done < self._first[1]:
            self._first = (now, done)
        if self._bar:
            self._bar.update(self._bar.task_ids[0], completed=done, total=total)
        elif not self._quiet and (
            now - self._printed_at > (JSON_EVERY_S if self._as_json else LINE_EVERY_S) or done == total
        ):
            self._printed_at = now
            rate = (done - self._first[1]) / max(now - self._first[0], 1e-9)
            left = (total - done) / rate if rate and total is not None else None
            echo(self._json(done, total, left) if self._as_json else self._line(done, total, rate, left), err=True)

    def _line(self, done: int, total: int | None, rate: float, left: float | None) -> str:
        whole = "" if total is None else f" of {total / 1e6:,.1f}"
        return f"{self.label}: {done / 1e6:,.1f}{whole} MB, {rate / 1e6:,.1f} MB/s, {duration(left)} left"

    def _json(self, done: int, total: int | None, left: float | None) -> str:
        at = datetime.now(UTC).isoformat(timespec="seconds")
        left_s = None if left is None else round(left, 1)
        return json.dumps(
            {"progress": self.label, "time": at, "done_bytes": done, "total_bytes": total, "left_s": left_s}
        )


def _bar(label: str) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    bar.add_task(label, total=None)
    return bar
