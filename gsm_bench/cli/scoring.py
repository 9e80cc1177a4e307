"""Runs of ``score`` and ``features``: what they say before, and what comes of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from gsm_bench.cli.ask_for_code import ask_for_code
from gsm_bench.cli.console import echo
from gsm_bench.cli.options import INCOMPLETE, registry, say
from gsm_bench.settings import EngineName
from gsm_bench.workspace import pasteable

if TYPE_CHECKING:
    from gsm_bench.scoring.job import Job
    from gsm_bench.scoring.prepare import Request
    from gsm_bench.scoring.run import Engine, Outcome

SHOWN = 10


def score_models(request: Request, names: list[str], others: list[str], engine: EngineName, *, quiet: bool) -> int:
    """Score models on this process's device, and on others with child processes."""
    from dataclasses import replace

    from gsm_bench.cli.progress import ProgressDisplay
    from gsm_bench.scoring.job import check_device
    from gsm_bench.scoring.multi_device import arguments_of, helpers_on, shared_workers
    from gsm_bench.scoring.prepare import prepare_together
    from gsm_bench.scoring.resume import open_run
    from gsm_bench.scoring.run import run_together

    workspace, manifest = registry()
    ask_for_code([manifest.model(name) for name in names], workspace)
    cluster_workers = request.workers
    request = shared_workers(request, 1 + len(others))
    prepared = prepare_together([replace(request, model=name) for name in names], manifest, workspace)
    if not quiet:
        announce([job for job, _ in prepared])
    for note in (prepared[0][0].split.note, prepared[0][0].source.note):
        if note:
            say(f"note: {note}")
    for device in others:
        check_device(device)
    jobs = [(open_run(job), loaded.network) for job, loaded in prepared]
    for job, _ in jobs:
        if job.left_out_keys:
            say(
                f"note: {job.entry.name}: keys of training code in the checkpoint are left out: {', '.join(job.left_out_keys[:SHOWN])}"
            )
        if job.inputs_note:
            say(f"note: {job.inputs_note}")
    arguments = ["--workspace", str(workspace.root), *arguments_of(request, names)]
    label = names[0] if len(names) == 1 else f"{len(names)} models"
    with helpers_on(others, arguments) as failures, ProgressDisplay(label, quiet=quiet) as display:
        outcomes = run_together(jobs, display, _engine(engine, cluster_workers))
    for failure in failures:
        say(f"note: {failure}\n      the other devices scored its chunks")
    _say_rate(outcomes, prepared[0][0].form.values)
    status = max(_conclude(job, outcome) for (job, _), outcome in zip(jobs, outcomes, strict=True))
    for (job, _), outcome in zip(jobs, outcomes, strict=True):
        if outcome.path is not None and job.entry.published and not job.layers:
            _say_verdict(job, request.data)
    return status


def _say_verdict(job: Job, data: Path | None) -> None:
    """Whether the accuracy is the published one, where labels are here."""
    from gsm_bench.api.evaluating import verdicts_of
    from gsm_bench.cli.options import bench
    from gsm_bench.errors import GsmBenchError

    try:
        evaluations = bench().evaluate(job.target, data=data).evaluations
    except GsmBenchError:  # evaluate says what is missing
        return
    for sentence in verdicts_of(evaluations):
        say(sentence)


def _engine(name: EngineName, workers: int | None) -> Engine:
    if name == "local":
        from gsm_bench.scoring.pipeline import run_locally

        return run_locally
    from gsm_bench.scoring.ray_engine import RayEngine

    return RayEngine(workers)


def announce(jobs: list[Job]) -> None:
    from gsm_bench.scoring.prepare import longer_than_listed

    split = jobs[0].split
    names_by_views: dict[int, list[str]] = {}
    for job in jobs:
        names_by_views.setdefault(len(job.views), []).append(job.entry.name)
    for views, names in names_by_views.items():
        say(
            f"{', '.join(names)}: {len(split):,} {'video' if len(split) == 1 else 'videos'} of {split.dataset}/{split.name} "
            f"({split.list_path}), {views} {'view' if views == 1 else 'views'} each, on {jobs[0].settings.device}"
        )
    if split.full_size and split.full_size != len(split):
        say(f"note: the full split has {split.full_size:,} videos")
    if (longer := longer_than_listed(jobs[0])) is not None:
        video, frames = longer
        say(
            f"note: video {video.id!r} has {frames:,} frames, its list says {video.num_frames:,}: only these are used; "
            "check that the list belongs to these frames"
        )
    for job in jobs:
        if job.entry.ignore_keys:
            say(f"note: checkpoint keys ignored by the entry {job.entry.name}: {', '.join(job.entry.ignore_keys)}")


def _say_rate(outcomes: list[Outcome], values: str) -> None:
    scored, reused = sum(o.scored for o in outcomes), sum(o.reused for o in outcomes)
    seconds = max(outcome.seconds for outcome in outcomes)
    rate = f", {scored / seconds:.2f} videos/s" if seconds else ""
    by = f" with {len(outcomes)} models" if len(outcomes) > 1 else ""
    done = "scored" if values == "scores" else f"computed {values} of"
    say(f"{done} {scored:,} videos{by} ({reused:,} already had {values}) in {seconds:.1f} s{rate}")


def _conclude(job: Job, outcome: Outcome) -> int:
    from gsm_bench.scoring.compiled import NO_GRAPH

    if outcome.path is None:
        left = "1 chunk is" if outcome.chunks_left == 1 else f"{outcome.chunks_left} chunks are"
        say(f"this shard is done; {left} left to other shards, the last shard writes {pasteable(job.target)}")
        return 0
    for clips, chunks in outcome.batch_halvings.items():
        say(f"note: memory did not hold the batch; {_chunks(chunks)} ran with {clips} clips per forward pass")
    for reason, chunks in outcome.compile_fallbacks.items():
        without = "could not be compiled and ran uncompiled"
        if reason.startswith(NO_GRAPH):
            without = "ran without CUDA graphs"
        say(f"note: the network {without}, for {_chunks(chunks)}: {reason}")
    if outcome.frames_unused:
        say(f"note: {outcome.frames_unused}; check that the list belongs to these frames")
    say_videos(outcome.substituted, "was read with a substituted frame", "were read with substituted frames")
    lacking = (
        [f"{has} no {job.form.values}" for has in ("has", "have")]
        if job.layers
        else ["is not scored", "are not scored"]
    )
    say_videos(outcome.bad, *lacking)
    echo(pasteable(outcome.path))
    if outcome.bad:
        say(f"fix these videos and run the same command again, which scores only them{_advice(outcome.bad)}")
        return INCOMPLETE
    return 0


def _advice(bad: dict[str, str]) -> str:
    """Mentions the substitute frame where a video has a bad frame among readable ones."""
    frames = any(re.match(r"frame \d+ of ", reason) for reason in bad.values())
    return "; or use --on-bad-frame nearest" if frames else ""


def _chunks(count: int) -> str:
    return "1 chunk" if count == 1 else f"{count:,} chunks"


def say_videos(reasons: dict[str, str], one: str, many: str) -> None:
    if not reasons:
        return
    say(f"{len(reasons):,} {'video ' + one if len(reasons) == 1 else 'videos ' + many}:")
    for name, reason in list(reasons.items())[:SHOWN]:
        say(f"  {name}: {reason}")
    if len(reasons) > SHOWN:
        say(f"  and {len(reasons) - SHOWN:,} more, all named in the score file")
