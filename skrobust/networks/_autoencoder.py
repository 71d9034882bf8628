"""Autoencoders of chapter 2: the plain one with dropout, and the variational one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skrobust.networks._stacked import StackedMLP

__all__ = ["Autoencoder", "VariationalAutoencoder"]


class Autoencoder(StackedMLP):
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
        hidden = list(hidden_layer_sizes)
        sizes = [in_features, *hidden, latent_dim, *hidden[::-1], in_features]
        super().__init__(
            sizes, n_networks=n_networks, negative_slope=0.1, dropout=dropout, output=output
        )


class VariationalAutoencoder(nn.Module):
    """K variational autoencoders (Kingma and Welling, 2014), stacked.

    ReLU networks without dropout; the code is drawn from N(mean, diag(variance)) in training mode
    and is the mean in evaluation mode.

    Parameters
    ----------
    in_features, n_networks, hidden_layer_sizes, latent_dim, output : int, sequence or str
        As for :class:`Autoencoder`.
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
        sizes = [latent_dim, *hidden[::-1], in_features]
        self.decoder = StackedMLP(sizes, n_networks=n_networks, output=output)
        self.n_networks = n_networks
        self.latent_dim = latent_dim

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return reconstruction, mean and log-variance of the code."""
        mean, log_variance = _split(self.encoder(x))
        code = mean + (0.5 * log_variance).exp() * torch.randn_like(mean) if self.training else mean
        return self.decoder(F.relu(code)), mean, log_variance

    def draw_passes(self, n_passes: int) -> Tensor | None:
        """Draw the code's normal noise (n_passes, n_networks, latent_dim); None for no pass."""
        return torch.randn(n_passes, self.n_networks, self.latent_dim) if n_passes else None

    def sub_networks(self, noise: Tensor | None = None) -> tuple:
        """All networks with one draw of the noise, without which the mean is decoded."""
        return self.encoder.sub_networks(), self.decoder.sub_networks(), noise

    def run_sub_networks(self, parts: tuple, x: Tensor) -> Tensor:
        """Reconstruct rows (n_rows, in_features) by each network, without gradient."""
        encoder, decoder, noise = parts
        code, log_variance = _split(self.encoder.run_sub_networks(encoder, x))
        if noise is not None:
            code = code + (0.5 * log_variance).exp() * noise.to(x.device).unsqueeze(1)
        return self.decoder.run_sub_networks(decoder, list(F.relu(code)))


def _split(heads: Tensor) -> tuple[Tensor, Tensor]:
    mean, log_variance = heads.chunk(2, dim=-1)
    return mean, log_variance.clamp(-30.0, 30.0)  # exp stays finite far from the training data
