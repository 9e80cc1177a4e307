"""``gsmbench probe``."""

from __future__ import annotations

from pathlib import Path

import click

from gsm_bench.cli.ask_for_code import ask_for_code
from gsm_bench.cli.options import (
    bench,
    data_option,
    format_option,
    frames_option,
    out_option,
    print_result,
    split_options,
    trial_options,
    workspace_option,
)
from gsm_bench.cli.scoring_options import model_option


@click.command("probe", short_help="Show what of a model depends on time.")
@model_option(required=True)
@split_options
@data_option
@frames_option
@click.option("--task", metavar="NAME", help="Whose labels are used (default: the first with labels).")
@click.option(
    "--videos",
    type=click.IntRange(0),
    default=300,
    show_default=True,
    metavar="N",
    help="Videos, chosen at random; 0 for all.",
)
@trial_options
@out_option
@format_option
@workspace_option
def command(
    model: str, dataset: str | None, split: str | None, data: Path | None, frames: Path | None, task: str | None,
    videos: int, seed: int, device: str | None, workers: int | None, threads: int | None, quiet: bool, out: Path | None,
    force: bool, form: str,
) -> int:  # fmt: skip
    """Show a model the sampled frames backwards, shuffled, one of them alone, and those of the first half of each video.

    A network that takes the mean over its frames, such as TSN, gives the same scores for every order: then nothing about
    the order of frames can be judged by it. Labels are needed.

    \b
    Example:
      gsmbench probe --model inv3_8f
    """
    opened = bench()
    ask_for_code([opened.manifest.model(model)], opened.workspace)
    from gsm_bench.cli.progress import ProgressDisplay

    with ProgressDisplay(f"{model}: frames", quiet=quiet) as display:
        result = opened.probe(
            model, videos=videos, seed=seed, task=task, data=data, dataset=dataset, split=split, frames=frames,
            device=device, workers=workers, threads=threads, progress=display.count,
        )  # fmt: skip
    return print_result(result, form, several=True, out=out, force=force)
