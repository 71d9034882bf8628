"""The convolutional network of chapter 4."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from torch import Tensor, nn

from skrobust.networks._norms import make_norm

__all__ = ["CNN9"]

_LEAST = 28


class CNN9(nn.Module):
    """Nine convolutions for small images, as in Co-teaching (Han et al., 2018) and the thesis.

    Three convolutions with 128 channels, three with 256, then 512, 256 and 128 without padding,
    all 3 x 3 with normalisation and leaky ReLU; a maximum over 2 x 2 pixels and dropout of
    whole channels after the third and the sixth; the mean over the image; a linear layer.

    Parameters
    ----------
    in_channels : int, default=3
        Channels of the images.
    n_classes : int, default=10
        Number of outputs.
    width : int, default=128
        Channels of the first convolutions; the others have the same multiples of it as above.
    dropout : float in [0, 1), default=0.25
        Probability that a channel is dropped.
    norm : {"batch", "group"}, default="batch"
        Normalisation after each convolution. "group" normalises each image on its own, in 32
        groups of channels or the most that divide both.

    Raises
    ------
    ValueError
        If ``norm`` is neither.

    Notes
    -----
    The published code leaves dropout on when it predicts; here evaluation mode turns it off.

    Examples
    --------
    >>> import torch
    >>> from skrobust.networks import CNN9
    >>> CNN9(in_channels=1, width=8)(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self,
        in_channels: int = 3,
        n_classes: int = 10,
        *,
        width: int = 128,
        dropout: float = 0.25,
        norm: str = "batch",
    ) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_convolutions([in_channels, width, width, width], 1, norm),
            nn.MaxPool2d(2),
            nn.Dropout2d(dropout),
            *_convolutions([width, 2 * width, 2 * width, 2 * width], 1, norm),
            nn.MaxPool2d(2),
            nn.Dropout2d(dropout),
            *_convolutions([2 * width, 4 * width, 2 * width, width], 0, norm),
        )
        self.output = nn.Linear(width, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (n_rows, in_channels, height, width) to logits (n_rows, n_classes).

        Raises
        ------
        ValueError
            If the images are smaller than 28 x 28, where nothing is left to average.
        """
        if x.ndim != 4 or min(x.shape[2:]) < _LEAST:
            raise ValueError(
                f"CNN9 takes images (n_rows, channels, height, width) of at least {_LEAST} x "
                f"{_LEAST} pixels, got an input of shape {tuple(x.shape)}"
            )
        return self.output(self.features(x).mean(dim=(2, 3)))


def _convolutions(channels: Sequence[int], padding: int, norm: str) -> Iterable[nn.Module]:
    for a, b in pairwise(channels):
        yield nn.Conv2d(a, b, kernel_size=3, padding=padding)
        yield make_norm(norm, b)
        yield nn.LeakyReLU(0.01)
