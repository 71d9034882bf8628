"""scikit-learn's contract: all of its checks, and what its own estimators are tested for."""

import pickle
import tracemalloc

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from pyod.models.iforest import IForest
from sklearn.base import clone
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_estimator,
    check_inplace_ensure_writeable,
    check_param_validation,
    parametrize_with_checks,
)

from skrobust import OutlierDetectorAdapter, RCADetector, RobustRealNVPDetector

# none of the checks asks a detector for accuracy; the defaults run as they are
SMALL = {"max_epochs": 2, "hidden_layer_sizes": (16,)}
SHORT = {"n_passes": 5, **SMALL}
SHORT_FLOW = SMALL
VARIANTS = {
    "AE": RCADetector(n_networks=1, select=False, n_passes=0, **SMALL),
    "RCA-E": RCADetector(n_passes=0, **SMALL),
    "RCA-SS": RCADetector(select=False, **SHORT),
    "RCVA": RCADetector(base="vae", **SHORT),
    "3-RCA": RCADetector(n_networks=3, **SHORT),
    "official schedule": RCADetector(schedule="official", **SHORT),
    "cross-entropy": RCADetector(loss="binary_crossentropy", **SHORT),
    "standardised": RCADetector(preprocessing="standard", **SHORT),
    "unscaled": RCADetector(preprocessing=None, **SHORT),
    "imputing": RCADetector(missing="mean", **SHORT),
    "no margin": RCADetector(margin=0.0, **SHORT),
    "skorch parameters": RCADetector(optimizer__weight_decay=1e-3, **SHORT),
    "RealNVP": RobustRealNVPDetector(trim=False, lipschitz=None, **SHORT_FLOW),
    "TrimRealNVP": RobustRealNVPDetector(margin=0.0, lipschitz=None, **SHORT_FLOW),
    "constraint only": RobustRealNVPDetector(trim=False, **SHORT_FLOW),
    "RobustRealNVP": RobustRealNVPDetector(margin=0.0, **SHORT_FLOW),
    "exact constraint": RobustRealNVPDetector(constraint="exact", **SHORT_FLOW),
    "standardised flow": RobustRealNVPDetector(
        preprocessing="standard", missing="mean", **SHORT_FLOW
    ),
}
ADAPTERS = [
    OutlierDetectorAdapter(RCADetector(random_state=0, **SHORT)),
    OutlierDetectorAdapter(RobustRealNVPDetector(random_state=0, **SHORT_FLOW)),
    OutlierDetectorAdapter(IForest(random_state=0)),
]
QUICK = {"max_epochs": 3, "n_passes": 3, "hidden_layer_sizes": (8,), "latent_dim": 2}


@parametrize_with_checks([RCADetector(), RobustRealNVPDetector(), *VARIANTS.values()])
def test_sklearn_checks_detectors(estimator, check):
    check(estimator)


def test_no_check_is_skipped():
    """The array-API check runs only where SCIPY_ARRAY_API was set before scipy was imported."""
    results = check_estimator(VARIANTS["RCA-E"], on_skip=None, on_fail=None)
    assert {result["status"] for result in results} == {"passed"}
    assert any("array_api" in result["check_name"] for result in results)


@parametrize_with_checks(ADAPTERS)
def test_sklearn_checks_adapters(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "check",
    [
        check_param_validation,
        check_dataframe_column_names_consistency,
        check_inplace_ensure_writeable,
    ],
)
@pytest.mark.parametrize(
    "estimator",
    [RCADetector(**SHORT), RobustRealNVPDetector(**SHORT_FLOW), *ADAPTERS],
    ids=lambda e: str(e)[:40],
)
def test_checks_that_sklearn_runs_on_its_own_estimators(estimator, check):
    check(type(estimator).__name__, estimator)


@pytest.mark.parametrize("name", VARIANTS)
def test_refit_equals_fit_and_seed_decides(name, contaminated):
    X, _ = contaminated
    first = clone(VARIANTS[name]).set_params(random_state=1, max_epochs=4).fit(X)
    scores = first.decision_scores_
    np.testing.assert_array_equal(first.decision_function(X), scores)
    np.testing.assert_array_equal(first.fit(X).decision_scores_, scores)
    other = clone(first).set_params(random_state=2).fit(X)
    assert not np.allclose(other.decision_scores_, scores)


def test_without_random_state_scoring_is_still_deterministic(contaminated, make):
    X, _ = contaminated
    detector = make().fit(X)
    np.testing.assert_array_equal(detector.decision_function(X), detector.decision_function(X))


def test_global_random_state_and_threads_are_untouched(contaminated, make):
    X, _ = contaminated
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    n_threads = torch.get_num_threads()
    make(random_state=0).fit(X).decision_function(X)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    assert torch.get_num_threads() == n_threads


def test_threads_are_limited_inside_and_restored_outside(contaminated, monkeypatch):
    X, _ = contaminated
    seen = []

    class Spy(torch.optim.SGD):
        def step(self, closure=None):
            seen.append(torch.get_num_threads())
            return super().step(closure)

    scorer = RCADetector._score_chunks
    monkeypatch.setattr(
        RCADetector,
        "_score_chunks",
        lambda *given, **named: seen.append(torch.get_num_threads()) or scorer(*given, **named),
    )
    torch.set_num_threads(2)
    try:
        detector = RCADetector(optimizer=Spy, **QUICK).fit(X)
        assert set(seen) == {1}
        seen.clear()
        detector.decision_function(X)
        assert seen == [1]
        assert torch.get_num_threads() == 2
        seen.clear()
        RCADetector(optimizer=Spy, n_threads=None, **QUICK).fit(X)
        assert set(seen) == {2}
    finally:
        torch.set_num_threads(1)


