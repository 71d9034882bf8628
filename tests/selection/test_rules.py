"""Rules keep the right rows, exactly as many as they should."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skrobust.selection import (
    Selection,
    drop_above,
    keep_all,
    keep_both,
    keep_count,
    keep_disagreement,
    keep_lowest,
    keep_lowest_per_group,
    keep_single_lowest,
)

rates = st.floats(0, 0.99)


@st.composite
def score_batches(draw, distinct=False):
    shape = draw(st.integers(1, 4)), draw(st.integers(1, 60))
    seed = draw(st.integers(0, 2**31))
    rng = np.random.RandomState(seed)
    if distinct:
        values = np.stack([rng.permutation(shape[1]) for _ in range(shape[0])])
    else:
        values = rng.randint(0, 5, size=shape)  # many ties
    return torch.tensor(values, dtype=torch.float32)


@pytest.mark.parametrize(
    ("n_rows", "rate", "expected"),
    [
        *[(128, r, k) for r, k in [(0.05, 121), (0.1, 115), (0.15, 108), (0.25, 96)]],
        *[(128, r, k) for r, k in [(0.35, 83), (0.45, 70)]],
        *[(512, r, k) for r, k in [(0.1, 460), (0.4, 307)]],
        (10, 0.9, 1),  # (1 - 0.9) * 10 is 0.9999999999999998
        (1, 0.5, 1),
        (7, 0.0, 7),
    ],
)
def test_keep_count_reference_values(n_rows, rate, expected):
    assert keep_count(n_rows, rate) == expected


@given(st.integers(1, 2000), rates)
def test_keep_count_rounds_the_dropped_up(n_rows, rate):
    n_dropped = n_rows - keep_count(n_rows, rate)
    assert n_dropped == min(n_rows - 1, math.ceil(rate * n_rows - 1e-9))


@given(score_batches(), rates)
def test_keep_lowest_keeps_the_exact_number_of_lowest(scores, rate):
    selection = keep_lowest(scores, rate)
    mask = selection.mask(scores.shape[1])
    assert selection.rows.shape == (len(scores), keep_count(scores.shape[1], rate))
    for row, kept in zip(scores, mask, strict=True):
        assert kept.sum() == selection.rows.shape[1]
        if not kept.all():
            assert row[kept].max() <= row[~kept].min()


@given(score_batches())
def test_ties_are_kept_in_batch_order(scores):
    selection = keep_lowest(scores, 0.5)
    for row, kept in zip(scores.numpy(), selection.rows.numpy(), strict=True):
        expected = sorted(range(len(row)), key=lambda i: (row[i], i))[: len(kept)]
        assert kept.tolist() == expected


@given(score_batches(distinct=True), rates, st.integers(0, 2**31))
def test_keep_lowest_is_permutation_equivariant(scores, rate, seed):
    order = torch.randperm(scores.shape[1], generator=torch.Generator().manual_seed(seed))
    mask = keep_lowest(scores, rate).mask(scores.shape[1])
    shuffled = keep_lowest(scores[:, order], rate).mask(scores.shape[1])
    assert torch.equal(mask[:, order], shuffled)


def test_nan_and_infinity_are_dropped_first():
    scores = torch.tensor([[math.nan, 3.0, math.inf, 1.0, math.nan]])
    assert keep_lowest(scores, 0.4).rows.tolist() == [[3, 1, 2]]
    assert keep_lowest(torch.full((1, 3), math.nan), 0.9).rows.shape == (1, 1)


@settings(max_examples=50)
@given(score_batches(), rates, st.integers(0, 2**31), st.integers(1, 4))
def test_per_group_equals_a_loop_over_the_groups(scores, rate, seed, n_groups):
    groups = torch.tensor(np.random.RandomState(seed).randint(n_groups, size=scores.shape[1]))
    mask = keep_lowest_per_group(scores, rate, groups).mask(scores.shape[1])
    for group in groups.unique():
        members = (groups == group).nonzero().squeeze(1)
        expected = keep_lowest(scores[:, members], rate).mask(len(members))
        assert torch.equal(mask[:, members], expected)


def test_all_single_and_disagreement():
    scores = torch.tensor([[3.0, 1.0, 2.0], [0.0, 5.0, 1.0]])
    assert keep_all(scores, 0.9).mask(3).all()
    assert keep_single_lowest(scores).rows.tolist() == [[1], [0]]
    predictions = torch.tensor([[0, 1, 2], [0, 2, 2]])
    assert keep_disagreement(predictions).mask(3).tolist() == [[False, True, False]] * 2


def test_drop_above_leaves_each_network_its_lowest():
    scores = torch.tensor([[3.0, 1.0, 2.0, 2.0], [5.0, 6.0, 7.0, torch.inf]])
    limit = torch.tensor([[2.0], [1.0]])
    kept = drop_above(keep_lowest(scores, 0.0), scores, limit)
    assert kept.mask(4).tolist() == [[False, True, True, True], [True, False, False, False]]
    fewer = drop_above(keep_lowest(scores, 0.5), scores, limit)
    assert fewer.mask(4).tolist() == [[False, True, True, False], [True, False, False, False]]
    groups = keep_lowest_per_group(scores, 0.5, torch.tensor([0, 0, 1, 1]))
    both = drop_above(groups, scores, limit)
    assert both.mask(4).tolist() == [[False, True, True, False], [True, False, False, False]]


def test_weighted_mean_divides_by_the_kept_rows():
    losses = torch.tensor([[1.0, 2.0, 6.0]])
    rows = torch.arange(3).expand(1, 3)
    assert Selection(rows).weighted_mean(losses).item() == 3.0
    assert Selection(rows, torch.tensor([[1.0, 1.0, 0.0]])).weighted_mean(losses).item() == 1.5
    assert Selection(rows, torch.zeros(1, 3)).weighted_mean(losses).item() == 0.0


def test_the_loss_of_a_dropped_row_may_be_infinite():
    losses = torch.tensor([[1.0, torch.inf, 3.0]], requires_grad=True)
    mean = Selection(torch.arange(3)[None], torch.tensor([[1.0, 0.0, 1.0]])).weighted_mean(losses)
    mean.sum().backward()
    assert mean.item() == 2.0 and losses.grad.tolist() == [[0.5, 0.0, 0.5]]


def test_keep_both_keeps_what_two_selections_keep():
    first = Selection(torch.tensor([[3, 1, 0], [0, 1, 2]]), torch.tensor([[2.0, 0, 1], [1, 1, 3]]))
    second = Selection(torch.tensor([[0, 3], [2, 1]]))
    both = keep_both(first, second, 4)
    assert both.rows.tolist() == first.rows.tolist()
    assert both.weights.tolist() == [[2, 0, 1], [0, 1, 3]]
    assert keep_both(second, first, 4).weights.tolist() == [[1, 1], [1, 1]]


def test_rate_zero_keeps_batch_order():
    scores = torch.tensor([[3.0, 1.0, 2.0]])
    assert keep_lowest(scores, 0.0).rows.tolist() == [[0, 1, 2]]


def test_mean_weights_make_the_weighted_mean_a_sum():
    """Does not survive weights as they come: each network's must sum to 1, or to 0."""
    losses = torch.tensor([[1.0, 2.0, 6.0, 9.0], [1.0, 2.0, 6.0, 9.0], [1.0, 2.0, 6.0, 9.0]])
    rows = torch.tensor([[2, 0, 1], [3, 1, 0], [0, 1, 2]])
    weights = torch.tensor([[1.0, 1.0, 0.0], [0.5, 3.0, 1.5], [0.0, 0.0, 0.0]])
    for selection in (Selection(rows), Selection(rows, weights)):
        found = selection.mean_weights(4)
        expected = selection.weighted_mean(losses.gather(1, rows))
        torch.testing.assert_close((found * losses).sum(dim=1), expected)
        assert not found[~selection.mask(4)].any()
    assert found.sum(dim=1).tolist() == pytest.approx([1, 1, 0])
