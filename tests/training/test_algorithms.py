"""Algorithms 2, 3, 4, 6 and 7 written out, slowly and line by line, against what trains.

Algorithm 1 is written out in ``test_step.py``, Algorithm 5 in ``tests/supervised/test_planted.py``.
"""

from copy import deepcopy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from skorch.callbacks import Callback
from torch import nn

from skrobust import SemiSupervisedBackdoorClassifier
from skrobust.backdoor import InputPerturbation
from skrobust.networks import CouplingFlow, NetworkEnsemble
from skrobust.selection import (
    DropSchedule,
    Progress,
    Trim,
    crossentropy,
    crossentropy_gradient_norm,
)
from skrobust.training import ByRowGradients, SharedPass, StepState

RATE = 0.3
N_ROWS = 40
N_KEPT = 28


def algorithm_2(flow, optimiser, x, n_kept, limit):
    """One step of Algorithm 2: robust gradient estimation for density estimation.

    ``limit`` is the k of the constraint. Coupling by coupling, matrix by matrix.
    """
    z, log_density = x, torch.zeros(len(x), dtype=x.dtype)
    for i in reversed(range(flow.n_couplings)):
        mask, outputs = flow.masks[i], []
        for net in (2 * i, 2 * i + 1):  # s and t
            h = z * mask
            for layer in flow.layers:
                matrix = layer.weight[net]
                sigma = torch.linalg.matrix_norm(matrix, ord=2)
                h = h @ (matrix / torch.clamp(sigma / limit, min=1.0)) + layer.bias[net]
                h = h if layer is flow.layers[-1] else F.leaky_relu(h, 0.01)
            outputs.append(h * (1 - mask))
        s, t = torch.tanh(outputs[0]), outputs[1]
        z = mask * z + (1 - mask) * (z - t) * torch.exp(-s)
        log_density = log_density - s.sum(dim=1)
    normal = torch.distributions.Normal(0.0, 1.0)
    log_density = log_density + normal.log_prob(z).sum(dim=1)
    lowest = (-log_density).argsort()[:n_kept]  # those of low density are discarded
    optimiser.zero_grad()
    (-log_density[lowest]).mean().backward()
    optimiser.step()
    return set(lowest.tolist())


def algorithm_3(network, x, y, n_kept, lr):
    """One step of Algorithm 3, PRL(G): gradients of single rows by all parameters."""
    parameters, gradients = list(network.parameters()), []
    for i in range(len(x)):
        loss = F.cross_entropy(network(x[i : i + 1]), y[i : i + 1])
        gradients.append(torch.autograd.grad(loss, parameters))
    norms = [torch.cat([part.flatten() for part in row]).norm() for row in gradients]
    kept = torch.stack(norms).argsort()[:n_kept]
    with torch.no_grad():
        for j, parameter in enumerate(parameters):
            mean = torch.stack([gradients[i][j] for i in kept]).mean(dim=0)
            parameter -= lr * mean
    return set(kept.tolist())


def algorithm_4(network, x, y, n_kept, lr):
    """One step of Algorithm 4, PRL(L): gradients of the loss layer, at the network's output."""
    output = network(x)
    leaf = output.detach().requires_grad_()
    losses = F.cross_entropy(leaf, y, reduction="none")
    (gradient,) = torch.autograd.grad(losses.sum(), leaf)
    kept = gradient.norm(dim=1).argsort()[:n_kept]
    loss = F.cross_entropy(output[kept], y[kept])
    gradients = torch.autograd.grad(loss, list(network.parameters()))
    with torch.no_grad():
        for parameter, gradient in zip(network.parameters(), gradients, strict=True):
            parameter -= lr * gradient
    return set(kept.tolist())


