"""What turns a robust learner into a classifier."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import column_or_1d
from torch import Tensor

from skrobust._validation import sorted_classes, warn_caller
from skrobust.diagnosis import CorruptionEstimate, wrong_label_rate
from skrobust.selection import bootstrap, bootstrap_gradient_norm
from skrobust.supervised._base import RowFunction
from skrobust.supervised._looks import check_module

__all__ = ["LabelMixin", "bootstrap_functions"]

_MOSTLY, _ENOUGH = 0.9, 20  # of the rows that are dropped
_HARD_WEIGHT, _SOFT_WEIGHT = 0.8, 0.95


class LabelMixin(ClassifierMixin):
    """Labels of any type, encoded and decoded; probabilities are means over the networks."""

    classes_: np.ndarray
    inlier_mask_: np.ndarray
    corruption_rate_: float
    _bad = "wrong"  # what rows are that should not be trusted
    _before_training = staticmethod(partial(check_module, logits=True))

    def predict(self, X: Any) -> np.ndarray:
        """Label rows by the class of largest probability.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Rows to label.

        Returns
        -------
        array of shape (n_samples,)
            Elements of ``classes_``.
        """
        most_likely = self.predict_proba(X).argmax(axis=1)
        return self.classes_[most_likely]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probability of each class, mean over the networks.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Rows to judge.

        Returns
        -------
        array of shape (n_samples, n_classes), float64
            Columns in the order of ``classes_``.
        """
        return self._predictions(X)

    def _encode(self, y: np.ndarray) -> tuple[np.ndarray, int]:
        if y.dtype.kind in "biuU":  # of which nothing can be wrong
            self.classes_, codes = np.unique(y, return_inverse=True)
        else:
            self.classes_, codes, _ = sorted_classes(y)
        if len(self.classes_) < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least two classes, y holds only one class: "
                f"{self.classes_[0]!r}"
            )
        return codes.astype(np.int64), len(self.classes_)

    def _encode_more(self, y: Any) -> np.ndarray:
        y = column_or_1d(y)
        known = np.isin(y, self.classes_)
        if not known.all():
            raise ValueError(f"y holds {y[~known].tolist()[0]!r}, which is none of classes_")
        return np.searchsorted(self.classes_, y)

    def _selects(self) -> bool:
        """Whether training drops rows."""
        if hasattr(self, "noisy_label"):
            return self.noisy_label in ("prl", "spl") and getattr(self, "robust_outer", True)
        return getattr(self, "selection", None) is not None

    def _warn_of_result(self, targets: np.ndarray) -> None:
        """Warn of classes of which more than half of the rows are not trusted."""
        if not self._selects():
            return
        n_rows = np.bincount(targets, minlength=len(self.classes_))
        n_kept = np.bincount(targets[self.inlier_mask_], minlength=len(self.classes_))
        n_lost = n_rows - n_kept
        most, total = int(n_lost.argmax()), int(n_lost.sum())
        is_one = n_lost[most] > max(_MOSTLY * total, _ENOUGH) and 2 * n_rows[most] < n_rows.sum()
        if is_one and hasattr(self, "selection"):  # poison may well have one label
            warn_caller(
                f"{n_lost[most]} of the {total} rows that are not trusted are labelled "
                f"{self.classes_.tolist()[most]!r}, which is the label of fewer than half of the "
                "rows: if mistakes go one way, as with positives that are recorded as negatives, "
                "these may be the right ones; selection='prior-adjusted' ranks labels apart"
            )
        lost = self.classes_[2 * n_kept < n_rows]
        if len(lost):
            names = ", ".join(map(repr, lost.tolist()))
            warn_caller(
                f"more than half of the rows labelled {names} are not trusted: if that many are "
                f"{self._bad}, no guarantee holds; if they are rare or unlike the others, a "
                f"smaller corruption_rate (now {self.corruption_rate_:.3g}) keeps them"
            )

    def _judge_rate(self, predictions: np.ndarray, targets: np.ndarray) -> CorruptionEstimate:
        return wrong_label_rate(predictions, targets)

    @staticmethod
    def _combine(outputs: Tensor) -> Tensor:
        return outputs.softmax(dim=-1).mean(dim=0)


def bootstrap_functions(hard: bool, weight: float | None = None) -> tuple[RowFunction, RowFunction]:
    """Loss and gradient norm with mixed labels; None is the weight of Reed et al. (2015)."""
    if weight is None:
        weight = _HARD_WEIGHT if hard else _SOFT_WEIGHT
    loss = partial(bootstrap, weight=float(weight), hard=hard)
    return loss, partial(bootstrap_gradient_norm, weight=float(weight), hard=hard)
