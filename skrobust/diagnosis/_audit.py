"""Which given labels and targets are trusted least, by models that have not seen them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier, is_regressor
from sklearn.utils import indexable

from skrobust.diagnosis._folds import (
    check_given,
    check_predictions,
    encode_labels,
    make_splits,
    predict_unseen,
)
from skrobust.diagnosis._rate import (
    CorruptionEstimate,
    mean_of_estimates,
    with_counted,
    wrong_label_rate,
)
from skrobust.diagnosis._stuck import above_others, explains_far, find_stuck
from skrobust.diagnosis._target_rate import wrong_target_rate

__all__ = ["LabelAudit", "audit_labels", "label_suspicion"]

_NORMAL = 1.4826  # standard deviation of normal residuals by their median deviation


@dataclass(frozen=True)
class LabelAudit:
    """What :func:`audit_labels` says of each row, in the order of the rows.

    With several targets or labels a row has, and is judged by the one that is trusted least;
    ``n_outputs`` is their number.

    Parameters
    ----------
    scores : array of shape (n_samples,)
        How little the given label or target is trusted; high means suspect. Classification: the
        log-odds against the given label, above 0 where it has less than half of the probability.
        Regression: the distance between target and prediction, in the target's units; of several
        targets in median deviations of each. Targets that are ``stuck`` are above all others.
    order : array of shape (n_samples,), int
        Places of the rows, least trusted first; of equal ones the first.
    suggestions : array of shape (n_samples,) or (n_samples, n_outputs)
        Classification: the most likely class. Regression: the predicted target.
    predictions : array of shape (n_samples, n_classes), (n_samples,) or (n_samples, n_outputs)
        Of models that have not seen the row, float64: probabilities, columns in the order of
        ``classes``; predicted targets; or the probability that each of several labels is there.
    classes : array of shape (n_classes,) or None
        The labels, sorted; None in regression.
    given : array of shape (n_samples,) or (n_samples, n_outputs)
        Classification: the probability of the given label. Regression: the target minus its
        prediction.
    folds : array of shape (n_samples,), int, or None
        Number of the fold, from 0, that held the row out; None for predictions at hand.
    y : array of shape (n_samples,) or (n_samples, n_outputs)
        The given labels or targets.
    index : Index or None
        That of the rows, if they had one.
    outputs : array of shape (n_outputs,) or None
        Names or numbers of several targets or labels.
    worst : array of shape (n_samples,), int, or None
        The place of the one that is trusted least.
    stuck : array of shape (n_samples,), bool, or None
        Rows whose target repeats a value that many rows have and the features do not explain, as a
        sensor does that is stuck; no model is trained on them. None for labels, and for predictions
        at hand.
    explained : array of shape (n_outputs,), bool, or None
        Of which targets the features tell which are far from the middle, likewise.
    """

    scores: np.ndarray
    order: np.ndarray
    suggestions: np.ndarray
    predictions: np.ndarray
    classes: np.ndarray | None
    given: np.ndarray
    folds: np.ndarray | None
    y: np.ndarray
    index: pd.Index | None = None
    outputs: np.ndarray | None = None
    worst: np.ndarray | None = None
    stuck: np.ndarray | None = None
    explained: np.ndarray | None = None

    def to_frame(self) -> pd.DataFrame:
        """Lay out what is said of each row, in the order of the rows.

        Returns
        -------
        DataFrame of n_samples rows
            With the index of the rows that were audited, if they had one. Columns: "output", the
            one that is trusted least, where there are several; "given" and "suggestion"; "score",
            high for rows that are trusted little; "rank", 1 for the row that is trusted least;
            "probability" of the given label or "residual" of the given target; "fold", where there
            are folds.
        """
        rank = np.empty(len(self.order), dtype=int)
        rank[self.order] = np.arange(1, len(rank) + 1)
        columns = {
            "given": self._worst_of(self.y),
            "suggestion": self._worst_of(self.suggestions),
            "score": self.scores,
            "rank": rank,
            "residual" if self.classes is None else "probability": self._worst_of(self.given),
        }
        if self.outputs is not None:
            columns = {"output": self.outputs[self.worst], **columns}
        if self.folds is not None:
            columns["fold"] = self.folds
        return pd.DataFrame(columns, index=self.index)

    def _worst_of(self, values: np.ndarray) -> np.ndarray:
        return values if self.worst is None else values[np.arange(len(values)), self.worst]

    def estimate_rate(self) -> CorruptionEstimate:
        """Estimate which share of the labels or targets is wrong, from the same predictions.

        Returns
        -------
        CorruptionEstimate
            As :func:`estimate_corruption_rate` gives it.
        """
        return rate_of(self.y, self.predictions, self.classes, self.stuck, self.explained)

    def _repr_html_(self) -> str:
        """Show the rows in a notebook, least trusted first."""
        return self.to_frame().sort_values("rank").to_html(max_rows=20)


def rate_of(
    y: np.ndarray,
    predictions: np.ndarray,
    classes: np.ndarray | None,
    stuck: np.ndarray | None = None,
    explained: np.ndarray | None = None,
) -> CorruptionEstimate:
    """Share of wrong labels or targets by predictions; of several labels the mean share.

    Targets that are ``stuck`` are counted, and the others judged.
    """
    if classes is None and stuck is not None:
        others = wrong_target_rate(y[~stuck], predictions[~stuck], explained)
        return with_counted(others, float(stuck.mean()))
    if classes is None:
        return wrong_target_rate(y, predictions, explained)
    if y.ndim == 2:
        each = zip(_two_columns(predictions), y.T.astype(int), strict=True)
        return mean_of_estimates([wrong_label_rate(*one) for one in each])
    return wrong_label_rate(predictions, np.searchsorted(classes, y))


def audit_labels(
    estimator: Any = None,
    X: Any = None,
    y: Any = None,
    *,
    pred_probs: Any = None,
    predictions: Any = None,
    cv: int = 5,
    groups: Any = None,
    random_state: int | np.random.RandomState | None = None,
    verbose: int = 0,
) -> LabelAudit:
    """Rank rows by how little their given label or target is trusted.

    The rows are split into folds, and each fold is judged by a model that is trained on the others:
    no row vouches for itself. Predictions of rows by models that have not seen them may be passed
    in the place of a model.

    Parameters
    ----------
    estimator : classifier with ``predict_proba``, or regressor, optional
        It is cloned for each fold. One that withstands wrong labels, such as
        :class:`PRLClassifier`, :class:`PRLRegressor` or a forest of large leaves, as the other rows
        may be wrong too.
    X : array-like of shape (n_samples, n_features) or (n_samples, ...), optional
        Inputs, for the estimator.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Given labels or targets, none missing. Several labels are columns of 0 and 1.
    pred_probs : array-like of shape (n_samples, n_classes) or (n_samples, n_outputs), optional
        Probabilities by models that have not seen the row, in the place of ``estimator`` and ``X``;
        columns in the order of the sorted labels, or of the columns of ``y``.
    predictions : array-like of the shape of ``y``, optional
        Predicted targets likewise.
    cv : int, splitter or iterable of (train, test), default=5
        Folds. An int makes so many, shuffled, and stratified for a classifier. Each row must be
        in exactly one test part, and not in the training part that belongs to it.
    groups : array-like of shape (n_samples,), optional
        Rows of one group are never in two folds, such as pictures of one patient.
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
        If the estimator is of neither kind or has no ``predict_proba``, predictions are not finite
        or of another shape than ``y`` asks for, ``y`` has missing or infinite cells, ``cv`` does
        not hold out each row once or asks for more folds than there are rows (of the most frequent
        label, for a classifier), or fewer than two labels occur more than once.

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
    taken = take_in(estimator, X, y, pred_probs, predictions, groups)
    X, groups, found, given, classes, codes = taken
    folds = stuck = explained = None
    if found is None:
        splits = make_splits(estimator, cv, X, codes, random_state, groups)
        if classes is None:
            stuck, explained = find_stuck(X, given), explains_far(X, given)
        found = predict_unseen(estimator, X, given, classes, splits, verbose, stuck)
        folds = _numbers(splits, len(given))
    index = next((own.index for own in (X, y) if isinstance(own, (pd.DataFrame, pd.Series))), None)
    judge: Callable = _judge_targets if classes is None else _judge_labels
    said, suggestions, scores = judge(given, codes, found, classes)
    several = {}
    if scores.ndim == 2:
        worst = scores.argmax(axis=1)
        outputs = np.asarray(getattr(y, "columns", np.arange(scores.shape[1])))
        several, scores = {"outputs": outputs, "worst": worst}, scores.max(axis=1)
    if stuck is not None:
        scores = above_others(scores, stuck)
    return LabelAudit(
        scores=scores,
        order=np.argsort(-scores, kind="stable"),
        suggestions=suggestions,
        predictions=found,
        classes=classes,
        given=said,
        folds=folds,
        y=given,
        index=index,
        stuck=stuck,
        explained=explained,
        **several,
    )


