"""The column that is audited: labels of classes, or numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_float_dtype, is_numeric_dtype

from skrobust.cli._console import InputError
from skrobust.cli._training import check_missing
from skrobust.tables._cells import as_text, numbers

TASKS = ("auto", "classification", "regression")
MOST_NUMBERED_CLASSES = 20
_N_NOTES = 5
_ONCE = "every label occurs in one row only; labels must repeat"


@dataclass(frozen=True)
class Target:
    """A table's labels or targets, and what the user should know of them."""

    column: str
    y: np.ndarray  # (n,), places in ``classes``, int, or numbers, float64
    classes: tuple[str, ...]  # the labels as text, in their order; none for numbers
    notes: list[str]


def learn_target(series: pd.Series, task: str, n_folds: int) -> Target:
    """Decide what a column asks for, and turn it into numbers.

    For the task "auto" numbers are targets, but for whole numbers of few values, each twice on
    average. Refuses missing cells, infinite numbers, and labels of which none is in every fold.
    """
    name = str(series.name)
    check_missing(series.to_frame(), "leave out the rows without a target")
    if task == "auto":
        task = _guess(series)
    if task == "classification":
        return _classes(name, series, n_folds)
    y = numbers(name, "numeric", series)
    if (y == y[0]).all():
        raise InputError(f"target column {name!r} holds one value only, {series.iloc[0]!s}")
    return Target(name, y, (), [])


def _guess(series: pd.Series) -> str:
    kind = series.dtype
    values = series.unique()
    if len(values) != 2 and is_numeric_dtype(kind) and not is_bool_dtype(kind):
        few = len(values) <= min(MOST_NUMBERED_CLASSES, len(series) / 2)
        if not few or (pd.Series(values).astype(float) % 1 != 0).any():  # inf % 1 is nan
            return "regression"
    return "classification"


def learn_classes(series: pd.Series, task: str) -> Target:
    """Turn a column of labels into classes, where nothing else will do.

    Refuses missing cells, a single label, labels that occur in one row each, and, unless the task
    is "classification", what :func:`learn_target` takes for numbers.
    """
    name = str(series.name)
    check_missing(series.to_frame(), "leave out the rows without a label")
    if task == "auto" and _guess(series) == "regression":
        raise InputError(
            f"target column {name!r} holds numbers of {series.nunique():,} different values, such "
            f"as {series.iloc[0]!s}; labels of classes are needed (if these are some, pass --task "
            "classification)"
        )
    text, counts = _counted(name, series)
    if counts.iloc[0] < 2:
        raise InputError(f"target column {name!r}: {_ONCE}")
    return _numbered(name, text, counts)


def _counted(name: str, series: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Labels as text, and in how many rows each occurs, the most frequent first."""
    if is_float_dtype(series.dtype):
        numbers(name, "numeric", series)  # refuses infinities
    text = as_text(series)
    counts = text.value_counts()
    if len(counts) < 2:
        raise InputError(f"target column {name!r} holds one class only, {counts.index[0]!r}")
    return text, counts


def _numbered(name: str, text: pd.Series, counts: pd.Series) -> Target:
    classes = tuple(sorted(counts.index, key=_as_number_or_text))
    return Target(name, pd.Index(classes, dtype=object).get_indexer(text), classes, [])


def _classes(name: str, series: pd.Series, n_folds: int) -> Target:
    text, counts = _counted(name, series)
    if counts.iloc[0] < 2:
        raise InputError(f"target column {name!r}: {_ONCE}, and numbers need --task regression")
    if counts.iloc[0] < n_folds:
        raise InputError(
            f"target column {name!r}: no label occurs in {n_folds} rows, the number of folds "
            f"(the most frequent, {counts.index[0]!r}, in {counts.iloc[0]}); pass --folds "
            f"{counts.iloc[0]}, or --task regression for numbers"
        )
    if counts.iloc[1] < 2:
        raise InputError(
            f"target column {name!r}: only {counts.index[0]!r} occurs in more than one row; at "
            "least two labels must"
        )
    target = _numbered(name, text, counts)
    notes = [
        f"{name}: {label!r} occurs in one row only, so no other row can vouch for it: suspect"
        for label in target.classes
        if counts[label] == 1
    ]
    n_more = len(notes) - _N_NOTES
    notes[_N_NOTES:] = [f"the same holds for {n_more} other labels"] * (n_more > 0)
    target.notes.extend(notes)
    return target


def _as_number_or_text(label: str) -> tuple[bool, float, str]:
    """Sorts numbers as such, before text."""
    try:
        number = float(label)
    except ValueError:
        number = math.nan
    return (False, number, label) if math.isfinite(number) else (True, 0.0, label)
