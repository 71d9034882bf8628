"""Activation clustering: poisoned rows of a label as the smaller of two clusters."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import FastICA
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import silhouette_score

__all__ = ["Clusters", "cluster_activations"]

N_COMPONENTS = 10
LEAST_SILHOUETTE = 0.10
LARGEST_SHARE = 0.35


class Clusters(NamedTuple):
    """What the clusters of all labels show.

    Parameters
    ----------
    flagged : array
        Labels whose smaller cluster is taken for poison.
    dropped : array of shape (n_rows,), bool
        True for the rows of those clusters.
    scores : array of shape (n_rows,)
        Silhouette score of the label for rows of its smaller cluster, and minus that for the
        others.
    """

    flagged: np.ndarray
    dropped: np.ndarray
    scores: np.ndarray


def cluster_activations(activations: np.ndarray, labels: np.ndarray, seed: int) -> Clusters:
    """Look for poison in the last hidden layer of a network trained on all rows [1]_.

    The activations of the rows of a label are reduced to ten independent components and divided
    into two clusters. The smaller is taken for poison if the silhouette score is above 0.10 and it
    holds less than 35 % of the rows, which are the defaults of the Adversarial Robustness Toolbox
    (``analyze_by_silhouette_score``).

    Parameters
    ----------
    activations : array of shape (n_rows, n_units)
        Of the last hidden layer.
    labels : array of shape (n_rows,)
        Given labels.
    seed : int
        Of components and clusters.

    References
    ----------
    .. [1] Chen, B. et al. Detecting backdoor attacks on deep neural networks by activation
       clustering. 2018. arXiv:1811.03728.
    """
    flagged, dropped = [], np.zeros(len(labels), dtype=bool)
    scores = np.zeros(len(labels))
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        silhouette, smaller = _divide(activations[rows], seed)
        scores[rows] = np.where(smaller, silhouette, -silhouette)
        if silhouette > LEAST_SILHOUETTE and smaller.mean() < LARGEST_SHARE:
            flagged.append(label)
            dropped[rows[smaller]] = True
    return Clusters(np.array(flagged, dtype=labels.dtype), dropped, scores)


def _divide(activations: np.ndarray, seed: int) -> tuple[float, np.ndarray]:
    """Silhouette score of two clusters, and which rows are in the smaller one."""
    n_components = min(N_COMPONENTS, np.linalg.matrix_rank(activations - activations.mean(axis=0)))
    if n_components == 0 or len(activations) < 3:
        return 0.0, np.zeros(len(activations), dtype=bool)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        ica = FastICA(n_components, whiten="unit-variance", max_iter=1_000, random_state=seed)
        reduced = ica.fit_transform(activations)
    clusters = KMeans(2, n_init=10, random_state=seed).fit_predict(reduced)
    smaller = clusters == np.bincount(clusters, minlength=2).argmin()
    return float(silhouette_score(reduced, clusters)), smaller
