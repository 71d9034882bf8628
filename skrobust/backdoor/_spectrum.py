"""A limit on the singular values of a linear layer, kept after every step (Algorithm 7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from skorch.callbacks import Callback
from torch import Tensor

__all__ = ["SpectrumLimit", "limit_spectrum"]


@dataclass
class SpectrumLimit(Callback):
    """Limits the layer's singular values after every step."""

    limit: float
    how: str

    def on_batch_end(self, net: Any, training: bool = False, **kwargs: Any) -> None:
        """Limit them."""
        if training:
            limit_spectrum(net.module_.layers[0].weight, self.limit, self.how)


@torch.no_grad()
def limit_spectrum(weight: Tensor, limit: float, how: str) -> None:
    """Bring the singular values of matrices down to a limit, in place.

    Parameters
    ----------
    weight : Tensor of shape (..., n_inputs, n_outputs)
        Changed where the largest singular value of a matrix is above the limit.
    limit : float
        The largest that remains.
    how : {"scale", "clip"}
        "scale" divides the matrix, "clip" lowers those singular values that are above the limit.
    """
    left, values, right = torch.linalg.svd(weight, full_matrices=False)
    if how == "clip":
        limited = (left * values.clamp(max=limit).unsqueeze(-2)) @ right
        too_large = values[..., 0] > limit
        weight.copy_(torch.where(too_large[..., None, None], limited, weight))
    else:
        weight.div_((values[..., 0] / limit).clamp(min=1.0)[..., None, None])
