"""Estimates of the corruption rate: pure functions, planted data, the learners' "auto"."""

import pickle
import warnings

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.datasets import load_diabetes, load_digits, make_classification, make_friedman1
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.utils.estimator_checks import parametrize_with_checks
from skorch.callbacks import Callback
from skorch.dataset import ValidSplit
from torch import nn

from skrobust import (
    BackdoorRobustClassifier,
    FinePruningClassifier,
    PRLClassifier,
    PRLRegressor,
    SemiSupervisedBackdoorClassifier,
    estimate_corruption_rate,
)
from skrobust.corruption import PatchTrigger, corrupt_labels, corrupt_targets, poison
from skrobust.diagnosis import wrong_label_rate, wrong_target_rate
from skrobust.diagnosis._rate import interval_of_share

SMALL = {"hidden_layer_sizes": (8,), "max_epochs": 3, "random_state": 0}
LEARNERS = [
    BackdoorRobustClassifier(noisy_label="prl", corruption_rate="auto", **SMALL),
    FinePruningClassifier(corruption_rate="auto", **SMALL),
    PRLClassifier(corruption_rate="auto", **SMALL),
    PRLRegressor(corruption_rate="auto", **SMALL),
    SemiSupervisedBackdoorClassifier(corruption_rate="auto", pretrain_epochs=1, **SMALL),
]
LONG = {"min_steps": 500, "random_state": 0}


def digits(rate, kind="symmetric", draw=0):
    X, truth = load_digits(return_X_y=True)
    if rate == 0:
        return X, truth, np.zeros(len(X), dtype=bool)
    return X, *corrupt_labels(truth, rate, kind=kind, random_state=draw)


def friedman(rate, n_rows=800):
    X, y = make_friedman1(n_rows, noise=0.5, random_state=0)
    y = (y - y.mean()) / y.std()
    if rate == 0:
        return X, y, np.zeros(n_rows, dtype=bool)
    return X, *corrupt_targets(y, rate, kind="uninoise", X=X, random_state=0)


def short_checks(estimator):
    """Enough training for the checks that ask for accuracy."""
    return clone(estimator).set_params(max_epochs=30, hidden_layer_sizes=(32,), lr=0.02)


@pytest.mark.filterwarnings("ignore::UserWarning")
@parametrize_with_checks([short_checks(learner) for learner in LEARNERS])
def test_sklearn_checks(estimator, check, shortened):
    check(shortened(estimator, check))


def test_interval_is_clopper_and_pearsons():
    low, high = interval_of_share(12, 80)
    assert binom.sf(11, 80, low) == pytest.approx(0.025)
    assert binom.cdf(12, 80, high) == pytest.approx(0.025)
    assert interval_of_share(0, 80)[0] == 0 and interval_of_share(80, 80)[1] == 1


@pytest.mark.parametrize(
    ("repeats", "n_looked_at", "n_wrong"),
    [(1, 50, 6 + 3), (5, 25, 6 + 3), (50, 25, 6 + 3)],  # of 100, so often
)
def test_labels_by_hand(repeats, n_looked_at, n_wrong):
    """Rows lie by confidence: of one class 6 and 20 have the other label, of the other class 3."""
    codes = np.repeat([0, 1], 100)
    confidence = np.tile(np.linspace(0.99, 0.6, 100), 2)
    probabilities = np.where(np.eye(2)[codes] == 1, confidence[:, None], 1 - confidence[:, None])
    given = codes.copy()
    given[:6], given[60:80], given[100:103] = 1, 1, 0
    found = wrong_label_rate(*(np.repeat(part, repeats, axis=0) for part in (probabilities, given)))
    n_wrong, n_rows = n_wrong * repeats, 2 * n_looked_at * repeats
    assert found.rate == n_wrong / n_rows and found.doubt is None
    low, high = interval_of_share(n_wrong, n_rows)
    assert (found.low, found.high) == (max(low - 0.02, 0.0), high + 0.02)


