"""Wrong class labels."""

from __future__ import annotations

import numpy as np
from sklearn.utils import check_random_state

from skrobust._validation import check_choice
from skrobust.corruption._draw import check_rate, draw_mask

__all__ = ["corrupt_labels"]


def corrupt_labels(
    y,
    rate: float,
    *,
    kind: str = "symmetric",
    exact: bool = True,
    random_state: int | np.random.RandomState | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Give a share of the rows a wrong class label.

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

    References
    ----------
    .. [1] Liu, B. Robust learning of deep neural networks under data corruption. Section 4.4.

    Examples
    --------
    >>> from skrobust.corruption import corrupt_labels
    >>> y, mask = corrupt_labels(["cat", "cat", "dog", "dog"], 0.5, random_state=0)
    >>> int(mask.sum())
    2
    """
    rate = check_rate(rate)
    check_choice("kind", kind, ["symmetric", "pairflip"])
    labels = np.asarray(y)
    if labels.ndim != 1:
        raise ValueError(f"y must be one column of labels, got an array of shape {labels.shape}")
    classes, codes = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"y must hold at least two classes, got {len(classes)}")
    rng = check_random_state(random_state)
    mask = draw_mask(len(labels), rate, exact, rng)
    steps = rng.randint(1, len(classes), size=len(labels)) if kind == "symmetric" else 1
    return classes[np.where(mask, codes + steps, codes) % len(classes)], mask
