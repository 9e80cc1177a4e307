"""The inner loops of fusion: compiled where the package was built with a compiler, else in numpy.

Both return the same bits; `plain` documents them. `COMPILED` tells which ones are in use.
"""

try:
    from gsm_bench.kernels.compiled import add_weighted, label_ranks, rank_views, view_means

    COMPILED = True
except ImportError:
    from gsm_bench.kernels.plain import add_weighted, label_ranks, rank_views, view_means

    COMPILED = False

__all__ = ["COMPILED", "add_weighted", "label_ranks", "rank_views", "view_means"]
