"""How many rows are anomalies, from their scores."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from sklearn.utils import column_or_1d

from skrobust.diagnosis._rate import LEAST_ROWS, CorruptionEstimate, fallback

__all__ = ["estimate_contamination"]

_FALLBACK, _LARGEST = 0.1, 0.5
_MOST_SPREAD, _FAR, _CHANCE = 0.3, 1e6, 1.25


def estimate_contamination(scores: Any) -> CorruptionEstimate:
    """Estimate which share of the rows are anomalies, from a detector's scores of them.

    The mean of three: the share of the scores beyond the corner of their histogram and beyond the
    corner of the upper half of the sorted scores, both found by the triangle method (Zack, Rogers
    and Latt, 1977), and the share that the upper one of two normal distributions explains better
    (as Yang, Latecki and Pokrajac do, SDM 2009).

    Parameters
    ----------
    scores : array-like of shape (n_samples,)
        Of the training rows, high for abnormal ones: ``decision_scores_`` of any detector.

    Returns
    -------
    CorruptionEstimate
        ``rate``, at most 0.5; ``low`` and ``high``, the least and the largest of the three; and
        ``doubt``: fewer than 50 rows or equal scores, which give 0.1, from 0 to 0.5; scores
        that reach no farther than an exponential distribution's, as where there are no anomalies,
        which makes the range 0 to 0.5; and estimates that differ by more than 0.3.

    Raises
    ------
    ValueError
        If the scores are not one column of finite numbers.

    See Also
    --------
    estimate_corruption_rate : For wrong labels and targets.

    Notes
    -----
    Anomalies are what their context makes them, so scores tell less of their number than of their
    order: on ODDS sets (1 to 42 %) the mean absolute error is 0.07, that of always saying 0.1 is
    0.10 to 0.11. Of 25 thresholders of PyThresh on the same scores the best in the mean of both
    detectors, HIST, has 0.08; MIXMOD is better than this function on the autoencoders' scores
    (0.07 against 0.08) and worse on the flow's (0.10 against 0.07). A uniform tail beside the three
    changes little (``python -m benchmarks.thesis unknown-rate``).

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust import estimate_contamination
    >>> rng = np.random.RandomState(0)
    >>> scores = np.r_[rng.normal(size=900), rng.normal(12, 2, size=100)]
    >>> abs(estimate_contamination(scores).rate - 0.1) < 0.03
    True
    """
    scores = column_or_1d(scores, dtype=np.float64)
    if not np.isfinite(scores).all():
        raise ValueError("scores must be finite numbers")
    if len(scores) < LEAST_ROWS:
        return fallback(f"{len(scores)} rows are too few, it takes {LEAST_ROWS}", _FALLBACK)
    middle = np.median(scores)
    scale = np.median(np.abs(scores - middle)) or np.abs(scores - middle).max()
    if scale == 0:
        return fallback("all scores are the same", _FALLBACK)
    with np.errstate(over="ignore"):
        scores = np.clip((scores - middle) / scale, -_FAR, _FAR)
    shares = [_beyond_histogram(scores), _beyond_sorted(scores), _upper_component(scores)]
    rate = min(float(np.mean(shares)), _LARGEST)
    low, high = min(shares), min(max(shares), _LARGEST)
    doubt = None
    if _reaches_no_farther(scores, rate):
        low, high = 0.0, _LARGEST
        doubt = "the highest scores lie no farther out than those of normal rows may"
    elif high - low > _MOST_SPREAD:
        doubt = f"ways to look at the scores differ, from {low:.2f} to {high:.2f}"
    return CorruptionEstimate(rate, low, high, doubt)


def _reaches_no_farther(scores: np.ndarray, rate: float) -> bool:
    """Whether an exponential distribution's highest scores, as many, would lie as far out.

    Compared are the highest scores' mean excess over the threshold and the distance from the
    threshold to the median of the others.
    """
    start = np.quantile(scores, 1.0 - rate)
    above, others = scores[scores > start], scores[scores <= start]
    if not len(above):
        return True
    distance = start - np.median(others)
    expected = distance / np.log((1.0 + rate) / (2.0 * rate))
    return float(np.mean(above) - start) < _CHANCE * expected


def _beyond_histogram(scores: np.ndarray) -> float:
    """Share beyond the corner between the histogram's peak and its right end."""
    heights, edges = np.histogram(scores, bins=round(len(scores) ** 0.7))
    heights = heights[heights.argmax() :]
    corner = _corner(heights / heights[0])
    middle = len(edges) - 1 - len(heights) + corner + 0.5
    return float(np.mean(scores > np.interp(middle, np.arange(len(edges)), edges)))


def _beyond_sorted(scores: np.ndarray) -> float:
    """Share beyond the corner of the upper half of the scores, the largest first."""
    upper = np.sort(scores)[::-1][: len(scores) // 2]
    height = upper[0] - upper[-1]
    return _corner((upper - upper[-1]) / height) / len(scores) if height > 0 else 0.0


def _corner(heights: np.ndarray) -> int:
    """Place that is farthest below the line from (0, 1) to the last place's 0."""
    line = 1.0 - np.linspace(0.0, 1.0, len(heights))
    return int((line - heights).argmax())


def _upper_component(scores: np.ndarray) -> float:
    """Share of scores that belong to the upper one of two normal distributions."""
    column = scores[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture = GaussianMixture(2, n_init=3, random_state=0).fit(column)
    return float(np.mean(mixture.predict(column) == mixture.means_.argmax()))
