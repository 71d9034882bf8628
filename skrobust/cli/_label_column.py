"""The label column: never shown to the detector, compared with its scores afterwards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, roc_auc_score

from skrobust.cli._console import InputError
from skrobust.tables._cells import as_text, quoted

__all__ = ["LabelRule", "apply_rule", "evaluate", "learn_rule"]


@dataclass(frozen=True)
class LabelRule:
    """Which of the two values of the label column, as text, marks what."""

    column: str
    normal: str
    abnormal: str


def learn_rule(series: pd.Series, abnormal: str | None) -> LabelRule:
    """Take the named value for abnormal; if none, the larger number or truth value, or rarer text.

    Refuses columns with missing cells, with other than two values, or without the named one.
    """
    name, text = str(series.name), _text(series)
    values = list(text.value_counts().index)
    if len(values) != 2:
        raise InputError(
            f"label column {name!r} needs two values, it has {len(values)} ({quoted(values)})"
        )
    if abnormal is None:
        is_ordered = pd.api.types.is_numeric_dtype(series.dtype)
        abnormal = text[series.argmax()] if is_ordered else values[1]
    if abnormal not in values:
        raise InputError(f"label column {name!r} holds {quoted(values)}, not {abnormal!r}")
    values.remove(abnormal)
    return LabelRule(name, values[0], abnormal)


def apply_rule(rule: LabelRule, series: pd.Series) -> np.ndarray:
    """Labels as 0 and 1; refuses missing cells and a third value."""
    text = _text(series)
    unknown = text[~text.isin([rule.normal, rule.abnormal])]
    if len(unknown):
        raise InputError(
            f"label column {rule.column!r}, row {unknown.index[0] + 1}: {unknown.iloc[0]!r} is "
            f"neither {rule.normal!r} nor {rule.abnormal!r}"
        )
    return (text == rule.abnormal).to_numpy(dtype=int)


def evaluate(rule: LabelRule, y: np.ndarray, scores: np.ndarray) -> str:
    """Say how well scores rank the labelled rows; empty where only one label occurs."""
    if len(np.unique(y)) < 2:
        return ""
    return (
        f"Compared with {rule.column} ({rule.abnormal!r} is abnormal, {100 * y.mean():.3g} % of "
        f"the rows): ROC AUC {roc_auc_score(y, scores):.3f} (chance 0.5), average precision "
        f"{average_precision_score(y, scores):.3f} (chance {y.mean():.3f})."
    )


def _text(series: pd.Series) -> pd.Series:
    if series.isna().any():
        row = int(np.argmax(series.isna())) + 1
        raise InputError(f"label column {str(series.name)!r} has missing cells, first in row {row}")
    return as_text(series)
