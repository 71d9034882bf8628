"""Stacked networks equal separate ones; dropout and its sub-networks are what they claim."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from skrobust.networks import (
    Autoencoder,
    NetworkEnsemble,
    StackedLinear,
    StackedMLP,
    VariationalAutoencoder,
)
from skrobust.networks._dropout import dropout


def separate(stacked, k, slope):
    """Network k of a StackedMLP as an ordinary torch module."""
    parts = []
    for layer in stacked.layers:
        linear = nn.Linear(layer.weight.shape[1], layer.weight.shape[2])
        linear.weight.data = layer.weight[k].detach().T.clone()
        linear.bias.data = layer.bias[k, 0].detach().clone()
        parts += [linear, nn.LeakyReLU(slope)]
    return nn.Sequential(*parts[:-1])


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 20), min_size=2, max_size=5), st.integers(1, 4))
def test_stacked_equals_looped_outputs_and_gradients(sizes, n_networks):
    torch.manual_seed(0)
    stacked = StackedMLP(sizes, n_networks=n_networks, negative_slope=0.1)
    x = torch.randn(n_networks, 9, sizes[0])
    output = stacked(x)
    output.square().sum().backward()
    for k in range(n_networks):
        network = separate(stacked, k, 0.1)
        expected = network(x[k])
        torch.testing.assert_close(output[k], expected, rtol=1e-5, atol=1e-5)
        expected.square().sum().backward()
        for layer, linear in zip(stacked.layers, network[::2], strict=True):
            torch.testing.assert_close(
                layer.weight.grad[k], linear.weight.grad.T, rtol=1e-4, atol=1e-4
            )


@pytest.mark.parametrize("width", [1, 3, 15, 16])
@pytest.mark.parametrize("n_networks", [1, 3])
def test_narrow_output_is_the_same_layer(width, n_networks):
    outputs, gradients = [], []
    for narrow in (False, True):
        torch.manual_seed(0)
        mlp = StackedMLP([4, 8, width], n_networks=n_networks, narrow_output=narrow)
        x = torch.randn(n_networks, 9, 4, requires_grad=True)
        outputs.append(mlp(x))
        loss = outputs[-1].square().sum()
        gradients.append(torch.autograd.grad(loss, [x, *mlp.parameters()]))
    torch.testing.assert_close(*outputs, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-4)
    assert (type(mlp.layers[-1]) is not StackedLinear) == (width < 16)


def test_inputs_are_flattened():
    torch.manual_seed(0)
    mlp, x = StackedMLP([12, 5, 2], n_networks=2), torch.randn(7, 3, 4)
    assert torch.equal(mlp(x.expand(2, -1, -1, -1)), mlp(x.flatten(1).expand(2, -1, -1)))
    torch.testing.assert_close(mlp.run_thinned(mlp.thinned(1), x), mlp(x.expand(2, 7, 3, 4))[1])


def test_stacked_networks_differ_and_are_initialised_as_linear():
    torch.manual_seed(0)
    layer = StackedLinear(2, 100, 400)
    assert not torch.equal(layer.weight[0], layer.weight[1])
    reference = nn.Linear(100, 400).weight
    assert layer.weight.abs().max() <= 0.1
    assert layer.weight.std().item() == pytest.approx(reference.std().item(), rel=0.02)


@pytest.mark.parametrize("p", [0.1, 0.25, 0.5, 0.9])
def test_dropout_rate_scale_and_independence(p):
    torch.manual_seed(0)
    out = dropout(torch.ones(2, 500, 301), p, training=True)
    assert (out == 0).float().mean().item() == pytest.approx(p, abs=0.005)
    assert out.mean().item() == pytest.approx(1.0, abs=0.01)
    assert set(out.unique().tolist()) <= {0.0, out.max().item()}
    masks = (out != 0).float() - (1 - p)
    for shift in (1, 2, 3, 4, 301):  # neighbours share random words but not bits
        flat = masks.flatten()
        assert abs((flat[shift:] * flat[:-shift]).mean().item()) < 0.005


def test_dropout_passes_the_gradient_of_the_kept_only():
    torch.manual_seed(0)
    x = torch.ones(1000, requires_grad=True)
    out = dropout(x, 0.5, training=True)
    out.sum().backward()
    torch.testing.assert_close(x.grad, out.detach())


def test_dropout_off_returns_its_input():
    x = torch.ones(3)
    assert dropout(x, 0.5, training=False) is x
    assert dropout(x, 0.0, training=True) is x


@pytest.mark.parametrize("sizes", [[4, 30, 20, 5, 30, 4], [3, 8, 2], [2, 5]])
def test_thinned_network_equals_the_masked_one(sizes):
    torch.manual_seed(0)
    mlp = StackedMLP(sizes, n_networks=2, negative_slope=0.1, dropout=0.4)
    masks = [torch.rand(width) >= 0.4 for width in mlp.dropout_sizes]
    x = torch.randn(7, sizes[0])
    h = x
    for i, layer in enumerate(mlp.layers):
        h = h @ layer.weight[1] + layer.bias[1]
        if i < len(mlp.layers) - 1:
            h = F.leaky_relu(h, 0.1)
        if i < len(masks):
            h = h * masks[i] / 0.6
    torch.testing.assert_close(mlp.run_thinned(mlp.thinned(1, masks), x), h, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        mlp.run_thinned(mlp.thinned(0), x), mlp.eval()(x.expand(2, 7, -1))[0], rtol=1e-4, atol=1e-5
    )


def test_thinned_network_may_lose_a_whole_layer():
    mlp = StackedMLP([3, 4, 2, 4, 3], dropout=0.5)
    masks = [torch.zeros(width, dtype=torch.bool) for width in mlp.dropout_sizes]
    assert mlp.run_thinned(mlp.thinned(0, masks), torch.randn(5, 3)).isfinite().all()


def test_autoencoder_is_the_published_architecture():
    torch.manual_seed(0)
    net = Autoencoder(7, hidden_layer_sizes=(16, 12), latent_dim=3)
    shapes = [tuple(layer.weight.shape[1:]) for layer in net.mlp.layers]
    assert shapes == [(7, 16), (16, 12), (12, 3), (3, 12), (12, 16), (16, 7)]
    assert net.mlp.dropout_sizes == [16, 12, 3, 12]  # no dropout before the output layer
    x = torch.rand(1, 5, 7)
    expected = torch.sigmoid(separate(net.mlp, 0, 0.1)(x[0]))
    torch.testing.assert_close(net.eval()(x)[0], expected)
    torch.testing.assert_close(net.sub_network(0)(x[0]), expected)


def test_variational_autoencoder_draws_in_training_and_not_in_evaluation():
    torch.manual_seed(0)
    net = VariationalAutoencoder(5, n_networks=2, hidden_layer_sizes=(8, 8), latent_dim=3)
    x = torch.rand(2, 6, 5)
    first, mean, log_variance = net(x)
    assert not torch.equal(first, net(x)[0])
    net.eval()
    reconstruction = net(x)[0]
    assert torch.equal(reconstruction, net(x)[0])
    torch.testing.assert_close(net.sub_network(1)(x[1]), reconstruction[1])
    noise = net.draw_passes(1)[0, 1]
    code = mean[1] + (0.5 * log_variance[1]).exp() * noise
    expected = torch.sigmoid(separate(net.decoder, 1, 0.0)(code.relu()))
    torch.testing.assert_close(net.sub_network(1, noise)(x[1]), expected)


def test_variational_autoencoder_stays_finite_far_away():
    net = VariationalAutoencoder(2, hidden_layer_sizes=(8,), latent_dim=2).eval()
    reconstruct = net.sub_network(0, net.draw_passes(1)[0, 0])
    assert reconstruct(torch.full((1, 2), 1e15)).isfinite().all()


def test_ensemble_copies_instances_and_draws_them_anew():
    original = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    before = {k: v.clone() for k, v in original.state_dict().items()}
    ensemble = NetworkEnsemble(original, n_networks=3)
    weights = [network[0].weight for network in ensemble.networks]
    assert all(not torch.equal(weights[0], w) for w in [*weights[1:], original[0].weight])
    x = torch.randn(3, 5, 3)
    torch.testing.assert_close(ensemble(x)[2], ensemble.networks[2](x[2]))
    assert all(torch.equal(v, before[k]) for k, v in original.state_dict().items())
    single = NetworkEnsemble(original).networks[0]
    assert torch.equal(single[0].weight, original[0].weight)
    assert NetworkEnsemble(nn.Linear, n_networks=2, in_features=3, out_features=1)(x[:2]).shape == (
        2,
        5,
        1,
    )


def test_ensemble_refuses_layers_it_cannot_draw_anew():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(2))

    with pytest.raises(TypeError, match="no reset_parameters"):
        NetworkEnsemble(Odd(), n_networks=2)
