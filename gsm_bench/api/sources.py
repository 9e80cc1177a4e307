"""What a call names: models, ensembles, score files, or lists of them; and the labels of their videos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gsm_bench.ensembles.members import SERVER_SUFFIXES, MemberSpec, OpenMember, file_name, named_members
from gsm_bench.errors import LabelError, TaskError
from gsm_bench.evaluation.ground_truth import GroundTruth, ground_truth_for, members_truth, remember_truth
from gsm_bench.scorefile import InMemoryScores, ScoreFile, ScoreHead

if TYPE_CHECKING:
    from gsm_bench.manifest import Manifest
    from gsm_bench.settings import Space
    from gsm_bench.workspace import Workspace

Source = str | Path | ScoreFile | Sequence[str | Path | ScoreFile]
"""A name of the registry, a path, an open score file, members between commas, or a list of these."""


@dataclass(frozen=True, eq=False)
class NamedSource:
    """A source resolved.

    Attributes:
        label: its name in tables.
        space: in which its entry says that members are fused; None where nothing is said.
        opened: score files that are open, by the path in their member's spec.
        notes: what a user has to know of files that were converted.
    """

    label: str
    members: list[MemberSpec]
    space: Space | None = None
    opened: dict[Path, ScoreFile] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def resolve_source(
    source: Source, manifest: Manifest, workspace: Workspace, dataset: str | None = None, split: str | None = None
) -> NamedSource:
    """The members that a source stands for."""
    if isinstance(source, ScoreFile):
        return file_source(source)
    if isinstance(source, Path):
        path = source if source.exists() or source.is_absolute() else workspace.root / source
        name = file_name(path)
        return NamedSource(name, [MemberSpec(name, path, None, 1.0)])
    if isinstance(source, str):
        members, space = named_members(source, manifest, workspace, dataset, split)
        return NamedSource(source, members, space)
    parts = [
        file_source(part, number)
        if isinstance(part, ScoreFile)
        else resolve_source(part, manifest, workspace, dataset, split)
        for number, part in enumerate(source, start=1)
    ]
    return NamedSource(
        ",".join(part.label for part in parts),
        [member for part in parts for member in part.members],
        None,
        {path: file for part in parts for path, file in part.opened.items()},
    )


def file_source(file: ScoreFile, number: int = 1) -> NamedSource:
    """An open score file, on disk or in memory, as a source; `number` tells those in memory apart."""
    in_memory = isinstance(file, InMemoryScores)
    name = str(file.path) if in_memory else file.path.stem
    path = Path(f"{name} (number {number}, in memory)") if in_memory else file.path
    return NamedSource(name, [MemberSpec(name, path, None, 1.0)], None, {path: file})


def short_names(names: Sequence[str]) -> list[str]:
    """Names for a table: of score files their stems, unless two are the same then."""
    short = [",".join(_stem(part) for part in text.split(",")) for text in names]
    return short if len(set(short)) == len(short) else list(names)


def _stem(text: str) -> str:
    return file_name(Path(text)) if text.endswith((".h5", ".hdf5", *SERVER_SUFFIXES)) else text


def task_of(tasks: Sequence[str], requested: str | None) -> str:
    """The requested task; else action where there is one, else the first."""
    if not tasks:
        raise LabelError("no task has labels", fix="give a labelled list: --data DIR")
    if requested and requested not in tasks:
        raise TaskError(f"no task {requested!r} with labels", fix=f"--task {' or '.join(tasks)}")
    return requested or ("action" if "action" in tasks else tasks[0])


class LabelFinder:
    """Ground truth of score files, read once for files of the same videos.

    Attributes:
        data: directory with the labels, if one was given.
        messages: what a user has to know of the labels.
    """

    def __init__(self, manifest: Manifest, workspace: Workspace, data: str | Path | None = None) -> None:
        self.data = None if data is None else Path(data)
        self._places = (manifest, workspace, self.data)
        self._truth_of = remember_truth(self._find)
        self.messages: list[str] = []

    def __call__(self, head: ScoreHead) -> GroundTruth:
        """Labels and groups of a score file's videos; without labels where its split has none."""
        return self._truth_of(head)

    def members(self, members: Sequence[OpenMember]) -> GroundTruth:
        """The same of fused members, whose labels must not differ."""
        return members_truth(members, self)

    def if_any(self, members: Sequence[OpenMember]) -> GroundTruth:
        """The same; no labels at all, with a note, where none belong to the score files."""
        try:
            return self.members(members)
        except LabelError as error:
            self.messages.append(f"note: no accuracy, because {error.what}")
            return GroundTruth({})

    def _find(self, head: ScoreHead) -> GroundTruth:
        truth = ground_truth_for(head, *self._places)
        if not truth.labels and (truth.split is None or truth.split.label_sets is None):
            self.messages.append(f"note: {head.provenance.place} has no labels: accuracies are unknown")
        return truth


class GivenLabels(LabelFinder):
    """Labels that were given, for every score file."""

    def __init__(self, truth: GroundTruth) -> None:
        self.data = None
        self._truth_of = lambda _: truth
        self.messages = []