def take_in(
    estimator: Any, X: Any, y: Any, pred_probs: Any, predictions: Any, groups: Any
) -> tuple[Any, Any, np.ndarray | None, np.ndarray, np.ndarray | None, np.ndarray]:
    """Check what an audit is given: X, groups, predictions at hand, labels, classes, codes."""
    labels = pred_probs is not None or (estimator is not None and is_classifier(estimator))
    at_hand = check_source(estimator, X, pred_probs, predictions, y)
    _, X, y, groups = indexable(at_hand, X, y, groups)
    given = check_given(y, labels=labels)
    classes, codes = classes_of(given) if labels else (None, given)
    found = None if at_hand is None else check_at_hand(at_hand, y, given, classes)
    return X, groups, found, given, classes, codes


def check_source(estimator: Any, X: Any, pred_probs: Any, predictions: Any, y: Any) -> Any:
    """Return predictions at hand, or None where an estimator is to make them."""
    if y is None:
        raise ValueError("this requires y to be passed, but the target y is None")
    if (pred_probs is not None) + (predictions is not None) + (estimator is not None) != 1:
        raise ValueError(
            "pass one of: estimator with X, pred_probs (of labels) or predictions (of targets)"
        )
    if estimator is None:
        return predictions if pred_probs is None else pred_probs
    if X is None:
        raise ValueError("X is missing, which the estimator is to be trained on")
    if not (is_classifier(estimator) or is_regressor(estimator)):
        raise ValueError(f"estimator must be a classifier or a regressor, got {estimator!r}")
    if is_classifier(estimator) and not hasattr(estimator, "predict_proba"):
        raise ValueError(f"{type(estimator).__name__} has no predict_proba, which the audit needs")
    return None


