"""Which results a report has: every score file of a workspace, and the ensembles that they make; or those named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gsm_bench.ensembles.alignment import check_classes, check_labels
from gsm_bench.ensembles.members import open_members, protocols, specs_of_entry
from gsm_bench.errors import GsmBenchError
from gsm_bench.scorefile import ScoreHead, open_scores

if TYPE_CHECKING:
    from gsm_bench.api.bench.workspace import OpenWorkspace

Place = tuple[str, str]
"""Data set and split; empty where unknown."""


@dataclass(frozen=True)
class RowName:
    """A row of the leaderboard before it is evaluated.

    Attributes:
        source: as a command line names it.
        place: where its videos are from.
        predicts: whether its predictions are kept, not its ranks alone.
        head: of its score file, or of its first member's.
    """

    source: str
    place: Place
    predicts: bool
    head: ScoreHead = field(repr=False)

    @property
    def forward(self) -> bool:
        """Whether its frames were read in their own order."""
        return self.head.provenance.frame_order == "forward"


def stored_rows(bench: OpenWorkspace, left_out: list[str]) -> list[RowName]:
    """Every score file in every clip protocol, then the ensembles; `left_out` gets what is left out, and why."""
    rows = [row for path in _score_files(bench) for row in _rows_of(bench, path, left_out)]
    for place in dict.fromkeys(row.place for row in rows):
        rows += _ensembles(bench, place, left_out)
    return rows


def fitting_rows(rows: Sequence[RowName], left_out: list[str]) -> list[RowName]:
    """Of the rows of a split, those with videos and classes of the row with most videos."""
    base = max(rows, key=lambda row: len(row.head))
    fitting = []
    for row in rows:
        reason = "" if row is base else _difference(base, row)
        if reason:
            left_out.append(f"{row.source} is left out: {reason}")
        else:
            fitting.append(row)
    return fitting


def _difference(base: RowName, row: RowName) -> str:
    """Why a row cannot stand beside the one with most videos; empty if it can."""
    names, first, head = [base.source, row.source], base.head, row.head
    places = head.ids.rows_in(first.ids)
    if absent := int((places < 0).sum()):
        return f"{absent:,} of its videos are not among those of {base.source}"
    try:
        check_classes(names, first, head)
        for task in first.labels.keys() & head.labels.keys():
            check_labels(names, task, head.ids, first.labels[task][places], head.labels[task])
    except GsmBenchError as error:
        return error.what
    return ""


def given_rows(bench: OpenWorkspace, names: Sequence[str], dataset: str | None, split: str | None) -> Iterator[RowName]:
    """The results named on the command line."""
    for name in dict.fromkeys(names):
        source = bench.source(name, dataset, split)
        with open_members(source.members, source.opened) as members:
            provenance = members[0].head.provenance
            yield RowName(name, (provenance.dataset or "", provenance.split or ""), True, members[0].head)


def short_row_names(sources: Sequence[str]) -> list[str]:
    """Names for a page: ``x@2`` for ``scores/toy/val/x.h5@2``, unless two are the same then."""
    short = [",".join(_stem(part) for part in source.split(",")) for source in sources]
    counts = Counter(short)
    return [one if counts[one] == 1 else source for one, source in zip(short, sources, strict=True)]


def _stem(text: str) -> str:
    path, at, clips = text.rpartition("@")
    if at and clips.isdecimal() and path.endswith((".h5", ".hdf5")):
        return f"{Path(path).stem}@{clips}"
    return Path(text).stem if text.endswith((".h5", ".hdf5")) else text


def _score_files(bench: OpenWorkspace) -> list[Path]:
    return sorted(path for path in bench.workspace.scores.glob("*/*/*.h5") if path.is_file())


def _rows_of(bench: OpenWorkspace, path: Path, left_out: list[str]) -> Iterator[RowName]:
    """A file's rows: one per number of clips that it holds, with predictions for the most clips."""
    name = str(path.relative_to(bench.workspace.root))
    place = (path.parent.parent.name, path.parent.name)
    try:
        with open_scores(path) as file:
            head = file.head
        bench.labels()(head)
    except GsmBenchError as error:
        left_out.append(f"{name} is left out: {error.what}")
        return
    if "," in name or name != name.strip():
        left_out.append(f"{name} is left out: a comma or space in its name separates members on a command line")
        return
    if path.stem in bench.manifest.models and place[0] in bench.manifest.datasets:
        name = path.stem
    for clips in protocols(head):
        source = f"{name}@{clips}" if (clips or 1) > 1 else name
        yield RowName(source, place, clips == protocols(head)[-1], head)


def _ensembles(bench: OpenWorkspace, place: Place, left_out: list[str]) -> Iterator[RowName]:
    """The registered ensembles whose members all have score files on a split."""
    if place[0] not in bench.manifest.datasets or place[1] not in bench.manifest.datasets[place[0]].splits:
        return
    for entry in bench.manifest.ensembles.values():
        try:
            specs = specs_of_entry(entry, bench.manifest, bench.workspace, *place)
            if not all(spec.path.is_file() for spec in specs):
                continue
            with open_members(specs) as members:
                head = members[0].head
        except GsmBenchError as error:
            left_out.append(f"{entry.name} is left out: {error.what}")
            continue
        yield RowName(entry.name, place, True, head)
