"""PyOD's detectors under scikit-learn's convention."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.utils.validation import check_is_fitted, validate_data

from skrobust._validation import HasMethods, fit_context, unchanged_on_error
from skrobust.diagnosis import DiagnosisMixin

__all__ = ["OutlierDetectorAdapter"]


class OutlierDetectorAdapter(DiagnosisMixin, OutlierMixin, BaseEstimator):
    """Give a PyOD-style detector scikit-learn's convention: +1 for normal rows, -1 for anomalies.

    Parameters
    ----------
    detector : detector with PyOD's interface
        Cloned, never fitted in place. Any detector of this package or of PyOD.

    Attributes
    ----------
    detector_ : detector
        The fitted clone.
    offset_ : float
        ``decision_function(X) = score_samples(X) - offset_``.
    n_features_in_ : int
        Number of features seen in ``fit``.
    feature_names_in_ : array of shape (n_features,)
        Names of the features, if the table had them.

    Examples
    --------
    >>> import numpy as np
    >>> from pyod.models.iforest import IForest
    >>> from skrobust import OutlierDetectorAdapter
    >>> rng = np.random.RandomState(0)
    >>> X = np.r_[rng.normal(size=(95, 2)), rng.normal(8, 1, size=(5, 2))]
    >>> adapter = OutlierDetectorAdapter(IForest(contamination=0.05, random_state=0)).fit(X)
    >>> [int(label) for label in adapter.predict([[0, 0], [8, 8]])]
    [1, -1]
    """

    _parameter_constraints: dict = {"detector": [HasMethods(["fit", "decision_function"])]}

    def __init__(self, detector: Any) -> None:
        self.detector = detector

    @fit_context
    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit a clone of the detector.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows, normal and abnormal.
        y : Ignored
            Present for the convention's sake.

        Returns
        -------
        self
        """
        with unchanged_on_error(self):
            X = self._validate(X, reset=True)
            self.detector_ = clone(self.detector)
            self.detector_.fit(X)  # some PyOD detectors return None
            self.offset_ = -float(self.detector_.threshold_)
        return self

    def fit_predict(self, X: Any, y: Any = None) -> np.ndarray:
        """Fit and label the training rows as the detector does (``labels_``).

        For detectors that leave a row out of its own neighbourhood in training, such as PyOD's LOF
        and KNN, :meth:`predict` labels the same rows otherwise.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows, normal and abnormal.
        y : Ignored
            Present for the convention's sake.

        Returns
        -------
        array of shape (n_samples,), int
            +1 for normal rows, -1 for anomalies.
        """
        return np.where(np.asarray(self.fit(X).detector_.labels_) == 0, 1, -1)

    def score_samples(self, X: Any) -> np.ndarray:
        """Score rows; low means abnormal.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        array of shape (n_samples,), float64
            The detector's scores with the sign changed.
        """
        check_is_fitted(self)
        scores = self.detector_.decision_function(self._validate(X, reset=False))
        return -np.asarray(scores, dtype=np.float64)

    def decision_function(self, X: Any) -> np.ndarray:
        """Score rows relative to the threshold; negative means abnormal.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        array of shape (n_samples,), float64
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray:
        """Label rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to label.

        Returns
        -------
        array of shape (n_samples,), int
            +1 for normal rows, -1 for anomalies.
        """
        return np.where(self.decision_function(X) >= 0, 1, -1)

    @property
    def _diagnosed(self) -> Any:
        return self.detector_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self._allows_nan()
        return tags

    def _allows_nan(self) -> bool:
        try:
            return self.detector.__sklearn_tags__().input_tags.allow_nan
        except AttributeError:
            return False

    def _validate(self, X: Any, *, reset: bool) -> Any:
        return validate_data(
            self,
            X,
            reset=reset,
            dtype=[np.float64, np.float32],
            ensure_all_finite="allow-nan" if self._allows_nan() else True,
            ensure_min_samples=2 if reset else 1,
        )
