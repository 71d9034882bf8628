"""Simple robust members of an ensemble: a marginal, a normal distribution, neighbours."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from skrobust._device import map_rows
from skrobust._preprocessing import TablePreprocessor

__all__ = ["SubsampleNeighbors", "TrimmedGaussian", "TrimmedHistogram"]

_CHUNK = 65_536
_BINS, _OUTER, _EMPTY = 10, 0.01, 0.002
_LEAST_VARIANCE = 1e-4  # of the largest one
_NORMAL_IQR = 1.349
_EQUAL = 1e-12  # of the squares of both rows: a squared distance up to it is rounding


class TrimmedHistogram:
    """A histogram of each column, of the rows that it finds likely; columns are independent.

    Rows are scored by the sum over the columns of minus the logarithm of the height. The share
    ``rate`` of the rows with the highest scores is left out, and the histograms are made anew,
    three times in all. There are ten bins between the quantiles .01 and .99 of a column, and one on
    either side; an empty one counts as if it held 0.2 % of the rows.

    Parameters
    ----------
    rate : float in [0, 0.5], default=0.1
        Share of rows left out.
    """

    def __init__(self, rate: float = 0.1) -> None:
        self.rate = rate

    def fit(self, X: np.ndarray, kept_always: Any = None) -> Self:
        """Learn from scaled rows (n_samples, n_features) and score them.

        ``kept_always`` (n_samples,), bool, are rows that are never left out.
        """
        self.low_, high = np.quantile(X, [_OUTER, 1 - _OUTER], axis=0).astype(np.float64)
        width = (high - self.low_) / _BINS
        self.width_ = np.where(width > 0, width, 1.0)
        bins = self._bins(X)
        kept: Any = slice(None)
        for _ in range(3):
            self.costs_ = np.stack([_costs(column[kept]) for column in bins.T], axis=1)
            scores = self._sum(bins)
            kept = _lowest(scores, self.rate, kept_always)
        self.decision_scores_ = scores
        return self

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        """Scores (n_samples,) of scaled rows."""
        return self._sum(self._bins(X))

    def feature_scores(self, X: np.ndarray) -> np.ndarray:
        """What each column adds, (n_samples, n_features)."""
        return self.costs_[self._bins(X), np.arange(X.shape[1])]

    def _bins(self, X: np.ndarray) -> np.ndarray:
        places = np.floor((X - self.low_) / self.width_)
        return np.clip(places, -1, _BINS).astype(np.int8) + 1

    def _sum(self, bins: np.ndarray) -> np.ndarray:
        total = np.zeros(len(bins))
        for j in range(bins.shape[1]):
            total += self.costs_[bins[:, j], j]
        return total


def _costs(bins: np.ndarray) -> np.ndarray:
    """Minus the logarithms of a histogram's heights, inner bins averaged with those beside them."""
    heights = np.bincount(bins, minlength=_BINS + 2) / len(bins) + _EMPTY
    padded = np.pad(heights[1:-1], 1, mode="edge")
    heights[1:-1] = (padded[:-2] + padded[1:-1] + padded[2:]) / 3
    return -np.log(heights / heights.sum())


