"""Rows without a single value: nothing is known of them."""

from __future__ import annotations

import numpy as np

from skrobust._validation import warn_caller

__all__ = ["fill_blank_scores", "level_blank_scores"]

_NAMED = 5  # rows in a warning


def level_blank_scores(X: np.ndarray, scores: np.ndarray) -> float:
    """Give the blank ones of the training rows the median of the others' scores, and return it.

    Parameters
    ----------
    X : array of shape (n_rows, n_features)
        Training rows, nan where a value is missing.
    scores : array of shape (n_rows,)
        Their scores, changed in place.
    """
    known = scores[~np.isnan(X).all(axis=1)]
    level = float(np.median(known if len(known) else scores))
    fill_blank_scores(X, scores, level)
    return level


def fill_blank_scores(X: np.ndarray, scores: np.ndarray, level: float) -> np.ndarray:
    """Give blank rows the score ``level``, with a warning; return the scores."""
    blank = np.isnan(X).all(axis=1)
    if blank.any():
        scores[blank] = level
        rows = np.flatnonzero(blank)
        named = ", ".join(map(str, rows[:_NAMED])) + (", ..." if len(rows) > _NAMED else "")
        warn_caller(
            f"{len(rows)} rows of X have no value at all (row {named}): nothing is known of them, "
            "they get the median score of the training rows"
        )
    return scores
