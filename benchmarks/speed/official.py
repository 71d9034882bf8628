"""RCA in the style of its published code: the baseline, written from the description alone.

A DataLoader over a TensorDataset, a Python loop over separate modules, one default Adam each.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.preprocessing import minmax_scale
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

__all__ = ["OfficialStyleRCA"]


class OfficialStyleRCA:
    """Two autoencoders in a loop, with the layers, sizes and dropout of ``RCADetector``.

    Parameters
    ----------
    X : array of shape (n_rows, n_features)
        Training rows; scaled to [0, 1] here.
    hidden : sequence of int
        Widths of the encoder's hidden layers.
    dropout : float
        Dropout probability.
    """

    latent_dim = 10
    batch_size = 128
    drop_rate = 0.1
    lr = 3e-4

    def __init__(self, X: np.ndarray, hidden: Sequence[int], dropout: float) -> None:
        torch.manual_seed(0)
        self.rows = TensorDataset(torch.from_numpy(minmax_scale(X).astype(np.float32)))
        sizes = (X.shape[1], *hidden, self.latent_dim)
        self.networks = [_autoencoder(sizes, dropout) for _ in range(2)]
        self.optimizers = [torch.optim.Adam(net.parameters(), lr=self.lr) for net in self.networks]

    def train_epoch(self) -> float:
        """One epoch of Algorithm 1 at the full drop rate; the summed loss."""
        total = 0.0
        for (x,) in DataLoader(self.rows, batch_size=self.batch_size, shuffle=True):
            kept = [self._select(net, x) for net in self.networks]
            partners = zip(self.networks, self.optimizers, kept[::-1], strict=True)
            for net, optimizer, rows in partners:
                given = x[rows]
                loss = _errors(net(given), given).mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                total += loss.item()
        return total

    @torch.no_grad()
    def score(self, n_passes: int) -> Tensor:
        """Mean reconstruction error over passes, dropout drawn anew for every row."""
        for net in self.networks:
            net.train()
        scores = torch.zeros(len(self.rows))
        for _ in range(n_passes):
            errors: list[Tensor] = []
            for (x,) in DataLoader(self.rows, batch_size=self.batch_size):
                own = [_errors(net(x), x) for net in self.networks]
                errors.append(torch.stack(own).sum(dim=0))
            scores += torch.cat(errors)
        return scores / (n_passes * len(self.networks))

    @torch.no_grad()
    def _select(self, net: nn.Module, x: Tensor) -> Tensor:
        net.eval()
        errors = _errors(net(x), x)
        net.train()
        return torch.sort(errors).indices[: int((1 - self.drop_rate) * len(x))]


def _errors(output: Tensor, target: Tensor) -> Tensor:
    return ((output - target) ** 2).sum(dim=1)


def _autoencoder(sizes: Sequence[int], dropout: float) -> nn.Sequential:
    """Leaky ReLU and dropout between all layers, but no dropout before the last."""
    widths = [*sizes, *sizes[-2::-1]]
    layers: list[nn.Module] = []
    for i in range(len(widths) - 1):
        layers.append(nn.Linear(widths[i], widths[i + 1]))
        layers += [nn.LeakyReLU(0.1), nn.Dropout(dropout)]
    return nn.Sequential(*layers[:-5], layers[-5], layers[-3], nn.Sigmoid())
