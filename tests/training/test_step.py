"""The step against Algorithm 1 written out, and each of its parts switched off once."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from skrobust.networks import Autoencoder, NetworkEnsemble
from skrobust.selection import (
    DropSchedule,
    Progress,
    ScoreMemory,
    Selection,
    Trim,
    keep_count,
    keep_lowest,
    keep_single_lowest,
    squared_error,
)
from skrobust.training import ByRowGradients, ScoredApart, SharedPass, StepState, TrainingRecord


def state_for(step, module, n_rows, memory=None):
    return StepState(
        Progress(0, 1, 0, 1),
        TrainingRecord(module.n_networks, n_rows),
        np.random.default_rng(0),
        step.selector,
        memory,
    )


def trimming(rate, step=SharedPass, **settings):
    """Regression on the rows of lowest loss, or score."""
    selector = Trim(DropSchedule(rate))
    return step(**{"loss": row_sum_error, "selector": selector, **settings})


def run(step, module, x, y, state, row_ids=None):
    """One step on rows that the networks share."""
    ids = torch.arange(len(x)) if row_ids is None else row_ids
    return step(module, x.expand(module.n_networks, *x.shape), y, ids, state)


def row_sum_error(output, y):
    """Loss of a regression with one output."""
    return (output.squeeze(-1) - y).square()


def algorithm_1(networks, optimisers, x, rate):
    """One step of Algorithm 1 (two networks, dropout off), one line per line of the thesis."""
    n_kept = keep_count(len(x), rate)
    with torch.no_grad():
        errors = [(net(x[None])[0] - x).square().sum(1) for net in networks]
    chosen = [error.argsort()[:n_kept] for error in errors]
    for net, optimiser, rows in zip(networks, optimisers, reversed(chosen), strict=True):
        optimiser.zero_grad()
        loss = (net(x[None, rows])[0] - x[rows]).square().sum(1).mean()
        loss.backward()
        optimiser.step()
    return chosen


def test_stacked_step_equals_algorithm_1_on_separate_networks():
    torch.manual_seed(0)
    stacked = Autoencoder(5, n_networks=2, hidden_layer_sizes=(8, 6), latent_dim=2, dropout=0.0)
    separate = [
        Autoencoder(5, hidden_layer_sizes=(8, 6), latent_dim=2, dropout=0.0) for _ in range(2)
    ]
    for k, net in enumerate(separate):
        for own, all_networks in zip(net.parameters(), stacked.parameters(), strict=True):
            own.data = all_networks.data[k : k + 1].clone()
    joint = torch.optim.Adam(stacked.parameters(), lr=1e-2)
    own = [torch.optim.Adam(net.parameters(), lr=1e-2) for net in separate]
    settings = {"loss": squared_error, "reconstructs": True, "exchange": True}
    step = trimming(0.3, ScoredApart, **settings)
    state, disagreements = state_for(step, stacked, 32), 0
    for _ in range(25):
        x = torch.rand(32, 5)
        joint.zero_grad()
        run(step, stacked, x, torch.arange(32), state).backward()
        joint.step()
        first, second = algorithm_1(separate, own, x, 0.3)
        disagreements += set(first.tolist()) != set(second.tolist())
    assert disagreements > 10  # otherwise the exchange would not be tested
    for k, net in enumerate(separate):
        for a, b in zip(net.parameters(), stacked.parameters(), strict=True):
            torch.testing.assert_close(a.data[0], b.data[k], rtol=1e-5, atol=1e-5)


def gradients(step, module, x, y):
    module.zero_grad()
    run(step, module, x, y, state_for(step, module, len(x))).backward()
    return [p.grad.clone() for p in module.parameters()]


@pytest.fixture
def regression():
    torch.manual_seed(0)
    module = NetworkEnsemble(nn.Linear, n_networks=2, in_features=3, out_features=1)
    x = torch.randn(20, 3)
    return module, x, x.sum(1)


def differ(a, b):
    return any(not torch.allclose(p, q) for p, q in zip(a, b, strict=True))


def test_shared_forward_equals_scoring_apart_without_dropout(regression):
    shared = trimming(0.4, exchange=True)
    for training in (False, True):
        apart = trimming(0.4, ScoredApart, exchange=True, training=training)
        pairs = zip(gradients(shared, *regression), gradients(apart, *regression), strict=True)
        for a, b in pairs:
            torch.testing.assert_close(a, b)


def test_rate_zero_is_plain_training_to_the_bit(regression):
    module, x, y = regression
    robust = gradients(trimming(0.0), *regression)
    module.zero_grad()
    row_sum_error(module(x.expand(2, 20, 3)), y).mean(dim=1).sum().backward()
    assert all(torch.equal(a, p.grad) for a, p in zip(robust, module.parameters(), strict=True))


def test_each_part_changes_the_update(regression):
    plain = gradients(trimming(0.0), *regression)
    trimmed = gradients(trimming(0.4), *regression)
    swapped = gradients(trimming(0.4, exchange=True), *regression)
    lowest = Trim(DropSchedule(0.4), rule=keep_single_lowest)
    single = gradients(trimming(0.4, selector=lowest), *regression)
    assert differ(plain, trimmed)
    assert differ(trimmed, swapped)
    assert differ(trimmed, single)


def test_score_without_gradient_ranks_instead_of_the_loss(regression):
    module, x, y = regression
    step = trimming(0.5, score=lambda output, y: -row_sum_error(output, y))
    state = state_for(step, module, 20)
    run(step, module, x, y, state)
    losses, kept = -state.record.scores, state.record.kept
    for row in losses:
        assert (kept[row.topk(10).indices] > 0).all()
    assert kept.sum() == 10


def test_targets_follow_their_rows_through_the_exchange(regression):
    """With targets that the inputs determine exactly, mixing up rows would show in the loss."""
    module, x, _ = regression
    with torch.no_grad():
        for network in module.networks:
            network.weight.fill_(1.0)
            network.bias.zero_()
        for kind in (SharedPass, ScoredApart):
            step = trimming(0.3, kind, exchange=True)
            loss = run(step, module, x, x.sum(1), state_for(step, module, 20))
            assert loss.item() == pytest.approx(0, abs=1e-10)


def test_per_group_drops_within_each_class_too():
    module = NetworkEnsemble(nn.Linear, in_features=2, out_features=2)

    def loss(output, y):
        return torch.arange(10.0).expand(1, 10)  # group 1 has all the high losses

    y = (torch.arange(10) >= 5).long()

    def kept(schedule):
        step = trimming(0.4, loss=loss, selector=Trim(schedule, per_group=True))
        state = state_for(step, module, 10)
        run(step, module, torch.zeros(10, 2), y, state)
        return state.record.kept.tolist()

    assert kept(DropSchedule(0.4)) == [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    assert kept(DropSchedule(0.4, warmup=3)) == [1] * 10
    # a margin makes it .45 of the batch, and leaves .2 of a class
    assert kept(DropSchedule(0.2, margin=2.0)) == [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]


def test_memory_outvotes_the_batch(regression):
    module, x, y = regression
    memory = ScoreMemory(2, 20, mode="sum")
    memory.update(torch.arange(20), torch.arange(20.0).expand(2, 20) * 1e6)
    step = trimming(0.5, memory="sum")
    state = state_for(step, module, 20, memory)
    run(step, module, x, y, state)
    assert state.record.kept.tolist() == [1.0] * 10 + [0.0] * 10


def test_score_limit_drops_what_the_batches_before_make_improbable():
    """Written out: the threshold is the quantile of the last rows' scores, two deviations lower."""
    module = NetworkEnsemble(partial(nn.Linear, 2, 1), n_networks=1)
    rng = np.random.default_rng(0)
    step = trimming(0.3, selector=Trim(DropSchedule(0.3), score_limit=2.0, n_recent=30))
    state, seen, stricter = state_for(step, module, 10), [], 0
    for bad in (0, 6, 3, 0, 5, 10):
        y = torch.from_numpy(rng.normal(size=10)).float()
        y[:bad] += 100
        x = torch.zeros(10, 2)
        run(step, module, x, y, state)
        with torch.no_grad():
            scores = row_sum_error(module(x[None]), y)[0]
        seen = [*seen, scores][-3:]
        together = torch.cat(seen).sort().values
        rate = 0.3 + 2 * (0.3 * 0.7 / len(together)) ** 0.5
        limit = 2 * together[keep_count(len(together), rate) - 1]
        lowest = keep_lowest(scores[None], 0.3).mask(10)[0]
        kept = lowest & (scores <= max(limit, scores.min()))
        assert torch.equal(state.record.kept.bool(), kept)
        stricter += not torch.equal(kept, lowest)
    assert stricter >= 2


