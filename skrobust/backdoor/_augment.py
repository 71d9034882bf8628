"""Random views of rows: a part hidden, cells swapped, images cropped and recoloured."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skrobust.backdoor._perturb import Placed
from skrobust.networks._stacked import draw_kept
from skrobust.training import StepState

__all__ = ["ImageAugmentation", "RandomOcclusion", "TableAugmentation", "default_augmentation"]

# From RGB to luminance and two axes of colour, and back.
_TO_YIQ = ((0.299, 0.587, 0.114), (0.596, -0.274, -0.322), (0.211, -0.523, 0.312))
_SPREAD = 0.4  # of a side's length around its mean


@dataclass
class RandomOcclusion(Placed):
    """Hides a part of each row, drawn anew at every step.

    A row whose label hangs on a trigger fits badly when the trigger is hidden, and shows so among
    rows that fit by the rest. It is meant for ``SharedPass(perturb=(…,))``.

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
        """Return inputs of which a part is hidden, the same for all networks."""
        if x.ndim > 3:
            x = self._hide_rectangles(x)
        else:
            swapped = _swap_cells(x, self.share)
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


def _swap_cells(x: Tensor, share: float) -> Tensor:
    """Give a share of the cells (n_networks, n_rows, n_columns) the value of another row."""
    n_rows, n_columns = x.shape[1:]
    if x.device.type == "cpu":
        kept = draw_kept((n_rows, n_columns), share)[0].bool()
    else:
        kept = torch.rand(n_rows, n_columns, device=x.device) >= share
    return torch.where(kept, x, x[:, torch.randperm(n_rows, device=x.device)])


@dataclass
class ImageAugmentation:
    """Random views of images, a whole batch at once: crop, flip, brightness, contrast, colour.

    Parameters
    ----------
    least_area : float in (0, 1], default=0.3
        Least share of the image that is cropped and brought back to full size; its sides' ratio is
        between 3/4 and 4/3.
    flip : bool, default=True
        Whether half of the images are mirrored. False for digits and letters.
    jitter : float in [0, 1), default=0.4
        Brightness, contrast and saturation change by factors of 1 - jitter to 1 + jitter, the hue
        by a quarter of that, of the colour circle's half. Hue and saturation need 3 channels.
    grey : float in [0, 1], default=0.2
        Share of images of 3 channels that lose their colour.
    """

    least_area: float = 0.3
    flip: bool = True
    jitter: float = 0.4
    grey: float = 0.2

    def __call__(self, x: Tensor) -> Tensor:
        """Return one view of each image (n_rows, channels, height, width), values in [0, 1]."""
        x = self._crop(x)
        if x.shape[1] == 3:
            x = self._recolour(x)
        if self.jitter > 0:
            mean = x.mean(dim=(1, 2, 3), keepdim=True)
            bright, contrast = self._factors(x), self._factors(x)
            x = ((x - mean) * contrast + mean) * bright
        return x.clamp(0.0, 1.0)

    def _factors(self, x: Tensor) -> Tensor:
        return 1.0 + self.jitter * (2.0 * torch.rand(len(x), 1, 1, 1, device=x.device) - 1.0)

    def _crop(self, x: Tensor) -> Tensor:
        n_rows = len(x)
        area, ratio, left, top, mirror = torch.rand(5, n_rows, device=x.device)
        size = (self.least_area + (1.0 - self.least_area) * area).sqrt()
        ratio = torch.exp((2.0 * ratio - 1.0) * math.log(4.0 / 3.0) / 2.0)
        ratio = ratio.clamp(size, 1.0 / size)  # neither side is longer than the image's
        width, height = size * ratio, size / ratio
        sign = torch.where(mirror < 0.5, -1.0, 1.0) if self.flip else torch.ones_like(width)
        zero = torch.zeros_like(width)
        across = torch.stack([sign * width, zero, (2.0 * left - 1.0) * (1.0 - width)], dim=1)
        down = torch.stack([zero, height, (2.0 * top - 1.0) * (1.0 - height)], dim=1)
        grid = F.affine_grid(torch.stack([across, down], dim=1), list(x.shape), align_corners=False)
        return F.grid_sample(x, grid, padding_mode="border", align_corners=False)

    def _recolour(self, x: Tensor) -> Tensor:
        """Turn and scale the colours' plane, image by image."""
        n_rows = len(x)
        to_yiq = x.new_tensor(_TO_YIQ)
        angle = math.pi * self.jitter / 4.0 * (2.0 * torch.rand(n_rows, device=x.device) - 1.0)
        scale = self._factors(x)[:, 0, 0, 0]
        scale = torch.where(torch.rand(n_rows, device=x.device) < self.grey, 0.0, scale)
        turn = torch.zeros(n_rows, 3, 3, device=x.device)
        turn[:, 0, 0] = 1.0
        turn[:, 1, 1] = turn[:, 2, 2] = scale * angle.cos()
        turn[:, 1, 2] = -scale * angle.sin()
        turn[:, 2, 1] = scale * angle.sin()
        matrix = torch.linalg.inv(to_yiq) @ turn @ to_yiq
        return torch.bmm(matrix, x.flatten(2)).view_as(x)


@dataclass
class TableAugmentation:
    """Random views of table rows: some cells get the value of another row of the batch.

    Parameters
    ----------
    share : float in [0, 1], default=0.3
        Share of the cells.
    """

    share: float = 0.3

    def __call__(self, x: Tensor) -> Tensor:
        """Return one view of each row (n_rows, n_features)."""
        return _swap_cells(x.unsqueeze(0), self.share)[0]


def default_augmentation(x: Tensor) -> Callable[[Tensor], Tensor]:
    """Return what makes views of tables or images."""
    if x.ndim not in (2, 4):
        raise ValueError(
            "augment=None is for tables and for images (n_samples, channels, height, width); X "
            f"has examples of shape {tuple(x.shape[1:])}: pass a callable"
        )
    return TableAugmentation() if x.ndim == 2 else ImageAugmentation()
