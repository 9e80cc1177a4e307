"""Where everything lies: one directory with manifests, checkpoints, data, scores, submissions and reports."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from gsm_bench.errors import GsmBenchError

ENVIRONMENT = "GSMBENCH_HOME"


def shipped_manifests() -> Path:
    """The manifests that came with the package: inside a wheel, or at the top of a checkout."""
    package = Path(__file__).resolve().parent
    inside = package / "shipped"
    return inside if inside.is_dir() else package.parent / "manifests"


@dataclass(frozen=True)
class Workspace:
    """A directory and the fixed places in it."""

    root: Path
    option: str = ""
    """How a command line names this workspace: `` --workspace DIR``, or nothing where it is found without."""

    @classmethod
    def locate(cls, directory: str | Path | None = None) -> Workspace:
        """The workspace at `directory`, else at $GSMBENCH_HOME, else here.

        Raises:
            GsmBenchError: the directory does not exist.
        """
        chosen = directory or os.environ.get(ENVIRONMENT) or Path.cwd()
        root = Path(chosen).expanduser().resolve()
        if not root.is_dir():
            said = "--workspace" if directory else f"${ENVIRONMENT}"
            raise GsmBenchError(f"the workspace given by {said} is not a directory", where=root, fix=f"mkdir -p {root}")
        return cls(root, f" --workspace {root}" if directory else "")

    @property
    def manifests(self) -> Path:
        return self.root / "manifests"

    @property
    def checkpoints(self) -> Path:
        return self.root / "checkpoints"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def scores(self) -> Path:
        return self.root / "scores"

    @property
    def submissions(self) -> Path:
        return self.root / "submissions"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    def score_path(self, dataset: str, split: str, model: str) -> Path:
        """Where the scores of `model` on a split lie unless told otherwise."""
        return self.scores / dataset / split / f"{model}.h5"

    def checkpoint_path(self, file: str) -> Path:
        """Where a manifest's checkpoint file is: as it stands, in checkpoints/, or beside the shipped manifests."""
        shipped = shipped_manifests() / file
        mine = self.checkpoints / file
        return shipped if shipped.is_file() and not mine.is_file() else mine

    def shown(self, path: Path) -> str:
        """A path as a person in this workspace would write it."""
        try:
            return str(path.relative_to(self.root))
        except ValueError:
            return str(path)
