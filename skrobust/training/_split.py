"""Rows that training leaves out from the beginning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch.utils.data import Subset

__all__ = ["WithoutRows"]


class WithoutRows:
    """A ``train_split`` that leaves rows out of what another one gives.

    Parameters
    ----------
    left_out : array of shape (n_rows,), bool
        Rows of the data set that are neither trained on nor held out.
    split : callable or None
        As skorch's ``train_split``; None trains on all others.
    """

    def __init__(self, left_out: np.ndarray, split: Callable | None) -> None:
        self.left_out = left_out
        self.split = split

    def __call__(self, dataset: Any, y: Any = None, **fit_params: Any) -> tuple[Any, Any]:
        """Split, as skorch calls it."""
        parts = (dataset, None) if self.split is None else self.split(dataset, y, **fit_params)
        train, valid = parts
        return self._left(dataset, train), self._left(dataset, valid)

    def _left(self, dataset: Any, part: Any) -> Any:
        rows, source = np.arange(len(part) if part is not None else 0), part
        while isinstance(source, Subset):
            rows, source = np.asarray(source.indices)[rows], source.dataset
        if source is not dataset:  # rows of one's own
            return part
        return Subset(dataset, rows[~self.left_out[rows]].tolist())
