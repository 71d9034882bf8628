"""The residual network against its description."""

import pytest
import torch
from torch import nn

from skrobust.networks import ResNet32


def test_it_is_the_published_architecture():
    net = ResNet32()
    convolutions = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]
    assert len(convolutions) + 1 == 32
    assert {layer.kernel_size for layer in convolutions} == {(3, 3)}
    assert [layer.out_channels for layer in convolutions] == [16] * 11 + [32] * 10 + [64] * 10
    assert [i for i, layer in enumerate(convolutions) if layer.stride == (2, 2)] == [11, 21]
    assert sum(p.numel() for p in net.parameters()) == 464_154  # He et al.: 0.46 million


def test_blocks_add_to_their_input():
    net, x = ResNet32(width=4).eval(), torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        for block in net.blocks:
            block.second_norm.weight.zero_()
        first = torch.relu(net.norm(net.first(x)))
        last = net.blocks(first)
    # channels in the middle are those of the first convolution, every fourth pixel of them
    torch.testing.assert_close(last[:, 6:10], first[:, :, ::4, ::4])
    assert not last[:, :6].any() and not last[:, 10:].any()
    torch.testing.assert_close(net(x), net.output(last.mean(dim=(2, 3))))


@pytest.mark.parametrize("shape", [(2, 1, 28, 28), (2, 1, 32, 32)])
def test_channels_last_gives_the_same(shape):
    net, x = ResNet32(1, 7, width=4, norm="group"), torch.randn(shape)
    expected = net(x)
    assert expected.shape == (2, 7)
    fast = net.to(memory_format=torch.channels_last)(x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(fast, expected, rtol=1e-4, atol=1e-4)


def test_group_norm_leaves_images_alone():
    net, x = ResNet32(width=4, norm="group"), torch.randn(3, 3, 32, 32)
    torch.testing.assert_close(net(x)[:1], net(x[:1]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(2, 3, 2, 2), (2, 3 * 32 * 32)])
def test_other_inputs_are_named(shape):
    with pytest.raises(ValueError, match=r"ResNet32 takes images .* at least 4 x 4 pixels, got"):
        ResNet32(width=4)(torch.zeros(shape))
