from gsm_bench.kernels.plain import add_weighted as add_weighted
from gsm_bench.kernels.plain import label_ranks as label_ranks
from gsm_bench.kernels.plain import rank_rows as rank_rows
from gsm_bench.kernels.plain import view_means as view_means

SUMS_ROWS: bool
