"""PyOD's contract: thresholds, labels, probabilities and confidence, from scores."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, Self

import numpy as np
from pyod.models.base import BaseDetector
from scipy.stats import binom
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import roc_auc_score
from sklearn.utils.validation import check_is_fitted, column_or_1d

from skrobust._validation import Real, unchanged_on_error, warn_caller
from skrobust.diagnosis import DiagnosisMixin, estimate_contamination
from skrobust.diagnosis._rate import warn_of_doubt

__all__ = ["PyODMixin"]

_TOLERATED = 0.2  # of the rows that were to be labelled


class PyODMixin(DiagnosisMixin, BaseDetector):
    """What every detector does with the scores of ``decision_function``."""

    contamination: Any
    training_rate: float
    lr: float
    decision_scores_: np.ndarray
    sample_scores_: np.ndarray
    labels_: np.ndarray
    threshold_: float
    contamination_: float
    contamination_interval_: tuple[float, float]

    # PyOD carries old copies of these two.
    _get_param_names: Any = classmethod(BaseEstimator._get_param_names.__func__)
    __repr__ = BaseEstimator.__repr__

    def predict(self, X: Any, return_confidence: bool = False) -> Any:
        """Label rows: 1 where the score exceeds ``threshold_``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to label.
        return_confidence : bool, default=False
            Whether to return :meth:`predict_confidence` too.

        Returns
        -------
        labels : array of shape (n_samples,), int
            0 for normal rows, 1 for anomalies.
        confidence : array of shape (n_samples,)
            Only with ``return_confidence=True``.
        """
        scores = self.decision_function(X)
        labels = (scores > self.threshold_).astype(int)
        return (labels, self._confidence(scores)) if return_confidence else labels

    def reset_threshold(self, contamination: Any) -> Self:
        """Label by another rate, without training anew.

        Parameters
        ----------
        contamination : float in [0, 0.5], "auto" or PyThresh object
            As in ``__init__``, whose parameter stays what it is. What training dropped stays, too.

        Returns
        -------
        self
            With new ``threshold_``, ``labels_``, ``inlier_mask_``, ``contamination_`` and, for
            "auto", ``contamination_interval_``.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            If ``contamination`` is none of these.
        """
        check_is_fitted(self)
        clone(self).set_params(contamination=contamination)._validate_params()
        with unchanged_on_error(self):
            self._set_threshold(contamination)
        return self

    def fit_predict(self, X: Any, y: Any = None) -> np.ndarray:
        """Fit and return the labels of the training rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows.
        y : Ignored
            Present for the convention's sake.

        Returns
        -------
        array of shape (n_samples,), int
            0 for normal rows, 1 for anomalies.
        """
        return self.fit(X).labels_

    def predict_proba(self, X: Any, method: str = "linear", return_confidence: bool = False) -> Any:
        """Probability of being normal and of being abnormal, as PyOD defines them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to judge.
        method : {"linear", "unify"}, default="linear"
            "linear" scales the score by the range of the training scores, "unify" uses their
            normal distribution (Kriegel et al., 2011).
        return_confidence : bool, default=False
            Whether to return :meth:`predict_confidence` too.

        Returns
        -------
        probabilities : array of shape (n_samples, 2)
            Columns: normal, abnormal.
        confidence : array of shape (n_samples,)
            Only with ``return_confidence=True``.
        """
        check_is_fitted(self)
        X = X if hasattr(X, "shape") else np.asarray(X)
        if self._sigma > 0 or method not in ("linear", "unify"):
            return super().predict_proba(X, method=method, return_confidence=return_confidence)
        scores = self.decision_function(X)  # equal scores in training have no range
        abnormal = (scores > self.threshold_).astype(float)
        probabilities = np.column_stack([1.0 - abnormal, abnormal])
        return (probabilities, self._confidence(scores)) if return_confidence else probabilities

    def predict_confidence(self, X: Any) -> np.ndarray:
        """Confidence that a row's label would survive another training set (Perini et al., 2020).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to judge.

        Returns
        -------
        array of shape (n_samples,)
            Probabilities.
        """
        return self._confidence(self.decision_function(X))

    def predict_with_rejection(self, X: Any, *args: Any, **kwargs: Any) -> Any:
        """Label rows, -2 where the confidence is too low; see PyOD's ``BaseDetector``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to label.
        *args, **kwargs
            As in PyOD.

        Returns
        -------
        labels : array of shape (n_samples,), int
            0, 1 or -2; with ``return_stats=True`` also three rates, as in PyOD.
        """
        check_is_fitted(self)
        with self._numeric_contamination():
            return super().predict_with_rejection(X, *args, **kwargs)

    def compute_rejection_stats(self, *args: Any, **kwargs: Any) -> Any:
        """Expected rejection rate, its bound and the cost's bound; see PyOD's ``BaseDetector``.

        Parameters
        ----------
        *args, **kwargs
            As in PyOD.

        Returns
        -------
        tuple of three floats
        """
        check_is_fitted(self)
        with self._numeric_contamination():
            return super().compute_rejection_stats(*args, **kwargs)

    def score(self, X: Any, y: Any = None) -> float:
        """Quality on held-out rows, higher is better: what a grid search maximises.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Held-out rows.
        y : array-like of shape (n_samples,), optional
            Two-valued labels; the larger one marks anomalies.

        Returns
        -------
        float
            With labels the ROC AUC; nan and an UndefinedMetricWarning if they are not two-valued.
            Without labels minus the mean of the lower half of the scores, which does not depend
            on ``contamination`` and compares models of one loss only.
        """
        scores = self.decision_function(X)
        if y is None:
            n_lower = max(1, len(scores) // 2)
            return -float(np.partition(scores, n_lower - 1)[:n_lower].mean())
        y = column_or_1d(y)
        values = np.unique(y)
        if len(values) != 2:
            warn_caller(
                f"ROC AUC needs two label values, got {len(values)}; score is nan",
                UndefinedMetricWarning,
            )
            return float("nan")
        return float(roc_auc_score(y == values[1], scores))

    def _process_decision_scores(self) -> Self:
        """Set threshold and labels from ``decision_scores_`` (PyOD's name for it)."""
        self._check_scores()
        self._classes = 2
        self._mu, self._sigma = np.mean(self.decision_scores_), np.std(self.decision_scores_)
        try:
            self._set_threshold(self.contamination)
        except ThresholdError as error:  # the training is not to be lost
            warn_caller(f"{error}; the rate is training_rate={self.training_rate} instead")
            self._set_threshold(self.training_rate)
        return self

    def _check_scores(self) -> None:
        """The loss is checked before each update; this looks at what the last one left."""
        if not (
            np.isfinite(self.decision_scores_).all() and np.isfinite(self.sample_scores_).all()
        ):
            raise FloatingPointError(
                f"training ended with weights whose scores are not finite; try a smaller lr "
                f"(now {self.lr})"
            )

    def _set_threshold(self, contamination: Any) -> None:
        scores = self.decision_scores_
        self.__dict__.pop("contamination_interval_", None)
        if contamination == "auto":
            contamination = self._estimated_rate(scores)
        if isinstance(contamination, Real):
            self.contamination_ = float(contamination)
            self.threshold_ = _threshold(scores, self.contamination_)
            self.labels_ = (scores > self.threshold_).astype(int)
        else:
            self.labels_ = _labels_by(contamination, scores)
            self.contamination_ = float(self.labels_.mean())
            normal = scores[self.labels_ == 0]
            self.threshold_ = float(normal.max()) if len(normal) else float(-np.inf)
        self.inlier_mask_ = self.labels_ == 0

    def _estimated_rate(self, scores: np.ndarray) -> float:
        told = isinstance(self.contamination, Real)
        estimate = estimate_contamination(
            scores,
            n_features=self.n_features_in_,
            training_rate=self.contamination if told else self.training_rate,
        )
        warn_of_doubt("contamination", estimate)
        self.contamination_interval_ = (estimate.low, estimate.high)
        return estimate.rate

    def _confidence(self, scores: np.ndarray) -> np.ndarray:
        """PyOD's formula, with the middle rank for equal scores and a search in place of counts."""
        n = len(self.decision_scores_)
        known = np.sort(self.decision_scores_)
        n_below, n_up_to = (np.searchsorted(known, scores, side=side) for side in ("left", "right"))
        n_below += (n_up_to - n_below + 1) // 2  # the middle of equal scores
        posterior = (1 + n_below) / (2 + n)
        abnormal = 1 - binom.cdf(n - int(n * self.contamination_), n, posterior)
        return np.where(scores > self.threshold_, abnormal, 1 - abnormal)

    @contextmanager
    def _numeric_contamination(self) -> Iterator[None]:
        """Show the fitted rate to inherited methods that compute with ``contamination``."""
        given = self.contamination
        self.contamination = self.contamination_
        try:
            yield
        finally:
            self.contamination = given


class ThresholdError(ValueError):
    """A PyThresh object did not find a threshold."""


def _labels_by(thresholder: Any, scores: np.ndarray) -> np.ndarray:
    """Labels by a PyThresh object."""
    try:
        labels = np.asarray(deepcopy(thresholder).fit(scores).labels_, dtype=int)
    except Exception as error:  # whatever it is, it is of another library
        name = type(thresholder).__name__
        raise ThresholdError(
            f"contamination={name} finds no threshold for the scores of the training rows "
            f"({type(error).__name__}: {error})"
        ) from error
    if labels.shape != scores.shape:
        raise ThresholdError(f"contamination={type(thresholder).__name__} labels no rows")
    return labels


def _threshold(scores: np.ndarray, rate: float) -> float:
    """Threshold that labels a share of the scores abnormal; equal scores have one label.

    Where they do not let the share be met, the nearer one is taken, and of none and some the
    latter, unless more than half would be labelled.
    """
    threshold = float(np.percentile(scores, 100 * (1 - rate)))
    asked, n_above = rate * len(scores), int((scores > threshold).sum())
    n_reached = int((scores >= threshold).sum())
    if asked - n_above < 1 or n_reached == n_above:
        return threshold
    if n_reached <= len(scores) / 2 and (n_above == 0 or n_reached - asked < asked - n_above):
        threshold, n_above = float(np.nextafter(threshold, -np.inf)), n_reached
    if abs(n_above - asked) > max(1.0, _TOLERATED * asked):
        warn_caller(
            f"contamination={rate:.3g} of {len(scores)} rows cannot be met, since rows with "
            f"equal scores have one label: {n_above} are labelled abnormal"
        )
    return threshold
