"""Draw what is to be corrupted."""

from __future__ import annotations

import math
from numbers import Real

import numpy as np

__all__ = ["check_rate", "draw_mask", "draw_order"]


def check_rate(rate: float) -> float:
    """Refuse what is no share between 0 and 1."""
    if isinstance(rate, bool) or not isinstance(rate, Real) or not 0 <= rate <= 1:
        raise ValueError(f"rate must be a number in [0, 1], got {rate!r}")
    return float(rate)


def draw_mask(n: int, rate: float, exact: bool, rng: np.random.RandomState) -> np.ndarray:
    """Choose entries 0 to ``n - 1``.

    Parameters
    ----------
    n : int
        Number of entries.
    rate : float in [0, 1]
        Share of them.
    exact : bool
        floor(rate n) entries, uniformly without replacement; otherwise each one on its own with
        probability ``rate``.
    rng : RandomState
        Under one seed, a higher rate chooses the same entries and more.

    Returns
    -------
    array of shape (n,), bool
    """
    if not exact:
        return rng.random_sample(n) < rate
    mask = np.zeros(n, dtype=bool)
    mask[draw_order(n, rng)[: math.floor(rate * n + 1e-9)]] = True
    return mask


def draw_order(n: int, rng: np.random.RandomState) -> np.ndarray:
    """Permute 0 to ``n - 1``, other than ``rng.permutation`` does.

    scikit-learn's splits take the head of that permutation for the test rows: with one seed for
    both, whatever is corrupted before the split would end up in the test.
    """
    return rng.random_sample(n).argsort(kind="stable")
