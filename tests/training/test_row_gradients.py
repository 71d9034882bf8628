"""Norms and weighted sums of the rows' gradients, against autograd one row at a time."""

import gc
import warnings
import weakref
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from skrobust.networks import CNN9, NetworkEnsemble, ResNet32, StackedMLP
from skrobust.selection import crossentropy, squared_error
from skrobust.training import RowGradients, per_sample_gradient_norms

N_ROWS = 5


def row_loss(output, y):
    return squared_error(output.flatten(2), y.flatten(1))


def labels_loss(output, y):
    return crossentropy(output, y)


def slow_norms(network, x, y, loss=row_loss):
    """One row, one backward."""
    norms = []
    parameters = [p for p in network.parameters() if p.requires_grad]
    for i in range(len(x)):
        value = loss(network(x[i : i + 1])[None], y[i : i + 1]).sum()
        gradients = torch.autograd.grad(value, parameters, allow_unused=True)
        norms.append(sum(g.square().sum() for g in gradients if g is not None).sqrt())
    return torch.stack(norms)


def check(network, x, tolerance=1e-5, slow=False, seed=0):
    """Norms and the gradient of a weighted sum, in double precision."""
    torch.manual_seed(seed)
    network, x = network.double(), x.double() if x.is_floating_point() else x
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_()
        y = torch.randn_like(network(x))
    module = NetworkEnsemble(network)
    own = module.networks[0]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        rows = RowGradients(module)
        rows.forward(x[None], y, row_loss)
        rows.forward(x[None], y, row_loss)  # is said once
    assert sum("one by one, which is slow" in str(w.message) for w in caught) == slow
    assert bool(rows.slow_because) == slow
    torch.testing.assert_close(rows.norms()[0], slow_norms(own, x, y), rtol=tolerance, atol=1e-12)
    weights = torch.rand(1, len(x), dtype=torch.float64) * torch.tensor([1.0, 0, 1, 1, 0])[: len(x)]
    value = rows.loss(weights)
    torch.testing.assert_close(value, (row_loss(own(x)[None], y) * weights).sum())
    (3 * value).backward()
    found = [None if p.grad is None else p.grad / 3 for p in own.parameters()]
    if seed % 2 and len(x) > 1:
        rows.forward(x[None], y, row_loss)
        own.zero_grad()
        rows.loss(weights, weights.nonzero()[:, 1][None]).backward()
        found = [p.grad for p in own.parameters()]
    expected = torch.autograd.grad(
        (row_loss(own(x)[None], y) * weights).sum(), list(own.parameters()), allow_unused=True
    )
    for a, b in zip(found, expected, strict=True):
        if b is None:
            assert a is None or not a.any()
        else:
            torch.testing.assert_close(a, b, rtol=tolerance, atol=1e-12)


@st.composite
def convolutions(draw):
    n_dims = draw(st.integers(1, 3))
    groups = draw(st.sampled_from([1, 1, 2, 4]))
    kernel = draw(st.integers(1, 3))
    dilation = draw(st.integers(1, 2))
    mode = draw(st.sampled_from(["zeros", "reflect", "replicate", "circular"]))
    stride = draw(st.integers(1, 3))
    options = [0, 1, 2] + (["same"] if stride == 1 else [])
    layer = [nn.Conv1d, nn.Conv2d, nn.Conv3d][n_dims - 1](
        4 * draw(st.integers(1, 2)),
        4 * draw(st.integers(1, 3)),
        kernel,
        stride=stride,
        padding=draw(st.sampled_from(options)),
        dilation=dilation,
        groups=groups,
        bias=draw(st.booleans()),
        padding_mode=mode,
    )
    size = [draw(st.integers(5, 7)) for _ in range(n_dims)]
    return layer, torch.randn(draw(st.integers(1, N_ROWS)), layer.in_channels, *size)


@settings(max_examples=80, deadline=None)
@given(convolutions(), st.integers(0, 2**20))
def test_convolutions(drawn, seed):
    layer, x = drawn
    check(nn.Sequential(layer, nn.Tanh(), nn.Flatten()), x, seed=seed)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(1, 12), min_size=1, max_size=3),
    st.integers(1, 9),
    st.integers(1, 9),
    st.booleans(),
    st.integers(0, 2**20),
)
def test_linear_layers_of_one_or_many_positions(shape, n_in, n_out, bias, seed):
    x = torch.randn(N_ROWS, *shape[:-1], n_in)
    check(nn.Sequential(nn.Linear(n_in, n_out, bias=bias), nn.Tanh()), x, seed=seed)


