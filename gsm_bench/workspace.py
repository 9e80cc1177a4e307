"""The workspace: one directory with manifests, checkpoints, data, scores, features, submissions and reports."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from gsm_bench.errors import GsmBenchError
from gsm_bench.places import Place, RemoteUrl

ENVIRONMENT = "GSMBENCH_HOME"


def shipped_manifests() -> Path:
    """Directory of the shipped manifests: inside the package of a wheel, or at the top of a checkout."""
    package = Path(__file__).resolve().parent
    inside = package / "shipped"
    return inside if inside.is_dir() else package.parent / "manifests"


def pasteable(path: str | Place) -> str:
    """A path as a word of a shell's command line: relative to the current directory, unless that is longer; or a URL."""
    if isinstance(path, RemoteUrl):
        return shlex.quote(str(path))
    absolute = os.path.abspath(path)  # noqa: PTH100 (links stay as the user wrote them)
    try:
        text = min(os.path.relpath(absolute), absolute, key=len)
    except OSError:  # the current directory was removed
        text = absolute
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


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
        chosen = directory or os.environ.get(ENVIRONMENT) or "."
        source = "--workspace" if directory else f"${ENVIRONMENT}"
        try:
            root = Path(chosen).expanduser().resolve(strict=True)
            if not root.is_dir():
                raise NotADirectoryError
        except (FileNotFoundError, NotADirectoryError) as error:
            missing = isinstance(error, FileNotFoundError)
            fix = f"mkdir -p {shlex.quote(str(chosen))}" if missing else "name a directory"
            raise GsmBenchError(f"the workspace of {source} is not a directory", where=chosen, fix=fix) from error
        except (OSError, RuntimeError, ValueError) as error:  # a loop, no permission, no such user, a NUL character
            what = f"the workspace of {source} cannot be used: {getattr(error, 'strerror', None) or error}"
            raise GsmBenchError(what, where=chosen, fix="name another directory") from error
        return cls(root, f" --workspace {shlex.quote(str(root))}" if directory else "")

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

    def feature_path(self, dataset: str, split: str, model: str) -> Path:
        """Default path of the features of `model` on a split."""
        return self.root / "features" / dataset / split / f"{model}.h5"

    def checkpoint_path(self, file: str) -> Path:
        """Path of a manifest's checkpoint file: absolute, in checkpoints/, or beside the shipped manifests."""
        shipped = shipped_manifests() / file
        mine = self.checkpoints / file
        return shipped if shipped.is_file() and not mine.is_file() else mine

    def stored_name(self, path: Path) -> str:
        """The name of a path in records of this workspace: relative to it if the path lies inside."""
        try:
            return str(path.relative_to(self.root))
        except ValueError:
            return str(path)
