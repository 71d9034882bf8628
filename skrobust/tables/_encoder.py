"""Columns of a table as float32 features, in blocks of rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from skrobust._preprocessing import scale_of
from skrobust._validation import Integral, Interval, Real, fit_context, unchanged_on_error
from skrobust.tables._cells import TableError, as_text, kind_of, number_text, numbers

BLOCK_ROWS = 16_384
_CLIP = 1e15
_LEVEL = math.sqrt(0.5)


@dataclass(frozen=True)
class Column:
    """What training knows about one column; an empty one gives no feature."""

    name: str  # as in the header
    kind: str  # "numeric", "date", "categorical" or "empty"
    center: float = 0.0  # median of numbers and dates
    scale: float = 1.0  # their standard deviation, gross ones left out; 1 if that is 0
    levels: tuple[str, ...] = ()  # those with a feature of their own, most frequent first
    typical: str = ""  # the most frequent level

    def __post_init__(self) -> None:
        is_text = all(isinstance(text, str) for text in (self.name, self.typical, *self.levels))
        is_kind = self.kind in ("numeric", "date", "categorical", "empty")
        is_range = math.isfinite(self.center) and math.isfinite(self.scale) and self.scale > 0
        if not (is_text and is_kind and is_range and len(set(self.levels)) == len(self.levels)):
            raise ValueError(f"no column: {self}")

    @property
    def features(self) -> list[str]:
        """Names of the features."""
        if self.kind == "categorical":
            return [*(f"{self.name}={level}" for level in self.levels), f"{self.name} (rare)"]
        return [] if self.kind == "empty" else [self.name]

    @property
    def width(self) -> int:
        """Number of features."""
        return len(self.features)

    @property
    def unit(self) -> float:
        """What 1 in a feature is in the cells; of a level, in shares of the rows."""
        return 1 / _LEVEL if self.kind == "categorical" else self.scale

    @property
    def typical_text(self) -> str:
        """The training rows' median or most frequent level, for people to read."""
        return self.typical if self.kind == "categorical" else number_text(self.kind, self.center)

    def cell_text(self, cell: pd.Series) -> str:
        """Return a cell, given as a series of one, for people to read."""
        if cell.isna().all():
            return "missing"
        if self.kind == "categorical":
            text = as_text(cell).iloc[0]
            return text if text in self.levels else f"{text} (rare)"
        return number_text(self.kind, float(numbers(self.name, self.kind, cell)[0]))

    def encode(self, series: pd.Series) -> np.ndarray:
        """Return the features of the cells, (n_rows, width); nan where a cell is missing."""
        if self.kind != "categorical":
            values = numbers(self.name, self.kind, series)
            with np.errstate(over="ignore"):
                return np.clip((values - self.center) / self.scale, -_CLIP, _CLIP)[:, None]
        codes = pd.Index(self.levels, dtype=object).get_indexer(as_text(series))
        codes[codes < 0] = len(self.levels)
        features = np.zeros((len(series), self.width), dtype=np.float32)
        features[np.arange(len(series)), codes] = _LEVEL
        features[series.isna().to_numpy()] = np.nan
        return features


