"""What the benchmarks on wrong labels share: pictures, methods, one measurement."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score
from sklearn.utils import check_random_state

from benchmarks.thesis._corrupted import CorruptedData, sever, stop_by_corrupted_rows
from benchmarks.thesis._supplied import read_cifar100
from skrobust import PRLClassifier
from skrobust.corruption import corrupt_labels
from skrobust.datasets import fetch_cifar10, fetch_fashion_mnist, fetch_mnist
from skrobust.networks import CNN9

__all__ = [
    "ALTERNATIVES",
    "LABEL_VALUES",
    "METHODS",
    "ON_GPU",
    "SETS",
    "measure_classifier",
    "split_pictures",
]

LABEL_VALUES = ["accuracy", "row_auroc", "valid_accuracy", "n_train", "n_test"]
SETS: dict[str, Callable[..., Any]] = {"mnist": fetch_mnist, "fashion-mnist": fetch_fashion_mnist}
ON_GPU: dict[str, Callable[..., Any]] = {"cifar10": fetch_cifar10, "cifar100": read_cifar100}
N_TRAIN = 20_000
N_VALID = 2_000
CIFAR_TEST = 10_000

_PLAIN: dict[str, Any] = {"margin": 0.0, "early_stopping": False}
_STANDARD = {**_PLAIN, "selection": None}
_CO = {**_PLAIN, "n_networks": 2}

# Parameters of PRLClassifier.
METHODS: dict[str, dict[str, Any]] = {
    "Standard": _STANDARD,
    "Standard tuned": {**_STANDARD, "optimizer__weight_decay": 1e-4},
    "SPL": {**_PLAIN, "selection": "loss"},
    "PRL(L)": _PLAIN,
    "PRL(G)": {**_PLAIN, "selection": "gradient"},
    "Co-teaching": {**_CO, "selection": "loss"},
    "Co-PRL(L)": _CO,
    "default": {},
    "Min-SGD": {**_PLAIN, "selection": "min"},
    "norm clip": {**_STANDARD, "clip": "batch"},
    "row clip": {**_STANDARD, "clip": "row"},
    "Bootstrap hard": {**_STANDARD, "loss": "bootstrap-hard"},
    "Bootstrap soft": {**_STANDARD, "loss": "bootstrap-soft"},
    "Decouple": {**_CO, "selection": "disagreement"},
    "SEVER": _STANDARD,
    "cleanlab": _STANDARD,
}

BY_ROW = ("PRL(G)", "row clip")

# Measured only when asked for by name.
ALTERNATIVES: dict[str, dict[str, Any]] = {
    "margin 0": {"margin": 0.0},
    "margin 2": {"margin": 2.0},
    "margin 4": {"margin": 4.0},
    "average": {"memory": "average"},
    "2 networks": {"n_networks": 2},
    "no early stopping": {"early_stopping": False},
    "Co-PRL(L) margin 1": {**_CO, "margin": 1.0},
    "Co-PRL(L) slow ramp": {**_CO, "warmup": 0.5},
    "Co-PRL(L) average": {**_CO, "memory": "average"},
}

_FORM: dict[str, Any] = {"selection": "loss-gradient", "batch_size": 128}  # the chapter's
_PERCEPTRON: dict[str, Any] = {**_FORM, "hidden_layer_sizes": (128, 128), "max_epochs": 30}
_CHAPTER: dict[str, Any] = {**_FORM, "module": CNN9, "max_epochs": 50, "n_threads": None}
PERCEPTRON: dict[str, Any] = {**_FORM, "hidden_layer_sizes": (256, 256)}


def split_pictures(name: str, kind: str, rate: float, seed: int) -> CorruptedData:
    """Draw training and validation pictures and corrupt their labels, each row on its own.

    Parameters
    ----------
    name : str
        Key of ``SETS`` (20,000 training pictures, flattened) or of ``ON_GPU`` (all of them; of
        CIFAR-10 the first 40,000 of the training file, of which the others are the test).
    kind : {"symmetric", "pairflip"}
        How labels are changed.
    rate : float
        How likely.
    seed : int
        Decides both.
    """
    X, y = {**SETS, **ON_GPU}[name](subset="train", return_X_y=True)
    order = check_random_state(seed).permutation(len(X))
    if name == "cifar10":  # the thesis's test pictures are not at hand
        (X_test, y_test), order = (
            (X[-CIFAR_TEST:], y[-CIFAR_TEST:]),
            order[order < len(X) - CIFAR_TEST],
        )
    else:
        X_test, y_test = {**SETS, **ON_GPU}[name](subset="test", return_X_y=True)
        order = order if name in ON_GPU else order[: N_TRAIN + N_VALID]
    noisy, mask = corrupt_labels(y[order], rate, kind=kind, exact=False, random_state=seed)
    rows = _scaled(X[order], name)
    return CorruptedData(
        rows[N_VALID:],
        noisy[N_VALID:],
        rows[:N_VALID],
        noisy[:N_VALID],
        _scaled(X_test, name),
        y_test,
        mask[N_VALID:],
    )


def measure_classifier(
    data: CorruptedData, name: str, method: str, rate: float, seed: int, device: str
) -> dict[str, float]:
    """Train on wrong labels and test on right ones, dropout off, after the last epoch.

    Parameters
    ----------
    data : CorruptedData
        What to train on.
    name : str
        The set, which decides network and length.
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
        Test accuracy in %; AUROC of the row scores for the planted mask; accuracy on the
        validation part, whose labels are as wrong as those of training: a criterion that needs no
        clean label.
    """
    settings = {**METHODS, **ALTERNATIVES}[method]
    settings = {**(_CHAPTER if name in ON_GPU else _PERCEPTRON), "preprocessing": None, **settings}
    if name in ON_GPU and method in BY_ROW:  # batch normalisation has no gradients of rows
        settings["module"] = partial(CNN9, norm="group")
    if method == "Standard tuned":
        settings |= stop_by_corrupted_rows(seed, patience=5)
    model: Any = PRLClassifier(corruption_rate=rate, random_state=seed, device=device, **settings)
    if method == "cleanlab":
        model, scores = _find_and_drop(model, data.X_train, data.y_train, seed)
    elif method == "SEVER":
        model, scores = sever(model, data.X_train, data.y_train, rate, seed)
    else:
        scores = model.fit(data.X_train, data.y_train).sample_scores_

    def accuracy(X, y):
        return round(100 * float(np.mean(model.predict(X) == y)), 3)

    return {
        "accuracy": accuracy(data.X_test, data.y_test),
        "row_auroc": round(float(roc_auc_score(data.mask, scores)), 5),
        "valid_accuracy": accuracy(data.X_valid, data.y_valid),
        "n_train": len(data.X_train),
        "n_test": len(data.X_test),
    }


def _find_and_drop(model, X: np.ndarray, y: np.ndarray, seed: int) -> tuple[Any, np.ndarray]:
    """Train without the rows that cleanlab finds; return the learner and the rows' scores."""
    from cleanlab.classification import CleanLearning

    learner = CleanLearning(model, seed=seed).fit(X, y)
    return learner, -learner.get_label_issues()["label_quality"].to_numpy()


def _scaled(pictures: np.ndarray, name: str) -> np.ndarray:
    pictures = pictures.astype(np.float32) / 255
    return pictures if name in ON_GPU else pictures.reshape(len(pictures), -1)
