"""Normalisation layers that convolutional networks let one choose."""

from __future__ import annotations

import math

from torch import nn

__all__ = ["make_norm"]


def make_norm(norm: str, channels: int) -> nn.Module:
    """Make a layer that normalises images.

    Parameters
    ----------
    norm : {"batch", "group"}
        "group": each image on its own, in 32 groups of channels or the most that divide both.
    channels : int
        Channels of the images.

    Raises
    ------
    ValueError
        If ``norm`` is neither.
    """
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    if norm == "group":
        return nn.GroupNorm(math.gcd(32, channels), channels)
    raise ValueError(f"norm must be one of 'batch', 'group', got {norm!r}")
