"""``python -m gsm_bench.train``: train one network on Temporal Shapes."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from gsm_bench.train.recipe import TrainConfig
from gsm_bench.train.run import train

EXAMPLE = "example: python -m gsm_bench.train --data data/shapes --out checkpoints/shapes_8f.safetensors --frames 8"


def main(arguments: list[str] | None = None) -> None:
    """Parse, train, tell the log's lines to stderr and the result to stdout."""
    config = TrainConfig(**vars(parser().parse_args(arguments)))
    result = train(config, progress=_tell)
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
    kinds: dict[str, Any] = {"data": Path, "out": Path, "temporal": str, "threads": int}
    for field in fields(TrainConfig):
        required = field.name in ("data", "out")
        made.add_argument(
            f"--{field.name.replace('_', '-')}",
            type=kinds.get(field.name, type(field.default)),
            required=required,
            default=None if required else field.default,
            choices=("gsm", "none") if field.name == "temporal" else None,
            help="a path" if required else " ",
        )
    return made


if __name__ == "__main__":
    main()
