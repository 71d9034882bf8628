"""The inner maximisation: its size, its direction, and what it leaves alone."""

import copy
import math
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from skrobust.backdoor import InputPerturbation
from skrobust.networks import NetworkEnsemble, StackedMLP
from skrobust.selection import DropSchedule, Progress, Trim, crossentropy
from skrobust.training import SharedPass, StepState, TrainingRecord

LIMIT = 0.05


@pytest.fixture
def batch():
    torch.manual_seed(0)
    module = StackedMLP([6, 16, 3], n_networks=2)
    return module, torch.rand(40, 6).expand(2, -1, -1), torch.arange(40) % 3


def all_rows(**settings):
    return SharedPass(loss=crossentropy, selector=Trim(DropSchedule(0.0)), **settings)


def state_for(n_rows, n_networks=2, step=None):
    record = TrainingRecord(n_networks, n_rows)
    selector = None if step is None else step.selector
    return StepState(Progress(1, 2, 1, 2), record, np.random.default_rng(0), selector)


def moved(batch, **settings):
    module, x, y = batch
    attack = InputPerturbation(crossentropy, LIMIT, **settings)
    return attack(module, x, y, torch.arange(len(y)), state_for(len(y)))


def test_each_row_moves_by_the_limit_wherever_it_is_not_clipped(batch):
    module, x, y = batch
    new = moved(batch)
    change = new - x
    inside = (x > LIMIT) & (x < 1 - LIMIT)
    torch.testing.assert_close(change[inside].abs(), torch.full_like(change[inside], LIMIT))
    assert new.min() >= 0 and new.max() <= 1
    assert (crossentropy(module(new), y) > crossentropy(module(x), y)).float().mean() > 0.95
    assert not new.requires_grad


def test_direction_is_that_of_finite_differences(batch):
    module, x, y = batch
    module, x = module.double(), x.double()
    change = (moved((module, x, y)) - x).sign()
    h = 1e-5
    for j in range(x.shape[2]):
        step = torch.zeros(x.shape[2]).double()
        step[j] = h
        slope = crossentropy(module(x + step), y) - crossentropy(module(x - step), y)
        clear = (slope.abs() > 1e-9) & (x[..., j] > LIMIT) & (x[..., j] < 1 - LIMIT)
        assert torch.equal(change[..., j][clear], slope.sign()[clear])


@pytest.mark.parametrize("form", ["shared-sign", "shared-mean"])
def test_shared_forms_move_all_rows_alike(batch, form):
    module, x, y = batch
    wide = {"low": -1.0, "high": 2.0}
    change = moved(batch, form=form, **wide) - x
    torch.testing.assert_close(change, change[:, :1].expand_as(change), atol=1e-6, rtol=0)
    assert change.abs().max() <= LIMIT + 1e-6
    gradient = torch.autograd.grad(
        crossentropy(module(leaf := x.clone().requires_grad_()), y).sum(), leaf
    )[0]
    if form == "shared-sign":
        expected = LIMIT * gradient.sum(dim=1).sign()
    else:
        expected = LIMIT * gradient.sign().mean(dim=1)
    torch.testing.assert_close(change[:, 0], expected, atol=1e-6, rtol=0)


def test_the_printed_equation_nearly_vanishes_where_rows_disagree():
    """Incoherent signs: tau sqrt(2 / (pi m)), 0.0035 for 128 rows and a limit of 0.05."""
    torch.manual_seed(0)
    x = torch.rand(1, 128, 400)

    def random_loss(output, y):
        return (output * torch.randn_like(output)).sum(dim=2)

    attack = InputPerturbation(random_loss, LIMIT, form="shared-mean", low=-1.0, high=2.0)
    change = attack(nn.Identity(), x, torch.zeros(128), torch.arange(128), state_for(128, 1)) - x
    assert change[0, 0].abs().mean().item() == pytest.approx(
        LIMIT * math.sqrt(2 / (math.pi * 128)), rel=0.1
    )


def test_rows_of_high_score_are_left_alone(batch):
    module, x, y = batch
    rows = (moved(batch, schedule=DropSchedule(0.3)) != x).any(dim=2)
    losses = crossentropy(module(x), y)
    assert rows.sum(dim=1).tolist() == [28, 28]
    for k in range(2):
        assert losses[k][rows[k]].max() < losses[k][~rows[k]].min()
    by_index = moved(
        batch,
        schedule=DropSchedule(0.5),
        row_score=lambda output, y: torch.arange(40.0).expand(2, -1),
    )
    assert (by_index != x).any(dim=2)[0].tolist() == [True] * 20 + [False] * 20


def test_features_that_may_not_move_do_not(batch):
    movable = torch.tensor([True, False, True, True, False, True])
    new, x = moved(batch, movable=movable), batch[1]
    assert torch.equal(new[..., ~movable], x[..., ~movable])
    assert (new[..., movable] != x[..., movable]).float().mean() > 0.9


def test_range_per_feature(batch):
    low, high = torch.linspace(0.3, 0.4, 6), torch.linspace(0.5, 0.6, 6)
    module, x, y = batch
    inner = (low + (high - low) * x).contiguous()
    new = moved((module, inner, y), low=low, high=high)
    assert (new >= low).all() and (new <= high).all()
    assert (new != inner).float().mean() > 0.9


