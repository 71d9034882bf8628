"""What turns a robust learner into a classifier."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from torch import Tensor

from skrobust.diagnosis import CorruptionEstimate, wrong_label_rate
from skrobust.selection import bootstrap, bootstrap_gradient_norm
from skrobust.supervised._base import RowFunction

__all__ = ["LabelMixin", "bootstrap_functions"]

_HARD_WEIGHT, _SOFT_WEIGHT = 0.8, 0.95


class LabelMixin(ClassifierMixin):
    """Labels of any type, encoded and decoded; probabilities are means over the networks."""

    classes_: np.ndarray

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
        try:
            check_classification_targets(y)
            self.classes_, codes = np.unique(y, return_inverse=True)
        except TypeError as error:
            kinds = ", ".join(sorted({type(label).__name__ for label in y}))
            raise ValueError(f"y holds labels of types that have no order: {kinds}") from error
        if len(self.classes_) < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least two classes, y holds only one class: "
                f"{self.classes_[0]!r}"
            )
        return codes.astype(np.int64), len(self.classes_)

    def _judge_rate(self, predictions: np.ndarray, targets: np.ndarray) -> CorruptionEstimate:
        return wrong_label_rate(predictions, targets)

    def _combine(self, outputs: Tensor) -> Tensor:
        return outputs.softmax(dim=-1).mean(dim=0)


def bootstrap_functions(hard: bool, weight: float | None = None) -> tuple[RowFunction, RowFunction]:
    """Loss and gradient norm with mixed labels; None is the weight of Reed et al. (2015)."""
    if weight is None:
        weight = _HARD_WEIGHT if hard else _SOFT_WEIGHT
    loss = partial(bootstrap, weight=float(weight), hard=hard)
    return loss, partial(bootstrap_gradient_norm, weight=float(weight), hard=hard)
