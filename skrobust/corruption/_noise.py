"""Wrong labels, wrong targets and missing cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from skrobust._validation import check_choice
from skrobust.corruption._common import draw_mask, draw_order, find_classes

__all__ = ["corrupt_labels", "corrupt_targets", "mask_missing"]

_MIXED = ("linadv", "signflip", "uninoise", "pairflip")
_KINDS = (*_MIXED, "maximum", "swap", "shift", "scale", "stuck", "mixture")


def corrupt_labels(
    y: npt.ArrayLike,
    rate: float,
    *,
    kind: str = "symmetric",
    exact: bool = True,
    random_state: int | np.random.RandomState | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Give a share of the rows a wrong class label (thesis, section 4.4).

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels of any type, of at least two classes.
    rate : float in [0, 1]
        Share of the rows whose label is changed (the thesis's epsilon).
    kind : {"symmetric", "pairflip"}, default="symmetric"
        "symmetric": one of the other classes, all equally likely. "pairflip": the next class in
        sorted order, the first one after the last.
    exact : bool, default=True
        Whether exactly floor(rate n_samples) rows are changed. False changes each row on its own
        with probability ``rate``, as the thesis's experiments do.
    random_state : int, RandomState or None, default=None
        Seeds the draw. Under one int, a higher rate changes the same rows and more.

    Returns
    -------
    y_corrupted : array of shape (n_samples,)
        A copy, of the type of ``y``.
    mask : array of shape (n_samples,), bool
        True where the label was changed.

    Raises
    ------
    ValueError
        If a parameter is not one of the above, or ``y`` is not one column of at least two classes.

    Examples
    --------
    >>> from skrobust.corruption import corrupt_labels
    >>> y, mask = corrupt_labels(["cat", "cat", "dog", "dog"], 0.5, random_state=0)
    >>> int(mask.sum())
    2
    """
    check_choice("kind", kind, ["symmetric", "pairflip"])
    classes, codes = find_classes(y)
    mask, rng = draw_mask(len(codes), rate, exact, random_state)
    steps = rng.randint(1, len(classes), size=len(codes)) if kind == "symmetric" else 1
    return classes[np.where(mask, codes + steps, codes) % len(classes)], mask


