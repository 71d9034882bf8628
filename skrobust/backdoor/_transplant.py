"""What a row has that rows of other labels do not, put into those: do they get its label then?

A trigger works wherever it is put. What makes a clean row one of its class works in few others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from skrobust._base import RobustEstimator

__all__ = [
    "Effects",
    "Network",
    "Predict",
    "Rows",
    "as_numbers",
    "core_of",
    "effects_of_differences",
    "effects_of_rows",
    "given_probability",
    "lowest_of_each_label",
    "seen_otherwise",
]

Predict = Callable[[np.ndarray], np.ndarray]  # rows as they were given -> probabilities

N_NEIGHBORS = 10
_CORE = 0.4  # of the rows of each label, of least effect
_LITTLE = 0.3  # effect of a row that may be in the core
_FEWEST = 0.15  # share of a label that is in the core whatever its effect
_CHUNK, _CHUNK_VALUES = 4_000, 20_000_000  # rows that are predicted at once, and their values
_SEARCHED = 256  # rows whose neighbours are looked for at once
_MOST_COLUMNS = 100  # of which near rows are looked for as they are
_N_COMPONENTS = 50
_SHOWN = 1_000  # rows by which the units are chosen in which rows are alike


class Network:
    """A trained classifier that is asked about rows as numbers.

    Parameters
    ----------
    model : classifier
        Fitted to all training rows or to some.
    X : array or DataFrame
        All training rows, as a model takes them.
    given : array of shape (n_samples, ...)
        The same as numbers.
    classes : array of shape (n_labels,)
        All labels, sorted.
    """

    def __init__(self, model: Any, X: Any, given: np.ndarray, classes: np.ndarray) -> None:
        self.model, self.given = model, given
        self._frame = X[:0] if isinstance(X, pd.DataFrame) else None
        self._n_labels, self._columns = len(classes), np.searchsorted(classes, model.classes_)

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Probabilities (n_rows, n_labels), 0 of labels that the model does not know."""
        found = np.zeros((len(rows), self._n_labels))
        if self._frame is not None:
            rows = self._as_frame(rows, self._frame)
        found[:, self._columns] = self.model.predict_proba(rows)
        return found

    def _as_frame(self, rows: np.ndarray, like: pd.DataFrame) -> pd.DataFrame:
        """Rows with names; models of others may ask for integers or bool, too."""
        frame = pd.DataFrame(rows, columns=like.columns)
        if isinstance(self.model, RobustEstimator):
            return frame
        kinds = [(n, kind) for n, kind in like.dtypes.items() if isinstance(kind, np.dtype)]
        types = {name: kind for name, kind in kinds if kind.kind in "biuf"}
        whole = [name for name, kind in types.items() if kind.kind in "biu"]
        frame[whole] = frame[whole].round()
        return frame.astype(types)

    @cached_property
    def seen(self) -> np.ndarray:
        """Those of the training rows."""
        return self(self.given)


