"""Both learners, small and quick: what holds for one holds for the other."""

from functools import partial

import numpy as np
import pytest

from skrobust import PRLClassifier, PRLRegressor

QUICK = {"corruption_rate": 0.2, "max_epochs": 5, "hidden_layer_sizes": (8,)}
MAKERS = {
    "classifier": partial(PRLClassifier, **QUICK),
    "regressor": partial(PRLRegressor, **QUICK),
}


@pytest.fixture(params=MAKERS)
def make(request):
    """Return a function of parameters that builds a learner."""
    return MAKERS[request.param]


@pytest.fixture
def X():
    """200 rows of 3 features."""
    return np.random.RandomState(0).normal(size=(200, 3))


@pytest.fixture
def y(X):
    """Three classes that are targets too."""
    return np.digitize(X[:, 0] - X[:, 1], [-0.6, 0.6])
