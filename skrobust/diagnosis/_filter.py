"""Rows that are not trusted, dropped before another estimator sees them."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, clone, is_classifier, is_regressor
from sklearn.utils import Tags, _safe_indexing, get_tags, indexable

from skrobust._validation import (
    HasMethods,
    Interval,
    Real,
    StrOptions,
    fit_context,
    remember_features,
    unchanged_on_error,
    warn_caller,
)
from skrobust.diagnosis._audit import audit_labels
from skrobust.diagnosis._frame import DiagnosisMixin, row_scores, trusted_rows
from skrobust.diagnosis._rate import warn_of_doubt

__all__ = ["RobustFilter", "RowFilter"]

_FITTED = (
    "audit_",
    "corruption_rate_",
    "corruption_rate_interval_",
    "estimator_",
    "keep_frequency_",
)


class RowFilter(DiagnosisMixin, BaseEstimator):
    """Base of the filters: ``fit_resample`` as in imbalanced-learn.

    A subclass scores and marks the rows in ``_judge``.
    """

    inlier_mask_: np.ndarray
    sample_indices_: np.ndarray
    estimator_: BaseEstimator

    @abstractmethod
    def _judge(self, X: Any, y: Any) -> None:
        """Set ``scores_`` and ``inlier_mask_``."""

    @fit_context
    def fit(self, X: Any, y: Any) -> Self:
        """Judge the rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Labels or targets.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the inputs or a parameter are invalid, or no row would be left.
        TypeError
            If the estimator lacks what the filter needs.
        """
        with unchanged_on_error(self):
            self._judge(X, y)
            remember_features(self, X)
            self.sample_indices_ = np.flatnonzero(self.inlier_mask_)
            if not len(self.sample_indices_):
                raise ValueError(f"{self.estimator!r} trusts none of the {len(self.scores_)} rows")
            if is_classifier(getattr(self, "estimator_", self.estimator)):
                self._warn_of_empty_classes(np.asarray(y))
        return self

    def _warn_of_empty_classes(self, labels: np.ndarray) -> None:
        lost = np.setdiff1d(labels, labels[self.inlier_mask_]).tolist()
        if lost:
            warn_caller(
                f"no row labelled {', '.join(map(repr, lost))} is left: what trains on the other "
                "rows does not know that class; a smaller corruption_rate keeps rare classes"
            )

    def fit_resample(self, X: Any, y: Any) -> tuple[Any, Any]:
        """Drop the rows that are not trusted.

        Parameters
        ----------
        X, y : array-likes
            As for :meth:`fit`, which raises what this raises.

        Returns
        -------
        X, y : of the kinds that were given
            The other rows, in their order.
        """
        X, y = indexable(X, y)
        kept = self.fit(X, y).sample_indices_
        return _safe_indexing(X, kept), _safe_indexing(y, kept)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.three_d_array = True
        return tags


class RobustFilter(RowFilter):
    """Drops the rows that an estimator does not trust, before any other estimator.

    For the pipelines of imbalanced-learn, which pass rows through ``fit_resample`` in training and
    leave new rows alone.

    Parameters
    ----------
    estimator : estimator of this package, detector of PyOD, classifier or regressor
        Whoever tells good rows from bad. A learner such as :class:`PRLClassifier` judges labels or
        targets in its training, and a detector such as :class:`RCADetector` looks at the inputs
        only; their ``corruption_rate`` or ``contamination`` decides how many rows go. Any other
        classifier with ``predict_proba`` and any other regressor judges rows that it has not seen
        (:func:`audit_labels`), by what follows here. It is cloned.
    corruption_rate : float in [0, 1) or "auto", default="auto"
        Share of the rows that go, those of highest score, for estimators without a rate of their
        own. "auto" estimates it from the same predictions, as
        :func:`estimate_corruption_rate` does.
    cv : int, splitter or iterable of (train, test), default=5
        Folds for such estimators, as in :func:`audit_labels`.
    random_state : int, RandomState or None, default=None
        Seeds the shuffling of an int ``cv``.

    Attributes
    ----------
    scores_ : array of shape (n_samples,)
        The estimator's scores of the rows, high for those it does not trust.
    inlier_mask_ : array of shape (n_samples,), bool
        False for the rows that are dropped.
    sample_indices_ : array of shape (n_kept,), int
        Places of the others, ascending.
    keep_frequency_ : array of shape (n_samples,)
        Share of the epochs after warm-up in which the estimator kept the row, if it counts them.
    estimator_ : estimator
        The fitted clone, of an estimator that judges the rows that it is trained on.
    audit_ : LabelAudit
        Of an estimator that judges rows it has not seen: what it says of each.
    corruption_rate_, corruption_rate_interval_ : float, tuple of two floats
        Likewise: the rate, and the interval of 95 % of an estimate.
    n_features_in_, feature_names_in_ : as in PRLClassifier
        What ``fit`` leaves.

    See Also
    --------
    SpectralSignatureFilter : Drops by what a network has learnt of each class.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from skrobust import PRLClassifier, RobustFilter
    >>> from skrobust.corruption import corrupt_labels
    >>> X, truth = load_wine(return_X_y=True)
    >>> y, wrong = corrupt_labels(truth, 0.2, random_state=0)
    >>> model = PRLClassifier(corruption_rate=0.2, random_state=0)
    >>> kept, labels = RobustFilter(model).fit_resample(X, y)
    >>> kept.shape
    (142, 13)

    By a model that knows nothing of wrong labels, which judges rows that it has not seen:

    >>> from sklearn.ensemble import RandomForestClassifier
    >>> forest = RandomForestClassifier(min_samples_leaf=5, random_state=0)
    >>> by_forest = RobustFilter(forest, random_state=0).fit(X, y)
    >>> abs(by_forest.corruption_rate_ - 0.2) < 0.05
    True
    >>> bool(wrong[by_forest.sample_indices_].mean() < 0.05)
    True
    """

    corruption_rate_: float
    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit"])],
        "corruption_rate": [Interval(Real, 0, 1, closed="left"), StrOptions({"auto"})],
        "cv": ["cv_object"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        corruption_rate: float | str = "auto",
        cv: Any = 5,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.corruption_rate = corruption_rate
        self.cv = cv
        self.random_state = random_state

    def _judge(self, X: Any, y: Any) -> None:
        for name in _FITTED:
            self.__dict__.pop(name, None)
        judges = is_classifier(self.estimator) or is_regressor(self.estimator)
        if judges and not isinstance(self.estimator, DiagnosisMixin):
            self._judge_unseen(X, y)
        else:
            self._judge_trained(X, y)

    def _judge_unseen(self, X: Any, y: Any) -> None:
        """Have each row judged by a model that was trained on others."""
        self.audit_ = audit_labels(self.estimator, X, y, cv=self.cv, random_state=self.random_state)
        self.scores_ = self.audit_.scores
        if isinstance(self.corruption_rate, Real):
            self.corruption_rate_ = float(self.corruption_rate)
        else:
            estimate = self.audit_.estimate_rate()
            warn_of_doubt("corruption_rate", estimate)
            self.corruption_rate_ = estimate.rate
            self.corruption_rate_interval_ = (estimate.low, estimate.high)
        n_rows = len(self.scores_)
        n_dropped = math.ceil(self.corruption_rate_ * n_rows - 1e-9)  # as learners count
        self.inlier_mask_ = np.ones(n_rows, dtype=bool)
        self.inlier_mask_[self.audit_.order[:n_dropped]] = False

    def _judge_trained(self, X: Any, y: Any) -> None:
        """Take over what an estimator says of the rows that it is trained on."""
        model = clone(self.estimator)
        if get_tags(model).target_tags.required:
            model.fit(X, y)
        else:
            model.fit(X)  # some PyOD detectors return None
        self.estimator_ = model
        self.inlier_mask_ = trusted_rows(model)
        self.scores_ = row_scores(model)
        if hasattr(model, "keep_frequency_"):
            self.keep_frequency_ = model.keep_frequency_

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        if hasattr(self.estimator, "__sklearn_tags__"):
            inner = get_tags(self.estimator).input_tags
            tags.input_tags.allow_nan, tags.input_tags.sparse = inner.allow_nan, inner.sparse
        return tags
