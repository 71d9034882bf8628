"""Synthetic rows: speed does not depend on what they mean."""

from __future__ import annotations

import numpy as np

__all__ = ["N_FEATURES", "N_ROWS", "contaminated_rows", "normal_rows"]

N_ROWS = 5000
N_FEATURES = 32


def contaminated_rows(n_rows: int = N_ROWS, share: float = 0.1) -> np.ndarray:
    """Rows near a plane of five dimensions, and a share of uniform anomalies; float64."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, 5)) @ rng.normal(size=(5, N_FEATURES))
    X += 0.1 * rng.normal(size=X.shape)
    n_anomalies = int(share * n_rows)
    X[:n_anomalies] = rng.uniform(-6, 6, size=(n_anomalies, N_FEATURES))
    return X


def normal_rows(n_rows: int) -> np.ndarray:
    """Standard normal rows, drawn in place so that no second copy ever exists; float64."""
    X = np.empty((n_rows, N_FEATURES))
    np.random.default_rng(1).standard_normal(out=X)
    return X