def test_models_that_disagree_most_where_they_are_not_sure_are_doubted():
    rng = np.random.RandomState(0)
    codes = np.arange(1000) % 2
    confidence = rng.uniform(0.5, 1.0, size=1000)
    for overlap, is_doubted in ((0.0, False), (1.0, True)):
        given = np.where(rng.uniform(size=1000) < overlap * (1.0 - confidence), 1 - codes, codes)
        probabilities = np.where(
            np.eye(2)[codes] == 1, confidence[:, None], 1 - confidence[:, None]
        )
        found = wrong_label_rate(probabilities, given)
        assert (found.doubt is not None) == is_doubted
        if is_doubted:
            assert "classes overlap or errors have a pattern" in found.doubt
            assert found.low == 0 and found.high > np.mean(given != codes) > found.rate + 0.14


def test_labels_in_doubt():
    rng = np.random.RandomState(0)
    probabilities = rng.dirichlet(np.ones(3), size=600)
    by_chance = wrong_label_rate(probabilities, rng.randint(3, size=600))
    assert by_chance.rate == 0.2 and "by chance" in by_chance.doubt
    assert (by_chance.low, by_chance.high) == (0, 0.5)
    few = wrong_label_rate(probabilities[:40], np.zeros(40, dtype=int))
    assert few.rate == 0.2 and "40 rows" in few.doubt
    codes = probabilities.argmax(axis=1)
    wrong = rng.uniform(size=600) < 0.55
    most = wrong_label_rate(probabilities, np.where(wrong, (codes + rng.randint(1, 3)) % 3, codes))
    assert most.rate == 0.45 and "another label" in most.doubt


def test_a_rare_label_is_not_given_up():
    codes = np.r_[np.zeros(990, dtype=int), np.ones(10, dtype=int)]
    perfect = np.where(np.eye(2)[codes] == 1, 0.9, 0.1)
    found = wrong_label_rate(perfect, codes)
    assert found.rate == 0 and found.doubt is None
    lost = wrong_label_rate(np.tile([0.9, 0.1], (1000, 1)), codes)
    assert lost.rate == 0.0 and "1.0% of the rows is never predicted" in lost.doubt
    half = wrong_label_rate(np.tile([0.9, 0.1], (1000, 1)), np.arange(1000) % 2)
    assert half.rate == 0.2
    rng = np.random.RandomState(0)
    codes = np.where(rng.uniform(size=1000) < 0.1, 1 - np.arange(1000) % 2, np.arange(1000) % 2)
    codes[0] = 2  # one row says nothing of the others
    predicted = np.c_[np.where(np.eye(2)[np.arange(1000) % 2] == 1, 0.9, 0.1), np.zeros(1000)]
    assert wrong_label_rate(predicted, codes).rate == pytest.approx(0.1, abs=0.04)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.6, 0.9])
@pytest.mark.parametrize("noise", [0.01, 3.0])
def test_the_interval_holds_the_rate(share, noise):
    rng = np.random.RandomState(0)
    truth = rng.normal(size=1000)
    given = truth + noise * rng.normal(size=1000)
    given[: int(share * 1000)] = rng.uniform(-50, 50, size=int(share * 1000))
    found = wrong_target_rate(given, truth)
    assert 0 <= found.low <= found.rate <= found.high <= 1


def test_targets_of_mostly_one_value():
    rng = np.random.RandomState(0)
    truth = np.where(rng.uniform(size=1000) < 0.3, rng.exponential(size=1000), 0.0)
    found = wrong_target_rate(truth, truth + 0.02 * rng.normal(size=1000))
    assert found.rate < 0.02 and found.doubt is None
    constant = wrong_target_rate(np.ones(1000), rng.normal(size=1000))
    assert constant.rate == 0.2 and "all the same" in constant.doubt


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("n_targets", [1, 2])
def test_targets_of_a_known_mixture(rate, n_targets):
    rng = np.random.RandomState(0)
    truth = rng.normal(0, 10, size=(5000, n_targets))
    residuals = rng.normal(0.5, 1, size=truth.shape)
    wrong = rng.uniform(size=5000) < rate
    residuals[wrong] = rng.uniform(-30, 30, size=(wrong.sum(), n_targets))
    found = wrong_target_rate(truth + residuals, truth)
    assert found.doubt is None
    assert abs(found.rate - wrong.mean()) < 0.015
    assert found.low <= wrong.mean() + 0.005 and wrong.mean() - 0.005 <= found.high
    assert found.high - found.low < 0.11
    scaled = wrong_target_rate(1e6 * (truth + residuals) + 3, 1e6 * truth + 3)
    assert scaled.rate == pytest.approx(found.rate, abs=1e-3)
    if n_targets == 1:
        column = wrong_target_rate((truth + residuals)[:, 0], truth[:, 0])
        assert column == found


