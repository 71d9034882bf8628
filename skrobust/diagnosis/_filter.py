"""Rows that are not trusted, dropped before another estimator sees them."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.utils import Tags, _safe_indexing, get_tags, indexable

from skrobust._validation import (
    HasMethods,
    fit_context,
    remember_features,
    unchanged_on_error,
    warn_caller,
)
from skrobust.diagnosis._frame import DiagnosisMixin, row_scores, trusted_rows

__all__ = ["RobustFilter", "RowFilter"]


class RowFilter(DiagnosisMixin, BaseEstimator):
    """Base of the filters: ``fit_resample`` as in imbalanced-learn.

    A subclass scores and marks the rows in ``_judge``.
    """

    inlier_mask_: np.ndarray
    sample_indices_: np.ndarray
    estimator_: BaseEstimator

    @abstractmethod
    def _judge(self, X: Any, y: Any) -> None:
        """Set ``estimator_``, ``scores_`` and ``inlier_mask_``."""

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
            if is_classifier(self.estimator_):
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
    estimator : estimator of this package, or detector of PyOD
        Whoever tells good rows from bad: a learner such as :class:`PRLClassifier`, which judges
        labels or targets, or a detector such as :class:`RCADetector`, which looks at the inputs
        only. It is cloned; its ``corruption_rate`` or ``contamination`` decides how many rows go.

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
        The fitted clone.
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
    """

    _parameter_constraints: dict = {"estimator": [HasMethods(["fit"])]}

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def _judge(self, X: Any, y: Any) -> None:
        model = clone(self.estimator)
        if get_tags(model).target_tags.required:
            model.fit(X, y)
        else:
            model.fit(X)  # some PyOD detectors return None
        self.estimator_ = model
        self.inlier_mask_ = trusted_rows(model)
        self.scores_ = row_scores(model)
        self.__dict__.pop("keep_frequency_", None)
        if hasattr(model, "keep_frequency_"):
            self.keep_frequency_ = model.keep_frequency_
