"""Learning what rows look like without their labels: SimCLR."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skrobust.backdoor._occlude import swap_cells
from skrobust.networks import run_with_embedding

__all__ = ["ImageAugmentation", "TableAugmentation", "nt_xent", "pretrain"]

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


def pretrain(
    module: nn.Module,
    x: Tensor,
    augment: Callable[[Tensor], Tensor],
    *,
    temperature: float,
    projection_size: int,
    n_epochs: int,
    batch_size: int,
    lr: float,
) -> list[float]:
    """Train a network's layers before the last so that two views of a row look alike to them.

    A perceptron with one hidden layer stands between those layers and the loss, and is thrown away.

    Parameters
    ----------
    module : StackedMLP or NetworkEnsemble, of one network
        Trained in place; its last layer is not used.
    x : Tensor of shape (n_rows, ...)
        Rows, without labels; at least two.
    augment : callable ``(Tensor (n, ...)) -> Tensor``
        Makes one random view of each row.
    temperature : float
        Of :func:`nt_xent`.
    projection_size : int
        Outputs of the perceptron.
    n_epochs, batch_size : int
        Length; 0 epochs change nothing. A last batch of one row is left out.
    lr : float
        Learning rate of Adam.

    Returns
    -------
    list of float
        Mean loss of each epoch.

    Raises
    ------
    FloatingPointError
        If the loss stops being finite.
    ValueError
        If ``augment`` changes the shape of the rows or returns no tensor.
    """
    if n_epochs == 0:
        module.eval()
        return []
    module.train()
    with torch.no_grad():  # batch normalisation sees this batch once more
        width = run_with_embedding(module, x[:2].unsqueeze(0))[0].shape[-1]
    head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, projection_size)).to(
        x.device
    )
    optimizer = torch.optim.Adam([*module.parameters(), *head.parameters()], lr=lr)
    history = []
    for epoch in range(n_epochs):
        losses = []
        for chosen in torch.randperm(len(x)).split(batch_size):
            if len(chosen) < 2:
                continue
            rows = x[chosen.to(x.device)]
            views = torch.cat([_view(augment, rows), _view(augment, rows)])
            optimizer.zero_grad()
            inputs, _ = run_with_embedding(module, views.unsqueeze(0))
            first, second = head(inputs[0]).chunk(2)
            loss = nt_xent(first, second, temperature)
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        mean = float(torch.stack(losses).mean())
        if not math.isfinite(mean):
            raise FloatingPointError(
                f"the loss of pre-training became {mean} in epoch {epoch + 1}; try a smaller "
                f"pretrain_lr (now {lr})"
            )
        history.append(mean)
    module.eval()
    return history


def _view(augment: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
    view = augment(rows)
    if not isinstance(view, Tensor) or view.shape != rows.shape:
        got = tuple(view.shape) if isinstance(view, Tensor) else type(view).__name__
        raise ValueError(
            f"augment must turn a tensor of rows into one of the same shape: {tuple(rows.shape)} "
            f"gave {got}"
        )
    return view.to(rows)
