from gsm_bench.kernels.plain import add_weighted as add_weighted
from gsm_bench.kernels.plain import label_ranks as label_ranks
from gsm_bench.kernels.plain import rank_views as rank_views
from gsm_bench.kernels.plain import view_means as view_means
