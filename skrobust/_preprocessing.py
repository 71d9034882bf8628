"""Scaling and imputation inside the estimators, fitted on training rows only.

Everything here is learnt from the middle of the values, so that few rows cannot set it, and is
relative to their spread, so that units and types do not matter.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

__all__ = [
    "ImagePreprocessor",
    "TablePreprocessor",
    "TargetScaler",
    "range_of_images",
    "scale_of",
    "spread_of",
]

_BLOCK_ROWS = 16_384
_LARGEST = 1e15  # squares of it, summed over the features, are finite in float32
_QUANTILE = 0.95  # of the distances from the median
_FENCE = 10.0  # times that distance: twenty standard deviations of a normal column
_FEW, _SMALL_SHARE = 3, 0.01  # so many values beyond the fence are errors, more are a long tail
_NORMAL = 1.4826  # standard deviation of normal values by their median deviation
_TRUSTED = 0.95  # of the targets that are not corrupted
_LEAST = 0.05  # of the reach of the trusted targets: a smaller median deviation is no scale


def spread_of(values: np.ndarray, eps: float = 0.0) -> tuple[float, float]:
    """Median, and the distance from it that 95 % of the values do not exceed.

    Parameters
    ----------
    values : array of shape (n_values,), float64
        Finite values of one column.
    eps : float, default=0.0
        Distances up to twice this share of the median are rounding.

    Returns
    -------
    center, spread : float
        Where 95 % are equal, the spread is the median of the other distances; 0 if all values are
        equal.
    """
    center = 4 * float(np.median(values / 4))  # the sum of two values may overflow
    with np.errstate(over="ignore"):
        distances = np.minimum(np.abs(values - center), np.finfo(np.float64).max)
    noise = 2 * eps * abs(center)
    spread = _order_statistic(distances, _QUANTILE)
    if spread <= noise:
        spread = _order_statistic(distances[distances > noise], 0.5)
    return center, spread


def scale_of(values: np.ndarray) -> tuple[float, float]:
    """Median and standard deviation of a column of float64, gross values left out of the latter.

    The deviation is 1 where all values are equal.
    """
    center, spread = spread_of(values, eps=float(np.finfo(np.float64).eps))
    if spread == 0:
        return center, 1.0
    with np.errstate(over="ignore"):
        units = (values - center) / spread
    return center, spread * float(counted_in(units).std())


def counted_in(units: np.ndarray) -> np.ndarray:
    """Values that set mean and deviation: a few far ones are left out, many are limited."""
    inside = np.abs(units) <= _FENCE
    if np.sum(~inside) <= max(_FEW, _SMALL_SHARE * len(units)):
        return units[inside]
    return np.clip(units, -_FENCE, _FENCE)


def _order_statistic(values: np.ndarray, level: float) -> float:
    """Lower quantile: of two values or more it is never the largest; 0 of none."""
    if not len(values):
        return 0.0
    place = int(level * (len(values) - 1))
    return float(np.partition(values, place)[place])


def _limit(units: np.ndarray) -> np.ndarray:
    """Let values grow as a logarithm beyond the fence."""
    beyond = np.maximum(np.abs(units) - _FENCE, 0.0)
    return np.where(beyond > 0, np.copysign(_FENCE + np.log1p(beyond), units), units)


def _unlimit(units: np.ndarray) -> np.ndarray:
    """Undo :func:`_limit`."""
    beyond = np.clip(np.abs(units) - _FENCE, 0.0, np.log(_LARGEST))
    return np.where(beyond > 0, np.copysign(_FENCE + np.expm1(beyond), units), units)


class TablePreprocessor:
    """Impute and scale a table by what few rows cannot set.

    A column is measured in units of its spread (:func:`spread_of`), which 5 % of its values cannot
    set. What lies within the fence of ten units sets its range, mean and deviation (where more
    than 1 % lie beyond, they count as if they were at the fence); beyond the fence values grow as a
    logarithm, so that the order stays and a gross error weighs little in training.

    Parameters
    ----------
    scaling : {"minmax", "standard", None}
        "minmax" maps the training range of each column, gross values left out, to [0, 1],
        "standard" to mean 0 and variance 1. None leaves the values within the fence as they are.
    missing : {"error", "mean"}
        "mean" replaces nan by the column's mean over the training rows, gross values left out. A
        column without any observed training value says nothing: it is 0 there and in every later
        row.

    Attributes
    ----------
    low_, high_ : arrays of shape (n_features,)
        Range of the training values that are no gross ones.
    """

    def __init__(self, scaling: str | None, missing: str) -> None:
        self.scaling = scaling
        self.missing = missing

    def fit(self, X: np.ndarray) -> TablePreprocessor:
        """Learn from rows (n_samples, n_features), nan where a value is missing."""
        n_features = X.shape[1]
        self.unobserved_ = np.isnan(X).all(axis=0)
        self.center_, self.spread_ = np.zeros(n_features), np.ones(n_features)
        self.low_, self.high_ = np.zeros(n_features), np.zeros(n_features)
        self._fill, self._start, self._width = (np.zeros(n_features) for _ in range(3))
        eps = float(np.finfo(X.dtype).eps)
        for column in np.flatnonzero(~self.unobserved_):
            self._learn(int(column), X[:, column].astype(np.float64), eps)
        self._width[self._width == 0] = 1.0
        return self

    def _learn(self, column: int, values: np.ndarray, eps: float) -> None:
        values = values[~np.isnan(values)]
        self.center_[column], spread = spread_of(values, eps)
        self.spread_[column] = spread or 1.0
        units = self._units(values, column)
        counted = counted_in(units)
        inside = np.abs(units) <= _FENCE
        low, high = units[inside].min(), units[inside].max()
        self.low_[column], self.high_[column] = values[inside].min(), values[inside].max()
        self._fill[column] = counted.mean()
        if spread == 0:  # constant, rounding apart
            self._start[column] = low - 0.5 if self.scaling == "minmax" else 0.0
        elif self.scaling == "minmax":
            self._start[column], self._width[column] = low, high - low
        elif self.scaling == "standard":
            self._start[column], self._width[column] = counted.mean(), counted.std()

    def _units(self, X: np.ndarray, columns: int | slice = slice(None)) -> np.ndarray:
        """Distances from the centre in units of the spread, at most 1e15."""
        with np.errstate(over="ignore"):
            units: np.ndarray = X - self.center_[columns]
            units /= self.spread_[columns]
        return np.clip(units, -_LARGEST, _LARGEST, out=units)

    def _completed(self, X: np.ndarray) -> np.ndarray:
        """Units (n_samples, n_features) of rows, missing ones filled, float64."""
        units = self._units(X)
        if self.unobserved_.any():
            units[:, self.unobserved_] = 0.0
        return np.where(np.isnan(units), self._fill, units) if self.missing == "mean" else units

    def transform(
        self, X: np.ndarray, charges: list[np.ndarray] | None = None, per_feature: bool = False
    ) -> np.ndarray:
        """Return float32 rows (n_samples, n_features).

        How far values lie from where they are put, in the scale of the result, is squared and
        appended to ``charges``, block of rows by block, float64: its sums (n_rows,), or
        ``per_feature`` (n_rows, n_features), with one column where nothing is put elsewhere.
        """
        rows = np.empty(X.shape, dtype=np.float32)
        for start in range(0, len(X), _BLOCK_ROWS):  # not to hold a large table several times
            part = slice(start, start + _BLOCK_ROWS)
            rows[part], cut = self._scaled(X[part])
            if charges is not None:
                squares = np.zeros((len(X[part]), 1)) if cut is None else cut**2
                charges.append(squares if per_feature else squares.sum(axis=1))
        return rows

    def _scaled(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return rows, and what the limit cuts off, if there is anything."""
        units = self._completed(X)
        limited, cut = units, None
        if (np.abs(units) > _FENCE).any():
            limited = _limit(units)
            scale = self.spread_ if self.scaling is None else 1.0 / self._width
            cut = np.clip((units - limited) * scale, -_LARGEST, _LARGEST)
        if self.scaling is not None:
            scaled: np.ndarray = limited - self._start
            scaled /= self._width
            return scaled, cut
        rows = np.where(np.isnan(X) | (units != limited), self._unscaled(limited), X)
        return np.clip(rows, -_LARGEST, _LARGEST), cut

    def _unscaled(self, units: np.ndarray) -> np.ndarray:
        return units * self.spread_ + self.center_

    def inverse_transform(self, rows: np.ndarray) -> np.ndarray:
        """Bring scaled rows back to the units of the table, float64."""
        rows = rows.astype(np.float64)
        if self.scaling is None:
            return rows
        return self._unscaled(_unlimit(rows * self._width + self._start))

    @property
    def log_scales(self) -> np.ndarray:
        """Logarithms of the factors that scaling multiplies the columns by; broadcasts to them."""
        if self.scaling is None:
            return np.zeros(1)
        return -np.log(self.spread_) - np.log(self._width)


