"""Which layout a dump has, told from what it holds; the file's name plays no part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gsm_bench.errors import DumpError
from gsm_bench.importers import arrays, epic, gate_shift, mmaction2, pyslowfast, tabular, tdn, videomae
from gsm_bench.importers.clean_errors import guarded
from gsm_bench.importers.containers import DumpSource, read_source
from gsm_bench.importers.dump import Dump


@dataclass(frozen=True)
class Layout:
    """A way in which a project writes its scores."""

    title: str
    fits: Callable[[DumpSource], bool]
    read: Callable[[list[DumpSource]], Dump]
    several: bool = False
    """Whether one test run leaves several files."""


# In the order in which they are tried; no two fit the same file except those under SAME_FORM.
LAYOUTS: dict[str, Layout] = {
    "npz": Layout("an .npz table with ids", arrays.fits_npz, arrays.read_npz),
    "mmaction2": Layout("mmaction2 1.x: a list of dicts", mmaction2.fits_new, mmaction2.read_new),
    "epic-baseline": Layout("the EPIC-100 baselines: a list of dicts", epic.fits_list, epic.read_list),
    "pyslowfast": Layout("PySlowFast: [sum of softmax, labels]", pyslowfast.fits, pyslowfast.read),
    "tdn": Layout("TDN: a list of [scores, label]", tdn.fits, tdn.read, several=True),
    "mmaction2-0.x": Layout("mmaction2 0.x or pyskl: a list of arrays", mmaction2.fits_old, mmaction2.read_old),
    "tbn": Layout("TBN: verb and noun scores per segment", epic.fits_tbn, epic.read_tbn),
    "epic-arrays": Layout(
        "EPIC-100 SlowFast, MTCN or a baseline: a dict of verb and noun arrays", epic.fits_arrays, epic.read_arrays
    ),
    "trn": Layout("tsn-pytorch or TRN: scores per segment", gate_shift.fits_trn, gate_shift.read_trn),
    "gsm": Layout("the GSM release: scores (N, 1, C)", gate_shift.fits_gsm, gate_shift.read_gsm),
    "gsf": Layout("the GSF release: scores (N, C)", gate_shift.fits_gsf, gate_shift.read_gsf),
    "videomae": Layout("VideoMAE or InternVideo2: a line per view", videomae.fits, videomae.read, several=True),
    "parquet": Layout("a parquet table", tabular.fits_parquet, tabular.read_parquet),
    "csv": Layout("a csv table", tabular.fits_csv, tabular.read_csv),
}
# Asked for by name only: the same form as another layout, whose reader they share.
SAME_FORM: dict[str, Layout] = {
    "epic-slowfast": Layout("EPIC-100 SlowFast: a dict of verb and noun arrays", epic.fits_arrays, epic.read_slowfast),
    "mtcn": Layout("MTCN: a dict of verb and noun arrays", epic.fits_arrays, epic.read_mtcn),
    "internvideo2": Layout("InternVideo2: a line per view", videomae.fits, videomae.read, several=True),
}
NAMES = ("auto", *LAYOUTS, *SAME_FORM)


def read_dump(paths: Sequence[Path], asked: str = "auto") -> tuple[Dump, Layout]:
    """Read the file or files of one test run.

    Args:
        paths: one file; several where each process, clip or crop wrote its own.
        asked: a name of `NAMES`; ``auto`` recognises it.

    Raises:
        DumpError: unsafe, damaged, of no known layout, or not of the layout asked for.
    """
    sources = [read_source(path) for path in paths]
    layout = _recognised(sources[0]) if asked == "auto" else (LAYOUTS | SAME_FORM)[asked]
    if asked == "epic-baseline" and epic.fits_arrays(sources[0]):
        layout = Layout(layout.title, epic.fits_arrays, epic.read_baseline_arrays)
    for source in sources:
        if not layout.fits(source):
            raise DumpError(
                f"this file is not of the layout {layout.title}: it holds {describe(source)}", where=source.path,
                fix="leave --from away, and it is recognised; give files of one test run together",
            )  # fmt: skip
    if len(sources) > 1 and not layout.several:
        raise DumpError(
            f"{layout.title}: a test run is one file, {len(sources)} were given", where=paths[1],
            fix="import them one by one",
        )  # fmt: skip
    dump: Dump = guarded(lambda: layout.read(sources), paths[0])
    _check_labels(dump, paths[0])
    return dump, layout


def _check_labels(dump: Dump, where: Path) -> None:
    """Refuse labels that no column stands for."""
    for task, labels in dump.labels.items():
        classes = dump.scores[task].shape[2] if task in dump.scores else 0
        wrong = np.flatnonzero((labels < -1) | (labels >= classes))
        if wrong.size:
            raise DumpError(
                f"{wrong.size:,} {task} labels are not among the {classes} classes, first {labels[wrong[0]]} in row {wrong[0]}",
                where=where,
                fix="class numbers start at 0, and -1 is unknown; dump scores and labels of one test run",
            )


def _recognised(source: DumpSource) -> Layout:
    found: Layout | None = guarded(
        lambda: next((layout for layout in LAYOUTS.values() if layout.fits(source)), None), source.path
    )
    if found is None:
        raise DumpError(
            f"no known layout of scores: the file holds {describe(source)}", where=source.path,
            fix="write a csv with an id column and a column per class, or np.savez(FILE, ids=.., scores=.., labels=..)",
        )  # fmt: skip
    return found


def describe(source: DumpSource) -> str:
    """In a few words, what a file holds."""
    if source.container == "text":
        first = source.value.split("\n", 1)[0][:60]
        return f"text that begins with {first!r}"
    return _describe(source.value)


def _describe(value: Any, deep: bool = True) -> str:
    if isinstance(value, dict):
        keys = ", ".join(str(key)[:30] for key in list(value)[:6])
        return f"a dict of {len(value)} keys ({keys})" if value else "an empty dict"
    if isinstance(value, np.ndarray):
        return f"an array {value.dtype} of shape {value.shape}"
    if isinstance(value, list | tuple):
        inner = f", the first {_describe(value[0], False)}" if value and deep else ""
        return f"a {type(value).__name__} of {len(value):,}{inner}"
    return f"one {type(value).__name__}"
