"""A foreign dump as a score file's content: kinds, classes, videos and costs decided, every assumption recorded."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import DumpError
from gsm_bench.importers.align import NAME_THE_LIST, Placed, place, read_ids
from gsm_bench.importers.class_order import near_chance, solve
from gsm_bench.importers.containers import DumpSource
from gsm_bench.importers.detect import read_dump
from gsm_bench.importers.dump import Dump, Ints
from gsm_bench.importers.formats import DumpFormat
from gsm_bench.importers.kinds import infer_kind
from gsm_bench.importers.label_base import advice_on_first_label, check_labels, first_label_as_0
from gsm_bench.importers.listed_labels import with_listed_labels
from gsm_bench.importers.orders import ImportRequest, Ordered, known_names, possible_orders, read_options
from gsm_bench.metrics.class_order import CLEAR_GAIN, moved_classes
from gsm_bench.metrics.intervals import wilson
from gsm_bench.provenance import Provenance
from gsm_bench.scorefile import NOT_SCORED, SCORED, ClipScores, Scores
from gsm_bench.settings import Space


@dataclass(frozen=True)
class Imported:
    """A score file's content, and what the user has to know of it.

    Attributes:
        format_title: whose format the dump has, in words.
        assumptions: all that was assumed or inferred.
        advice: what the user may want to do.
    """

    content: ClipScores
    format_title: str
    assumptions: tuple[str, ...]
    advice: tuple[str, ...] = ()


def import_dump(request: ImportRequest, sources: Sequence[DumpSource] = ()) -> Imported:
    """Read a foreign dump and decide what it leaves open; raises DumpError where that cannot be done.

    Args:
        sources: the files of the request, if they are read already.
    """
    dump, dump_format = read_dump(request.paths, request.asked, read_options(request), sources)
    dump = _with_labels(dump, request)
    dump, kinds, summed, kind_notes = _with_kinds(dump, dump_format, request)
    ordered, placed = _place(dump, request)
    placed_scores = {task: _in_rows(values, placed.rows, np.nan) for task, values in ordered.scores.items()}
    labels = {task: _in_rows(values, placed.rows, -1) for task, values in ordered.labels.items()}
    scores, accuracy_notes, advice = _check_accuracy(placed_scores, labels, request)
    status, problems = _status(dump, scores, placed)
    names = dict(ordered.names)
    if dump.actions is not None:
        kind, names["action"] = dump.actions.kind(len(dump)), dump.actions.names()
        listed = dump.actions.columns(len(dump), kind, request.where)
        scores, kinds = {**scores, "action": _in_rows(listed, placed.rows, np.nan)}, {**kinds, "action": kind}
        kind_notes.append(f"action scores are {kind.replace('_', '-')}, as far as listed ones show it")
    cost, cost_notes = _cost(request, dump, summed)
    notes = [*dump.notes, *kind_notes, *ordered.notes, placed.note, *accuracy_notes, *cost_notes]
    content = ClipScores(
        ids=placed.ids,
        kinds=kinds,
        classes_per_task={task: values.shape[2] for task, values in scores.items()},
        views=dump.views,
        status=status,
        provenance=replace(_provenance(dump, request, placed, notes), **cost),
        labels={task: values.astype(np.int32) for task, values in labels.items()},
        class_names=names,
        order=placed.order,
        problems=problems,
        scores={task: _blanked(values, status) for task, values in scores.items()},
    )
    return Imported(content, dump_format.title, tuple(notes), tuple(advice))


def _with_labels(dump: Dump, request: ImportRequest) -> Dump:
    """The dump with the labels of ``--labels``, if it is given."""
    if request.labels is None:
        return dump
    ids = read_ids(request.ids) if request.ids else None
    names = known_names(request) or dump.class_names.get("action", ())
    dump = with_listed_labels(dump, request.labels, ids, names)
    dump = first_label_as_0(dump, request.options.first_label, request.labels)
    check_labels(dump, request.labels)
    return dump


def _with_kinds(
    dump: Dump, dump_format: DumpFormat, request: ImportRequest
) -> tuple[Dump, dict[str, Space], int, list[str]]:
    """The dump with means in place of sums, its kinds, over how many views rows were summed, and why."""
    inferred = {
        task: infer_kind(
            values, task, request.kind or dump.kinds.get(task), dump.usual, request.where, sums=dump_format.sums
        )
        for task, values in dump.scores.items()
    }
    return (
        replace(dump, scores={task: kind.scores for task, kind in inferred.items()}),
        {task: kind.kind for task, kind in inferred.items()},
        max(kind.summed for kind in inferred.values()),
        [kind.note for kind in inferred.values()],
    )


def _place(dump: Dump, request: ImportRequest) -> tuple[Ordered, Placed]:
    """The first order of classes under which the labels agree with the split's, and the video of each row."""
    named = read_ids(request.ids) if request.ids else None
    if named and len(named) != len(dump):
        raise DumpError(f"{len(named):,} ids for {len(dump):,} rows", where=request.ids, fix=NAME_THE_LIST)
    first_error = None
    for ordered in possible_orders(dump, request):
        try:
            placed = place(dump, ordered.labels, request.split, named)
        except DumpError as error:
            first_error = first_error or error
            continue
        if named:
            placed = replace(placed, note=f"video ids are those of {request.ids}, row by row, as declared")
        return ordered, placed
    assert first_error is not None
    raise first_error


