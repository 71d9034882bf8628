"""Random tables for every estimator: ``python -m tests.testing.random_tables [N] [FIRST]``.

Each table has columns of several types, in scales from 1e-300 to 1e300, constant ones, copies, rows
that repeat, few rows or many columns, sometimes missing cells. What is asked for is a finite and
right result: a far row ranked above all others, a separable label learnt, a target explained; or an
error that names a column or says that there are too few rows.
"""

from __future__ import annotations

import sys
import time
import warnings

import numpy as np
import pandas as pd
from sklearn.base import clone

from skrobust import (
    BackdoorRobustClassifier,
    FinePruningClassifier,
    PRLClassifier,
    PRLRegressor,
    RCADetector,
    RobustFilter,
    RobustRealNVPDetector,
    SemiSupervisedBackdoorClassifier,
    SpectralSignatureFilter,
)

__all__ = ["ESTIMATORS", "fault", "make_table"]

SHORT = {"hidden_layer_sizes": (32,), "random_state": 0}
LEARNER = {"corruption_rate": 0.05, "margin": 0.0, "max_epochs": 60, "lr": 5e-3, **SHORT}
BESIDE = {"corruption_rate": 0.05, "max_epochs": 30, "lr": 1e-2, **SHORT}
RCA = {"max_epochs": 10, "n_passes": 3, "latent_dim": 2, **SHORT}
FLOW = {"max_steps": 30, "n_couplings": 2, **SHORT}
ESTIMATORS = {
    "RCA": RCADetector(**RCA),
    "RCA standardised": RCADetector(preprocessing="standard", **RCA),
    "RCA cross-entropy": RCADetector(loss="binary_crossentropy", **RCA),
    "RealNVP": RobustRealNVPDetector(**FLOW),
    "RealNVP minmax": RobustRealNVPDetector(preprocessing="minmax", **FLOW),
    "PRL": PRLClassifier(**LEARNER),
    "PRL minmax": PRLClassifier(preprocessing="minmax", **{**LEARNER, "max_epochs": 150}),
    "regressor": PRLRegressor(**LEARNER),
    "backdoor": BackdoorRobustClassifier(noisy_label="prl", occlusion=0.0, **LEARNER),
    "fine-pruning": FinePruningClassifier(**BESIDE),
    "semi-supervised": SemiSupervisedBackdoorClassifier(pretrain_epochs=3, **BESIDE),
    "filter": RobustFilter(PRLClassifier(**LEARNER)),
    "spectral": SpectralSignatureFilter(PRLClassifier(selection=None, **LEARNER)),
}
ENOUGH_ROWS = 40
DETECTORS = (RCADetector, RobustRealNVPDetector)
FILTERS = (RobustFilter, SpectralSignatureFilter)


