"""The orders that the columns of a dump may be in: by name, unchanged, or known from the data set's files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from gsm_bench.entries import DatasetEntry
from gsm_bench.errors import DumpError
from gsm_bench.importers.class_order import Renumbering, by_name, paired_labels, read_names, split_order
from gsm_bench.importers.dump import Dump, Ints, ReadOptions
from gsm_bench.scorefile import Scores
from gsm_bench.settings import SourceKind
from gsm_bench.splits import Split


@dataclass(frozen=True)
class Ordered:
    """Scores and labels with their columns in the order of `names`."""

    scores: Mapping[str, Scores]
    labels: Mapping[str, Ints]
    names: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class ImportRequest:
    """What is to be imported, and what the user says of it.

    Attributes:
        paths: the file, or the files of one test run.
        model: the name that tables show.
        asked: the format, a key of `FORMATS`, or ``auto``.
        dataset, split: the split that was tested, where it is known.
        classes: per task the file with the source's class names in column order.
        ids: a list of the videos in the dump's order.
        labels: a list of the videos' labels.
        kind: what the scores are.
        solve: whether an order of classes solved from the labels is applied.
        options: the reading of the dump where it has several.
        frames, macs, params: frames of a view, multiply-adds of a view, parameters, where known.
    """

    paths: tuple[Path, ...]
    model: str
    asked: str = "auto"
    dataset: DatasetEntry | None = None
    split: Split | None = None
    classes: Mapping[str, Path] = field(default_factory=dict)
    ids: Path | None = None
    labels: Path | None = None
    kind: SourceKind | None = None
    solve: bool = False
    options: ReadOptions = field(default_factory=ReadOptions)
    frames: int | None = None
    macs: int | None = None
    params: int | None = None

    @property
    def where(self) -> Path:
        return self.paths[0]


def read_options(request: ImportRequest) -> ReadOptions:
    """The options of reading, with what is known beforehand: class names, the split. A list's labels are counted later."""
    first_label = 0 if request.labels else request.options.first_label
    split = request.split.name if request.split is not None else request.options.split
    names = known_names(request)
    classes = len(names) or (request.dataset.tasks.get("action") if request.dataset is not None else None)
    return replace(request.options, class_names=names, first_label=first_label, split=split, classes=classes or None)


def known_names(request: ImportRequest) -> tuple[str, ...]:
    """The class names of ``--classes``, else of the split; empty without."""
    if "action" in request.classes:
        return read_names(request.classes["action"])
    return (request.split.class_names.get("action") or ()) if request.split is not None else ()


def possible_orders(dump: Dump, request: ImportRequest) -> Iterator[Ordered]:
    """Orders of classes that the columns may be in: the named one; or else unchanged, then the data set's own."""
    for task, scores in dump.scores.items():
        _check_classes(task, scores.shape[2], request)
    given = {task: read_names(path) for task, path in request.classes.items()}
    unknown = given.keys() - dump.scores.keys()
    if unknown:
        raise DumpError(
            f"the dump has no task {sorted(unknown)[0]!r}", where=request.where, fix="--classes [TASK=]FILE"
        )
    names = {**dump.class_names, **given}
    yield _named_order(dump, names, request)
    if names or request.split is None:
        return
    for where, order in _known_orders(request):
        renumbering = by_name(order, split_order(request.split.class_names, "action", where), where)
        agreeing = f"{renumbering.agreeing} of {len(order)} classes had the split's number"
        note = f"columns were in the order of {where.name}: {agreeing}"
        yield _renumbered(dump, {"action": renumbering}, request, note)
    if request.solve:
        yield from _solved_labels(dump, request)


def _named_order(dump: Dump, names: Mapping[str, tuple[str, ...]], request: ImportRequest) -> Ordered:
    """Columns matched by name where names are known; unchanged where not."""
    where = request.classes.get(next(iter(request.classes), ""), request.where)
    for task, known in names.items():
        classes = dump.scores[task].shape[2]
        if len(known) != classes:
            raise DumpError(
                f"{len(known)} class names for {classes} {task} columns", where=where, fix="correct --classes"
            )
    if request.split is None:
        return Ordered(
            dump.scores, dump.labels, dict(names), ("columns have the names of --classes",) if request.classes else ()
        )
    if not names:
        note = f"columns are taken to be in the order of the classes of {request.split.dataset}"
        if (
            dump.format.startswith("mmaction2")
            and not dump.labels
            and request.dataset
            and request.dataset.class_order == "alphabetical"
        ):
            note += "; mmaction2 keeps the order of the label file: if the model was trained so, name it with --classes"
        return _renumbered(dump, {}, request, note)
    renumberings = {
        task: by_name(known, split_order(request.split.class_names, task, request.split.list_path.parent), where)
        for task, known in names.items()
        if task in request.classes or request.split.class_names.get(task)
    }
    agreeing = ", ".join(
        f"{order.agreeing} of {len(order.columns)} {task} classes had the split's number"
        for task, order in renumberings.items()
    )
    note = f"columns were matched to the split's classes by name: {agreeing}" if agreeing else ""
    return _renumbered(dump, renumberings, request, note)


def _renumbered(dump: Dump, renumberings: Mapping[str, Renumbering], request: ImportRequest, note: str) -> Ordered:
    assert request.split is not None
    names = {task: names for task, names in request.split.class_names.items() if names and task in dump.scores}
    return Ordered(
        {
            task: renumberings[task].scores(values) if task in renumberings else values
            for task, values in dump.scores.items()
        },
        {
            task: renumberings[task].labels(values) if task in renumberings else values
            for task, values in dump.labels.items()
        },
        names,
        (note,) if note else (),
    )


def _known_orders(request: ImportRequest) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """The class files beside the split's list, in the order of the file: which mmaction2 uses."""
    assert request.split is not None
    names = request.split.class_names.get("action")
    if request.dataset is None or not names:
        return
    for file in request.dataset.class_files:
        path = request.split.list_path.parent / file
        if path.is_file():
            listed = read_names(path)
            if listed != names and set(listed) == set(names):
                yield path, listed


def _solved_labels(dump: Dump, request: ImportRequest) -> Iterator[Ordered]:
    """Where the labels are the split's but for their numbers, the order that makes them equal."""
    assert request.split is not None
    for task, labels in dump.labels.items():
        theirs = request.split.labels.get(task)
        if theirs is not None and len(theirs) == len(labels):
            renumbering = paired_labels(labels, theirs.astype(np.int64), dump.scores[task].shape[2])
            if renumbering:
                note = (
                    f"{task} classes were renumbered so that the source's labels are the split's, as asked: "
                    f"{renumbering.agreeing} of {len(renumbering.columns)} had the split's number"
                )
                yield _renumbered(dump, {task: renumbering}, request, note)


def _check_classes(task: str, classes: int, request: ImportRequest) -> None:
    if request.dataset is None or request.split is None:
        return
    expected = request.dataset.tasks.get(task)
    if expected is None or (expected and expected != classes):
        have = ", ".join(f"{count} {name}" for name, count in request.dataset.tasks.items())
        raise DumpError(
            f"the source has {classes} {task} classes, {request.dataset.name} has {have}", where=request.where,
            fix="name the data set that the model was tested on: --dataset",
        )  # fmt: skip
