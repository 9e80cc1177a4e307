"""``gsmbench pack``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gsm_bench.cli.options import INCOMPLETE, PATH, format_option, print_table, progress_options, say
from gsm_bench.cpu_count import usable_cpus


@click.command("pack", short_help="Pack the frames of many videos into one HDF5 file.")
@click.argument("source", type=click.Path(path_type=Path, exists=True))
@click.argument("out", type=PATH)
@click.option(
    "--quality",
    type=click.IntRange(1, 100),
    default=95,
    show_default=True,
    help="JPEG quality for frames of video files.",
)
@click.option("--lossless", is_flag=True, help="Store frames of video files as PNG: larger, with bit-identical scores.")
@click.option(
    "--workers",
    type=click.IntRange(1),
    metavar="N",
    help="Number of reading and encoding threads (default: one per core).",
)
@click.option(
    "--names",
    metavar="PATTERN",
    help="File names of frames, if a folder holds other pictures too: img_{frame:05d}.jpg.",
)
@click.option(
    "--first-frame", type=click.IntRange(0, 1), metavar="0|1",
    help="Number of the first frame in file names (default: 1; pictures numbered from 0 are refused).",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Replace an existing file.")
@progress_options
@format_option
def command(
    source: Path, out: Path, quality: int, lossless: bool, workers: int | None, names: str | None,
    first_frame: int | None,
    force: bool, quiet: bool, form: str,
) -> int:  # fmt: skip
    """Pack the frames of many videos into one HDF5 file, and compare size and reading speed.

    SOURCE is a folder of frame folders, video files or archives, or one tar, zip, HDF5 or LMDB file. Pictures are copied byte
    for byte, so scores do not change; frames of video files become JPEGs. An interrupted run resumes with the same
    command.

    \b
    Example:
      gsmbench pack data/something-v1/20bn-something-something-v1 data/something-v1/frames.h5
    """
    from gsm_bench.cli.progress import ProgressDisplay
    from gsm_bench.frames.pack import Packing, pack
    from gsm_bench.frames.pack_report import measure_pack
    from gsm_bench.frames.sources.discover import discover
    from gsm_bench.frames.sources.forms import HDF5
    from gsm_bench.frames.sources.hdf5 import Hdf5Reader
    from gsm_bench.frames.sources.names import Naming

    if out.suffix.lower() not in HDF5 or out.is_dir():
        raise click.UsageError(f"OUT {out} must be a file that ends with .h5")
    cores = min(usable_cpus(), 16)
    packing = Packing(source, out, None if lossless else quality, workers or cores, force, Naming(names, first_frame))
    readers = discover(source, packing.naming, without=out)
    with ProgressDisplay("pack", quiet=quiet) as display:
        packed = pack(packing, readers, display.count)
    sound = [name for name in readers if name not in packed.bad]
    if sound:
        report = measure_pack(source, out, [readers[name] for name in sound], [Hdf5Reader(out, name) for name in sound])
        print_table(_report_table(packed, report), form)
    if packed.bad:
        say(f"{len(packed.bad):,} videos are not in the file:" if sound else "no video could be packed:")
        for name, reason in list(packed.bad.items())[:10]:
            say(f"  {name}: {reason}")
        say(f"fix them and run the same command again{'; it adds only these' if sound else ''}")
        return INCOMPLETE
    return 0


def _report_table(packed: Any, report: Any) -> Any:
    from gsm_bench.tables.table import Column, Table

    rows = [
        ("videos", packed.videos, packed.videos, "{:,}"),
        ("files", *report.files, "{:,}"),
        ("MB", *(size / 1e6 for size in report.size), "{:,.1f}"),
        ("frames read per second by one thread", *report.frames_per_second, "{:,.0f}"),
    ]
    items = tuple(
        {
            "what": what,
            "before": before,
            "after": after,
            "shown": form.format(before),
            "shown_after": form.format(after),
        }
        for what, before, after, form in rows
    )
    note = f"this run packed {packed.frames:,} frames" + (
        f"; {packed.reused:,} videos were packed earlier" if packed.reused else ""
    )
    notes = (note, *_drawbacks(report))
    columns = (Column("what", "Pack"), Column("shown", "Before", "whole"), Column("shown_after", "After", "whole"))
    return Table("", columns, (items,), notes, name="pack")


def _drawbacks(report: Any) -> list[str]:
    """What became worse by packing."""
    size, rate = (
        report.size[1] / max(report.size[0], 1),
        report.frames_per_second[1] / max(report.frames_per_second[0], 1e-9),
    )
    larger = [f"the file is {size:.1f} times as large as its source"] if size > 1.05 else []
    return larger + ([f"reading is slower than before: {rate:.2f} times the rate"] if rate < 0.95 else [])