def corrupt_targets(
    y: npt.ArrayLike,
    rate: float,
    *,
    kind: str = "linadv",
    X: npt.ArrayLike | None = None,
    weight_scale: float = 1.0,
    bounds: tuple[float, float] = (-5.0, 5.0),
    group_size: int = 2,
    shift: tuple[float, float] = (1.0, 3.0),
    factor: float = 1_000.0,
    quantile: float = 0.9,
    mixture_of: Sequence[str] = _MIXED,
    random_state: int | np.random.RandomState | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Give a share of the rows wrong targets.

    Kinds "linadv" to "maximum" and their mixture are the thesis's (section 4.4), which suppose
    targets of mean 0 and variance 1 ("maximum": any). It gives neither the distribution of W nor
    the permutation of the landmarks; the defaults are ours. "swap", "shift", "scale" and "stuck"
    are errors of sensors and tables, for targets in any units.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Finite targets.
    rate : float in [0, 1]
        Share of the rows; exactly floor(rate n_samples) are changed (the thesis's epsilon).
    kind : {"linadv", "signflip", "uninoise", "pairflip", "maximum", "swap", "shift", "scale", \
            "stuck", "mixture"}, default="linadv"
        What the targets of a changed row become:

        - "linadv": ``X @ W`` with one random matrix W.
        - "signflip": ``-y``.
        - "uninoise": uniform noise on ``bounds``.
        - "pairflip": the row's own targets in the wrong places; every group of ``group_size``
          columns (the coordinates of a landmark) gets what belongs to the one before it.
        - "maximum": the largest target in ``y``, of each column.
        - "swap": those of another changed row, as when a column was sorted on its own.
        - "shift": too high by a random number of standard deviations of ``y``, within ``shift``,
          as of a sensor that has drifted.
        - "scale": ``factor * y``, as in another unit.
        - "stuck": the ``quantile`` of ``y``, as of a sensor that repeats one value.
        - "mixture": in each row one of ``mixture_of``, all equally likely.
    X : array-like of shape (n_samples, n_features), optional
        Features, for "linadv" only.
    weight_scale : float, default=1.0
        Standard deviation of the elements of W, drawn from a normal distribution.
    bounds : (float, float), default=(-5.0, 5.0)
        Range of the noise.
    group_size : int, default=2
        Columns per group.
    shift : (float, float), default=(1.0, 3.0)
        Least and most standard deviations of "shift"; negative ones are too low.
    factor : float, default=1000.0
        Of "scale".
    quantile : float in [0, 1], default=0.9
        Of "stuck".
    mixture_of : sequence of str, default=("linadv", "signflip", "uninoise", "pairflip")
        The other kinds that are mixed.
    random_state : int, RandomState or None, default=None
        Seeds the draw. Under one int, a higher rate changes the same rows and more.

    Returns
    -------
    y_corrupted : array of the shape of ``y``, float64
        A copy.
    mask : array of shape (n_samples,), bool
        True where the row was changed.

    Raises
    ------
    ValueError
        If a parameter is not one of the above, a target is not finite, "linadv" has no ``X`` of
        as many rows, "pairflip" has no two groups, or "swap" is to change one row only.

    Examples
    --------
    >>> from skrobust.corruption import corrupt_targets
    >>> y, mask = corrupt_targets([1.0, 2.0, 3.0, 4.0], 0.5, kind="maximum", random_state=0)
    >>> bool((y[mask] == 4.0).all()), int(mask.sum())
    (True, 2)
    """
    check_choice("kind", kind, _KINDS)
    if not mixture_of:
        raise ValueError(f"mixture_of must name at least one kind, got {mixture_of!r}")
    for part in mixture_of:
        check_choice("each of mixture_of", part, _KINDS[:-1])
    if not 0 <= quantile <= 1:
        raise ValueError(f"quantile must be from 0 to 1, got {quantile!r}")
    if not np.isfinite(factor):
        raise ValueError(f"factor must be a finite number, got {factor!r}")
    if np.shape(shift) != (2,) or not np.isfinite(shift).all() or shift[0] > shift[1]:
        raise ValueError(f"shift must be (least, most), both finite, got {shift!r}")
    given = np.array(y, dtype=np.float64)
    if given.ndim not in (1, 2) or not np.isfinite(given).all():
        raise ValueError(
            "y must hold finite targets, (n_samples,) or (n_samples, n_outputs); got an array of "
            f"shape {given.shape} with {np.count_nonzero(~np.isfinite(given))} that are not finite"
        )
    targets = given.reshape(len(given), -1)
    kinds = list(dict.fromkeys(mixture_of)) if kind == "mixture" else [kind]
    mask, rng = draw_mask(len(targets), rate, True, random_state)
    which = rng.randint(len(kinds), size=len(targets))
    wrong = {
        "linadv": lambda: _linear(X, targets, weight_scale, rng),
        "signflip": lambda: -targets,
        "uninoise": lambda: rng.uniform(*bounds, size=targets.shape),
        "pairflip": lambda: _next_group(targets, group_size),
        "maximum": lambda: np.broadcast_to(targets.max(axis=0), targets.shape),
        "shift": lambda: targets + targets.std(axis=0) * rng.uniform(*shift, size=targets.shape),
        "scale": lambda: factor * targets,
        "stuck": lambda: np.broadcast_to(np.quantile(targets, quantile, axis=0), targets.shape),
    }
    corrupted = targets.copy()
    for i, name in enumerate(kinds):
        rows = mask & (which == i)
        with np.errstate(over="ignore"):
            corrupted[rows] = _swap(targets[rows], rng) if name == "swap" else wrong[name]()[rows]
    if not np.isfinite(corrupted).all():
        raise ValueError(f"kind={kind!r} makes targets infinite: y is up to {given.max():.3g}")
    return corrupted.reshape(given.shape), mask


def _linear(X: Any, targets: np.ndarray, scale: float, rng: np.random.RandomState) -> np.ndarray:
    if X is None:
        raise ValueError("kind='linadv' computes targets from the features: pass X")
    X = np.asarray(X, dtype=np.float64)
    if X.ndim != 2 or len(X) != len(targets):
        raise ValueError(
            f"X must be a table of {len(targets)} rows, as y has; got an array of shape {X.shape}"
        )
    return X @ (scale * rng.normal(size=(X.shape[1], targets.shape[1])))


def _swap(targets: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """Give each row what another one has: the next in a random circle."""
    if len(targets) == 1:
        raise ValueError("kind='swap' needs at least two rows to change: raise rate")
    circle = draw_order(len(targets), rng)
    swapped = np.empty_like(targets)
    swapped[circle] = targets[np.roll(circle, 1)]
    return swapped


def _next_group(targets: np.ndarray, size: int) -> np.ndarray:
    n_outputs = targets.shape[1]
    if n_outputs % size or n_outputs < 2 * size:
        raise ValueError(
            f"kind='pairflip' exchanges groups of group_size={size} columns and needs at least "
            f"two of them; y has {n_outputs} columns"
        )
    return np.roll(targets, size, axis=1)


def mask_missing(
    X: npt.ArrayLike,
    rate: float,
    *,
    exact: bool = True,
    random_state: int | np.random.RandomState | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Remove a share of the cells of a table, completely at random (thesis, section 2.4).

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

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust.corruption import mask_missing
    >>> X, mask = mask_missing(np.ones((4, 5)), 0.1, random_state=0)
    >>> int(np.isnan(X).sum()), int(mask.sum())
    (2, 2)
    """
    table = np.array(X, dtype=np.float64)
    if table.ndim != 2:
        raise ValueError(f"X must be a table of numbers, got an array of shape {table.shape}")
    mask = draw_mask(table.size, rate, exact, random_state)[0].reshape(table.shape)
    table[mask] = np.nan
    return table, mask