def _check_accuracy(
    scores: dict[str, Scores], labels: Mapping[str, Ints], request: ImportRequest
) -> tuple[dict[str, Scores], list[str], list[str]]:
    """Where labels hardly fit the columns, look for the order that fits; apply it only if asked. Notes and advice."""
    notes, advice = [], []
    for task, values in scores.items():
        known = labels.get(task)
        if known is None and request.split is not None and task in request.split.labels:
            known = request.split.labels[task].astype(np.int64)
        if known is None:
            continue
        known = np.where(np.isnan(values).any(axis=(1, 2)), -1, known)
        advice += _mean_class_note(task, values, known)
        from_1 = advice_on_first_label(task, values, known)
        if from_1:
            advice.append(from_1)
            continue
        top1 = near_chance(values, known)
        if top1 is None:
            continue
        solved = solve(values, known)
        text = f"top-1 of {task} is {100 * top1:.2f}, near chance ({100 / values.shape[2]:.2f})"
        if solved.after < 2 * top1 + CLEAR_GAIN:
            videos = int((known >= 0).sum())
            if wilson(round(top1 * videos), videos).low <= 1 / values.shape[2]:  # else a weak model
                advice.append(
                    f"{text}, and no other order of the columns is better: the labels are other videos', or the model is "
                    "untrained"
                )
            continue
        text += (
            f"; with the columns renumbered it is {100 * solved.after:.2f} (solved on one half of the videos, measured on "
            f"the other, both ways): {moved_classes(solved.renumbering.columns)}"
        )
        if solved.unknown:
            text += f"; {solved.unknown} classes are right for no video, and their columns are a guess"
        if request.solve:
            scores = {**scores, task: solved.renumbering.scores(values)}
            notes.append(f"{text}. Applied, as asked")
        else:
            advice.append(
                f"{text}. --solve-classes applies it; --classes FILE, if the source's class list is known, is better"
            )
    return scores, notes, advice


def _mean_class_note(task: str, scores: Scores, labels: Ints) -> list[str]:
    """Where mmaction2 gives another mean class accuracy for scores [N, V, C] and labels [N], both values.

    Its mean is over labelled and predicted classes (mmaction/evaluation, mean_class_accuracy), here over labelled ones.
    """
    known = labels >= 0
    best = scores[known].mean(axis=1, dtype=np.float64).argmax(axis=1)
    counts = np.bincount(labels[known], minlength=scores.shape[2])
    hits = np.bincount(best[best == labels[known]], minlength=scores.shape[2])
    unlabelled = int((counts[np.unique(best)] == 0).sum())
    if not unlabelled:
        return []
    recalls = hits[counts > 0] / counts[counts > 0]
    theirs = recalls.sum() / (len(recalls) + unlabelled)
    return [
        f"mean class accuracy of {task} is {100 * recalls.mean():.2f} over the labelled classes; mmaction2 counts the "
        f"{unlabelled} predicted classes without labels as 0: {100 * theirs:.2f}"
    ]


