"""Poisoned rows found by the network that they have trained: spectral signatures."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from sklearn.utils.validation import column_or_1d

from skrobust._validation import Interval, Real
from skrobust.diagnosis import RowFilter
from skrobust.selection import spectral_signature_scores
from skrobust.supervised import PRLClassifier

__all__ = ["SpectralSignatureFilter"]


class SpectralSignatureFilter(RowFilter):
    """Drops the training rows that a network trained on all of them sees as a group apart.

    A network is trained on the poisoned data. Of the rows that carry one label, the poisoned ones
    lie together in the activations before its last layer, and stretch them in one direction: the
    rows that lie far along it are dropped, and whoever comes next trains on the others [1]_.

    Parameters
    ----------
    estimator : classifier with ``embed``, default=None
        What is trained on all rows, such as :class:`BackdoorRobustClassifier` with
        ``noisy_label=None, perturbation_limit=0, occlusion=0``. It is cloned. None is a multi-layer
        perceptron, trained plainly: ``PRLClassifier(selection=None)`` without early stopping.
    corruption_rate : float in [0, 1), default=0.2
        Share of poisoned rows among those of each label.
    multiplier : float, default=1.5
        How many times that share is dropped, as published.
    random_state : int, RandomState or None, default=None
        Seeds the training with ``estimator=None``; another estimator has a seed of its own.

    Attributes
    ----------
    scores_ : array of shape (n_samples,)
        Squared length of each row along the direction of its class, high for rows apart. They
        compare within a class; ``diagnosis_frame`` ranks all rows by them nevertheless.
    inlier_mask_, sample_indices_ : as in RobustFilter
        The rows that are kept.
    estimator_ : classifier
        The one trained on all rows.
    classes_ : array of shape (n_classes,)
        The labels, sorted.
    n_features_in_ : int
        Number of features seen in ``fit``; of channels, for images.

    See Also
    --------
    BackdoorRobustClassifier : Does not need to learn the attack first.

    Notes
    -----
    The activations are centred before their singular vector is taken, as in the paper; some
    implementations project what is not centred. Every value of ``y`` is a class, -1 too: rows
    without a label are for the classifier that comes after, not for the filter.

    References
    ----------
    .. [1] Tran, B., Li, J., Madry, A. Spectral signatures in backdoor attacks. NeurIPS, 2018.
       Algorithm 1.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skrobust import SpectralSignatureFilter
    >>> X, y = load_digits(return_X_y=True)
    >>> kept, labels = SpectralSignatureFilter(corruption_rate=0.1, random_state=0).fit_resample(
    ...     X, y
    ... )
    >>> len(kept) / len(X)
    0.84...
    """

    _parameter_constraints: dict = {
        "estimator": "no_validation",
        "corruption_rate": [Interval(Real, 0, 1, closed="left")],
        "multiplier": [Interval(Real, 0, None, closed="neither")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        corruption_rate: float = 0.2,
        multiplier: float = 1.5,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.corruption_rate = corruption_rate
        self.multiplier = multiplier
        self.random_state = random_state

    def _judge(self, X: Any, y: Any) -> None:
        share = self.multiplier * self.corruption_rate
        if share >= 1:
            raise ValueError(
                f"multiplier={self.multiplier} times corruption_rate={self.corruption_rate} is "
                f"{share:g}: that drops every row; it must be below 1"
            )
        self.estimator_ = self._make_estimator().fit(X, y)
        self.classes_, codes = np.unique(column_or_1d(y), return_inverse=True)
        embedding = torch.from_numpy(self.estimator_.embed(X))
        self.scores_ = np.empty(len(codes))
        self.inlier_mask_ = np.ones(len(codes), dtype=bool)
        for code in range(len(self.classes_)):
            rows = np.flatnonzero(codes == code)
            scores = spectral_signature_scores(embedding[rows]).numpy()
            n_dropped = min(len(rows) - 1, math.ceil(share * len(rows) - 1e-9))
            self.scores_[rows] = scores
            apart = np.argsort(-scores, kind="stable")[:n_dropped]
            self.inlier_mask_[rows[apart]] = False

    def _make_estimator(self) -> Any:
        if self.estimator is None:
            return PRLClassifier(
                selection=None, early_stopping=False, random_state=self.random_state
            )
        if not hasattr(self.estimator, "embed"):
            raise TypeError(
                f"estimator must have embed, which {type(self.estimator).__name__} does not: pass "
                "a classifier of skrobust"
            )
        return clone(self.estimator)