def algorithm_6(network, x, y, n_kept, limit, lr):
    """One step of Algorithm 6 with PRL as the rule A for noisy labels; inputs lie in [0, 1]."""

    def trusted(inputs):
        with torch.no_grad():
            return (network(inputs).softmax(1) - F.one_hot(y, 3)).norm(dim=1).argsort()[:n_kept]

    c = torch.zeros_like(x).requires_grad_()
    inner = trusted(x)
    loss = F.cross_entropy(network(x + c)[inner], y[inner], reduction="sum")
    (gradient,) = torch.autograd.grad(loss, c)  # 0 for rows that are not trusted
    moved = (x + limit * gradient.sign()).clamp(0, 1)  # one step of the maximisation by A
    outer = trusted(moved)
    loss = F.cross_entropy(network(moved)[outer], y[outer])
    gradients = torch.autograd.grad(loss, list(network.parameters()))
    with torch.no_grad():  # one step of the minimisation by A
        for parameter, gradient in zip(network.parameters(), gradients, strict=True):
            parameter -= lr * gradient
    return set(inner.tolist()), set(outer.tolist())


def algorithm_7(represent, layer, x, y, batches, rate, limit, lr):
    """Algorithm 7 from where SimCLR has learnt ``represent``, with PRL as the rule A."""
    scale = represent(x).square().mean().sqrt()
    n_limited = 0
    for rows in batches:
        seen, labels = represent(x[rows]) / scale, y[rows]
        output = layer(seen)
        one_hot = F.one_hot(labels, output.shape[1])
        scores = (output.detach().softmax(1) - one_hot).norm(dim=1)
        kept = scores.argsort()[: int((1 - rate) * len(rows) + 1e-9)]
        layer.zero_grad()
        F.cross_entropy(output[kept], labels[kept]).backward()
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter -= lr * parameter.grad
            largest = torch.linalg.svdvals(layer.weight)[0]
            layer.weight /= torch.clamp(largest / limit, min=1.0)
        n_limited += bool(largest > limit)
    return n_limited


def train(step, module, optimiser, x, y):
    """One step of what is tested; the rows that it kept."""
    state = StepState.begin(step, module.n_networks, len(x), Progress(0, 1, 0, 1), "cpu")
    optimiser.zero_grad()
    rows = x.expand(module.n_networks, *x.shape)
    step(module, rows, y, torch.arange(len(x)), state).backward()
    optimiser.step()
    return set(state.record.kept.nonzero().flatten().tolist())


def assert_same(one, other, **tolerance):
    tolerance = tolerance or {"rtol": 1e-9, "atol": 1e-11}
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b, **tolerance)


