"""Columns of a table as float32 features, in blocks of rows.

Numbers are centred and scaled to variance 1, in float64, before float32 loses what tells them
apart. Dates become days since 1970. Text, truth values and categories become one feature per
frequent level and one for all others, those never seen in training too.

A level's feature is 0 or sqrt(1/2): two levels are one standard deviation of a number apart,
however rare they are. Scaled to one range, or to variance 1 each, levels outweigh numbers: a
reconstruction error then ranks rows by how rare their levels are.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import numpy as np
import pandas as pd

from skrobust.cli._errors import InputError
from skrobust.cli._tables import MISSING, as_text, quoted

__all__ = [
    "ENCODING",
    "HOW_READ",
    "Column",
    "cell_text",
    "check_missing",
    "check_numbers",
    "encode",
    "learn_column",
    "numbers",
    "typical_text",
    "widths",
]

BLOCK_ROWS = 16_384
MOST_LEVELS = 50
LEAST_SHARE = 0.01
_LARGEST = 1e150  # the spread of such values is beyond float64
_CLIP = 1e15
_LEVEL = math.sqrt(0.5)
_ISO_DATE = r"\d{4}-\d{2}-\d{2}(?:[T ].*)?"
_EPOCH = datetime(1970, 1, 1)

HOW_READ = (
    "Numbers, text, truth values and dates are used. Text becomes one "
    "feature for each of its at most 50 levels with 1 % of the rows or more, and one for all "
    "others; dates (of Parquet, or YYYY-MM-DD with or without a time) become days. "
    f"Missing in a CSV file are empty cells and {', '.join(MISSING[1:-1])} and {MISSING[-1]}; in "
    "the id column only empty cells."
)
ENCODING = (
    "numbers and dates (days since 1970) scaled to variance 1; text and truth values: one feature "
    "per level with at least 1 % of the rows, at most 50, and one for all others"
)


@dataclass(frozen=True)
class Column:
    """What training knows about one column.

    Attributes
    ----------
    name : str
        As in the header.
    kind : {"numeric", "date", "categorical", "empty"}
        An empty column gives no feature.
    center, scale : float
        Numbers and dates: median and standard deviation (1 if that is 0).
    levels : tuple of str
        Categories: the levels with a feature of their own, most frequent first.
    typical : str
        Categories: the most frequent level.
    """

    name: str
    kind: str
    center: float = 0.0
    scale: float = 1.0
    levels: tuple[str, ...] = ()
    typical: str = ""

    @property
    def width(self) -> int:
        """Number of features."""
        return {"empty": 0, "categorical": len(self.levels) + 1}.get(self.kind, 1)


def learn_column(series: pd.Series) -> Column:
    """Decide what a column is and how it is encoded.

    Raises
    ------
    InputError
        For infinities, numbers beyond ±1e150 and cells that are neither numbers, text, truth
        values nor dates.
    """
    name, kind = str(series.name), _kind(series)
    if kind == "empty":
        return Column(name, kind)
    if kind == "categorical":
        counts = as_text(series).value_counts()
        frequent = counts[counts >= LEAST_SHARE * len(series)].index[:MOST_LEVELS]
        return Column(name, kind, levels=tuple(frequent), typical=counts.index[0])
    values = numbers(name, kind, series)
    center = float(np.nanmedian(values))
    return Column(name, kind, center, _spread(values, center))


def widths(columns: Sequence[Column]) -> list[int]:
    """Number of features of each column."""
    return [column.width for column in columns]


def check_missing(frame: pd.DataFrame, advice: str) -> None:
    """Refuse missing cells; the message says where they are and ends with ``advice``."""
    counts = frame.isna().sum()
    names = list(counts.index[counts > 0])
    if names:
        row = int(np.argmax(frame[names[0]].isna())) + 1
        raise InputError(
            f"missing cells in {quoted(names)} ({int(counts.sum()):,} in all, the first in row "
            f"{row}): {advice}"
        )


def check_numbers(columns: Sequence[Column], frame: pd.DataFrame) -> None:
    """Refuse what :func:`numbers` does, in all rows of all columns of numbers and dates."""
    for column in columns:
        if column.kind in _WORDS:
            numbers(column.name, column.kind, frame[column.name])


def encode(columns: Sequence[Column], frame: pd.DataFrame) -> np.ndarray:
    """Features of all rows, float32; nan where a cell is missing.

    Raises
    ------
    InputError
        If a cell is not what :func:`numbers` takes.
    """
    result = np.empty((len(frame), sum(widths(columns))), dtype=np.float32)
    for start in range(0, len(frame), BLOCK_ROWS):
        block = frame.iloc[start : start + BLOCK_ROWS]
        stop = 0
        for column in columns:
            first, stop = stop, stop + column.width
            if column.width:
                part = result[start : start + len(block), first:stop]
                part[...] = _features(column, block[column.name])
    return result


def numbers(name: str, kind: str, series: pd.Series) -> np.ndarray:
    """Cells of a column of numbers or dates as float64, nan where missing.

    Raises
    ------
    InputError
        If a cell is no number (no date), or is infinite or too large; the message names it.
    """
    convert = _days if kind == "date" else _floats
    values = convert(series)
    _refuse(name, series, np.isnan(values) & series.notna().to_numpy(), f"is no {_WORDS[kind]}")
    _refuse(name, series, np.isinf(values), "is infinite")
    _refuse(name, series, np.abs(values) > _LARGEST, f"is beyond ±{_LARGEST:g}")
    return values


def cell_text(column: Column, cell: pd.Series) -> str:
    """A cell, given as a series of one, as the report shows it."""
    if cell.isna().all():
        return "missing"
    if column.kind == "categorical":
        text = as_text(cell).iloc[0]
        return text if text in column.levels else f"{text} (rare)"
    return _number_text(column, float(numbers(column.name, column.kind, cell)[0]))


def typical_text(column: Column) -> str:
    """The training rows' median, or most frequent level, as the report shows it."""
    if column.kind == "categorical":
        return column.typical
    return _number_text(column, column.center)


