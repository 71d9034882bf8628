"""Ranks and wins as the thesis counts them, on numbers from its tables."""

import numpy as np
import pandas as pd
import pytest

from skrobust.metrics import average_rank, win_draw_loss

TABLE = pd.DataFrame(
    {"RCA": [0.9171, 0.711, 1.0], "IF": [0.9169, 0.7114, 0.99], "AE": [0.879, 0.669, 0.998]},
    index=["vowels", "pima", "musk"],
)


def test_ties_at_three_decimals_are_draws():
    counts = win_draw_loss(TABLE, "RCA")
    assert counts.loc["IF"].tolist() == [1, 2, 0]
    assert counts.loc["AE"].tolist() == [3, 0, 0]
    assert win_draw_loss(TABLE, "AE").loc["RCA"].tolist() == [0, 0, 3]


def test_sets_without_both_values_do_not_count():
    table = TABLE.copy()
    table.loc["pima", "AE"] = np.nan
    assert win_draw_loss(table, "RCA").loc["AE"].tolist() == [2, 0, 0]


def test_ties_share_their_mean_rank():
    ranks = average_rank(TABLE)
    assert ranks["RCA"] == pytest.approx((1.5 + 1.5 + 1) / 3)
    assert ranks["IF"] == pytest.approx((1.5 + 1.5 + 3) / 3)
    assert ranks["AE"] == pytest.approx((3 + 3 + 2) / 3)
