"""Two moons with anomalies."""

from __future__ import annotations

from numbers import Real

import numpy as np
from sklearn.utils import check_random_state

from skrobust._validation import check_choice, check_whole

__all__ = ["make_contaminated_moons"]

BOX = (-1.75, 3.25)
CENTRE = (2.5, 2.5)


def make_contaminated_moons(
    n_samples: int = 10000,
    *,
    contamination: float = 0.05,
    anomalies: str = "uniform",
    noise: float = 0.1,
    cluster_std: float = 0.05,
    shuffle: bool = True,
    random_state: int | np.random.RandomState | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw two moons of normal points, and anomalies on top of them.

    Parameters
    ----------
    n_samples : int, default=10000
        Number of normal points, at least 2; anomalies are not counted.
    contamination : float, default=0.05
        Number of anomalies divided by the number of normal points, at least 0. The share of
        anomalies in what is returned is ``contamination / (1 + contamination)``: 500 on top of
        10,000 points are 4.76 %.
    anomalies : {"uniform", "clustered"}, default="uniform"
        Spread evenly over the square [-1.75, 3.25]², moons included, or drawn from a Gaussian
        round (2.5, 2.5), away from the moons.
    noise : float, default=0.1
        Standard deviation of the Gaussian noise on the moons.
    cluster_std : float, default=0.05
        Standard deviation of clustered anomalies.
    shuffle : bool, default=True
        Whether to mix the rows. Otherwise the anomalies come last.
    random_state : int, RandomState instance or None, default=None
        Seeds the draw.

    Returns
    -------
    X : array of shape (n_samples + round(contamination * n_samples), 2), float64
        The points, unscaled.
    y : array of the same length, int64
        1 for anomalies, 0 for points of the moons.

    Notes
    -----
    The defaults are those of the code published with RobustRealNVP; the thesis gives none. Its
    introductory figure has clustered anomalies with ``cluster_std=0.2``.

    Examples
    --------
    >>> from skrobust.datasets import make_contaminated_moons
    >>> X, y = make_contaminated_moons(1000, contamination=0.1, random_state=0)
    >>> X.shape, int(y.sum())
    ((1100, 2), 100)
    """
    check_whole("n_samples", n_samples, 2)
    numbers = {"contamination": contamination, "noise": noise, "cluster_std": cluster_std}
    for name, value in numbers.items():
        if not isinstance(value, Real) or not 0 <= value < np.inf:
            raise ValueError(f"{name} must be a finite number of at least 0, got {value!r}")
    check_choice("anomalies", anomalies, ["uniform", "clustered"])
    from sklearn.datasets import make_moons  # takes longer than all the rest of this module

    rng = check_random_state(random_state)
    moons, _ = make_moons(int(n_samples), shuffle=False, noise=noise, random_state=rng)
    shape = (round(contamination * n_samples), 2)
    if anomalies == "uniform":
        extra = rng.uniform(*BOX, size=shape)
    else:
        extra = rng.normal(CENTRE, cluster_std, size=shape)
    X, y = np.vstack([moons, extra]), np.arange(n_samples + shape[0]) >= n_samples
    rows = rng.permutation(len(X)) if shuffle else np.arange(len(X))
    return X[rows], y[rows].astype(np.int64)
