"""The small convolutional network."""

import pytest
import torch

from skrobust.networks import SmallCNN


@pytest.mark.parametrize(("channels", "size"), [(1, 28), (3, 32), (1, 8)])
def test_shapes(channels, size):
    net = SmallCNN(channels, 7, width=4, image_size=size)
    assert net(torch.rand(5, channels, size, size)).shape == (5, 7)
    hidden = net.output[1]
    assert (hidden.in_features, hidden.out_features) == (8 * (size // 4) ** 2, 32)


def test_images_that_cannot_be_halved_twice_are_named():
    with pytest.raises(ValueError, match=r"image_size must be at least 4.*got 3"):
        SmallCNN(image_size=3)


@pytest.mark.parametrize("shape", [(2, 3, 28, 28), (2, 1, 32, 32), (2, 784)])
def test_other_images_are_named(shape):
    with pytest.raises(ValueError, match=r"built for images of shape \(1, 28, 28\), got"):
        SmallCNN()(torch.zeros(shape))
