"""Scores of Algorithm 4 against automatic differentiation and the thesis's examples."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from skrobust.selection import (
    absolute_error,
    absolute_gradient_norm,
    bootstrap,
    bootstrap_gradient_norm,
    crossentropy,
    crossentropy_gradient_norm,
    error_beyond,
    huber,
    huber_gradient_norm,
    squared_error,
    squared_gradient_norm,
)

PAIRS = {
    "cross-entropy": (crossentropy, crossentropy_gradient_norm),
    **{
        f"bootstrap {hard}": (
            partial(bootstrap, weight=0.7, hard=hard),
            partial(bootstrap_gradient_norm, weight=0.7, hard=hard),
        )
        for hard in (True, False)
    },
    "squared error": (squared_error, squared_gradient_norm),
    "Huber": (huber, huber_gradient_norm),
    "absolute error": (absolute_error, absolute_gradient_norm),
}


def draw(name, width, n_networks=2, n_rows=30, scale=3.0):
    output = scale * torch.randn(n_networks, n_rows, width)
    if name == "cross-entropy" or name.startswith("bootstrap"):
        return output, torch.randint(width, (n_rows,))
    return output, scale * torch.randn(n_rows, width)


@pytest.mark.parametrize("name", PAIRS)
@settings(max_examples=15, deadline=None)
@given(st.sampled_from([2, 3, 8, 31, 32, 100]), st.integers(1, 3), st.integers(0, 99))
def test_norm_equals_that_of_automatic_differentiation(name, width, n_networks, seed):
    torch.manual_seed(seed)
    loss, norm = PAIRS[name]
    output, target = draw(name, width, n_networks)
    output.requires_grad_()
    (gradient,) = torch.autograd.grad(loss(output, target).sum(), output)
    result = norm(output, target)
    torch.testing.assert_close(result, gradient.norm(dim=-1), rtol=1e-5, atol=1e-6)
    assert not result.requires_grad


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("width", [4, 50])
def test_targets_may_be_chosen_per_network(name, width):
    torch.manual_seed(0)
    output, target = draw(name, width)
    rows = torch.stack([torch.randperm(30)[:9] for _ in range(2)])
    chosen = torch.stack([output[k, rows[k]] for k in range(2)])
    for function in PAIRS[name]:
        expected = torch.stack([function(output, target)[k, rows[k]] for k in range(2)])
        torch.testing.assert_close(function(chosen, target[rows]), expected)


def test_losses_equal_those_of_torch():
    torch.manual_seed(0)
    output, target = draw("Huber", 3)
    target = target.expand(2, -1, -1)
    for own, torchs in [
        (huber(output, target, 0.7), F.huber_loss(output, target, reduction="none", delta=0.7)),
        (absolute_error(output, target), F.l1_loss(output, target, reduction="none")),
    ]:
        torch.testing.assert_close(own, torchs.sum(-1))
    for n_classes in (5, 100):
        logits, labels = draw("cross-entropy", n_classes)
        expected = -logits.log_softmax(-1)[:, torch.arange(30), labels]
        torch.testing.assert_close(crossentropy(logits, labels), expected)


@pytest.mark.parametrize("hard", [True, False])
def test_bootstrap_is_the_cross_entropy_with_a_mixed_target(hard):
    torch.manual_seed(0)
    logits, labels = draw("cross-entropy", 5)
    probability = logits.softmax(-1)
    own = F.one_hot(logits.argmax(-1), 5).float() if hard else probability
    target = 0.7 * F.one_hot(labels, 5) + 0.3 * own
    expected = F.cross_entropy(logits.transpose(1, 2), target.transpose(1, 2), reduction="none")
    torch.testing.assert_close(bootstrap(logits, labels, 0.7, hard), expected)
    torch.testing.assert_close(bootstrap(logits, labels, 1.0, hard), crossentropy(logits, labels))


def test_lemma_5_orders_the_two_vectors_against_the_loss():
    """True class 2 of 10: the gradient norm drops beta first, the loss alpha."""
    alpha = torch.tensor([0.08, 0.28, *[0.08] * 8])
    beta = torch.tensor([0.1, 0.3, 0.34, 0.05, 0.05, 0.1, 0.03, 0.03, 1e-12, 1e-12])
    logits, labels = torch.stack([alpha, beta]).log()[None], torch.tensor([1, 1])
    norms, losses = crossentropy_gradient_norm(logits, labels)[0], crossentropy(logits, labels)[0]
    torch.testing.assert_close(norms.square(), torch.tensor([0.5760, 0.6324]), rtol=1e-4, atol=0)
    torch.testing.assert_close(losses, torch.tensor([1.2730, 1.2040]), rtol=1e-3, atol=0)
    assert norms[0] < norms[1] and losses[0] > losses[1]


@pytest.mark.parametrize("name", ["squared error", "two classes"])
def test_where_the_thesis_says_so_the_ranking_is_that_of_the_loss(name):
    torch.manual_seed(0)
    if name == "two classes":
        logits, labels = torch.randn(1, 50, 2), torch.randint(2, (50,))
        norm, loss = crossentropy_gradient_norm(logits, labels), crossentropy(logits, labels)
        torch.testing.assert_close(norm, 2**0.5 * (1 - (-loss).exp()))
    else:
        output, target = draw("squared error", 4)
        norm, loss = squared_gradient_norm(output, target), squared_error(output, target)
    assert torch.equal(norm.argsort(), loss.argsort())


def test_a_gradient_of_the_loss_layer_does_not_see_the_size_of_the_inputs():
    """Section 3.3's linear model: the gradient of the weights is that of the output times x."""
    torch.manual_seed(0)
    x = torch.randn(20, 5) * torch.linspace(0.1, 30, 20).unsqueeze(1)
    y, weights = torch.randn(20, 1), torch.randn(5, 1, requires_grad=True)
    bias = torch.zeros(1, requires_grad=True)
    output = x @ weights + bias
    norms = squared_gradient_norm(output, y)
    for i in range(20):
        loss = squared_error(output[i : i + 1], y[i : i + 1]).sum()
        grads = torch.autograd.grad(loss, [weights, bias], retain_graph=True)
        full = sum(g.square().sum() for g in grads)
        torch.testing.assert_close(full, norms[i].square() * (x[i].square().sum() + 1))


