"""Who trains on whose selection."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from skrobust.selection._rules import Selection

__all__ = ["derangement", "exchange"]


def derangement(n_networks: int, rng: np.random.Generator) -> np.ndarray:
    """Draw a permutation without fixed point, uniformly: nobody keeps their own selection.

    Parameters
    ----------
    n_networks : int
        One network has nobody to exchange with and gets the identity.
    rng : numpy.random.Generator
        Where it is drawn from.

    Returns
    -------
    array of shape (n_networks,), int
        A permutation of the networks.
    """
    identity = np.arange(n_networks)
    if n_networks == 1:
        return identity
    if n_networks == 2:
        return identity[::-1].copy()
    while True:  # succeeds with probability of about 1/e
        permutation = rng.permutation(n_networks)
        if not np.any(permutation == identity):
            return permutation


def exchange(selection: Selection, permutation: np.ndarray) -> Selection:
    """Give network k the selection of network ``permutation[k]`` (Algorithm 1).

    Parameters
    ----------
    selection : Selection
        Each network's own choice.
    permutation : array of shape (n_networks,), int
        Whose choice each network gets.

    Returns
    -------
    Selection
        What each network trains on.
    """
    if np.array_equal(permutation, np.arange(len(permutation))):
        return selection
    weights = selection.weights
    return Selection(
        _permute(selection.rows, permutation),
        None if weights is None else _permute(weights, permutation),
    )


def _permute(part: Tensor, permutation: np.ndarray) -> Tensor:
    """Index by Python numbers: a tensor of indices would make a GPU wait for its copy."""
    return torch.stack([part[k] for k in permutation.tolist()])
