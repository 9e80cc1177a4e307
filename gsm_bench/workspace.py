"""The workspace: one directory with manifests, checkpoints, data, scores, submissions and reports."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from gsm_bench.errors import GsmBenchError

ENVIRONMENT = "GSMBENCH_HOME"


def shipped_manifests() -> Path:
    """Directory of the shipped manifests: inside the package of a wheel, or at the top of a checkout."""
    package = Path(__file__).resolve().parent
    inside = package / "shipped"
    return inside if inside.is_dir() else package.parent / "manifests"


@dataclass(frozen=True)
class Workspace:
    """A directory with a fixed layout.

    Attributes:
        option: how a command line names this workspace: `` --workspace DIR``, empty where it is the default.
    """

    root: Path
    option: str = ""

    @classmethod
    def locate(cls, directory: str | Path | None = None) -> Workspace:
        """The workspace at `directory`, else at $GSMBENCH_HOME, else in the current directory.

        Raises:
            GsmBenchError: the directory does not exist.
        """
        chosen = directory or os.environ.get(ENVIRONMENT) or Path.cwd()
        root = Path(chosen).expanduser().resolve()
        if not root.is_dir():
            source = "--workspace" if directory else f"${ENVIRONMENT}"
            raise GsmBenchError(f"the workspace of {source} is not a directory", where=root, fix=f"mkdir -p {root}")
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
        """Default path of the scores of `model` on a split."""
        return self.scores / dataset / split / f"{model}.h5"

    def checkpoint_path(self, file: str) -> Path:
        """Path of a manifest's checkpoint file: absolute, in checkpoints/, or beside the shipped manifests."""
        shipped = shipped_manifests() / file
        mine = self.checkpoints / file
        return shipped if shipped.is_file() and not mine.is_file() else mine

    def shown(self, path: Path) -> str:
        """A path as text, relative to the workspace if it lies inside."""
        try:
            return str(path.relative_to(self.root))
        except ValueError:
            return str(path)
