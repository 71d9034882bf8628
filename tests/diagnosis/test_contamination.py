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
from skrobust.diagnosis._anomalies import (
    _bulk,
    _standardise,
    _upper_group,
    _window_counts,
)

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


def scores_apart(rate, n_rows=2000, seed=0):
    rng = np.random.RandomState(seed)
    n_above = int(n_rows * rate)
    return np.r_[rng.gamma(2.0, size=n_rows - n_above), rng.normal(40, 4, size=n_above)]


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.3])
def test_scores_that_lie_apart_are_counted(rate):
    scores = scores_apart(rate)
    found = estimate_contamination(scores)
    assert found.rate == pytest.approx(rate, abs=0.004) and found.doubt is None
    assert found.low - 1e-9 <= rate <= found.high + 1e-9 and found.high - found.low < 0.12
    assert found.low <= found.rate <= found.high
    for same in ((1e4 * scores - 7).tolist(), np.random.RandomState(1).permutation(scores)):
        moved = estimate_contamination(same)
        assert moved[:3] == pytest.approx(found[:3], abs=0.003)


WITHOUT = {
    "normal": lambda rng, n: rng.normal(size=n),
    "uniform": lambda rng, n: rng.uniform(size=n),
    "exponential": lambda rng, n: rng.exponential(size=n),
    "laplace": lambda rng, n: rng.laplace(size=n),
    "chi-square": lambda rng, n: rng.chisquare(5, n),
}


@pytest.mark.parametrize("n_rows", [300, 3000])
@pytest.mark.parametrize("draw", WITHOUT)
def test_scores_without_anomalies(draw, n_rows):
    """At most 0.02, or 0 in the interval and a doubt: a group by chance is the rare case."""
    wrong = 0
    for seed in range(30):
        found = estimate_contamination(WITHOUT[draw](np.random.RandomState(seed), n_rows))
        wrong += not (found.low == 0 and (found.rate <= 0.02 or found.doubt is not None))
    assert wrong <= 1


def test_heavy_tails_are_no_evidence():
    """Scores of normal rows that reach to hundreds of spreads, evenly thinned out."""
    for seed in range(5):
        scores = np.abs(np.random.RandomState(seed).standard_t(2, size=2000))
        found = estimate_contamination(scores)
        assert found.low == 0 and found.high >= 0.1
        assert found.rate == 0.02 or found.doubt is not None
        longer = estimate_contamination(np.random.RandomState(seed).laplace(size=2000))
        assert longer[:2] == (0.02, 0.0) and 0.2 < longer.high < 0.35  # beyond a normal bulk
        with_group = estimate_contamination(np.r_[scores, np.full(100, 1e4)])
        assert with_group.doubt is None and 0.04 < with_group.rate < 0.06


def test_the_evidence_is_a_likelihood_ratio_of_windows():
    """Against loops: the deepest ratio between a valley and the highest window beyond it."""
    scores = _standardise(np.sort(scores_apart(0.05, n_rows=400)))
    places = np.array([np.arcsinh(one) if one > 0 else one for one in scores])
    line, counts = _window_counts(places)
    start = int(np.argmax(counts * (line <= 0)))
    best, place = 0.0, None
    for i in range(start, len(counts)):
        valley, peak = counts[i], max(counts[i:] * (line[i:] > np.arcsinh(1.5)))
        if valley > min(peak, *counts[start : i + 1]):
            continue
        terms = [c * np.log(2 * c / (valley + peak)) for c in (valley, peak) if c > 0]
        if 2 * sum(terms) > best:
            best, place = 2 * sum(terms), line[i]
    group = _upper_group(scores)
    assert group.evidence == pytest.approx(np.sqrt(best), rel=1e-6) and best > 9
    assert group.share == pytest.approx(np.mean(places > place), abs=1e-9)
    # rows that lie evenly: each window, 2 * sqrt(pi) kernel widths wide, holds its share of them
    even = np.linspace(0, 1, 5001)
    line, counts = _window_counts(even)
    width = 0.9 * min(even.std(), 0.5 / 1.34) * 5001**-0.2
    middle = (line > 0.3) & (line < 0.7)
    np.testing.assert_allclose(counts[middle], 2 * np.sqrt(np.pi) * width * 5000, rtol=0.01)


@pytest.mark.parametrize("skew", [-0.5, 0.0, 0.5, 1.0])
def test_the_bulk_is_fitted_and_what_exceeds_it_counted(skew):
    rng = np.random.RandomState(0)
    z = rng.normal(size=20_000)
    normal = z if skew == 0 else np.expm1(skew * z) / skew
    bulk = _bulk(_standardise(np.sort(normal)))
    assert bulk.skew == pytest.approx(skew, abs=0.12) and bulk.excess < 0.01
    mixed = np.r_[normal, rng.uniform(np.quantile(normal, 0.99), 60, size=2000)]
    found = _bulk(_standardise(np.sort(mixed)))
    assert found.excess == pytest.approx(2000 / 22_000, abs=0.02)
    assert found.skew == pytest.approx(skew, abs=0.15)