def _in_rows(values: NDArray[Any], rows: Ints, absent: float) -> NDArray[Any]:
    """Values [N, ...] in the order of `rows`; `absent` where a video has no row."""
    if np.array_equal(rows, np.arange(len(values))):
        return values
    out = values[np.maximum(rows, 0)]
    out[rows < 0] = absent
    return out


def _status(dump: Dump, scores: Mapping[str, Scores], placed: Placed) -> tuple[NDArray[np.uint8], dict[str, str]]:
    """Which videos have scores, and why the others have none."""
    source = np.full(len(dump), SCORED, np.uint8) if dump.status is None else dump.status
    status = _in_rows(source, placed.rows, NOT_SCORED)
    problems = {placed.ids[row]: "not in the source" for row in np.flatnonzero(placed.rows < 0)}
    for values in scores.values():
        masked = (values.max(axis=2) == -np.inf).any(axis=1)  # a view whose classes are all masked
        broken = (status != NOT_SCORED) & (masked | ~(values < np.inf).all(axis=(1, 2)))
        for row in np.flatnonzero(broken):
            problems[placed.ids[row]] = (
                "the source's scores are minus infinity in all classes of a view"
                if masked[row]
                else "the source's scores are not numbers"
            )
        status = np.where(broken, NOT_SCORED, status).astype(np.uint8)
    return status, problems


def _blanked(values: Scores, status: NDArray[np.uint8]) -> Scores:
    if not (status == NOT_SCORED).any():
        return values
    out = values.copy()
    out[status == NOT_SCORED] = np.nan
    return out


def _cost(request: ImportRequest, dump: Dump, summed: int) -> tuple[dict[str, Any], list[str]]:
    """Cost and frames for tables, as far as they were declared."""
    views = len(dump.views) * summed
    clips, crops = len(set(dump.views["clip"].tolist())), len(set(dump.views["crop"].tolist()))
    shape = f"x{clips}x{crops}" if crops > 1 and clips * crops == views else f"x{views}" if views > 1 else ""
    cost: dict[str, Any] = {} if dump.provenance else {"frames_text": f"{request.frames or '?'}{shape}"}
    notes = []
    if request.frames:
        cost["sampling"] = {"frames": request.frames}
    if request.params is not None:
        cost["params"] = request.params
    if request.macs is not None:
        cost["macs_paper_per_view"] = request.macs * summed
        times = f", times the {summed} views that were averaged" if summed > 1 else ""
        notes.append(f"multiply-adds are as declared{times}; the convention in which they were counted is not known")
    return cost, notes


def _provenance(dump: Dump, request: ImportRequest, placed: Placed, notes: list[str]) -> Provenance:
    hashes = [_sha256(path) for path in request.paths]
    single = len(request.paths) == 1
    exported = dump.provenance or Provenance()
    if request.split is not None:
        exported = replace(
            exported,
            dataset=request.split.dataset,
            split=request.split.name,
            split_sha256=request.split.sha256 if placed.order == "ids" else None,
            list_path=str(request.split.list_path.resolve()),
        )
    signed = {
        "import": dump.format,
        "sha256": ",".join(hashes),
        "decided": "; ".join(notes),
        **({"of": exported.signature} if exported.signature else {}),
    }
    return replace(
        exported,
        model=request.model,
        imported_from=str(request.where) if single else [str(path) for path in request.paths],
        source_sha256=hashes[0] if single else hashes,
        source_format=dump.format,
        assumptions=list(notes),
        versions={"gsm-bench": version("gsm-bench"), "numpy": np.__version__},
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        signature="; ".join(f"{key}={value}" for key, value in signed.items()),
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
