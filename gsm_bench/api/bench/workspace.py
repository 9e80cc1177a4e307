"""A workspace with its registry: what the names of a call stand for, and their labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gsm_bench.manifest import load_manifest
from gsm_bench.workspace import Workspace

if TYPE_CHECKING:
    from gsm_bench.api.sources import LabelFinder, NamedSource, Source
    from gsm_bench.scorefile import ScoreFile

Place = str | Path


def path_of(place: Place | None) -> Path | None:
    """A place as a path; None stays None."""
    return None if place is None else Path(place)


class OpenWorkspace:
    """A workspace with its registry, for all that takes names of models, ensembles and score files.

    Args:
        workspace: a directory; $GSMBENCH_HOME, else the current directory if None.

    Attributes:
        workspace: the directory and the places in it.
        manifest: all entries of the registry.
    """

    def __init__(self, workspace: Place | None = None) -> None:
        self.workspace = Workspace.locate(workspace)
        self.manifest = load_manifest(self.workspace)

    def __repr__(self) -> str:
        return f"Bench({str(self.workspace.root)!r})"

    def scores(self, name: Place, *, dataset: str | None = None, split: str | None = None) -> ScoreFile:
        """The score file of a model, or of a path; it is open until it is deleted.

        Raises:
            MissingScoresError: with the command that makes it.
        """
        from gsm_bench.ensembles.members import open_members
        from gsm_bench.errors import AlignmentError
        from gsm_bench.scorefile import ScoreFile

        source = self.source(name, dataset, split)
        if len(source.members) != 1:
            raise AlignmentError(f"{name} has {len(source.members)} members", fix="name one model or one score file")
        (member,) = source.members
        if member.path in source.opened:
            return source.opened[member.path]
        if member.entry is not None and not member.path.is_file():
            with open_members([member]):
                pass
        return ScoreFile.open(member.path)

    def source(
        self, name: Source, dataset: str | None = None, split: str | None = None, data: Place | None = None
    ) -> NamedSource:
        """The members that a name stands for; those that are servers' files are open, by the annotations in `data`."""
        from gsm_bench.api.sources import resolve_source

        source = resolve_source(name, self.manifest, self.workspace, dataset, split)
        return self._with_server_files([source], dataset, split, data)[0]

    def _sources(
        self, names: Sequence[Source], dataset: str | None, split: str | None, data: Place | None = None,
        *, together: bool = False,
    ) -> list[NamedSource]:  # fmt: skip
        """The sources; `together` where servers' files among them are compared with each other."""
        from gsm_bench.api.sources import file_source, resolve_source
        from gsm_bench.errors import GsmBenchError
        from gsm_bench.scorefile import ScoreFile

        if not names:
            raise GsmBenchError("no result is named", fix="give the names of models, ensembles or score files")
        sources = [
            file_source(name, number)
            if isinstance(name, ScoreFile)
            else resolve_source(name, self.manifest, self.workspace, dataset, split)
            for number, name in enumerate(names, start=1)
        ]
        if together:
            return self._with_server_files(sources, dataset, split, data)
        return [self._with_server_files([source], dataset, split, data)[0] for source in sources]

    def _with_server_files(
        self, sources: list[NamedSource], dataset: str | None, split: str | None, data: Place | None
    ) -> list[NamedSource]:
        """The sources with all servers' files open; this costs nothing where there are none."""
        from gsm_bench.ensembles.members import SERVER_SUFFIXES

        if not any(member.path.suffix in SERVER_SUFFIXES for source in sources for member in source.members):
            return sources
        from gsm_bench.api.server_files import ListPlaces, with_server_files

        places = ListPlaces(self.manifest, self.workspace, dataset, split, path_of(data))
        return with_server_files(sources, places)

    def labels(self, data: Place | None = None) -> LabelFinder:
        """A function that gives the ground truth of a score file, read once for files of the same videos."""
        from gsm_bench.api.sources import LabelFinder

        return LabelFinder(self.manifest, self.workspace, data)
