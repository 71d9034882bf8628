"""Hiding a random part of each row, so that no row is trusted for one small part of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from skrobust.backdoor._placed import Placed
from skrobust.networks._stacked import draw_kept
from skrobust.training import StepState

__all__ = ["RandomOcclusion", "swap_cells"]

_SPREAD = 0.4  # of a side's length around its mean


@dataclass
class RandomOcclusion(Placed):
    """Hides a part of each row, drawn anew at every step.

    A row whose label hangs on a trigger fits badly when the trigger is hidden, and shows so among
    rows that fit by the rest. It is meant for ``RobustStep(perturb=[...])``.

    Parameters
    ----------
    share : float in (0, 1)
        Mean share of a row that is hidden.
    low, high : float, array or Tensor, default=0.0, 1.0
        Range of the inputs, for what is put in the place of a hidden rectangle.
    movable : array or Tensor of bool, optional
        Columns of a table that may be hidden; all by default.

    Notes
    -----
    Rows of two or more dimensions lose a rectangle of their last two, whose sides are uniform
    around the root of ``share``; what sticks out on one side comes in on the other, so that every
    pixel is hidden as often; with a share above one half it is a little less than that. One value,
    uniform in the range, takes its place. In tables each cell is hidden on its own and gets the
    value of another row of the batch.
    """

    share: float
    low: Any = 0.0
    high: Any = 1.0
    movable: Any = None

    def __call__(
        self, module: nn.Module, x: Tensor, y: Tensor, row_ids: Tensor, state: StepState
    ) -> Tensor:
        """Return inputs of which a part is hidden, (n_networks, n_rows, ...).

        Parameters
        ----------
        x : Tensor of shape (n_networks, n_rows, ...)
            Inputs; all networks get the same parts.
        module, y, row_ids, state
            Not used.

        Returns
        -------
        Tensor of the shape of ``x``
        """
        if x.ndim > 3:
            x = self._hide_rectangles(x)
        else:
            swapped = swap_cells(x, self.share)
            if self.movable is not None:
                swapped = torch.where(self._placed("movable", x) > 0, swapped, x)
            x = swapped
        return x

    def _hide_rectangles(self, x: Tensor) -> Tensor:
        n_rows, (height, width) = x.shape[1], x.shape[-2:]
        down, across = self._interval(n_rows, height, x), self._interval(n_rows, width, x)
        hidden = down.unsqueeze(2) & across.unsqueeze(1)
        inner = [1] * (x.ndim - 4)
        low, high = self._placed("low", x), self._placed("high", x)
        value = torch.rand(n_rows, *[1] * (x.ndim - 2), device=x.device, dtype=x.dtype)
        return torch.where(
            hidden.view(n_rows, *inner, height, width), low + (high - low) * value, x
        )

    def _interval(self, n_rows: int, length: int, x: Tensor) -> Tensor:
        """Mark a stretch of random place and length in each row, (n_rows, length)."""
        mean = math.sqrt(self.share)
        sizes = torch.rand(n_rows, device=x.device) * 2 - 1
        sizes = ((1 + _SPREAD * sizes) * mean * length).round()
        starts = torch.randint(length, (n_rows,), device=x.device)
        places = torch.arange(length, device=x.device)
        return (places - starts.unsqueeze(1)) % length < sizes.unsqueeze(1)


def swap_cells(x: Tensor, share: float) -> Tensor:
    """Give a share of the cells (n_networks, n_rows, n_columns) the value of another row."""
    n_rows, n_columns = x.shape[1:]
    if x.device.type == "cpu":
        kept = draw_kept((n_rows, n_columns), share)[0].bool()
    else:
        kept = torch.rand(n_rows, n_columns, device=x.device) >= share
    return torch.where(kept, x, x[:, torch.randperm(n_rows, device=x.device)])
