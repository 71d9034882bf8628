"""Rules that turn the scores of a batch into the rows each network keeps, and their exchange.

Scores have shape (n_networks, n_rows); a low score means a trusted row. The number of kept rows
is a Python integer wherever it does not depend on the data, so no rule waits for the device.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

__all__ = [
    "Selection",
    "derangement",
    "drop_above",
    "exchange",
    "keep_all",
    "keep_both",
    "keep_count",
    "keep_disagreement",
    "keep_lowest",
    "keep_lowest_per_group",
    "keep_single_lowest",
    "keep_some_of_each",
]


class Selection(NamedTuple):
    """Rows chosen from one batch, one choice per network.

    Parameters
    ----------
    rows : Tensor of shape (n_networks, n_kept), int64
        Positions in the batch, most trusted first.
    weights : Tensor of shape (n_networks, n_kept) or None
        Weight of each row in the mean loss; rows of weight 0 are dropped. None: all equal.
    counts : bool, default=True
        Whether the epoch counts for how often rows were kept: False while the drop rate grows.
    """

    rows: Tensor
    weights: Tensor | None = None
    counts: bool = True

    def mask(self, n_rows: int) -> Tensor:
        """Which of the ``n_rows`` rows are kept, (n_networks, n_rows) bool."""
        mask = torch.zeros(len(self.rows), n_rows, dtype=torch.bool, device=self.rows.device)
        if self.weights is None:
            return mask.scatter_(1, self.rows, True)
        return mask.scatter_(1, self.rows, self.weights > 0)

    @staticmethod
    def join(selections: Sequence[Selection], sizes: Sequence[int]) -> Selection:
        """Selections from batches of these sizes as one from the batches put together."""
        device = selections[0].rows.device
        starts = torch.tensor([0, *accumulate(sizes[:-1])], device=device)
        counts = torch.tensor([one.rows.shape[1] for one in selections], device=device)
        rows = torch.cat([one.rows for one in selections], dim=1)
        rows = rows + starts.repeat_interleave(counts, output_size=rows.shape[1])
        if all(one.weights is None for one in selections):
            return Selection(rows)
        weights = [
            torch.ones_like(one.rows) if one.weights is None else one.weights for one in selections
        ]
        return Selection(rows, torch.cat(weights, dim=1))

    def weighted_mean(self, losses: Tensor) -> Tensor:
        """Mean loss of the kept rows, one per network.

        Parameters
        ----------
        losses : Tensor of shape (n_networks, n_kept)
            Losses of the chosen rows, in the order of ``rows``.

        Returns
        -------
        Tensor of shape (n_networks,)
            0 for a network that keeps no row.
        """
        if self.weights is None:
            return losses.mean(dim=1)
        kept = torch.where(self.weights > 0, losses, 0.0)  # a dropped loss may be infinite
        return (kept * self.weights).sum(dim=1) / self.weights.sum(dim=1).clamp(min=1e-12)

    def mean_weights(self, n_rows: int) -> Tensor:
        """Weights of all ``n_rows`` rows with which :meth:`weighted_mean` is a sum.

        Returns
        -------
        Tensor of shape (n_networks, n_rows)
            0 for dropped rows; each network's sum to 1, or to 0 if it keeps no row.
        """
        shape = self.rows.shape
        weights = self.weights
        if weights is None:
            weights = torch.full(shape, 1.0 / shape[1], device=self.rows.device)
        else:
            weights = weights / weights.sum(dim=1, keepdim=True).clamp(min=1e-12)
        return weights.new_zeros(shape[0], n_rows).scatter_(1, self.rows, weights)


def keep_count(n_rows: int, drop_rate: float) -> int:
    """Count the rows to keep: the number dropped is rounded up, and one row always stays.

    Parameters
    ----------
    n_rows : int
        Rows in the batch.
    drop_rate : float in [0, 1)
        Share that is dropped.

    Returns
    -------
    int
        At least 1.

    Notes
    -----
    The 1e-9 guards against products such as (1 - 0.9) * 10 = 0.9999999999999998.
    """
    return max(1, math.floor((1.0 - drop_rate) * n_rows + 1e-9))


def keep_lowest(scores: Tensor, drop_rate: float) -> Selection:
    """Keep the rows of lowest score: Algorithms 1, 2, 3 and 4 of the thesis.

    Parameters
    ----------
    scores : Tensor of shape (n_networks, n_rows)
        One score per network and row. NaN counts as larger than infinity.
    drop_rate : float in [0, 1)
        Share of the rows that is dropped.

    Returns
    -------
    Selection
        Of equal scores the row that stands first in the batch is kept first.
    """
    n_kept = keep_count(scores.shape[-1], drop_rate)
    if n_kept == scores.shape[-1]:
        return keep_all(scores)  # in batch order: rate 0 is plain training to the bit
    order = torch.sort(scores, dim=-1, stable=True).indices
    return Selection(order[:, :n_kept])


def keep_all(scores: Tensor, drop_rate: float = 0.0) -> Selection:
    """Keep every row, whatever its score.

    Parameters
    ----------
    scores : Tensor of shape (n_networks, n_rows)
        Only its shape is used.
    drop_rate : float, default=0.0
        Ignored.

    Returns
    -------
    Selection
        All rows, in batch order.
    """
    rows = torch.arange(scores.shape[-1], device=scores.device)
    return Selection(rows.expand(len(scores), -1))


def drop_above(selection: Selection, scores: Tensor, limit: Tensor) -> Selection:
    """Drop those of the chosen rows whose score is above a limit, too.

    Parameters
    ----------
    selection : Selection
        What a rule has chosen.
    scores : Tensor of shape (n_networks, n_rows)
        The scores that it was chosen by.
    limit : Tensor of shape (n_networks, 1)
        One per network. A network whose scores are all above it keeps its lowest.

    Returns
    -------
    Selection
        The same rows, of weight 0 where dropped.
    """
    limit = torch.maximum(limit, scores.amin(dim=1, keepdim=True))
    weights = (scores.gather(1, selection.rows) <= limit).to(scores.dtype)
    if selection.weights is not None:
        weights = weights * selection.weights
    return selection._replace(weights=weights)


def keep_single_lowest(scores: Tensor, drop_rate: float = 0.0) -> Selection:
    """Keep the one row of lowest score (Min-SGD: Shah et al., 2020).

    Parameters
    ----------
    scores : Tensor of shape (n_networks, n_rows)
        One score per network and row.
    drop_rate : float, default=0.0
        Ignored.

    Returns
    -------
    Selection
        One row per network.
    """
    return Selection(torch.sort(scores, dim=-1, stable=True).indices[:, :1])


def keep_disagreement(scores: Tensor, drop_rate: float = 0.0) -> Selection:
    """Keep the rows on which the networks disagree (Decouple: Malach and Shalev-Shwartz, 2017).

    Parameters
    ----------
    scores : Tensor of shape (n_networks, n_rows)
        Each network's prediction of each row: for this rule the score is the predicted class.
    drop_rate : float, default=0.0
        Ignored.

    Returns
    -------
    Selection
        All rows, of weight 0 where the networks agree.
    """
    disagree = (scores != scores[:1]).any(dim=0)
    return keep_all(scores)._replace(weights=disagree.float().expand(scores.shape))


def keep_lowest_per_group(scores: Tensor, drop_rate: float, groups: Tensor) -> Selection:
    """Keep the rows of lowest score within each group (class) of the batch.

    A group of m rows keeps ``keep_count(m, drop_rate)`` of them.

    Parameters
    ----------
    scores : Tensor of shape (n_networks, n_rows)
        One score per network and row. NaN counts as larger than infinity.
    drop_rate : float in [0, 1)
        Share of each group that is dropped.
    groups : Tensor of shape (n_rows,)
        Group of each row.

    Returns
    -------
    Selection
        All rows, of weight 0 where dropped.
    """
    order = torch.sort(scores, dim=-1, stable=True).indices
    ordered = groups[order]  # (n_networks, n_rows), best row first
    same = ordered.unsqueeze(2) == ordered.unsqueeze(1)
    rank = same.tril(diagonal=-1).sum(dim=2)  # better rows of the same group
    size = same.sum(dim=2).double()
    n_kept = torch.floor((1.0 - drop_rate) * size + 1e-9).clamp(min=1)
    return Selection(order, (rank < n_kept).to(scores.dtype))


def keep_some_of_each(
    kept: Selection, scores: Tensor, labels: Tensor, share: float = 0.25
) -> Selection:
    """Keep the best rows of each label besides those that are chosen already.

    Parameters
    ----------
    kept : Selection
        What another rule has chosen.
    scores : Tensor of shape (n_networks, n_rows)
        One score per network and row.
    labels : Tensor of shape (n_rows, n_classes)
        1 in the column of each row's label, 0 elsewhere.
    share : float in [0, 1], default=0.25
        Of each label that is kept at least, rounded down.

    Returns
    -------
    Selection
        All rows, of weight 0 where dropped.
    """
    order = torch.sort(scores, dim=-1, stable=True).indices
    ordered = labels[order]  # (n_networks, n_rows, n_classes)
    place = (ordered.cumsum(dim=1) * ordered).sum(dim=2)  # within the label, from 1
    least = (ordered * torch.floor(share * labels.sum(dim=0))).sum(dim=2)
    chosen = kept.mask(scores.shape[1]).gather(1, order) | (place <= least)
    return kept._replace(rows=order, weights=chosen.to(scores.dtype))


def keep_both(first: Selection, second: Selection, n_rows: int) -> Selection:
    """Keep the rows that two selections of one batch keep, with the weights of the first.

    Parameters
    ----------
    first, second : Selection
        Each of all networks.
    n_rows : int
        Rows in the batch.

    Returns
    -------
    Selection
        The rows of ``first``, of weight 0 where ``second`` drops them.
    """
    weights = second.mask(n_rows).gather(1, first.rows).float()
    return first._replace(weights=weights if first.weights is None else weights * first.weights)


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
    return selection._replace(
        rows=_permute(selection.rows, permutation),
        weights=None if weights is None else _permute(weights, permutation),
    )


def _permute(part: Tensor, permutation: np.ndarray) -> Tensor:
    """Index by Python numbers: a tensor of indices would make a GPU wait for its copy."""
    return torch.stack([part[k] for k in permutation.tolist()])