@pytest.fixture
def problem():
    """Network, ensemble of a copy of it, and batches in [0, 1] with three classes."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3)).double()
    batches = [
        (torch.rand(N_ROWS, 5, dtype=torch.float64), torch.randint(3, (N_ROWS,))) for _ in range(10)
    ]
    return network, NetworkEnsemble(network), batches


@pytest.mark.parametrize("limit", [0.3, 100.0])  # every matrix is constrained, and none
def test_algorithm_2(limit):
    torch.manual_seed(0)
    settings = {"n_couplings": 4, "hidden_layer_sizes": (8,), "lipschitz": limit}
    flow = CouplingFlow(3, **settings).double()
    written_out = deepcopy(flow)
    optimisers = [torch.optim.Adam(net.parameters(), lr=0.01) for net in (flow, written_out)]
    selector = Trim(DropSchedule(RATE))
    step = SharedPass(loss=lambda density, x: -density, selector=selector, reconstructs=True)
    for _ in range(10):
        x = 2 * torch.randn(N_ROWS, 3, dtype=torch.float64)
        flow.settle()  # the power iterations arrive
        kept = train(step, flow, optimisers[0], x, torch.arange(N_ROWS))
        assert kept == algorithm_2(written_out, optimisers[1], x, N_KEPT, limit)
        assert len(kept) == N_KEPT
    assert_same(flow, written_out)


def test_algorithm_3(problem):
    network, module, batches = problem
    step = ByRowGradients(loss=crossentropy, selector=Trim(DropSchedule(RATE)), by_gradient=True)
    optimiser, others = torch.optim.SGD(module.parameters(), lr=0.5), 0
    for x, y in batches:
        by_output = algorithm_4(deepcopy(network), x, y, N_KEPT, 0.5)
        kept = algorithm_3(network, x, y, N_KEPT, 0.5)
        assert train(step, module, optimiser, x, y) == kept
        others += kept != by_output
    assert_same(network, module, rtol=1e-6, atol=1e-7)  # weights of rows are in float32
    assert others > 5  # Algorithm 4 keeps other rows


def test_algorithm_4(problem):
    network, module, batches = problem
    selector = Trim(DropSchedule(RATE))
    step = SharedPass(loss=crossentropy, score=crossentropy_gradient_norm, selector=selector)
    optimiser, others = torch.optim.SGD(module.parameters(), lr=0.5), 0
    for x, y in batches:
        losses = F.cross_entropy(network(x), y, reduction="none")
        kept = algorithm_4(network, x, y, N_KEPT, 0.5)
        assert train(step, module, optimiser, x, y) == kept
        others += kept != set(losses.argsort()[:N_KEPT].tolist())
    assert_same(network, module)
    assert others > 2  # the loss keeps other rows


def test_algorithm_6(problem):
    network, module, batches = problem
    schedule = DropSchedule(RATE)
    parts = {"row_loss": crossentropy, "row_score": crossentropy_gradient_norm}
    step = SharedPass(
        loss=crossentropy,
        score=crossentropy_gradient_norm,
        selector=Trim(schedule),
        perturb=(InputPerturbation(**parts, limit=0.125, schedule=schedule),),
    )
    optimiser, others = torch.optim.SGD(module.parameters(), lr=0.5), 0
    for x, y in batches:
        inner, outer = algorithm_6(network, x, y, N_KEPT, 0.125, 0.5)
        assert train(step, module, optimiser, x, y) == outer
        others += inner != outer
    assert_same(network, module)
    assert others > 5  # the rows of the update are chosen anew


class Replay(Callback):
    """Keeps the first layer and the rows of each batch."""

    def on_train_begin(self, net, **kwargs):
        first = net.module_.layers[0]
        self.layer_ = nn.Linear(*first.weight.shape[1:])
        self.layer_.weight.data = first.weight.detach()[0].T.clone()
        self.layer_.bias.data = first.bias.detach()[0, 0].clone()
        self.batches_ = []

    def on_batch_begin(self, net, batch, **kwargs):
        self.batches_.append(batch[1][1].clone())


@pytest.mark.filterwarnings("ignore:more than half of the rows")
def test_algorithm_7():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(200, 4)).astype(np.float32)
    y = np.digitize(X[:, 0] + 0.5 * rng.normal(size=200), [-0.5, 0.5])
    replay = Replay()
    model = SemiSupervisedBackdoorClassifier(
        corruption_rate=RATE,
        spectral_limit=0.9,
        pretrain_epochs=3,
        hidden_layer_sizes=(16,),
        preprocessing=None,
        per_class=False,
        margin=0,
        warmup=0,
        max_epochs=10,
        min_steps=None,
        batch_size=50,
        lr=0.1,
        optimizer=torch.optim.SGD,
        random_state=0,
        callbacks=[replay],
    ).fit(X, y)
    head = model.net_.module_
    x, labels = torch.from_numpy(X), torch.from_numpy(y)
    n_limited = algorithm_7(
        lambda rows: head.encoder.embed(rows[None])[0],
        replay.layer_,
        x,
        labels,
        replay.batches_,
        RATE,
        limit=0.9,
        lr=0.1,
    )
    assert len(replay.batches_) == 40
    assert 10 < n_limited < 35  # below the limit first
    trained = head.layers[0]
    close = {"rtol": 1e-4, "atol": 1e-5}
    torch.testing.assert_close(trained.weight[0].T, replay.layer_.weight, **close)
    torch.testing.assert_close(trained.bias[0, 0], replay.layer_.bias, **close)