def test_estimates_in_doubt():
    few = estimate_contamination(np.arange(40))
    assert few == (0.1, 0.0, 0.5, few.doubt) and "40 rows" in few.doubt
    equal = estimate_contamination(np.ones(100))
    assert equal.rate == 0.1 and "the same" in equal.doubt
    scores = scores_apart(0.1, n_rows=1000)
    tied = estimate_contamination(np.r_[scores, np.full(300, scores.min())])
    assert tied == (0.1, 0.0, 0.5, tied.doubt) and "23% of the rows have the same" in tied.doubt
    narrow = estimate_contamination(scores, n_features=100)
    assert narrow.doubt is None and narrow.rate == estimate_contamination(scores).rate
    wide = estimate_contamination(scores, n_features=101)
    assert wide == (0.15, 0.0, 0.5, "1000 rows are few for 101 features")
    skewed = estimate_contamination(np.random.RandomState(0).lognormal(0, 2, size=1000))
    assert skewed == (0.15, 0.0, 0.5, skewed.doubt) and "so skewed" in skewed.doubt
    rng = np.random.RandomState(0)
    many = estimate_contamination(np.r_[rng.normal(size=520), rng.normal(30, 1, size=480)])
    assert many == (0.15, 0.0, 0.5, many.doubt) and "48% of the rows" in many.doubt


def test_groups_that_training_may_have_made_are_doubted():
    rng = np.random.RandomState(0)
    near = np.r_[rng.normal(size=850), rng.normal(6, 0.5, size=150)]
    told = estimate_contamination(near, training_rate=0.1)
    assert told == (0.15, 0.0, 0.5, told.doubt) and "training dropped" in told.doubt
    for rate in (None, 0, 0.05, 0.2):
        found = estimate_contamination(near, training_rate=rate)
        assert found.doubt is None and found.rate == pytest.approx(0.15, abs=0.005)
    far = np.r_[near[:850], rng.normal(60, 0.5, size=150)]
    assert estimate_contamination(far, training_rate=0.1).doubt is None


def test_anomalies_with_the_same_score_are_counted():
    rng = np.random.RandomState(0)
    found = estimate_contamination(np.r_[rng.normal(size=800), np.full(200, 30.0)])
    assert found.doubt is None and found.rate == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize("kind", [RCADetector, RobustRealNVPDetector])
def test_clean_tables_are_not_accused(kind):
    X = np.random.RandomState(0).normal(size=(600, 6))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted = kind("auto", max_epochs=20, hidden_layer_sizes=(32,), random_state=0).fit(X)
    assert fitted.contamination_ <= 0.02 or caught
    assert fitted.contamination_interval_[0] == 0


def test_detectors_say_how_many_features_they_saw():
    X = np.random.RandomState(0).normal(size=(100, 12))
    with pytest.warns(UserWarning, match="100 rows are few for 12 features") as caught:
        fitted = clone(DETECTORS[0]).fit(X)
    assert caught[0].filename == __file__
    assert fitted.contamination_ == 0.15 and fitted.contamination_interval_ == (0, 0.5)


def test_scores_far_away_do_not_hide_the_others():
    rng = np.random.RandomState(0)
    scores = np.r_[rng.uniform(size=900), rng.normal(30, 1, size=100)]
    for far in (1e9, 1e308):
        found = estimate_contamination(np.r_[scores, far])
        assert found.doubt is None and found.rate == pytest.approx(101 / 1001, abs=0.005)
        assert 0 <= found.low <= found.rate <= found.high <= 0.5


@pytest.mark.parametrize(
    ("scores", "message"), [([[1, 2], [3, 4]], "1d"), ([np.nan] * 60, "finite"), ("abc", "1d|str")]
)
def test_bad_scores(scores, message):
    with pytest.raises(ValueError, match=message):
        estimate_contamination(scores)


@pytest.mark.parametrize(("n_features", "error"), [(0, ValueError), (2.5, TypeError)])
def test_bad_number_of_features(n_features, error):
    with pytest.raises(error, match="n_features"):
        estimate_contamination(np.arange(100.0), n_features=n_features)


@pytest.mark.parametrize(("rate", "error"), [(0.6, ValueError), ("0.1", TypeError)])
def test_bad_training_rate(rate, error):
    with pytest.raises(error, match="training_rate"):
        estimate_contamination(np.arange(100.0), training_rate=rate)


def test_detectors_say_what_training_dropped(monkeypatch):
    told = []

    def estimate(scores, *, n_features, training_rate):
        told.append((n_features, training_rate))
        return estimate_contamination(scores)

    monkeypatch.setattr("skrobust.detectors._pyod.estimate_contamination", estimate)
    X, _ = contaminated()
    clone(DETECTORS[0]).set_params(training_rate=0.15).fit(X)
    clone(DETECTORS[0]).set_params(contamination=0.05).fit(X).reset_threshold("auto")
    assert told == [(4, 0.15), (4, 0.05)]


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