def classes_of(given: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorted classes and the place of each label among them; several labels are there or not."""
    return (np.array([0, 1]), given.astype(int)) if given.ndim == 2 else encode_labels(given)


def check_at_hand(
    at_hand: Any, y: Any, given: np.ndarray, classes: np.ndarray | None
) -> np.ndarray:
    """Predictions at hand as they would come from folds, float64; named columns by their names."""
    names = classes if classes is not None and given.ndim == 1 else getattr(y, "columns", None)
    if names is not None and set(getattr(at_hand, "columns", [])) == set(names):
        at_hand = at_hand[list(names)]
    found = np.asarray(at_hand, dtype=np.float64)
    name = "predictions" if classes is None else "pred_probs"
    if classes is not None and given.ndim == 1:
        shape: tuple[int, ...] = (len(given), len(classes))
        if found.shape == (len(given),) and len(classes) == 2:
            found = np.column_stack([1 - found, found])
    else:
        shape = given.shape
        if found.size == given.size:
            found = found.reshape(shape)
    if found.shape != shape:
        columns = "" if classes is None else ", one column for each label of y"
        raise ValueError(f"{name} must be of shape {shape}{columns}; got {found.shape}")
    check_predictions(name, found)
    if classes is not None and not ((found >= 0) & (found <= 1 + 1e-6)).all():
        low, high = found.min(), found.max()
        raise ValueError(f"pred_probs must be from 0 to 1, got {low:.3g} to {high:.3g}")
    return found


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


def _judge_labels(
    y: np.ndarray, codes: np.ndarray, found: np.ndarray, classes: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Probability of the given labels, suggestions, scores."""
    if y.ndim == 1:
        given = found[np.arange(len(y)), codes]
        return given, classes[found.argmax(axis=1)], label_suspicion(found, codes)
    each = zip(_two_columns(found), codes.T, strict=True)
    scores = np.column_stack([label_suspicion(*pair) for pair in each])
    return np.where(codes == 1, found, 1 - found), (found > 0.5).astype(y.dtype), scores


def _two_columns(found: np.ndarray) -> list[np.ndarray]:
    """Probabilities (n, 2) that each of several labels is absent and there."""
    return [np.column_stack([1 - column, column]) for column in found.T]


def _judge_targets(
    y: np.ndarray, codes: np.ndarray, found: np.ndarray, classes: None
) -> tuple[np.ndarray, ...]:
    """Residuals, suggestions, scores; those of several targets in units of their deviations."""
    residuals = y - found
    distances = np.abs(residuals)
    if y.ndim == 2:
        deviation = _NORMAL * np.median(np.abs(residuals - np.median(residuals, axis=0)), axis=0)
        deviation = np.where(deviation > 0, deviation, residuals.std(axis=0))
        distances = distances / np.where(deviation > 0, deviation, 1.0)
    return residuals, found, distances


def _numbers(splits: list, n_rows: int) -> np.ndarray:
    """Number of the fold that holds each row out."""
    folds = np.empty(n_rows, dtype=int)
    for number, (_, test) in enumerate(splits):
        folds[test] = number
    return folds
