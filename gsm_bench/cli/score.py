"""``gsmbench score``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gsm_bench.cli.options import (
    INCOMPLETE,
    PATH,
    choice,
    data_option,
    format_option,
    frames_option,
    print_table,
    registry,
    say,
    split_options,
    workspace_option,
)
from gsm_bench.settings import BadFramePolicy, Compile, Crops, FrameOrder, Precision, Resize

if TYPE_CHECKING:
    from gsm_bench.scoring.job import Job
    from gsm_bench.scoring.run import Engine, Outcome

SHOWN = 10


def _shard(_: click.Context, __: click.Parameter, value: str | None) -> tuple[int, int] | None:
    if value is None:
        return None
    first, slash, count = value.partition("/")
    if not (slash and first.isdecimal() and count.isdecimal()):
        raise click.BadParameter("write it as 1/4")
    return int(first), int(count)


@click.command("score", short_help="Score a split with a model.")
@click.option("--model", metavar="NAME", help="A model of the registry (gsmbench models list).")
@click.option(
    "--models", metavar="A,B,..", help="Several models that share one reading of the frames; their files are the same."
)
@click.option("--cascade", metavar="NAME", help="Instead, a saved cascade: later models only where they are needed.")
@split_options
@data_option
@frames_option
@click.option("--clips", type=click.IntRange(1), metavar="K", help="Clips per video (default: the model's, 2 for GSM).")
@click.option("--crops", type=choice(Crops), help="Crops per clip (default: the model's).")
@click.option(
    "--device", metavar="NAME", help="cpu, cuda, cuda:1, or several: cuda:0,cuda:1 (default: a GPU if there is one)."
)
@click.option("--precision", type=choice(Precision), default="float32", show_default=True)
@click.option(
    "--compile",
    type=choice(Compile),
    default="none",
    show_default=True,
    help="kernels: fused by torch.compile, a minute at first; graphs: CUDA graphs of them, too.",
)
@click.option(
    "--batch", type=click.IntRange(1), metavar="B", help="Clips per forward pass (default: 2 on cpu, 16 on cuda)."
)
@click.option(
    "--workers", type=click.IntRange(1), metavar="N", help="Threads that read frames (default: one per core)."
)
@click.option(
    "--threads",
    type=click.IntRange(1),
    metavar="N",
    help="Passes side by side on cpu, one thread each (default: one per core).",
)
@click.option(
    "--resize",
    type=choice(Resize),
    help="Who resizes frames: the threads that read them, or the device; the same bytes (default: reader on cpu, device on cuda).",
)
@click.option(
    "--limit", type=click.IntRange(1), metavar="N", help="Score the first N clips only, into a file of their own."
)
@click.option("--fresh", is_flag=True, help="Start again and replace what is there.")
@click.option("--out", type=PATH, metavar="FILE", help="Score file (default: scores/<dataset>/<split>/<model>.h5).")
@click.option("--plan", is_flag=True, help="Say what would be done, how long and how large; write nothing.")
@click.option(
    "--on-bad-frame",
    type=choice(BadFramePolicy),
    default="skip",
    show_default=True,
    help="A frame that is missing or damaged: leave the clip unscored and go on; stop; or take the nearest frame and record it.",
)
@click.option(
    "--frame-order",
    type=choice(FrameOrder),
    default="forward",
    show_default=True,
    help="Play sampled frames backwards, into a file of its own.",
)
@click.option(
    "--shard", callback=_shard, metavar="I/N", help="Score only every N-th part; without it, processes share all parts."
)
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="ray: on the cluster at $RAY_ADDRESS, or a local one, with --workers network processes.",
)
@click.option("--quiet", is_flag=True, help="No progress.")
@format_option
@workspace_option
def command(  # click hands over one argument per option
    form: str,
    plan: bool,
    quiet: bool,
    device: str | None,
    crops: str | None,
    engine: str,
    cascade: str | None,
    **choices: Any,
) -> int:
    """Score a split with one model or with several, into a score file for each.

    Work is kept in parts: stop it at any moment, and the same command goes on. Start the same command several
    times, on one machine or many that share the folder, and the processes divide the work.

    \b
    Example:
      gsmbench score --model inv3_12f --data ~/something-v1
      gsmbench score --models inv3_8f,inv3_12f,inv3_16f,inv3_24f
    """
    if sum(choices[name] is not None for name in ("model", "models")) + (cascade is not None) != 1:
        raise click.UsageError("give --model NAME, --models A,B for several, or --cascade NAME")
    if cascade and engine != "local":
        raise click.UsageError("--cascade runs on this machine: leave --engine away")
    if cascade:
        return _score_cascade(cascade, plan=plan, quiet=quiet, device=device, crops=crops, **choices)
    from dataclasses import replace

    from gsm_bench.scoring.job import check_device
    from gsm_bench.scoring.multi_device import helpers_on
    from gsm_bench.scoring.plan import plan_run
    from gsm_bench.scoring.prepare import Request, prepare_together
    from gsm_bench.scoring.resume import open_run
    from gsm_bench.scoring.run import run_together

    arguments = _arguments_for_others(choices, crops)
    names = _models(choices.pop("model"), choices.pop("models"), choices["out"])
    devices = device.split(",") if device else [None]
    if engine == "ray" and len(devices) > 1:
        raise click.UsageError("--engine ray finds the cluster's devices itself: --device cpu or cuda")
    workspace, manifest = registry()
    request = Request(names[0], device=devices[0], crops=int(crops) if crops else None, **choices)  # type: ignore[arg-type]
    prepared = prepare_together([replace(request, model=name) for name in names], manifest, workspace)
    if not quiet:
        _announce([job for job, _ in prepared])
    if plan:
        for job, loaded in prepared:
            print_table(_plan_table(job, plan_run(job, loaded.network)), form)
        return 0
    for name in devices[1:]:
        check_device(str(name))
    jobs = [(open_run(job), loaded.network) for job, loaded in prepared]
    arguments = ["--workspace", str(workspace.root), *arguments]
    with helpers_on([name for name in devices[1:] if name], arguments) as failures:
        from gsm_bench.cli.progress import ProgressDisplay

        with ProgressDisplay(names[0] if len(names) == 1 else f"{len(names)} models", quiet=quiet) as display:
            outcomes = run_together(jobs, display, _engine(engine, choices["workers"]))
    for failure in failures:
        say(f"note: {failure}\n      its parts were done by the other devices")
    _say_rate(outcomes)
    return max(_conclude(job, outcome, workspace.shown) for (job, _), outcome in zip(jobs, outcomes, strict=True))


def _score_cascade(name: str, *, quiet: bool, device: str | None, models: None, **choices: Any) -> int:
    """Run a saved cascade; what its entry decides, and what needs one run only, is not for the command line."""
    refused = [key for key in ("plan", "crops", "clips", "shard") if choices.pop(key)]
    if refused or "," in (device or ""):
        raise click.UsageError(f"--cascade goes without {f'--{refused[0]}' if refused else 'a list of devices'}")
    from gsm_bench.cli.progress import ProgressDisplay
    from gsm_bench.scoring.cascade import run_cascade
    from gsm_bench.scoring.prepare import Request

    workspace, manifest = registry()
    entry = manifest.cascade(name)
    request = Request(**{**choices, "model": entry.members[0].model, "device": device})
    outcome = run_cascade(entry, request, manifest, workspace, lambda label: ProgressDisplay(label, quiet=quiet))
    for member, clips in zip(entry.members, (*outcome.reached, *[0] * len(entry.members)), strict=False):
        say(f"{member.model}: {clips:,} of {outcome.reached[0]:,} clips")
    if outcome.mean_macs is not None:
        say(f"{outcome.mean_macs / 1e9:.2f} GFLOPs per clip on average")
    _say_clips(outcome.bad, "is not scored", "are not scored")
    click.echo(workspace.shown(outcome.path))
    return INCOMPLETE if outcome.bad else 0


def _engine(name: str, workers: int | None) -> Engine | None:
    """What carries the run; None is this process."""
    if name == "local":
        return None
    from gsm_bench.scoring.ray_engine import RayEngine

    return RayEngine(workers)


def _models(model: str | None, models: str | None, out: Path | None) -> list[str]:
    """The models of a run, in the order given."""
    names = [name.strip() for name in (models if models is not None else str(model)).split(",")]
    if not all(names):
        raise click.UsageError("--models has a comma too many")
    if len(set(names)) < len(names):
        raise click.UsageError("--models names one of them twice")
    if len(names) > 1 and out:
        raise click.UsageError("--out is one file, --models writes one for each: leave --out away")
    return names


def _announce(jobs: list[Job]) -> None:
    split = jobs[0].split
    together: dict[int, list[str]] = {}
    for job in jobs:
        together.setdefault(len(job.views), []).append(job.entry.name)
    for views, names in together.items():
        say(
            f"{', '.join(names)}: {len(split):,} {'clip' if len(split) == 1 else 'clips'} of {split.dataset}/{split.name} "
            f"({split.list_path}), {views} {'view' if views == 1 else 'views'} each, on {jobs[0].settings.device}"
        )
    if split.full_size and split.full_size != len(split):
        say(f"note: the full split has {split.full_size:,} clips")
    from gsm_bench.scoring.prepare import longer_than_listed

    if (longer := longer_than_listed(jobs[0])) is not None:
        clip, found = longer
        say(
            f"note: clip {clip.id!r} has {found:,} frames, its list says {clip.num_frames:,}: only these are used; "
            "is it the list of these frames?"
        )
    for job in jobs:
        if job.entry.ignore_keys:
            say(f"note: checkpoint keys ignored by the entry {job.entry.name}: {', '.join(job.entry.ignore_keys)}")


def _arguments_for_others(choices: dict[str, Any], crops: str | None) -> list[str]:
    arguments = ["score"]
    for name, value in {**choices, "crops": crops}.items():
        if isinstance(value, bool):
            continue  # --fresh is settled by this process, before the others start
        if isinstance(value, tuple):
            value = f"{value[0]}/{value[1]}"
        if value is not None:
            arguments += [f"--{name.replace('_', '-')}", str(value.absolute() if isinstance(value, Path) else value)]
    return arguments


def _say_rate(outcomes: list[Outcome]) -> None:
    scored, reused = sum(o.scored for o in outcomes), sum(o.reused for o in outcomes)
    seconds = max(outcome.seconds for outcome in outcomes)
    rate = f", {scored / seconds:.2f} clips/s" if seconds else ""
    by = f" by {len(outcomes)} models" if len(outcomes) > 1 else ""
    say(f"scored {scored:,} clips{by} ({reused:,} were there already) in {seconds:.1f} s{rate}")


def _conclude(job: Job, outcome: Outcome, shown: Any) -> int:
    if outcome.path is None:
        left = "1 part is" if outcome.parts_left == 1 else f"{outcome.parts_left} parts are"
        say(f"this shard is done; {left} still with the others, the last one writes {shown(job.target)}")
        return 0
    for clips, parts in outcome.batch_halvings.items():
        say(f"note: memory did not hold the batch; {parts:,} parts went through the network {clips} clips at a time")
    for reason, parts in outcome.compile_fallbacks.items():
        some = "1 part" if parts == 1 else f"{parts:,} parts"
        say(f"note: the network could not be compiled and ran as it is, for {some}: {reason}")
    _say_clips(outcome.substituted, "was scored with a substituted frame", "were scored with substituted frames")
    _say_clips(outcome.bad, "is not scored", "are not scored")
    click.echo(shown(outcome.path))
    if outcome.bad:
        say("mend them and run the same command again: it scores only these. Or --on-bad-frame nearest.")
        return INCOMPLETE
    return 0


def _say_clips(clips: dict[str, str], one: str, many: str) -> None:
    if not clips:
        return
    say(f"{len(clips):,} {'clip ' + one if len(clips) == 1 else 'clips ' + many}:")
    for name, reason in list(clips.items())[:SHOWN]:
        say(f"  {name}: {reason}")
    if len(clips) > SHOWN:
        say(f"  and {len(clips) - SHOWN:,} more, all named in the score file")


def _plan_table(job: Job, plan: Any) -> Any:
    from gsm_bench.cli.progress import duration
    from gsm_bench.tables.table import Column, Table

    rows = [
        ("clips of the split", plan.clips, f"{plan.clips:,}"),
        ("clips to score", plan.to_score, f"{plan.to_score:,}"),
        ("parts to do", plan.parts, f"{plan.parts:,} of {job.chunk_videos} clips"),
        ("views per clip", plan.views, str(plan.views)),
        (
            "frames read per clip",
            plan.frames_per_clip,
            "unknown: the list has no lengths" if plan.frames_per_clip is None else f"{plan.frames_per_clip:.1f}",
        ),
        ("clips whose views are the same frames", plan.identical, f"{plan.identical:,}"),
        (
            "rate (clips/s)",
            plan.clips_per_second,
            "-" if plan.clips_per_second is None else f"{plan.clips_per_second:.2f}",
        ),
        ("time", plan.seconds, duration(plan.seconds)),
        ("size of the score file (MB)", plan.bytes, f"{plan.bytes / 1e6:.1f}"),
        ("score file", str(job.target), str(job.target)),
    ]
    items = tuple({"what": what, "value": raw, "shown": text} for what, raw, text in rows)
    return Table(
        f"{job.entry.name} on {job.split.dataset}/{job.split.name}",
        (Column("what", "Plan"), Column("shown", "")),
        (items,),
        name="plan",
    )
