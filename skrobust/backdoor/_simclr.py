"""Learning what rows look like without their labels: SimCLR."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skrobust.backdoor._augment import default_augmentation
from skrobust.training import TrainingStep

__all__ = ["Contrastive", "ContrastiveStep", "nt_xent"]


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Loss that draws the two views of a row together and apart from those of other rows [1]_.

    Mean cross-entropy of finding a view's partner (row i of the other) among all other
    2 n_rows - 1 views, by cosine similarities over the temperature.

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


class Contrastive(nn.Module):
    """A network without its last layer, and a perceptron that is thrown away afterwards."""

    n_networks = 1

    def __init__(self, make: Callable, rows: Tensor, projection_size: int) -> None:
        super().__init__()
        self.encoder = make().to(rows.device).train()
        with torch.no_grad():  # batch normalisation sees these rows once more
            width = self.encoder.embed(rows.unsqueeze(0)).shape[-1]
        layers = [nn.Linear(width, width), nn.ReLU(), nn.Linear(width, projection_size)]
        self.head = nn.Sequential(*layers).to(rows.device)

    def forward(self, x: Tensor) -> Tensor:
        """Map rows (n_rows, ...) to (n_rows, projection_size)."""
        return self.head(self.encoder.embed(x.unsqueeze(0))[0])


@dataclass
class ContrastiveStep(TrainingStep):
    """Draws two random views of each row together (SimCLR): a step for :class:`RobustNet`.

    ``augment`` makes one random view of each row.
    """

    augment: Callable[[Tensor], Tensor] | None
    temperature: float

    def __call__(self, network: Any, x: Any, y: Any, row_ids: Any, state: Any) -> Any:
        """Loss of one batch."""
        rows = x[0]
        augment = self.augment or default_augmentation(rows)
        views = augment(rows), augment(rows)
        first, second = network(_joined(views, rows)).chunk(2)
        return nt_xent(first, second, self.temperature)


def _joined(views: tuple, rows: Tensor) -> Tensor:
    for view in views:
        if not isinstance(view, Tensor) or view.shape != rows.shape:
            got = tuple(view.shape) if isinstance(view, Tensor) else type(view).__name__
            raise ValueError(
                "augment must turn a tensor of rows into one of the same shape: "
                f"{tuple(rows.shape)} gave {got}"
            )
    return torch.cat([view.to(rows) for view in views])
