"""The nine-layer network against its description."""

import pytest
import torch
from torch import nn

from skrobust.networks import CNN9


def test_group_norm_normalises_each_image_on_its_own():
    torch.manual_seed(0)
    net, x = CNN9(in_channels=1, width=24, norm="group", dropout=0.0), torch.randn(3, 1, 28, 28)
    groups = {m.num_channels: m.num_groups for m in net.modules() if isinstance(m, nn.GroupNorm)}
    assert groups == {24: 8, 48: 16, 96: 32}
    assert not any(isinstance(m, nn.BatchNorm2d) for m in net.modules())
    torch.testing.assert_close(net.train()(x)[:1], net(x[:1]), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="norm must be one of 'batch', 'group', got 'layer'"):
        CNN9(norm="layer")


def test_it_is_the_published_architecture():
    layers = list(CNN9().features)
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    assert [(c.in_channels, c.out_channels, c.padding[0]) for c in convolutions] == [
        *[(3, 128, 1), (128, 128, 1), (128, 128, 1)],
        *[(128, 256, 1), (256, 256, 1), (256, 256, 1)],
        *[(256, 512, 0), (512, 256, 0), (256, 128, 0)],
    ]
    block = ["Conv2d", "BatchNorm2d", "LeakyReLU"]
    names = [type(layer).__name__ for layer in layers]
    assert names == [*block * 3, "MaxPool2d", "Dropout2d"] * 2 + block * 3
    assert {layer.p for layer in layers if isinstance(layer, nn.Dropout2d)} == {0.25}
    assert {layer.negative_slope for layer in layers if isinstance(layer, nn.LeakyReLU)} == {0.01}


@pytest.mark.parametrize("size", [28, 32])
def test_shapes_gradients_and_dropout(size):
    torch.manual_seed(0)
    net, x = CNN9(in_channels=1, n_classes=4, width=4), torch.randn(3, 1, size, size)
    assert not torch.equal(net(x), net(x))
    net(x).square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in net.output.parameters())
    assert all(p.grad is not None for p in net.parameters())
    net.eval()
    assert torch.equal(net(x), net(x)) and net(x).shape == (3, 4)


@pytest.mark.parametrize("shape", [(2, 3, 27, 40), (2, 3, 32)])
def test_what_is_no_large_enough_image_is_named(shape):
    with pytest.raises(ValueError, match=r"at least 28 x 28 pixels, got an input of shape \(2, 3"):
        CNN9(width=4)(torch.zeros(shape))
