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
_CONFIDENT_SHARES, _CONFIDENT_ROWS = (0.25, 0.6), 100
_MODEL_ERROR = 0.02  # what the models get wrong besides
_MOST_OVERLAP = 0.14
_MOST_UNEXPLAINED = 0.75
_DOUBTFUL_TARGETS = 0.35
_BY_CHANCE = 0.05
_RARE = 0.01
_LEAST_WIDTH = 12.0
_FARTHEST, _FARTHER, _SURELY, _HIDDEN_RATE, _MANY_GROSS = 0.99, 0.1, 0.75, 0.1, 0.05
_SIZES, _N_DEALS = (0.3, 0.5, 0.7, 0.8, 0.9), 5  # quantiles of the errors of exchanged targets
_NORMAL = 1.4826  # standard deviation of normal values by their median deviation
_N_TURNS, _SETTLED, _TINY = 1000, 1e-6, 1e-6


class CorruptionEstimate(NamedTuple):
    """A share of corrupted rows, and how far it can be trusted.

    Parameters
    ----------
    rate : float
        The share. Where nothing can be estimated, 0.2.
    low, high : float
        Interval of 95 % for wrong labels and targets: what chance does to the rows that the
        estimate rests on, and a little wider, as models are wrong, too: for targets up to the
        largest share that the residuals allow. For anomalies the range of the ways that are
        averaged. Where nothing can be estimated, 0 and 0.5.
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
    quarter is looked at; more, up to six tenths, if that makes fewer than 100 rows.

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
    share = float(np.clip(_CONFIDENT_ROWS / n_rows, *_CONFIDENT_SHARES))
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
    by one are more than a tenth of the first, at least these.

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
        In doubt where there are fewer than 50 rows or all residuals are the same, which gives the
        fallback; where the residuals' median absolute deviation is more than three quarters of the
        targets', so that wrong targets, or what they have taught the model, hide among large
        errors, which gives 0.1, and where 5 % of the errors are counted one by one at least these
        and the second share; where the estimate is above 0.1 and rows are far from the middle for a
        reason, which gives 0, as the rare amounts would go first; and where it is above 0.35. At
        most 0.45.
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
    spread = _NORMAL * _deviation(residuals)
    ranges = np.ptp(residuals, axis=0), np.ptp(given, axis=0), _LEAST_WIDTH * spread
    width = np.max(ranges, axis=0)
    mixture, error, is_noise = _noise_share(residuals, spread, width)
    scale = _scale(given, None if explained is None else explained[varies])
    if not scale.all():
        return fallback("the targets are all the same")
    unexplained = float(np.mean(spread / scale))
    gross, most = _exchanged_share(given, residuals, scale, is_noise > 0.5)
    least = gross if gross > _FARTHER * most else _SURELY * most
    share = float(np.clip(mixture, least, most))
    rate = min(share, LARGEST_RATE)
    low = min(max(min(share, mixture) - 1.96 * error, 0.0), rate)
    high = min(most + 1.96 * error, 1.0)
    if unexplained > _MOST_UNEXPLAINED:
        hidden = (
            f"models that have not seen a row miss its target by {unexplained:.0%} of the targets' "
            "own spread, in which wrong targets can hide"
        )
        rate = _HIDDEN_RATE
        if gross > _MANY_GROSS:  # one that is left in training undoes it: rather too many
            rate = min(max(rate, gross, min(mixture, most)), LARGEST_RATE)
        return CorruptionEstimate(rate, min(low, rate), max(high, 0.5), hidden)
    doubt = None
    if explained is not None and explained.any() and share > _HIDDEN_RATE:
        doubt = "most targets are nearly the same, and what the others are is not predicted well"
        return CorruptionEstimate(0.0, 0.0, max(high, 0.5), doubt)
    if share > _DOUBTFUL_TARGETS:
        doubt = f"{share:.0%} of the targets seem to be wrong, which few methods stand"
    return CorruptionEstimate(rate, low, high, doubt)


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


def _scale(rows: np.ndarray, explained: np.ndarray | None) -> np.ndarray:
    """Standard deviation of each column by the middle, or by what is farther and ``explained``."""
    scale = _NORMAL * _deviation(rows)
    reach = np.quantile(np.abs(rows - np.median(rows, axis=0)), 0.9, axis=0) / norm.ppf(0.95)
    if explained is not None:
        scale = np.where(explained, np.maximum(scale, reach), scale)
    return np.where(scale > 0, scale, rows.std(axis=0))


def _deviation(rows: np.ndarray) -> np.ndarray:
    """Median absolute deviation of each column."""
    return np.median(np.abs(rows - np.median(rows, axis=0)), axis=0)


def _agree(probabilities: np.ndarray, codes: np.ndarray) -> bool:
    """Whether rows of some label rank above others by its probability, more than by chance."""
    known = np.unique(codes)
    if len(known) < 2:
        return False
    ranked = [probabilities[:, code] for code in known]
    values = [
        mannwhitneyu(column[codes == code], column[codes != code], alternative="greater").pvalue
        for code, column in zip(known, ranked, strict=True)
    ]
    return bool(len(known) * min(values) < _BY_CHANCE)
