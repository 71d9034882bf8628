"""SEVER's score: how far a row's gradient lies along the direction in which gradients vary most."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["sever_scores"]

_N_STEPS = 100
_CLOSE = 1e-6


@torch.no_grad()
def sever_scores(inputs: Tensor, gradients: Tensor, generator: torch.Generator) -> Tensor:
    """Score rows by the gradients that they give to a network's last linear layer.

    A row gives the matrix of products of its gradient at the outputs with its inputs of the layer
    and a 1 (for the bias). The score is the squared projection of these matrices, less their mean,
    on their first right singular vector, which power iteration finds without building them [1]_.

    Parameters
    ----------
    inputs : Tensor of shape (n_rows, n_inputs)
        Inputs of the last layer.
    gradients : Tensor of shape (n_rows, n_outputs)
        Gradients of the rows' losses at its outputs.
    generator : torch.Generator
        Draws where the iteration starts.

    Returns
    -------
    Tensor of shape (n_rows,)
        Squared units of the gradients; large for rows that pull the training together.

    References
    ----------
    .. [1] Diakonikolas, I., Kamath, G., Kane, D., Li, J., Steinhardt, J., Stewart, A. Sever: a
       robust meta-algorithm for stochastic optimization. ICML, 2019. Algorithm 3.
    """
    h = torch.cat([inputs, inputs.new_ones(len(inputs), 1)], dim=1)
    mean = gradients.T @ h / len(h)

    def project(direction: Tensor) -> Tensor:
        return ((gradients @ direction) * h).sum(dim=1) - (mean * direction).sum()

    direction = torch.randn(mean.shape, generator=generator, dtype=h.dtype).to(h.device)
    direction = direction / direction.norm()
    for _ in range(_N_STEPS):
        along = project(direction)
        before = direction
        direction = (gradients * along.unsqueeze(1)).T @ h - along.sum() * mean
        direction = direction / direction.norm().clamp(min=torch.finfo(h.dtype).tiny)
        if (direction * before).sum() > 1 - _CLOSE:
            break
    return project(direction).square()
