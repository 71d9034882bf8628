"""scikit-learn's isolation forest as a member of an ensemble, its trees kept as arrays."""

from __future__ import annotations

from typing import Self

import numpy as np
from sklearn.ensemble import IsolationForest

__all__ = ["IsolationTrees"]

_CHUNK = 65_536


class IsolationTrees:
    """Isolation forest (Liu, Ting and Zhou, 2008): abnormal rows are apart after few random cuts.

    The trees are scikit-learn's; they are kept as plain arrays, which a file can hold without code.

    Parameters
    ----------
    random_state : int
        Seeds the forest.
    """

    def __init__(self, random_state: int) -> None:
        self.random_state = random_state

    def fit(self, X: np.ndarray) -> Self:
        """Grow the trees on scaled rows (n_samples, n_features) and score them."""
        forest = IsolationForest(random_state=self.random_state).fit(X)
        trees = [tree.tree_ for tree in forest.estimators_]
        sizes = [tree.node_count for tree in trees]
        starts = np.cumsum([0, *sizes[:-1]])
        self.roots_ = starts.astype(np.int64)
        self.features_ = np.concatenate([tree.feature for tree in trees]).astype(np.int64)
        self.cuts_ = np.concatenate([tree.threshold for tree in trees])
        children = [(tree.children_left, tree.children_right) for tree in trees]
        shifted = [np.stack(pair) + start for pair, start in zip(children, starts, strict=True)]
        self.children_ = np.concatenate(shifted, axis=1).astype(np.int64)
        n_rows = np.concatenate([tree.n_node_samples for tree in trees])
        depths = np.concatenate([_depths(*pair) for pair in children])
        self.lengths_ = depths + _mean_length(n_rows)
        self.usual_ = len(trees) * float(_mean_length(np.array([forest.max_samples_]))[0])
        self.decision_scores_ = self.decision_function(X)
        return self

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        """Scores (n_samples,) of scaled rows: 2 to the power of minus the relative path length."""
        total = np.zeros(len(X))
        for start in range(0, len(X), _CHUNK):
            rows = np.ascontiguousarray(X[start : start + _CHUNK], dtype=np.float32)
            for root in self.roots_:
                total[start : start + len(rows)] += self._paths(rows, root)
        return 2.0 ** -(total / max(self.usual_, np.finfo(float).tiny))

    def _paths(self, rows: np.ndarray, root: int) -> np.ndarray:
        """Path lengths (n_rows,) in one tree."""
        nodes, moving = np.full(len(rows), root), np.arange(len(rows))
        while len(moving):
            at = nodes[moving]
            moving, at = moving[self.features_[at] >= 0], at[self.features_[at] >= 0]
            right = rows[moving, self.features_[at]] > self.cuts_[at]
            nodes[moving] = self.children_[right.astype(np.int64), at]
        lengths: np.ndarray = self.lengths_[nodes]
        return lengths


def _depths(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Depth of each node; a parent stands before its children."""
    depths = np.zeros(len(left))
    for node in np.flatnonzero(left >= 0):
        depths[[left[node], right[node]]] = depths[node] + 1
    return depths


def _mean_length(n_rows: np.ndarray) -> np.ndarray:
    """Mean path length of a search that does not succeed in a random tree of so many rows."""
    n = n_rows.astype(np.float64)
    inner = np.maximum(n - 1, 1)
    long = 2 * (np.log(inner) + np.euler_gamma) - 2 * inner / np.maximum(n, 1)
    return np.where(n > 2, long, np.where(n == 2, 1.0, 0.0))
