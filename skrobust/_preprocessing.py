"""Scaling and imputation inside the estimators, fitted on training rows only."""

from __future__ import annotations

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler

__all__ = ["ImagePreprocessor", "TablePreprocessor", "TargetScaler"]

_SCALERS = {"minmax": MinMaxScaler, "standard": StandardScaler, None: FunctionTransformer}
_LARGEST_TRAINED = np.float64(1e150)  # not float: a float32 table would overflow it
_LARGEST = 1e15  # squares of it, summed over the features, are finite in float32


class TablePreprocessor:
    """Impute and scale a table with scikit-learn's transformers.

    Parameters
    ----------
    scaling : {"minmax", "standard", None}
        "minmax" maps the training range of each column to [0, 1], "standard" to mean 0 and
        variance 1.
    missing : {"error", "mean"}
        "mean" replaces nan by the column's mean over the training rows. A column without any
        observed training value says nothing: it is 0 there and in every later row.
    """

    def __init__(self, scaling: str | None, missing: str) -> None:
        self.scaling = scaling
        self.missing = missing

    def fit(self, X: np.ndarray) -> TablePreprocessor:
        """Learn from rows (n_samples, n_features); refuse values whose squares overflow."""
        too_large = np.flatnonzero((np.abs(X) > _LARGEST_TRAINED).any(axis=0))
        if len(too_large):
            raise ValueError(
                f"Input X holds values beyond +-{_LARGEST_TRAINED:g} in column {too_large[0]}, "
                "whose variance float64 cannot hold"
            )
        self.unobserved_ = np.isnan(X).all(axis=0)
        steps = [("scale", _SCALERS[self.scaling]())]
        if self.missing == "mean":
            steps.insert(0, ("impute", SimpleImputer(keep_empty_features=True)))
        self.pipeline_ = Pipeline(steps).fit(X)
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Return float32 rows; values beyond +-1e15 are clipped so that errors stay finite."""
        if self.unobserved_.any():
            X = np.where(self.unobserved_, np.nan, X)
        X = self.pipeline_.transform(X)
        return np.clip(X, -_LARGEST, _LARGEST).astype(np.float32)

    def inverse_transform(self, rows: np.ndarray) -> np.ndarray:
        """Bring scaled rows back to the units of the table, float64."""
        return self.pipeline_["scale"].inverse_transform(rows.astype(np.float64))

    @property
    def log_scales(self) -> np.ndarray:
        """Logarithms of the factors that scaling multiplies the columns by; broadcasts to them."""
        if self.scaling is None:
            return np.zeros(1)
        scaler = self.pipeline_["scale"]
        sign = 1.0 if self.scaling == "minmax" else -1.0  # its scale_ multiplies, not divides
        return sign * np.log(scaler.scale_)


class ImagePreprocessor:
    """Bring arrays of any shape (n_samples, ...) from a known range to [0, 1], in float32.

    Parameters
    ----------
    low, high : float or array that broadcasts to a row, default=0.0, 1.0
        The range; the defaults leave the values as they are.
    """

    def __init__(self, low: float | np.ndarray = 0.0, high: float | np.ndarray = 1.0) -> None:
        self.low = np.asarray(low, dtype=np.float32)
        width = np.asarray(high, dtype=np.float32) - self.low
        self.width = np.where(width > 0, width, np.float32(1))

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Return float32 rows."""
        X = np.ascontiguousarray(X, dtype=np.float32)
        if not self.low.any() and (self.width == 1).all():
            return X
        return (X - self.low) / self.width

    def inverse_transform(self, rows: np.ndarray) -> np.ndarray:
        """Bring scaled rows back to their range, float64."""
        return rows.astype(np.float64) * self.width + self.low


class TargetScaler:
    """Scale targets by what corrupted ones cannot move far: median and median deviation.

    The deviation is that from the median, times 1.4826, which is the standard deviation of normal
    targets. Where more than half of the targets are equal, the mean deviation stands in.
    """

    def fit(self, y: np.ndarray) -> TargetScaler:
        """Learn from finite targets (n_samples, n_outputs)."""
        y = y.astype(np.float64)
        self.center_ = np.median(y, axis=0)
        deviation = np.abs(y - self.center_)
        scale = 1.4826 * np.median(deviation, axis=0)
        scale = np.where(scale > 0, scale, deviation.mean(axis=0))
        self.scale_ = np.where(scale > 0, scale, 1.0)
        return self

    def transform(self, y: np.ndarray) -> np.ndarray:
        """Return float32 targets; values beyond +-1e15 are clipped so that errors stay finite."""
        scaled = (y - self.center_) / self.scale_
        return np.clip(scaled, -_LARGEST, _LARGEST).astype(np.float32)

    def inverse_transform(self, y: np.ndarray) -> np.ndarray:
        """Bring scaled targets (n_samples, n_outputs) back to their units."""
        return y * self.scale_ + self.center_
