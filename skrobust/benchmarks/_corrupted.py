"""What the benchmarks on corrupted labels and on corrupted targets share."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from skorch.callbacks import EarlyStopping
from skorch.dataset import ValidSplit

__all__ = ["CorruptedData", "stop_by_corrupted_rows"]


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
