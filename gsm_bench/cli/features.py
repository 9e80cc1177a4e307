"""``gsmbench features``."""

from __future__ import annotations

from pathlib import Path

import click

from gsm_bench.cli.options import (
    PATH,
    choice,
    data_option,
    frames_option,
    progress_options,
    split_options,
    workspace_option,
)
from gsm_bench.cli.scoring import score_models
from gsm_bench.cli.scoring_options import (
    bad_frame_option,
    batch_option,
    model_option,
    precision_option,
    prefer_option,
    threads_option,
)
from gsm_bench.settings import BadFramePolicy, Crops, Precision, Prefer


def _layers(_: click.Context, __: click.Parameter, value: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in value.split(","))
    if not all(names):
        raise click.BadParameter("a layer has no name")
    if len(set(names)) < len(names):
        raise click.BadParameter("a layer is named twice")
    return names


@click.command("features", short_help="Write the features of a network's layers.")
@model_option(required=True)
@click.option(
    "--layers",
    callback=_layers,
    default="pool",
    show_default=True,
    metavar="A,B,..",
    help="pool: what the classifier takes. Or blocks such as inception_5b or mixed_10; of your own network, any module.",
)
@split_options
@data_option
@frames_option
@click.option("--clips", type=click.IntRange(1), default=1, show_default=True, metavar="K", help="Clips per video.")
@click.option("--crops", type=choice(Crops), help="Crops per clip (default: the model's).")
@click.option("--device", metavar="NAME", help="cpu, cuda or cuda:1 (default: a GPU if there is one).")
@precision_option
@batch_option
@click.option("--workers", type=click.IntRange(1), metavar="N", help="Threads that read frames (default: cores).")
@threads_option
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the first N videos, into a file apart.")
@click.option(
    "--sample", type=click.IntRange(1), metavar="N", help="Only N videos at equal distances, into a file apart."
)
@click.option("--fresh", is_flag=True, help="Start again and replace existing features.")
@click.option("--out", type=PATH, metavar="FILE", help="Feature file (default: features/<dataset>/<split>/<model>.h5).")
@bad_frame_option
@prefer_option
@progress_options
@workspace_option
def command(
    *, model: str, layers: tuple[str, ...], dataset: str | None, split: str | None, data: Path | None,
    frames: Path | None, clips: int, crops: Crops | None, device: str | None, precision: Precision,
    batch: int | None, workers: int | None, threads: int | None, limit: int | None, sample: int | None, fresh: bool,
    out: Path | None, on_bad_frame: BadFramePolicy, prefer: Prefer, quiet: bool,
) -> int:  # fmt: skip
    """Write the features of a network's layers for each clip, into a feature file.

    A feature is the mean of one channel over all positions and frames of a clip. Finished work is kept: stop a run at
    any moment, and the same command resumes it. `gsmbench figure tsne` draws feature files.

    \b
    Example:
      gsmbench features --model bninc_8f --sample 1800
      gsmbench features --model bninc_8f --layers inception_4d,inception_4e,inception_5a,inception_5b
    """
    if limit and sample:
        raise click.UsageError("give one of --limit and --sample")
    from gsm_bench.scoring.prepare import Request

    request = Request(
        model, dataset=dataset, split=split, data=data, frames=frames, clips=clips, crops=crops, device=device,
        precision=precision, batch=batch, workers=workers, threads=threads, limit=limit, fresh=fresh, out=out,
        on_bad_frame=on_bad_frame, prefer=prefer, sample=sample, layers=layers,
    )  # fmt: skip
    return score_models(request, [model], [], "local", quiet=quiet)
