"""What a backdoor does to a classifier (thesis, section 5.5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from sklearn.utils.validation import column_or_1d

from skrobust.corruption import attack_targets

__all__ = [
    "LastEpochs",
    "attack_success_rate",
    "clean_accuracy",
    "last_epochs",
    "poison_accuracy",
]


class LastEpochs(NamedTuple):
    """Mean and spread of a measure over the last epochs of one or more runs.

    Parameters
    ----------
    mean : float
        Over all epochs and runs.
    sd : float
        Standard deviation of all values together, as the thesis gives it.
    sd_of_runs : float
        Standard deviation of the runs' means; nan for one run.
    """

    mean: float
    sd: float
    sd_of_runs: float


def clean_accuracy(estimator, X, y) -> float:
    """Share of untouched rows that get their label.

    Parameters
    ----------
    estimator : fitted classifier
        Anything with ``predict``.
    X : array-like of shape (n_samples, ...)
        Rows without a trigger.
    y : array-like of shape (n_samples,)
        True labels.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If ``X`` is empty or ``y`` has another length.
    """
    return _share_equal(estimator, X, y)


def poison_accuracy(estimator, X, y, trigger: Callable) -> float:
    """Share of rows that keep their true label when the trigger is put into all of them.

    It is not the attack's success: a backdoor that was learnt brings it down to almost 0.

    Parameters
    ----------
    estimator : fitted classifier
        Anything with ``predict``.
    X : array-like of shape (n_samples, ...)
        Rows without a trigger.
    y : array-like of shape (n_samples,)
        True labels.
    trigger : callable
        Maps rows to rows that carry it, such as :class:`skrobust.corruption.PatchTrigger`.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If ``X`` is empty or ``y`` has another length.

    References
    ----------
    .. [1] Liu, B. Robust learning of deep neural networks under data corruption. Section 5.5.
    """
    return _share_equal(estimator, trigger(X), y)


def attack_success_rate(
    estimator, X, y, trigger: Callable, *, target_map: str = "all-to-all", target=None
) -> float:
    """Share of rows that the trigger brings to the label that the attacker wants.

    Rows that have that label already do not count.

    Parameters
    ----------
    estimator : fitted classifier
        Anything with ``predict``.
    X : array-like of shape (n_samples, ...)
        Rows without a trigger.
    y : array-like of shape (n_samples,)
        True labels.
    trigger : callable
        Maps rows to rows that carry it.
    target_map : {"all-to-all", "all-to-one", "clean-label"}, default="all-to-all"
        See :func:`skrobust.corruption.poison`.
    target : label, optional
        For the last two.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If a parameter is not one of the above, the lengths differ, or no row counts.

    References
    ----------
    .. [1] Gu, T., Dolan-Gavitt, B., Garg, S. BadNets: Identifying vulnerabilities in the machine
       learning model supply chain. 2017.
    """
    X, y = np.asarray(X), column_or_1d(y)
    known = getattr(estimator, "classes_", y[:0])  # the next class may be missing in the test part
    wanted = attack_targets(np.r_[y, known], target_map=target_map, target=target)[: len(y)]
    counts = wanted != y
    if len(X) != len(y) or not counts.any():
        raise ValueError(
            f"attack_success_rate needs rows whose label is not the target's: X has {len(X)} rows, "
            f"y {len(y)}, of which {int(counts.sum())} count"
        )
    return _share_equal(estimator, trigger(X[counts]), wanted[counts])


def last_epochs(values: Sequence[Sequence[float]], n_epochs: int = 10) -> LastEpochs:
    """Mean over the last epochs of all runs, as the tables of chapter 5 report accuracies.

    Parameters
    ----------
    values : sequence of sequences of float
        One per run (seed): a value per epoch.
    n_epochs : int, default=10
        Epochs to take from the end of each run; fewer if there are not so many.

    Returns
    -------
    LastEpochs
        Mean and standard deviations, in the units of the values.

    Raises
    ------
    ValueError
        If there is no run, a run has no epoch, or ``n_epochs`` is below 1.

    Examples
    --------
    >>> from skrobust.metrics import last_epochs
    >>> last_epochs([[0.1, 0.7, 0.9], [0.2, 0.9, 0.9]], n_epochs=2).mean
    0.85
    """
    if n_epochs < 1:
        raise ValueError(f"n_epochs must be at least 1, got {n_epochs}")
    if not len(values) or any(np.ndim(run) != 1 or len(run) == 0 for run in values):
        raise ValueError(
            "values must hold at least one run, and every run a list of at least one epoch; got "
            f"{values!r}"
        )
    last = [np.asarray(run, dtype=float)[-n_epochs:] for run in values]
    pooled = np.concatenate(last)
    means = [run.mean() for run in last]
    sd_of_runs = float(np.std(means, ddof=1)) if len(means) > 1 else float("nan")
    return LastEpochs(float(pooled.mean()), float(pooled.std()), sd_of_runs)


def _share_equal(estimator, X, y) -> float:
    y = column_or_1d(y)
    if len(X) != len(y) or len(y) == 0:
        raise ValueError(f"X and y must have as many rows, at least one: got {len(X)} and {len(y)}")
    return float(np.mean(estimator.predict(X) == y))
