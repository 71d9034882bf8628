"""RobustFilter and diagnosis_frame: contract, pipelines, indices, planted rows."""

import pickle

import numpy as np
import pandas as pd
import pytest
from imblearn.pipeline import make_pipeline
from pyod.models.ecod import ECOD
from pyod.models.iforest import IForest
from pyod.models.knn import KNN
from sklearn.base import clone
from sklearn.datasets import load_digits, make_friedman1
from sklearn.ensemble import IsolationForest, RandomForestClassifier, RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from skrobust import (
    BackdoorRobustClassifier,
    FinePruningClassifier,
    OutlierDetectorAdapter,
    PRLClassifier,
    PRLRegressor,
    RCADetector,
    RobustFilter,
    RobustRealNVPDetector,
    SemiSupervisedBackdoorClassifier,
    SpectralSignatureFilter,
)
from skrobust.corruption import corrupt_labels, corrupt_targets

SMALL = {"hidden_layer_sizes": (8,), "max_epochs": 3, "random_state": 0}
LEARNER = {"corruption_rate": 0.2, **SMALL}
SEMI = {**SMALL, "pretrain_epochs": 1, "min_steps": None}
QUICK = PRLClassifier(**LEARNER, early_stopping=False)
FOREST = RandomForestClassifier(30, min_samples_leaf=5, random_state=0)
ESTIMATORS = [
    BackdoorRobustClassifier(noisy_label="prl", **SMALL, min_steps=None),
    FinePruningClassifier(**SMALL, min_steps=None),
    QUICK,
    PRLRegressor(**LEARNER),
    RCADetector(**SMALL),
    RobustRealNVPDetector(**SMALL, min_steps=None),
    SemiSupervisedBackdoorClassifier(**SEMI),
    SpectralSignatureFilter(QUICK),
    RobustFilter(QUICK),
]


@pytest.fixture
def X():
    rows = np.random.RandomState(0).normal(size=(120, 4))
    return pd.DataFrame(rows, columns=list("klmn"), index=np.arange(120) + 7)


@pytest.fixture
def y(X):
    return (X["k"] > 0).astype(int)


