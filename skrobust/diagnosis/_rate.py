"""How many rows are corrupted: estimates from what models say of rows they have not seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import expit
from scipy.stats import beta, mannwhitneyu, norm

from skrobust._validation import warn_caller

LEAST_ROWS = 50
FALLBACK_RATE = 0.2
LARGEST_RATE = 0.45
_CONFIDENT_SHARES, _CONFIDENT_ROWS = (0.25, 0.6), (100, 1000)
_MODEL_ERROR = 0.02  # what the models get wrong besides
_MOST_OVERLAP = 0.14
_MOST_UNEXPLAINED = 0.5
_DOUBTFUL_TARGETS = 0.35
_BY_CHANCE = 0.05
_RARE = 0.01
_LEAST_WIDTH = 12.0
_N_TURNS, _SETTLED, _TINY = 1000, 1e-6, 1e-6


class CorruptionEstimate(NamedTuple):
    """A share of corrupted rows, and how far it can be trusted.

    Parameters
    ----------
    rate : float
        The share. Where nothing can be estimated, 0.2.
    low, high : float
        Interval of 95 % for wrong labels and targets: what chance does to the rows that the
        estimate rests on; for labels a little wider, as models are wrong, too. For anomalies the
        range of the ways that are averaged. Where nothing can be estimated, 0 and 0.5.
    doubt : str or None
        Why the estimate cannot be relied on, where the data show a reason.
    """

    rate: float
    low: float
    high: float
    doubt: str | None = None


def few_rows(n_rows: int) -> CorruptionEstimate:
    """Give the fallback for tables that are too small for an estimate.

    Parameters
    ----------
    n_rows : int
        How many there are.

    Returns
    -------
    CorruptionEstimate
    """
    return fallback(f"{n_rows} rows are too few, it takes {LEAST_ROWS}")


def fallback(doubt: str, rate: float = FALLBACK_RATE) -> CorruptionEstimate:
    return CorruptionEstimate(rate, 0.0, 0.5, doubt)


def mean_of_estimates(estimates: Sequence[CorruptionEstimate]) -> CorruptionEstimate:
    """Average estimates of several labels, each as good as the other.

    Parameters
    ----------
    estimates : sequence of CorruptionEstimate
        At least one.

    Returns
    -------
    CorruptionEstimate
        Means over those without a doubt; with the first doubt where these are fewer than half.
    """
    judged = [estimate for estimate in estimates if estimate.doubt is None]
    rate, low, high = np.mean([one[:3] for one in judged or estimates], axis=0).tolist()
    doubts = [one.doubt for one in estimates if one.doubt is not None]
    return CorruptionEstimate(rate, low, high, doubts[0] if len(doubts) > len(judged) else None)


def with_counted(estimate: CorruptionEstimate, counted: float) -> CorruptionEstimate:
    """Add a share of rows that are known to be wrong to the estimate of the others."""
    rate, low, high = (counted + (1.0 - counted) * share for share in estimate[:3])
    return CorruptionEstimate(min(rate, LARGEST_RATE), min(low, LARGEST_RATE), high, estimate.doubt)


def warn_of_doubt(parameter: str, estimate: CorruptionEstimate) -> None:
    """Warn the caller where an estimate that a parameter asked for cannot be relied on.

    Parameters
    ----------
    parameter : str
        Which one is "auto".
    estimate : CorruptionEstimate
        The estimate.
    """
    if estimate.doubt is not None:
        warn_caller(
            f"{parameter}='auto' takes {estimate.rate:.2g}, which cannot be relied on: "
            f"{estimate.doubt}"
        )


def interval_of_share(count: int, n_rows: int) -> tuple[float, float]:
    """Return Clopper's and Pearson's interval of 95 % of a share, ``count`` of ``n_rows``."""
    low = float(beta.ppf(0.025, count, n_rows - count + 1)) if count > 0 else 0.0
    high = float(beta.ppf(0.975, count + 1, n_rows - count)) if count < n_rows else 1.0
    return low, high


def wrong_label_rate(probabilities: np.ndarray, codes: np.ndarray) -> CorruptionEstimate:
    """Share of wrong labels: how often the given label contradicts a confident prediction.

    Of the rows that are predicted to be of a class, the most confident are all but certain to be
    of it if the model has learnt the task, whatever their given labels say. Where these differ,
    they are wrong; wrong labels are taken to be as frequent among the other rows. Of each class a
    quarter is looked at; more, up to six tenths, if that makes fewer than 100 rows, and less if it
    makes more than 1,000.

    Parameters
    ----------
    probabilities : array of shape (n, n_classes)
        Of each class, by a model that has not seen the row and withstands wrong labels.
    codes : array of shape (n,), int
        Column of the given label.

    Returns
    -------
    CorruptionEstimate
        In doubt where there are fewer than 50 rows or labels and predictions agree no better than
        by chance, which gives the fallback; where a label of 1 % of the rows or more is never
        predicted, which gives half of its share, or the fallback if that is less: dropping more
        might drop the rest of them; where the share is above 0.45, which is returned then; and
        where of all rows 0.14 more have another label than is predicted: either classes overlap,
        and fewer labels are wrong, or errors follow a pattern, and more are.
    """
    n_rows = len(codes)
    if n_rows < LEAST_ROWS:
        return few_rows(n_rows)
    few, many = (count / n_rows for count in _CONFIDENT_ROWS)
    share = min(float(np.clip(few, *_CONFIDENT_SHARES)), many)
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    shares = np.bincount(codes) / n_rows
    lost = np.setdiff1d(np.flatnonzero(shares >= _RARE), predicted)
    if len(lost):
        rarest = float(shares[lost].min())
        doubt = f"a label of {rarest:.1%} of the rows is never predicted by the models"
        return fallback(doubt, min(rarest / 2.0, FALLBACK_RATE))
    chosen = np.zeros(n_rows, dtype=bool)
    for code in np.unique(predicted):
        rows = np.flatnonzero(predicted == code)
        n_chosen = math.ceil(share * len(rows))
        chosen[rows[np.argsort(-confidence[rows], kind="stable")[:n_chosen]]] = True
    n_chosen, n_wrong = int(chosen.sum()), int((predicted != codes)[chosen].sum())
    rate = n_wrong / n_chosen
    if not _agree(probabilities, codes):
        return fallback("labels and predictions agree no better than by chance")
    low, high = interval_of_share(n_wrong, n_chosen)
    low, high = max(low - _MODEL_ERROR, 0.0), min(high + _MODEL_ERROR, 1.0)
    if rate > LARGEST_RATE:
        doubt = f"of the rows that are predicted most confidently, {rate:.0%} have another label"
        return CorruptionEstimate(LARGEST_RATE, min(low, LARGEST_RATE), high, doubt)
    n_other = int((predicted != codes).sum())
    if n_other / n_rows - rate > _MOST_OVERLAP:
        doubt = (
            f"models predict another label for {n_other / n_rows:.0%} of the rows, and for "
            f"{rate:.0%} where they are most confident: classes overlap or errors have a pattern"
        )
        return CorruptionEstimate(rate, 0.0, interval_of_share(n_other, n_rows)[1], doubt)
    return CorruptionEstimate(rate, low, high)


def wrong_target_rate(targets: np.ndarray, predictions: np.ndarray) -> CorruptionEstimate:
    """Share of wrong targets: weight of the noise in a mixture that explains the residuals.

    Residuals of good rows are taken to be normal, those of wrong targets uniform over the range of
    the residuals or of the targets, whichever is larger, and at least 12 standard deviations, lest
    the noise explain what is normal. Location, scale and the share of the second kind are fitted by
    expectation-maximisation (Banfield and Raftery, Biometrics 1993, section 5).

    Parameters
    ----------
    targets : array of shape (n,) or (n, n_targets)
        As given. A row with several is good or wrong in all of them, which are independent
        otherwise.
    predictions : array of the same shape
        By a model that has not seen the row and withstands wrong targets, such as one that
        minimises absolute errors.

    Returns
    -------
    CorruptionEstimate
        In doubt where there are fewer than 50 rows or all residuals are the same, which gives the
        fallback; where the residuals' median absolute deviation is more than half of the targets',
        so that wrong targets, or what they have taught the model, hide among large errors, which
        gives at least the fallback; and where the share is above 0.35. At most 0.45.
    """
    n_rows = len(targets)
    if n_rows < LEAST_ROWS:
        return few_rows(n_rows)
    given = np.asarray(targets, dtype=np.float64).reshape(n_rows, -1)
    residuals = given - np.asarray(predictions, dtype=np.float64).reshape(n_rows, -1)
    varies = np.ptp(residuals, axis=0) > 0
    if not varies.any():
        return fallback("all residuals are the same")
    given, residuals = given[:, varies], residuals[:, varies]
    spread = 1.4826 * _deviation(residuals)
    ranges = np.ptp(residuals, axis=0), np.ptp(given, axis=0), _LEAST_WIDTH * spread
    width = np.max(ranges, axis=0)
    rate, error = _noise_share(residuals, spread, width)
    low, high = max(rate - 1.96 * error, 0.0), min(rate + 1.96 * error, 1.0)
    share, rate = rate, min(rate, LARGEST_RATE)
    low = min(low, rate)
    scale = _deviation(given)
    scale = np.where(scale > 0, scale, norm.ppf(0.75) * given.std(axis=0))  # mostly one value
    if not scale.all():
        return fallback("the targets are all the same")
    unexplained = float(np.mean(_deviation(residuals) / scale))
    if unexplained > _MOST_UNEXPLAINED:
        hidden = (
            f"models that have not seen a row miss its target by {unexplained:.0%} of the targets' "
            "own spread, in which wrong targets can hide"
        )
        return CorruptionEstimate(max(rate, FALLBACK_RATE), low, max(high, 0.5), hidden)
    doubt = None
    if share > _DOUBTFUL_TARGETS:
        doubt = f"{share:.0%} of the targets seem to be wrong, which few methods stand"
    return CorruptionEstimate(rate, low, high, doubt)


def _noise_share(rows: np.ndarray, spread: np.ndarray, width: np.ndarray) -> tuple[float, float]:
    """Fit normal residuals (n, n_targets) and uniform noise; the noise's weight, and its error."""
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
    return rate, 1.0 / math.sqrt(max(float(slopes @ slopes), 1.0))


def _deviation(rows: np.ndarray) -> np.ndarray:
    """Median absolute deviation of each column."""
    return np.median(np.abs(rows - np.median(rows, axis=0)), axis=0)


def _agree(probabilities: np.ndarray, codes: np.ndarray) -> bool:
    """Whether rows of some label rank above others by its probability, more than by chance."""
    known = np.unique(codes)
    ranked = [probabilities[:, code] for code in known]
    values = [
        mannwhitneyu(column[codes == code], column[codes != code], alternative="greater").pvalue
        for code, column in zip(known, ranked, strict=True)
    ]
    return bool(len(known) * min(values) < _BY_CHANCE)
