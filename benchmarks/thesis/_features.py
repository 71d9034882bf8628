"""What the benchmarks on image features share: contaminated training rows, a clean test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.metrics import pairwise_distances_argmin_min, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import check_random_state

from benchmarks._seeding import contained_seeding
from skrobust.datasets import fetch_image_features

__all__ = ["CLUSTER_OF", "N_COMPONENTS", "contaminate", "measure_features"]

N_COMPONENTS = 128
N_TEST = 1000  # normal pictures of the test
SAME = 0.01  # distance of two copies of a picture's features

# The class whose pictures are the clustered anomalies.
CLUSTER_OF = {
    "CIFAR10_0": "CIFAR10_4",
    "CIFAR10_4": "CIFAR10_6",
    "CIFAR10_6": "CIFAR10_0",
    "SVHN_0": "SVHN_8",
    "SVHN_8": "SVHN_0",
}


def contaminate(
    name: str, kind: str, rate: float, seed: int, n_train: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw contaminated training rows and a clean test from the features of one normal class.

    Parameters
    ----------
    name : str
        Set of :func:`skrobust.datasets.fetch_image_features`.
    kind : {"u", "c"}
        "u": training anomalies are 60 % of the set's own, which come from all other classes; the
        test has the rest of them. "c": training anomalies are normal pictures of another set, but
        for those that are among this set's own anomalies, all of which the test has.
    rate : float
        Share of anomalies among the training rows.
    seed : int
        Decides who is drawn.
    n_train : int, optional
        Number of training rows; as many as there are for that rate by default.

    Returns
    -------
    train : array of shape (n_train, 512)
        Anomalies last.
    test : array of shape (n_test, 512)
        1,000 normal rows, then anomalies.
    y_test : array of shape (n_test,)
    """
    rng = check_random_state(seed)
    X, y = fetch_image_features(name, return_X_y=True)
    normal, odd = X[rng.permutation(np.flatnonzero(y == 0))], X[rng.permutation(np.flatnonzero(y))]
    train_odd, test_odd = odd[: int(0.6 * len(odd))], odd[int(0.6 * len(odd)) :]
    if kind == "c":
        other, other_y = fetch_image_features(CLUSTER_OF[name], return_X_y=True)
        pool = other[other_y == 0]
        # The anomalies of a set come from all other classes: some are pictures of the pool.
        distance = pairwise_distances_argmin_min(pool, odd)[1]
        train_odd, test_odd = rng.permutation(pool[distance > SAME]), odd
    rest = normal[N_TEST:]
    n_odd = min(len(train_odd), int(len(rest) * rate / (1 - rate)))
    n_normal = round(n_odd * (1 - rate) / rate)
    if n_train is not None:
        n_odd = round(rate * n_train)
        n_normal = n_train - n_odd
    train = np.vstack([rest[:n_normal], train_odd[:n_odd]])
    test = np.vstack([normal[:N_TEST], test_odd])
    return train, test, np.arange(len(test)) >= N_TEST


def measure_features(
    build: Callable[[], Any], train: np.ndarray, test: np.ndarray, y: np.ndarray, seed: int
) -> dict[str, float]:
    """Train a detector behind a PCA to 128 components; its AUC on the test."""
    pipeline = make_pipeline(PCA(min(N_COMPONENTS, *train.shape), random_state=seed), build())
    with contained_seeding(seed):
        scores = pipeline.fit(train).decision_function(test)
    return {
        "auc": round(float(roc_auc_score(y, scores)), 6),
        "n_train": len(train),
        "n_test": len(test),
    }
