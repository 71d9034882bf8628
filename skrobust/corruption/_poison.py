"""Poisoned training sets: rows that carry a trigger and a label of the attacker's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_random_state

from skrobust._validation import check_choice
from skrobust.corruption._common import cast_exactly, check_rate, draw_order, find_classes

__all__ = ["attack_targets", "pair_targets", "poison"]


def poison(
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    trigger: Callable | Sequence[Callable],
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
    trigger : callable, or list of callables
        Maps rows to as many that carry it, such as :class:`skrobust.corruption.PatchTrigger`. A
        list is for "all-to-one" with as many targets: the rate is split evenly between the pairs of
        a trigger and its target, and a poisoned row gets one of them.
    rate : float in [0, 1]
        Share of the rows that are poisoned (the thesis's epsilon).
    target_map : {"all-to-all", "all-to-one", "clean-label"}, default="all-to-all"
        "all-to-all": the same share of every class becomes the next class in sorted order, the
        last one the first (the chapter's systematic attack). "all-to-one": rows of the other
        classes become ``target``, of each class the same share. "clean-label": rows of ``target``
        carry the trigger and keep their label.
    target : label, or list of different labels, optional
        For the last two. A list has one label per trigger.
    random_state : int, RandomState or None, default=None
        Seeds the draw. Under one int, a higher rate poisons the same rows, with the same triggers,
        and more.

    Returns
    -------
    X_poisoned : array of shape (n_samples, ...)
        A copy, of the type of ``X`` as an array; names of columns are lost.
    y_poisoned : array of shape (n_samples,)
        A copy, of the type of ``y``.
    mask : array of shape (n_samples,), bool
        True for poisoned rows. Their number is floor(rate m), summed over classes of m rows, for
        "all-to-all", and at most floor(rate n_samples) otherwise, or floor(rate n_samples / k) for
        each of k triggers.

    Raises
    ------
    ValueError
        If a parameter is not one of the above, ``y`` has fewer than two classes, the rate is more
        than the rows that may be poisoned, or a trigger returns rows of another shape or values
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
    triggers, wanted = pair_targets(y, trigger, target_map, target)
    allowed = np.ones((len(triggers), len(y)), dtype=bool)
    if target_map != "all-to-all":
        allowed = (wanted == y) == (target_map == "clean-label")
    rng = check_random_state(random_state)
    if callable(trigger):
        given = np.where(_choose(y, allowed[0], rate, target_map, target, rng), 0, -1)
    else:
        given = _deal(y, allowed, rate, rng)
    poisoned, labels = X.copy(), y.copy()
    for place, one in enumerate(triggers):
        rows = given == place
        if rows.any():
            poisoned[rows] = _plant(one, X[rows])
            labels[rows] = wanted[place][rows]
    return poisoned, labels, given >= 0


def _choose(
    y: np.ndarray,
    allowed: np.ndarray,
    rate: float,
    target_map: str,
    target: Any,
    rng: np.random.RandomState,
) -> np.ndarray:
    """Mark rows (n,), of each class that is allowed the same share, rounded down."""
    share = rate * len(y) / allowed.sum()
    if share > 1 + 1e-9:
        raise ValueError(
            f"rate={rate} is {rate * len(y):g} of {len(y)} rows, but target_map={target_map!r} "
            f"with target={target!r} can poison {allowed.sum()} only"
        )
    order = draw_order(len(y), rng)
    mask = np.zeros(len(y), dtype=bool)
    for label in np.unique(y[allowed]):
        rows = order[(y == label)[order]]
        mask[rows[: int(share * len(rows) + 1e-9)]] = True
    return mask


def _deal(
    y: np.ndarray, allowed: np.ndarray, rate: float, rng: np.random.RandomState
) -> np.ndarray:
    """Give each of k triggers as many rows, spread evenly over the classes it is allowed (k, n).

    Returns each row's trigger (n,), or -1. The triggers take turns: a higher rate only adds turns.
    """
    n_triggers, n_turns = len(allowed), int(rate * len(y) / len(allowed) + 1e-9)
    _, codes, sizes = np.unique(y, return_inverse=True, return_counts=True)
    order = draw_order(len(y), rng)
    rows_of = [order[codes[order] == code] for code in range(len(sizes))]
    turns = np.full((n_turns, n_triggers), -1)  # from which class each takes a row
    for place, able in enumerate(allowed):
        classes = [code for code, rows in enumerate(rows_of) if able[rows[0]]]
        times = [(np.arange(m) + rng.random_sample(m)) / m for m in sizes[classes]]
        taken = np.repeat(classes, sizes[classes])[np.concatenate(times).argsort()][:n_turns]
        turns[: len(taken), place] = taken
    given = np.full(len(y), -1)
    for code, rows in enumerate(rows_of):
        takers = np.flatnonzero(turns.ravel() == code) % n_triggers
        if -1 in turns or len(takers) > len(rows):
            raise ValueError(
                f"rate={rate} is {rate * len(y):g} of {len(y)} rows, which is more than these "
                f"{n_triggers} targets allow"
            )
        given[rows[: len(takers)]] = takers
    return given


def _plant(trigger: Callable, X: np.ndarray) -> np.ndarray:
    planted = np.asarray(trigger(X))
    if planted.shape != X.shape:
        raise ValueError(
            f"trigger must return rows of the shape that it was given, {X.shape}; got "
            f"{planted.shape}"
        )
    return cast_exactly(planted, X.dtype, "trigger's rows")


def pair_targets(
    y: npt.ArrayLike, trigger: Any, target_map: str, target: Any
) -> tuple[list[Callable], np.ndarray]:
    """Check one trigger or several with their targets.

    Returns the triggers, k of them, and the labels (k, n_samples) that each wants for the rows.
    """
    if callable(trigger):
        return [trigger], attack_targets(y, target_map=target_map, target=target)[None]
    if not isinstance(trigger, (list, tuple)) or not trigger or not all(map(callable, trigger)):
        raise ValueError(
            f"trigger must be a callable or a list of at least one callable, got {trigger!r}"
        )
    if target_map != "all-to-one":
        raise ValueError(f"a list of triggers needs target_map='all-to-one', got {target_map!r}")
    if not isinstance(target, (list, tuple, np.ndarray)) or len(target) != len(trigger):
        raise ValueError(
            f"target must list one label for each trigger, of which there are {len(trigger)}; got "
            f"{target!r}"
        )
    wanted = [attack_targets(y, target_map=target_map, target=label) for label in target]
    if len({labels[0] for labels in wanted}) < len(wanted):
        raise ValueError(f"target must list different labels, got {target!r}")
    return list(trigger), np.stack(wanted)


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