@pytest.mark.parametrize("n_positions", [2, 40])  # the Gram matrix, and the gradient itself
def test_both_ways_for_sequences(n_positions):
    check(nn.Linear(20, 15), torch.randn(N_ROWS, n_positions, 20))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.sampled_from([None, 0, 3]), st.integers(0, 2**20))
def test_embeddings(n_tokens, padding_idx, seed):
    rng = np.random.RandomState(seed)
    ids = torch.from_numpy(rng.randint(4, size=(N_ROWS, n_tokens)))  # words come back
    network = nn.Sequential(nn.Embedding(4, 3, padding_idx=padding_idx), nn.Linear(3, 2))
    check(network, ids, seed=seed)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.LayerNorm(6), (6,)),
        (nn.LayerNorm(6), (4, 6)),
        (nn.LayerNorm((4, 6)), (3, 4, 6)),
        (nn.LayerNorm(6, bias=False), (4, 6)),
        (nn.RMSNorm(6), (4, 6)),
        (nn.GroupNorm(2, 6), (6,)),
        (nn.GroupNorm(3, 6), (6, 4, 5)),
        (nn.InstanceNorm1d(6, affine=True), (6, 5)),
        (nn.InstanceNorm2d(6, affine=True), (6, 4, 5)),
        (nn.InstanceNorm3d(6, affine=True), (6, 3, 4, 2)),
        (nn.InstanceNorm2d(6, affine=True, track_running_stats=True), (6, 4, 5)),
        (nn.InstanceNorm2d(6, affine=True, track_running_stats=True).eval(), (6, 4, 5)),
        (nn.BatchNorm1d(6).eval(), (6,)),
        (nn.BatchNorm2d(6).eval(), (6, 4, 5)),
    ],
)
def test_normalisations(layer, shape):
    if getattr(layer, "running_mean", None) is not None:
        layer.running_mean.normal_()
        layer.running_var.uniform_(0.5, 2)
    check(nn.Sequential(layer, nn.Tanh()), 2 * torch.randn(N_ROWS, *shape) + 1)


def test_frozen_parameters_do_not_count():
    network = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3), nn.Linear(3, 2))
    network[0].requires_grad_(False)
    network[2].bias.requires_grad_(False)
    network[3].weight.requires_grad_(False)
    module, x, y = NetworkEnsemble(network), torch.randn(N_ROWS, 4), torch.randn(N_ROWS, 2)
    rows = RowGradients(module)
    rows.forward(x[None], y, row_loss)
    torch.testing.assert_close(rows.norms()[0], slow_norms(module.networks[0], x, y))
    rows.loss(torch.ones(1, N_ROWS)).backward()
    has = [p.grad is not None for p in module.parameters()]
    assert has == [False, False, True, False, False, True]


