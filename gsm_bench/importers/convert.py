"""A foreign dump made a score file: kinds, classes, clips and costs settled, with every assumption on record."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import DumpError
from gsm_bench.importers.align import Placed, place, read_ids
from gsm_bench.importers.class_order import (
    Renumbering,
    near_chance,
    solve,
)
from gsm_bench.importers.detect import read_dump
from gsm_bench.importers.dump import Dump, Ints
from gsm_bench.importers.kinds import infer_kind
from gsm_bench.importers.orders import ImportRequest, Ordered, possible_orders
from gsm_bench.provenance import Provenance
from gsm_bench.scorefile import NOT_SCORED, SCORED, ClipScores, Scores

SHOWN_PLACES = 4


@dataclass(frozen=True)
class Imported:
    """A score file's content, and what has to be said of it.

    Attributes:
        layout: in words, whose dump this is.
        assumptions: all that was assumed or found out.
        advice: what the user may want to do.
    """

    content: ClipScores
    layout: str
    assumptions: tuple[str, ...]
    advice: tuple[str, ...] = ()


def import_dump(request: ImportRequest) -> Imported:
    """Read a foreign dump and settle what it leaves unsaid; raises DumpError where that cannot be done."""
    dump, layout = read_dump(request.paths, request.asked)
    notes = list(dump.notes)
    kinds = {}
    settled = {}
    summed = 1
    for task, values in dump.scores.items():
        found = infer_kind(values, task, request.kind or dump.kinds.get(task), dump.usual, request.where)
        kinds[task], settled[task], summed = found.kind, found.scores, max(summed, found.summed)
        notes.append(found.note)
    dump = replace(dump, scores=settled)
    ordered, placed = _place(dump, request)
    notes += [*ordered.notes, placed.note]
    placed_scores = {task: _in_rows(values, placed.rows, np.nan) for task, values in ordered.scores.items()}
    labels = {task: _in_rows(values, placed.rows, -1) for task, values in ordered.labels.items()}
    scores, said, advice = _check_accuracy(placed_scores, labels, request)
    notes += said
    status, problems = _status(dump, scores, placed)
    cost, cost_notes = _cost(request, dump, summed)
    notes += cost_notes
    content = ClipScores(
        ids=placed.ids,
        kinds=kinds,
        classes_per_task={task: values.shape[2] for task, values in scores.items()},
        views=dump.views,
        status=status,
        provenance=replace(_provenance(dump, request, notes), **cost),
        labels={task: values.astype(np.int32) for task, values in labels.items()},
        class_names=ordered.names,
        order=placed.order,
        problems=problems,
        scores={task: _blanked(values, status) for task, values in scores.items()},
    )
    return Imported(content, layout.title, tuple(notes), tuple(advice))


def _place(dump: Dump, request: ImportRequest) -> tuple[Ordered, Placed]:
    """The first order of classes under which the labels agree with the split's, and the clips' places."""
    named = read_ids(request.ids) if request.ids else None
    if named and len(named) != len(dump):
        raise DumpError(
            f"{len(named):,} ids for {len(dump):,} rows",
            where=request.ids,
            fix="the list that was tested, a clip per line",
        )
    first_error = None
    for ordered in possible_orders(dump, request):
        try:
            placed = place(dump, ordered.labels, request.split, named)
        except DumpError as error:
            first_error = first_error or error
            continue
        if named:
            placed = replace(placed, note=f"clip ids are those of {request.ids}, row by row, as told")
        return ordered, placed
    assert first_error is not None
    raise first_error


def _check_accuracy(
    scores: dict[str, Scores], labels: Mapping[str, Ints], request: ImportRequest
) -> tuple[dict[str, Scores], list[str], list[str]]:
    """Where top-1 is near chance, look for the order of columns that mends it; apply it only if asked."""
    notes, advice = [], []
    for task, values in scores.items():
        known = labels.get(task)
        if known is None and request.split is not None and task in request.split.labels:
            known = request.split.labels[task].astype(np.int64)
        if known is None:
            continue
        known = np.where(np.isnan(values).any(axis=(1, 2)), -1, known)
        top1 = near_chance(values, known)
        if top1 is None:
            continue
        found = solve(values, known)
        text = f"top-1 of {task} is {100 * top1:.2f}, near chance ({100 / values.shape[2]:.2f})"
        if found.after < 2 * top1 + 0.05:
            advice.append(
                f"{text}, and no other order of the columns mends it: the labels are other clips', or the model is untrained"
            )
            continue
        text += (
            f"; with the columns renumbered it is {100 * found.after:.2f} (found on one half of the clips, measured on the "
            f"other, both ways): {_examples(found.renumbering)}"
        )
        if found.unknown:
            text += f"; {found.unknown} classes are right for no clip, and their columns are a guess"
        if request.solve:
            scores = {**scores, task: found.renumbering.scores(values)}
            notes.append(f"{text}. Applied, as asked")
        else:
            advice.append(
                f"{text}. --solve-classes applies it; --classes FILE, if the source's class list is known, is better"
            )
    return scores, notes, advice


def _examples(found: Renumbering) -> str:
    moved = [int(at) for at in np.flatnonzero(found.columns != np.arange(len(found.columns)))]
    shown = ", ".join(f"class {at} is column {found.columns[at]}" for at in moved[:SHOWN_PLACES])
    return shown + (f" and {len(moved) - SHOWN_PLACES} more" if len(moved) > SHOWN_PLACES else "")


def _in_rows(values: NDArray[Any], rows: Ints, absent: float) -> NDArray[Any]:
    """Values [N, ...] in the order of `rows`; `absent` where a clip has no row."""
    if np.array_equal(rows, np.arange(len(values))):
        return values
    out = values[np.maximum(rows, 0)]
    out[rows < 0] = absent
    return out


def _status(dump: Dump, scores: Mapping[str, Scores], placed: Placed) -> tuple[NDArray[np.uint8], dict[str, str]]:
    """Which clips have scores, and why the others have none."""
    mine = np.full(len(dump), SCORED, np.uint8) if dump.status is None else dump.status
    status = _in_rows(mine, placed.rows, NOT_SCORED)
    problems = {placed.ids[row]: "not in the source" for row in np.flatnonzero(placed.rows < 0)}
    for values in scores.values():
        broken = (status != NOT_SCORED) & ~(values < np.inf).all(axis=(1, 2))
        problems |= {placed.ids[row]: "the source's scores are not numbers" for row in np.flatnonzero(broken)}
        status = np.where(broken, NOT_SCORED, status).astype(np.uint8)
    return status, problems


def _blanked(values: Scores, status: NDArray[np.uint8]) -> Scores:
    if not (status == NOT_SCORED).any():
        return values
    out = values.copy()
    out[status == NOT_SCORED] = np.nan
    return out


def _cost(request: ImportRequest, dump: Dump, summed: int) -> tuple[dict[str, Any], list[str]]:
    """Cost and frames for tables, as far as they were told."""
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
        notes.append(f"multiply-adds are as told{times}: in which convention they were counted is not known")
    return cost, notes


def _provenance(dump: Dump, request: ImportRequest, notes: list[str]) -> Provenance:
    hashes = [_sha256(path) for path in request.paths]
    single = len(request.paths) == 1
    exported = dump.provenance or Provenance()
    if request.split is not None:
        exported = replace(
            exported,
            dataset=request.split.dataset,
            split=request.split.name,
            split_sha256=request.split.sha256,
            list_path=str(request.split.list_path.resolve()),
        )
    signed = {
        "import": dump.layout,
        "sha256": ",".join(hashes),
        "decided": "; ".join(notes),
        **({"of": exported.signature} if exported.signature else {}),
    }
    return replace(
        exported,
        model=request.model,
        imported_from=str(request.where) if single else [str(path) for path in request.paths],
        source_sha256=hashes[0] if single else hashes,
        source_format=dump.layout,
        assumptions=list(notes),
        versions={"gsm-bench": version("gsm-bench"), "numpy": np.__version__},
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        signature="; ".join(f"{key}={value}" for key, value in signed.items()),
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
