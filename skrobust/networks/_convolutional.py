"""Convolutional networks of chapters 4 and 5, and a small one for processors without a GPU."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["CNN9", "ResNet32", "SmallCNN"]


def _make_norm(norm: str, channels: int) -> nn.Module:
    """Make a layer that normalises images."""
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    if norm == "group":
        return nn.GroupNorm(math.gcd(32, channels), channels)
    raise ValueError(f"norm must be one of 'batch', 'group', got {norm!r}")


def _check_size(network: nn.Module, x: Tensor, least: int) -> None:
    if x.ndim != 4 or min(x.shape[2:]) < least:
        raise ValueError(
            f"{type(network).__name__} takes images (n_rows, channels, height, width) of at least "
            f"{least} x {least} pixels, got an input of shape {tuple(x.shape)}"
        )


class CNN9(nn.Module):
    """Nine convolutions for small images, as in Co-teaching (Han et al., 2018) and the thesis.

    Three convolutions with 128 channels, three with 256, then 512, 256 and 128 without padding,
    all 3 x 3 with normalisation and leaky ReLU; a maximum over 2 x 2 pixels and dropout of
    whole channels after the third and the sixth; the mean over the image; a linear layer. Of
    images smaller than 28 x 28 nothing is left to average: they raise a ValueError.

    Parameters
    ----------
    in_channels : int, default=3
        Channels of the images.
    n_classes : int, default=10
        Number of outputs.
    width : int, default=128
        Channels of the first convolutions; the others have the same multiples of it as above.
    dropout : float in [0, 1), default=0.25
        Probability that a channel is dropped; none is in evaluation mode, unlike in the published
        code, which leaves dropout on when it predicts.
    norm : {"batch", "group"}, default="batch"
        Normalisation after each convolution. "group" normalises each image on its own, in 32
        groups of channels or the most that divide both.

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
            *_convolutions(in_channels, [width] * 3, 1, norm),
            nn.MaxPool2d(2),
            nn.Dropout2d(dropout),
            *_convolutions(width, [2 * width] * 3, 1, norm),
            nn.MaxPool2d(2),
            nn.Dropout2d(dropout),
            *_convolutions(2 * width, [4 * width, 2 * width, width], 0, norm),
        )
        self.output = nn.Linear(width, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (n_rows, in_channels, height, width) to logits (n_rows, n_classes)."""
        _check_size(self, x, 28)
        return self.output(self.features(x).mean(dim=(2, 3)))


def _convolutions(n_in: int, widths: list[int], padding: int, norm: str) -> Iterable[nn.Module]:
    for a, b in pairwise([n_in, *widths]):
        yield nn.Conv2d(a, b, kernel_size=3, padding=padding)
        yield _make_norm(norm, b)
        yield nn.LeakyReLU(0.01)


class ResNet32(nn.Module):
    """Residual network with 32 layers for small images.

    As in He et al., CVPR 2016: one convolution, three stages of five blocks of two convolutions
    (all 3 x 3), and a linear layer on the mean over the image. The second and third stage halve
    the image and double the channels; their shortcut takes every second pixel and adds channels of
    zeros, without parameters (option A of the paper).

    Parameters
    ----------
    in_channels : int, default=3
        Channels of the images, which have at least 4 x 4 pixels.
    n_classes : int, default=10
        Number of outputs.
    width : int, default=16
        Channels of the first stage.
    norm : {"batch", "group"}, default="batch"
        Normalisation after each convolution, as in :class:`CNN9`.

    Examples
    --------
    >>> import torch
    >>> from skrobust.networks import ResNet32
    >>> ResNet32(width=4)(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self, in_channels: int = 3, n_classes: int = 10, *, width: int = 16, norm: str = "batch"
    ) -> None:
        super().__init__()
        self.first = _convolution(in_channels, width, 1)
        self.norm = _make_norm(norm, width)
        self.blocks = nn.Sequential()
        for n_in, n_out in pairwise([width, width, 2 * width, 4 * width]):
            self.blocks.append(_Block(n_in, n_out, 1 if n_in == n_out else 2, norm))
            self.blocks.extend(_Block(n_out, n_out, 1, norm) for _ in range(4))
        self.output = nn.Linear(4 * width, n_classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Map images (n_rows, in_channels, height, width) to logits (n_rows, n_classes)."""
        _check_size(self, x, 4)
        x = self.blocks(F.relu(self.norm(self.first(x))))
        return self.output(x.mean(dim=(2, 3)))


class _Block(nn.Module):
    def __init__(self, n_in: int, n_out: int, stride: int, norm: str) -> None:
        super().__init__()
        self.first = _convolution(n_in, n_out, stride)
        self.first_norm = _make_norm(norm, n_out)
        self.second = _convolution(n_out, n_out, 1)
        self.second_norm = _make_norm(norm, n_out)
        self.stride = stride
        self.n_new = n_out - n_in

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.first_norm(self.first(x)))
        h = self.second_norm(self.second(h))
        if self.stride > 1:
            x = x[:, :, :: self.stride, :: self.stride]
        if self.n_new:
            x = F.pad(x, (0, 0, 0, 0, self.n_new // 2, self.n_new - self.n_new // 2))
        return F.relu(h + x)


def _convolution(n_in: int, n_out: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1, bias=False)


class SmallCNN(nn.Module):
    """Two convolutions and two linear layers, for small images of one size.

    Convolutions of 3 x 3 with ``width`` and twice as many channels, each followed by the maximum
    over 2 x 2 pixels and ReLU, which commute; in this order ReLU has a quarter of the work. A
    hidden layer of eight times ``width`` units. It has no normalisation, so that every row has a
    gradient of its own.

    Parameters
    ----------
    in_channels : int, default=1
        Channels of the images.
    n_classes : int, default=10
        Number of outputs.
    width : int, default=16
        Channels of the first convolution.
    image_size : int, default=28
        Height and width of the images, at least 4.

    Examples
    --------
    >>> import torch
    >>> from skrobust.networks import SmallCNN
    >>> SmallCNN()(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self, in_channels: int = 1, n_classes: int = 10, *, width: int = 16, image_size: int = 28
    ) -> None:
        super().__init__()
        if image_size < 4:
            raise ValueError(f"image_size must be at least 4, to be halved twice; got {image_size}")
        self.in_shape = (in_channels, image_size, image_size)
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, width, 3, padding=1),
            nn.MaxPool2d(2),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, padding=1),
            nn.MaxPool2d(2),
            nn.ReLU(),
        )
        self.output = nn.Sequential(
            nn.Flatten(),
            nn.Linear(2 * width * (image_size // 4) ** 2, 8 * width),
            nn.ReLU(),
            nn.Linear(8 * width, n_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map images (n_rows, channels, image_size, image_size) to logits (n_rows, n_classes)."""
        if tuple(x.shape[1:]) != self.in_shape:
            raise ValueError(
                f"SmallCNN was built for images of shape {self.in_shape}, got "
                f"{tuple(x.shape[1:])}; see in_channels and image_size"
            )
        return self.output(self.features(x))
