"""``python -m gsm_bench``."""

from gsm_bench.cli import main

main()
