"""What a figure is made from, for all that makes figures of one kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class FigureRequest:
    """What a figure is made from.

    Attributes:
        names: models, ensembles, score files; members between commas for a cascade, a pool for a search.
        table: of the paper, for `complexity`; table 3 if there are no names either; 4 on other data sets than its own.
        dataset, split, data: where the scores are, and the directory with the labels.
        task: for classes and agreement; action where there is one, else the first.
        block: names of classes for `confusion` and `tsne`; the one that `saliency` explains.
        most: pairs of classes that are named; that of the kind if None.
        layers: of `tsne`; the classifier's input if empty.
        groups: of classes for `tsne`: a set of the data set's entry, or a TOML file.
        ids: videos of `saliency` and `frames`; the first one of the split for `frames` if empty.
        frames: a file or folder of frames outside `data`.
    """

    names: Sequence[str] = ()
    table: str | None = None
    dataset: str | None = None
    split: str | None = None
    data: Path | None = None
    task: str | None = None
    block: Sequence[str] = ()
    most: int | None = None
    layers: Sequence[str] = ()
    groups: str | None = None
    ids: Sequence[str] = ()
    frames: Path | None = None

    @property
    def places(self) -> dict[str, Any]:
        """Data set, split and data directory, as the methods of `Bench` take them."""
        return {"dataset": self.dataset, "split": self.split, "data": self.data}
