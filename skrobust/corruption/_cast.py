"""Values of one type put into an array of another."""

from __future__ import annotations

import numpy as np

__all__ = ["cast_exactly"]


def cast_exactly(values, dtype: np.dtype, what: str) -> np.ndarray:
    """Return values in another type, where nothing is lost but digits of fractions.

    Parameters
    ----------
    values : array-like
        What is to be put into an array.
    dtype : dtype
        Type of the array.
    what : str
        Name of the values, for the message.

    Raises
    ------
    ValueError
        If the type cannot hold them: fractions in integers, numbers beyond its range, text that is
        longer.
    """
    values = np.asarray(values)
    if dtype in (values.dtype, object):
        return values.astype(dtype)
    with np.errstate(invalid="ignore", over="ignore"):
        try:
            cast = values.astype(dtype)
        except (TypeError, ValueError):
            cast = None
    if cast is not None and dtype.kind == "f" and values.dtype.kind in "biuf":
        lost = np.isfinite(values) & ~np.isfinite(cast)
    elif cast is not None:
        lost = np.asarray(cast != values)
    else:
        lost = np.ones(values.shape, dtype=bool)
    if lost.any():
        first = values[lost][0]
        raise ValueError(f"{what} holds {first!r}, which an array of type {dtype} cannot hold")
    return cast
