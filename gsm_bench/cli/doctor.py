"""``gsmbench doctor`` and ``gsmbench doctor data``."""

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
    print_tables,
    registry,
    say,
    split_options,
    workspace_option,
)
from gsm_bench.settings import Prefer
from gsm_bench.workspace import pasteable

if TYPE_CHECKING:
    from gsm_bench.trust.data_report import FramesReport


@click.group("doctor", invoke_without_command=True, short_help="Examine this machine, or the frames of a data set.")
@format_option
@workspace_option
@click.pass_context
def command(context: click.Context, form: str) -> None:
    """Show versions, cores, memory, disk, GPU, codecs and what is installed for what: paste it into a bug report.

    The home directory is written as ~. Nothing here needs torch.

    \b
    Example:
      gsmbench doctor
    """
    if context.invoked_subcommand is not None:
        return
    from gsm_bench.trust.environment import environment_table, examine_environment
    from gsm_bench.workspace import Workspace

    print_tables([environment_table(examine_environment(Workspace.locate(context.obj)))], form)


def _kinds(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, ...]:
    from gsm_bench.trust.data_findings import KINDS

    kinds = tuple(kind.strip() for kind in (value or "").split(",") if kind.strip())
    for kind in kinds:
        if kind not in KINDS:
            raise click.BadParameter(f"{kind!r} is none of {', '.join(KINDS)}")
    return kinds


@command.command("data")
@split_options
@data_option
@frames_option
@click.option("--report", type=PATH, metavar="FILE", help="Show a report that was written earlier; read no frames.")
@click.option("--compare", type=PATH, metavar="FILE", help="Compare with the report of somebody else.")
@click.option(
    "--out", type=PATH, metavar="FILE", help="Write all findings and fingerprints: .json, or .csv for findings."
)
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@click.option(
    "--accept",
    callback=_kinds,
    metavar="LIST",
    help="Kinds of findings that are right for these data: more-frames,grey",
)
@click.option(
    "--prefer", type=choice(Prefer), default="folder", show_default=True, help="What to read if a video has both."
)
@click.option("--names", metavar="PATTERN", help="File names of frames, without a list: img_{frame:05d}.jpg.")
@click.option(
    "--first-frame", type=click.IntRange(0, 1), metavar="0|1", help="Number of the first frame, without a list."
)
@click.option("--workers", type=click.IntRange(1), metavar="N", help="Processes that decode (default: one per core).")
@click.option("--fresh", is_flag=True, help="Start again; forget what an interrupted examination has done.")
@click.option("--quiet", is_flag=True, help="Hide progress.")
@format_option
@workspace_option
def examine_data(
    *, report: Path | None, compare: Path | None, out: Path | None, force: bool, accept: tuple[str, ...], quiet: bool,
    form: str, **request: Any,
) -> int:  # fmt: skip
    """Decode every frame of every video and report what is wrong: damaged, missing, black, frozen, duplicate.

    Videos are those of a list (--dataset), or all below a folder (--frames). Nothing is written beside them. An
    interrupted examination is resumed by the same command. The exit status is 3 if anything is wrong.

    \b
    Example:
      gsmbench doctor data --dataset something-v1 --split validation --out frames.json
    """
    from gsm_bench.trust.data_report import without_kinds
    from gsm_bench.trust.doctor_tables import summary_table
    from gsm_bench.trust.report_files import check_report_path, read_report, write_report

    if out is not None:
        check_report_path(out, force=force)
    theirs = read_report(compare) if compare else None
    mine = read_report(report) if report else _examined(request, quiet=quiet)
    mine = without_kinds(mine, accept)
    if out is not None:
        write_report(mine, out, force=force)
        say(f"wrote {pasteable(out)}")
    if theirs is None:
        print_tables([summary_table(mine)], form)
        return INCOMPLETE if mine.wrong else 0
    from gsm_bench.trust.data_compare import compare_reports
    from gsm_bench.trust.doctor_tables import comparison_table

    comparison = compare_reports(mine, theirs)
    print_tables([comparison_table(comparison)], form)
    return INCOMPLETE if comparison.differences else 0


def _examined(request: dict[str, Any], *, quiet: bool) -> FramesReport:
    from gsm_bench.cli.progress import ProgressDisplay
    from gsm_bench.frames.sources.names import Naming
    from gsm_bench.trust.doctor import DoctorRequest, examine_frames

    workspace, manifest = registry()
    naming = Naming(request.pop("names"), request.pop("first_frame"))
    with ProgressDisplay("doctor", quiet=quiet) as display:
        examined = examine_frames(DoctorRequest(naming=naming, **request), manifest, workspace, display.count)
    if examined.resumed:
        say(f"{examined.resumed:,} videos had been examined before the interruption")
    say(f"the report is {pasteable(examined.path)}; --out FILE writes it elsewhere")
    return examined.report
