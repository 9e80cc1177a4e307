"""``python -m gsm_bench.train``: train one network on Temporal Shapes."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from gsm_bench.errors import GsmBenchError
from gsm_bench.train.recipe import TrainConfig
from gsm_bench.train.run import train

EXAMPLE = "example: python -m gsm_bench.train --data data/shapes --out checkpoints/shapes_8f.safetensors --frames 8"


HELP = {
    "frames": "frames per clip",
    "epochs": "passes over the training clips",
    "batch": "clips per step",
    "learning_rate": "the highest, after the warm-up",
    "momentum": "of SGD",
    "weight_decay": "on every weight",
    "warmup": "share of the steps in which the rate rises",
    "dropout": "rate before the classifier",
    "clip_norm": "the gradient's norm is cut to this",
    "width": "factor on the channels of BN-Inception",
    "seed": "of weights, order and random clips",
    "device": "cpu or cuda",
    "validate_every": "epochs between validations",
}


def main(arguments: list[str] | None = None) -> None:
    """Parse, train, tell the log's lines to stderr and the result to stdout."""
    config = TrainConfig(**vars(parser().parse_args(arguments)))
    try:
        result = train(config, progress=_tell)
    except GsmBenchError as error:
        raise SystemExit(f"{error}") from error
    sys.stdout.write(f"top-1 {result.top1:.2%}, reversed {result.top1_reversed:.2%}: {result.checkpoint}\n")


def _tell(line: dict[str, Any]) -> None:
    sys.stderr.write(json.dumps(line) + "\n")


def parser() -> argparse.ArgumentParser:
    """One option per field of `TrainConfig`."""
    made = argparse.ArgumentParser(
        "python -m gsm_bench.train",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    made.add_argument("--data", type=Path, required=True, help="a directory with both splits of Temporal Shapes")
    made.add_argument("--out", type=Path, required=True, help="the .safetensors file to write; the log goes beside it")
    made.add_argument("--temporal", choices=("gsm", "none"), default="gsm", help="gate-shift modules, or plain TSN")
    made.add_argument("--threads", type=int, help="of torch; its own number unless given")
    made.add_argument("--force", action="store_true", help="write over a checkpoint that is there")
    done = {action.dest for action in made._actions}
    for field in fields(TrainConfig):
        if field.name not in done:
            option = f"--{field.name.replace('_', '-')}"
            made.add_argument(option, type=type(field.default), default=field.default, help=HELP[field.name])
    return made


if __name__ == "__main__":
    main()