class TableEncoder(TransformerMixin, BaseEstimator):
    """Turn a table of numbers, dates, text and truth values into numbers for a network.

    Parameters
    ----------
    max_levels : int, default=50
        Most levels of a column that get a feature of their own.
    min_share : float in [0, 1], default=0.01
        Share of the training rows that a level needs for it.

    Attributes
    ----------
    columns_ : tuple of Column
        What was learnt of each column: ``name``, ``kind`` ("numeric", "date", "categorical" or
        "empty"), ``center``, ``scale``, ``levels`` and ``typical``.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : array of shape (n_columns,)
        Their names, if all are text.

    See Also
    --------
    read_table : Reads a file as people write it.

    Notes
    -----
    Numbers are centred at the median and scaled to variance 1 (a few values beyond twenty standard
    deviations are not counted), in float64, before float32 loses what tells them apart. Dates (of
    pandas or Python, or text such as 2024-05-31 with or without a time) become days since 1970.
    Text, truth values and categories become one feature per frequent level and one for all others,
    those never seen in training too; a column that is missing throughout becomes none. A missing
    cell is nan in all features of its column, which ``missing="mean"`` of the estimators fills.

    A level's feature is 0 or sqrt(1/2): two levels are one standard deviation of a number apart,
    however rare they are. Scaled to one range, or to variance 1 each, levels outweigh numbers: a
    reconstruction error then ranks rows by how rare their levels are.

    Examples
    --------
    >>> import pandas as pd
    >>> from skrobust.tables import TableEncoder
    >>> table = pd.DataFrame({"heat": [1.0, 2.0, 3.0], "town": ["Lima", "Lima", "Oslo"]})
    >>> TableEncoder().fit(table).get_feature_names_out()
    array(['heat', 'town=Lima', 'town=Oslo', 'town (rare)'], dtype=object)
    """

    _parameter_constraints: dict = {
        "max_levels": [Interval(Integral, 0, None, closed="left")],
        "min_share": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(self, *, max_levels: int = 50, min_share: float = 0.01) -> None:
        self.max_levels = max_levels
        self.min_share = min_share

    @fit_context
    def fit(self, X: Any, y: Any = None) -> TableEncoder:
        """Decide what each column is and how it is encoded.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns)
            Training rows.
        y : Ignored
            Present for the convention's sake.

        Returns
        -------
        self

        Raises
        ------
        TableError
            For infinities, numbers beyond ±1e150 and cells that are neither numbers, text, truth
            values nor dates.
        """
        with unchanged_on_error(self):
            frame = self._frame(X, reset=True)
            self.columns_ = tuple(self._learn(frame.iloc[:, i]) for i in range(frame.shape[1]))
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Encode rows.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns)
            Rows with the columns of training.

        Returns
        -------
        array of shape (n_rows, n_features), float32
            The features of each column beside each other; nan where a cell is missing.

        Raises
        ------
        TableError
            If a cell of a column of numbers (dates) is none; the message names it.
        """
        check_is_fitted(self)
        frame = self._frame(X, reset=False)
        result = np.empty((len(frame), sum(self.widths)), dtype=np.float32)
        starts = np.cumsum([0, *self.widths])
        for first in range(0, len(frame), BLOCK_ROWS):
            rows = slice(first, first + BLOCK_ROWS)
            for place, column in enumerate(self.columns_):
                if column.width:
                    features = slice(starts[place], starts[place + 1])
                    result[rows, features] = column.encode(frame.iloc[rows, place])
        return result

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the features.

        Parameters
        ----------
        input_features : Ignored
            Present for the convention's sake.

        Returns
        -------
        array of str, object
            The column's name, for categories with the level or "(rare)".
        """
        check_is_fitted(self)
        return np.array([name for column in self.columns_ for name in column.features], object)

    @property
    def widths(self) -> list[int]:
        """Number of features of each column."""
        return [column.width for column in self.columns_]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.string = tags.input_tags.categorical = True
        tags.transformer_tags.preserves_dtype = []
        return tags

    def _frame(self, X: Any, reset: bool) -> pd.DataFrame:
        """Rows with index 0 to n - 1, which messages count from."""
        if not isinstance(X, pd.DataFrame):
            X = check_array(X, dtype=None, ensure_all_finite=False)
        validate_data(self, X, reset=reset, skip_check_array=True)
        if not X.size:
            what = f"0 rows or 0 columns (shape={X.shape})"
            raise TableError(f"{what} while a minimum of 1 is required")
        return pd.DataFrame(X).reset_index(drop=True)

    def _learn(self, series: pd.Series) -> Column:
        name, kind = str(series.name), kind_of(series)
        if kind == "empty":
            return Column(name, kind)
        if kind == "categorical":
            counts = as_text(series).value_counts()
            frequent = counts[counts >= self.min_share * len(series)].index[: self.max_levels]
            return Column(name, kind, levels=tuple(frequent), typical=counts.index[0])
        values = numbers(name, kind, series)
        return Column(name, kind, *scale_of(values[~np.isnan(values)]))
