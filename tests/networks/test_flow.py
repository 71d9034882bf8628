"""Coupling flow and spectral constraint: invertible, a density, and limited as it says."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from skrobust.networks import CouplingFlow, SpectralConstraint
from skrobust.networks._flow import HeavyTails


def make_flow(n_features, seed=0, spread=3.0, **settings):
    """A flow far from the identity, in float64."""
    torch.manual_seed(seed)
    settings = {"hidden_layer_sizes": (16, 16), **settings}
    flow = CouplingFlow(n_features, **settings).double()
    with torch.no_grad():
        for layer in flow.layers:
            layer.weight *= spread
    return flow.eval()


@pytest.mark.parametrize("mask", ["complement", "official"])
@pytest.mark.parametrize("n_features", [1, 2, 3, 8, 9])
@pytest.mark.parametrize("lipschitz", [None, 1.5])
def test_inverse_undoes_the_transformation(n_features, mask, lipschitz):
    flow = make_flow(n_features, mask=mask, lipschitz=lipschitz, n_networks=2)
    x = torch.randn(2, 50, n_features, dtype=torch.float64)
    z, _ = flow.transform(x)
    torch.testing.assert_close(flow.inverse(z), x)
    torch.testing.assert_close(flow.transform(flow.inverse(x))[0], x)
    untouched = mask == "official" and n_features == 1
    assert ((z - x).abs().max() > 0.01) != untouched


@pytest.mark.parametrize("n_features", [1, 2, 5])
def test_log_determinant_is_that_of_the_full_jacobian(n_features):
    flow = make_flow(n_features, n_networks=2)
    x = torch.randn(2, 4, n_features, dtype=torch.float64)
    _, log_det = flow.transform(x)
    for network in range(2):
        for row in range(4):

            def code(point, network=network, row=row):
                moved = x.clone()
                moved[network, row] = point
                return flow.transform(moved)[0][network, row]

            jacobian = torch.autograd.functional.jacobian(code, x[network, row])
            expected = torch.linalg.slogdet(jacobian).logabsdet
            torch.testing.assert_close(log_det[network, row], expected)


@pytest.mark.parametrize("base", [None, HeavyTails(2.5), HeavyTails(3.0)])
@pytest.mark.parametrize("lipschitz", [None, 1.0])
def test_density_integrates_to_one(lipschitz, base):
    flow = make_flow(2, spread=2.0, lipschitz=lipschitz)
    axis = torch.linspace(-25, 25, 501, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    with torch.no_grad():
        total = flow(grid.unsqueeze(0), base=base).exp().sum() * (axis[1] - axis[0]) ** 2
    assert total.item() == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("border", [1.5, 2.0, 2.5])
def test_heavy_tails_are_a_density_without_a_bend_that_draws_follow(border):
    tails = HeavyTails(border)
    z = torch.linspace(-300, 300, 600_001, dtype=torch.float64)
    density = (-tails.distance(z) - tails.log_volume).exp()
    cumulative = density.cumsum(0) * 1e-3
    assert cumulative[-1].item() == pytest.approx(1.0, abs=2e-3)
    places = torch.tensor([-border, border], dtype=torch.float64, requires_grad=True)
    tails.distance(places + 1e-9 * places.sign()).sum().backward()
    torch.testing.assert_close(places.grad, places.detach())
    drawn = tails.draw(np.random.RandomState(0), (100_000,))
    far = float(density[z.abs() > 1.5 * border].sum()) * 1e-3
    assert np.mean(np.abs(drawn) > 1.5 * border) == pytest.approx(far, rel=0.2)
    for level in (0.1, 0.3, 0.5, 0.9):
        place = float(z[(cumulative < level).sum()])
        assert np.mean(drawn <= place) == pytest.approx(level, abs=0.01)


def test_networks_of_a_stack_are_separate():
    flow = make_flow(4, n_networks=3)
    x = torch.randn(3, 10, 4, dtype=torch.float64)
    before = flow(x)
    x[1] += 1.0
    after = flow(x)
    assert torch.equal(before[0], after[0])
    assert torch.equal(before[2], after[2])
    assert not torch.equal(before[1], after[1])
    assert not torch.allclose(flow(x[:1].expand(3, -1, -1))[0], flow(x[:1].expand(3, -1, -1))[1])


def test_masks():
    official = CouplingFlow(5, mask="official", n_couplings=4).masks
    assert official.tolist() == [[0, 0, 1, 1, 1], [1, 1, 1, 0, 0]] * 2
    complement = CouplingFlow(5, n_couplings=3).masks
    assert complement.tolist() == [[0, 0, 1, 1, 1], [1, 1, 0, 0, 0], [0, 0, 1, 1, 1]]


def test_official_mask_never_transforms_the_middle_of_an_odd_number():
    x = torch.randn(1, 20, 5, dtype=torch.float64)
    z = make_flow(5, mask="official").transform(x)[0]
    assert torch.equal(z[..., 2], x[..., 2])
    z = make_flow(5).transform(x)[0]
    assert (z != x).all()


def test_far_away_points_have_a_finite_density():
    flow = make_flow(6, spread=30.0).float()
    with torch.no_grad():
        values = flow(1e15 * torch.randn(1, 50, 6))
    assert torch.isfinite(values).all()


@pytest.mark.parametrize("exact", [False, True])
def test_constraint_acts_in_the_density(exact):
    """The same as a flow without constraint that has the constrained matrices."""
    flow = make_flow(5, spread=10.0, lipschitz=0.7, exact=exact)
    free = make_flow(5)
    with torch.no_grad():
        for ours, theirs, weight in zip(free.layers, flow.layers, flow.weights(), strict=True):
            ours.weight.copy_(weight)
            ours.bias.copy_(theirs.bias)
    x = torch.randn(1, 20, 5, dtype=torch.float64)
    torch.testing.assert_close(flow(x), free(x))
    assert not torch.allclose(flow(x), make_flow(5, spread=10.0)(x))


def test_gradient_through_the_constraint_of_the_whole_flow():
    """Against finite differences, with matrices below and beyond the limit."""
    flow = make_flow(4, spread=1.0, lipschitz=0.8, n_couplings=2, hidden_layer_sizes=(6,))
    with torch.no_grad():
        flow.layers[0].weight[0] *= 10
    flow.settle()
    x = torch.randn(1, 15, 4, dtype=torch.float64)
    flow(x).sum().backward()
    for matrix in (0, 1):
        weight = flow.layers[0].weight
        with torch.no_grad():
            values = []
            for shift in (1e-6, -1e-6):
                weight[matrix, 1, 2] += shift
                flow.settle()
                values.append(flow(x).sum())
                weight[matrix, 1, 2] -= shift
        expected = (values[0] - values[1]) / 2e-6
        torch.testing.assert_close(weight.grad[matrix, 1, 2], expected, rtol=1e-5, atol=1e-8)


def test_small_matrices_get_the_plain_gradient():
    weight = (0.1 * torch.eye(3)).unsqueeze(0).requires_grad_()
    coefficients = torch.randn(1, 3, 3)
    (SpectralConstraint(weight.detach(), 1.0)(weight) * coefficients).sum().backward()
    assert torch.equal(weight.grad, coefficients)


def test_lipschitz_bound_is_the_formula():
    flow = make_flow(3, spread=0.3, n_couplings=2, hidden_layer_sizes=(4,))
    bound = flow.lipschitz_bound(1.5)
    norms = [torch.linalg.matrix_norm(weight, ord=2) for weight in flow.weights()]
    products = (norms[0] * norms[1]).view(2, 2)  # coupling, s and t
    torch.testing.assert_close(bound.scale[0], products[:, 0])
    torch.testing.assert_close(bound.shift[0], products[:, 1])
    size, expected = 1.5, 1.0
    for coupling in (1, 0):
        net = flow._nets()[coupling]
        zero = torch.zeros(1, 1, 3, dtype=torch.float64)
        last = torch.nn.functional.leaky_relu(net[0](zero.expand(2, 1, 3)), 0.01)
        origin = (net[1](last)[1, 0, :3] * (1 - flow.masks[coupling])).norm().item()
        s, t = products[coupling].tolist()
        largest = origin + t * size
        expected *= math.e * (1 + t + (size + largest) * s)
        size += math.e * (size + largest)
    assert bound.map.item() == pytest.approx(expected)


def test_spectral_constraint_equals_torchs():
    torch.manual_seed(0)
    layers = [spectral_norm(nn.Linear(7, 5, bias=False), n_power_iterations=1) for _ in range(3)]
    originals = [layer.parametrizations.weight.original for layer in layers]
    ours = nn.Parameter(torch.stack([w.detach().T.clone() for w in originals]))
    constraint = SpectralConstraint(ours.detach(), 1.0, exact=True)
    states = [layer.parametrizations.weight[0] for layer in layers]
    constraint.left = torch.stack([state._v for state in states]).unsqueeze(1)
    constraint.right = torch.stack([state._u for state in states]).unsqueeze(1)
    coefficients = torch.randn(3, 7, 5)
    for _ in range(4):
        weight = constraint(ours)
        theirs = [layer.weight for layer in layers]
        torch.testing.assert_close(weight, torch.stack([w.T for w in theirs]))
    (gradient,) = torch.autograd.grad((weight * coefficients).sum(), ours)
    for i, (w, original) in enumerate(zip(theirs, originals, strict=True)):
        (expected,) = torch.autograd.grad((w.T * coefficients[i]).sum(), original)
        torch.testing.assert_close(gradient[i], expected.T)


@pytest.mark.parametrize("exact", [False, True])
def test_limit_holds_after_convergence(exact):
    torch.manual_seed(0)
    weight = torch.randn(4, 30, 20) * torch.tensor([0.01, 0.1, 1.0, 5.0]).view(-1, 1, 1)
    constraint = SpectralConstraint(weight, 1.5, exact=exact)
    for _ in range(300):
        constrained = constraint(weight)
    norms = torch.linalg.matrix_norm(constrained, ord=2)
    assert (norms <= 1.5 * (1 + 1e-3)).all()
    small = torch.linalg.matrix_norm(weight, ord=2) < 1.5
    assert small.tolist() == [True, True, False, False]
    if exact:
        torch.testing.assert_close(norms, torch.full((4,), 1.5), rtol=1e-3, atol=0)
    else:
        assert torch.equal(constrained[small], weight[small])


def test_power_iteration_follows_in_training_only():
    torch.manual_seed(0)
    weight = torch.randn(2, 6, 6)
    constraint = SpectralConstraint(weight, 0.5)
    constraint.eval()
    before = constraint.left.clone()
    moved = torch.randn(2, 6, 6)
    constraint(moved)
    assert torch.equal(constraint.left, before)
    constraint.train()
    constraint(moved)
    assert not torch.equal(constraint.left, before)


def test_settling_makes_the_limit_exact():
    flow = make_flow(9, spread=10.0, lipschitz=0.7, hidden_layer_sizes=(40, 30))
    flow.settle()
    for weight in flow.weights():
        norms = torch.linalg.matrix_norm(weight, ord=2)
        assert norms.max().item() == pytest.approx(0.7, rel=1e-9)


def test_a_matrix_of_zeros_stays_one():
    weight = torch.zeros(1, 3, 3)
    assert torch.equal(SpectralConstraint(weight, 1.0)(weight), weight)
    assert torch.equal(SpectralConstraint(weight, 5.0, exact=True)(weight), weight)
    constraint = SpectralConstraint(weight, 1.0)
    large = 10 * torch.randn(1, 3, 3)
    for _ in range(50):
        limited = constraint(large)
    assert torch.linalg.matrix_norm(limited, ord=2).item() == pytest.approx(1.0, rel=1e-2)


@pytest.mark.parametrize("lipschitz", [None, 1.0])
def test_lipschitz_bounds_hold(lipschitz):
    flow = make_flow(4, lipschitz=lipschitz, n_networks=2)
    flow.settle()
    radius = 2.0
    bound = flow.lipschitz_bound(radius)
    assert bound.scale.shape == bound.shift.shape == (2, 6)
    if lipschitz:
        assert bound.scale.max() <= 1.0 + 1e-9
    x = torch.randn(2, 200, 4, dtype=torch.float64)
    x = radius * x / x.norm(dim=-1, keepdim=True)
    for network in range(2):

        def code(point, network=network):
            return flow.transform(point.expand(2, 1, 4))[0][network, 0]

        steepest = max(
            torch.linalg.matrix_norm(torch.autograd.functional.jacobian(code, point), ord=2)
            for point in x[network, :50]
        )
        assert steepest <= bound.map[network]


def test_state_is_saved_and_loaded(tmp_path):
    flow = make_flow(4, lipschitz=0.5).float()
    flow.train()
    x = torch.randn(1, 8, 4)
    flow(x)
    torch.save(flow.state_dict(), tmp_path / "flow.pt")
    other = make_flow(4, seed=1, lipschitz=0.5).float()
    other.load_state_dict(torch.load(tmp_path / "flow.pt", weights_only=True))
    assert torch.equal(flow.eval()(x), other.eval()(x))


def test_gradients_reach_every_parameter():
    flow = CouplingFlow(5, lipschitz=1.5, hidden_layer_sizes=(8,))
    flow(torch.randn(1, 20, 5)).sum().backward()
    for name, parameter in flow.named_parameters():
        assert parameter.grad is not None, name
        assert (parameter.grad != 0).any(), name
    assert math.isfinite(sum(p.grad.abs().sum().item() for p in flow.parameters()))