class TrimmedGaussian:
    """A normal distribution of the rows that lie near it, after an arcsinh of each column.

    Rows are scored by their squared Mahalanobis distance. Mean and covariance are those of the
    share ``1 - rate`` of the rows that were nearest before, five times (concentration steps;
    Rousseeuw and Van Driessen, 1999). The arcsinh, in units of the quartiles, draws far values in.

    Parameters
    ----------
    rate : float in [0, 0.5], default=0.1
        Share of rows left out.
    """

    def __init__(self, rate: float = 0.1) -> None:
        self.rate = rate

    def fit(self, X: np.ndarray, kept_always: Any = None) -> Self:
        """Learn from scaled rows (n_samples, n_features) and score them.

        ``kept_always`` (n_samples,), bool, are rows that are never left out.
        """
        self.center_ = np.median(X, axis=0).astype(np.float64)
        spread = np.subtract(*np.quantile(X, [0.75, 0.25], axis=0)).astype(np.float64)
        deviation = X.std(axis=0, dtype=np.float64)
        deviation[deviation == 0] = 1.0
        self.scale_ = np.where(spread > 0, spread / _NORMAL_IQR, deviation)
        bent = self._bend(X)
        self._scaler = TablePreprocessor("standard", "error").fit(bent)
        rows = self._scaler.transform(bent).astype(np.float64)
        kept = _lowest(np.square(rows).sum(axis=1), self.rate, kept_always)
        for _ in range(5):
            self._learn(rows[kept])
            scores = self._distances(rows)
            kept = _lowest(scores, self.rate, kept_always)
        self.decision_scores_ = scores
        return self

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        """Scores (n_samples,) of scaled rows."""
        parts = (X[i : i + _CHUNK] for i in range(0, len(X), _CHUNK))
        return np.concatenate([self._distances(self._scaled(part)) for part in parts])

    def feature_scores(self, X: np.ndarray) -> np.ndarray:
        """What each column adds to the distance, (n_samples, n_features); it can be negative."""
        apart = self._scaled(X) - self.mean_
        return apart * (apart @ self.whitening_ @ self.whitening_.T)

    def _bend(self, X: np.ndarray) -> np.ndarray:
        return np.arcsinh((X - self.center_) / self.scale_)

    def _scaled(self, X: np.ndarray) -> np.ndarray:
        return self._scaler.transform(self._bend(X)).astype(np.float64)

    def _learn(self, rows: np.ndarray) -> None:
        self.mean_ = rows.mean(axis=0)
        apart = rows - self.mean_
        covariance = apart.T @ apart / max(len(rows) - 1, 1)
        values, vectors = np.linalg.eigh(covariance)
        least = max(_LEAST_VARIANCE * values[-1], np.finfo(np.float64).tiny)
        self.whitening_ = vectors / np.sqrt(np.maximum(values, least))

    def _distances(self, rows: np.ndarray) -> np.ndarray:
        return np.square((rows - self.mean_) @ self.whitening_).sum(axis=1)


class SubsampleNeighbors:
    """Mean distance to the nearest other row in each of many small random samples of the rows.

    In a sample a group of similar anomalies has few members or none, so that it cannot be its own
    neighbourhood, and the cost does not grow with the number of rows (LeSiNN; Pang, Ting and
    Albrecht, 2015). Rows that are equal are not each other's neighbours, so that rows of the
    training are scored as any others.

    Parameters
    ----------
    random_state : int
        Seeds the draw of the samples.
    n_samples : int, default=50
        Samples.
    sample_size : int, default=64
        Rows in each.
    n_threads : int or None, default=1
        CPU threads.
    """

    def __init__(
        self,
        random_state: int,
        n_samples: int = 50,
        sample_size: int = 64,
        n_threads: int | None = 1,
    ) -> None:
        self.random_state = random_state
        self.n_samples = n_samples
        self.sample_size = sample_size
        self.n_threads = n_threads

    def fit(self, X: np.ndarray) -> Self:
        """Draw samples of scaled rows (n_samples, n_features) and score all rows."""
        rng, size = np.random.RandomState(self.random_state), min(self.sample_size, len(X))
        drawn = [rng.choice(len(X), size, replace=False) for _ in range(self.n_samples)]
        self.references_ = X[np.concatenate(drawn)].astype(np.float64)
        self.decision_scores_ = self.decision_function(X)
        return self

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        """Scores (n_samples,) of scaled rows."""
        references = torch.from_numpy(self.references_)
        squares = references.square().sum(dim=1)

        def score(chunks: Tensor) -> Tensor:
            scored = [self._score(chunk.double(), references, squares) for chunk in chunks]
            return torch.stack(scored)

        return map_rows(score, X, _as_float32, n_threads=self.n_threads)

    def _score(self, rows: Tensor, references: Tensor, squares: Tensor) -> Tensor:
        own = rows.square().sum(dim=1, keepdim=True)
        apart = torch.addmm(squares, rows, references.T, alpha=-2).add_(own)
        apart.masked_fill_(apart <= _EQUAL * (own + squares), torch.inf)
        nearest = apart.unflatten(1, (self.n_samples, -1)).amin(dim=2)
        return nearest.masked_fill_(nearest.isinf(), 0.0).sqrt_().mean(dim=1)


def _as_float32(X: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(X, dtype=np.float32)


def _lowest(scores: np.ndarray, rate: float, kept_always: Any = None) -> Any:
    """Places of the rows that stay when the share ``rate`` of highest score is left out."""
    n_kept = max(2, len(scores) - int(np.ceil(rate * len(scores) - 1e-9)))
    if kept_always is not None:
        scores, n_kept = np.where(kept_always, -np.inf, scores), max(n_kept, kept_always.sum())
    return np.argsort(scores, kind="stable")[:n_kept]
