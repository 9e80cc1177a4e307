"""The recipe of section 4.2 of the GSM paper, small: from JPEG folders to a checkpoint. This room needs torch."""

from gsm_bench.train.recipe import TrainConfig, TrainResult
from gsm_bench.train.run import train

__all__ = ["TrainConfig", "TrainResult", "train"]
