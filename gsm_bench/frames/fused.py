"""One pass of the resize as one Triton kernel; plain torch writes the products of every tap to memory.

Imported only where Triton is installed and a GPU runs it; with TRITON_INTERPRET=1 it runs on a CPU, slowly.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 1024
"""Output bytes per program."""
SIZES = ["total_bytes", "height", "width", "taps", "stride_image", "stride_row", "stride_column"]


# One kernel for all sizes: specialising would compile it again for widths divisible by 16.
@triton.jit(do_not_specialize=SIZES)  # type: ignore[untyped-decorator]
def _mix(  # type: ignore[no-untyped-def]
    source, places, weights, out, total_bytes, height, width, taps, stride_image, stride_row, stride_column,
    ACROSS: tl.constexpr, BITS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)  # a byte of [N, height, width, 3]
    inside = at < total_bytes
    channel = at % 3
    column = (at // 3) % width
    row = (at // (3 * width)) % height
    image = at // (3 * width * height)
    line = column if ACROSS else row
    count = width if ACROSS else height
    rest = image * stride_image + channel + (row * stride_row if ACROSS else column * stride_column)
    step = stride_column if ACROSS else stride_row
    total = tl.full((BLOCK,), 1 << (BITS - 1), tl.int32)
    for tap in range(taps):
        place = tl.load(places + tap * count + line, mask=inside, other=0)
        weight = tl.load(weights + tap * count + line, mask=inside, other=0)
        total += tl.load(source + rest + place * step, mask=inside, other=0).to(tl.int32) * weight
    value = tl.minimum(tl.maximum(total >> BITS, 0), 255)
    tl.store(out + at, value.to(tl.uint8), mask=inside)


def resample(values: Tensor, places: Tensor, weights: Tensor, axis: int, bits: int) -> Tensor:
    """Resample uint8 [N, H, W, 3] along `axis` (1 or 2) with tap places int64 [K, n] and weights int32 [K, n]."""
    shape = list(values.shape)
    shape[axis] = places.shape[1]
    out = torch.empty(shape, dtype=torch.uint8, device=values.device)
    total_bytes = out.numel()
    _mix[(triton.cdiv(total_bytes, BLOCK),)](
        values, places, weights, out, total_bytes, shape[1], shape[2], len(places), *values.stride()[:3],
        ACROSS=axis == 2, BITS=bits, BLOCK=BLOCK,
    )  # fmt: skip
    return out
