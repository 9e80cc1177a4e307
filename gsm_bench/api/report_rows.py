"""Which results a report has: every score file of a workspace, and the ensembles that they make; or those named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gsm_bench.ensembles.members import open_members, protocols, specs_of_entry
from gsm_bench.errors import GsmBenchError
from gsm_bench.scorefile import open_scores

if TYPE_CHECKING:
    from gsm_bench.api.bench import Bench

Place = tuple[str, str]
"""Data set and split; empty where unknown."""


@dataclass(frozen=True)
class RowName:
    """A row of the leaderboard before it is evaluated.

    Attributes:
        source: as a command line names it.
        place: where its videos are from.
        predicts: whether its predictions are kept, not its ranks alone.
        forward: whether its frames were read in their own order.
    """

    source: str
    place: Place
    predicts: bool = True
    forward: bool = True


def stored_rows(bench: Bench, messages: list[str]) -> list[RowName]:
    """Every score file in every clip protocol, then the ensembles; `messages` gets what is left out, and why."""
    rows = [row for path in _score_files(bench) for row in _rows_of(bench, path, messages)]
    for place in dict.fromkeys(row.place for row in rows):
        rows += _ensembles(bench, place, messages)
    return rows


def given_rows(bench: Bench, names: Sequence[str], dataset: str | None, split: str | None) -> Iterator[RowName]:
    """The results named on the command line."""
    for name in dict.fromkeys(names):
        source = bench.source(name, dataset, split)
        with open_members(source.members, source.opened) as members:
            provenance = members[0].head.provenance
            yield RowName(name, (provenance.dataset or "", provenance.split or ""))


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


def _score_files(bench: Bench) -> list[Path]:
    return sorted(path for path in bench.workspace.scores.glob("*/*/*.h5") if path.is_file())


def _rows_of(bench: Bench, path: Path, messages: list[str]) -> Iterator[RowName]:
    """A file's rows: one per number of clips that it holds, with predictions for the most clips."""
    name = str(path.relative_to(bench.workspace.root))
    place = (path.parent.parent.name, path.parent.name)
    try:
        with open_scores(path) as file:
            head = file.head
        bench.labels()(head)
    except GsmBenchError as error:
        messages.append(f"{name} is left out: {error.what}")
        return
    if "," in name or name != name.strip():
        messages.append(f"{name} is left out: a comma or space in its name separates members on a command line")
        return
    if path.stem in bench.manifest.models and place[0] in bench.manifest.datasets:
        name = path.stem
    for clips in protocols(head):
        source = f"{name}@{clips}" if (clips or 1) > 1 else name
        yield RowName(source, place, clips == protocols(head)[-1], head.provenance.frame_order == "forward")


def _ensembles(bench: Bench, place: Place, messages: list[str]) -> Iterator[RowName]:
    """The registered ensembles whose members all have score files on a split."""
    if place[0] not in bench.manifest.datasets or place[1] not in bench.manifest.datasets[place[0]].splits:
        return
    for entry in bench.manifest.ensembles.values():
        try:
            specs = specs_of_entry(entry, bench.manifest, bench.workspace, *place)
            if not all(spec.path.is_file() for spec in specs):
                continue
            with open_members(specs):
                pass
        except GsmBenchError as error:
            messages.append(f"{entry.name} is left out: {error.what}")
            continue
        yield RowName(entry.name, place)
