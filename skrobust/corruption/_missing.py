"""Missing cells."""

from __future__ import annotations

import numpy as np
from sklearn.utils import check_random_state

from skrobust.corruption._draw import check_rate, draw_mask

__all__ = ["mask_missing"]


def mask_missing(
    X,
    rate: float,
    *,
    exact: bool = True,
    random_state: int | np.random.RandomState | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Remove a share of the cells of a table, completely at random.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Numbers; cells may be missing already.
    rate : float in [0, 1]
        Share of the cells that is removed.
    exact : bool, default=True
        Whether exactly floor(rate n_samples n_features) cells are removed. False removes each
        cell on its own with probability ``rate``, as the thesis's experiments do.
    random_state : int, RandomState or None, default=None
        Seeds the draw. Under one int, a higher rate removes the same cells and more.

    Returns
    -------
    X_missing : array of shape (n_samples, n_features), float64
        A copy with nan in the removed cells.
    mask : array of shape (n_samples, n_features), bool
        True where a cell was removed.

    Raises
    ------
    ValueError
        If ``rate`` is no share, or ``X`` is not a table of numbers.

    References
    ----------
    .. [1] Liu, B. Robust learning of deep neural networks under data corruption. Section 2.4.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust.corruption import mask_missing
    >>> X, mask = mask_missing(np.ones((4, 5)), 0.1, random_state=0)
    >>> int(np.isnan(X).sum()), int(mask.sum())
    (2, 2)
    """
    rate = check_rate(rate)
    table = np.array(X, dtype=np.float64)
    if table.ndim != 2:
        raise ValueError(f"X must be a table of numbers, got an array of shape {table.shape}")
    rng = check_random_state(random_state)
    mask = draw_mask(table.size, rate, exact, rng).reshape(table.shape)
    table[mask] = np.nan
    return table, mask