def test_targets_of_any_size_and_constant_columns():
    rng = np.random.RandomState(0)
    truth = rng.normal(size=600)
    given = np.where(
        np.arange(600) < 120, rng.permutation(truth), truth + 0.1 * rng.normal(size=600)
    )
    found = wrong_target_rate(given, truth)
    assert found.rate == pytest.approx(0.2, abs=0.08)  # some of the permuted are nearly right
    for size in (1e-300, 1e300):
        assert wrong_target_rate(size * given, size * truth).rate == pytest.approx(found.rate)
    with_constant = wrong_target_rate(np.c_[given, np.ones(600)], np.c_[truth, 0.9 + 0.1 * truth])
    assert with_constant.rate == found.rate and with_constant.doubt is None


def test_skewed_targets_that_are_right():
    """Errors grow with the target, and the middle says little of the largest."""
    rng = np.random.RandomState(0)
    known, noise = rng.normal(size=(2, 2000))
    right = np.exp(1.5 * known + 0.6 * noise)
    assert wrong_target_rate(right, np.exp(1.5 * known)).rate < 0.03
    swapped = np.where(np.arange(2000) < 400, rng.permutation(right), right)
    assert 0.1 < wrong_target_rate(swapped, np.exp(1.5 * known)).rate < 0.3


def test_targets_in_doubt():
    rng = np.random.RandomState(0)
    truth, noise = rng.normal(size=500), rng.normal(size=500)
    hidden = wrong_target_rate(truth + 2 * noise, truth)
    assert hidden.rate == 0.1 and "miss its target by" in hidden.doubt
    assert hidden.high >= 0.5
    gross = np.where(np.arange(500) < 100, 1e3, truth + 2 * noise)
    assert wrong_target_rate(gross, truth).rate == pytest.approx(0.2, abs=0.01)
    rain = np.where(truth > 0.6, np.exp(noise), 0.0)
    poor = wrong_target_rate(rain, np.zeros(500), np.array([True]))
    assert poor.rate == 0 and "most targets are nearly the same" in poor.doubt
    exact = wrong_target_rate(truth, truth)
    assert exact.rate == 0.2 and "the same" in exact.doubt
    assert "40 rows" in wrong_target_rate(truth[:40], truth[:40]).doubt
    most = np.where(rng.uniform(size=500) < 0.42, rng.uniform(-60, 60, size=500), 0.1 * noise)
    found = wrong_target_rate(10 * truth + most, 10 * truth)
    assert found.rate == pytest.approx(0.42, abs=0.06) and "seem to be wrong" in found.doubt


@pytest.mark.parametrize(("rate", "kind"), [(0.0, ""), (0.2, "symmetric"), (0.3, "pairflip")])
def test_planted_labels(rate, kind):
    X, y, wrong = digits(rate, kind)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = PRLClassifier(corruption_rate="auto", hidden_layer_sizes=(64,), **LONG).fit(X, y)
    assert abs(model.corruption_rate_ - wrong.mean()) < 0.04
    low, high = model.corruption_rate_interval_
    assert low <= model.corruption_rate_ <= high
    n_dropped = (~model.inlier_mask_).sum()
    assert n_dropped == np.ceil(model.corruption_rate_ * len(X) - 1e-9)
    if rate:
        told = clone(model).set_params(corruption_rate=rate).fit(X, y)
        truth = load_digits(return_X_y=True)[1]
        assert model.score(X, truth) > told.score(X, truth) - 0.02


@pytest.mark.filterwarnings("ignore:corruption_rate='auto' takes")
def test_many_labels_of_the_next_class():
    """Near one half draws differ: the mean of three counts, and doubt is in place."""
    errors = []
    for draw in range(3):
        X, y, wrong = digits(0.4, "pairflip", draw)
        found = estimate_corruption_rate(PRLClassifier(**LONG), X, y)
        errors.append(abs(found.rate - wrong.mean()))
    assert np.mean(errors) < 0.04


@pytest.mark.parametrize("rate", [0.0, 0.2])
def test_planted_targets(rate):
    X, y, wrong = friedman(rate)
    model = PRLRegressor(corruption_rate="auto", **LONG).fit(X, y)
    assert abs(model.corruption_rate_ - wrong.mean()) < 0.06
    small = PRLRegressor(corruption_rate="auto", hidden_layer_sizes=(64,), **LONG)
    several = small.fit(X, np.c_[y, -2 * y])
    assert abs(several.corruption_rate_ - wrong.mean()) < 0.06


