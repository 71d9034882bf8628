"""Classifiers and regressors for data with corrupted labels and targets."""

from skrobust.supervised._prl import PRLClassifier, PRLRegressor

__all__ = ["PRLClassifier", "PRLRegressor"]
