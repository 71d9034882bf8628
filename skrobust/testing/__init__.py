"""Checks for robust estimators, of this package and of others."""

from skrobust.testing._robust import RELATIONS, RelationResult, check_robust_estimator

__all__ = ["RELATIONS", "RelationResult", "check_robust_estimator"]