@pytest.mark.parametrize("dump", ["pickle", "joblib"])
@pytest.mark.parametrize(
    "detector",
    [
        RCADetector(random_state=0, **QUICK),
        RCADetector(base="vae", random_state=0, **QUICK),
        RobustRealNVPDetector(max_epochs=3, random_state=0),
    ],
)
def test_saved_detector_scores_the_same(contaminated, tmp_path, dump, detector):
    X, _ = contaminated
    detector = clone(detector).fit(X)
    if dump == "pickle":
        loaded = pickle.loads(pickle.dumps(detector))
    else:
        joblib.dump(detector, tmp_path / "detector.joblib")
        loaded = joblib.load(tmp_path / "detector.joblib")
    np.testing.assert_array_equal(loaded.decision_function(X), detector.decision_scores_)
    assert loaded.get_params() == detector.get_params()


def test_pipeline_and_cross_validation(contaminated, make):
    X, y = contaminated
    pipeline = make_pipeline(StandardScaler(), make(random_state=0))
    labels = pipeline.fit(X).predict(X)
    assert set(labels) == {0, 1}
    scores = cross_val_score(pipeline, X, y, scoring="roc_auc", cv=3, n_jobs=2)
    assert np.isfinite(scores).all()


def test_grid_search_over_latent_dim_without_labels(contaminated):
    X, _ = contaminated
    search = GridSearchCV(
        RCADetector(random_state=0, **QUICK), {"latent_dim": [1, 3]}, cv=2, n_jobs=2
    ).fit(X)
    assert search.best_params_["latent_dim"] in (1, 3)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_grid_search_over_contamination_with_labels(contaminated):
    X, y = contaminated
    search = GridSearchCV(
        RCADetector(random_state=0, **QUICK),
        {"contamination": [0.05, 0.2], "optimizer__weight_decay": [0.0, 1e-3]},
        cv=2,
        n_jobs=2,
    ).fit(X, y)
    assert len(search.cv_results_["params"]) == 4
    assert 0 <= search.best_score_ <= 1


def test_grid_search_over_the_flow(contaminated):
    X, y = contaminated
    grid = {"lipschitz": [None, 1.0], "module__n_couplings": [2, 4]}
    search = GridSearchCV(RobustRealNVPDetector(max_epochs=3, random_state=0), grid, n_jobs=2, cv=2)
    for labels in (None, y):
        assert np.isfinite(search.fit(X, labels).cv_results_["mean_test_score"]).all()


def test_score_with_and_without_labels(contaminated, make):
    X, y = contaminated
    detector = make(random_state=0).fit(X)
    scores = detector.decision_function(X)
    assert detector.score(X, y) == roc_auc_score(y, scores)
    assert detector.score(X, np.where(y == 1, "odd", "normal")) == roc_auc_score(y, scores)
    assert detector.score(X) == pytest.approx(-np.sort(scores)[:200].mean())
    with pytest.warns(UndefinedMetricWarning, match="two label values, got 1"):
        assert np.isnan(detector.score(X, np.zeros(400)))


def test_skorch_parameters_reach_the_net(contaminated):
    X, _ = contaminated
    detector = RCADetector(optimizer__weight_decay=0.125, **QUICK)
    assert clone(detector).get_params()["optimizer__weight_decay"] == 0.125
    assert "optimizer__weight_decay=0.125" in repr(detector)
    detector.set_params(optimizer__weight_decay=0.25).fit(X)
    assert detector.net_.optimizer_.param_groups[0]["weight_decay"] == 0.25


def test_unknown_keywords_are_named_with_a_suggestion(contaminated):
    X, _ = contaminated
    with pytest.raises(TypeError, match="'contaminaton'; did you mean 'contamination'"):
        RCADetector(contaminaton=0.1).fit(X)
    with pytest.raises(ValueError, match="Invalid parameter 'latent'"):
        RCADetector().set_params(latent=3)


def test_data_frames_give_feature_names(contaminated, make):
    X, _ = contaminated
    frame = pd.DataFrame(X, columns=list("abcdef"))
    detector = make(random_state=0).fit(frame)
    assert detector.feature_names_in_.tolist() == list("abcdef")
    np.testing.assert_array_equal(detector.decision_function(frame), detector.decision_scores_)


def test_html_representation(contaminated):
    assert "RCADetector" in RCADetector()._repr_html_()


@pytest.mark.parametrize("make", [RCADetector, RobustRealNVPDetector])
@pytest.mark.parametrize("per_feature", [False, True])
def test_scoring_needs_little_more_memory_than_its_result(make, per_feature):
    X = np.random.RandomState(0).normal(size=(400_000, 10))
    short = {"max_epochs": 1, "hidden_layer_sizes": (8,), "random_state": 0}
    short |= {"n_passes": 0} if make is RCADetector else {"n_couplings": 2}
    detector = make(0.1, **short).fit(X[:200])
    score = detector.feature_scores if per_feature else detector.decision_function
    tracemalloc.start()
    result = score(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2.5 * result.nbytes + X.nbytes / 2
