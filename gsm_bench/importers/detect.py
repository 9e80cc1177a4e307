"""Which format a dump has, decided by its content alone; the file's name plays no part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from gsm_bench.errors import DumpError
from gsm_bench.importers.clean_errors import guarded
from gsm_bench.importers.containers import DumpSource, read_source
from gsm_bench.importers.dump import Dump, ReadOptions
from gsm_bench.importers.formats import FORMATS, DumpFormat
from gsm_bench.importers.label_base import check_labels, first_label_as_0

Fits = Callable[[DumpSource], bool]
Read = Callable[[list[DumpSource], ReadOptions], Dump]


def functions(dump_format: DumpFormat) -> tuple[Fits, Read]:
    """What tells whether a file has this format, and what reads it."""
    module, _, ending = dump_format.reader.partition(".")
    reader = import_module(f"gsm_bench.importers.{module}")
    return getattr(reader, f"fits_{ending}"), getattr(reader, f"read_{ending}")


def read_dump(
    paths: Sequence[Path],
    asked: str = "auto",
    options: ReadOptions | None = None,
    sources: Sequence[DumpSource] = (),
) -> tuple[Dump, DumpFormat]:
    """Read the file or files of one test run.

    Args:
        paths: one file; several where each process, clip or crop wrote its own.
        asked: a key of `FORMATS`; ``auto`` detects it.
        options: what the user chose where several readings are possible.
        sources: the files, if they are read already.

    Raises:
        DumpError: unsafe, damaged, of no known format, or not of the format asked for.
    """
    options = options or ReadOptions()
    sources = list(sources) or [read_source(path) for path in paths]
    dump_format = _detected(sources[0]) if asked == "auto" else FORMATS[asked]
    fits, read = functions(dump_format)
    for source in sources:
        if not guarded(partial(fits, source), source.path):
            raise DumpError(
                f"this file does not have the format {dump_format.title}: it holds {describe(source)}",
                where=source.path,
                fix="remove --from, and the format is detected; give files of one test run together",
            )
    if len(sources) > 1 and not dump_format.several_files:
        raise DumpError(
            f"{dump_format.title}: a test run is one file, {len(sources)} were given", where=paths[1],
            fix="import them one by one",
        )  # fmt: skip
    _check_options(dump_format, options, paths[0])
    dump: Dump = guarded(lambda: read(sources, options), paths[0])
    dump = first_label_as_0(dump, options.first_label, paths[0])
    check_labels(dump, paths[0])
    return dump, dump_format


def _check_options(dump_format: DumpFormat, options: ReadOptions, where: Path) -> None:
    """Refuse an option that this format has no use for."""
    chosen = [field.name for field in fields(options) if field.name in OPTIONS and getattr(options, field.name)]
    for name in chosen:
        if name not in dump_format.options:
            raise DumpError(
                f"--{name.replace('_', '-')} does not apply to {dump_format.title}", where=where, fix="remove it"
            )


OPTIONS = {name for dump_format in FORMATS.values() for name in dump_format.options}


def _detected(source: DumpSource) -> DumpFormat:
    def first() -> DumpFormat | None:
        tried = (entry for entry in FORMATS.values() if not entry.by_name_only)
        return next((entry for entry in tried if functions(entry)[0](source)), None)

    dump_format: DumpFormat | None = guarded(first, source.path)
    if dump_format is None:
        raise DumpError(
            f"no known format of scores: the file holds {describe(source)}; the nearest known form is {_nearest(source)}",
            where=source.path,
            fix="write a csv with an id column and a column per class, or np.savez(FILE, ids=.., scores=.., labels=..)",
        )
    return dump_format


def _nearest(source: DumpSource) -> str:
    value = source.value
    if isinstance(value, list | tuple):
        inner = value[0] if value else None
        return (
            "mmaction2's list of dicts with pred_score and gt_label"
            if isinstance(inner, dict)
            else "PySlowFast's [scores (N, C), labels (N,)]" if len(value) == 2
            else "a list with an array of C scores per video"
        )  # fmt: skip
    if isinstance(value, dict):
        return "a dict of id to scores, or a dict of ids, scores and labels"
    if isinstance(value, np.ndarray):
        return "an array (N, C) of scores"
    return "a csv with an id column and a column per class"


def describe(source: DumpSource) -> str:
    """What a file holds, in a few words."""
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
