"""Gross cells, far rows, equal scores, rows without a value: nothing around the step gives way."""

import numpy as np
import pandas as pd
import pytest
from pyod.models.knn import KNN
from pyod.models.lof import LOF
from sklearn.metrics import roc_auc_score

from skrobust import OutlierDetectorAdapter, RCADetector, RobustRealNVPDetector
from skrobust.tables import TableEncoder

RCA = {"max_epochs": 60, "n_passes": 10, "hidden_layer_sizes": (64, 64)}
DETECTORS = {
    "RCA": (RCADetector, RCA),
    "RCA standardised": (RCADetector, {"preprocessing": "standard", **RCA}),
    "RCA unscaled": (RCADetector, {"preprocessing": None, "lr": 3e-3, **RCA}),
    "RealNVP": (RobustRealNVPDetector, {"hidden_layer_sizes": (32,), "lr": 1e-3}),
}
QUICK = {"max_epochs": 3, "hidden_layer_sizes": (8,), "random_state": 0}


@pytest.mark.parametrize("name", DETECTORS)
def test_typing_errors_hide_no_anomaly(name):
    kind, settings = DETECTORS[name]
    rng = np.random.RandomState(0)
    mixing = rng.normal(size=(6, 6))
    X = np.r_[rng.normal(size=(500, 6)), 3 * rng.normal(size=(25, 6))] @ mixing
    y = np.arange(525) >= 500
    detector = kind(contamination=0.06, random_state=0, **settings)
    before = roc_auc_score(y, detector.fit(X).decision_scores_)
    caught = detector.labels_[500:].sum()
    X[np.arange(6), np.arange(6)] += 1e4 * np.tile([1, -1], 3)
    after = roc_auc_score(y[6:], detector.fit(X).decision_scores_[6:])
    assert after > before - 0.02 and before > 0.9
    assert detector.labels_[:6].all() and detector.labels_[500:].sum() >= caught - 4


@pytest.mark.parametrize("settings", [{}, {"n_passes": 0}, {"base": "vae"}])
def test_cross_entropy_ranks_far_rows(settings):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(400, 6)) @ rng.normal(size=(6, 6)) + 50
    axis = X.std(axis=0) * np.linalg.svd((X - X.mean(axis=0)) / X.std(axis=0))[2][0]
    detector = RCADetector(
        loss="binary_crossentropy", contamination=0.05, max_epochs=60, random_state=0, **settings
    ).fit(X)
    for sign in (1, -1):
        rows = X.mean(axis=0) + sign * np.array([[10], [30], [1e3], [1e6]]) * axis
        scores = detector.decision_function(rows)
        assert (np.diff(scores) > 0).all() and scores[0] > detector.decision_scores_.max()
    spread = np.r_[X, X.mean(axis=0) + 4 * (X[:25] - X.mean(axis=0))]
    scores = detector.fit(spread).decision_scores_
    assert roc_auc_score(np.arange(425) >= 400, scores) > 0.95


def scored(scores, contamination):
    """A fitted detector whose training rows have these scores."""
    detector = RCADetector(contamination, n_passes=0, latent_dim=1, **QUICK)
    detector.fit(np.random.RandomState(0).normal(size=(len(scores), 2)))
    detector.decision_scores_ = np.asarray(scores, dtype=float)
    return detector.reset_threshold(contamination)


@pytest.mark.parametrize(
    ("groups", "rate", "labelled", "warned"),
    [
        ((37, 13), 0.1, 13, True),  # the whole group, not nobody
        ((37, 13), 0.26, 13, False),
        ((100, 60, 15), 0.1, 15, False),  # of 17 that were asked for
        ((100, 60, 15), 0.2, 15, True),  # 35 were asked for: 15 are nearer than 75
        ((100, 60, 15), 0.35, 75, True),
        ((90, 4, 6), 0.08, 6, True),
        ((60,), 0.1, 0, True),  # all the same
        ((10, 50), 0.1, 0, True),  # more than half is no anomaly
    ],
)
def test_equal_scores_have_one_label(groups, rate, labelled, warned, recwarn):
    detector = scored(np.repeat(np.arange(len(groups)), groups), rate)
    assert detector.labels_.sum() == labelled
    assert ["cannot be met" in str(w.message) for w in recwarn.list] == [True] * warned
    assert ((detector.decision_scores_ > detector.threshold_) == detector.labels_).all()
    assert detector.contamination_ == rate


def test_different_scores_are_labelled_as_in_pyod(recwarn):
    scores = np.random.RandomState(0).rand(200)
    detector = scored(scores, 0.1)
    assert detector.threshold_ == np.percentile(scores, 90) and not recwarn.list