def test_activations_in_place_and_residuals():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Conv2d(4, 4, 3, padding=1, bias=False)
            self.norm = nn.GroupNorm(2, 4)
            self.second = nn.Conv2d(4, 4, 1)

        def forward(self, x):
            h = F.relu(self.norm(self.first(x)), inplace=True)
            h = self.second(h)
            h += x
            return F.leaky_relu_(h)

    network = nn.Sequential(Block(), Block(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
    check(nn.Sequential(network, nn.Linear(16, 3)), torch.randn(N_ROWS, 4, 6, 6))


def test_the_nine_layers():
    network = CNN9(in_channels=1, width=4, norm="group", dropout=0.0)
    check(network, torch.randn(3, 1, 32, 32))


@pytest.mark.parametrize(
    "network", [partial(CNN9, width=8), partial(ResNet32, width=4)], ids=["CNN9", "ResNet32"]
)
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.filterwarnings("error")
def test_rounding_is_no_obstacle(network, seed):
    """A bias in front of a normalisation has no gradient but rounding."""
    torch.manual_seed(seed)
    rows = RowGradients(NetworkEnsemble(network(norm="group")))
    rows.forward(torch.rand(1, 64, 3, 32, 32), torch.arange(64) % 10, labels_loss)
    assert not rows.slow_because


class Tied(nn.Module):
    """The same weights encode and decode."""

    def __init__(self):
        super().__init__()
        self.encode = nn.Linear(4, 4)
        self.decode = nn.Linear(4, 4)
        self.decode.weight = self.encode.weight

    def forward(self, x):
        return self.decode(torch.tanh(self.encode(x)))


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        return self.layer(torch.tanh(self.layer(x)))


class Borrowed(nn.Module):
    """Uses the weights of a layer behind its back."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        return self.layer(x) @ self.layer.weight


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.scale = nn.Parameter(torch.ones(4))

    def forward(self, x):
        return self.scale * self.layer(x)


class Folded(nn.Module):
    """Its layer does not see the rows as rows."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, x):
        return self.layer(x.reshape(-1, 2)).view(len(x), -1)


@pytest.mark.parametrize(
    "network",
    [Tied(), Twice(), Borrowed(), Scaled(), Folded(), nn.Sequential(nn.Linear(4, 4), nn.PReLU())],
    ids=lambda network: type(network).__name__,
)
def test_what_is_not_known_falls_back_loudly(network):
    check(network, torch.randn(N_ROWS, 4), slow=True)


def test_attention_falls_back():
    network = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)
    check(network, torch.randn(N_ROWS, 3, 4), slow=True)


@pytest.mark.parametrize("n_networks", [1, 3])
@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("some", [False, True])
def test_stacked_networks(n_networks, narrow, some):
    torch.manual_seed(0)
    stacked = StackedMLP([6, 8, 7, 3], n_networks=n_networks, narrow_output=narrow).double()
    x, y = torch.randn(N_ROWS, 6).double(), torch.tensor([0, 2, 1, 1, 0])
    inputs = x.expand(n_networks, N_ROWS, 6)

    rows = RowGradients(stacked)
    output, losses = rows.forward(inputs, y, labels_loss)
    torch.testing.assert_close(output, stacked(inputs))
    torch.testing.assert_close(losses, crossentropy(stacked(inputs), y))
    expected = torch.zeros(n_networks, N_ROWS).double()
    for i in range(N_ROWS):
        one = crossentropy(stacked(inputs[:, i : i + 1]), y[i : i + 1])
        for k in range(n_networks):
            gradients = torch.autograd.grad(
                one[k, 0], list(stacked.parameters()), retain_graph=True
            )
            expected[k, i] = sum(g.square().sum() for g in gradients).sqrt()
    torch.testing.assert_close(rows.norms(), expected)
    weights = torch.rand(n_networks, N_ROWS).double()
    weights[:, 1] = 0
    kept = None
    if some:
        kept = torch.tensor([2, 0, 4, 3]).expand(n_networks, -1)
    rows.loss(weights, kept).backward()
    gradients = torch.autograd.grad(
        (crossentropy(stacked(inputs), y) * weights).sum(), list(stacked.parameters())
    )
    for parameter, gradient in zip(stacked.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_networks_of_an_ensemble_have_weights_of_their_own():
    torch.manual_seed(0)
    module = NetworkEnsemble(partial(nn.Linear, 4, 2), n_networks=2)
    x, y = torch.randn(2, N_ROWS, 4), torch.randn(N_ROWS, 2)
    rows = RowGradients(module)
    rows.forward(x, y, row_loss)
    for k in range(2):
        torch.testing.assert_close(rows.norms()[k], slow_norms(module.networks[k], x[k], y))
    weights = torch.zeros(2, N_ROWS)
    weights[1, 2] = 1
    rows.loss(weights).backward()
    assert not module.networks[0].weight.grad.any()
    norm = sum(p.grad.square().sum() for p in module.networks[1].parameters()).sqrt()
    torch.testing.assert_close(norm, slow_norms(module.networks[1], x[1], y)[2])


@pytest.mark.parametrize(
    "layer", [nn.BatchNorm1d(4), nn.BatchNorm1d(4, affine=False, track_running_stats=False).eval()]
)
def test_statistics_of_the_batch_are_refused(layer):
    message = r"layer '1' \(BatchNorm1d\) normalises with the statistics of the batch.*group, layer"
    with pytest.raises(ValueError, match=message):
        RowGradients(NetworkEnsemble(nn.Sequential(nn.Linear(4, 4), layer)))


def test_large_layers_are_taken_in_chunks(monkeypatch):
    from skrobust.training import _layer_rules

    monkeypatch.setattr(_layer_rules, "CHUNK_NUMBERS", 300)
    check(nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten()), torch.randn(N_ROWS, 3, 5, 5))
    check(nn.Linear(20, 15), torch.randn(N_ROWS, 40, 20))
    check(Scaled(), torch.randn(N_ROWS, 4), slow=True)


def test_norms_for_the_user():
    """The example of the chapter: the order by loss is not the order by gradient."""

    class Bowl(nn.Module):
        def __init__(self):
            super().__init__()
            self.shift = nn.Linear(1, 2, bias=False)
            nn.init.zeros_(self.shift.weight)

        def forward(self, x):
            return self.shift(torch.ones(len(x), 1)) + x

    def phi(output, y):
        return 0.5 * output[:, 0].square() + 50 * output[:, 1].square()

    X, bowl = torch.tensor([[1000.0, 1.0], [495.0, -49.5]]), Bowl()
    norms = per_sample_gradient_norms(bowl, phi, X, torch.zeros(2))
    torch.testing.assert_close(norms, torch.tensor([1004.9876, 4974.7]), rtol=1e-4, atol=0)
    assert phi(X, None).argmax() == 0 and norms.argmax() == 1
    assert bowl.shift.weight.grad is None
    with pytest.raises(ValueError, match=r"one number per row, shape \(2,\), got shape \(\)"):
        per_sample_gradient_norms(bowl, lambda o, y: phi(o, y).mean(), X, torch.zeros(2))


def test_layers_may_be_left_out_and_stand_on_side_branches():
    """What is called differs from step to step; each layer's gradient arrives all the same."""

    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = nn.Linear(4, 3), nn.Linear(4, 3)
            self.extra, self.unused = nn.Linear(3, 3), nn.Linear(4, 2)
            self.deep = True

        def forward(self, x):
            self.unused(x)
            h = torch.tanh(self.left(x)) * self.right(x)
            return self.extra(h) if self.deep else h

    torch.manual_seed(0)
    module = NetworkEnsemble(Branches())
    (own,) = module.networks
    rows, x, y = RowGradients(module), torch.randn(N_ROWS, 4), torch.randn(N_ROWS, 3)
    for own.deep in (False, True, False, True):
        rows.forward(x[None], y, row_loss)
        torch.testing.assert_close(rows.norms()[0], slow_norms(own, x, y))


class Deciding(nn.Module):
    """Looks at the numbers, which torch.func cannot do for all rows at once."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))

    def forward(self, x):
        return self.scale * x if x.sum() > 0 else x - self.scale


@pytest.mark.filterwarnings("ignore:the gradients of single rows")
def test_what_torch_func_cannot_do_is_named():
    message = "torch.func cannot differentiate Deciding one row at a time .*such as 'loss-gradient'"
    with pytest.raises(ValueError, match=message):
        per_sample_gradient_norms(
            Deciding(), lambda o, y: o.sum(1), torch.randn(N_ROWS, 4), torch.zeros(N_ROWS)
        )


class Marker:
    """A hook that lives as long as the graph that it hangs on."""

    def __call__(self, gradient):
        return None


@pytest.mark.parametrize("n_steps", [1, 3])
def test_a_step_leaves_nothing_of_its_graph(n_steps):
    network = NetworkEnsemble(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)))
    gradients, left = RowGradients(network), []
    gc.disable()
    try:
        for _ in range(n_steps):
            marker = Marker()
            left.append(weakref.ref(marker))
            x = torch.randn(1, N_ROWS, 4, requires_grad=True) * 1
            x.register_hook(marker)
            gradients.forward(x, torch.zeros(N_ROWS, 2), squared_error)
            gradients.loss(torch.ones(1, N_ROWS)).backward()
            del x, marker
        assert [ref() for ref in left] == [None] * n_steps
    finally:
        gc.enable()
