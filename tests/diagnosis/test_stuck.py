"""Targets of a stuck sensor: found where features do not explain them, and left out."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.datasets import make_friedman1
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import PredefinedSplit
from skorch.dataset import ValidSplit

from skrobust import PRLRegressor, RobustFilter, audit_labels, estimate_corruption_rate
from skrobust.corruption import corrupt_targets
from skrobust.diagnosis._stuck import above_others, find_stuck

pytestmark = pytest.mark.filterwarnings("ignore:.*of the targets repeat a value")
RNG = np.random.RandomState(0)
X, Y = make_friedman1(800, n_features=6, noise=0.5, random_state=0)
X_TEST, Y_TEST = make_friedman1(800, n_features=6, noise=0.5, random_state=1)
STUCK, WRONG = corrupt_targets(Y, 0.4, kind="stuck", random_state=0)
SMALL = {"hidden_layer_sizes": (64,), "max_epochs": 60, "random_state": 0}


@pytest.mark.parametrize("rate", [0.08, 0.2, 0.45])
@pytest.mark.parametrize("quantile", [0.01, 0.5, 0.9])
def test_finds_exactly_the_stuck_rows(rate, quantile):
    given, wrong = corrupt_targets(Y, rate, kind="stuck", quantile=quantile, random_state=1)
    found = find_stuck(X, given)
    assert found[wrong].all() and found[~wrong].sum() <= 1  # the row that has the value


def test_several_values_noise_and_columns():
    two = np.where(RNG.uniform(size=800) < 0.15, 3.0, Y)
    two = np.where(RNG.uniform(size=800) < 0.15, 21.0, two)
    np.testing.assert_array_equal(find_stuck(X, two), (two == 3) | (two == 21))
    noisy = STUCK + 1e-8 * RNG.normal(size=800)
    assert find_stuck(X, noisy)[WRONG].all()
    both = np.column_stack([Y, np.roll(STUCK, 7)])
    np.testing.assert_array_equal(find_stuck(X, both)[np.roll(WRONG, 7)], True)
    assert find_stuck(X, 1e12 * STUCK)[WRONG].all() and find_stuck(X, STUCK - 1e3)[WRONG].all()


@pytest.mark.parametrize(
    "targets",
    [
        Y,
        np.where(X[:, 0] + 0.2 * RNG.normal(size=800) > 0.6, 0.0, Y),  # a regime
        np.minimum(Y, np.quantile(Y, 0.8)),  # a cap
        np.where(RNG.uniform(size=800) < 0.4, 0.0, RNG.exponential(size=800)),  # claims
        np.where(RNG.uniform(size=800) < 0.4, 0.0, 500.0 + Y),  # claims beyond a deductible
        np.where(RNG.uniform(size=800) < 0.3, 0.0, Y - 14.0),  # no change
        np.round(40.0 + 7.0 * RNG.normal(size=800)),  # ages
        RNG.poisson(50.0, size=800).astype(float),
        np.where(RNG.uniform(size=800) < 0.4, RNG.choice([4.99, 9.99, 19.99], size=800), Y),
        np.where(RNG.uniform(size=800) < 0.5, 10.0 * np.round(Y / 4.0), Y),  # rounded by some
        RNG.poisson(2.0, size=800).astype(float),
        RNG.randint(1, 6, size=800).astype(float),
        np.where(RNG.uniform(size=800) < 0.6, 5.0, Y),  # the majority
        np.where(RNG.uniform(size=800) < 0.02, 5.0, Y),
        np.ones(800),
    ],
    ids=[
        *("any", "regime", "cap", "claims", "deductible", "no change", "ages", "many counts"),
        *("prices", "heaps", "counts", "ratings", "majority", "few", "constant"),
    ],
)
def test_values_that_are_no_errors(targets):
    assert not find_stuck(X, targets).any()


@pytest.mark.parametrize(
    "features",
    [
        pd.DataFrame(X).assign(text=np.where(X[:, 0] > 0.5, "a", "b")),
        csr_matrix(X),
        np.where(RNG.uniform(size=X.shape) < 0.2, np.nan, X),
        np.column_stack([X, np.full(800, np.nan)]),
        X.reshape(800, 1, 2, 3),
        1e300 * X,
        X.tolist(),
        np.where(RNG.uniform(size=X.shape) < 0.1, np.inf, X),
        csr_matrix((np.ones(800), (np.arange(800), np.arange(800) * 100)), shape=(800, 10**6)),
        np.column_stack([X.astype(object), np.where(X[:, 0] > 0.5, "a", "b")]),
        pd.DataFrame(X).assign(text=[[1]] * 800, n=pd.array([1, None] * 400, dtype="Int64")),
    ],
    ids=[
        *("text", "sparse", "missing", "empty column", "pictures", "huge", "list"),
        *("infinite", "wide", "objects", "odd columns"),
    ],
)
def test_takes_all_kinds_of_features(features):
    assert find_stuck(features, STUCK)[WRONG].all()


def test_without_features_nothing_is_said():
    assert not find_stuck([f"word {i}" for i in range(800)], STUCK).any()
    assert not find_stuck(np.full((800, 2), np.nan), STUCK).any()


def test_most_rows_are_never_stuck():
    quarters = np.arange(800) % 4
    several = np.column_stack([np.where(quarters == i, 15.0, Y) for i in range(4)])
    assert find_stuck(X, several[:, :2]).mean() == pytest.approx(0.5)
    assert not find_stuck(X, several).any()
    huge = 1e307 * (STUCK / STUCK.max())
    assert find_stuck(X, huge)[WRONG].all() and find_stuck(X, 1e-318 * STUCK).sum() >= 0


def test_a_fold_of_stuck_rows_only_is_trained_on():
    one_plant = WRONG.astype(int)
    audit = audit_labels(HistGradientBoostingRegressor(), X, STUCK, groups=one_plant, cv=2)
    assert np.isfinite(audit.scores).all()


def test_scores_above_others_keep_their_order():
    scores, stuck = np.array([5.0, -1.0, 3.0, 2.0]), np.array([False, True, True, False])
    raised = above_others(scores, stuck)
    assert raised.argsort().tolist() == [3, 0, 1, 2] and raised[0] == 5.0
    np.testing.assert_array_equal(above_others(scores, np.ones(4, dtype=bool)), scores)


def test_learner_is_as_good_as_without_the_stuck_rows():
    robust = PRLRegressor(corruption_rate=0.4, **SMALL).fit(X, STUCK)
    without = PRLRegressor(corruption_rate=0.0, **SMALL).fit(X[~WRONG], Y[~WRONG])
    assert robust.score(X_TEST, Y_TEST) > 0.95 * without.score(X_TEST, Y_TEST)
    assert robust.stuck_mask_[WRONG].all() and not robust.inlier_mask_[WRONG].any()
    assert robust.sample_scores_[WRONG].min() > robust.sample_scores_[~robust.stuck_mask_].max()
    assert (robust.keep_frequency_[WRONG] == 0).all()
    trusting = PRLRegressor(selection=None, **SMALL).fit(X, STUCK)
    assert not trusting.stuck_mask_.any()
    assert robust.score(X_TEST, Y_TEST) > trusting.score(X_TEST, Y_TEST) + 0.1
    assert not PRLRegressor(corruption_rate=0.0, **SMALL).fit(X, STUCK).stuck_mask_.any()


def test_other_errors_are_still_dropped():
    given, scaled = corrupt_targets(STUCK, 0.1, kind="scale", random_state=5)
    model = PRLRegressor(corruption_rate=0.48, **SMALL).fit(X, given)
    assert model.score(X_TEST, Y_TEST) > 0.8
    assert not model.inlier_mask_[scaled | WRONG].any()


def test_rows_that_are_left_out_are_told():
    message = "40% of the targets repeat a value that the features do not explain, such as 21.39"
    with pytest.warns(UserWarning, match=message) as caught:
        model = PRLRegressor(corruption_rate=0.1, **SMALL).fit(X, STUCK)
    assert caught[0].filename == __file__
    assert not model.inlier_mask_[WRONG].any() and model.score(X_TEST, Y_TEST) > 0.8
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kept = PRLRegressor(corruption_rate=0.1, drop_stuck=False, max_epochs=1).fit(X, STUCK)
        again = model.set_params(corruption_rate=0.1).fit(X, Y)
    assert not kept.stuck_mask_.any() and not again.stuck_mask_.any()


@pytest.mark.parametrize(
    "settings",
    [
        {"early_stopping": True},
        {"train_split": ValidSplit(4)},
        {"train_split": ValidSplit(PredefinedSplit(np.where(np.arange(800) < 100, 0, -1)))},
        {"n_networks": 2},
        {"hidden_layer_sizes": None},
        {"memory": "average"},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_ways_of_training(settings):
    model = PRLRegressor(corruption_rate=0.4, **{**SMALL, "max_epochs": 30, **settings})
    model.fit(X, STUCK)
    assert model.score(X_TEST, Y_TEST) > 0.6 and not model.inlier_mask_[WRONG].any()
    assert np.isfinite(model.sample_scores_).all()


def test_audits_filters_and_rates_count_them():
    judge = HistGradientBoostingRegressor(random_state=0)
    audit = audit_labels(judge, X, STUCK, random_state=0)
    np.testing.assert_array_equal(audit.stuck[WRONG], True)
    assert WRONG[audit.order[:320]].mean() > 0.99
    assert audit.estimate_rate().rate == pytest.approx(0.4, abs=0.04)
    assert estimate_corruption_rate(judge, X, STUCK, random_state=0).rate == pytest.approx(
        0.4, abs=0.04
    )
    kept, targets = RobustFilter(judge, random_state=0).fit_resample(X, STUCK)
    assert len(kept) > 440 and np.isin(targets, Y).all()
    unseen = audit_labels(predictions=Y, y=STUCK)
    assert unseen.stuck is None


def test_auto_finds_the_rate():
    model = PRLRegressor(corruption_rate="auto", **SMALL).fit(X, STUCK)
    assert model.corruption_rate_ == pytest.approx(0.4, abs=0.04)
    assert model.score(X_TEST, Y_TEST) > 0.8
