"""The inner loops of fusion: compiled where the package was built with a compiler, in numpy elsewhere.

Both give the same numbers, bit by bit; `plain` says what each means. `COMPILED` tells which ones are at work.
"""

try:
    from gsm_bench.kernels.compiled import add_weighted, label_ranks, rank_views, view_means

    COMPILED = True
except ImportError:
    from gsm_bench.kernels.plain import add_weighted, label_ranks, rank_views, view_means

    COMPILED = False

__all__ = ["COMPILED", "add_weighted", "label_ranks", "rank_views", "view_means"]
