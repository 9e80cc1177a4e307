"""``gsmbench pack``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gsm_bench.cli.options import INCOMPLETE, PATH, format_option, print_table, say
from gsm_bench.cpu_count import usable_cpus


@click.command("pack", short_help="Put the frames of many videos into one HDF5 file.")
@click.argument("source", type=click.Path(path_type=Path, exists=True))
@click.argument("out", type=PATH)
@click.option(
    "--quality", type=click.IntRange(1, 100), default=95, show_default=True, help="JPEG quality for frames of videos."
)
@click.option("--lossless", is_flag=True, help="Keep frames of videos as PNG: larger, and the same scores to the bit.")
@click.option(
    "--workers", type=click.IntRange(1), metavar="N", help="Threads that read and encode (default: one per core)."
)
@click.option(
    "--names", metavar="PATTERN", help="Which pictures are frames, where others lie beside them: img_{frame:05d}.jpg."
)
@click.option(
    "--first-frame", type=click.IntRange(0, 1), metavar="0|1",
    help="Number of a video's first frame in the names of its pictures (default: 1, and pictures from 0 are refused).",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Replace a file that exists.")
@click.option("--quiet", is_flag=True, help="No progress.")
@format_option
def command(
    source: Path, out: Path, quality: int, lossless: bool, workers: int | None, names: str | None,
    first_frame: int | None,
    force: bool, quiet: bool, form: str,
) -> int:  # fmt: skip
    """Put the frames of many videos into one HDF5 file, and say what that gains.

    SOURCE is a folder of frame folders, videos or archives, or one tar, zip or HDF5 file. Bytes of pictures are copied
    as they are, so scores do not change; frames of videos become JPEGs. Kill it at any moment: the same command goes on.

    \b
    Example:
      gsmbench pack data/something-v1/20bn-something-something-v1 data/something-v1/frames.h5
    """
    from gsm_bench.cli.progress import ProgressDisplay
    from gsm_bench.frames.pack import Packing, pack
    from gsm_bench.frames.pack_report import measure_pack
    from gsm_bench.frames.sources.discover import survey
    from gsm_bench.frames.sources.hdf5 import Hdf5Reader
    from gsm_bench.frames.sources.names import Naming
    from gsm_bench.frames.sources.open import HDF5

    if out.suffix.lower() not in HDF5 or out.is_dir():
        raise click.UsageError(f"OUT {out}: name a file that ends with .h5, so that score knows what it is")
    cores = min(usable_cpus(), 16)
    packing = Packing(source, out, None if lossless else quality, workers or cores, force, Naming(names, first_frame))
    readers = survey(source, packing.naming, without=out)
    with ProgressDisplay("pack", quiet=quiet) as display:
        packed = pack(packing, readers, display.count)
    sound = [name for name in readers if name not in packed.bad]
    if sound:
        gain = measure_pack(source, out, [readers[name] for name in sound], [Hdf5Reader(out, name) for name in sound])
        print_table(_gain_table(packed, gain), form)
    if packed.bad:
        say(f"{len(packed.bad):,} videos are not in the file:" if sound else "nothing could be packed:")
        for name, reason in list(packed.bad.items())[:10]:
            say(f"  {name}: {reason}")
        say(f"mend them and run the same command again{': it adds only these' if sound else ''}")
        return INCOMPLETE
    return 0


def _gain_table(packed: Any, gain: Any) -> Any:
    from gsm_bench.tables.table import Column, Table

    rows = [
        ("videos", packed.videos, packed.videos, "{:,}"),
        ("files", *gain.files, "{:,}"),
        ("MB", *(size / 1e6 for size in gain.size), "{:,.1f}"),
        ("frames read per second by one thread", *gain.frames_per_second, "{:,.0f}"),
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
    note = f"{packed.frames:,} frames were packed by this run" + (
        f"; {packed.reused:,} videos were there already" if packed.reused else ""
    )
    columns = (Column("what", "Gain"), Column("shown", "Before", "whole"), Column("shown_after", "After", "whole"))
    return Table("", columns, (items,), (note,), name="gain")
