"""What the benchmarks on corrupted targets share: splits, methods, one measurement."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state

from benchmarks.thesis._corrupted import CorruptedData, sever, stop_by_corrupted_rows
from skrobust import PRLRegressor
from skrobust.corruption import corrupt_targets

__all__ = [
    "ALTERNATIVES",
    "CLEAN",
    "METHODS",
    "ONLY_CLEAN",
    "REGRESSION_VALUES",
    "measure_regressor",
    "split_regression",
]

REGRESSION_VALUES = ["r2", "row_auroc", "valid_loss", "n_train", "n_test"]
CLEAN = "clean"
ONLY_CLEAN = "Standard on the clean rows"
MOST_ROWS = 10_000
TEST_SHARE = 0.33
VALID_SHARE = 0.1

_PLAIN: dict[str, Any] = {
    "margin": 0.0,
    "robust_start": 0.0,
    "score_limit": None,
    "drop_stuck": False,
    "early_stopping": False,
}
_STANDARD = {"selection": None, **_PLAIN}

# Parameters of PRLRegressor.
METHODS: dict[str, dict[str, Any]] = {
    "Standard": _STANDARD,
    "Standard tuned": {**_STANDARD, "optimizer__weight_decay": 1e-4},
    "Huber": {**_STANDARD, "loss": "huber"},
    "Min-SGD": {**_PLAIN, "selection": "min"},
    "norm clip": {**_STANDARD, "clip": "batch"},
    "row clip": {**_STANDARD, "clip": "row"},
    "SEVER": _STANDARD,
    "PRL(G)": {**_PLAIN, "selection": "gradient"},
    "PRL(L)": _PLAIN,
    "Co-PRL(L)": {**_PLAIN, "n_networks": 2},
    "default": {"drop_stuck": False},  # of when the rows were measured
    ONLY_CLEAN: _STANDARD,
}

# Measured only when asked for by name.
ALTERNATIVES: dict[str, dict[str, Any]] = {
    "cleanlab": _STANDARD,
    "margin 1": {"margin": 1.0},
    "no robust start": {"robust_start": 0.0},
    "no score limit": {"score_limit": None},
    "robust start 0.5": {"robust_start": 0.5},
    "average": {"memory": "average"},
    "2 networks": {"n_networks": 2},
    "5000 steps": {"min_steps": 5000, "early_stopping": False},
    "no early stopping": {"early_stopping": False},
}


def split_regression(
    X: np.ndarray,
    y: np.ndarray,
    kind: str,
    rate: float,
    seed: int,
    mixture_of: tuple[str, ...] = (),
) -> CorruptedData:
    """Split 67/33, standardise, corrupt the first part and hold out a tenth of it.

    Missing features become the mean over the training rows.

    Parameters
    ----------
    X, y : array
        The whole set.
    kind : str
        Corruption, or "clean".
    rate : float
        Its share of the rows.
    seed : int
        Decides split and corruption.
    mixture_of : tuple of str
        What kind "mixture" mixes.
    """
    order = check_random_state(seed).permutation(len(X))
    n_test = round(TEST_SHARE * len(X))
    test, train = order[:n_test], order[n_test:][:MOST_ROWS]
    y = y.reshape(len(y), -1)
    features, targets = StandardScaler().fit(X[train]), StandardScaler().fit(y[train])
    rows, new = (np.nan_to_num(features.transform(part)) for part in (X[train], X[test]))
    given = targets.transform(y[train])
    mask = np.zeros(len(train), dtype=bool)
    if kind != CLEAN:
        given, mask = corrupt_targets(
            given, rate, kind=kind, X=rows, mixture_of=mixture_of or ("linadv",), random_state=seed
        )
    n_valid = round(VALID_SHARE * len(train))
    return CorruptedData(
        rows[n_valid:],
        given[n_valid:],
        rows[:n_valid],
        given[:n_valid],
        new,
        targets.transform(y[test]),
        mask[n_valid:],
    )


def measure_regressor(
    data: CorruptedData, method: str, rate: float, seed: int, device: str
) -> dict[str, float]:
    """Train on corrupted targets and test on clean ones.

    Parameters
    ----------
    data : CorruptedData
        What to train on.
    method : str
        Key of ``METHODS`` or ``ALTERNATIVES``.
    rate : float
        Told to the method.
    seed : int
        Random state.
    device : str
        Of the networks.

    Returns
    -------
    dict
        R² on the test; AUROC of ``sample_scores_`` for the planted mask; the mean squared error of
        the validation part without the share ``rate`` of largest errors, a criterion that needs no
        clean target.
    """
    X, y = data.X_train, data.y_train
    if method == ONLY_CLEAN:
        X, y = X[~data.mask], y[~data.mask]
    settings = {**METHODS, **ALTERNATIVES}[method]
    if method == "Standard tuned":
        settings = {**settings, **stop_by_corrupted_rows(seed, patience=10)}
    model: Any = PRLRegressor(corruption_rate=rate, random_state=seed, device=device, **settings)
    target = y if y.shape[1] > 1 else y.ravel()
    if method == "cleanlab":
        model, scores = _find_and_drop(model, X, target, seed)
    elif method == "SEVER":
        model, scores = sever(model, X, target, rate, seed)
    else:
        scores = model.fit(X, target).sample_scores_
    auroc = np.nan
    if data.mask.any() and method != ONLY_CLEAN:
        auroc = roc_auc_score(data.mask, scores)
    errors = _squared_errors(model, data.X_valid, data.y_valid)
    kept = np.sort(errors)[: len(errors) - round(rate * len(errors))]
    return {
        "r2": round(float(r2_score(data.y_test, model.predict(data.X_test))), 5),
        "row_auroc": round(float(auroc), 5),
        "valid_loss": round(float(kept.mean()), 6),
        "n_train": len(X),
        "n_test": len(data.X_test),
    }


def _find_and_drop(model, X: np.ndarray, y: np.ndarray, seed: int) -> tuple[Any, np.ndarray]:
    """Train without the rows that cleanlab finds; return the learner and the rows' scores."""
    from cleanlab.regression.learn import CleanLearning

    learner = CleanLearning(model, n_boot=0, include_aleatoric_uncertainty=False, seed=seed)
    learner.fit(X, y)
    return learner, -learner.get_label_issues()["label_quality"].to_numpy()


def _squared_errors(model, X: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.square(model.predict(X).reshape(y.shape) - y).sum(axis=1)
