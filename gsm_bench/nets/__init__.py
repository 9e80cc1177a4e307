"""Networks: definitions, checkpoints, cost. This room needs torch."""

from gsm_bench.nets.checkpoint import load_checkpoint
from gsm_bench.nets.segment import SegmentNetwork, build_network

__all__ = ["SegmentNetwork", "build_network", "load_checkpoint"]
