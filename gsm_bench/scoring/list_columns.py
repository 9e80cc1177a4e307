"""Settle how a list is read by a look at the frames: which column is the id, and whether the next one is a frame count."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np

from gsm_bench.errors import FrameError, SplitError
from gsm_bench.frames.sources import FrameSource
from gsm_bench.layouts.plain import as_labels
from gsm_bench.splits import Split

COUNTED_VIDEOS = 32
"""Videos whose stored frames are counted to tell a column of frame counts from one of labels."""
MOSTLY = 0.5
"""Share of frame counts that equal the stored frames in a list of frame counts."""
SELDOM, ALIKE = 0.1, 0.25
"""Shares of labels that equal the stored frames, and that are within a factor of two of them, in a list of labels."""


def read_with_frames(
    read: Callable[[Sequence[str]], Split], open_frames: Callable[[Split], FrameSource], classes: int
) -> tuple[Split, FrameSource]:
    """The split of a list and its frames.

    Args:
        read: reads the list with the given columns; none to recognise them.
        open_frames: opens the frames of a split; raises SplitError if no video of a sample has frames.
        classes: C, number of classes; 0 if unknown.

    Raises:
        SplitError: no video has frames however the list is read, or a column may be frame counts or labels.
    """
    split = read(())
    try:
        source = open_frames(split)
    except SplitError:
        for width in range(len(split.columns) - 1, 0, -1) if split.inferred else ():
            with suppress(SplitError):
                other = read(split.columns[:width])
                return other, open_frames(other)
        raise
    return _with_labels(split, source, read) if _in_doubt(split, classes) else split, source


def _in_doubt(split: Split, classes: int) -> bool:
    """Whether a column of numbers may be frame counts or labels, by its values alone."""
    one_column = "frames" in split.columns and "label" not in split.columns
    return split.inferred and one_column and bool(classes) and int(split.num_frames.max()) <= classes


def _with_labels(split: Split, source: FrameSource, read: Callable[[Sequence[str]], Split]) -> Split:
    """The split as it is, or with its numbers as labels if they have nothing to do with the stored frames."""
    listed, stored = [], []
    for video in split.sample(COUNTED_VIDEOS):
        with suppress(FrameError):
            stored.append(source.available(video))
            listed.append(video.num_frames)
    ratio = np.array(listed) / np.maximum(stored, 1)
    equal, alike = float(np.mean(ratio == 1)), float(np.mean((ratio >= 0.5) & (ratio <= 2)))
    if not listed or equal >= MOSTLY:
        return split
    numbers = f"{split.num_frames.min()} to {split.num_frames.max()}"
    frames = f"{min(stored):,} to {max(stored):,}"
    if equal > SELDOM or alike > ALIKE:
        raise SplitError(
            f"the second column of {split.list_path.name} may be frame counts or labels: it has {numbers}, "
            f"the videos have {frames} frames, {equal:.0%} of {len(listed)} the same",
            where=split.list_path,
            fix='write "id frames" or "id label" as the first line of the list, or add columns = ["id", "label"] '
            f"to the split {split.name} of the entry datasets.{split.dataset}",
        )
    note = f"the second column of {split.list_path.name} is read as the label: it has {numbers}, the videos have {frames} frames"
    return replace(read(as_labels(split.columns)), note=note)
