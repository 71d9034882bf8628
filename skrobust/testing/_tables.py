"""Tables that the relations change, and what an estimator says of their rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.stats import rankdata
from sklearn.base import clone, is_classifier, is_outlier_detector, is_regressor
from sklearn.metrics import roc_auc_score

__all__ = ["Problem", "clone_with_seed", "kind_of", "make_problem", "quality", "verdict"]

N_ROWS, N_TEST, N_FEATURES = 300, 200, 5
BAD_SHARE, _SHIFT = 0.1, 1.0
_MIXING = np.array([[1.0, -0.8, 0.5, 0.3, -0.6], [0.2, 0.7, -0.9, 0.8, 0.4]])


@dataclass(frozen=True)
class Problem:
    """A table with some bad rows, rows to be judged, and what is right.

    Parameters
    ----------
    X : array of shape (n_rows, n_features)
        Rows to train on.
    y : array of shape (n_rows,) or None
        Their labels or targets, some of them wrong; None for detectors.
    X_test : array of shape (n_test, n_features)
        Rows to judge.
    truth : array of shape (n_test,) or (n_rows,)
        What is right of them: labels, targets, or which are bad; for filters of the training rows.
    names : array of shape (n_classes,), optional
        Labels in the order of the classes as they were first called.
    """

    X: np.ndarray
    y: np.ndarray | None
    X_test: np.ndarray
    truth: np.ndarray
    names: np.ndarray | None = None

    def change(self, **parts: Any) -> Problem:
        """Return the same with other parts."""
        return replace(self, **parts)


def kind_of(estimator: Any) -> str:
    """Tell what an estimator is: "filter", "classifier", "regressor", "outlier" or "detector".

    Raises
    ------
    TypeError
        If it is none of these.
    """
    if hasattr(estimator, "fit_resample"):
        return "filter"
    if is_classifier(estimator):
        return "classifier"
    if is_regressor(estimator):
        return "regressor"
    if is_outlier_detector(estimator) and hasattr(estimator, "score_samples"):
        return "outlier"  # scikit-learn's convention: high scores are normal
    if hasattr(estimator, "decision_function"):
        return "detector"  # PyOD's
    raise TypeError(
        f"{type(estimator).__name__} is no classifier, regressor, filter or outlier detector"
    )


def make_problem(kind: str, rng: np.random.Generator) -> Problem:
    """Draw a table on a curved surface: a tenth of its rows are anomalies, or wrongly labelled."""

    def draw(n_rows: int) -> tuple[np.ndarray, np.ndarray]:
        code = rng.normal(size=(n_rows, 2))
        return code, np.tanh(0.5 * code @ _MIXING) + 0.1 * rng.normal(size=(n_rows, N_FEATURES))

    code, X = draw(N_ROWS)
    code_test, X_test = draw(N_TEST)
    bad = rng.permutation(N_ROWS) < BAD_SHARE * N_ROWS
    if kind in ("detector", "outlier"):
        bad_test = rng.permutation(N_TEST) < BAD_SHARE * N_TEST
        X[bad] = rng.uniform(-2.5, 2.5, size=(bad.sum(), N_FEATURES))
        X_test[bad_test] = rng.uniform(-2.5, 2.5, size=(bad_test.sum(), N_FEATURES))
        return Problem(X, None, X_test, bad_test)
    if kind == "regressor":
        truth = X @ np.linspace(-1, 1, N_FEATURES)
        truth_test = X_test @ np.linspace(-1, 1, N_FEATURES)
        y = np.where(bad, rng.uniform(-5, 5, size=N_ROWS), truth + 0.05 * rng.normal(size=N_ROWS))
        return Problem(X, y, X_test, truth_test)
    labels, labels_test = ((code[:, 0] > 0).astype(int) for code in (code, code_test))
    if (
        kind == "filter"
    ):  # what every filter can find: wrong labels of rows with something in common
        bad = labels == 0
        bad &= np.cumsum(bad) <= BAD_SHARE * N_ROWS
        X[bad, -1] += _SHIFT
    y = np.where(bad, 1 - labels, labels)
    if kind == "filter":
        return Problem(X, y, X_test, bad)
    return Problem(X, y, X_test, labels_test, np.array([0, 1]))


def clone_with_seed(estimator: Any, seed: int) -> Any:
    """Clone, and seed whatever can be seeded, estimators inside too."""
    copy = clone(estimator)
    seeds = [n for n in copy.get_params() if n == "random_state" or n.endswith("__random_state")]
    return copy.set_params(**dict.fromkeys(seeds, seed))


def fitted(estimator: Any, problem: Problem, seed: int) -> Any:
    """Fit a clone; some detectors of PyOD return None."""
    model = clone_with_seed(estimator, seed)
    if problem.y is None:
        model.fit(problem.X)
    else:
        model.fit(problem.X, problem.y)
    return model


def verdict(model: Any, problem: Problem, X: np.ndarray | None = None) -> np.ndarray:
    """What a fitted estimator says of rows, in numbers of comparable size.

    Detectors and filters: ranks of the scores, from 0 to 1. Classifiers: probabilities, or 0 and 1
    for the predicted class, in the order of the problem's names. Regressors: predictions.
    """
    X = problem.X_test if X is None else X
    kind = kind_of(model)
    if kind == "filter":
        return ranks(np.asarray(model.scores_))
    if kind == "classifier":
        classes, names = list(model.classes_), list(np.asarray(problem.names))
        if hasattr(model, "predict_proba"):
            columns = [classes.index(name) for name in names]
            return np.asarray(model.predict_proba(X))[:, columns]
        predicted = model.predict(X)
        return np.column_stack([predicted == name for name in names]).astype(float)
    if kind == "regressor":
        return np.asarray(model.predict(X), dtype=float)
    return ranks(raw_scores(model, X))


def raw_scores(model: Any, X: np.ndarray) -> np.ndarray:
    """Scores of a detector of either convention, high for abnormal rows."""
    if kind_of(model) == "outlier":
        return -np.asarray(model.score_samples(X), dtype=float)
    return np.asarray(model.decision_function(X), dtype=float)


def ranks(scores: np.ndarray) -> np.ndarray:
    """Ranks from 0 to 1, equal scores in the middle."""
    return (rankdata(scores) - 1) / max(len(scores) - 1, 1)


def quality(model: Any, problem: Problem) -> float:
    """ROC AUC, accuracy or R², 1 at best."""
    kind, said = kind_of(model), verdict(model, problem)
    if kind == "classifier":
        return float(np.mean(said.argmax(axis=1) == problem.truth))
    if kind == "regressor":
        error = np.mean((said - problem.truth) ** 2)
        return float(1 - error / np.var(problem.truth))
    return float(roc_auc_score(problem.truth, said))
