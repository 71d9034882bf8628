"""What a backdoor does to a classifier (thesis, section 5.5)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils.validation import column_or_1d

from skrobust._validation import check_choice
from skrobust.corruption._poison import pair_targets


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


def clean_accuracy(estimator: Any, X: Any, y: Any) -> float:
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


def poison_accuracy(estimator: Any, X: Any, y: Any, trigger: Callable) -> float:
    """Share of rows that keep their true label when the trigger is put into all of them.

    It is not the attack's success: a backdoor that was learnt brings it down to almost 0.

    Parameters
    ----------
    estimator, X, y : fitted classifier and array-likes
        As for :func:`clean_accuracy`.
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
    """
    return _share_equal(estimator, trigger(X), y)


def attack_success_rate(
    estimator: Any,
    X: Any,
    y: Any,
    trigger: Callable | Sequence[Callable],
    *,
    target_map: str = "all-to-all",
    target: Any = None,
) -> float:
    """Share of rows that the trigger brings to the label that the attacker wants.

    Rows that have that label already do not count (BadNets: arXiv:1708.06733, 2017). For several
    triggers it is the mean of their shares.

    Parameters
    ----------
    estimator, X, y, trigger : as for :func:`poison_accuracy`
        The attacked classifier, rows without a trigger, their true labels, and the trigger, or a
        list of triggers for "all-to-one".
    target_map : {"all-to-all", "all-to-one", "clean-label"}, default="all-to-all"
        See :func:`skrobust.corruption.poison`.
    target : label, or list of different labels, optional
        For the last two. A list has one label per trigger.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If a parameter is not one of the above, the lengths differ, or no row counts.
    """
    X, y = np.asarray(X), column_or_1d(y)
    known = getattr(estimator, "classes_", y[:0])  # the next class may be missing in the test part
    triggers, wanted = pair_targets(np.r_[y, known], trigger, target_map, target)
    wanted = wanted[:, : len(y)]
    counts = wanted != y
    if len(X) != len(y) or not counts.any(axis=1).all():
        raise ValueError(
            f"attack_success_rate needs rows whose label is not the target's: X has {len(X)} rows, "
            f"y {len(y)}, of which {int(counts.sum(axis=1).min())} count"
        )
    pairs = zip(triggers, wanted, counts, strict=True)
    shares = [_share_equal(estimator, one(X[rows]), labels[rows]) for one, labels, rows in pairs]
    return float(np.mean(shares))


def separation_score(
    estimator: Any,
    X: Any,
    y: Any,
    rate: float,
    *,
    per_label: bool = True,
    target_map: str | None = None,
) -> float:
    """Tell from poisoned rows that were held out whether a defence has worked.

    A classifier that has learnt the classes and not the trigger gives the labels of clean rows a
    high probability and those of poisoned rows a low one: the score is near 1. It is far below
    where the classifier believes all rows, or has lost a class; but also where classes overlap, and
    then it tells nothing: compare settings or seeds by it only where some come near 1. No clean row
    is needed: ``GridSearchCV(model, grid, scoring=partial(separation_score, rate=0.2))``.

    Parameters
    ----------
    estimator : fitted classifier
        With ``predict_proba`` and ``classes_``.
    X : array-like of shape (n_samples, ...)
        Rows as poisoned as those of ``fit``, but none of them.
    y : array-like of shape (n_samples,)
        Their given labels.
    rate : float in (0, 1)
        Share of poisoned rows, of all rows.
    per_label : bool, default=True
        Look at the rows of each given label on their own. False looks at all rows together, which
        is for attacks on some labels.
    target_map : {"all-to-all", "all-to-one"} or None, default=None
        Which labels are taken to hold poisoned rows; for ``per_label=True``. "all-to-all": every
        label, the same share of its rows. "all-to-one": a single label, which need not be known and
        of whose rows the poisoned ones are a greater share. None: by the rate, see Notes.

    Returns
    -------
    float
        1 where the rows fall apart completely; see Notes.

    Raises
    ------
    ValueError
        If a parameter is none of the above, the lengths differ, a label is none of ``classes_``, no
        two rows are to be compared, or, for "all-to-one", no label has more rows than are
        poisoned.

    Notes
    -----
    It is the mean probability of the given label over rows that are taken for clean, less that over
    rows that are taken for poisoned, those where it is lowest: the share ``rate``, rounded up.

    * "all-to-all" takes this share of each label's rows. The label with the smallest difference
      counts, since a defence against an attack on all labels loses them one by one.
    * "all-to-one" takes all poisoned rows from one label. The clean rows are the others of that
      label, and all rows of each other label. Of these groups the one with the lowest mean counts,
      since a network that has lost a class may have found no poison. The result is that of the
      label with the greatest difference.
    * None is "all-to-one" where the poisoned rows would be at most half of the rows of the most
      frequent label, and the greater of the two above that. In ten labels of one size, an attack on
      all of them with a rate of 5 % or less is thus taken for one on a single label. Name the map
      where you know it.

    A share that is smaller than that of rows which the classifier gets wrong anyhow tells little,
    and so do a few poisoned rows: hold out so many that ten or more are expected.

    Measured for "all-to-all" by ``python -m benchmarks.thesis backdoor-choice``. On MNIST, of 60
    networks those above 0.7 have 93 % or more of both clean and poison accuracy, and those below
    (0.61 and less) have not. On Fashion-MNIST, whose shirts, pullovers and coats are much alike,
    all have less than 0.5, and good defences no more than bad ones.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skrobust import BackdoorRobustClassifier
    >>> from skrobust.corruption import PatchTrigger, poison
    >>> from skrobust.metrics import separation_score
    >>> digits = load_digits()
    >>> images = digits.images[:, None] / 16
    >>> X, y, _ = poison(images, digits.target, PatchTrigger(size=2), 0.2, random_state=0)
    >>> model = BackdoorRobustClassifier(
    ...     noisy_label="prl", corruption_rate=0.2, max_epochs=60, random_state=0
    ... )
    >>> robust = separation_score(model.fit(X[:1200], y[:1200]), X[1200:], y[1200:], 0.2)
    >>> plain = model.set_params(noisy_label=None, perturbation_limit=0, occlusion=0)
    >>> robust > separation_score(plain.fit(X[:1200], y[:1200]), X[1200:], y[1200:], 0.2) + 0.2
    True
    """
    if isinstance(rate, bool) or not isinstance(rate, Real) or not 0 < rate < 1:
        raise ValueError(f"rate must be a number in (0, 1), got {rate!r}")
    if target_map is not None:
        check_choice("target_map", target_map, ["all-to-all", "all-to-one"])
        if not per_label:
            raise ValueError(f"target_map is for per_label=True only, got {target_map!r}")
    believed, columns = _believed(estimator, X, y)
    groups = columns if per_label else np.zeros_like(columns)
    parts = [np.sort(believed[groups == group]) for group in np.unique(groups)]
    largest, n_poisoned = max(map(len, parts), default=0), _count(rate, len(believed))
    parts = [part for part in parts if len(part) > 1]
    scores = []
    if target_map != "all-to-all" and per_label:
        scores += _of_one_label(parts, n_poisoned)
    if target_map != "all-to-one" and not (scores and 2 * n_poisoned <= largest):
        scores += _of_every_label(parts, rate)
    if not scores:
        raise ValueError(
            "separation_score needs a label of at least two rows, or for 'all-to-one' of more than "
            f"the {n_poisoned} that are poisoned; the most frequent label has {largest}"
        )
    return max(scores)


def _believed(estimator: Any, X: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Probability of each row's given label, and its place among the classes."""
    y = column_or_1d(y)
    if len(X) != len(y):
        raise ValueError(f"X and y must have as many rows, got {len(X)} and {len(y)}")
    known = np.isin(y, estimator.classes_)
    if not known.all():
        raise ValueError(f"y holds {y[~known].tolist()[0]!r}, which is none of classes_")
    columns = np.searchsorted(estimator.classes_, y)
    believed = np.asarray(estimator.predict_proba(X))[np.arange(len(y)), columns]
    return believed, columns


