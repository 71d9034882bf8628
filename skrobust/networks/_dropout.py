"""Dropout that is cheap on a CPU."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["dropout"]

_LEVELS = 1 << 16


def dropout(x: Tensor, p: float, training: bool) -> Tensor:
    """Set each element to 0 with probability ``p`` and scale the others by 1 / (1 - p).

    torch draws one floating-point number per element, which is most of a small network's training
    time on a CPU; here 16 random bits decide, so that ``p`` is rounded to a multiple of 2**-16.
    Other devices use torch's own.
    """
    if not training or p == 0:
        return x
    if x.device.type != "cpu":
        return F.dropout(x, p, training=True)
    n_words = (x.numel() + 3) // 4
    words = torch.empty(n_words, dtype=torch.int64).random_(-(2**63), None)
    bits = words.view(torch.int16)[: x.numel()].view(x.shape)  # uniform on [-2**15, 2**15)
    n_dropped = min(round(p * _LEVELS), _LEVELS - 1)
    scale = _LEVELS / (_LEVELS - n_dropped)
    kept = bits >= n_dropped - _LEVELS // 2
    return x * kept.to(x.dtype).mul_(scale)
