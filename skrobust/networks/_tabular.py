"""The learners' own network: a wide perceptron on a piecewise linear encoding of the columns."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from skrobust.networks._stacked import StackedMLP, dropout

__all__ = ["TabularMLP"]

_FARTHEST = 5.0  # widths of the outer bins that values may lie beyond them
_FEW_BINS = 2
_QUANTILE_NUMBERS = 2**20  # of the table, that quantiles are taken of


class TabularMLP(StackedMLP):
    """K perceptrons with dropout after every hidden layer, on columns cut into bins.

    A value is written as how far it has come through each bin of its column: 1 in the bins below
    it, a share in its own, 0 in those above. Where a column matters by thresholds, a layer on this
    is nearly as good as a tree.

    Parameters
    ----------
    sizes : sequence of int
        Number of columns, width of every hidden layer and of the output.
    n_networks : int, default=1
        Number of networks (K), which share nothing but the bins.
    n_bins : int, default=16
        Bins of each column, with as many rows in each; 0 leaves the columns as they are.
    dropout : float in [0, 1), default=0.5
        Dropout probability after every hidden activation.
    narrow_output : bool, default=True
        As in :class:`StackedMLP`.

    References
    ----------
    .. [1] Gorishniy, Y., Rubachev, I., Babenko, A. On embeddings for numerical features in tabular
       deep learning. NeurIPS, 2022. Section 3.2.
    """

    start: Tensor
    scale: Tensor
    lowest: Tensor
    highest: Tensor

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        n_networks: int = 1,
        n_bins: int = 16,
        dropout: float = 0.5,
        narrow_output: bool = True,
    ) -> None:
        inner = (sizes[0] * max(1, n_bins), *sizes[1:])
        super().__init__(inner, n_networks=n_networks, dropout=dropout, narrow_output=narrow_output)
        self.n_bins = n_bins
        if n_bins:
            for name in ("start", "scale", "lowest", "highest"):
                self.register_buffer(name, torch.zeros(sizes[0], n_bins))

    @property
    def dropout_sizes(self) -> list[int]:
        """Width of each layer that dropout acts on."""
        return self.sizes[1:-1] if self.dropout else []

    @torch.no_grad()
    def set_edges(self, x: Tensor) -> None:
        """Put the bins' edges at quantiles of the rows (n_rows, n_columns), which are scaled.

        A column of so few values that at most two bins have a width stays as it is. The first
        layer's weights are drawn for all bins, and grow by as much as there are fewer.
        """
        if not self.n_bins or bool(self.scale.any()):  # placed already, as in a loaded training
            return
        rows = x.flatten(1)[:: -(-x.numel() // _QUANTILE_NUMBERS)]
        levels = torch.linspace(0, 1, self.n_bins + 1, device=x.device)
        edges = torch.quantile(rows, levels, dim=0).T
        widths = edges.diff(dim=1)
        is_live = widths > torch.finfo(widths.dtype).tiny
        few = is_live.sum(dim=1) <= _FEW_BINS
        self.start.copy_(edges[:, :-1])
        self.scale.copy_(torch.where(is_live, 1.0 / widths, 0.0))
        self.highest.fill_(1.0)
        self.lowest[:, 0], self.highest[:, -1] = -_FARTHEST, 1.0 + _FARTHEST
        self.start[few], self.scale[few], self.scale[few, 0] = 0.0, 0.0, 1.0
        self.lowest[few, 0], self.highest[few, 0] = -torch.inf, torch.inf
        n_live = max(int((self.scale > 0).sum()), 1)
        for parameter in self.layers[0].parameters():
            parameter.mul_((self.scale.numel() / n_live) ** 0.5)

    def encode(self, x: Tensor) -> Tensor:
        """Map rows (..., n_columns) to (..., n_columns * n_bins)."""
        if not self.n_bins:
            return x
        way = (x.unsqueeze(-1) - self.start) * self.scale
        return torch.clamp(way, self.lowest, self.highest).flatten(-2)

    def embed(self, x: Tensor) -> Tensor:
        """Map (n_networks, n_rows, ...) to what the last layer is given."""
        x = x.flatten(2)
        if x.stride(0) == 0:  # shared by the networks: encoded once
            x = self.encode(x[0]).expand(len(x), -1, -1)
        else:
            x = self.encode(x)
        *hidden, _ = self.layers
        for layer in hidden:
            x = dropout(F.relu(layer(x)), self.dropout, self.training)
        return x

    def run_sub_networks(self, chains: list[list], x: Tensor | list[Tensor]) -> Tensor:
        """Run the result of ``sub_networks`` on rows (n_rows, ...), or each on its own."""
        if isinstance(x, list):
            return super().run_sub_networks(chains, [self.encode(rows.flatten(1)) for rows in x])
        return super().run_sub_networks(chains, self.encode(x.flatten(1)))
