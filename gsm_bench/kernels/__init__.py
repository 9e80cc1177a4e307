"""The inner loops of fusion: compiled where the package was built with a compiler, else in numpy.

Both return the same bits; `plain` documents them. `COMPILED` tells which ones are in use, `SUMS_ROWS` whether
`rank_rows` computes checksums faster than isal does afterwards.
"""

try:
    from gsm_bench.kernels.compiled import SUMS_ROWS, add_weighted, label_ranks, rank_rows, view_means

    COMPILED = True
except ImportError:
    from gsm_bench.kernels.plain import add_weighted, label_ranks, rank_rows, view_means

    COMPILED = SUMS_ROWS = False

__all__ = ["COMPILED", "SUMS_ROWS", "add_weighted", "label_ranks", "rank_rows", "view_means"]
