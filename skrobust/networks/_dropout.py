"""Dropout that is cheap on a CPU."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["draw_kept", "dropout"]


def dropout(x: Tensor, p: float, training: bool) -> Tensor:
    """Set each element to 0 with probability ``p`` and scale the others by 1 / (1 - p).

    torch draws one floating-point number per element, which is most of a small network's training
    time on a CPU; here 16 random bits decide, so that ``p`` is rounded to a multiple of 2**-16, or
    8 bits where ``p`` is a multiple of 2**-8 already. Other devices use torch's own.
    """
    if not training or p == 0:
        return x
    if x.device.type != "cpu":
        return F.dropout(x, p, training=True)
    kept, scale = draw_kept(x.shape, p)
    return x * kept.to(x.dtype).mul_(scale)


def draw_kept(shape: tuple[int, ...], p: float) -> tuple[Tensor, float]:
    """Draw on the CPU what is kept, integers 0 (with probability ``p``) and 1; 1 / their mean."""
    bits = _random_integers(math.prod(shape), torch.int8 if 256 * p % 1 == 0 else torch.int16)
    least, levels = torch.iinfo(bits.dtype).min, 1 << torch.iinfo(bits.dtype).bits
    n_dropped = min(round(p * levels), levels - 1)
    kept = bits.ge_(least + n_dropped)  # 0 or 1 in place: filling a bool tensor is not vectorised
    return kept.view(shape), levels / (levels - n_dropped)


def _random_integers(n: int, dtype: torch.dtype) -> Tensor:
    """Draw ``n`` integers, uniform on the whole range of their type, from 64-bit words."""
    n_words = -(-n * dtype.itemsize // 8)
    return torch.empty(n_words, dtype=torch.int64).random_(-(2**63), None).view(dtype)[:n]
