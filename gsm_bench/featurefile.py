"""The feature file (HDF5): what layers of a network say about each view of each video.

Format ``gsm_bench.features`` version 1 is that of a score file with other values: float32 features [N, V, F] per layer in
the group ``features``, with ids, views, a status per video, problems and provenance. It is checked as a score file is.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from gsm_bench.errors import ScoreFileError
from gsm_bench.id_array import IdArray
from gsm_bench.score_head import FEATURES, NOT_SCORED
from gsm_bench.scorefile import ScoreFile
from gsm_bench.workspace import pasteable


class FeatureFile:
    """A feature file, open for reading; as a context manager, until the block ends.

    Attributes:
        path: the file.
        head: everything but the features.
    """

    def __init__(self, file: ScoreFile) -> None:
        self._file = file
        self.path, self.head = file.path, file.head

    @classmethod
    def open(cls, path: str | Path) -> FeatureFile:
        """Open a feature file; raises ScoreFileError if it is missing, damaged or of another format."""
        return cls(ScoreFile.open(path, FEATURES))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self.head)

    def __repr__(self) -> str:
        shapes = (f"{layer} ({len(self):,}, {len(self.head.views)}, {width})" for layer, width in self.layers.items())
        return f"<FeatureFile {self.path}: {', '.join(shapes)}>"

    def close(self) -> None:
        """Close the file; its head stays."""
        self._file.close()

    @property
    def ids(self) -> IdArray:
        """The N video ids, a sequence of strings."""
        return self.head.ids

    @property
    def layers(self) -> dict[str, int]:
        """Number of features F by layer."""
        return dict(self.head.classes_per_task)

    def features(self, layer: str) -> NDArray[np.float32]:
        """Features float32 [N, V, F] of a layer; NaN for videos that have none.

        Raises:
            ScoreFileError: the file has no such layer, or values that are not finite.
        """
        if layer not in self.layers:
            raise ScoreFileError(
                f"no features of layer {layer!r}, only of {', '.join(self.layers)}",
                where=self.path,
                fix=f"gsmbench features --model {self.head.provenance.model or 'NAME'} --layers "
                f"{','.join([*self.layers, layer])} --fresh",
            )
        values = np.asarray(self._file.block(layer, 0, len(self)))
        wrong = ~np.isfinite(values).all(axis=(1, 2)) & (self.head.status != NOT_SCORED)
        if wrong.any():
            raise ScoreFileError(
                f"{int(wrong.sum()):,} videos contain NaN or inf features, first: {self.ids[int(np.argmax(wrong))]!r}",
                where=pasteable(self.path),
                fix="run the command that made it again with --fresh",
            )
        return values

    def video_means(self, layer: str) -> NDArray[np.float32]:
        """Means over the views, float32 [N, F]; NaN for videos that have no features."""
        means: NDArray[np.float32] = self.features(layer).mean(axis=1)
        return means