def test_rows_outside_the_range_move_towards_it_only(batch):
    _module, x, _y = batch
    new = moved(batch, low=0.4, high=0.6)
    below, above = x < 0.4, x > 0.6
    assert (new[below] >= x[below]).all() and (new[below] <= 0.6).all()
    assert (new[above] <= x[above]).all() and (new[above] >= 0.4).all()
    stays = new == x
    assert 0.2 < stays[below | above].float().mean() < 0.8  # pushed outwards, or moved by the limit
    torch.testing.assert_close(
        (new - x)[(below | above) & ~stays].abs(),
        torch.full_like(x[(below | above) & ~stays], LIMIT),
    )


def test_constants_are_brought_to_the_device_once(batch, monkeypatch):
    module, x, y = batch
    attack = InputPerturbation(crossentropy, np.full(6, LIMIT), movable=np.ones(6, dtype=bool))
    first = attack(module, x, y, torch.arange(40), state_for(40))
    monkeypatch.setattr(torch, "as_tensor", None)
    assert torch.equal(attack(module, x, y, torch.arange(40), state_for(40)), first)
    assert not any(isinstance(value, torch.Tensor) for value in attack.__getstate__().values())
    assert "_copies" not in attack.__getstate__()


def test_modules_without_a_gradient_for_their_inputs_are_named():
    class Rounded(nn.Linear):
        def forward(self, x):
            assert not self.weight.requires_grad  # layers compute no gradients for nothing
            return super().forward(x.detach().round())

    module, x = NetworkEnsemble(partial(Rounded, 6, 3)), torch.rand(1, 20, 6)
    with pytest.raises(ValueError, match=r"gives its inputs no gradient.*perturbation_limit=0"):
        InputPerturbation(crossentropy, LIMIT)(
            module, x, torch.arange(20) % 3, torch.arange(20), state_for(20, 1)
        )
    assert all(p.requires_grad for p in module.parameters())


def test_several_steps_find_a_larger_loss_within_the_limit(batch):
    module, x, y = batch
    one, many = moved(batch), moved(batch, n_steps=10)
    assert (many - x).abs().max() <= LIMIT + 1e-6
    assert crossentropy(module(many), y).mean() >= crossentropy(module(one), y).mean() - 1e-6


def test_parameters_and_statistics_stay_as_they_are():
    torch.manual_seed(0)

    def make():
        return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))

    module = NetworkEnsemble(make).train()
    before = copy.deepcopy(module.state_dict())
    x, y = torch.rand(1, 20, 6), torch.arange(20) % 3
    attack = InputPerturbation(crossentropy, LIMIT)
    attack(module, x, y, torch.arange(20), state_for(20, 1))
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert all(p.grad is None for p in module.parameters())
    step = all_rows(perturb=(attack,))
    step(module, x, y, torch.arange(20), state_for(20, 1, step)).backward()
    norm = module.networks[0][1]
    assert norm.num_batches_tracked == 1  # by the update, once
    assert norm.track_running_stats


def test_the_update_sees_what_was_moved(batch):
    module, x, y = batch
    plain, moving = all_rows(), all_rows(perturb=(InputPerturbation(crossentropy, LIMIT),))
    a, b = (
        step(module, x, y, torch.arange(40), state_for(40, 2, step)) for step in (plain, moving)
    )
    assert b > a
    torch.testing.assert_close(b, crossentropy(module(moved(batch)), y).mean(dim=1).sum())


def test_an_unknown_form_is_named(batch):
    with pytest.raises(ValueError, match=r"form must be one of per-sample, .*, got 'shared'"):
        moved(batch, form="shared")


def test_rows_are_trusted_for_what_they_are_before_the_first_of_several_steps():
    """Does not survive rows chosen anew at every step, among them what has moved since.

    The loss grows with the feature, so that the rows that move overtake those that do not.
    """
    x = torch.tensor([0.0, 0.1, 0.2, 0.3]).view(1, 4, 1)
    for form in ("per-sample", "shared-sign", "shared-mean"):
        attack = InputPerturbation(
            lambda output, y: output.exp().sum(dim=2),
            0.25,
            form=form,
            n_steps=5,
            low=-1.0,
            high=2.0,
            schedule=DropSchedule(0.5),
        )
        new = attack(nn.Identity(), x, torch.zeros(4), torch.arange(4), state_for(4, 1))
        expected = torch.tensor([0.25, 0.35, 0.2, 0.3]).view(1, 4, 1)
        torch.testing.assert_close(new, expected)


@pytest.mark.parametrize("n_steps", [1, 4])
def test_running_statistics_of_instance_normalisation_stay_as_they_are(n_steps):
    """Does not survive an inner step that moves them: each of its passes would.

    Instance normalisation takes running statistics for granted where it tracks none, so that it
    cannot be stopped in the way of batch normalisation.
    """
    torch.manual_seed(0)

    def make():
        norm = nn.InstanceNorm1d(4, affine=True, track_running_stats=True)
        return nn.Sequential(nn.Conv1d(1, 4, 3), norm, nn.ReLU(), nn.Flatten(), nn.Linear(16, 3))

    module = NetworkEnsemble(make).train()
    x, y = torch.rand(1, 20, 1, 6), torch.arange(20) % 3
    before = copy.deepcopy(module.state_dict())
    attack = InputPerturbation(crossentropy, LIMIT, n_steps=n_steps)
    new = attack(module, x, y, torch.arange(20), state_for(20, 1))
    assert (new != x).any()
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name]), name
    norm = module.networks[0][1]
    assert norm.track_running_stats and norm.momentum == 0.1
    module(x)  # and they move again afterwards
    assert not torch.equal(norm.running_mean, before["networks.0.1.running_mean"])
