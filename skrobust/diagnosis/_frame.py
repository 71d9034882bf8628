"""What is known of each training row, as a table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import _num_samples, check_is_fitted

__all__ = ["DiagnosisMixin", "row_scores"]


class DiagnosisMixin:
    """Adds ``diagnosis_frame`` to estimators with scores of their rows and ``inlier_mask_``."""

    inlier_mask_: np.ndarray

    def diagnosis_frame(self, X=None) -> pd.DataFrame:
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
        if X is not None and _num_samples(X) != len(scores):
            raise ValueError(
                f"X has {_num_samples(X)} rows, but {type(self).__name__} was fitted on "
                f"{len(scores)}; pass those"
            )
        order = np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")
        columns: dict[str, Any] = {"score": scores, "rank": np.argsort(order) + 1}
        if hasattr(self, "keep_frequency_"):
            columns["keep_frequency"] = self.keep_frequency_
        columns["trusted"] = self.inlier_mask_
        index = X.index if isinstance(X, (pd.DataFrame, pd.Series)) else None
        return pd.DataFrame(columns, index=index)


def row_scores(estimator) -> np.ndarray:
    """Return a detector's, a filter's or a learner's scores of its training rows, high for bad."""
    for name in ("decision_scores_", "scores_", "sample_scores_"):
        if hasattr(estimator, name):
            return np.asarray(getattr(estimator, name), dtype=np.float64)
    raise TypeError(f"{type(estimator).__name__} has no scores of its training rows")
