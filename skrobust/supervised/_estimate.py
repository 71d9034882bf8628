"""How many labels or targets are wrong, by any estimator."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils import _safe_indexing, check_random_state, column_or_1d

from skrobust._validation import Integral
from skrobust.diagnosis import FALLBACK_RATE, LEAST_ROWS, CorruptionEstimate, few_rows
from skrobust.diagnosis._audit import classes_of, rate_of, take_in
from skrobust.diagnosis._folds import make_splits, predict_unseen
from skrobust.diagnosis._stuck import explains_far, find_stuck

__all__ = ["estimate_corruption_rate", "estimate_rate"]

MOST_ROWS = 20_000


def estimate_corruption_rate(
    estimator: Any = None,
    X: Any = None,
    y: Any = None,
    *,
    pred_probs: Any = None,
    predictions: Any = None,
    cv: int = 3,
    groups: Any = None,
    random_state: int | np.random.RandomState | None = None,
    verbose: int = 0,
) -> CorruptionEstimate:
    """Estimate which share of the labels or targets is wrong.

    Each part of the rows is predicted by a model that is trained on the others. Labels: among the
    most confident predictions of each class, the share whose given label is another one. Targets:
    those that are stuck at one value, and how many of the others have errors as large as if targets
    had been exchanged among rows.

    Parameters
    ----------
    estimator : classifier with ``predict_proba``, or regressor, optional
        It is cloned for each fold, and should withstand wrong labels or targets. The learners of
        this package are replaced by what ``corruption_rate="auto"`` estimates with, whatever their
        own settings say: :class:`PRLClassifier` without a module, on tables, by a forest of extra
        trees with leaves of 5 rows or more; other classifiers drop a share of 0.3,
        :class:`PRLRegressor` minimises absolute errors.
    X : array-like of shape (n_samples, n_features) or (n_samples, ...), optional
        Inputs, for the estimator.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Given labels or targets, as in :func:`audit_labels`. For an estimator: of more than 20,000
        rows as many are drawn, unless ``cv`` is a splitter or there are ``groups``.
    pred_probs, predictions : array-like, optional
        Of models that have not seen the row, in the place of ``estimator`` and ``X``; as in
        :func:`audit_labels`.
    cv : int, splitter or iterable of (train, test), default=3
        Folds, as in :func:`audit_labels`.
    groups : array-like of shape (n_samples,), optional
        Rows of one group are never in two folds.
    random_state : int, RandomState or None, default=None
        Seeds the shuffling of an int ``cv``; the estimator has a seed of its own.
    verbose : int, default=0
        1 shows a progress bar.

    Returns
    -------
    CorruptionEstimate
        ``rate``, an interval from ``low`` to ``high``, and ``doubt``: why the estimate cannot be
        relied on, or None.

    Raises
    ------
    ValueError
        As :func:`audit_labels`.

    See Also
    --------
    audit_labels : Which rows they are.

    Notes
    -----
    Why these ways: with networks as judges (``python -m benchmarks.thesis unknown-rate``), mean
    absolute errors on planted wrong labels, 0 to 40 % in six sets, were 0.03, with cleanlab's
    confident joint of the same predictions 0.06, with all disagreements 0.07 and with a mixture
    fitted to early losses [3]_ 0.12. A mixture of normal residuals and noise alone calls heavy
    tails wrong, and does not see targets that are exchanged where models are coarse.

    Classes that overlap look like wrong labels, so the estimate is too high there. Wrong labels and
    targets that follow a pattern which models learn agree with what they predict, and are not
    counted.

    References
    ----------
    .. [1] Northcutt, C., Jiang, L., Chuang, I. Confident learning: Estimating uncertainty in
       dataset labels. JAIR, 2021. For confident out-of-fold predictions.
    .. [2] Banfield, J. D., Raftery, A. E. Model-based Gaussian and non-Gaussian clustering.
       Biometrics, 1993. For the mixture with uniform noise.
    .. [3] Li, J., Socher, R., Hoi, S. C. H. DivideMix: Learning with noisy labels as
       semi-supervised learning. ICLR, 2020.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skrobust import PRLClassifier, estimate_corruption_rate
    >>> from skrobust.corruption import corrupt_labels
    >>> X, truth = load_digits(return_X_y=True)
    >>> y, wrong = corrupt_labels(truth, 0.2, random_state=0)
    >>> found = estimate_corruption_rate(PRLClassifier(random_state=0), X, y, random_state=0)
    >>> abs(found.rate - 0.2) < 0.04, found.doubt
    (True, None)
    """
    taken = take_in(estimator, X, y, pred_probs, predictions, groups)
    X, groups, found, given, classes, _ = taken
    if found is not None:
        return rate_of(given, found, classes)
    if classes is not None and hasattr(estimator, "_pilot"):
        given = column_or_1d(given)  # the classifiers of this package know one label a row
    pilot = estimator._pilot(X) if hasattr(estimator, "_pilot") else estimator
    return estimate_rate(
        estimator, pilot, X, given, cv=cv, groups=groups, random_state=random_state, verbose=verbose
    )


def estimate_rate(
    estimator: Any,
    pilot: Any,
    X: Any,
    y: np.ndarray,
    *,
    cv: int = 3,
    groups: Any = None,
    random_state: int | np.random.RandomState | None = None,
    verbose: int = 0,
) -> CorruptionEstimate:
    """Estimate the rate by ``pilot``, as ``estimator`` judges it, from at most 20,000 rows.

    Labels may be such that no folds can be made of them; targets may have several columns.
    """
    if len(y) < LEAST_ROWS:
        return few_rows(len(y))
    if isinstance(cv, Integral) and len(y) > MOST_ROWS and groups is None:
        rows = check_random_state(random_state).permutation(len(y))[:MOST_ROWS]
        X, y = _safe_indexing(X, rows), y[rows]
    classes, codes = None, y
    if is_classifier(estimator):
        try:
            classes, codes = classes_of(y)
        except ValueError as error:
            return CorruptionEstimate(FALLBACK_RATE, 0.0, 0.5, str(error))
    splits = make_splits(estimator, cv, X, codes, random_state, groups)
    with warnings.catch_warnings():
        if pilot is not estimator:  # what it says of itself is not asked for
            warnings.simplefilter("ignore", UserWarning)
        stuck = explained = None
        if not is_classifier(estimator):
            explained = explains_far(X, y)
            stuck = find_stuck(X, y) if getattr(estimator, "drop_stuck", True) else None
        predictions = predict_unseen(pilot, X, y, classes, splits, verbose, stuck)
    if is_classifier(estimator) and hasattr(estimator, "_judge_rate"):
        return estimator._judge_rate(predictions, codes)
    return rate_of(y, predictions, classes, stuck, explained)
