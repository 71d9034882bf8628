"""A few known labels: rows that are known to be anomalies, and rows that are known to be normal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skrobust._validation import Real
from skrobust.detectors._pyod import PyODMixin
from skrobust.selection import Progress, Selection, Selector, score_of

__all__ = ["KeepKnown", "KnownMixin", "learnable", "rate_besides", "validate_known"]

_HIGHEST_RATE = 0.5
_FORWARDED = ("rescore", "keep_held_out", "is_over")


def validate_known(known: Any, n_rows: int) -> np.ndarray | None:
    """Check what is known of the training rows.

    Parameters
    ----------
    known : array-like of shape (n_rows,) or None
        1 for known anomalies, 0 for known normal rows, -1 for the rest.
    n_rows : int
        Training rows.

    Returns
    -------
    array of shape (n_rows,), int, or None
        None where nothing is known.

    Raises
    ------
    ValueError
        If the length is another one, if there are other values, or if fewer than two rows are left
        besides the known anomalies, or none whose label is not known.
    """
    if known is None:
        return None
    given = np.asarray(known)
    if given.shape != (n_rows,):
        raise ValueError(
            f"known has shape {given.shape}; it must be ({n_rows},), one value for each row of X"
        )
    is_other = ~np.isin(given, (-1, 0, 1))
    if given.dtype.kind not in "iufO" or is_other.any():
        value = given[int(np.argmax(is_other))] if is_other.any() else given[0]
        raise ValueError(
            f"known has {value!r}; allowed are 1 (known anomaly), 0 (known normal row) and -1 "
            "(not known)"
        )
    labels: np.ndarray = given.astype(int)
    if not (labels == -1).any():
        raise ValueError("known gives the label of every row; some must be -1 (not known)")
    if (labels != 1).sum() < 2:
        raise ValueError("known leaves fewer than two rows that are no known anomalies")
    return labels if (labels != -1).any() else None


def learnable(known: np.ndarray | None) -> Any:
    """Rows that may be trained on: an index of the training rows."""
    return slice(None) if known is None else known != 1


def rate_besides(rate: float, known: np.ndarray | None, rest: np.ndarray | None = None) -> float:
    """Share of anomalies among rows of ``rest``, if ``rate`` is that among all.

    Parameters
    ----------
    rate : float in [0, 0.5]
        Share of anomalies in the training rows.
    known : array of shape (n_rows,) or None
        As in :func:`validate_known`.
    rest : array of shape (n_rows,), bool, optional
        Rows that hold all anomalies that are not known; by default all but the known anomalies.

    Returns
    -------
    float in [0, 0.5]
    """
    if known is None:
        return rate
    rest = known != 1 if rest is None else rest
    left = rate * len(known) - (known == 1).sum()
    return float(np.clip(left / rest.sum(), 0.0, _HIGHEST_RATE))


@dataclass
class KeepKnown:
    """Keeps known normal rows whatever a selector says of the others, see ``Selector``.

    The selector is shown the lowest score of the batch for them; if it drops one all the same, the
    row is kept with weight 1.

    Parameters
    ----------
    selector : Selector
        What chooses among the other rows.
    is_normal : Tensor of shape (n_rows,), bool
        Known normal rows of the training.
    """

    selector: Selector
    is_normal: Tensor
    score: str = field(init=False)

    def __post_init__(self) -> None:
        self.score = score_of(self.selector)

    def __getattr__(self, name: str) -> Any:
        if name in _FORWARDED:
            return getattr(self.selector, name)
        raise AttributeError(name)

    def __call__(self, scores: Tensor, y: Tensor, row_ids: Tensor, progress: Progress) -> Selection:
        """Choose the rows that are kept, see :class:`skrobust.selection.Selector`."""
        is_normal = self.is_normal[row_ids]
        shown = torch.where(is_normal, scores.amin(dim=1, keepdim=True), scores)
        chosen = self.selector(shown, y, row_ids, progress)
        if not (is_normal & ~chosen.mask(len(row_ids))).any():
            return chosen
        given = torch.ones_like(scores[:, :1]).expand(chosen.rows.shape)
        given = given if chosen.weights is None else chosen.weights.to(scores.dtype)
        weights = torch.zeros_like(scores).scatter(1, chosen.rows, given)
        weights = torch.where(is_normal & (weights <= 0), 1.0, weights)
        order = shown.argsort(dim=1, stable=True)
        return Selection(order, weights.gather(1, order), chosen.counts)


class KnownMixin(PyODMixin):
    """PyOD's contract where the labels of a few training rows are known."""

    _known: np.ndarray | None = None

    def _set_threshold(self, contamination: Any) -> None:
        """Set the threshold among the rows that are not known, and lower it where it must be."""
        known, scores = self._known, self.decision_scores_
        if known is None:
            super()._set_threshold(contamination)
            return
        unknown, is_anomaly = known == -1, known == 1
        told = float(contamination) if isinstance(contamination, Real) else None
        if told is not None:
            contamination = rate_besides(told, known, unknown)
        try:
            self.decision_scores_ = scores[unknown]
            super()._set_threshold(contamination)
        finally:
            self.decision_scores_ = scores
        labels = known.copy()
        labels[unknown] = self.labels_
        if is_anomaly.any():
            self.threshold_, before = self._lowered(is_anomaly), self.threshold_
            if self.threshold_ < before:
                labels[unknown] = scores[unknown] > self.threshold_
        self.labels_, self.inlier_mask_ = labels, labels == 0
        share, n_anomalies = unknown.mean(), is_anomaly.mean()
        self.contamination_ = float(
            self.contamination_ * share + n_anomalies if told is None else told
        )
        if hasattr(self, "contamination_interval_"):
            low, high = self.contamination_interval_
            self.contamination_interval_ = (low * share + n_anomalies, high * share + n_anomalies)

    def _lowered(self, is_anomaly: np.ndarray) -> float:
        """Threshold just below the median of the known anomalies, or of all scores, if lower."""
        scores = self.decision_scores_
        wanted = np.nextafter(np.median(scores[is_anomaly]), -np.inf)
        return float(min(self.threshold_, max(wanted, np.median(scores))))