def test_equal_training_scores_give_probabilities():
    detector = RobustRealNVPDetector(**QUICK)
    with pytest.warns(UserWarning, match="cannot be met"):
        detector.fit(np.ones((60, 2)))
    for method in ("linear", "unify"):
        found = detector.predict_proba([[1.0, 1.0], [2.0, 2.0]], method=method)
        np.testing.assert_array_equal(found, [[1, 0], [0, 1]])
    assert detector.predict_confidence(np.ones((1, 2)))[0] > 0.99


@pytest.mark.parametrize("detector", [KNN(contamination=0.05), LOF(contamination=0.05)])
def test_the_adapter_labels_training_rows_as_its_detector(detector):
    rng = np.random.RandomState(0)
    X = np.r_[rng.normal(size=(285, 3)), rng.normal(5, 1, size=(15, 3))]
    adapter = OutlierDetectorAdapter(detector)
    labels = adapter.fit_predict(X)
    assert (labels == -1).sum() == 15
    np.testing.assert_array_equal(labels == 1, adapter.diagnosis_frame().trusted)


class Helpless:
    def fit(self, scores):
        raise RuntimeError("no peak")

    def eval(self, scores):
        return self.fit(scores)


def test_a_thresholder_that_fails_loses_no_training():
    X = np.random.RandomState(0).normal(size=(60, 2))
    detector = RCADetector(Helpless(), latent_dim=1, n_passes=2, **QUICK)
    with pytest.warns(UserWarning, match=r"contamination=Helpless finds no threshold.*no peak"):
        detector.fit(X)
    assert detector.labels_.sum() == 6 and detector.contamination_ == 0.1
    with pytest.raises(ValueError, match="contamination=Helpless finds no threshold"):
        detector.reset_threshold(Helpless())
    assert detector.labels_.sum() == 6


@pytest.mark.parametrize("kind", [RCADetector, RobustRealNVPDetector])
def test_rows_without_a_value_are_neither_normal_nor_abnormal(kind):
    X = np.random.RandomState(0).normal(size=(100, 3))
    X[3], X[5, 0] = np.nan, np.nan
    detector = kind(missing="mean", **QUICK)
    with pytest.warns(UserWarning, match=r"1 rows of X have no value at all \(row 3\)"):
        detector.fit(X)
    median = np.median(np.delete(detector.decision_scores_, 3))
    assert detector.decision_scores_[3] == median
    with pytest.warns(UserWarning, match="no value at all"):
        assert detector.decision_function([[np.nan] * 3, [0, 0, 0]])[0] == median


def test_masked_cells_are_missing():
    X = np.random.RandomState(0).normal(size=(50, 3))
    masked = np.ma.masked_array(X, mask=False)
    masked[4, 1] = np.ma.masked
    with pytest.raises(ValueError, match="NaN"):
        RCADetector(**QUICK).fit(masked)
    X[4, 1] = np.nan
    first, second = (RCADetector(missing="mean", **QUICK).fit(rows) for rows in (masked, X))
    np.testing.assert_array_equal(first.decision_scores_, second.decision_scores_)


@pytest.mark.parametrize(
    ("column", "what"),
    [
        (["a", "b"] * 20, "'a', which is no number"),
        (pd.date_range("2024-01-01", periods=40), "dates or times"),
        (pd.Categorical(["u", "v"] * 20), "'u', which is no number"),
    ],
)
def test_columns_that_are_no_numbers_are_named(column, what):
    frame = pd.DataFrame({"x": np.arange(40.0), "odd": column})
    with pytest.raises(ValueError, match=f"column 'odd' of X holds {what}.*TableEncoder"):
        RCADetector(**QUICK).fit(frame)
    with pytest.raises(ValueError, match="column 'odd'"):
        RobustRealNVPDetector(**QUICK).fit(frame[["odd"]])
    encoded = TableEncoder().fit_transform(frame)
    assert RCADetector(**QUICK).fit(encoded).decision_scores_.shape == (40,)


def test_frames_of_all_kinds_of_numbers_are_tables():
    numbers = pd.array(range(40), dtype="Int64")
    frame = pd.DataFrame({"i": numbers, "o": np.arange(40.0).astype(object), "b": [True] * 40})
    assert RCADetector(**QUICK).fit(frame).n_features_in_ == 3
    with pytest.raises(ValueError, match="X holds dates"):
        RCADetector(**QUICK).fit(pd.date_range("2024-01-01", periods=40).to_numpy()[:, None])
    hours = pd.DataFrame({"t": pd.to_timedelta(np.arange(40), unit="h")})
    with pytest.raises(ValueError, match=r"column 't' .*total_seconds"):
        RCADetector(**QUICK).fit(hours)
