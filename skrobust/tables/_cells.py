"""Cells of a column: what they are, as numbers, and as text."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from datetime import date, datetime, time, timedelta

import numpy as np
import pandas as pd

_LARGEST = 1e150  # the spread of such values is beyond float64
_ISO_DATE = r"\d{4}-\d{2}-\d{2}(?:[T ].*)?"
_EPOCH = datetime(1970, 1, 1)
_WORDS = {"numeric": "number", "date": "date"}
_TRUTH = {"true": "True", "TRUE": "True", "false": "False", "FALSE": "False"}


class TableError(ValueError):
    """A file or a table cannot be used; the message is one line that says why."""


def kind_of(series: pd.Series) -> str:
    """Return "numeric", "date", "categorical" or "empty"; refuses what is none of these."""
    dtype = series.dtype
    if series.isna().all():
        return "empty"
    if isinstance(dtype, pd.CategoricalDtype) or pd.api.types.is_bool_dtype(dtype):
        return "categorical"
    if pd.api.types.is_datetime64_any_dtype(dtype):
        return "date"
    if pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_complex_dtype(dtype):
        return "numeric"
    return _kind_of_objects(series)


def numbers(name: str, kind: str, series: pd.Series) -> np.ndarray:
    """Cells of a column of numbers, or of dates as days since 1970; float64, nan where missing."""
    values = (_days if kind == "date" else _floats)(series)
    for bad, what in (
        (np.isnan(values) & series.notna().to_numpy(), f"is no {_WORDS[kind]}"),
        (np.isinf(values), "is infinite"),
        (np.abs(values) > _LARGEST, f"is beyond ±{_LARGEST:g}"),
    ):
        if bad.any():
            place = int(np.argmax(bad))
            cell, row = series.iloc[place], series.index[place] + 1
            raise TableError(f"column {name!r}, row {row}: {str(cell)!r} {what}")
    return values


def as_text(series: pd.Series) -> pd.Series:
    """Cells as text, the same for a value however its file wrote it; missing stays missing."""
    if pd.api.types.is_float_dtype(series.dtype) and (series.dropna() % 1 == 0).all():
        series = series.astype("Int64")
    text = series.astype(object).where(series.notna(), None).map(str, na_action="ignore")
    return text.replace(_TRUTH)


def number_text(kind: str, value: float) -> str:
    """Return a number, or days as a date, for people to read."""
    if kind != "date":
        return f"{value:,.0f}" if value % 1 == 0 and abs(value) < 1e9 else f"{value:.4g}"
    try:
        moment = _EPOCH + timedelta(seconds=round(value * 86_400))
    except OverflowError:  # before year 1 or after year 9999
        return f"{number_text('numeric', value)} days after 1970-01-01"
    return moment.date().isoformat() if value % 1 == 0 else moment.isoformat(" ", "minutes")


def quoted(names: Collection[str], n_shown: int = 3) -> str:
    """Names in quotes, the first few of many."""
    shown = ", ".join(repr(name) for name in list(names)[:n_shown])
    return shown + (f" and {len(names) - n_shown} more" if len(names) > n_shown else "")


def _kind_of_objects(series: pd.Series) -> str:
    inferred = pd.api.types.infer_dtype(series, skipna=True)
    if inferred in ("integer", "floating", "decimal", "mixed-integer-float"):
        return "numeric"
    if inferred in ("date", "datetime"):
        return "date"
    cells = series.dropna()
    if inferred == "string":
        are_dates = cells.str.fullmatch(_ISO_DATE).all() and not np.isnan(_days(cells)).any()
        return "date" if are_dates else "categorical"
    is_mixed = inferred in ("boolean", "mixed-integer", "mixed")
    if is_mixed and all(isinstance(cell, str | bool | int | float) for cell in cells):
        return "categorical"
    raise TableError(
        f"column {str(series.name)!r} holds {inferred} values; "
        "numbers, text, truth values and dates can be used"
    )


def _floats(series: pd.Series) -> np.ndarray:
    if not pd.api.types.is_numeric_dtype(series.dtype):
        series = pd.to_numeric(series.astype(object), errors="coerce")
    return series.to_numpy(np.float64, na_value=np.nan)


def _days(series: pd.Series) -> np.ndarray:
    """Days since 1970, nan for what is no date; not in nanoseconds, which end in 2262."""
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        return _days_of_moments(series)
    cells = series.astype(object)
    cells = cells.where(cells.map(lambda cell: isinstance(cell, str | date)), None)
    days = _days_of_moments(pd.to_datetime(cells, format="ISO8601", utc=True, errors="coerce"))
    for place in np.flatnonzero(np.isnan(days) & cells.notna().to_numpy()):
        days[place] = _days_of_cell(cells.iloc[place])
    return days


def _days_of_moments(moments: pd.Series) -> np.ndarray:
    if moments.dt.tz is not None:
        moments = moments.dt.tz_convert(None)
    return (moments.to_numpy() - np.datetime64(0, "D")) / np.timedelta64(1, "D")


def _days_of_cell(cell: str | date) -> float:
    """For dates that pandas refuses, as some versions do beyond the reach of nanoseconds."""
    try:
        if isinstance(cell, str):
            cell = datetime.fromisoformat(cell if re.fullmatch(_ISO_DATE, cell) else "")
    except ValueError:
        return math.nan
    moment = cell if isinstance(cell, datetime) else datetime.combine(cell, time())
    since = moment.replace(tzinfo=None) - _EPOCH - (moment.utcoffset() or timedelta())
    return since / timedelta(days=1)
