"""How many rows are corrupted: estimates from what models say of rows they have not seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import beta, mannwhitneyu

from skrobust._validation import warn_caller

LEAST_ROWS = 50
FALLBACK_RATE = 0.2
LARGEST_RATE = 0.45
_CONFIDENT_SHARES, _CONFIDENT_ROWS = (0.25, 0.6), 100
_MODEL_ERROR = 0.02  # what the models get wrong besides
_MOST_OVERLAP = 0.14
_BY_CHANCE = 0.05
_RARE, _RARE_ENOUGH = 0.01, 0.05


class CorruptionEstimate(NamedTuple):
    """A share of corrupted rows, and how far it can be trusted.

    Parameters
    ----------
    rate : float
        The share. Where nothing can be estimated, 0.2.
    low, high : float
        Interval of 95 % for wrong labels and targets: what chance does to the rows that the
        estimate rests on, and a little wider, as models are wrong, too: for targets up to the
        largest share that the residuals allow. For anomalies what the valley below the group
        that stands out leaves open. Where nothing can be estimated, 0 and 0.5.
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
        predicted, which gives 0 up to 5 % of the rows and half of its share beyond, or the fallback
        if that is less: dropping more might drop the rest of them; where the share is above 0.45,
        which is returned then; and where of all rows 0.14 more have another label than is
        predicted: either classes overlap, and fewer labels are wrong, or errors follow a pattern,
        and more are.
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
        return fallback(doubt, min(rarest / 2.0, FALLBACK_RATE) if rarest > _RARE_ENOUGH else 0.0)
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