def _number_text(column: Column, value: float) -> str:
    if column.kind == "date":
        return _date_text(value)
    return _plain(value)


def _plain(value: float) -> str:
    return f"{value:,.0f}" if value % 1 == 0 and abs(value) < 1e9 else f"{value:.4g}"


def _date_text(days: float) -> str:
    try:
        moment = _EPOCH + timedelta(seconds=round(days * 86_400))
    except OverflowError:  # before year 1 or after year 9999
        return f"{_plain(days)} days after 1970-01-01"
    return moment.date().isoformat() if days % 1 == 0 else moment.isoformat(" ", "minutes")


_WORDS = {"numeric": "number", "date": "date"}


def _kind(series: pd.Series) -> str:
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


def _kind_of_objects(series: pd.Series) -> str:
    inferred = pd.api.types.infer_dtype(series, skipna=True)
    if inferred in ("integer", "floating", "decimal", "mixed-integer-float"):
        return "numeric"
    if inferred in ("date", "datetime"):
        return "date"
    if inferred == "string":
        return "date" if _are_dates(series.dropna()) else "categorical"
    if inferred in ("boolean", "mixed-integer", "mixed") and _are_scalars(series.dropna()):
        return "categorical"
    raise InputError(
        f"column {str(series.name)!r} holds {inferred} values; "
        "numbers, text, truth values and dates can be used"
    )


def _are_dates(text: pd.Series) -> bool:
    return bool(text.str.fullmatch(_ISO_DATE).all()) and not np.isnan(_days(text)).any()


def _are_scalars(cells: pd.Series) -> bool:
    return bool(cells.map(lambda cell: isinstance(cell, str | bool | int | float)).all())


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


def _spread(values: np.ndarray, center: float) -> float:
    """Standard deviation; 1 where it is 0, or nothing but rounding."""
    spread = float(np.nanstd(values))
    return spread if spread > 1e-12 * abs(center) else 1.0


def _refuse(name: str, series: pd.Series, bad: np.ndarray, what: str) -> None:
    if bad.any():
        place = int(np.argmax(bad))
        cell, row = series.iloc[place], series.index[place] + 1
        raise InputError(f"column {name!r}, row {row}: {str(cell)!r} {what}")


def _features(column: Column, series: pd.Series) -> np.ndarray:
    if column.kind == "categorical":
        return _one_hot(column, series)
    values = numbers(column.name, column.kind, series)
    with np.errstate(over="ignore"):
        return np.clip((values - column.center) / column.scale, -_CLIP, _CLIP)[:, None]


def _one_hot(column: Column, series: pd.Series) -> np.ndarray:
    """One feature per level and one for the rest; nan in all of them for a missing cell."""
    codes = pd.Index(column.levels, dtype=object).get_indexer(as_text(series))
    codes[codes < 0] = len(column.levels)
    features = np.zeros((len(series), column.width), dtype=np.float32)
    features[np.arange(len(series)), codes] = _LEVEL
    features[series.isna().to_numpy()] = np.nan
    return features
