"""Estimates of the share of anomalies; detectors with contamination="auto" and new thresholds."""

import pickle
import warnings

import numpy as np
import pytest
from pyod.models.iforest import IForest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

from skrobust import (
    OutlierDetectorAdapter,
    RCADetector,
    RobustFilter,
    RobustRealNVPDetector,
    estimate_contamination,
)
from skrobust.diagnosis._anomalies import _beyond_histogram, _beyond_sorted, _upper_component

SMALL = {"hidden_layer_sizes": (8,), "max_epochs": 3, "random_state": 0}
DETECTORS = [
    RCADetector("auto", **SMALL),
    RobustRealNVPDetector("auto", n_couplings=2, min_steps=None, **SMALL),
]


def contaminated(n_rows=400, rate=0.1):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(n_rows, 4))
    y = np.arange(n_rows) < rate * n_rows
    X[y] = rng.normal(0, 12, size=(y.sum(), 4))
    return X, y


@pytest.mark.filterwarnings("ignore::UserWarning")
@parametrize_with_checks([*DETECTORS, OutlierDetectorAdapter(DETECTORS[0])])
def test_sklearn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.3])
def test_three_ways_on_scores_that_lie_apart(rate):
    rng = np.random.RandomState(0)
    n_above = int(2000 * rate)
    scores = np.r_[rng.uniform(0, 1, size=2000 - n_above), rng.normal(30, 0.5, size=n_above)]
    for way in (_beyond_histogram, _beyond_sorted, _upper_component):
        assert way(scores / scores.max()) == pytest.approx(rate, abs=0.002), way.__name__
    found = estimate_contamination(scores)
    assert found.rate == pytest.approx(rate, abs=0.002) and found.doubt is None
    assert found.low - 1e-9 <= found.rate <= found.high + 1e-9
    moved = estimate_contamination((1e4 * scores - 7).tolist())
    assert moved.rate == pytest.approx(found.rate, abs=1e-6)
    shuffled = estimate_contamination(rng.permutation(scores))
    assert shuffled.rate == pytest.approx(found.rate, abs=1e-6)


def test_the_estimate_is_the_mean_of_the_three_ways():
    """Does not survive their median, nor one of them: the three differ on these scores."""
    rng = np.random.RandomState(0)
    scores = np.r_[rng.normal(size=900), 3 + rng.exponential(8, size=300)]
    middle = np.median(scores)
    scaled = (scores - middle) / np.median(np.abs(scores - middle))
    shares = [way(scaled) for way in (_beyond_histogram, _beyond_sorted, _upper_component)]
    assert abs(np.mean(shares) - np.median(shares)) > 0.01
    found = estimate_contamination(scores)
    assert found.rate == pytest.approx(np.mean(shares), abs=1e-9)
    assert (found.low, found.high) == (min(shares), max(shares))


def test_estimates_in_doubt():
    few = estimate_contamination(np.arange(40))
    assert few == (0.1, 0.0, 0.5, few.doubt) and "40 rows" in few.doubt
    equal = estimate_contamination(np.ones(100))
    assert equal.rate == 0.1 and "the same" in equal.doubt
    rng = np.random.RandomState(0)
    overlapping = np.r_[rng.normal(size=550), 2 + rng.exponential(20, size=450)]
    differ = estimate_contamination(overlapping)
    assert "differ" in differ.doubt and differ.rate <= 0.5


@pytest.mark.parametrize("draw", ["normal", "exponential", "uniform"])
def test_scores_without_anomalies_are_doubted(draw):
    for seed in range(5):
        found = estimate_contamination(getattr(np.random.RandomState(seed), draw)(size=1000))
        assert "no farther out" in found.doubt and (found.low, found.high) == (0, 0.5)
    X = np.random.RandomState(0).normal(size=(1000, 8))
    with pytest.warns(UserWarning, match="no farther out") as caught:
        RCADetector("auto", max_epochs=30, random_state=0).fit(X)
    assert caught[0].filename == __file__


