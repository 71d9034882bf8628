"""Who trains on whose selection."""

from __future__ import annotations

import numpy as np
import torch

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
    source = torch.as_tensor(permutation, device=selection.rows.device)
    weights = None if selection.weights is None else selection.weights[source]
    return Selection(selection.rows[source], weights)
