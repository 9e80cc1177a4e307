"""Rows of score files that are compared with their checksums after they were used, while they are in cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from gsm_bench.checksums import crc32
from gsm_bench.errors import ScoreFileError

Scores = NDArray[np.float32]
Sums = NDArray[np.uint32]
NO_SUMS: Sums = np.empty(0, np.uint32)


class BlockSums:
    """The checksums of a file's blocks of rows, and which blocks matched theirs so far.

    Attributes:
        block_rows: rows of a block; the last one may have fewer.
        crc32: uint32 [B], one for each block.
        matching: bool [B].

    Args:
        damage: makes the error about the rows from one up to another.
    """

    def __init__(self, rows: int, block_rows: int, crc32: Sums, damage: Callable[[int, int], ScoreFileError]) -> None:
        self.rows, self.block_rows, self.crc32, self._damage = rows, block_rows, crc32, damage
        self.matching = np.zeros(len(crc32), bool)

    def blocks(self, start: int, stop: int) -> slice:
        """The blocks that hold these rows."""
        return slice(start // self.block_rows, -(-stop // self.block_rows))

    def rows_of(self, blocks: slice) -> tuple[int, int]:
        """The first row of some blocks, and the one after their last."""
        return blocks.start * self.block_rows, min(blocks.stop * self.block_rows, self.rows)

    def all_rows(self) -> Iterator[tuple[int, int]]:
        """The first row of each block, and the one after its last."""
        return (self.rows_of(slice(block, block + 1)) for block in range(len(self.crc32)))

    def compare(self, blocks: slice, scores: Scores) -> None:
        """Compare the scores float32 [n, V, C] of some blocks; raises ScoreFileError if they do not match."""
        for at, block in enumerate(range(blocks.start, blocks.stop)):
            if not self.matching[block]:
                rows = scores[at * self.block_rows : (at + 1) * self.block_rows]
                self._settle(block, crc32(rows.astype("<f4", copy=False)))

    def compare_sums(self, blocks: slice, computed: Sums) -> None:
        """Compare the checksums uint32 [n] that were computed of some blocks; raises ScoreFileError if they differ."""
        if computed.tobytes() == self.crc32[blocks].tobytes():
            self.matching[blocks] = True
            return
        for at, block in enumerate(range(blocks.start, blocks.stop)):
            self._settle(block, int(computed[at]))

    def _settle(self, block: int, computed: int) -> None:
        if computed != self.crc32[block]:
            raise self._damage(*self.rows_of(slice(block, block + 1)))
        self.matching[block] = True


class RowWindow:
    """Rows of a score file that may not have been compared with their checksums yet.

    To compare costs little while the rows are in the processor's cache: while they are used, or directly after.
    Nothing that was made of them may leave the function that made it before `compare` returned.

    Attributes:
        scores: float32 [n, V, C].

    Args:
        start: number of the first row.
        sums: the checksums; None where there is nothing to compare.
        whole: float32 [m, V, C], all blocks that hold some of the rows, and possibly more.
        first: number of the first row of `whole`.
    """

    __slots__ = ("_first", "_start", "_sums", "_whole", "scores")

    def __init__(
        self, scores: Scores, start: int = 0, sums: BlockSums | None = None, whole: Scores | None = None, first: int = 0
    ) -> None:
        self.scores = scores
        self._start, self._sums, self._whole, self._first = start, sums, whole, first

    def part(self, start: int, stop: int) -> RowWindow:
        """Some of the rows, counted from the first row of this window."""
        return RowWindow(self.scores[start:stop], self._start + start, self._sums, self._whole, self._first)

    def room_for_sums(self) -> tuple[Sums, int]:
        """An array uint32 [B] for the CRC-32 of each block, for `compare`, and the number of rows of a block.

        Whoever reads all rows can compute them along the way. The array is empty where these rows are not whole blocks,
        or where there is nothing to compare.
        """
        sums, stop = self._sums, self._start + len(self.scores)
        if sums is None or self._start % sums.block_rows or (stop % sums.block_rows and stop != sums.rows):
            return NO_SUMS, 1
        rows_per_sum = min(sums.block_rows, max(1, len(self.scores)))
        return np.empty(-(-len(self.scores) // rows_per_sum), np.uint32), rows_per_sum

    def compare(self, computed: Sums = NO_SUMS) -> None:
        """Compare the rows with their checksums; raises ScoreFileError if they do not match.

        Args:
            computed: the filled array of `room_for_sums`; empty if the checksums have yet to be computed.
        """
        sums, stop = self._sums, self._start + len(self.scores)
        if sums is None or self._whole is None or self._start >= stop:
            return
        blocks = sums.blocks(self._start, stop)
        if len(computed):
            sums.compare_sums(blocks, computed)
            return
        start, stop = sums.rows_of(blocks)
        sums.compare(blocks, self._whole[start - self._first : stop - self._first])

    def compared(self) -> Scores:
        """The scores float32 [n, V, C], once they were compared."""
        self.compare()
        return self.scores
