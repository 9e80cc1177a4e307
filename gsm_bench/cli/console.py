"""The only way to stdout and stderr: text of unknown origin is escaped, and no encoding is an error."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import click

from gsm_bench.errors import GsmBenchError
from gsm_bench.printable import ERROR_HANDLER, printable


def prepare_streams() -> None:
    """Let stdout and stderr write any text; raises GsmBenchError if stdout is closed.

    A file opened later would take the place of a closed descriptor, and messages would be written into it.
    """
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    if sys.stdout is None:
        raise GsmBenchError("standard output is closed", fix="redirect it: > FILE, or > /dev/null")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ERROR_HANDLER)


def drop_unwritten() -> None:
    """Drop what stdout could not write: Python would try again at its end, and say so behind our error."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def echo(text: object, *, err: bool = False) -> None:
    """Print a text and a line break; control characters are escaped."""
    click.echo(printable(str(text)), err=err)


def echo_drawn(text: str) -> None:
    """Print a table that was drawn with colours; its cells are escaped already."""
    click.echo(text)


def say(message: str) -> None:
    """Print a message, not a result: to stderr."""
    echo(message, err=True)
