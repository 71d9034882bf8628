"""Relations that the result of a robust estimator keeps when its table is changed."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import clone

from skrobust._validation import warn_caller
from skrobust.testing._tables import (
    Problem,
    fitted,
    kind_of,
    make_problem,
    quality,
    raw_scores,
    verdict,
)

__all__ = ["RELATIONS", "RelationResult", "check_robust_estimator"]

_SEEDS = (0, 1, 2)
_SLACK = 2.0  # times the largest difference between two of them
_LEAST_QUALITY = {"regressor": 0.3}  # R²
_LEAST_SHARE = 0.6  # ROC AUC or accuracy
_FAR = 1e6  # standard deviations


class RelationResult(NamedTuple):
    """How an estimator keeps one relation.

    Parameters
    ----------
    relation : str
        Key of :data:`RELATIONS`.
    kept : bool
        Whether it is kept.
    difference : float
        Mean absolute difference between what the estimator says with and without the change.
    tolerance : float
        What the difference may be.
    message : str
        What went wrong; empty where it is kept.
    """

    relation: str
    kept: bool
    difference: float
    tolerance: float
    message: str


class Changed(NamedTuple):
    """A changed problem, and how to bring what is said of it back to what it was."""

    problem: Problem
    undo: Callable[[np.ndarray], np.ndarray]


def _same(said: np.ndarray) -> np.ndarray:
    return said


def _units(problem: Problem, rng: np.random.Generator) -> Changed:
    """Columns in other units, with another origin up to 1,000 standard deviations away."""
    n = problem.X.shape[1]
    factors = rng.choice([-1.0, 1.0], n) * 10.0 ** np.linspace(-9, 9, n)
    origins = rng.permutation(np.linspace(-1e3, 1e3, n)) * problem.X.std(axis=0)

    def convert(X: np.ndarray) -> np.ndarray:
        return (X + origins) * factors

    return Changed(problem.change(X=convert(problem.X), X_test=convert(problem.X_test)), _same)


def _row_order(problem: Problem, rng: np.random.Generator) -> Changed:
    """Training rows in another order."""
    order = rng.permutation(len(problem.X))
    back = np.argsort(order)
    of_rows = len(problem.truth) == len(problem.X)  # a filter tells of the training rows

    def undo(said: np.ndarray) -> np.ndarray:
        return said[back] if of_rows else said

    y = None if problem.y is None else problem.y[order]
    return Changed(problem.change(X=problem.X[order], y=y), undo)


def _column_order(problem: Problem, rng: np.random.Generator) -> Changed:
    """Columns in another order."""
    order = rng.permutation(problem.X.shape[1])
    return Changed(problem.change(X=problem.X[:, order], X_test=problem.X_test[:, order]), _same)


def _label_names(problem: Problem, rng: np.random.Generator) -> Changed:
    """Labels with names that sort the other way round."""
    names = np.array(["yes", "no"])
    return Changed(problem.change(y=names[np.asarray(problem.y, dtype=int)], names=names), _same)


def _affine_targets(problem: Problem, rng: np.random.Generator) -> Changed:
    """Targets in other units, turned round and with another origin."""
    factor, origin = -1e-6, 1e-3
    changed = problem.change(y=np.asarray(problem.y) * factor + origin)
    return Changed(changed, lambda said: (said - origin) / factor)


def _duplicated(problem: Problem, rng: np.random.Generator) -> Changed:
    """Each training row twice."""
    y = None if problem.y is None else np.tile(problem.y, 2)
    n = len(problem.X)
    of_rows = len(problem.truth) == n
    changed = problem.change(X=np.tile(problem.X, (2, 1)), y=y)
    return Changed(changed, lambda said: (said[:n] + said[n:]) / 2 if of_rows else said)


def _gross_cell(problem: Problem, rng: np.random.Generator) -> Changed:
    """One typing error in one cell of the training rows."""
    X = problem.X.copy()
    row = 0 if problem.y is None else int(np.argmax(problem.y == problem.y))
    X[row, 1] = 1e4 * X[:, 1].std()
    others = np.arange(len(X)) != row
    if len(problem.truth) != len(X):
        return Changed(problem.change(X=X), _same)
    return Changed(problem.change(X=X), lambda said: np.where(others, said, np.nan))


def _far_row(problem: Problem, rng: np.random.Generator) -> Changed:
    """One more training row, far off in all columns."""
    X = np.vstack([problem.X, problem.X.mean(axis=0) + _FAR * problem.X.std(axis=0)])
    y = None if problem.y is None else np.append(problem.y, problem.y[-1])
    n = len(problem.X)
    of_rows = len(problem.truth) == n
    return Changed(problem.change(X=X, y=y), lambda said: said[:n] if of_rows else said)


def _float32(problem: Problem, rng: np.random.Generator) -> Changed:
    """The table in float32."""
    parts = {"X": problem.X.astype(np.float32), "X_test": problem.X_test.astype(np.float32)}
    return Changed(problem.change(**parts), _same)


def _constant_column(problem: Problem, rng: np.random.Generator) -> Changed:
    """One more column that is the same everywhere."""

    def widen(X: np.ndarray) -> np.ndarray:
        return np.column_stack([X, np.full(len(X), 7.0)])

    return Changed(problem.change(X=widen(problem.X), X_test=widen(problem.X_test)), _same)


#: What may be done to a table without changing what is said of its rows, by more than another seed
#: does. "far_score" asks a detector to rank a far row first; "threads", "processes" and "chunks"
#: change nothing but where and in how many parts the same is computed.
RELATIONS: dict[str, str] = {
    "units": "columns in other units and with another origin",
    "row_order": "training rows in another order",
    "column_order": "columns in another order",
    "label_names": "labels with other names (classifiers)",
    "affine_targets": "targets in other units (regressors)",
    "duplicated": "each training row twice",
    "gross_cell": "a typing error in one cell of the training rows",
    "far_row": "one more training row, 1e6 standard deviations off",
    "float32": "the table in float32",
    "constant_column": "one more column of one value",
    "far_score": "a row 1e6 standard deviations off is ranked above all others (detectors)",
    "threads": "two fits in parallel threads",
    "processes": "a fit in another process, from a pickle",
    "chunks": "rows judged in parts",
}

_CHANGES: dict[str, Callable[[Problem, np.random.Generator], Changed]] = {
    "units": _units,
    "row_order": _row_order,
    "column_order": _column_order,
    "label_names": _label_names,
    "affine_targets": _affine_targets,
    "duplicated": _duplicated,
    "gross_cell": _gross_cell,
    "far_row": _far_row,
    "float32": _float32,
    "constant_column": _constant_column,
}
# what a change may do where two seeds agree to the bit
_FLOORS = {"duplicated": 0.02, "gross_cell": 0.02, "far_row": 0.02}
_FLOOR = 1e-3
_EXACT = 1e-9


def check_robust_estimator(
    estimator: Any,
    *,
    relations: Sequence[str] | None = None,
    random_state: int = 0,
    on_fail: str | None = "raise",
) -> list[RelationResult]:
    """Check that an estimator's result does not hang on what should not matter.

    A table with a tenth of bad rows is drawn, and changed in ways that leave what is right of its
    rows as it was (:data:`RELATIONS`). What the estimator says of other rows may then differ by no
    more than twice what it differs between two seeds.

    Parameters
    ----------
    estimator : estimator
        A classifier, a regressor, an outlier detector of scikit-learn's or PyOD's convention, or
        a filter with ``fit_resample``. It is cloned, and every ``random_state`` in it is set.
    relations : sequence of str, optional
        Keys of :data:`RELATIONS`; all that apply by default.
    random_state : int, default=0
        Seeds the table.
    on_fail : {"raise", "warn", None}, default="raise"
        What to do when a relation is not kept.

    Returns
    -------
    list of RelationResult
        One for each relation that applies.

    Raises
    ------
    AssertionError
        If a relation is not kept, with ``on_fail="raise"``; the message names all of them.
    ValueError
        If a parameter is invalid, or the estimator does not learn the table that it is to be tested
        with.
    TypeError
        If the estimator is of none of these kinds.

    References
    ----------
    .. [1] Chen, T. Y., Cheung, S. C., Yiu, S. M. Metamorphic testing: a new approach for generating
       next test cases. 1998.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skrobust.testing import check_robust_estimator
    >>> forest = RandomForestClassifier(50)
    >>> results = check_robust_estimator(forest, relations=["row_order", "gross_cell"])
    >>> [result.kept for result in results]
    [True, True]
    """
    if on_fail not in ("raise", "warn", None):
        raise ValueError(f"on_fail must be 'raise', 'warn' or None, got {on_fail!r}")
    unknown = [name for name in relations or () if name not in RELATIONS]
    if unknown:
        raise ValueError(f"relations must be among {', '.join(RELATIONS)}, got {unknown[0]!r}")
    check = _Check(estimator, random_state)
    wanted = [name for name in relations or RELATIONS if check.applies(name)]
    results = [check.result(name) for name in wanted]
    failed = [result.message for result in results if not result.kept]
    if failed:
        which = "; ".join(failed)
        message = f"{clone(estimator)!r} does not keep {len(failed)} relations: {which}"
        if on_fail == "raise":
            raise AssertionError(message)
        if on_fail == "warn":
            warn_caller(message)
    return results


class _Check:
    """One estimator on one table: fits by some seeds, and the relations."""

    def __init__(self, estimator: Any, random_state: int) -> None:
        self.estimator, self.random_state = estimator, random_state
        self.kind = kind_of(estimator)
        self.problem = make_problem(self.kind, np.random.default_rng(random_state))
        self.models = [fitted(estimator, self.problem, seed) for seed in _SEEDS]
        self.said = [verdict(model, self.problem) for model in self.models]
        reached = float(np.median([quality(model, self.problem) for model in self.models]))
        least = _LEAST_QUALITY.get(self.kind, _LEAST_SHARE)
        if not reached >= least:
            raise ValueError(
                f"{type(estimator).__name__} reaches {reached:.2f} on the table of the check, "
                f"where {least} is asked for (ROC AUC, accuracy or R²): train it longer"
            )
        pairs = itertools.combinations(self.said, 2)
        self.between_seeds = max(_difference(*pair) for pair in pairs)

    def applies(self, relation: str) -> bool:
        """Whether the relation says something of this kind of estimator."""
        only = {
            "label_names": ("classifier",),
            "affine_targets": ("regressor",),
            "far_score": ("detector", "outlier"),
            "chunks": ("detector", "outlier", "classifier", "regressor"),
        }
        return self.kind in only.get(relation, (self.kind,))

    def result(self, relation: str) -> RelationResult:
        """Apply a relation."""
        tolerance = _EXACT
        if relation in _CHANGES:
            tolerance = max(_SLACK * self.between_seeds, _FLOORS.get(relation, _FLOOR))
        try:
            difference = self._measure(relation)
        except Exception as error:  # whatever it is, the relation is not kept
            message = f"{relation} ({RELATIONS[relation]}): {type(error).__name__}: {error}"
            return RelationResult(relation, False, float("nan"), tolerance, message)
        kept = bool(difference <= tolerance)
        message = f"{relation} ({RELATIONS[relation]}): {difference:.3g}, allowed {tolerance:.3g}"
        return RelationResult(relation, kept, difference, tolerance, "" if kept else message)

    def _measure(self, relation: str) -> float:
        """Difference that a change makes."""
        if relation in _CHANGES:
            rng = np.random.default_rng(self.random_state)
            changed, undo = _CHANGES[relation](self.problem, rng)
            models = [fitted(self.estimator, changed, seed) for seed in _SEEDS[:2]]
            return self._from_before([undo(verdict(model, changed)) for model in models])
        return getattr(self, f"_measure_{relation}")()

    def _measure_far_score(self) -> float:
        """Share of the rows, of training too, that are ranked above or beside a far one."""
        X, worst = self.problem.X, 0.0
        rows = np.vstack([X, self.problem.X_test])
        for column in range(X.shape[1]):
            far = X[:1].copy()
            far[0, column] += _FAR * X[:, column].std()
            scores = raw_scores(self.models[0], np.vstack([rows, far]))
            worst = max(worst, float(np.mean(scores[:-1] >= scores[-1])))
        return worst

    def _measure_threads(self) -> float:
        fits = [delayed(fitted)(self.estimator, self.problem, seed) for seed in _SEEDS[:2]]
        models = Parallel(n_jobs=2, backend="threading")(fits)
        return self._from_before([verdict(model, self.problem) for model in models])

    def _measure_processes(self) -> float:
        packed = pickle.dumps((self.estimator, self.problem))
        fits = [delayed(_fit_packed)(packed, seed) for seed in _SEEDS[:2]]
        return self._from_before(Parallel(n_jobs=2)(fits))

    def _from_before(self, said: list[np.ndarray]) -> float:
        """Difference from what was said before, mean over the seeds."""
        pairs = zip(self.said[: len(said)], said, strict=True)
        return float(np.mean([_difference(*pair) for pair in pairs]))

    def _measure_chunks(self) -> float:
        model, X = self.models[0], self.problem.X_test
        if self.kind in ("detector", "outlier"):
            whole = raw_scores(model, X)
            parts = [raw_scores(model, X[[i]]) for i in range(8)] + [raw_scores(model, X[8:])]
        else:
            whole = verdict(model, self.problem, X)
            parts = [verdict(model, self.problem, X[[i]]) for i in range(8)]
            parts.append(verdict(model, self.problem, X[8:]))
        return _difference(whole, np.concatenate(parts)) / max(float(np.std(whole)), 1e-300)


def _fit_packed(packed: bytes, seed: int) -> np.ndarray:
    estimator, problem = pickle.loads(packed)
    return verdict(fitted(estimator, problem, seed), problem)


def _difference(first: np.ndarray, second: np.ndarray) -> float:
    """Mean absolute difference; nan stands for rows that are not compared."""
    compared = ~(np.isnan(first) | np.isnan(second))
    if not np.isfinite(np.where(np.isnan(second), 0, second)).all() or not compared.any():
        return float("inf")
    return float(np.abs(first - second)[compared].mean())
