"""Settings for all tests: one torch thread, and the array-API check of scikit-learn not skipped."""

import os

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # read by scipy when it is first imported
os.environ.setdefault("MPLBACKEND", "Agg")

import numpy as np
import pytest
import torch
from sklearn.base import clone

torch.set_num_threads(1)

ASK_FOR_ACCURACY = {"check_classifiers_train", "check_regressors_train"}


@pytest.fixture
def shortened():
    """A clone that trains for two epochs, for checks of scikit-learn's that ask for no accuracy."""

    def shorten(estimator, check):
        while hasattr(check, "func"):
            check = check.func
        if check.__name__ in ASK_FOR_ACCURACY:
            return estimator
        return clone(estimator).set_params(max_epochs=2)

    return shorten


@pytest.fixture
def contaminated():
    """400 rows on a 2-D surface in 6 dimensions, 40 of them anomalies; with labels."""
    rng = np.random.RandomState(0)
    code = rng.normal(size=(400, 2))
    X = np.tanh(code @ rng.normal(size=(2, 6))) + 0.05 * rng.normal(size=(400, 6))
    y = rng.permutation(400) < 40
    X[y] = rng.uniform(-2, 2, size=(40, 6))
    return X, y.astype(int)
