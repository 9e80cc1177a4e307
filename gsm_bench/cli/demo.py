"""``gsmbench demo``."""

from __future__ import annotations

import importlib.util
import json
import shutil
import time
from pathlib import Path

import click

from gsm_bench.cli.options import PATH, say
from gsm_bench.files import sweep, write_whole

MODELS = ("shapes_tsn_8f", "shapes_8f", "shapes_12f", "shapes_16f", "shapes_24f")
ACTIONS = "shapes_vna_12f"
REVERSED = ("shapes_tsn_8f", "shapes_8f")
PLACE = ("--dataset", "shapes", "--split", "val")
BATCH = "14"
"""Videos per pass: small networks are fastest in larger batches."""
SAMPLE = "187"
"""Videos with features: every third, so that each class has some."""

UNFINISHED = ".demo.json"
"""File in a workspace whose demo is not finished: its options. The same command continues."""

Step = tuple[str, list[str]]


@click.command("demo", short_help="Run the whole workflow on a small benchmark.")
@click.option(
    "--dir",
    "directory",
    type=PATH,
    default=Path("demo"),
    show_default=True,
    metavar="DIR",
    help="The workspace to create.",
)
@click.option(
    "--from-scores", is_flag=True, help="Start from the score files that ship with the package: no torch, ten seconds."
)
@click.option("--videos", type=click.IntRange(28), metavar="N", help="Draw fewer than 560 videos, for a quicker look.")
def command(directory: Path, from_scores: bool, videos: int | None) -> None:
    """Score six small networks on Temporal Shapes, fuse them, print the tables.

    Networks ship with the package. With --from-scores nothing is scored: the shipped score files are copied.

    \b
    Example:
      gsmbench demo --from-scores
    """
    from gsm_bench.errors import GsmBenchError

    if from_scores and videos:
        raise click.UsageError(
            "--videos: the shipped scores are of all 560 videos; leave out --from-scores or --videos"
        )
    choices = json.dumps({"from_scores": from_scores, "videos": videos}).encode()
    mark = directory / UNFINISHED
    sweep(mark)
    if directory.exists() and any(directory.iterdir()) and not (mark.is_file() and mark.read_bytes() == choices):
        raise GsmBenchError("the demo needs an empty directory", where=directory, fix="--dir ANOTHER")
    directory.mkdir(parents=True, exist_ok=True)
    write_whole(mark, choices)
    start_s = time.monotonic()
    if from_scores:
        _copy_scores(directory)
        steps = _result_steps(directory)
    else:
        steps = [*_scoring_steps(directory, videos), *_result_steps(directory)]
    for number, (title, arguments) in enumerate(steps, start=1):
        say(f"\n{number}. {title}\n   gsmbench --workspace {directory} {' '.join(arguments)}")
        _run(directory, arguments)
    mark.unlink(missing_ok=True)
    say(f"\nDone in {time.monotonic() - start_s:.0f} s. {_next(directory)}")


def _copy_scores(directory: Path) -> None:
    """Copy the shipped score files and lists of Temporal Shapes into a workspace."""
    from gsm_bench.workspace import shipped_manifests

    shipped = shipped_manifests() / "shapes"
    shutil.copytree(shipped / "data", directory / "data" / "shapes", copy_function=_copy, dirs_exist_ok=True)
    shutil.copytree(shipped / "scores", directory / "scores", copy_function=_copy, dirs_exist_ok=True)
    say(f"Copied the score files of {len(MODELS) + 1} networks to {directory / 'scores'}.")


def _copy(source: str, target: str) -> None:
    write_whole(Path(target), Path(source).read_bytes())


def _scoring_steps(directory: Path, videos: int | None) -> list[Step]:
    make = ["shapes", "make", str(directory / "data" / "shapes"), "--split", "val"]
    score = ["score", "--batch", BATCH]
    return [
        (
            "Draw the validation videos: moving shapes, each class with its reversal",
            make + (["--clips", str(videos)] if videos else []),
        ),
        (
            f"Score {len(MODELS)} networks with two clips; each frame is decoded once",
            [*score, "--models", ",".join(MODELS)],
        ),
        (
            "Score the same frames backwards",
            [*score, "--models", ",".join(REVERSED), "--clips", "1", "--frame-order", "reversed"],
        ),
        (f"Score verbs, nouns and actions with {ACTIONS}", [*score, "--model", ACTIONS, "--clips", "1"]),
        *(
            (f"Compute features with {model}", ["features", "--batch", BATCH, "--model", model, "--sample", SAMPLE])
            for model in REVERSED
        ),
    ]


def _result_steps(directory: Path) -> list[Step]:
    scores = directory / "scores" / "shapes" / "val"
    both_ways = [str(scores / f"{model}{order}.h5") for model in REVERSED for order in ("", ".reversed")]
    actions = str(directory / "scores" / "shapes-actions" / "val" / f"{ACTIONS}.h5")
    steps = [
        ("Fuse 8, 12, 16 and 24 frames", ["ensemble", "shapes_En3x2"]),
        ("Fill table 4 of the paper, on this benchmark", ["table", "4", "--dataset", "shapes"]),
        ("Search for the best ensemble at each cost", ["search", ",".join(MODELS[1:]), "--dataset", "shapes"]),
        ("Does time matter? Compare forwards and backwards", ["evaluate", *both_ways]),
        ("Evaluate verbs, nouns and actions, as on EPIC-KITCHENS", ["evaluate", "--parts", actions]),
    ]
    if importlib.util.find_spec("matplotlib"):
        steps.append(("Draw the figures of a paper", ["figure", "all", *PLACE, "--format", "png", "--force"]))
    steps.append(("Write the report: one page with every number and its videos", ["report", "--force"]))
    return steps


def _run(directory: Path, arguments: list[str]) -> None:
    from gsm_bench.cli import cli

    status = cli.main(["--workspace", str(directory), *arguments], standalone_mode=False)
    if status:
        raise SystemExit(status)


def _next(directory: Path) -> str:
    return (
        "Next:\n"
        f"  gsmbench --workspace {directory} ensemble shapes_En3x2 --explain\n"
        "      shows which frames go in, and the formula\n"
        "  gsmbench models show inv3_12f\n"
        "      shows where to download a released checkpoint, and where to put it\n"
        "  gsmbench score --model inv3_12f --plan\n"
        "      shows how long yours takes\n"
        f"Scores are in {directory / 'scores'}; open {directory / 'reports' / 'report.html'} in a browser."
    )
