"""What is known of each training row, as a table."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.utils.validation import _num_samples, check_is_fitted

__all__ = ["DiagnosisMixin", "row_scores", "trusted_rows", "wrapped"]


class DiagnosisMixin:
    """Adds ``diagnosis_frame`` to estimators with scores of their rows and ``inlier_mask_``."""

    def diagnosis_frame(self, X: Any = None) -> pd.DataFrame:
        """Tell what ``fit`` has found out about each of its rows.

        Parameters
        ----------
        X : DataFrame, Series or array-like of shape (n_samples, ...), optional
            The rows that ``fit`` was given, for their index.

        Returns
        -------
        DataFrame of shape (n_samples, 3) or (n_samples, 4)
            In the order of the training rows, with the index of ``X`` if it has one. Columns:
            "score", high for rows that are trusted little; "rank", 1 for the row that is trusted
            least; "keep_frequency", the share of the epochs after warm-up in which training kept
            the row, where there are epochs; "trusted", which is ``inlier_mask_``.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            If ``X`` has another number of rows than ``fit`` was given.
        """
        check_is_fitted(self)
        scores = row_scores(self)
        n = len(scores) if X is None else _num_samples(X)
        if n != len(scores):
            fitted = f"{type(self).__name__} was fitted on {len(scores)}"
            raise ValueError(f"X has {n} rows, but {fitted}; pass those")
        order = np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")
        columns: dict[str, Any] = {"score": scores, "rank": np.argsort(order) + 1}
        source = wrapped(self)
        if hasattr(source, "keep_frequency_"):
            columns["keep_frequency"] = source.keep_frequency_
        columns["trusted"] = trusted_rows(self)
        index = X.index if isinstance(X, (pd.DataFrame, pd.Series)) else None
        return pd.DataFrame(columns, index=index)


def wrapped(estimator: Any) -> Any:
    """Return the detector inside an adapter, or the estimator itself."""
    return getattr(estimator, "_diagnosed", estimator)


def row_scores(estimator: Any, X: npt.ArrayLike | None = None) -> np.ndarray:
    """Scores that a detector, a filter or a learner holds of its training rows.

    Parameters
    ----------
    estimator : fitted estimator
        Of this package or of PyOD.
    X : array-like of shape (n_samples, n_features), optional
        Other rows, for detectors.

    Returns
    -------
    array of shape (n_samples,), float64
        High for rows that are trusted little.

    Raises
    ------
    TypeError
        If it has none.
    ValueError
        If rows are given and it scores those of training only, or by another convention.
    """
    estimator = wrapped(estimator)
    if X is not None:
        if not (hasattr(estimator, "decision_scores_") and hasattr(estimator, "decision_function")):
            raise ValueError(
                f"{type(estimator).__name__} scores its training rows only, or not as PyOD's "
                "detectors do, high for abnormal rows: leave X out"
            )
        return np.asarray(estimator.decision_function(X), dtype=np.float64)
    for name in ("decision_scores_", "scores_", "sample_scores_"):
        if hasattr(estimator, name):
            return np.asarray(getattr(estimator, name), dtype=np.float64)
    raise TypeError(f"{type(estimator).__name__} has no scores of its training rows")


def trusted_rows(estimator: Any) -> np.ndarray:
    """Return which training rows a fitted estimator of this package or of PyOD trusts, bool."""
    estimator = wrapped(estimator)
    if hasattr(estimator, "inlier_mask_"):
        return np.asarray(estimator.inlier_mask_, dtype=bool)
    if hasattr(estimator, "labels_"):
        return np.asarray(estimator.labels_) == 0
    raise TypeError(
        f"{type(estimator).__name__} does not say which rows it trusts: it must have inlier_mask_ "
        "after fit, as this package's estimators have, or labels_ with 0 for normal rows, as "
        "PyOD's detectors have"
    )
