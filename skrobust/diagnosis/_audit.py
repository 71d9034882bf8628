"""Which given labels and targets are trusted least, by models that have not seen them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.model_selection import KFold, StratifiedKFold, check_cv
from sklearn.utils import _safe_indexing, column_or_1d, indexable
from tqdm import tqdm

from skrobust._validation import Integral, sorted_classes
from skrobust.diagnosis._rate import CorruptionEstimate, wrong_label_rate, wrong_target_rate

__all__ = [
    "LabelAudit",
    "audit_labels",
    "check_column",
    "check_predictions",
    "encode_labels",
    "fitted_models",
    "label_suspicion",
    "make_splits",
    "target_suspicion",
]

_Split = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class LabelAudit:
    """What :func:`audit_labels` says of each row, in the order of the rows.

    Parameters
    ----------
    scores : array of shape (n_samples,)
        How little the given label or target is trusted; high means suspect. Classification: the
        log-odds against the given label, above 0 where it has less than half of the probability.
        Regression: the distance between target and prediction, in the target's units.
    order : array of shape (n_samples,), int
        Places of the rows, least trusted first; of equal ones the first.
    suggestions : array of shape (n_samples,)
        Classification: the most likely class. Regression: the predicted target.
    predictions : array of shape (n_samples, n_classes) or (n_samples,), float64
        Out of fold: probabilities, columns in the order of ``classes``, or predicted targets.
    classes : array of shape (n_classes,) or None
        The labels, sorted; None in regression.
    given : array of shape (n_samples,)
        Classification: the probability of the given label. Regression: the target minus its
        prediction.
    folds : array of shape (n_samples,), int
        Number of the fold, from 0, that held the row out.
    y : array of shape (n_samples,)
        The given labels or targets.
    index : Index or None
        That of the rows, if they had one.
    """

    scores: np.ndarray
    order: np.ndarray
    suggestions: np.ndarray
    predictions: np.ndarray
    classes: np.ndarray | None
    given: np.ndarray
    folds: np.ndarray
    y: np.ndarray
    index: pd.Index | None = None

    def to_frame(self) -> pd.DataFrame:
        """Lay out what is said of each row, in the order of the rows.

        Returns
        -------
        DataFrame of shape (n_samples, 6)
            With the index of the rows that were audited, if they had one. Columns: "given" and
            "suggestion"; "score", high for rows that are trusted little; "rank", 1 for the row that
            is trusted least; "probability" of the given label or "residual" of the given target;
            "fold".
        """
        rank = np.empty(len(self.order), dtype=int)
        rank[self.order] = np.arange(1, len(rank) + 1)
        columns = {
            "given": self.y,
            "suggestion": self.suggestions,
            "score": self.scores,
            "rank": rank,
            "residual" if self.classes is None else "probability": self.given,
            "fold": self.folds,
        }
        return pd.DataFrame(columns, index=self.index)

    def estimate_rate(self) -> CorruptionEstimate:
        """Estimate which share of the labels or targets is wrong, from the same predictions.

        Returns
        -------
        CorruptionEstimate
            As :func:`estimate_corruption_rate` gives it.
        """
        if self.classes is None:
            return wrong_target_rate(self.y, self.predictions)
        return wrong_label_rate(self.predictions, np.searchsorted(self.classes, self.y))

    def _repr_html_(self) -> str:
        """Show the rows in a notebook, least trusted first."""
        return self.to_frame().sort_values("rank").to_html(max_rows=20)


def audit_labels(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    cv: int = 5,
    random_state: int | np.random.RandomState | None = None,
    verbose: int = 0,
) -> LabelAudit:
    """Rank rows by how little their given label or target is trusted.

    The rows are split into folds, and each fold is judged by a model that is trained on the others:
    no row vouches for itself.

    Parameters
    ----------
    estimator : classifier with ``predict_proba``, or regressor
        It is cloned for each fold. One that withstands wrong labels, such as
        :class:`PRLClassifier` or :class:`PRLRegressor`, as the other rows may be wrong too.
    X : array-like of shape (n_samples, n_features) or (n_samples, ...)
        Inputs.
    y : array-like of shape (n_samples,)
        Given labels or targets, none missing.
    cv : int, splitter or iterable of (train, test), default=5
        Folds. An int makes so many, shuffled, and stratified for a classifier. Each row must be
        in exactly one test part, and not in the training part that belongs to it.
    random_state : int, RandomState or None, default=None
        Seeds the shuffling of an int ``cv``; the estimator has a seed of its own.
    verbose : int, default=0
        1 shows a progress bar.

    Returns
    -------
    LabelAudit
        Scores, suggestions, out-of-fold predictions and the order of the rows.

    Raises
    ------
    ValueError
        If the estimator is of neither kind or has no ``predict_proba``, ``y`` is not one column
        without missing or infinite cells, ``cv`` does not hold out each row once or asks for more
        folds than there are rows (of the most frequent label, for a classifier), or fewer than two
        labels occur more than once.

    See Also
    --------
    PRLClassifier : Learns from wrong labels.
    PRLRegressor : Learns from wrong targets.

    Notes
    -----
    On tables with planted errors the probability of the given label ranked wrong labels better than
    its margin over the other classes and the norm of the loss's gradient, and the absolute residual
    ranked wrong targets better than one that is scaled by the residuals of similar rows.

    A label that no training row of its fold has gets probability 0: one that occurs once in the
    table is always suspect.

    References
    ----------
    .. [1] Northcutt, C., Jiang, L., Chuang, I. Confident learning: Estimating uncertainty in
       dataset labels. JAIR, 2021. For the use of out-of-fold probabilities.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust import PRLClassifier, audit_labels
    >>> X = np.random.RandomState(0).normal(size=(200, 2))
    >>> y = np.where(X[:, 0] > 0, "right", "left")
    >>> place = X[:, 0].argmax()
    >>> y[place] = "left"  # wrong
    >>> model = PRLClassifier(corruption_rate=0.05, max_epochs=20, random_state=0)
    >>> audit = audit_labels(model, X, y, random_state=0)
    >>> bool(audit.order[0] == place), str(audit.suggestions[place])
    (True, 'right')
    """
    X, y = indexable(X, y)
    if not (is_classifier(estimator) or is_regressor(estimator)):
        raise ValueError(f"estimator must be a classifier or a regressor, got {estimator!r}")
    labels = check_column(y)
    judge = _audit_classes if is_classifier(estimator) else _audit_targets
    index = next((given.index for given in (X, y) if _has_index(given)), None)
    return judge(estimator, X, labels, cv, random_state, verbose, index)


def _has_index(given: Any) -> bool:
    return isinstance(given, (pd.DataFrame, pd.Series))


def check_column(y: Any) -> np.ndarray:
    """Labels or targets as one column, which is not empty."""
    column = column_or_1d(y)
    if not len(column):
        raise ValueError("y is empty: there are 0 rows (n_samples) to judge")
    return column


def label_suspicion(probabilities: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Log-odds of all other classes together against the given one, (n,).

    They order as one minus the probability of the given class does, without the ties that
    rounding makes near 0 and 1; at most about 700.
    """
    rows = np.arange(len(codes))
    others = np.array(probabilities, dtype=np.float64)
    given = others[rows, codes]
    others[rows, codes] = 0.0
    least = np.finfo(np.float64).tiny
    return np.log(np.maximum(others.sum(axis=1), least)) - np.log(np.maximum(given, least))