@dataclass
class Rows:
    """Training rows as numbers, and what is needed to change them.

    Parameters
    ----------
    given : array of shape (n_samples, ...)
        The rows, of the type that the networks take.
    codes : array of shape (n_samples,), int
        Their labels, from 0.
    n_labels : int
        How many labels there are.
    rng : RandomState
        Draws receivers.
    """

    given: np.ndarray
    codes: np.ndarray
    n_labels: int
    rng: np.random.RandomState
    values: np.ndarray = field(init=False)
    spread: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        values = self.given.reshape(len(self.given), -1)
        exact = np.can_cast(values.dtype, np.float32)  # bytes, short integers, halves, bool
        self.values = values.astype(np.float32 if exact else np.float64)
        self._low, self._high = self.values.min(axis=0), self.values.max(axis=0)
        if self.given.ndim > 2:  # all values of a picture have one range
            self._low, self._high = self._low.min(), self._high.max()
        largest = float(np.abs(self.values).max(initial=0)) or 1.0
        near = self.values / largest  # so that squares are finite
        self.spread = np.ones(near.shape[1])  # of the columns of a table
        if self.given.ndim == 2:
            spread = near.std(axis=0)
            spread = np.where(spread > 0, spread, 1)
            scaled = (near - near.mean(axis=0)) / spread
            self.spread = spread * largest
            ways = [_fewer_columns(scaled), _fewer_columns(near)]
            near = max(ways, key=self._agreement_of_neighbors)
        else:
            near = _fewer_columns(near)
        self._near = near

    def _agreement_of_neighbors(self, near: np.ndarray) -> float:
        """How often the nearest rows have the same label: in which units rows are alike."""
        shown = self.rng.permutation(len(near))[:_SHOWN]
        n_near = min(N_NEIGHBORS, len(shown) - 1)
        found = NearestNeighbors(n_neighbors=n_near).fit(near[shown]).kneighbors()[1]
        same = self.codes[shown][found] == self.codes[shown][:, None]
        return float(same.mean())

    def changed(self, places: np.ndarray, difference: np.ndarray) -> np.ndarray:
        """Add differences to rows, within the range of the training rows."""
        moved = np.clip(self.values[places] + difference, self._low, self._high)
        if not np.issubdtype(self.given.dtype, np.floating):
            moved = np.rint(moved)
        return moved.astype(self.given.dtype).reshape(-1, *self.given.shape[1:])

    def from_neighbors(self, places: np.ndarray, pool: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Difference of each row from the mean of its nearest rows of a pool; their usual label."""
        n_near = min(N_NEIGHBORS, len(pool))
        near_of_pool = self._near[pool]
        squares = (near_of_pool**2).sum(axis=1)
        differences = np.empty((len(places), self.values.shape[1]), dtype=self.values.dtype)
        sources = np.empty(len(places), dtype=int)
        for start in range(0, len(places), _SEARCHED):
            some = places[start : start + _SEARCHED]
            distances = squares - 2 * self._near[some] @ near_of_pool.T
            for i, columns in enumerate(np.argpartition(distances, n_near - 1)[:, :n_near], start):
                near = pool[columns]
                differences[i] = self.values[places[i]] - self.values[near].mean(axis=0)
                sources[i] = np.bincount(self.codes[near]).argmax()
        return differences, sources

    def medians(self, places: np.ndarray) -> np.ndarray:
        """Median row of each label; of all rows, for a label without any."""
        whole = np.median(self.values, axis=0)
        found = [places[self.codes[places] == code] for code in range(self.n_labels)]
        return np.stack(
            [np.median(self.values[rows], axis=0) if len(rows) else whole for rows in found]
        )


def _fewer_columns(values: np.ndarray) -> np.ndarray:
    """Principal components of rows with many columns."""
    if values.shape[1] <= _MOST_COLUMNS or not np.ptp(values, axis=0).any():
        return values
    n_components = min(_N_COMPONENTS, len(values))
    return PCA(n_components, svd_solver="randomized", random_state=0).fit_transform(values)


@dataclass(frozen=True)
class Effects:
    """What the differences of rows do in others, nan for rows that were not looked at.

    Parameters
    ----------
    towards : array of shape (n_samples,)
        Share of the receivers, of other labels than the row and its neighbours, that get its label.
    any_change : array of shape (n_samples,)
        Share of the receivers whose label changes.
    """

    towards: np.ndarray
    any_change: np.ndarray


def effects_of_rows(rows: Rows, plain: Network, n_receivers: int = 10) -> Effects:
    """Put the difference of each row into rows of other labels.

    First by what the row has that the median row of its second label has not; where many rows carry
    a trigger, their nearest neighbours do, too. Then by its nearest rows among those whose
    difference changed little.

    Parameters
    ----------
    rows : Rows
        All training rows.
    plain : Network
        That was trained on all of them.
    n_receivers : int
        Into how many rows each difference is put.

    Returns
    -------
    Effects
    """
    fits = plain.seen.argmax(axis=1) == rows.codes
    medians = rows.medians(np.flatnonzero(fits))

    def from_median(places: np.ndarray, pool: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        others = plain.seen[places].copy()
        others[np.arange(len(places)), rows.codes[places]] = -1
        sources = others.argmax(axis=1)
        return rows.values[places] - medians[sources], sources

    first = _put(rows, plain, fits, fits, from_median, max(1, n_receivers // 2))
    pool = lowest_of_each_label(rows, first.any_change, 0.3)
    return _put(rows, plain, fits, pool, rows.from_neighbors, n_receivers)


def _put(
    rows: Rows,
    predict: Predict,
    fits: np.ndarray,
    pool: np.ndarray,
    difference: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
    n_receivers: int,
) -> Effects:
    towards, change = np.full((2, len(fits)), np.nan)
    for code in range(rows.n_labels):
        of_label = np.flatnonzero(fits & (rows.codes == code))
        others = np.flatnonzero(pool & (rows.codes != code))
        if not len(others):
            continue
        step = max(1, min(_CHUNK, _CHUNK_VALUES // rows.values.shape[1]) // n_receivers)
        for start in range(0, len(of_label), step):
            places = of_label[start : start + step]
            differences, sources = difference(places, others)
            receivers = rows.rng.choice(others, (len(places), n_receivers))
            changed = rows.changed(receivers.ravel(), np.repeat(differences, n_receivers, axis=0))
            now = predict(changed).argmax(axis=1).reshape(receivers.shape)
            before = rows.codes[receivers]
            change[places] = (now != before).mean(axis=1)
            foreign = before != sources[:, None] if rows.n_labels > 2 else before != code
            hits = ((now == code) & foreign).sum(axis=1)
            towards[places] = hits / np.maximum(foreign.sum(axis=1), 1)
    return Effects(towards, change)


def lowest_of_each_label(rows: Rows, values: np.ndarray, share: float) -> np.ndarray:
    """Mark the rows of each label with the lowest values; equal ones are drawn."""
    chosen = np.zeros(len(values), dtype=bool)
    drawn = rows.rng.uniform(size=len(values))
    for code in range(rows.n_labels):
        places = np.flatnonzero((rows.codes == code) & np.isfinite(values))
        order = places[np.lexsort((drawn[places], values[places]))]
        chosen[order[: max(5, int(np.ceil(share * len(places))))]] = True
    return chosen


def effects_of_differences(
    rows: Rows,
    plain: Predict,
    judge: Predict,
    code: int,
    differences: np.ndarray,
    sources: np.ndarray,
    core: np.ndarray,
    n_receivers: int = 100,
    by_class: bool = True,
) -> np.ndarray:
    """Put what rows of one label share into trusted rows of others.

    Parameters
    ----------
    rows : Rows
        All training rows.
    plain, judge : callable
        The network that may have learnt a trigger, and one that has not: what makes both say the
        label is no trigger.
    code : int
        The label.
    differences : array of shape (n, n_features)
        What rows of the label have on top of their neighbours.
    sources : array of shape (n,), int
        The label of other rows that each of these is like.
    core : array of shape (n_samples,), bool
        Rows that are trusted.
    n_receivers : int
        Trusted rows that each is put into.
    by_class : bool
        Whether the third effect is wanted; it is 0 otherwise.

    Returns
    -------
    array of shape (3,)
        Share of the receivers that get the label by ``plain`` and not by ``judge``: of the mean
        difference, of single ones, and of the mean difference of each source in rows of it.
    """

    def effect(receivers: np.ndarray, added: np.ndarray) -> float:
        changed = rows.changed(receivers, added)
        caught = plain(changed).argmax(axis=1) == code
        caught[caught] = judge(changed[caught]).argmax(axis=1) != code if caught.any() else False
        return float(caught.mean())

    others = np.flatnonzero(core & (rows.codes != code))
    receivers = rows.rng.permutation(others)[:n_receivers]
    single = differences[rows.rng.choice(len(differences), len(receivers))]
    by_source, weights = [], []
    for source in np.unique(sources[sources != code]) if by_class else []:
        own = np.flatnonzero(core & (rows.codes == source))
        if (sources == source).sum() >= 5 and len(own) >= 5:
            drawn = rows.rng.permutation(own)[: n_receivers // 2]
            by_source.append(effect(drawn, differences[sources == source].mean(axis=0)))
            weights.append((sources == source).sum())
    return np.array(
        [
            effect(receivers, differences.mean(axis=0)),
            effect(receivers, single),
            np.average(by_source, weights=weights) if by_source else 0.0,
        ]
    )


def core_of(rows: Rows, effects: Effects) -> np.ndarray:
    """Mark the rows of each label of least effect, fewer where many have much."""
    both = effects.towards + effects.any_change
    both = np.where(effects.towards <= _LITTLE, both, both + 2)
    core = lowest_of_each_label(rows, both, _CORE)
    few = lowest_of_each_label(rows, both, _FEWEST)
    return (core & (effects.towards <= _LITTLE)) | few


def as_numbers(X: Any) -> np.ndarray:
    """Rows as an array that differences can be added to; means of columns for missing cells."""
    if issparse(X):
        raise TypeError("X is sparse; screening adds numbers to rows: pass X.toarray()")
    try:
        given = _as_array(X)
    except ValueError as error:
        raise ValueError(
            f"X must hold numbers for screening, which adds to them; {error}. Encode categories as "
            "one-hot columns."
        ) from error
    if given.dtype.kind == "f" and np.isnan(given).any():
        known = ~np.isnan(given)
        means = np.sum(given, axis=0, where=known) / np.maximum(known.sum(axis=0), 1)
        given = np.where(known, given, means).astype(given.dtype)
    return given


def _as_array(X: Any) -> np.ndarray:
    if isinstance(X, pd.DataFrame) and not all(isinstance(kind, np.dtype) for kind in X.dtypes):
        return X.to_numpy(dtype=np.float64, na_value=np.nan)  # integers that may be missing
    given = np.ma.filled(X.astype(float), np.nan) if np.ma.isMA(X) else np.asarray(X)
    return given if given.dtype.kind in "buifc" else given.astype(np.float64)


def given_probability(probabilities: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Probability of each row's label."""
    return probabilities[np.arange(len(codes)), codes]


def seen_otherwise(probabilities: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Mark the rows that get another label than theirs."""
    return (probabilities.argmax(axis=1) != codes) & (given_probability(probabilities, codes) < 0.5)
