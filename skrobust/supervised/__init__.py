"""Classifiers and regressors for data with corrupted labels and targets."""

from skrobust.supervised._classifier import PRLClassifier
from skrobust.supervised._estimate import estimate_corruption_rate
from skrobust.supervised._regressor import PRLRegressor

__all__ = [
    "PRLClassifier",
    "PRLRegressor",
    "estimate_corruption_rate",
]
