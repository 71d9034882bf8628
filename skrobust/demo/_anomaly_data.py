"""Anomaly-detection problems made of the data sets that ship with scikit-learn.

The problems were fixed before any result was seen. ``load_wine`` is left out for its size: a
tenth of it leaves three anomalies to test on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import train_test_split

__all__ = ["PROBLEMS", "Problem", "Sample", "draw_sample"]


@dataclass(frozen=True)
class Problem:
    """What is normal, what is not, and how many of the latter there are.

    Attributes
    ----------
    title : str
        Short name.
    story : str
        What the rows are.
    load : callable
        Returns the rows (n, n_features), which of them are abnormal (n,) and what they are (n,).
    rate : float
        Share of anomalies in the set.
    image_shape : tuple of int or None
        Shape of a row that is a picture.
    """

    title: str
    story: str
    load: Callable[[], tuple[np.ndarray, np.ndarray, np.ndarray]]
    rate: float
    image_shape: tuple[int, int] | None = None


@dataclass(frozen=True)
class Sample:
    """One contaminated training part and one held-out part.

    Attributes
    ----------
    X_train, X_test : array of shape (n, n_features)
        Rows.
    y_train, y_test : array of shape (n,), int
        1 for anomalies; no detector sees them.
    names_test : array of shape (n,)
        What each held-out row is.
    """

    X_train: np.ndarray
    X_test: np.ndarray
    y_train: np.ndarray
    y_test: np.ndarray
    names_test: np.ndarray


def draw_sample(problem: Problem, seed: int) -> Sample:
    """Draw the anomalies and split the rows 60/40 at random, anomalies and normal rows alike.

    Parameters
    ----------
    problem : Problem
        Where the rows come from. All normal rows are used.
    seed : int
        Seeds both draws.
    """
    X, abnormal, names = problem.load()
    rng = np.random.RandomState(seed)
    normal, pool = np.flatnonzero(~abnormal), np.flatnonzero(abnormal)
    n_anomalies = round(len(normal) * problem.rate / (1 - problem.rate))
    rows = np.r_[normal, rng.choice(pool, n_anomalies, replace=False)]
    y = abnormal.astype(int)
    train, test = train_test_split(rows, train_size=0.6, stratify=y[rows], random_state=rng)
    return Sample(X[train], X[test], y[train], y[test], names[test])


def _breast_cancer():
    data = load_breast_cancer()
    return data.data, data.target == 0, data.target_names[data.target]


def _digits(normal: tuple[int, ...]):
    data = load_digits()
    return data.data, ~np.isin(data.target, normal), data.target


PROBLEMS = (
    Problem(
        "Breast cancer",
        "Measurements of cell nuclei. Benign samples are normal; 10 % of the rows are malignant.",
        _breast_cancer,
        rate=0.10,
    ),
    Problem(
        "A pile of threes",
        "Handwritten threes, 8 × 8 pixels; 10 % of the rows are other digits.",
        partial(_digits, normal=(3,)),
        rate=0.10,
        image_shape=(8, 8),
    ),
    Problem(
        "Digits 0 to 4",
        "Handwritten digits from 0 to 4; 15 % of the rows are digits from 5 to 9.",
        partial(_digits, normal=(0, 1, 2, 3, 4)),
        rate=0.15,
        image_shape=(8, 8),
    ),
)
