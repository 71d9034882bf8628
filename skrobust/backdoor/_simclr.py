"""Learning what rows look like without their labels: SimCLR."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skrobust.backdoor._occlude import swap_cells
from skrobust.selection import Progress
from skrobust.training import StepState, TrainingRecord

__all__ = ["Contrastive", "ContrastiveStep", "ImageAugmentation", "TableAugmentation", "nt_xent"]

# From RGB to luminance and two axes of colour, and back.
_TO_YIQ = ((0.299, 0.587, 0.114), (0.596, -0.274, -0.322), (0.211, -0.523, 0.312))


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Loss that draws the two views of a row together and apart from those of other rows [1]_.

    Parameters
    ----------
    first, second : Tensor of shape (n_rows, n_features)
        The views; row i of one belongs to row i of the other.
    temperature : float
        Divides the cosine similarities.

    Returns
    -------
    Tensor of shape ()
        Mean cross-entropy of finding a view's partner among all other 2 n_rows - 1 views.

    References
    ----------
    .. [1] Chen, T., Kornblith, S., Norouzi, M., Hinton, G. A simple framework for contrastive
       learning of visual representations. ICML, 2020. Equation 1.
    """
    views = F.normalize(torch.cat([first, second]), dim=1)
    similarity = views @ views.T / temperature
    similarity.fill_diagonal_(-math.inf)
    n_rows = len(first)
    partners = torch.arange(2 * n_rows, device=views.device).roll(n_rows)
    return F.cross_entropy(similarity, partners)


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
        return swap_cells(x.unsqueeze(0), self.share)[0]


class Contrastive(nn.Module):
    """A network without its last layer, and a perceptron between it and the loss.

    Parameters
    ----------
    encoder : StackedMLP or NetworkEnsemble, of one network
        The network.
    rows : Tensor of shape (n_rows, ...)
        A few, which tell the width before the last layer.
    projection_size : int
        Outputs of the perceptron, which is thrown away afterwards.
    """

    n_networks = 1

    def __init__(self, encoder: nn.Module, rows: Tensor, projection_size: int) -> None:
        super().__init__()
        self.encoder = encoder.to(rows.device).train()
        with torch.no_grad():  # batch normalisation sees these rows once more
            width = self._embed(rows).shape[-1]
        layers = [nn.Linear(width, width), nn.ReLU(), nn.Linear(width, projection_size)]
        self.head = nn.Sequential(*layers).to(rows.device)

    def _embed(self, x: Tensor) -> Tensor:
        return self.encoder.embed(x.unsqueeze(0))[0]

    def forward(self, x: Tensor) -> Tensor:
        """Map rows (n_rows, ...) to (n_rows, projection_size)."""
        return self.head(self._embed(x))


@dataclass
class ContrastiveStep:
    """Draws two random views of each row together [1]_: a step for :class:`RobustNet`.

    Parameters
    ----------
    augment : callable ``(Tensor (n, ...)) -> Tensor``
        Makes one random view of each row.
    temperature : float
        Of :func:`nt_xent`.

    References
    ----------
    .. [1] Chen, T., Kornblith, S., Norouzi, M., Hinton, G. A simple framework for contrastive
       learning of visual representations. ICML, 2020. Algorithm 1.
    """

    augment: Callable[[Tensor], Tensor]
    temperature: float

    def begin(self, n_networks: int, n_rows: int, progress: Progress, device: Any) -> StepState:
        """Make the state of a training run, in which nothing is selected or recorded."""
        return StepState(progress, TrainingRecord(n_networks, 0, device=device))

    def __call__(self, network, x, y, row_ids, state):
        """Loss of one batch."""
        views = torch.cat([_checked(self.augment(x[0]), x[0]) for _ in range(2)])
        first, second = network(views).chunk(2)
        return nt_xent(first, second, self.temperature)


def _checked(view: Any, rows: Tensor) -> Tensor:
    if not isinstance(view, Tensor) or view.shape != rows.shape:
        got = tuple(view.shape) if isinstance(view, Tensor) else type(view).__name__
        raise ValueError(
            f"augment must turn a tensor of rows into one of the same shape: {tuple(rows.shape)} "
            f"gave {got}"
        )
    return view.to(rows)