@parametrize_with_checks(
    [
        RobustFilter(QUICK),
        RobustFilter(RCADetector(**SMALL)),
        RobustFilter(DecisionTreeClassifier(max_depth=3), random_state=0),
    ]
)
def test_sklearn_checks(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore:no clean rows were given", "ignore:more than half")
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_frame(estimator, X, y):
    with pytest.raises(NotFittedError):
        estimator.__sklearn_clone__().diagnosis_frame()
    fitted = estimator.__sklearn_clone__().fit(X, y)
    frame = fitted.diagnosis_frame(X)
    pd.testing.assert_index_equal(frame.index, X.index)
    np.testing.assert_array_equal(frame["trusted"], fitted.inlier_mask_)
    assert sorted(frame["rank"]) == list(range(1, 121))
    by_rank = frame.sort_values("rank")
    assert by_rank["score"].is_monotonic_decreasing
    if not isinstance(estimator, SpectralSignatureFilter):  # its scores compare within a class
        assert not by_rank["trusted"].iloc[0] and by_rank["trusted"].iloc[-1]
        np.testing.assert_array_equal(frame["keep_frequency"], fitted.keep_frequency_)
    without = fitted.diagnosis_frame()
    np.testing.assert_array_equal(without.index, np.arange(120))
    pd.testing.assert_frame_equal(without, fitted.diagnosis_frame(X.to_numpy().tolist()))
    with pytest.raises(ValueError, match=r"119 rows, but .* was fitted on 120"):
        fitted.diagnosis_frame(X[1:])


def test_frame_of_the_adapter(X):
    adapter = OutlierDetectorAdapter(IForest(contamination=0.1))
    with pytest.raises(NotFittedError):
        adapter.diagnosis_frame()
    frame = adapter.fit(X).diagnosis_frame(X)
    assert list(frame) == ["score", "rank", "trusted"]
    np.testing.assert_array_equal(frame["score"], adapter.detector_.decision_scores_)
    assert (~frame["trusted"]).sum() == 12
    frame = OutlierDetectorAdapter(RCADetector(**SMALL)).fit(X).diagnosis_frame(X)
    assert list(frame) == ["score", "rank", "keep_frequency", "trusted"]


@pytest.mark.filterwarnings("ignore:more than half")
def test_rows_without_labels_come_last(X, y):
    model = SemiSupervisedBackdoorClassifier(**SEMI)
    frame = model.fit(X, y.mask(y.index < 40, -1)).diagnosis_frame(X)
    assert frame["score"][frame.index < 40].isna().all()
    assert frame["rank"][frame.index < 40].min() == 120 - 33 + 1


def test_what_is_left_are_the_trusted_rows(X, y):
    chosen = RobustFilter(QUICK).fit(X, y)
    model = QUICK.__sklearn_clone__().fit(X, y)
    np.testing.assert_array_equal(chosen.inlier_mask_, model.inlier_mask_)
    np.testing.assert_array_equal(chosen.scores_, model.sample_scores_)
    kept, labels = RobustFilter(QUICK).fit_resample(X, y)
    pd.testing.assert_frame_equal(kept, X[model.inlier_mask_])
    pd.testing.assert_series_equal(labels, y[model.inlier_mask_])
    assert list(chosen.feature_names_in_) == list("klmn")


@pytest.mark.parametrize(
    "detector",
    [
        RCADetector(0.1, max_epochs=50, random_state=0),
        IForest(contamination=0.1),
        ECOD(contamination=0.1),
        KNN(contamination=0.1),
        OutlierDetectorAdapter(KNN(contamination=0.1)),
    ],
    ids=lambda d: type(d).__name__,
)
def test_detectors_look_at_the_inputs_only(X, y, detector):
    rows = X.to_numpy().copy()
    rows[:12] *= 20
    chosen = RobustFilter(detector)
    kept, _ = chosen.fit_resample(rows, np.zeros(120))
    assert chosen.n_features_in_ == 4
    np.testing.assert_array_equal(kept, rows[12:])
    assert chosen.scores_[:12].min() > chosen.scores_[12:].max()
    targets = np.random.RandomState(1).normal(size=(120, 2))
    assert RobustFilter(detector).fit_resample(rows, targets)[1].shape == (108, 2)


def test_a_filter_can_be_filtered_by(X, y):
    inner = SpectralSignatureFilter(QUICK)
    kept, _ = RobustFilter(inner).fit_resample(X, y)
    pd.testing.assert_frame_equal(kept, clone(inner).fit_resample(X, y)[0])


def test_pipeline_grid_search_and_pickle(X, y):
    pipeline = make_pipeline(StandardScaler(), RobustFilter(QUICK), LogisticRegression())
    grid = {"robustfilter__estimator__corruption_rate": [0.0, 0.2]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(X, y)
    assert search.best_score_ > 0.8
    chosen = search.best_estimator_[1]
    loaded = pickle.loads(pickle.dumps(chosen))
    np.testing.assert_array_equal(loaded.scores_, chosen.scores_)


def test_a_plain_learner_is_helped():
    X, truth = load_digits(return_X_y=True)
    y, wrong = corrupt_labels(truth, 0.3, kind="pairflip", random_state=0)
    model = PRLClassifier(corruption_rate=0.3, random_state=0)
    plain = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    helped = make_pipeline(
        StandardScaler(), RobustFilter(model), LogisticRegression(max_iter=1000)
    ).fit(X, y)
    assert wrong[helped[1].sample_indices_].mean() < 0.1
    assert helped.score(X, truth) > plain.fit(X, y).score(X, truth) + 0.05


@pytest.mark.parametrize(
    ("estimator", "error", "message"),
    [
        (IsolationForest(), TypeError, "IsolationForest does not say which rows it trusts"),
        (LinearSVC(), ValueError, "LinearSVC has no predict_proba"),
        (3, ValueError, "estimator"),
        (PRLClassifier(corruption_rate=1.0), ValueError, "corruption_rate"),
    ],
)
def test_bad_input(X, y, estimator, error, message):
    chosen = RobustFilter(estimator)
    with pytest.raises(error, match=message):
        chosen.fit_resample(X, y)
    assert vars(chosen) == vars(RobustFilter(estimator))
    with pytest.raises(ValueError, match="inconsistent"):
        RobustFilter(QUICK).fit_resample(X, y[:-1])


def test_any_classifier_judges_rows_that_it_has_not_seen():
    X, truth = load_digits(return_X_y=True)
    y, wrong = corrupt_labels(truth, 0.3, random_state=0)
    model = RobustFilter(FOREST, random_state=0)
    helped = make_pipeline(model, LogisticRegression(max_iter=500)).fit(X / 16, y)
    judged = helped[0]
    assert abs(judged.corruption_rate_ - 0.3) < 0.05
    low, high = judged.corruption_rate_interval_
    assert low < judged.corruption_rate_ < high
    assert wrong[judged.sample_indices_].mean() < 0.05
    assert helped.score(X / 16, truth) > 0.93
    n_dropped = np.ceil(judged.corruption_rate_ * len(y))
    assert len(judged.sample_indices_) == len(y) - n_dropped
    np.testing.assert_array_equal(judged.scores_, judged.audit_.scores)
    assert not hasattr(judged, "estimator_")


def test_any_regressor_and_a_rate_that_is_known():
    X, truth = make_friedman1(500, noise=0.5, random_state=0)
    y, wrong = corrupt_targets(truth, 0.2, kind="maximum", random_state=0)
    model = RandomForestRegressor(30, min_samples_leaf=3, random_state=0)
    judged = RobustFilter(model, corruption_rate=0.2, cv=4, random_state=0).fit(X, y)
    assert (~judged.inlier_mask_).sum() == 100 and judged.corruption_rate_ == 0.2
    assert judged.audit_.folds.max() == 3
    assert wrong[~judged.inlier_mask_].mean() > 0.65  # .72 to .79 with four seeds
    assert not hasattr(judged, "corruption_rate_interval_")


def test_another_kind_of_estimator_leaves_nothing_of_the_last_one(X, y):
    judged = RobustFilter(FOREST, random_state=0).fit(X, y)
    assert {"audit_", "corruption_rate_"} <= vars(judged).keys()
    judged.set_params(estimator=QUICK).fit(X, y)
    assert not {"audit_", "corruption_rate_", "corruption_rate_interval_"} & vars(judged).keys()
    assert hasattr(judged, "estimator_") and hasattr(judged, "keep_frequency_")
    judged.set_params(estimator=FOREST).fit(X, y)
    assert not {"estimator_", "keep_frequency_"} & vars(judged).keys()


def test_a_rate_in_doubt_is_said(X, y):
    noise = np.random.RandomState(1).permutation(y)
    with pytest.warns(UserWarning, match="corruption_rate='auto' takes 0.2, which cannot be"):
        RobustFilter(FOREST, random_state=0).fit(X, noise)


def test_an_estimator_that_trusts_no_row(X, y):
    class Nobody(IForest):
        def fit(self, X, y=None):
            super().fit(X)
            self.labels_ = np.ones(len(X), dtype=int)

    with pytest.raises(ValueError, match="trusts none of the 120 rows"):
        RobustFilter(Nobody()).fit(X, y)
