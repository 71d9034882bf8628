"""Per-row losses and scores: one number per row and network, low for a trusted row.

Outputs and targets have shape (..., n_rows, n_features); the result has shape (..., n_rows).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

__all__ = ["binary_crossentropy", "gaussian_divergence", "squared_error"]


def squared_error(output: Tensor, target: Tensor, per_feature: bool = False) -> Tensor:
    """Squared error, summed over the features (e of Algorithm 1).

    Parameters
    ----------
    output, target : Tensor of shape (..., n_rows, n_features)
        Reconstruction and input.
    per_feature : bool, default=False
        Leave out the sum.

    Returns
    -------
    Tensor of shape (..., n_rows), or (..., n_rows, n_features)
        Squared units of the features.
    """
    errors = (output - target).square()
    return errors if per_feature else errors.sum(dim=-1)


def binary_crossentropy(logits: Tensor, target: Tensor, per_feature: bool = False) -> Tensor:
    """Binary cross-entropy of logits, summed over the features.

    Parameters
    ----------
    logits : Tensor of shape (..., n_rows, n_features)
        Reconstruction before the sigmoid.
    target : Tensor of the same shape
        Input. Values outside [0, 1], which held-out rows can have, are clipped: the loss would
        have no lower bound there.
    per_feature : bool, default=False
        Leave out the sum.

    Returns
    -------
    Tensor of shape (..., n_rows), or (..., n_rows, n_features)
        In nats.
    """
    target = target.clamp(0.0, 1.0)
    errors = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return errors if per_feature else errors.sum(dim=-1)


def gaussian_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Kullback-Leibler divergence of N(mean, diag(variance)) from N(0, I) [Kingma, Welling 2014].

    Parameters
    ----------
    mean, log_variance : Tensor of shape (..., n_rows, latent_dim)
        Parameters of the normal distributions.

    Returns
    -------
    Tensor of shape (..., n_rows)
        In nats.
    """
    return 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).sum(dim=-1)
