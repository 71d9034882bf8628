"""Comparisons of methods over data sets, as the thesis counts them."""

from __future__ import annotations

import pandas as pd

__all__ = ["average_rank", "win_draw_loss"]

_DECIMALS = 3


def average_rank(table: pd.DataFrame) -> pd.Series:
    """Average rank of each method over the data sets (last row of Table 3.1).

    Parameters
    ----------
    table : DataFrame of shape (n_sets, n_methods)
        Mean quality, higher is better. It is rounded to three decimals first.

    Returns
    -------
    Series of shape (n_methods,)
        1 is best; ties share the mean of their ranks.
    """
    return table.round(_DECIMALS).rank(axis=1, ascending=False, method="average").mean()


def win_draw_loss(table: pd.DataFrame, method: str) -> pd.DataFrame:
    """Count the data sets on which a method beats, equals and loses to each other (Table 2.2).

    Parameters
    ----------
    table : DataFrame of shape (n_sets, n_methods)
        Mean quality, higher is better. It is rounded to three decimals first; equal is a draw.
    method : str
        Column to compare with the others.

    Returns
    -------
    DataFrame of shape (n_methods - 1, 3)
        Columns ``win``, ``draw`` and ``loss``; sets without a value for both do not count.
    """
    rounded = table.round(_DECIMALS)
    others = rounded.drop(columns=method)
    difference = others.rsub(rounded[method], axis=0).round(_DECIMALS)
    counts = {"win": difference > 0, "draw": difference == 0, "loss": difference < 0}
    return pd.DataFrame({name: hits.sum() for name, hits in counts.items()})