class ImagePreprocessor:
    """Bring arrays of any shape (n_samples, ...) from a known range to [0, 1], in float32.

    Values far outside the range, by eight times its width, grow as a logarithm from there on.

    Parameters
    ----------
    low, high : float or array that broadcasts to a row
        The range.
    scaled : bool, default=True
        False leaves values as they are, far ones apart.
    """

    def __init__(
        self, low: float | np.ndarray, high: float | np.ndarray, *, scaled: bool = True
    ) -> None:
        self.low = np.asarray(low, dtype=np.float32)
        width = np.asarray(high, dtype=np.float32) - self.low
        self.width = np.where(width > 0, width, np.float32(1))
        self.scaled = scaled

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Return float32 rows."""
        X = np.ascontiguousarray(X, dtype=np.float32)
        reach = _FENCE * self.width
        inside = np.clip(X, self.low - reach, self.low + self.width + reach)
        if (inside != X).any():
            beyond = (X - inside) / self.width
            X = inside + np.copysign(self.width * np.log1p(np.abs(beyond)), beyond)
        if not self.scaled or (not self.low.any() and (self.width == 1).all()):
            return X
        return (X - self.low) / self.width

    def inverse_transform(self, rows: np.ndarray) -> np.ndarray:
        """Bring scaled rows back to their range, float64; far values stay limited."""
        rows = rows.astype(np.float64)
        return rows * self.width + self.low if self.scaled else rows


def range_of_images(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Range of arrays (n_samples, ...), those far outside that of most of them left out.

    Returns
    -------
    low, high : arrays of shape (), of the type of ``X``
    """
    inner = tuple(range(1, X.ndim))
    lows, highs = X.min(axis=inner), X.max(axis=inner)
    low, high = np.median(lows), np.median(highs)
    reach = _FENCE * (high - low)
    if reach == 0:
        return lows.min(), highs.max()
    return lows[lows >= low - reach].min(), highs[highs <= high + reach].max()


