"""The score of spectral signatures: how far a row lies along its class's longest direction."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["spectral_signature_scores"]


@torch.no_grad()
def spectral_signature_scores(embedding: Tensor) -> Tensor:
    """Score the rows of one class by a network's view of them.

    The scores of spectral signatures [1]_.

    Parameters
    ----------
    embedding : Tensor of shape (n_rows, n_features)
        Activations before the network's last layer.

    Returns
    -------
    Tensor of shape (n_rows,), float64
        Squared projection of each row, less the mean of the rows, on the first right singular
        vector of all: large for rows that form a group of their own.

    Notes
    -----
    The singular vector is computed from the n_features x n_features matrix of products, so that
    memory does not grow with the square of the number of rows.

    References
    ----------
    .. [1] Tran, B., Li, J., Madry, A. Spectral signatures in backdoor attacks. NeurIPS, 2018.
       Algorithm 1.
    """
    centred = embedding.double() - embedding.double().mean(dim=0)
    _, vectors = torch.linalg.eigh(centred.T @ centred)  # eigenvalues ascend
    return (centred @ vectors[:, -1]).square()
