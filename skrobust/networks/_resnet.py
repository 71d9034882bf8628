"""The residual network of chapters 4 and 5."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from skrobust.networks._norms import make_norm

__all__ = ["ResNet32"]

_BLOCKS = 5
_LEAST = 4


class ResNet32(nn.Module):
    """Residual network with 32 layers for small images.

    As in [1]_: one convolution, three stages of five blocks of two convolutions (all 3 x 3), and a
    linear layer on the mean over the image. The second and third stage halve the image and double
    the channels; their shortcut takes every second pixel and adds channels of zeros, without
    parameters (option A of the paper).

    Parameters
    ----------
    in_channels : int, default=3
        Channels of the images.
    n_classes : int, default=10
        Number of outputs.
    width : int, default=16
        Channels of the first stage.
    norm : {"batch", "group"}, default="batch"
        Normalisation after each convolution. "group" normalises each image on its own, in 32
        groups of channels or the most that divide both.

    Raises
    ------
    ValueError
        If ``norm`` is neither.

    References
    ----------
    .. [1] He, K., Zhang, X., Ren, S., Sun, J. Deep residual learning for image recognition. CVPR,
       2016.

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
        self.norm = make_norm(norm, width)
        widths = [width, width, 2 * width, 4 * width]
        blocks = []
        for stage in range(3):
            for i in range(_BLOCKS):
                first = i == 0
                stride = 2 if first and stage > 0 else 1
                blocks.append(_Block(widths[stage + (not first)], widths[stage + 1], stride, norm))
        self.blocks = nn.Sequential(*blocks)
        self.output = nn.Linear(widths[-1], n_classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Map images (n_rows, in_channels, height, width) to logits (n_rows, n_classes).

        Raises
        ------
        ValueError
            If the input is not images of at least 4 x 4 pixels.
        """
        if x.ndim != 4 or min(x.shape[2:]) < _LEAST:
            raise ValueError(
                f"ResNet32 takes images (n_rows, channels, height, width) of at least {_LEAST} x "
                f"{_LEAST} pixels, got an input of shape {tuple(x.shape)}"
            )
        x = self.blocks(F.relu(self.norm(self.first(x))))
        return self.output(x.mean(dim=(2, 3)))


class _Block(nn.Module):
    def __init__(self, n_in: int, n_out: int, stride: int, norm: str) -> None:
        super().__init__()
        self.first = _convolution(n_in, n_out, stride)
        self.first_norm = make_norm(norm, n_out)
        self.second = _convolution(n_out, n_out, 1)
        self.second_norm = make_norm(norm, n_out)
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
