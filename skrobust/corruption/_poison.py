"""Poisoned training sets: rows that carry a trigger and a label of the attacker's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_random_state

from skrobust._validation import check_choice
from skrobust.corruption._common import cast_exactly, check_rate, draw_order, find_classes

__all__ = ["attack_targets", "poison"]


def poison(
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    trigger: Callable,
    rate: float,
    *,
    target_map: str = "all-to-all",
    target: Any = None,
    random_state: int | np.random.RandomState | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Put a trigger into a share of the rows and change their labels (thesis, section 5.5).

    Parameters
    ----------
    X : array-like of shape (n_samples, ...)
        Rows that the trigger takes.
    y : array-like of shape (n_samples,)
        Labels of any type.
    trigger : callable
        Maps rows to as many that carry it, such as :class:`skrobust.corruption.PatchTrigger`.
    rate : float in [0, 1]
        Share of the rows that are poisoned (the thesis's epsilon).
    target_map : {"all-to-all", "all-to-one", "clean-label"}, default="all-to-all"
        "all-to-all": the same share of every class becomes the next class in sorted order, the
        last one the first (the chapter's systematic attack). "all-to-one": rows of the other
        classes become ``target``, of each class the same share. "clean-label": rows of ``target``
        carry the trigger and keep their label.
    target : label, optional
        For the last two.
    random_state : int, RandomState or None, default=None
        Seeds the draw. Under one int, a higher rate poisons the same rows and more.

    Returns
    -------
    X_poisoned : array of shape (n_samples, ...)
        A copy, of the type of ``X`` as an array; names of columns are lost.
    y_poisoned : array of shape (n_samples,)
        A copy, of the type of ``y``.
    mask : array of shape (n_samples,), bool
        True for poisoned rows. Their number is floor(rate m), summed over classes of m rows, for
        "all-to-all", and at most floor(rate n_samples) otherwise.

    Raises
    ------
    ValueError
        If a parameter is not one of the above, ``y`` has fewer than two classes, the rate is more
        than the rows that may be poisoned, or the trigger returns rows of another shape or values
        that the type of ``X`` cannot hold.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust.corruption import PatchTrigger, poison
    >>> images, labels = np.zeros((100, 8, 8)), np.arange(100) % 10
    >>> X, y, mask = poison(images, labels, PatchTrigger(), 0.2, random_state=0)
    >>> int(mask.sum()), bool((y[mask] == (labels[mask] + 1) % 10).all())
    (20, True)
    """
    rate = check_rate(rate)
    X, y = np.asarray(X), np.asarray(y)
    if len(X) != len(y):
        raise ValueError(f"X and y must have as many rows, got {len(X)} and {len(y)}")
    new_labels = attack_targets(y, target_map=target_map, target=target)
    if target_map == "all-to-all":
        candidates = np.ones(len(y), dtype=bool)
    else:
        candidates = (y == target) == (target_map == "clean-label")
    share = rate * len(y) / candidates.sum()  # of each class that may be poisoned
    if share > 1 + 1e-9:
        raise ValueError(
            f"rate={rate} is {rate * len(y):g} of {len(y)} rows, but target_map={target_map!r} "
            f"with target={target!r} can poison {candidates.sum()} only"
        )
    order = draw_order(len(y), check_random_state(random_state))
    mask = np.zeros(len(y), dtype=bool)
    for label in np.unique(y[candidates]):
        rows = order[(y == label)[order]]
        mask[rows[: int(share * len(rows) + 1e-9)]] = True
    poisoned, labels = X.copy(), y.copy()
    if mask.any():
        planted = np.asarray(trigger(X[mask]))
        if planted.shape != X[mask].shape:
            raise ValueError(
                f"trigger must return rows of the shape that it was given, {X[mask].shape}; got "
                f"{planted.shape}"
            )
        poisoned[mask] = cast_exactly(planted, X.dtype, "trigger's rows")
        labels[mask] = new_labels[mask]
    return poisoned, labels, mask


def attack_targets(
    y: npt.ArrayLike, *, target_map: str = "all-to-all", target: Any = None
) -> np.ndarray:
    """Labels that an attack wants rows with these labels to get.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        True labels, of at least two classes.
    target_map : {"all-to-all", "all-to-one", "clean-label"}, default="all-to-all"
        See :func:`poison`.
    target : label, optional
        For the last two.

    Returns
    -------
    array of shape (n_samples,)
        Of the type of ``y``.

    Raises
    ------
    ValueError
        If a parameter is not one of the above, or ``y`` has fewer than two classes.
    """
    check_choice("target_map", target_map, ["all-to-all", "all-to-one", "clean-label"])
    classes, codes = find_classes(y)
    if target_map == "all-to-all":
        if target is not None:
            raise ValueError(f"target is for other maps than 'all-to-all', got {target!r}")
        return classes[(codes + 1) % len(classes)]
    if target is None or np.ndim(target) > 0 or target not in classes:
        raise ValueError(f"target must be one of the labels in y, got {target!r}")
    return np.full(len(codes), target, dtype=classes.dtype)
