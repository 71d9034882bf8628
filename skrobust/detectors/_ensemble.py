"""RCA's scoring ensemble: few passes in the place of many, and errors in the units of a column."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["choose_passes", "draw_rows", "pass_errors", "relative_errors", "typical_errors"]

_TOLERANCE = 0.1  # of the mean error over the rows: what is smaller need not be told apart
_FLOOR = 0.3  # of the mean over the features
_LARGE = 10.0  # times the typical error
_LEAST = 1e-12


def draw_rows(rows: Tensor, n: int) -> Tensor:
    """Draw up to ``n`` of the rows (n_rows, n_features)."""
    return rows[torch.randperm(len(rows))[:n].to(rows.device)]


@torch.no_grad()
def pass_errors(module: Any, passes: Tensor, x: Tensor, loss: Callable) -> Tensor:
    """Errors of rows by each sub-network.

    Parameters
    ----------
    module : StackedMLP or VariationalAutoencoder
        The networks.
    passes : Tensor of shape (n_drawn, n_networks, n_units)
        What ``draw_passes`` has drawn.
    x : Tensor of shape (n_rows, n_features)
        Rows.
    loss : callable ``(outputs, targets) -> Tensor (n_networks, n_rows)``
        Error of each row.

    Returns
    -------
    Tensor of shape (n_drawn, n_networks, n_rows)
    """
    outputs = (module.run_sub_networks(module.sub_networks(one), x) for one in passes)
    return torch.stack([loss(output, x.expand_as(output)) for output in outputs])


def choose_passes(errors: Tensor, n_passes: int) -> Tensor:
    """Choose the sub-networks whose mean error comes nearest to that of all.

    One is added after the other, of each network in turn: the one that brings the mean so far
    nearest to that over all, in the sum of squares over the rows, errors in units of their row's
    mean (kernel herding, with the errors of the rows as the kernel's features).

    Parameters
    ----------
    errors : Tensor of shape (n_drawn, n_networks, n_rows)
        Errors of rows by each sub-network of each network.
    n_passes : int
        How many of each network to choose, at most ``n_drawn``.

    Returns
    -------
    Tensor of shape (n_passes, n_networks), int64
        Their places among the drawn, each at most once.

    References
    ----------
    .. [1] Chen, Y., Welling, M., Smola, A. Super-samples from kernel herding. UAI, 2010.
    """
    errors = errors.double()
    typical = errors.mean(dim=0)
    of_rows = typical.mean(dim=0)
    apart = (errors - typical) / (of_rows + _TOLERANCE * of_rows.mean()).clamp_min(1e-300)
    squares = apart.square().sum(dim=2)
    total = torch.zeros_like(of_rows)
    chosen = torch.empty(n_passes, errors.shape[1], dtype=torch.int64)
    for i in range(n_passes):
        for k in range(errors.shape[1]):
            growth = squares[:, k] + 2 * apart[:, k] @ total
            growth[chosen[:i, k].to(growth.device)] = torch.inf
            chosen[i, k] = growth.argmin()
            total += apart[chosen[i, k], k]
    return chosen


def typical_errors(errors: np.ndarray) -> np.ndarray:
    """Median error of each feature, none far below the others'.

    Parameters
    ----------
    errors : array of shape (n_rows, n_features), float64
        Reconstruction errors of training rows.

    Returns
    -------
    array of shape (n_features,), float64
        The medians, each larger by 0.3 of their mean: a column that is nearly constant would weigh
        more than all others else.
    """
    medians: np.ndarray = np.median(errors, axis=0)
    return medians + _FLOOR * medians.mean() + _LEAST


def relative_errors(errors: np.ndarray, typical: np.ndarray) -> np.ndarray:
    """Errors in units of what is typical; from ten on they count as their logarithm.

    Parameters
    ----------
    errors : array of shape (n_rows, n_features), float64
        Reconstruction errors.
    typical : array of shape (n_features,)
        See :func:`typical_errors`.

    Returns
    -------
    array of shape (n_rows, n_features), float64
        10 log(1 + u / 10) of the errors u in units: next to u where u is small.
    """
    return _LARGE * np.log1p(errors / (_LARGE * typical))
