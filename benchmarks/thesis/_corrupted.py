"""What the benchmarks on corrupted labels and on corrupted targets share."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.base import clone, is_classifier
from skorch.callbacks import EarlyStopping
from skorch.dataset import ValidSplit

from benchmarks.thesis._sever import sever_scores

__all__ = ["CorruptedData", "sever", "stop_by_corrupted_rows"]

SEVER_ROUNDS = 4


class CorruptedData(NamedTuple):
    """Rows and targets of one experiment.

    Parameters
    ----------
    X_train, y_train, X_valid, y_valid : array
        Training and validation parts, whose targets are corrupted at the same rate.
    X_test, y_test : array
        The clean test.
    mask : array of shape (n_train,), bool
        True where the training target was changed.
    """

    X_train: np.ndarray
    y_train: np.ndarray
    X_valid: np.ndarray
    y_valid: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    mask: np.ndarray


def stop_by_corrupted_rows(seed: int, patience: int) -> dict[str, Any]:
    """Settings of a learner that stops by a tenth of the training rows, as corrupted as the others.

    Parameters
    ----------
    seed : int
        Draws the tenth.
    patience : int
        Epochs without improvement.
    """
    stop = EarlyStopping(patience=patience, threshold=0.0, threshold_mode="abs", load_best=True)
    return {"train_split": ValidSplit(0.1, random_state=seed), "callbacks": [stop]}


def sever(learner, X: np.ndarray, y: np.ndarray, rate: float, seed: int) -> tuple[Any, np.ndarray]:
    """Train, drop the rows of highest score, and train again: SEVER on the last layer's gradients.

    Four times half the rate is dropped, as Diakonikolas et al. do.

    Parameters
    ----------
    learner : PRLClassifier or PRLRegressor
        What is trained, without a module of the user's.
    X, y : array
        Rows and their targets, some of them wrong.
    rate : float
        Share of wrong ones.
    seed : int
        Starts the power iterations.

    Returns
    -------
    learner : the same class
        Trained on what was left.
    scores : array of shape (n_rows,)
        High for rows that were dropped early.
    """
    rows, scores = np.arange(len(X)), np.zeros(len(X))
    for i in range(SEVER_ROUNDS):
        own = _sever_scores(clone(learner).fit(X[rows], y[rows]), X[rows], y[rows], seed)
        order = np.argsort(-own, kind="stable")
        dropped, left = np.split(order, [round(0.5 * rate * len(X))])
        scores[rows] = own / (own.max() + 1e-12)
        scores[rows[dropped]] += SEVER_ROUNDS - i
        rows = np.sort(rows[left])
    return clone(learner).fit(X[rows], y[rows]), scores


def _sever_scores(learner, X: np.ndarray, y: np.ndarray, seed: int) -> np.ndarray:
    inputs, gradients = (
        torch.from_numpy(part.astype(np.float32))
        for part in (learner.embed(X), _output_gradients(learner, X, y))
    )
    generator = torch.Generator().manual_seed(seed)
    return sever_scores(inputs, gradients, generator).numpy()


def _output_gradients(learner, X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Gradients of the rows' losses at the outputs: of cross-entropy, or half squared errors."""
    if is_classifier(learner):
        return learner.predict_proba(X) - (y[:, None] == learner.classes_)
    return (learner.predict(X) - y).reshape(len(X), -1)