def make_table(seed: int) -> tuple[pd.DataFrame | np.ndarray, np.ndarray, np.ndarray]:
    """Draw a table whose first column decides: rows, a separable label, a target in its units."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(4, 20)) if rng.random() < 0.15 else int(rng.integers(ENOUGH_ROWS, 200))
    d = 60 if rng.random() < 0.1 else int(rng.integers(1, 9))
    is_narrow = rng.random() < 0.3  # float32
    core = rng.normal(size=n)
    label = (core > np.median(core)).astype(int)
    core += np.where(label == 1, 0.5, -0.5)
    columns = [core] + [_column(rng, core, n) for _ in range(d - 1)]
    if d > 2 and rng.random() < 0.3:
        columns[2] = columns[1].copy()
    largest = 30 if is_narrow else 298
    scales = 10.0 ** rng.uniform(-largest, largest, d)
    shifts = rng.choice([0.0, 0.0, 100.0], d) * rng.normal(size=d)
    X = np.column_stack([(c + s) * f for c, s, f in zip(columns, shifts, scales, strict=True)])
    if rng.random() < 0.2 and n >= ENOUGH_ROWS:  # rows that repeat
        X[1 : n // 4], label[1 : n // 4], core[1 : n // 4] = X[0], label[0], core[0]
    if rng.random() < 0.3 and d > 1:
        X[rng.random(X.shape) < 0.05] = np.nan
        X[:, 0] = (core + shifts[0]) * scales[0]
    target = core * 10.0 ** rng.uniform(-largest, largest)
    if is_narrow:
        X = X.astype(np.float32)
    if rng.random() < 0.3:
        return pd.DataFrame(X, columns=[f"column {i}" for i in range(d)]), label, target
    return X, label, target


def _column(rng: np.random.Generator, core: np.ndarray, n: int) -> np.ndarray:
    kinds = ("normal", "tied", "whole", "binary", "constant", "long tail", "zeros", "rare")
    values = {
        "normal": lambda: rng.normal(size=n),
        "tied": lambda: core + rng.normal(size=n),
        "whole": lambda: rng.integers(0, 10, n).astype(float),
        "binary": lambda: rng.integers(0, 2, n).astype(float),
        "constant": lambda: np.full(n, rng.normal()),
        "long tail": lambda: np.exp(2 * rng.normal(size=n)),
        "zeros": lambda: np.where(rng.random(n) < 0.8, 0.0, rng.normal(size=n)),
        "rare": lambda: (np.arange(n) == rng.integers(n)).astype(float),
    }
    return values[kinds[rng.integers(len(kinds))]]()


def fault(name: str, seed: int) -> str:
    """What is wrong with an estimator's result for a table; empty if nothing is."""
    X, label, target = make_table(seed)
    model = _configured(name, X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            if isinstance(model, DETECTORS):
                return _fault_of_detector(model.fit(X), X)
            if isinstance(model, PRLRegressor):
                return _fault_of_learner(model.fit(X, target).predict(X), target, len(X))
            model.fit(X, label)
            if isinstance(model, FILTERS):
                return "" if np.isfinite(model.scores_).all() else "scores are not finite"
            found = model.predict_proba(X)
        except ValueError as error:
            words = ("column", "n_samples", "rows", "classes", "sample")
            return "" if any(word in str(error) for word in words) else f"unclear error: {error}"
    if not np.isfinite(found).all():
        return "probabilities are not finite"
    accuracy = np.mean(model.classes_[found.argmax(axis=1)] == label)
    least = 0.75 if name in ("semi-supervised", "fine-pruning") else 0.85
    return "" if accuracy >= least or len(X) < ENOUGH_ROWS else f"accuracy {accuracy:.2f}"


def _configured(name: str, X: np.ndarray | pd.DataFrame):
    model = clone(ESTIMATORS[name])
    if np.isnan(np.asarray(X)).any():
        inner = "estimator__" if isinstance(model, FILTERS) else ""
        model.set_params(**{f"{inner}missing": "mean"})
    return model


def _fault_of_detector(model, X) -> str:
    scores = model.decision_scores_
    values = np.asarray(X, dtype=float)
    far = np.asarray(X)[:1].copy()
    spread = np.abs(values[:, 0] - np.median(values[:, 0])).max()
    with np.errstate(over="ignore"):
        far[0, 0] = np.median(values[:, 0]) + 1e4 * spread
    if not np.isfinite(far[0, 0]):
        return ""  # no such number
    row = pd.DataFrame(far, columns=X.columns) if isinstance(X, pd.DataFrame) else far
    score = model.decision_function(row)[0]
    if not (np.isfinite(scores).all() and np.isfinite(score)):
        return "scores are not finite"
    return "" if score > scores.max() else f"a far row has {score:.3g}, others {scores.max():.3g}"


def _fault_of_learner(found: np.ndarray, target: np.ndarray, n_rows: int) -> str:
    if not np.isfinite(found).all():
        return "predictions are not finite"
    unit = np.abs(target).max()  # squares of targets may overflow
    error = np.mean((found / unit - target / unit) ** 2) / np.var(target / unit)
    return "" if error < 0.4 or n_rows < ENOUGH_ROWS else f"R2 {1 - error:.2f}"


def main(n_tables: int = 500, first: int = 0) -> int:
    """Try tables and print what is wrong; returns the number of faults."""
    start, n_faults = time.perf_counter(), 0
    for seed in range(first, first + n_tables):
        for name in ESTIMATORS:
            try:
                found = fault(name, seed)
            except Exception as error:  # to go on with the other tables
                found = f"{type(error).__name__}: {error}"
            if found:
                n_faults += 1
                sys.stdout.write(f"table {seed}, {name}: {found}\n")
                sys.stdout.flush()
    seconds = time.perf_counter() - start
    told = f"{n_tables} tables, {len(ESTIMATORS)} estimators: {n_faults} faults in {seconds:.0f} s"
    sys.stdout.write(f"{told}\n")
    return n_faults


if __name__ == "__main__":
    sys.exit(bool(main(*map(int, sys.argv[1:]))))
