"""How many targets are wrong, by what models say of rows that they have not seen."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.special import expit
from scipy.stats import norm, rankdata

from skrobust.diagnosis._rate import (
    FALLBACK_RATE,
    LARGEST_RATE,
    LEAST_ROWS,
    CorruptionEstimate,
    fallback,
    few_rows,
)

__all__ = ["wrong_target_rate"]

_MOST_UNEXPLAINED, _DOUBTFUL = 0.75, 0.35
_LEAST_WIDTH = 12.0
_FARTHEST, _FARTHER, _SURELY, _HIDDEN_RATE, _MANY_GROSS = 0.99, 0.1, 0.75, 0.1, 0.05
_SIZES, _N_DEALS = (0.3, 0.5, 0.7, 0.8, 0.9), 5  # quantiles of the errors of exchanged targets
_NORMAL = 1.4826  # standard deviation of normal values by their median deviation
_N_TURNS, _SETTLED, _TINY = 1000, 1e-6, 1e-6


def wrong_target_rate(
    targets: np.ndarray, predictions: np.ndarray, explained: np.ndarray | None = None
) -> CorruptionEstimate:
    """Share of wrong targets: how many residuals are as if targets had been exchanged.

    Two shares are found. The first supposes that wrong targets are as if they had been exchanged
    among the rows: their errors are then as large as those between targets and the predictions of
    other rows. Of the rows beyond any distance, exchanged ones are at most all. So the least ratio
    of the two counts, over several distances, is the largest share that the residuals allow,
    however good ones are distributed. Errors that exchanged targets hardly ever reach are counted
    one by one. Where wrong targets lie farther off than exchanged ones, this share is too high.

    The second is the weight of uniform noise in a mixture with normal residuals, fitted by
    expectation-maximisation (Banfield and Raftery, Biometrics 1993, section 5). Heavy tails look
    wrong to it, and exchanged targets normal where the model is coarse. The estimate is the second,
    but at most the first, and at least three quarters of it; where the errors that are counted one
    by one are more than a tenth of the first, at least these. It is made once more of targets and
    predictions that are replaced by their normal scores, so that skewed targets, whose errors grow
    with them, are not called wrong; the lower one counts, but at least what is counted one by one
    where that is 5 %.

    Parameters
    ----------
    targets : array of shape (n,) or (n, n_targets)
        As given. A row with several is good or wrong in all of them.
    predictions : array of the same shape
        By a model that has not seen the row and withstands wrong targets, such as one that
        minimises absolute errors.
    explained : array of shape (n_targets,), bool, optional
        Of which columns the features tell which targets are far from the middle, as with the amount
        of rain, which is mostly 0: the standard deviation is not that of the middle then.

    Returns
    -------
    CorruptionEstimate
        Columns whose targets are all the same say nothing. In doubt where there are fewer than 50
        rows, or all targets or residuals are the same, which gives the fallback; where the median
        absolute deviation of the residuals is more than three quarters of that of the targets, so
        that wrong targets, or what they have taught the model, hide among large errors, which gives
        0.1, and where 5 % of the errors are counted one by one at least these and the second share;
        where the estimate is above 0.1 and rows are far from the middle for a reason, which gives
        0, as the rare amounts would go first; and where it is above 0.35. At most 0.45.
    """
    n_rows = len(targets)
    if n_rows < LEAST_ROWS:
        return few_rows(n_rows)
    given = np.asarray(targets, dtype=np.float64).reshape(n_rows, -1)
    predicted = np.asarray(predictions, dtype=np.float64).reshape(n_rows, -1)
    differs = np.ptp(given / 2, axis=0) > 0
    if not differs.any():
        return fallback("the targets are all the same")
    given, predicted = given[:, differs], predicted[:, differs]
    explained = np.zeros(differs.sum(), bool) if explained is None else explained[differs]
    size = np.maximum(np.abs(given), np.abs(predicted)).max(axis=0)
    given, predicted = given / size, predicted / size  # squares must not overflow
    varies = np.ptp(given - predicted, axis=0) > 0
    if not varies.any():
        return fallback("all residuals are the same")
    given, predicted, explained = given[:, varies], predicted[:, varies], explained[varies]
    plain = _find_shares(given, predicted, explained)
    ranked = _find_shares(*_normal_scores(given, predicted), np.zeros_like(explained))
    share = min(plain.share, ranked.share)
    if plain.gross > _MANY_GROSS:  # one that is left in training undoes it
        share = max(share, plain.gross)
    rate = min(share, LARGEST_RATE)
    low = min(max(min(share, plain.mixture) - 1.96 * plain.error, 0.0), rate)
    high = min(plain.most + 1.96 * plain.error, 1.0)
    if plain.unexplained > _MOST_UNEXPLAINED:
        hidden = (
            f"models that have not seen a row miss its target by {plain.unexplained:.0%} of the "
            "targets' own spread, in which wrong targets can hide"
        )
        rate = _HIDDEN_RATE
        if plain.gross > _MANY_GROSS:  # rather too many
            rate = max(rate, plain.gross, min(plain.mixture, plain.most))
            rate = min(rate, LARGEST_RATE)
        return CorruptionEstimate(rate, min(low, rate), max(high, 0.5), hidden)
    doubt = None
    if explained.any() and share > _HIDDEN_RATE:
        doubt = "most targets are nearly the same, and what the others are is not predicted well"
        return CorruptionEstimate(0.0, 0.0, max(high, 0.5), doubt)
    if share > _DOUBTFUL:
        doubt = f"{share:.0%} of the targets seem to be wrong, which few methods stand"
    return CorruptionEstimate(rate, low, high, doubt)


class _Shares(NamedTuple):
    """What residuals say of the share of wrong targets."""

    share: float
    mixture: float
    error: float  # standard error
    gross: float
    most: float
    unexplained: float  # deviation of the residuals over that of the targets


def _find_shares(given: np.ndarray, predicted: np.ndarray, explained: np.ndarray) -> _Shares:
    """Share by a mixture, within what exchanged targets allow."""
    residuals = given - predicted
    spread = _NORMAL * _deviation(residuals)
    ranges = np.ptp(residuals, axis=0), np.ptp(given, axis=0), _LEAST_WIDTH * spread
    mixture, error, is_noise = _noise_share(residuals, spread, np.max(ranges, axis=0))
    scale = _scale(given, explained)
    gross, most = _exchanged_share(given, residuals, scale, is_noise > 0.5)
    least = gross if gross > _FARTHER * most else _SURELY * most
    share = float(np.clip(mixture, least, most))
    return _Shares(share, mixture, error, gross, most, float(np.mean(spread / scale)))


def _normal_scores(given: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Targets by their ranks, as a normal distribution has them, and predictions among them."""
    scores = norm.ppf((rankdata(given, axis=0) - 0.5) / len(given))
    columns = range(given.shape[1])
    order = [np.argsort(given[:, j], kind="stable") for j in columns]
    among = [np.interp(predicted[:, j], given[order[j], j], scores[order[j], j]) for j in columns]
    return scores, np.column_stack(among)


