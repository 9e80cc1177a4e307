"""``gsmbench diagnose``."""

from __future__ import annotations

from pathlib import Path

import click

from gsm_bench.cli import completing
from gsm_bench.cli.ask_for_code import ask_for_code
from gsm_bench.cli.console import echo
from gsm_bench.cli.options import (
    PATH,
    bench,
    data_option,
    format_option,
    frames_option,
    out_option,
    print_result,
    say,
    split_options,
    trial_options,
    workspace_option,
)

VIDEOS = 300
SHOWN = 12


@click.command("diagnose", short_help="Find out why an accuracy is too low.")
@click.option(
    "--model",
    metavar="NAME",
    shell_complete=completing.model_name,
    help="A model of the registry: its settings, frames, labels and weights.",
)
@click.option("--scores", type=PATH, metavar="FILE", help="A score file: its labels and kinds, without a network.")
@split_options
@data_option
@frames_option
@click.option("--task", metavar="NAME", help="Whose labels are used (default: the first with labels).")
@click.option(
    "--videos",
    type=click.IntRange(20),
    default=VIDEOS,
    show_default=True,
    metavar="N",
    help="Videos that a model is tried on, chosen at random.",
)
@trial_options
@out_option
@format_option
@workspace_option
def command(
    model: str | None, scores: Path | None, dataset: str | None, split: str | None, data: Path | None, frames: Path | None,
    task: str | None, videos: int, seed: int, device: str | None, workers: int | None, threads: int | None, quiet: bool,
    out: Path | None, force: bool, form: str,
) -> int:  # fmt: skip
    """Try what may be wrong, one fault at a time and in pairs, and rank the causes by what each would lift.

    Tried are channel order, value range, mean, std, resize, crop, interpolation, frames, their order, numbers and
    sampling, mirroring, batch-norm statistics, the order of classes, and labels that are off. Labels are needed. Frames
    are decoded once. "No fault found" means that nothing lifts top-1 by 5 points beyond accident.

    \b
    Example:
      gsmbench diagnose --model inv3_8f
      gsmbench diagnose --scores scores/x.h5
    """
    if (model is None) == (scores is None):
        raise click.UsageError("give one of --model NAME and --scores FILE")
    opened, most = bench(), None if form in ("csv", "json") or out else SHOWN
    if scores is not None:
        refused = {
            "--frames": frames,
            "--device": device,
            "--workers": workers,
            "--threads": threads,
            "--split": split,
            "--dataset": dataset,
        }
        if wrong := [option for option, value in refused.items() if value is not None]:
            raise click.UsageError(f"{wrong[0]} belongs to --model")
        result = opened.diagnose(scores=scores, task=task, data=data, most=most)
        return print_result(result, form, several=True, out=out, force=force)
    assert model is not None
    ask_for_code([opened.manifest.model(model)], opened.workspace)
    from gsm_bench.cli.progress import ProgressDisplay

    with ProgressDisplay(f"{model}: frames", quiet=quiet) as display:
        result = opened.diagnose(
            model, videos=videos, seed=seed, task=task, most=most, data=data, dataset=dataset, split=split, frames=frames,
            device=device, workers=workers, threads=threads, progress=display.count,
            step=(lambda _: None) if quiet else (lambda words: say(f"{model}: trying {words}")),
        )  # fmt: skip
    status = print_result(result, form, several=True, out=out, force=force)
    if result.toml and form == "rich":  # in one line, which a table would break
        echo(f"\nThe entry corrected, for its file in manifests/:\n\n{result.toml}")
    return status
