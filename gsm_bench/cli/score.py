"""``gsmbench score``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gsm_bench.cli.ask_for_code import ask_for_code
from gsm_bench.cli.console import echo
from gsm_bench.cli.options import (
    INCOMPLETE,
    PATH,
    choice,
    data_option,
    format_option,
    frames_option,
    print_table,
    progress_options,
    registry,
    say,
    split_options,
    workspace_option,
)
from gsm_bench.cli.scoring import announce, say_videos, score_models
from gsm_bench.cli.scoring_options import (
    bad_frame_option,
    batch_option,
    model_option,
    precision_option,
    prefer_option,
    threads_option,
)
from gsm_bench.settings import BadFramePolicy, Compile, Crops, EngineName, FrameOrder, Precision, Prefer, Resize
from gsm_bench.workspace import pasteable

if TYPE_CHECKING:
    from gsm_bench.scoring.job import Job
    from gsm_bench.scoring.plan import Plan
    from gsm_bench.scoring.prepare import Request
    from gsm_bench.tables.table import Table


def _shard(_: click.Context, __: click.Parameter, value: str | None) -> tuple[int, int] | None:
    if value is None:
        return None
    first, slash, count = value.partition("/")
    if not (slash and first.isdecimal() and count.isdecimal()):
        raise click.BadParameter("write it as 1/4")
    return int(first), int(count)


@click.command("score", short_help="Score a split with a model.")
@model_option(required=False)
@click.option(
    "--models", metavar="A,B,..", help="Several models that share one reading of the frames, each into its own file."
)
@click.option("--cascade", metavar="NAME", help="A saved cascade: later models score only the videos that need them.")
@split_options
@data_option
@frames_option
@click.option("--clips", type=click.IntRange(1), metavar="K", help="Clips per video (default: the model's, 2 for GSM).")
@click.option("--crops", type=choice(Crops), help="Crops per clip: 3 along the longer side (default: the model's).")
@click.option(
    "--sampling",
    metavar="RULE[:STRIDE]",
    help="Frames of the clips by a project's rule, e.g. slowfast:8; see docs/protocols.md (default: the model's).",
)
@click.option(
    "--test-frames", type=click.IntRange(1), metavar="T", help="Frames per clip, where other than in training."
)
@click.option(
    "--device", metavar="NAME", help="cpu, cuda, cuda:1, or several: cuda:0,cuda:1 (default: a GPU if there is one)."
)
@precision_option
@click.option(
    "--compile",
    type=choice(Compile),
    default="none",
    show_default=True,
    help="kernels: torch.compile, which takes a minute at the start; graphs: its kernels in one CUDA graph.",
)
@batch_option
@click.option(
    "--workers", type=click.IntRange(1), metavar="N", help="Threads that read frames, on all devices (default: cores)."
)
@threads_option
@click.option(
    "--resize",
    type=choice(Resize),
    help="Resize frames in the reading threads or on the device; same bytes (default: reader on cpu, device on cuda).",
)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Score only the first N videos, into a file apart.")
@click.option("--fresh", is_flag=True, help="Start again and replace existing scores.")
@click.option("--out", type=PATH, metavar="FILE", help="Score file (default: scores/<dataset>/<split>/<model>.h5).")
@click.option("--plan", is_flag=True, help="Show what would be scored, how long and how large; write nothing.")
@bad_frame_option
@prefer_option
@click.option(
    "--frame-order",
    type=choice(FrameOrder),
    default="forward",
    show_default=True,
    help="reversed plays the sampled frames backwards, shuffled in an order that the id decides, frozen repeats the middle "
    "one; each into a file apart.",
)
@click.option(
    "--shard", callback=_shard, metavar="I/N", help="Score every N-th chunk; without it, processes share all chunks."
)
@click.option(
    "--engine",
    type=choice(EngineName),
    default="local",
    show_default=True,
    help="ray: on the cluster at $RAY_ADDRESS, or a local one, with --workers network processes.",
)
@progress_options
@format_option
@workspace_option
def command(
    *, model: str | None, models: str | None, cascade: str | None, dataset: str | None, split: str | None,
    data: Path | None, frames: Path | None, clips: int | None, crops: Crops | None, device: str | None,
    precision: Precision, compile: Compile, batch: int | None, workers: int | None, threads: int | None,
    resize: Resize | None, limit: int | None, fresh: bool, out: Path | None, plan: bool,
    on_bad_frame: BadFramePolicy, frame_order: FrameOrder, shard: tuple[int, int] | None, engine: EngineName,
    prefer: Prefer, sampling: str | None, test_frames: int | None, quiet: bool, form: str,
) -> int:  # fmt: skip
    """Score a split with one model or several, into one score file per model.

    Finished work is kept: stop a run at any moment, and the same command resumes it. Start the same command several
    times, on one machine or on several that share the folder, and the processes divide the work.

    \b
    Example:
      gsmbench score --model inv3_12f --data ~/something-v1
      gsmbench score --models inv3_8f,inv3_12f,inv3_16f,inv3_24f
    """
    if sum(name is not None for name in (model, models, cascade)) != 1:
        raise click.UsageError("give one of --model NAME, --models A,B and --cascade NAME")
    devices = device.split(",") if device else []
    protocol = {"--clips": clips, "--crops": crops, "--sampling": sampling, "--test-frames": test_frames}
    _check_together(cascade, devices, engine, plan=plan, protocol=protocol, shard=shard)
    names = [] if cascade else _names(model, models, out)
    from gsm_bench.scoring.prepare import Request

    request = Request(
        names[0] if names else "", dataset=dataset, split=split, data=data, frames=frames, clips=clips, crops=crops,
        device=devices[0] if devices else None, precision=precision, batch=batch, workers=workers, threads=threads,
        limit=limit, fresh=fresh, out=out, on_bad_frame=on_bad_frame, frame_order=frame_order, shard=shard,
        resize=resize, compile=compile, prefer=prefer, sampling=sampling, test_frames=test_frames,
    )  # fmt: skip
    if cascade:
        return _score_cascade(cascade, request, quiet=quiet)
    if plan:
        return _print_plans(request, names, form, quiet=quiet)
    return score_models(request, names, devices[1:], engine, quiet=quiet)


def _check_together(
    cascade: str | None, devices: list[str], engine: EngineName, *, plan: bool, protocol: Mapping[str, object],
    shard: tuple[int, int] | None,
) -> None:  # fmt: skip
    """Refuse options that do not go together."""
    if engine == "ray" and len(devices) > 1:
        raise click.UsageError("--engine ray uses all devices of the cluster: give --device cpu or cuda")
    if not cascade:
        return
    if engine != "local":
        raise click.UsageError("--cascade runs on this machine: leave out --engine")
    refused = {"--plan": plan, **protocol, "--shard": shard, "several devices": devices[1:]}
    for option, value in refused.items():
        if value:
            raise click.UsageError(f"--cascade does not go with {option}")


def _print_plans(request: Request, names: list[str], form: str, *, quiet: bool) -> int:
    from dataclasses import replace

    from gsm_bench.scoring.plan import plan_run
    from gsm_bench.scoring.prepare import prepare_together

    workspace, manifest = registry()
    ask_for_code([manifest.model(name) for name in names], workspace)
    prepared = prepare_together([replace(request, model=name) for name in names], manifest, workspace)
    if not quiet:
        announce([job for job, _ in prepared])
    for job, loaded in prepared:
        print_table(_plan_table(plan_run(job, loaded.network), _doctor_line(job, request)), form)
    return 0


def _score_cascade(name: str, request: Request, *, quiet: bool) -> int:
    """Run a saved cascade; its entry sets the models, clips and crops."""
    from dataclasses import replace

    from gsm_bench.cli.progress import ProgressDisplay
    from gsm_bench.scoring.cascade import run_cascade

    workspace, manifest = registry()
    entry = manifest.cascade(name)
    ask_for_code([manifest.model(member.model) for member in entry.members], workspace)
    request = replace(request, model=entry.members[0].model)
    outcome = run_cascade(entry, request, manifest, workspace, lambda label: ProgressDisplay(label, quiet=quiet))
    for member, videos in zip(entry.members, (*outcome.reached, *[0] * len(entry.members)), strict=False):
        say(f"{member.model}: {videos:,} of {outcome.reached[0]:,} videos")
    if outcome.mean_macs is not None:
        say(f"{outcome.mean_macs / 1e9:.2f} GFLOPs per video on average")
    say_videos(outcome.bad, "is not scored", "are not scored")
    echo(pasteable(outcome.path))
    return INCOMPLETE if outcome.bad else 0


def _names(model: str | None, models: str | None, out: Path | None) -> list[str]:
    """The models of a run, in the order given."""
    names = [name.strip() for name in (models if models is not None else str(model)).split(",")]
    if not all(names):
        raise click.UsageError("--models has a comma too many")
    if len(set(names)) < len(names):
        raise click.UsageError("--models names a model twice")
    if len(names) > 1 and out:
        raise click.UsageError("--models writes one file per model: leave out --out")
    return names


def _doctor_line(job: Job, request: Request) -> str:
    """The command that examines all frames of a job before a long run."""
    places = {"--data": request.data, "--frames": request.frames}
    words = [f" {option} {pasteable(place)}" for option, place in places.items() if place]
    return f"gsmbench doctor data --dataset {job.split.dataset} --split {job.split.name}{''.join(words)}"


def _plan_table(plan: Plan, doctor: str) -> Table:
    from gsm_bench.tables.table import Column, Table

    items = tuple({"what": what, "value": value, "shown": _shown(value, unit)} for what, value, unit in plan.rows())
    return Table(
        f"{plan.job.entry.name} on {plan.job.split.dataset}/{plan.job.split.name}",
        (Column("what", "Plan"), Column("shown", "")),
        (items,),
        (f"A plan looks at few frames; this decodes all of them: {doctor}",),
        name="plan",
    )


def _shown(value: float | str | None, unit: str) -> str:
    """A value of a plan as a person reads it."""
    from gsm_bench.cli.progress import duration

    if value is None:
        return "unknown: the list has no lengths" if unit == "frames" else "-"
    if isinstance(value, str):
        return value
    texts = {
        "seconds": duration(value),
        "bytes": f"{value / 1e6:.1f}",
        "frames": f"{value:.1f}",
        "videos/s": f"{value:.2f}",
    }
    return texts.get(unit) or f"{value:,} {unit}".rstrip()
