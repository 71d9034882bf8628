"""Scores of several detectors as one: a common scale, and weights without labels."""

from __future__ import annotations

from typing import Self

import numpy as np
from sklearn.metrics import roc_auc_score

__all__ = ["Standardizer", "agreement", "by_known", "with_share"]

_BOUND, _BEYOND = 6.0, 1e-3
_NORMAL_IQR = 1.349
_LARGEST = 1e100
_FEWEST_KNOWN = 3
_HEAD, _LEAST_HEAD, _LEAST_WEIGHT = 0.1, 5, 0.02


class Standardizer:
    """Bring the scores of detectors to one scale on which no row is far above all others.

    With z = 1.349 (score - median) / (interquartile range), of the training rows, a score becomes
    6 tanh(z / 6) + arcsinh(z) / 1000: 0 for the median, about 1 one standard deviation above it,
    and hardly more than 6; the small term keeps the order of the farthest rows. Where half of the
    scores are the same, their standard deviation takes the place of the range.
    """

    def fit(self, scores: np.ndarray) -> Self:
        """Learn from scores of the training rows (n_rows, n_members)."""
        scores = _finite(scores)
        self.center_ = np.median(scores, axis=0)
        spread = np.subtract(*np.quantile(scores, [0.75, 0.25], axis=0)) / _NORMAL_IQR
        spread = np.where(spread > 0, spread, scores.std(axis=0))
        self.scale_ = np.where(spread > 0, spread, 1.0)
        return self

    def transform(self, scores: np.ndarray) -> np.ndarray:
        """Return scores (n_rows, n_members) on the common scale."""
        z = (_finite(scores) - self.center_) / self.scale_
        standardized: np.ndarray = _BOUND * np.tanh(z / _BOUND) + _BEYOND * np.arcsinh(z)
        return standardized


def agreement(scores: np.ndarray) -> np.ndarray:
    """Weights of detectors by how far the heads of their lists agree.

    Parameters
    ----------
    scores : array of shape (n_rows, n_members)
        Scores of the training rows.

    Returns
    -------
    array of shape (n_members,)
        Share of the highest tenth of the rows (of five rows at least) that is among the highest
        tenth of another member too, mean over the others, plus 0.02; divided by the sum of all.
    """
    n_rows, n_members = scores.shape
    if n_members == 1:
        return np.ones(1)
    n_head = min(n_rows, max(_LEAST_HEAD, round(_HEAD * n_rows)))
    order = np.argsort(-scores, axis=0, kind="stable")[:n_head]
    is_head = np.zeros(scores.shape)
    np.put_along_axis(is_head, order, 1.0, axis=0)
    shared = is_head.T @ is_head / n_head
    weights = (shared.sum(axis=1) - 1.0) / (n_members - 1) + _LEAST_WEIGHT
    return weights / weights.sum()


def by_known(weights: np.ndarray, scores: np.ndarray, known: np.ndarray | None) -> np.ndarray:
    """Multiply weights by how well detectors rank known anomalies above rows that are not known.

    Parameters
    ----------
    weights : array of shape (n_members,)
        Weights without what is known.
    scores : array of shape (n_rows, n_members)
        Scores of the training rows.
    known : array of shape (n_rows,) or None
        1 for known anomalies, 0 for known normal rows, -1 for the rest.

    Returns
    -------
    array of shape (n_members,)
        Weights times 2 AUC - 1, at least 0.02, divided by their sum; as they were with fewer than
        three known anomalies.
    """
    if known is None or (known == 1).sum() < _FEWEST_KNOWN:
        return weights
    used = known != 0
    skills = [2 * roc_auc_score(known[used] == 1, column[used]) - 1 for column in scores.T]
    weights = weights * np.maximum(skills, _LEAST_WEIGHT)
    return weights / weights.sum()


def with_share(weights: np.ndarray, place: int, share: float) -> np.ndarray:
    """Raise one weight to ``share`` where it is below; the others keep their proportions."""
    if weights[place] >= share or weights[place] == 1.0:
        return weights
    others = weights * (1.0 - share) / (1.0 - weights[place])
    others[place] = share
    return others


def _finite(scores: np.ndarray) -> np.ndarray:
    return np.nan_to_num(scores, nan=0.0, posinf=_LARGEST, neginf=-_LARGEST)
