"""Exchange, memory and scores against slow references."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from skrobust.selection import (
    ScoreMemory,
    ScoreWindow,
    Selection,
    binary_crossentropy,
    derangement,
    exchange,
    gaussian_divergence,
    squared_error,
)


@given(st.integers(2, 9), st.integers(0, 2**31))
def test_derangement_leaves_nobody_their_own(n_networks, seed):
    permutation = derangement(n_networks, np.random.default_rng(seed))
    assert sorted(permutation) == list(range(n_networks))
    assert not np.any(permutation == np.arange(n_networks))


def test_derangement_draws_all_of_them_equally_often():
    rng = np.random.default_rng(0)
    counts = np.unique([derangement(4, rng) for _ in range(9000)], axis=0, return_counts=True)[1]
    assert len(counts) == 9
    assert counts.min() > 850
    assert counts.max() < 1150


def test_one_network_keeps_its_own():
    assert derangement(1, np.random.default_rng(0)).tolist() == [0]


def test_exchange_hands_over_rows_and_weights():
    rows = torch.tensor([[0, 1], [2, 3], [4, 5]])
    selection = Selection(rows, torch.eye(3)[:, :2], counts=False)
    given_rows, weights, counts = exchange(selection, np.array([1, 2, 0]))
    assert counts is False
    assert given_rows.tolist() == [[2, 3], [4, 5], [0, 1]]
    assert torch.equal(weights, torch.eye(3)[[1, 2, 0], :2])


@pytest.mark.parametrize("mode", ["sum", "average"])
def test_memory_equals_lists_of_all_scores(mode):
    rng = np.random.RandomState(0)
    memory, seen = ScoreMemory(2, 7, mode=mode, decay=0.8), {}
    for _ in range(20):
        rows, scores = rng.permutation(7)[:3], rng.rand(2, 3).astype(np.float32)
        known = memory.update(torch.tensor(rows), torch.tensor(scores))
        for j, row in enumerate(rows):
            past = seen.setdefault(row, [])
            past.append(scores[:, j])
            weights = 0.8 ** np.arange(len(past))[::-1]
            expected = {
                "sum": np.sum(past, axis=0),
                "average": np.average(past, axis=0, weights=weights),
            }[mode]
            np.testing.assert_allclose(known[:, j], expected, rtol=1e-5)
    assert not memory.values.isnan().any()
    means = memory.means(4)
    np.testing.assert_allclose(means, memory.values / (4 if mode == "sum" else 1))


def test_memory_refuses_an_unknown_mode():
    with pytest.raises(ValueError, match="mode must be 'sum' or 'average', got 'mean'"):
        ScoreMemory(1, 1, mode="mean")


def test_window_holds_as_few_batches_as_have_enough_rows():
    window = ScoreWindow(6)
    batches = [torch.full((2, size), float(i)) for i, size in enumerate([4, 4, 2, 4, 1, 9])]
    held = [window.add(batch)[0].unique().tolist() for batch in batches]
    assert held == [[0], [0, 1], [1, 2], [2, 3], [2, 3, 4], [5]]
    assert window.add(batches[0]).shape == (2, 13)


def test_scores_sum_over_the_features():
    torch.manual_seed(0)
    output, x = torch.randn(2, 5, 3), torch.rand(2, 5, 3)
    expected = F.mse_loss(output, x, reduction="none").mean(-1) * 3
    torch.testing.assert_close(squared_error(output, x), expected)
    p = torch.sigmoid(output)
    bce = -(x * p.log() + (1 - x) * (1 - p).log()).sum(-1)
    entropy = -(x * x.log() + (1 - x) * (1 - x).log()).sum(-1)
    torch.testing.assert_close(binary_crossentropy(output, x), bce - entropy)


def test_crossentropy_is_zero_for_what_is_met_and_grows_outside_the_unit_interval():
    x = torch.tensor([[0.0], [0.2], [0.5], [1.0]])
    met = binary_crossentropy(torch.logit(x, eps=1e-7), x)
    torch.testing.assert_close(met, torch.zeros(4), atol=1e-5, rtol=0)
    logits = torch.full((3, 1), 50.0)
    far = binary_crossentropy(logits, torch.tensor([[1.0], [9.0], [-3.0]]))
    torch.testing.assert_close(far, torch.tensor([0.0, 64.0, 59.0]))


def test_gaussian_divergence_equals_torch():
    torch.manual_seed(0)
    mean, log_variance = torch.randn(4, 3), torch.randn(4, 3)
    normal = torch.distributions.Normal
    expected = torch.distributions.kl_divergence(
        normal(mean, (0.5 * log_variance).exp()), normal(0.0, 1.0)
    )
    torch.testing.assert_close(gaussian_divergence(mean, log_variance), expected.sum(-1))