class TargetScaler:
    """Scale targets by what corrupted ones cannot move far: median and median deviation.

    The deviation is that from the median, times 1.4826, which is the standard deviation of normal
    targets. Where it is next to nothing beside the deviation that all but the corrupted targets
    have, as with many targets at one value, the latter is taken.

    Parameters
    ----------
    corruption_rate : float in [0, 1) or array of shape (n_outputs,), default=0.0
        Share of the targets that may be anywhere.
    """

    def __init__(self, corruption_rate: float | np.ndarray = 0.0) -> None:
        self.corruption_rate = corruption_rate

    def fit(self, y: np.ndarray) -> TargetScaler:
        """Learn from finite targets (n_samples, n_outputs)."""
        rates = np.broadcast_to(self.corruption_rate, y.shape[1])
        learnt = [self._learn(*one) for one in zip(y.T, rates, strict=True)]
        self.center_, self.scale_ = np.array(learnt).T
        return self

    def _learn(self, values: np.ndarray, rate: float) -> tuple[float, float]:
        values = values.astype(np.float64)
        center = 4 * float(np.median(values / 4))  # the sum of two values may overflow
        with np.errstate(over="ignore"):
            distances = np.minimum(np.abs(values - center), np.finfo(np.float64).max)
        scale = _NORMAL * 4 * float(np.median(distances / 4))
        trusted = np.clip(_TRUSTED * (1.0 - rate), 0.5, 1.0)
        reach = _order_statistic(distances, trusted) / norm.ppf(0.5 + trusted / 2)
        if scale < _LEAST * reach or scale == 0:
            scale = reach or _order_statistic(distances[distances > 0], 0.5)
        return center, scale or 1.0

    def transform(self, y: np.ndarray) -> np.ndarray:
        """Return float32 targets; values beyond +-1e15 are clipped so that errors stay finite."""
        with np.errstate(over="ignore"):
            scaled = (y - self.center_) / self.scale_
        return np.clip(scaled, -_LARGEST, _LARGEST).astype(np.float32)

    def inverse_transform(self, y: np.ndarray) -> np.ndarray:
        """Bring scaled targets (n_samples, n_outputs) back to their units."""
        return y * self.scale_ + self.center_
