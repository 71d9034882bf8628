"""The batches that a net trains on."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset, Subset

__all__ = ["DeviceBatches", "RowDataset", "count_batches"]


def count_batches(n_rows: int, batch_size: int, drop_last: bool = False) -> int:
    """Count batches; a single row that is left over joins the last one.

    Parameters
    ----------
    n_rows, batch_size : int
        Normalisations over a batch have nothing to go by in a row alone.
    drop_last : bool, default=False
        Leave out a last batch that is not full.

    Returns
    -------
    int
    """
    whole, rest = divmod(n_rows, batch_size)
    if drop_last:
        return whole
    return whole + (rest > 1 or (rest == 1 and whole == 0))


class RowDataset(Dataset):
    """Rows, their targets and their ids, as tensors on the training device.

    Parameters
    ----------
    x : Tensor of shape (n_rows, ...)
        Inputs.
    y : Tensor of shape (n_rows, ...), optional
        Targets; None for methods without (the row ids stand in for them).

    Notes
    -----
    An item is ``(x, (y, row_id))``, which skorch and torch's own DataLoader pass on unchanged.
    """

    def __init__(self, x: Tensor, y: Tensor | None = None) -> None:
        self.row_ids = torch.arange(len(x), device=x.device)
        self.x = x
        self.y = self.row_ids if y is None else y

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: Any) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        return self.x[i], (self.y[i], self.row_ids[i])


class DeviceBatches:
    """Iterate over a :class:`RowDataset` (or a ``Subset`` of one) without per-row collation.

    Parameters
    ----------
    dataset : RowDataset or Subset of one
        Rows on the device.
    batch_size : int
        Rows per batch. The last one may be shorter; a single row that is left over joins it.
    shuffle : bool, default=False
        Draw a new order in every epoch, from torch's CPU generator, so that the order does not
        depend on the device.
    drop_last : bool, default=False
        Leave out a last batch that is not full.
    """

    def __init__(
        self,
        dataset: RowDataset | Subset,
        batch_size: int,
        shuffle: bool = False,
        drop_last: bool = False,
    ) -> None:
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.drop_last = drop_last

    def __len__(self) -> int:
        return count_batches(len(self.dataset), self.batch_size, self.drop_last)

    def __iter__(self) -> Iterator[tuple[Tensor, tuple[Tensor, Tensor]]]:
        dataset: Any = self.dataset
        order = torch.arange(len(dataset))
        while isinstance(dataset, Subset):
            order = torch.as_tensor(dataset.indices)[order]
            dataset = dataset.dataset
        if self.shuffle:
            order = order[torch.randperm(len(order))]
        if self.drop_last:
            order = order[: len(self) * self.batch_size]
        if not len(order):
            return
        x, (y, row_ids) = dataset[order.to(dataset.x.device)]
        ends = [*range(self.batch_size, len(self) * self.batch_size, self.batch_size), len(order)]
        for start, end in pairwise([0, *ends]):
            rows = slice(start, end)
            yield x[rows], (y[rows], row_ids[rows])