def test_the_function_agrees_with_the_learner():
    X, y, wrong = digits(0.2)
    short = {"hidden_layer_sizes": (64,), "max_epochs": 40, "random_state": 0}
    settings = PRLClassifier(selection="min", corruption_rate=0.9, n_networks=2, **short)
    found = estimate_corruption_rate(settings, X, y, random_state=0)
    assert abs(found.rate - wrong.mean()) < 0.04
    assert settings.corruption_rate == 0.9 and settings.selection == "min"
    foreign = estimate_corruption_rate(LogisticRegression(max_iter=200), X / 16, y, random_state=0)
    assert abs(foreign.rate - wrong.mean()) < 0.06
    names = np.array([f"digit {label}" for label in y])
    again = estimate_corruption_rate(settings, X, names, random_state=0)
    assert again == found
    X, y, wrong = friedman(0.2)
    assert abs(estimate_corruption_rate(PRLRegressor(**LONG), X, y).rate - 0.2) < 0.06


@pytest.mark.parametrize(
    ("estimator", "y", "message"),
    [
        (KMeans(), np.zeros(60), "must be a classifier or a regressor"),
        (KMeans(), np.zeros(30), "must be a classifier or a regressor"),
        (PRLClassifier(), np.zeros(59), "inconsistent"),
        (PRLClassifier(), np.zeros((60, 2)), "1d"),
        (PRLClassifier(), np.zeros(60), "only one class"),
    ],
)
def test_bad_input_of_the_function(estimator, y, message):
    X = np.random.RandomState(0).normal(size=(60 if len(y) > 30 else 30, 3))
    with pytest.raises(ValueError, match=message):
        estimate_corruption_rate(estimator, X, y)


def test_poison_makes_the_estimate_a_lower_bound():
    X, y = load_digits(return_X_y=True)
    poisoned, labels, _ = poison(
        X.reshape(-1, 1, 8, 8) / 16, y, PatchTrigger(size=2), 0.1, random_state=0
    )
    settings = {"noisy_label": "prl", "max_epochs": 8, "random_state": 0}
    learner = BackdoorRobustClassifier(corruption_rate="auto", **settings)
    with pytest.warns(UserWarning, match="poison that the estimating networks") as caught:
        model = learner.fit(poisoned, labels)
    assert caught[0].filename == __file__
    assert model.corruption_rate_ >= 0.2
    low, high = model.corruption_rate_interval_
    assert low <= 0.2 and high == 0.5


def test_a_split_for_all_rows_is_not_for_the_pilots():
    X, y, _ = digits(0.2)
    fold = np.where(np.arange(len(X)) < 100, 0, -1)
    split = ValidSplit(PredefinedSplit(fold))
    model = PRLClassifier(corruption_rate="auto", train_split=split, **SMALL).fit(X, y)
    assert model.get_params()["train_split"] is split


def test_results_follow_the_random_state_and_are_saved():
    X, y, _ = digits(0.2)
    X, y = X[:400], y[:400]
    models = [
        PRLClassifier(corruption_rate="auto", max_epochs=20, random_state=seed).fit(X, y)
        for seed in (0, 0, 1)
    ]
    probabilities = [model.predict_proba(X) for model in models]
    np.testing.assert_array_equal(probabilities[0], probabilities[1])
    assert not np.array_equal(probabilities[0], probabilities[2])
    loaded = pickle.loads(pickle.dumps(models[0]))
    assert loaded.corruption_rate_interval_ == models[0].corruption_rate_interval_
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    models[0].fit(X, y)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_the_interval_goes_with_the_estimate():
    X, y, _ = digits(0.2)
    model = PRLClassifier(corruption_rate="auto", **SMALL).fit(X, y)
    assert hasattr(model, "corruption_rate_interval_")
    model.set_params(corruption_rate=0.1).fit(X, y)
    assert model.corruption_rate_ == 0.1
    assert not hasattr(model, "corruption_rate_interval_")


