"""Which columns make a row abnormal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from skrobust.cli._columns import cell_text, encode, typical_text, widths
from skrobust.cli._model import Model

__all__ = ["Cause", "column_shares", "explain"]

_LEAST_SHARE = 0.01


@dataclass(frozen=True)
class Cause:
    """One column's part in a row's score.

    Attributes
    ----------
    column : str
        Name.
    value, typical : str
        The cell, and the median or the most frequent level of the training rows.
    share : float
        Of what the row's error exceeds that of normal rows by.
    """

    column: str
    value: str
    typical: str
    share: float


def column_shares(model: Model, frame: pd.DataFrame) -> np.ndarray:
    """Each column's share of what the rows' scores exceed those of normal rows by.

    A column's error is the sum over its features, minus the same sum for typical rows: some
    columns are hard to reconstruct in every row. Negative differences count as 0.

    Returns
    -------
    array of shape (n_rows, n_columns)
        Rows sum to 1, or are 0 where no column stands out.
    """
    excess = model.feature_scores(encode(model.columns, frame)) - model.typical
    ends = np.cumsum(widths(model.columns))
    sums = np.pad(np.cumsum(excess, axis=1), ((0, 0), (1, 0)))
    by_column = sums[:, ends] - sums[:, ends - widths(model.columns)]
    positive = np.where(widths(model.columns), by_column.clip(min=0.0), 0.0)
    totals = positive.sum(axis=1, keepdims=True)
    return positive / np.where(totals > 0, totals, 1.0)


def explain(model: Model, frame: pd.DataFrame, n_causes: int = 3) -> list[list[Cause]]:
    """Columns that contribute most to each row's score, at most ``n_causes`` of 1 % or more."""
    shares = column_shares(model, frame)
    tops = np.argsort(-shares, axis=1, kind="stable")[:, :n_causes]
    return [
        [_cause(model, frame, row, i, shares[row, i]) for i in top if shares[row, i] > _LEAST_SHARE]
        for row, top in enumerate(tops)
    ]


def _cause(model: Model, frame: pd.DataFrame, row: int, place: int, share: float) -> Cause:
    column = model.columns[place]
    value = cell_text(column, frame[column.name].iloc[[row]])
    return Cause(column.name, value, typical_text(column), float(share))
