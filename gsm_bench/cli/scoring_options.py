"""Options of the commands that run a network over the videos of a split."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from gsm_bench.cli import completing
from gsm_bench.cli.options import choice
from gsm_bench.settings import BadFramePolicy, Precision, Prefer


def model_option(*, required: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add ``--model``."""
    return click.option(
        "--model",
        metavar="NAME",
        required=required,
        shell_complete=completing.model_name,
        help="A model of the registry (gsmbench models list).",
    )


precision_option = click.option("--precision", type=choice(Precision), default="float32", show_default=True)
batch_option = click.option(
    "--batch", type=click.IntRange(1), metavar="B", help="Clips per forward pass (default: 2 on cpu, 64 on cuda)."
)
threads_option = click.option(
    "--threads",
    type=click.IntRange(1),
    metavar="N",
    help="Forward passes in parallel on cpu, one thread each (default: one per core).",
)
bad_frame_option = click.option(
    "--on-bad-frame",
    type=choice(BadFramePolicy),
    default="skip",
    show_default=True,
    help="A missing or damaged frame: skip leaves the video out, error stops, nearest takes the nearest frame.",
)
prefer_option = click.option(
    "--prefer",
    type=choice(Prefer),
    default="folder",
    show_default=True,
    help="What to read if a video has both a folder of pictures and a file, such as a video or an archive.",
)
