"""PyOD's contract: attributes, labels, confidence, thresholds, and its own utilities."""

import inspect

import numpy as np
import pytest
from pyod.models.base import BaseDetector
from pyod.models.combination import aom, average, maximization, median, moa
from pyod.models.feature_bagging import FeatureBagging
from pyod.models.lof import LOF
from pyod.models.lscp import LSCP
from pyod.utils.data import evaluate_print
from pyod.utils.persistence import load, save

from skrobust import RCADetector, RobustRealNVPDetector


@pytest.fixture
def fitted(contaminated, make):
    X, y = contaminated
    return make(contamination=0.1, random_state=0).fit(X, y), X, y


def test_attributes_after_fit(fitted):
    detector, X, _ = fitted
    assert isinstance(detector, BaseDetector)
    assert detector.decision_scores_.shape == (400,)
    assert detector.labels_.sum() == 40
    np.testing.assert_array_equal(detector.predict(X), detector.labels_)
    np.testing.assert_array_equal(detector.inlier_mask_, detector.labels_ == 0)
    assert detector.threshold_ == np.percentile(detector.decision_scores_, 90)
    np.testing.assert_array_equal(detector.fit_predict(X), detector.labels_)


@pytest.mark.parametrize("threshold", ["a score", "PyThresh"])
def test_a_score_at_the_threshold_is_normal_to_labels_and_predictions_alike(make, threshold):
    """Does not survive ``>=`` in either of the two: the threshold is one of the scores here."""
    from pythresh.thresholds.iqr import IQR

    X = np.random.RandomState(0).standard_t(3, size=(101, 4))
    contamination = 0.1 if threshold == "a score" else IQR()
    detector = make(contamination=contamination, random_state=0).fit(X)
    at = detector.decision_scores_ == detector.threshold_
    assert at.sum() == 1 and not detector.labels_[at].any()
    assert 0 < detector.labels_.sum() < 101
    np.testing.assert_array_equal(detector.predict(X), detector.labels_)
    labels, _ = detector.predict(X, return_confidence=True)
    np.testing.assert_array_equal(labels, detector.labels_)


@pytest.mark.parametrize("method", ["linear", "unify"])
def test_probabilities(fitted, method):
    detector, X, _ = fitted
    proba, confidence = detector.predict_proba(X, method=method, return_confidence=True)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    order = np.argsort(detector.decision_scores_)
    assert (np.diff(proba[order, 1]) >= 0).all()
    assert confidence.shape == (400,)
    assert detector.predict_proba(X.tolist()).shape == (400, 2)


def test_confidence_equals_pyods_formula(fitted):
    detector, X, _ = fitted
    expected = BaseDetector.predict_confidence(detector, X[::7])
    np.testing.assert_allclose(detector.predict_confidence(X[::7]), expected)
    labels, confidence = detector.predict(X[::7], return_confidence=True)
    np.testing.assert_array_equal(labels, detector.labels_[::7])
    np.testing.assert_allclose(confidence, expected)


def test_rejection(fitted):
    detector, X, _ = fitted
    labels, stats = detector.predict_with_rejection(X, T=5, c_r=0.1, return_stats=True)
    assert set(labels) <= {-2, 0, 1}
    assert len(stats) == 3
    assert detector.contamination == 0.1


def test_contamination_zero_labels_nobody_and_selects_all(contaminated, make):
    X, _ = contaminated
    detector = make(contamination=0, random_state=0).fit(X)
    assert detector.labels_.sum() == 0
    assert (detector.keep_frequency_ == 1).all()
    assert detector.threshold_ == detector.decision_scores_.max()


def test_float32_contamination_is_a_rate(contaminated, make):
    X, _ = contaminated
    detector = make(contamination=np.float32(0.25), random_state=0).fit(X)
    assert isinstance(detector.contamination_, float)
    assert detector.labels_.sum() == 100


@pytest.mark.parametrize("name", ["FILTER", "IQR", "KARCH"])
def test_pythresh_objects_set_the_threshold(contaminated, name, make):
    thresholds = pytest.importorskip("pythresh.thresholds." + name.lower())
    X, _ = contaminated
    thresholder = getattr(thresholds, name)()
    detector = make(contamination=thresholder, training_rate=0.2, random_state=0)
    detector.fit(X)
    assert detector.contamination is thresholder
    assert thresholder.thresh_ is None  # the user's object is not fitted in place
    assert detector.contamination_ == detector.labels_.mean()
    np.testing.assert_array_equal(detector.predict(X), detector.labels_)
    assert np.isfinite(detector.predict_confidence(X)).all()
    assert set(detector.predict_with_rejection(X, c_r=0.1)) <= {-2, 0, 1}
    trained = make(contamination=0.2, random_state=0).fit(X)
    np.testing.assert_array_equal(trained.decision_scores_, detector.decision_scores_)


def test_combination_functions(contaminated, make):
    X, _ = contaminated
    scores = np.column_stack(
        [make(random_state=seed).fit(X).decision_function(X) for seed in range(4)]
    )
    for combine in (average, maximization, median):
        assert combine(scores).shape == (400,)
    for combine in (aom, moa):
        assert combine(scores, n_buckets=2).shape == (400,)


def test_feature_bagging_and_lscp(contaminated, make):
    X, _ = contaminated
    bagging = FeatureBagging(make(random_state=0), n_estimators=2, random_state=0)
    assert bagging.fit(X).decision_function(X).shape == (400,)
    lscp = LSCP([make(random_state=0), LOF()], random_state=0).fit(X)
    assert np.isfinite(lscp.decision_function(X)).all()


def test_suod(contaminated, make):
    suod = pytest.importorskip("pyod.models.suod")
    pytest.importorskip("suod")
    X, _ = contaminated
    model = suod.SUOD(base_estimators=[make(random_state=0), LOF()], n_jobs=2, verbose=False).fit(X)
    assert model.decision_function(X).shape == (400,)


def test_persistence_and_printing(fitted, tmp_path, capsys):
    detector, X, y = fitted
    save(detector, str(tmp_path / "detector.joblib"))
    loaded = load(str(tmp_path / "detector.joblib"), trusted=True)
    np.testing.assert_array_equal(loaded.decision_function(X), detector.decision_scores_)
    evaluate_print("RCA", y, detector.decision_scores_)
    assert "ROC" in capsys.readouterr().out


@pytest.mark.parametrize("detector", [RCADetector, RobustRealNVPDetector])
def test_methods_inherited_from_pyod_are_documented(detector):
    for name, member in inspect.getmembers(detector, inspect.isfunction):
        if not name.startswith("_"):
            assert inspect.getdoc(member), name
