"""The arithmetic of a GPU's libraries for a precision: torch keeps these settings for the whole process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from gsm_bench.settings import Precision


@contextmanager
def arithmetic_of(precision: Precision) -> Iterator[None]:
    """Settings of cuDNN and cuBLAS for passes of a precision; those from before are restored.

    float32 is exact: without TensorFloat-32, which rounds factors to 10 bits of mantissa, and with convolutions that
    return the same bits in every run. Half precision takes the fastest convolutions, and its bits are not promised.
    cuDNN tries out no algorithms (``benchmark``), because their times decide then, and with them the bits.
    """
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = (cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark, matmul.allow_tf32)
    exact = precision == "float32"
    cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark = not exact, exact, False
    matmul.allow_tf32 = False
    try:
        yield
    finally:
        cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark, matmul.allow_tf32 = before