def test_a_large_loss_may_have_a_small_gradient():
    """The thesis's example: loss and gradient norm order two points against each other."""
    points = torch.tensor([[1000.0, 1.0], [495.0, -49.5]], requires_grad=True)
    losses = 0.5 * points[:, 0].square() + 50 * points[:, 1].square()
    norms = torch.autograd.grad(losses.sum(), points)[0].norm(dim=1)
    torch.testing.assert_close(
        losses.detach(), torch.tensor([500_050.0, 245_025.0]), rtol=1e-3, atol=0
    )
    torch.testing.assert_close(norms, torch.tensor([1005.0, 4975.0]), rtol=1e-3, atol=0)


@pytest.mark.parametrize("delta", [0.0, 1.0])
@pytest.mark.parametrize("width", [1, 3])
def test_saturated_rows_are_ordered_by_their_error(delta, width):
    torch.manual_seed(0)
    output, target = 3 * torch.randn(1, 40, width), torch.zeros(40, width)
    norm = (
        huber_gradient_norm(output, target, delta)
        if delta
        else absolute_gradient_norm(output, target)
    )
    score = norm + error_beyond(output, target, delta)
    errors = output.abs()[0]
    saturated = (errors > delta).all(dim=1)
    assert saturated.sum() > 3 and len(score.unique()) == 40
    assert torch.equal(score[0, ~saturated], norm[0, ~saturated])
    order = score[0].argsort()
    slow = sorted(
        range(40),
        key=lambda i: (
            bool(saturated[i]),
            float(norm[0, i].round(decimals=4)),
            float(errors[i].sum()),
        ),
    )
    assert order.tolist() == slow


def test_confident_rows_keep_an_order():
    """Written as 1 - 2 p + sum of squares, the norm of well fitted rows would be 0 or rounding."""
    logits = torch.tensor(
        [[[0.0, 12.0, 0.0], [0.0, 14.0, 0.0], [0.0, 16.0, 0.0], [0.0, 25.0, 0.0]]]
    )
    norm = crossentropy_gradient_norm(logits, torch.ones(4, dtype=torch.long))[0]
    assert (norm.diff() < 0).all() and norm[-1] > 0