def _count(rate: float, n_rows: int) -> int:
    return math.ceil(rate * n_rows - 1e-9)


def _of_every_label(parts: list[np.ndarray], rate: float) -> list[float]:
    """Worst separation of the labels' sorted values, each with this share of poisoned rows."""
    counts = [min(_count(rate, len(part)), len(part) - 1) for part in parts]
    gaps = [part[n:].mean() - part[:n].mean() for part, n in zip(parts, counts, strict=True)]
    return [float(min(gaps))] if gaps else []


def _of_one_label(parts: list[np.ndarray], n_poisoned: int) -> list[float]:
    """Separation if a label holds all poisoned rows and the others none, for each with so many."""
    means, gaps = [part.mean() for part in parts], []
    for place, part in enumerate(parts):
        if len(part) > n_poisoned:
            clean = [part[n_poisoned:].mean(), *means[:place], *means[place + 1 :]]
            gaps.append(float(min(clean) - part[:n_poisoned].mean()))
    return gaps


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
        wanted = "at least one run, and every run a list of at least one epoch"
        raise ValueError(f"values must hold {wanted}; got {values!r}")
    last = [np.asarray(run, dtype=float)[-n_epochs:] for run in values]
    pooled, means = np.concatenate(last), [run.mean() for run in last]
    sd_of_runs = float(np.std(means, ddof=1)) if len(means) > 1 else float("nan")
    return LastEpochs(float(pooled.mean()), float(pooled.std()), sd_of_runs)


def _share_equal(estimator: Any, X: Any, y: Any) -> float:
    y = column_or_1d(y)
    if len(X) != len(y) or len(y) == 0:
        raise ValueError(f"X and y must have as many rows, at least one: got {len(X)} and {len(y)}")
    return float(np.mean(estimator.predict(X) == y))
