"""The drop rate grows as the thesis, or the published code, says."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skrobust.selection import DropSchedule, Progress, Trim, binomial_margin


def at(epoch, n_epochs, steps_per_epoch=10, step_in_epoch=0):
    step = epoch * steps_per_epoch + step_in_epoch
    return Progress(epoch, n_epochs, step, n_epochs * steps_per_epoch)


def is_warm(schedule, progress):
    """Whether the rows that the schedule keeps count for how often rows were kept."""
    rows = torch.arange(8)
    return Trim(schedule)(torch.zeros(1, 8), rows, rows, progress).counts


def first_full_epoch(schedule, n_epochs=200):
    return next(
        e for e in range(n_epochs) if schedule.drop_rate(at(e, n_epochs), 128) >= schedule.rate
    )


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.3, 0.4])
def test_thesis_schedule_is_algorithm_1(rate):
    """beta starts at 1 and falls by rate / (alpha E) per epoch down to 1 - rate."""
    schedule, beta = DropSchedule(rate, warmup=0.5), 1.0
    for epoch in range(200):
        assert schedule.drop_rate(at(epoch, 200), 128) == pytest.approx(1 - beta, abs=1e-12)
        beta = max(beta - rate / (0.5 * 200), 1 - rate)
    assert first_full_epoch(schedule) == 100


@pytest.mark.parametrize(("rate", "epoch"), [(0.02, 3), (0.1, 12), (0.3, 43), (0.4, 67)])
def test_official_schedule_arrives_when_the_published_code_does(rate, epoch):
    assert first_full_epoch(DropSchedule(rate, warmup=0.5, kind="official")) == epoch


def test_integer_warmup_counts_epochs_whatever_the_length():
    for n_epochs in (20, 200):
        assert first_full_epoch(DropSchedule(0.3, warmup=10), n_epochs) == 10


def test_no_warmup_drops_at_once():
    assert DropSchedule(0.3).drop_rate(at(0, 5), 128) == 0.3
    assert is_warm(DropSchedule(0.3), at(0, 5))


def test_margin_is_binomial_and_grows_with_the_rate():
    full = DropSchedule(0.2, warmup=0.5, margin=2.0)
    margin = 2 * math.sqrt(0.2 * 0.8 / 64)
    assert full.drop_rate(at(9, 10), 64) == pytest.approx(0.2 + margin)
    assert full.drop_rate(at(0, 10), 64) == 0
    assert full.drop_rate(at(1, 10), 64) == pytest.approx((0.2 + margin) / 5)
    assert binomial_margin(0.5, 100, 1.0) == pytest.approx(0.05)


@given(
    st.floats(0, 0.99),
    st.one_of(st.integers(0, 20), st.floats(0, 1)),
    st.sampled_from(["linear", "official"]),
    st.floats(0, 3),
    st.integers(1, 512),
)
def test_rate_never_falls_and_stays_below_one(rate, warmup, kind, margin, batch_size):
    schedule = DropSchedule(rate, warmup, kind, margin)
    rates = [schedule.drop_rate(at(e, 30), batch_size) for e in range(30)]
    assert all(0 <= a <= b < 1 for a, b in itertools.pairwise(rates))
    warm = [is_warm(schedule, at(e, 30)) for e in range(30)]
    assert warm == sorted(warm)


def test_is_warm_from_the_first_epoch_at_the_full_rate():
    for schedule in (DropSchedule(0.1, 0.5), DropSchedule(0.1, 0.5, kind="official")):
        first = first_full_epoch(schedule)
        assert not is_warm(schedule, at(first - 1, 200))
        assert is_warm(schedule, at(first, 200))


def test_warmup_of_any_real_type_is_a_share():
    assert DropSchedule(0.4, np.float32(0.5)).drop_rate(at(5, 20), 8) == pytest.approx(0.2)


@pytest.mark.parametrize(("steps_per_epoch", "epochs"), [(94, 1), (9, 11), (300, 1), (40, 2)])
def test_warmup_in_steps_is_the_nearest_number_of_whole_epochs(steps_per_epoch, epochs):
    schedule = DropSchedule(0.4, warmup_steps=100)
    for epoch in range(30):
        now = Progress(epoch, 30, epoch * steps_per_epoch, 30 * steps_per_epoch)
        assert schedule.drop_rate(now, 10**6) == pytest.approx(0.4 * min(1, epoch / epochs))
        assert is_warm(schedule, now) == (epoch >= epochs)


@pytest.mark.parametrize(("n_epochs", "length"), [(1, 1), (2, 1), (3, 1), (20, 10), (49, 24)])
def test_warmup_in_steps_ends_in_the_middle_of_short_trainings(n_epochs, length):
    schedule = DropSchedule(0.4, warmup_steps=100)
    warm = [is_warm(schedule, Progress(i, n_epochs, 2 * i, 2 * n_epochs)) for i in range(n_epochs)]
    assert warm == [i >= length for i in range(n_epochs)]