def _exchanged_share(
    given: np.ndarray, residuals: np.ndarray, scale: np.ndarray, suspect: np.ndarray
) -> tuple[float, float]:
    """Share of gross errors, and the largest of those as large as of exchanged targets."""
    center = np.median(residuals, axis=0)
    errors = np.linalg.norm((residuals - center) / scale, axis=1)
    good = given if suspect.all() else given[~suspect]
    rng = np.random.RandomState(0)
    dealt = good[rng.randint(len(good), size=(_N_DEALS, len(given)))] - (given - residuals)
    exchanged = np.linalg.norm((dealt - center) / scale, axis=2).ravel()
    *sizes, farthest = np.quantile(exchanged, [*_SIZES, _FARTHEST])
    is_gross = errors > farthest
    gross, rest = float(is_gross.mean()), errors[~is_gross]
    beyond = [(np.mean(rest > size), np.mean(exchanged > size)) for size in sizes]
    ratios = [float(found / dealt) for found, dealt in beyond if dealt > 0]
    return gross, gross + (1.0 - gross) * min([1.0, *ratios])


def _noise_share(
    rows: np.ndarray, spread: np.ndarray, width: np.ndarray
) -> tuple[float, float, np.ndarray]:
    """Fit normal residuals (n, n_targets) and uniform noise; its weight, error, probabilities."""
    noise = -np.log(width).sum()
    centre = np.median(rows, axis=0)
    spread = spread + _TINY * width
    rate = FALLBACK_RATE
    for _ in range(_N_TURNS):
        normal = norm.logpdf(rows, centre, spread).sum(axis=1)
        is_noise = expit(math.log(rate / (1.0 - rate)) + noise - normal)
        is_good = 1.0 - is_noise
        previous, rate = rate, float(np.clip(is_noise.mean(), _TINY, 1.0 - _TINY))
        centre = is_good @ rows / is_good.sum()
        spread = np.sqrt(is_good @ (rows - centre) ** 2 / is_good.sum()) + _TINY * width
        if abs(rate - previous) < _SETTLED:
            break
    # how sharply the likelihood tells rates apart, the two densities being given
    slopes = is_noise / rate - is_good / (1.0 - rate)
    return rate, 1.0 / math.sqrt(max(float(slopes @ slopes), 1.0)), is_noise


def _scale(rows: np.ndarray, explained: np.ndarray) -> np.ndarray:
    """Standard deviation of each column by the middle, or by what is farther and ``explained``."""
    scale = _NORMAL * _deviation(rows)
    reach = np.quantile(np.abs(rows - np.median(rows, axis=0)), 0.9, axis=0) / norm.ppf(0.95)
    scale = np.where(explained, np.maximum(scale, reach), scale)
    return np.where(scale > 0, scale, rows.std(axis=0))


def _deviation(rows: np.ndarray) -> np.ndarray:
    """Median absolute deviation of each column."""
    return np.median(np.abs(rows - np.median(rows, axis=0)), axis=0)
