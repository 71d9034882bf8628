"""Autoencoders of chapter 2: the plain one with dropout, and the variational one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skrobust.networks._stacked import StackedMLP

__all__ = ["Autoencoder", "VariationalAutoencoder"]


class Autoencoder(nn.Module):
    """K autoencoders, stacked.

    The encoder ends in a linear code of size ``latent_dim``; the decoder mirrors it and begins
    with an activation of the code. Leaky ReLU with slope 0.1; dropout after every activation but
    the last.

    Parameters
    ----------
    in_features : int
        Number of features (D).
    n_networks : int, default=1
        Number of autoencoders (K).
    hidden_layer_sizes : sequence of int, default=(256, 256)
        Widths of the encoder's hidden layers.
    latent_dim : int, default=10
        Size of the code (z).
    dropout : float in [0, 1), default=0.5
        Dropout probability.
    output : {"sigmoid", "linear"}, default="sigmoid"
        Last activation.
    """

    def __init__(
        self,
        in_features: int,
        *,
        n_networks: int = 1,
        hidden_layer_sizes: Sequence[int] = (256, 256),
        latent_dim: int = 10,
        dropout: float = 0.5,
        output: str = "sigmoid",
    ) -> None:
        super().__init__()
        hidden = list(hidden_layer_sizes)
        sizes = [in_features, *hidden, latent_dim, *hidden[::-1], in_features]
        self.mlp = StackedMLP(sizes, n_networks=n_networks, negative_slope=0.1, dropout=dropout)
        self.n_networks = n_networks
        self.output = output

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruct (n_networks, n_rows, in_features)."""
        return _activate(self.mlp(x), self.output)

    def draw_passes(self, n_passes: int) -> Tensor | None:
        """Draw which units each stochastic pass keeps.

        One mask serves all rows of a pass, so that a pass is one random sub-network, as the
        thesis words it (section 2.3), and a row's score does not depend on its neighbours.

        Returns
        -------
        Tensor of shape (n_passes, n_networks, n_units), bool, or None
            None where there is nothing to draw: no pass, or no dropout.
        """
        sizes = self.mlp.dropout_sizes
        if n_passes == 0 or not sizes:
            return None
        return torch.rand(n_passes, self.n_networks, sum(sizes)) >= self.mlp.dropout

    def sub_network(self, network: int, units: Tensor | None = None) -> Callable[[Tensor], Tensor]:
        """Function that reconstructs rows (n_rows, in_features) with one network.

        Parameters
        ----------
        network : int
            Which of the K networks.
        units : Tensor of shape (n_units,), bool, optional
            One network's row of :meth:`draw_passes`; None keeps all units (dropout off).
        """
        kept = None if units is None else units.split(self.mlp.dropout_sizes)
        chain = self.mlp.thinned(network, kept)
        return lambda x: _activate(self.mlp.run_thinned(chain, x), self.output)


class VariationalAutoencoder(nn.Module):
    """K variational autoencoders (Kingma and Welling, 2014), stacked.

    ReLU networks without dropout; the code is drawn from N(mean, diag(variance)) in training mode
    and is the mean in evaluation mode.

    Parameters
    ----------
    in_features : int
        Number of features (D).
    n_networks : int, default=1
        Number of autoencoders (K).
    hidden_layer_sizes : sequence of int, default=(256, 256)
        Widths of the encoder's hidden layers.
    latent_dim : int, default=10
        Size of the code (z).
    output : {"sigmoid", "linear"}, default="sigmoid"
        Last activation.
    """

    def __init__(
        self,
        in_features: int,
        *,
        n_networks: int = 1,
        hidden_layer_sizes: Sequence[int] = (256, 256),
        latent_dim: int = 10,
        output: str = "sigmoid",
    ) -> None:
        super().__init__()
        hidden = list(hidden_layer_sizes)
        self.encoder = StackedMLP([in_features, *hidden, 2 * latent_dim], n_networks=n_networks)
        self.decoder = StackedMLP([latent_dim, *hidden[::-1], in_features], n_networks=n_networks)
        self.n_networks = n_networks
        self.latent_dim = latent_dim
        self.output = output

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return reconstruction, mean and log-variance of the code."""
        mean, log_variance = _split(self.encoder(x))
        code = mean
        if self.training:
            code = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
        return _activate(self.decoder(F.relu(code)), self.output), mean, log_variance

    def draw_passes(self, n_passes: int) -> Tensor | None:
        """Draw the standard normal noise of the code, one vector per pass and network.

        Returns
        -------
        Tensor of shape (n_passes, n_networks, latent_dim), or None
            None for no pass.
        """
        return torch.randn(n_passes, self.n_networks, self.latent_dim) if n_passes else None

    def sub_network(self, network: int, noise: Tensor | None = None) -> Callable[[Tensor], Tensor]:
        """Function that reconstructs rows (n_rows, in_features) with one network.

        Parameters
        ----------
        network : int
            Which of the K networks.
        noise : Tensor of shape (latent_dim,), optional
            One network's row of :meth:`draw_passes`; None decodes the mean.
        """
        encoder, decoder = self.encoder.thinned(network), self.decoder.thinned(network)

        def reconstruct(x: Tensor) -> Tensor:
            code, log_variance = _split(self.encoder.run_thinned(encoder, x))
            if noise is not None:
                code = code + (0.5 * log_variance).exp() * noise
            return _activate(self.decoder.run_thinned(decoder, F.relu(code)), self.output)

        return reconstruct


def _split(heads: Tensor) -> tuple[Tensor, Tensor]:
    mean, log_variance = heads.chunk(2, dim=-1)
    return mean, log_variance.clamp(-30.0, 30.0)  # exp stays finite far from the training data


def _activate(x: Tensor, output: str) -> Tensor:
    return torch.sigmoid(x) if output == "sigmoid" else x
