"""The label column: never shown to the detector, compared with its scores afterwards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, roc_auc_score

from skrobust.cli._console import InputError
from skrobust.tables._cells import as_text, quoted

__all__ = ["Evaluation", "LabelRule", "apply_rule", "evaluate", "learn_rule"]


@dataclass(frozen=True)
class LabelRule:
    """Which value of the label column marks what.

    Attributes
    ----------
    column : str
        Name.
    normal, abnormal : str
        The two values, as text.
    """

    column: str
    normal: str
    abnormal: str


@dataclass(frozen=True)
class Evaluation:
    """How well scores rank the labelled rows.

    Attributes
    ----------
    auc : float
        Area under the ROC curve; 0.5 is chance.
    precision : float
        Average precision; the share of abnormal rows is chance.
    share : float
        Share of rows labelled abnormal.
    """

    auc: float
    precision: float
    share: float


def learn_rule(series: pd.Series, abnormal: str | None = None) -> LabelRule:
    """Find out which of two values marks abnormal rows.

    Parameters
    ----------
    series : Series
        The label column.
    abnormal : str, optional
        Said by the user. Otherwise the larger of two numbers or truth values, the rarer text.

    Raises
    ------
    InputError
        If the column has missing cells, not exactly two values, or none that was named.
    """
    name, text = str(series.name), _text(series)
    counts = text.value_counts()
    values = list(counts.index)
    if len(values) != 2:
        raise InputError(
            f"label column {name!r} needs two values, it has {len(values)} ({quoted(values)})"
        )
    if abnormal is None:
        is_ordered = pd.api.types.is_numeric_dtype(series.dtype)
        abnormal = text[series.argmax()] if is_ordered else values[1]
    if abnormal not in values:
        raise InputError(f"label column {name!r} holds {quoted(values)}, not {abnormal!r}")
    return LabelRule(name, next(value for value in values if value != abnormal), abnormal)


def apply_rule(rule: LabelRule, series: pd.Series) -> np.ndarray:
    """Labels as 0 and 1.

    Raises
    ------
    InputError
        If the column has missing cells or a third value.
    """
    text = _text(series)
    unknown = text[~text.isin([rule.normal, rule.abnormal])]
    if len(unknown):
        raise InputError(
            f"label column {rule.column!r}, row {unknown.index[0] + 1}: {unknown.iloc[0]!r} is "
            f"neither {rule.normal!r} nor {rule.abnormal!r}"
        )
    return (text == rule.abnormal).to_numpy(dtype=int)


def evaluate(y: np.ndarray, scores: np.ndarray) -> Evaluation | None:
    """Compare scores with labels; None where only one label occurs."""
    if len(np.unique(y)) < 2:
        return None
    auc, precision = roc_auc_score(y, scores), average_precision_score(y, scores)
    return Evaluation(float(auc), float(precision), float(y.mean()))


def _text(series: pd.Series) -> pd.Series:
    if series.isna().any():
        row = int(np.argmax(series.isna())) + 1
        raise InputError(f"label column {str(series.name)!r} has missing cells, first in row {row}")
    return as_text(series)