def test_scores_far_away_do_not_hide_the_others():
    rng = np.random.RandomState(0)
    scores = np.r_[rng.uniform(size=900), rng.normal(30, 1, size=100)]
    for far in (1e9, 1e308):
        found = estimate_contamination(np.r_[scores, far])
        assert 0 <= found.low <= found.rate <= found.high <= 0.5


@pytest.mark.parametrize(
    ("scores", "message"), [([[1, 2], [3, 4]], "1d"), ([np.nan] * 60, "finite"), ("abc", "1d|str")]
)
def test_bad_scores(scores, message):
    with pytest.raises(ValueError, match=message):
        estimate_contamination(scores)


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda e: type(e).__name__)
def test_auto_labels_what_the_estimate_says(detector):
    X, y = contaminated()
    longer = clone(detector).set_params(max_epochs=60, lr=3e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = longer.fit(X)
    found = estimate_contamination(fitted.decision_scores_)
    assert fitted.contamination_ == found.rate
    assert fitted.contamination_interval_ == (found.low, found.high)
    assert abs(fitted.contamination_ - y.mean()) < 0.05
    assert fitted.labels_.sum() == pytest.approx(fitted.contamination_ * len(X), abs=1.5)
    np.testing.assert_array_equal(fitted.inlier_mask_, fitted.labels_ == 0)
    assert fitted.labels_[y].mean() > 0.8
    told = clone(longer).set_params(contamination=longer.training_rate).fit(X)
    np.testing.assert_array_equal(told.decision_scores_, fitted.decision_scores_)
    # what PyOD computes with the rate
    assert fitted.predict_with_rejection(X).shape == (len(X),)
    assert fitted.predict_proba(X).shape == (len(X), 2)
    loaded = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(loaded.predict(X), fitted.predict(X))
    kept, _ = RobustFilter(longer).fit_resample(X, y)
    assert len(kept) == fitted.inlier_mask_.sum()


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda e: type(e).__name__)
def test_small_tables_fall_back_with_a_warning(detector):
    with pytest.warns(UserWarning, match=r"'auto' takes 0.1, .* 40 rows are too few") as caught:
        fitted = clone(detector).fit(contaminated(40)[0])
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="too few") as caught:
        fitted.reset_threshold("auto")
    assert caught[0].filename == __file__
    assert fitted.contamination_ == 0.1 and fitted.contamination_interval_ == (0, 0.5)


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda e: type(e).__name__)
def test_the_threshold_can_be_reset(detector):
    from pythresh.thresholds.iqr import IQR

    X, _ = contaminated()
    fitted = clone(detector).set_params(contamination=0.1)
    with pytest.raises(NotFittedError):
        fitted.reset_threshold(0.2)
    fitted.fit(X)
    scores, before = fitted.decision_scores_.copy(), fitted.labels_.copy()
    assert fitted.reset_threshold(0.25) is fitted
    assert fitted.contamination == 0.1 and fitted.contamination_ == 0.25
    assert fitted.labels_.sum() == 100 and fitted.predict(X).sum() == 100
    assert fitted.diagnosis_frame()["trusted"].sum() == 300
    np.testing.assert_array_equal(fitted.decision_scores_, scores)
    fitted.reset_threshold("auto")
    assert fitted.contamination_ == estimate_contamination(scores).rate
    fitted.reset_threshold(IQR())
    assert not hasattr(fitted, "contamination_interval_")
    for wrong in (0.6, "Auto", None):
        with pytest.raises(ValueError, match="contamination"):
            fitted.reset_threshold(wrong)
    fitted.reset_threshold(0.1)
    np.testing.assert_array_equal(fitted.labels_, before)


def test_scores_of_any_detector():
    X, y = contaminated(2000)
    scores = IForest(random_state=0).fit(X).decision_scores_
    assert abs(estimate_contamination(scores).rate - y.mean()) < 0.05