def test_pilots_are_not_watched(capsys):
    class Count(Callback):
        n_trainings = 0

        def on_train_begin(self, net, **kwargs):
            type(self).n_trainings += 1
            assert net.n_rows == 1797

    X, y, _ = digits(0.2)
    PRLClassifier(corruption_rate="auto", callbacks=[Count()], verbose=1, **SMALL).fit(X, y)
    assert Count.n_trainings == 1
    assert capsys.readouterr().err.count("PRLClassifier") >= 1


@pytest.mark.parametrize("learner", LEARNERS, ids=lambda e: type(e).__name__)
def test_small_tables_fall_back_with_a_warning(learner):
    X, y = load_digits(return_X_y=True)
    with pytest.warns(UserWarning, match=r"'auto' takes 0.2, .* 40 rows are too few") as caught:
        model = clone(learner).fit(X[:40], y[:40])
    assert model.corruption_rate_ == 0.2
    assert model.corruption_rate_interval_ == (0, 0.5)
    assert any(w.filename == __file__ and "too few" in str(w.message) for w in caught)


def test_targets_without_structure_are_doubted():
    X, _ = load_diabetes(return_X_y=True)
    y = np.random.RandomState(0).normal(size=len(X))
    with pytest.warns(UserWarning, match="in which wrong targets can hide"):
        model = PRLRegressor(corruption_rate="auto", max_epochs=20, random_state=0).fit(X, y)
    assert model.corruption_rate_ >= 0.1


def test_grid_search_compares_auto_with_numbers():
    X, y, _ = digits(0.3)
    grid = {"corruption_rate": ["auto", 0.0]}
    search = GridSearchCV(PRLClassifier(max_epochs=10, random_state=0), grid, cv=2).fit(X, y)
    assert set(search.cv_results_["param_corruption_rate"]) == {"auto", 0.0}


@pytest.mark.parametrize("rate", ["Auto", None, -0.1, 1.0])
@pytest.mark.parametrize("learner", LEARNERS, ids=lambda e: type(e).__name__)
def test_bad_rates(learner, rate):
    X, y, _ = digits(0)
    model = clone(learner).set_params(corruption_rate=rate)
    with pytest.raises(ValueError, match="corruption_rate"):
        model.fit(X, y)
    assert not hasattr(model, "corruption_rate_")


class Noting(PRLClassifier):
    """Notes the rows, by their first column, that models are trained on and asked about."""

    trained, asked = [], []

    def fit(self, X, y):
        self.trained.append(np.sort(np.asarray(X)[:, 0]))
        self.seen_ = self.trained[-1]
        return super().fit(X, y)

    def predict_proba(self, X):
        self.asked.append(np.sort(np.asarray(X)[:, 0]))
        assert not np.isin(self.asked[-1], self.seen_).any()
        return super().predict_proba(X)


def test_pilots_are_asked_about_rows_that_they_have_not_seen():
    """Does not survive pilots that are scored on rows that they trained on."""
    rng = np.random.RandomState(0)
    X = np.c_[np.arange(300.0), rng.normal(size=(300, 3))]
    y = (X[:, 1] > 0).astype(int)
    Noting.trained, Noting.asked = [], []
    Noting(nn.Linear, corruption_rate="auto", **SMALL).fit(X, y)  # not a forest
    assert [len(rows) for rows in Noting.trained] == [300, 200, 200, 200]
    np.testing.assert_array_equal(np.sort(np.concatenate(Noting.asked)), np.arange(300))


def test_tables_are_judged_by_forests():
    """In any unit and with missing cells; labels that are right cost next to nothing."""
    X, y = make_classification(900, 8, n_informative=5, flip_y=0.0, random_state=0)
    noisy, wrong = corrupt_labels(y, 0.25, random_state=0)
    rates = []
    for labels in (y, noisy):
        found = estimate_corruption_rate(PRLClassifier(), X, labels, random_state=0)
        scaled = np.where(np.arange(8) == 3, 1e300 * X, 1e-200 * X)
        assert estimate_corruption_rate(PRLClassifier(), scaled, labels, random_state=0) == found
        rates.append(found.rate)
    assert rates[0] < 0.03 and abs(rates[1] - wrong.mean()) < 0.05
    X[::7, 2] = np.nan
    model = PRLClassifier(corruption_rate="auto", missing="mean", max_epochs=2, random_state=0)
    assert abs(model.fit(X, noisy).corruption_rate_ - wrong.mean()) < 0.06