@pytest.mark.parametrize("limit", [None, 2.0])
def test_held_out_rows_beyond_the_limit_do_not_count(limit):
    """Three gross errors where two are expected; squared errors, ranked by their roots."""
    errors = torch.tensor([[3.0, 1.0, 90.0, 2.0, 1.0, 80.0, 2.0, 1.0, 70.0, 1.5]])

    step = trimming(
        0.2,
        loss=lambda output, y: output**2,
        score=lambda output, y: output.abs(),
        selector=Trim(DropSchedule(0.2), score_limit=limit),
    )
    found = step.held_out_loss(errors, errors, torch.zeros(10))
    # two deviations make .45: the threshold is the sixth lowest, 2; its double lets 3 pass
    kept = errors[errors < (50 if limit else 75)]
    assert found.item() == pytest.approx(kept.square().mean().item())


def test_perturbation_changes_the_inputs_of_the_update_only(regression):
    module, x, y = regression
    seen = {}

    def push(module, inputs, y, row_ids, state):
        rate = DropSchedule(0.4).drop_rate(state.progress, len(row_ids))
        seen["kept"] = keep_lowest(row_sum_error(module(inputs), y), rate).rows.shape[1]
        return inputs + 1.0

    for kind in (SharedPass, ScoredApart, ByRowGradients):
        plain, perturbed = trimming(0.0, kind), trimming(0.0, kind, perturb=(push,))
        for a, b in zip(
            gradients(perturbed, module, x, y), gradients(plain, module, x + 1, y), strict=True
        ):
            torch.testing.assert_close(a, b)
        twice = trimming(0.0, kind, perturb=(push, push))
        for a, b in zip(
            gradients(twice, module, x, y), gradients(plain, module, x + 2, y), strict=True
        ):
            torch.testing.assert_close(a, b)
    assert seen["kept"] == 12


