"""What corruptions share: checks, the draw of what is corrupted, values in an array's type."""

from __future__ import annotations

import math
from numbers import Real

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_random_state

__all__ = ["cast_exactly", "check_rate", "draw_mask", "draw_order", "find_classes"]


def check_rate(rate: float) -> float:
    """Refuse what is no share between 0 and 1."""
    if isinstance(rate, bool) or not isinstance(rate, Real) or not 0 <= rate <= 1:
        raise ValueError(f"rate must be a number in [0, 1], got {rate!r}")
    return float(rate)


def find_classes(y: npt.ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Check one column of labels; its classes, at least two, and the place of each row's."""
    y = np.asarray(y)
    if y.ndim != 1:
        raise ValueError(f"y must be one column of labels, got an array of shape {y.shape}")
    try:
        classes, codes = np.unique(y, return_inverse=True)
    except TypeError as error:
        raise ValueError("y must hold labels that compare, all numbers or all text") from error
    if len(classes) < 2:
        raise ValueError(f"y must hold at least two classes, got {len(classes)}")
    return classes, codes


def draw_mask(
    n: int, rate: float, exact: bool, random_state: int | np.random.RandomState | None
) -> tuple[np.ndarray, np.random.RandomState]:
    """Choose floor(rate n) of n entries or, not ``exact``, each one with probability ``rate``.

    Under one seed, a higher rate chooses the same entries and more. The generator is returned too.
    """
    rate, rng = check_rate(rate), check_random_state(random_state)
    if not exact:
        return rng.random_sample(n) < rate, rng
    mask = np.zeros(n, dtype=bool)
    mask[draw_order(n, rng)[: math.floor(rate * n + 1e-9)]] = True
    return mask, rng


def draw_order(n: int, rng: np.random.RandomState) -> np.ndarray:
    """Permute 0 to ``n - 1``, other than ``rng.permutation`` does.

    scikit-learn's splits take the head of that permutation for the test rows: with one seed for
    both, whatever is corrupted before the split would end up in the test.
    """
    return rng.random_sample(n).argsort(kind="stable")


def cast_exactly(values: npt.ArrayLike, dtype: np.dtype, what: str) -> np.ndarray:
    """Return values in another type, where nothing is lost but digits of fractions.

    It cannot hold fractions in integers, numbers beyond its range, or text that is longer.
    """
    values = np.asarray(values)
    if dtype in (values.dtype, object):
        return values.astype(dtype)
    with np.errstate(invalid="ignore", over="ignore"):
        try:
            cast = values.astype(dtype)
        except (TypeError, ValueError):
            cast = None
    if cast is None:
        lost = np.ones(values.shape, dtype=bool)
    elif dtype.kind == "f" and values.dtype.kind in "biuf":
        lost = np.isfinite(values) & ~np.isfinite(cast)
    else:
        lost = np.asarray(cast != values)
    if cast is None or lost.any():
        first = values[lost][0]
        raise ValueError(f"{what} holds {first!r}, which an array of type {dtype} cannot hold")
    return cast
