"""Classifiers and regressors for data with corrupted labels and targets."""

from skrobust.supervised._audit import LabelAudit, audit_labels
from skrobust.supervised._classifier import PRLClassifier
from skrobust.supervised._regressor import PRLRegressor

__all__ = ["LabelAudit", "PRLClassifier", "PRLRegressor", "audit_labels"]