def target_suspicion(targets: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Distance between targets and predictions, both of shape (n,)."""
    return np.abs(targets - predictions)


def _audit_classes(
    estimator: Any, X: Any, y: Any, cv: Any, random_state: Any, verbose: Any, index: Any
) -> LabelAudit:
    if not hasattr(estimator, "predict_proba"):
        raise ValueError(f"{type(estimator).__name__} has no predict_proba, which the audit needs")
    classes, codes = encode_labels(y)
    splits = make_splits(estimator, cv, X, codes, random_state)
    probabilities = np.zeros((len(y), len(classes)))
    for test, rows, model in fitted_models(estimator, X, y, splits, verbose):
        known = np.searchsorted(classes, model.classes_)
        probabilities[np.ix_(test, known)] = model.predict_proba(rows)
    check_predictions(estimator, probabilities)
    scores = label_suspicion(probabilities, codes)
    return LabelAudit(
        scores=scores,
        order=_order(scores),
        suggestions=classes[probabilities.argmax(axis=1)],
        predictions=probabilities,
        classes=classes,
        given=probabilities[np.arange(len(y)), codes],
        folds=_numbers(splits, len(y)),
        y=y,
        index=index,
    )


def _audit_targets(
    estimator: Any, X: Any, y: Any, cv: Any, random_state: Any, verbose: Any, index: Any
) -> LabelAudit:
    targets = np.asarray(y, dtype=np.float64)
    if not np.isfinite(targets).all():
        raise ValueError("y has missing or infinite targets")
    splits = make_splits(estimator, cv, X, targets, random_state)
    predictions = np.zeros(len(y))
    for test, rows, model in fitted_models(estimator, X, targets, splits, verbose):
        predictions[test] = column_or_1d(model.predict(rows))
    check_predictions(estimator, predictions)
    scores = target_suspicion(targets, predictions)
    return LabelAudit(
        scores=scores,
        order=_order(scores),
        suggestions=predictions,
        predictions=predictions,
        classes=None,
        given=targets - predictions,
        folds=_numbers(splits, len(y)),
        y=targets,
        index=index,
    )


def encode_labels(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorted classes and the place of each label among them."""
    if pd.isna(y).any():
        raise ValueError("y has missing labels")
    classes, codes, counts = sorted_classes(y)
    if len(classes) < 2:
        raise ValueError(f"y holds only one class: {classes[0]!r}")
    if (counts > 1).sum() < 2:
        raise ValueError(
            f"{(counts > 1).sum()} of the {len(classes)} labels in y occur more than once, at "
            "least two are needed"
        )
    return classes, codes


def make_splits(estimator: Any, cv: Any, X: Any, y: np.ndarray, random_state: Any) -> list[_Split]:
    """Rows to train on and rows to judge, of each fold."""
    if isinstance(cv, Integral):
        kind = StratifiedKFold if is_classifier(estimator) else KFold
        if not 2 <= int(cv) <= len(y):
            raise ValueError(f"cv must be from 2 to the number of rows, {len(y)}, got {cv}")
        cv = kind(int(cv), shuffle=True, random_state=random_state)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        try:
            splits = [(np.asarray(a), np.asarray(b)) for a, b in check_cv(cv).split(X, y)]
        except ValueError as error:
            if "groups" not in str(error):
                raise
            message = f"{type(cv).__name__} needs groups: pass cv=list(cv.split(X, y, groups))"
            raise ValueError(message) from error
    held_out = np.zeros(len(y), dtype=int)
    for train, test in splits:
        np.add.at(held_out, test, 1)
        if np.isin(test, train).any():
            raise ValueError("cv trains on rows that it holds out in the same fold")
    if (held_out != 1).any():
        raise ValueError(
            f"cv must hold out each row once, which it does not for {(held_out != 1).sum()} rows"
        )
    return splits


def fitted_models(
    estimator: Any, X: Any, y: Any, splits: list[_Split], verbose: int
) -> Iterator[tuple]:
    """For each fold the rows to judge, their inputs, and a model that has not seen them."""
    for train, test in tqdm(splits, desc="folds", unit="fold", disable=not verbose):
        model = clone(estimator).fit(_safe_indexing(X, train), y[train])
        yield test, _safe_indexing(X, test), model


def check_predictions(estimator: Any, predictions: np.ndarray) -> None:
    """Refuse predictions that are not finite: they would rank as trusted."""
    bad = ~np.isfinite(predictions.reshape(len(predictions), -1)).all(axis=1)
    if bad.any():
        raise ValueError(
            f"{type(estimator).__name__} predicts nan or infinity for {bad.sum()} of {len(bad)} "
            f"rows that it has not seen, the first of them row {bad.argmax()}"
        )


def _numbers(splits: list[_Split], n_rows: int) -> np.ndarray:
    """Number of the fold that holds each row out."""
    folds = np.empty(n_rows, dtype=int)
    for number, (_, test) in enumerate(splits):
        folds[test] = number
    return folds


def _order(scores: np.ndarray) -> np.ndarray:
    """Places of the highest scores first; of equal ones the first."""
    return np.argsort(-scores, kind="stable")
