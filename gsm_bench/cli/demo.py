"""``gsmbench demo``."""

from __future__ import annotations

import time
from pathlib import Path

import click

from gsm_bench.cli.options import PATH, say

MODELS = ("shapes_tsn_8f", "shapes_8f", "shapes_12f", "shapes_16f", "shapes_24f")
ACTIONS = "shapes_vna_12f"
REVERSED = ("shapes_tsn_8f", "shapes_8f")
BATCH = "14"
"""Clips per pass: the small networks are fastest in larger batches."""


@click.command("demo", short_help="The main job, end to end, on a small benchmark: a minute or two.")
@click.option(
    "--dir",
    "directory",
    type=PATH,
    default=Path("demo"),
    show_default=True,
    metavar="DIR",
    help="The demo's workspace.",
)
@click.option(
    "--clips", type=click.IntRange(28), metavar="N", help="Fewer clips than the benchmark's 560, for a quicker look."
)
def command(directory: Path, clips: int | None) -> None:
    """Draw the clips of Temporal Shapes, score six trained networks, fuse them, print the table.

    The networks came with the package; every number is computed in this run, in an empty workspace.

    \b
    Example:
      gsmbench demo --dir /tmp/demo
    """
    from gsm_bench.errors import GsmBenchError

    if directory.exists() and any(directory.iterdir()):
        raise GsmBenchError(
            "the demo starts in an empty directory", where=directory, fix=f"rm -r {directory}, or --dir ANOTHER"
        )
    directory.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    for number, (why, arguments) in enumerate(_steps(directory, clips), start=1):
        say(f"\n{number}. {why}\n   gsmbench {' '.join(arguments)}")
        _run(directory, arguments)
    say(f"\nDone in {time.monotonic() - began:.0f} s. {_next(directory)}")


def _steps(directory: Path, clips: int | None) -> list[tuple[str, list[str]]]:
    data = str(directory / "data" / "shapes")
    make = ["shapes", "make", data, "--split", "val"] + (["--clips", str(clips)] if clips else [])
    backwards = ["--clips", "1", "--frame-order", "reversed"]
    steps = [("Draw the validation clips: shapes that move, each class with its time reversal", make)]
    steps += [
        (f"Score {len(MODELS)} networks with two clips; each frame is decoded once", _score(MODELS)),
        ("The same frames backwards", _score(REVERSED) + backwards),
    ]
    steps.append(
        (f"Verbs, nouns and actions: {ACTIONS}", ["score", "--model", ACTIONS, "--batch", BATCH, "--clips", "1"])
    )
    scores = directory / "scores" / "shapes" / "val"
    files = [str(scores / f"{model}{order}.h5") for model in REVERSED for order in ("", ".reversed")]
    steps += [
        ("Ensembles: 8, 12, 16 and 24 frames, beside each member", ["ensemble", "shapes_En3x2"]),
        ("Table 4 on this benchmark", ["table", "4", "--dataset", "shapes"]),
        ("Does time matter? Forwards and reversed: half of each pair is all that TSN can tell", ["evaluate", *files]),
        (
            "The motion is the verb, the shape the noun: three classifiers in the manner of EPIC-KITCHENS",
            ["evaluate", "--parts", str(directory / "scores" / "shapes-actions" / "val" / f"{ACTIONS}.h5")],
        ),
        ("Accuracy against cost", ["figure", "accuracy-cost", "--dataset", "shapes"]),
    ]
    return steps


def _score(models: tuple[str, ...]) -> list[str]:
    return ["score", "--models", ",".join(models), "--batch", BATCH]


def _run(directory: Path, arguments: list[str]) -> None:
    from gsm_bench.cli import cli

    status = cli.main(["--workspace", str(directory), *arguments], standalone_mode=False)
    if status:
        raise SystemExit(status)


def _next(directory: Path) -> str:
    return (
        "Next:\n"
        f"  gsmbench --workspace {directory} ensemble shapes_En3x2 --explain   which frames, which formula\n"
        "  gsmbench models show inv3_12f                       a released checkpoint, and where to put it\n"
        "  gsmbench score --model inv3_12f --plan              how long yours would take\n"
        f"The scores are in {directory}/scores, the picture in {directory}/reports."
    )
