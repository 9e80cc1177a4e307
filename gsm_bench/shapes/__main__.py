"""``python -m gsm_bench.shapes``: make a split of Temporal Shapes."""

from __future__ import annotations

import argparse
import sys

from gsm_bench.errors import GsmBenchError
from gsm_bench.shapes.make import DEFAULT_CLIPS, DEFAULT_SEEDS, make

EXAMPLE = "example: python -m gsm_bench.shapes data/shapes --split val"


def main(arguments: list[str] | None = None) -> None:
    """Parse, make, tell progress to stderr and the checksum to stdout."""
    given = parser().parse_args(arguments)
    try:
        made = make(
            given.directory,
            given.split,
            seed=given.seed,
            clips=given.clips,
            processes=given.processes,
            progress=lambda done, total: _tell(f"\r{done:,} of {total:,} clips"),
        )
    except GsmBenchError as error:
        raise SystemExit(f"{error}") from error
    _tell("\n")
    sys.stdout.write(f"{made.checksum}  {made.list_path}\n")


def parser() -> argparse.ArgumentParser:
    """The options of `gsm_bench.shapes.make.make`."""
    parsed = argparse.ArgumentParser("python -m gsm_bench.shapes", description=__doc__, epilog=EXAMPLE)
    parsed.add_argument("directory", help="where the clips and lists go")
    parsed.add_argument("--split", choices=tuple(DEFAULT_SEEDS), default="val", help="val unless given")
    parsed.add_argument("--seed", type=int, help=f"the benchmark's own unless given: {DEFAULT_SEEDS}")
    parsed.add_argument("--clips", type=int, help=f"the benchmark's own number unless given: {DEFAULT_CLIPS}")
    parsed.add_argument("--processes", type=int, default=1, help="how many draw at the same time; 1 unless given")
    return parsed


def _tell(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


if __name__ == "__main__":
    main()
