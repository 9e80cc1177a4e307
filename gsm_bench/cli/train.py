"""``gsmbench train``."""

from __future__ import annotations

from typing import Any

import click

from gsm_bench.cli.console import echo
from gsm_bench.cli.options import PATH, choice, say, workspace_option
from gsm_bench.settings import Head, Temporal
from gsm_bench.workspace import pasteable


@click.command("train", short_help="Train a small network on Temporal Shapes.")
@click.option(
    "--data", type=PATH, required=True, metavar="DIR", help="Both splits of Temporal Shapes (gsmbench shapes make)."
)
@click.option(
    "--out", type=PATH, required=True, metavar="FILE", help="The .safetensors file to write; the log goes beside it."
)
@click.option(
    "--temporal",
    type=choice(Temporal),
    default="gsm",
    show_default=True,
    help="Gate-shift modules, or plain TSN.",
)
@click.option(
    "--head",
    type=choice(Head),
    default="action",
    show_default=True,
    help="Fourteen motions; or motions (verbs), shapes (nouns) and their 84 pairs, by three classifiers.",
)
@click.option("--frames", type=click.IntRange(1), default=8, show_default=True, metavar="T", help="Frames per clip.")
@click.option("--epochs", type=click.IntRange(1), default=5, show_default=True, metavar="N")
@click.option("--batch", type=click.IntRange(1), default=16, show_default=True, metavar="B", help="Videos per step.")
@click.option(
    "--learning-rate", type=float, default=0.01, show_default=True, help="The maximum, reached after the warm-up."
)
@click.option("--dropout", type=click.FloatRange(0, 1, max_open=True), default=0.5, show_default=True)
@click.option("--width", type=float, default=0.25, show_default=True, help="Factor on the channels of BN-Inception.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of weights, order and random clips.")
@click.option(
    "--validate-every",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="N",
    help="Epochs between validations.",
)
@click.option("--threads", type=click.IntRange(1), metavar="N", help="Threads of torch.")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@click.option("--force", is_flag=True, help="Replace an existing checkpoint.")
@workspace_option
def command(**choices: Any) -> None:
    """Train one network by the recipe of the paper's section 4.2, small; the log's lines go to stderr.

    \b
    Example:
      gsmbench train --data data/shapes --out checkpoints/mine_8f.safetensors --frames 8
    """
    from gsm_bench.train import TrainConfig, train

    result = train(TrainConfig(**choices), progress=lambda line: say(_line(line)))
    echo(
        f"{pasteable(result.checkpoint)}: top-1 {100 * result.top1:.2f}, frames reversed {100 * result.top1_reversed:.2f}"
    )


def _line(line: dict[str, Any]) -> str:
    """A log line without the recipe, which the log file holds."""
    return "  ".join(
        f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in line.items()
        if key != "recipe"
    )
