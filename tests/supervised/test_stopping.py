"""Early stopping on held-out rows that are as corrupted as the others."""

import numpy as np
import pytest
from skorch.dataset import ValidSplit
from torch.utils.data import Subset

from skrobust import PRLClassifier, PRLRegressor
from skrobust.corruption import corrupt_targets
from skrobust.selection import keep_all

WILD = {"lr": 0.01, "hidden_layer_sizes": (64, 64), "random_state": 0}


def noisy_line(n_rows, seed=0):
    """Targets that are mostly noise, of which a large network soon learns too much."""
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(n_rows, 5))
    return X, X[:, 0] + rng.normal(size=n_rows)


def test_stops_and_keeps_the_best_epoch(make, X, y):
    settings = {"early_stopping": True, "max_epochs": 300, "patience": 20, "lr": 0.05}
    model = make(random_state=0, **settings).fit(X, y)
    losses = model.history_[:, "valid_loss"]
    assert np.argmin(losses) == len(losses) - 1 - 10 < 289  # two steps an epoch
    assert np.isnan(model.keep_frequency_).sum() == 20
    again = make(random_state=0, **settings).fit(X, y)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert not model.net_.module_.training


def test_scores_are_those_of_the_networks_that_are_kept(X):
    y = X[:, 0] - X[:, 1]
    model = PRLRegressor(early_stopping=True, max_epochs=200, patience=20, **WILD).fit(X, y)
    errors = np.abs(model.predict(X) - y)
    assert np.corrcoef(errors, model.sample_scores_)[0, 1] > 0.9999  # gradients of squares


def test_it_protects_from_overfitting_where_targets_are_wrong():
    X, truth = noisy_line(1200)
    X_test, test = noisy_line(1000, seed=1)
    y, _ = corrupt_targets(truth, 0.2, kind="uninoise", random_state=0)
    common = {"corruption_rate": 0.2, "max_epochs": 150, **WILD}
    stopped = PRLRegressor(**common).fit(X, y)
    trained = PRLRegressor(early_stopping=False, **common).fit(X, y)
    assert len(stopped.history_) < 150 == len(trained.history_)
    assert stopped.score(X_test, test) > trained.score(X_test, test) + 0.2


def test_the_loss_of_held_out_rows_is_trimmed():
    X = np.random.RandomState(0).normal(size=(400, 2))
    y, _ = corrupt_targets(X[:, 0], 0.2, kind="uninoise", bounds=(50, 60), random_state=0)
    settings = {"max_epochs": 40, "early_stopping": True, "patience": 10_000, **WILD}
    trimmed = PRLRegressor(corruption_rate=0.3, **settings).fit(X, y).history_[-1, "valid_loss"]
    assert trimmed < 1
    plain = PRLRegressor(selection=None, **settings).fit(X, y).history_[-1, "valid_loss"]
    assert plain > 100


class KeepAll:
    """A selector of one's own that says nothing of held-out rows."""

    def __call__(self, scores, y, row_ids, progress):
        return keep_all(scores)


@pytest.mark.parametrize("selection", ["loss", "loss-gradient", "gradient", KeepAll()])
def test_the_loss_of_held_out_rows_is_trimmed_without_a_score_limit_too(selection):
    """Does not survive held-out rows that all count where no limit of scores drops the gross."""
    rng = np.random.RandomState(0)
    X = rng.normal(size=(400, 2))
    y = X[:, 0] + 0.1 * rng.normal(size=400)
    held_out = rng.permutation(400) < 80
    y[np.flatnonzero(held_out)[:12]] = 1e4
    split = PredefinedSplit(held_out)
    settings = {"selection": selection, "score_limit": None, "early_stopping": False, **WILD}
    settings |= {"train_split": split, "max_epochs": 3}
    trimmed = PRLRegressor(corruption_rate=0.2, **settings).fit(X, y)
    np.testing.assert_array_equal(np.isnan(trimmed.keep_frequency_), held_out)
    assert trimmed.history_[-1, "valid_loss"] < 10
    less = PRLRegressor(corruption_rate=0.1, **settings).fit(X, y)  # leaves 4 of the 12
    assert less.history_[-1, "valid_loss"] > 1e4


class PredefinedSplit:
    """The split of skorch that holds out the rows that are marked."""

    def __init__(self, held_out):
        self.held_out = held_out

    def __call__(self, dataset, y=None, groups=None):
        parts = np.flatnonzero(~self.held_out), np.flatnonzero(self.held_out)
        return tuple(Subset(dataset, part) for part in parts)


@pytest.mark.parametrize(
    ("settings", "n_rows", "stops"),
    [
        ({}, 999, False),
        ({}, 1000, True),
        ({"early_stopping": False}, 1000, False),
        ({"train_split": None}, 1000, False),
        ({"train_split": ValidSplit(0.2)}, 1000, True),  # the user's
    ],
)
def test_auto_needs_a_thousand_rows(settings, n_rows, stops):
    X, y = noisy_line(n_rows)
    model = PRLRegressor(max_epochs=1, hidden_layer_sizes=(4,), **settings).fit(X, y)
    assert ("valid_loss" in model.history_[-1]) == stops
    n_held_out = np.isnan(model.keep_frequency_).sum()
    assert n_held_out == {False: 0, True: 200 if "train_split" in settings else 100}[stops]


def test_a_classifier_stops_by_the_same_rule():
    X, y = noisy_line(1000)
    model = PRLClassifier(max_epochs=1, hidden_layer_sizes=(4,))
    assert "valid_loss" in model.fit(X, y > 0).history_[-1]
    assert "valid_loss" not in model.fit(X[1:], y[1:] > 0).history_[-1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"early_stopping": "always"}, "early_stopping"),
        ({"early_stopping": True, "train_split": None}, "train_split of its own"),
        ({"early_stopping": True, "validation_fraction": 1.0}, "validation_fraction"),
        ({"early_stopping": True, "validation_fraction": 0.999}, r"leaves 0 of 200 rows"),
        ({"early_stopping": True, "patience": 0}, "patience"),
    ],
)
def test_bad_settings_are_named(make, X, y, settings, message):
    with pytest.raises(ValueError, match=message):
        make(**settings).fit(X, y)