def test_record_takes_scores_and_each_networks_own_selection(regression):
    module, x, y = regression
    step = trimming(0.5, exchange=True)
    state = state_for(step, module, 30)
    rows = torch.arange(5, 25)
    run(step, module, x, y, state, rows)
    record = state.record
    assert record.kept[:5].isnan().all()
    assert record.kept[rows].sum() == 10
    losses = row_sum_error(module(x.expand(2, 20, 3)), y)
    torch.testing.assert_close(record.scores[:, rows], losses.detach())
    own = [set(row.argsort()[:10].tolist()) for row in losses]
    both = {i for i in range(20) if record.kept[5 + i] == 1}
    assert both == own[0] & own[1]


def test_record_joins_batches_of_several_sizes_and_kinds():
    record = TrainingRecord(2, 9)
    first, second, third = torch.tensor([8, 0, 3]), torch.tensor([5, 1]), torch.tensor([2])
    record.add(first, torch.tensor([[1.0, 2, 3], [4, 5, 6]]), Selection(torch.tensor([[0], [2]])))
    weights = torch.tensor([[1.0, 0], [1, 0.5]])
    chosen = Selection(torch.tensor([[0, 1], [1, 0]]), weights)
    record.add(second, torch.tensor([[7.0, 8], [9, 10]]), chosen)
    record.add(third, torch.tensor([[11.0], [12]]), Selection(torch.zeros(2, 1, dtype=torch.long)))
    nan = float("nan")
    expected = torch.tensor([0.0, 0.5, 1, 0.5, nan, 1, nan, nan, 0.5])
    torch.testing.assert_close(record.kept, expected, equal_nan=True)
    assert record.scores[:, [8, 0, 3, 5, 1, 2]].tolist() == [
        [1, 2, 3, 7, 8, 11],
        [4, 5, 6, 9, 10, 12],
    ]
    assert record.scores[:, [4, 6, 7]].isnan().all()
    record.end_epoch()
    record.add(third, torch.tensor([[13.0], [14]]), Selection(torch.zeros(2, 1, dtype=torch.long)))
    assert record.kept.isnan().tolist() == [i != 2 for i in range(9)]  # of this epoch alone
    assert record.scores[0, 8] == 1 and record.scores[:, 2].tolist() == [13, 14]


def test_keep_frequency_counts_the_epochs_after_warmup():
    def epoch(record, kept, counts, rows=(0, 1, 2)):
        weights = torch.tensor([kept])
        selection = Selection(torch.arange(len(kept))[None], weights, counts)
        record.add(torch.tensor(rows), torch.zeros_like(weights), selection)
        record.end_epoch()

    record = TrainingRecord(1, 3)
    for kept, warm in [([0.0, 0, 0], False), ([1.0, 0, 1], True), ([1.0, 0, 0], True)]:
        epoch(record, kept, warm)
    assert record.keep_frequency.tolist() == [1.0, 0.0, 0.5]
    epoch(record, [1.0, 1], True, rows=(1, 2))  # does not count for the row that it leaves out
    assert record.keep_frequency.tolist() == pytest.approx([1.0, 1 / 3, 2 / 3])
    cold = TrainingRecord(1, 3)
    epoch(cold, [1.0, 0, 1], False)
    assert cold.keep_frequency.tolist() == [1.0, 0.0, 1.0]


def test_a_score_may_need_the_graph_of_the_shared_forward_pass(regression):
    """What PRL(G) needs: gradients per row, while the update's own graph stays whole."""

    def gradient_norm(output, y):
        (gradient,) = torch.autograd.grad(row_sum_error(output, y).sum(), output, retain_graph=True)
        return gradient.norm(dim=-1)

    by_norm = trimming(0.4, score=gradient_norm)
    by_loss = trimming(0.4)  # the same ranking
    pairs = zip(gradients(by_norm, *regression), gradients(by_loss, *regression), strict=True)
    for a, b in pairs:
        torch.testing.assert_close(a, b)


def test_start_loss_trains_the_first_share_of_the_steps_and_scores_stay(regression):
    module, x, y = regression

    def start_loss(output, y):
        return 7.0 * row_sum_error(output, y)

    plain = trimming(0.4)
    for kind in (SharedPass, partial(ScoredApart, training=True)):
        step = trimming(0.4, kind, start=0.3, start_loss=start_loss)
        for position, factor in [(0, 7.0), (2, 7.0), (3, 1.0), (9, 1.0)]:
            state, expected = state_for(step, module, 20), state_for(plain, module, 20)
            state.progress = Progress(0, 1, position, 10)
            loss = run(step, module, x, y, state)
            torch.testing.assert_close(loss, factor * run(plain, module, x, y, expected))
            torch.testing.assert_close(state.record.scores, expected.record.scores)
