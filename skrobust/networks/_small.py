"""A small convolutional network, for processors without a GPU."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["SmallCNN"]


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

    Raises
    ------
    ValueError
        If the images are too small to be halved twice.

    Examples
    --------
    >>> import torch
    >>> from skrobust.networks import SmallCNN
    >>> SmallCNN()(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self,
        in_channels: int = 1,
        n_classes: int = 10,
        *,
        width: int = 16,
        image_size: int = 28,
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
        """Map images (n_rows, in_channels, image_size, image_size) to logits (n_rows, n_classes).

        Raises
        ------
        ValueError
            If the images have another shape.
        """
        if tuple(x.shape[1:]) != self.in_shape:
            raise ValueError(
                f"SmallCNN was built for images of shape {self.in_shape}, got "
                f"{tuple(x.shape[1:])}; see in_channels and image_size"
            )
        return self.output(self.features(x))
