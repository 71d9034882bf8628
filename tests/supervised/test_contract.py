"""scikit-learn's contract: all of its checks, and what its own estimators are tested for."""

import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
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
from skorch.callbacks import EarlyStopping
from skorch.dataset import ValidSplit
from torch import nn

from skrobust import PRLClassifier, PRLRegressor

SHORT = {"corruption_rate": 0.2, "max_epochs": 30, "hidden_layer_sizes": (64,), "lr": 1e-2}
SELECTIONS = ["loss-gradient", "loss", None]
VARIANTS = [
    make(selection=selection, n_networks=n_networks, **SHORT)
    for make in (PRLClassifier, PRLRegressor)
    for selection in SELECTIONS
    for n_networks in (1, 2)
]
OTHERS = [
    PRLClassifier(selection="gradient", **SHORT),
    PRLClassifier(selection="min", **SHORT),
    PRLRegressor(selection="gradient", n_networks=2, **SHORT),
    PRLRegressor(selection="min", **SHORT),
    PRLClassifier(selection="disagreement", n_networks=2, **SHORT),
    PRLClassifier(loss="bootstrap-hard", n_networks=2, **SHORT),
    PRLClassifier(loss="bootstrap-soft", selection=None, clip="batch", **SHORT),
    PRLClassifier(selection="gradient", clip="row", **SHORT),
    PRLRegressor(selection=None, clip="row", max_norm=10.0, **SHORT),
    PRLRegressor(selection="gradient", loss="huber", clip="batch", max_norm=10.0, **SHORT),
    PRLClassifier(
        reforward=True, memory="average", missing="mean", preprocessing="minmax", **SHORT
    ),
    PRLRegressor(score_limit=None, margin=1.0, **SHORT),
    PRLRegressor(loss="huber", robust_start=0.0, reforward=True, missing="mean", **SHORT),
    PRLRegressor(loss="absolute_error", memory="sum", preprocessing=None, n_networks=3, **SHORT),
]


class Linear(nn.Module):
    """A module of the user's, which is told the sizes."""

    def __init__(self, in_features, out_features, scale=1.0):
        super().__init__()
        self.linear = nn.Linear(in_features, out_features)
        self.scale = scale

    def forward(self, x):
        return self.linear(self.scale * x)


@parametrize_with_checks([PRLClassifier(), PRLRegressor()])
def test_sklearn_checks(estimator, check):
    check(estimator)


@parametrize_with_checks([*VARIANTS, *OTHERS])
def test_sklearn_checks_variants(estimator, check, shortened):
    check(shortened(estimator, check))


def test_no_check_is_skipped():
    """The array-API check runs only where SCIPY_ARRAY_API was set before scipy was imported."""
    results = check_estimator(PRLRegressor(**SHORT), on_skip=None, on_fail=None)
    assert {result["status"] for result in results} == {"passed"}
    assert any("array_api" in result["check_name"] for result in results)


@pytest.mark.parametrize(
    "check",
    [
        check_param_validation,
        check_dataframe_column_names_consistency,
        check_inplace_ensure_writeable,
    ],
)
@pytest.mark.parametrize("estimator", [PRLClassifier(**SHORT), PRLRegressor(**SHORT)], ids=str)
def test_checks_that_sklearn_runs_on_its_own_estimators(estimator, check):
    check(type(estimator).__name__, estimator)


@pytest.mark.parametrize("parameters", [{}, {"n_networks": 2}, {"module": Linear}], ids=str)
def test_refit_equals_fit_and_seed_decides(X, y, make, parameters):
    model = make(random_state=1, **parameters).fit(X, y)
    scores, predictions = model.sample_scores_, model._predictions(X)
    np.testing.assert_array_equal(model.fit(X, y)._predictions(X), predictions)
    np.testing.assert_array_equal(model.sample_scores_, scores)
    other = clone(model).set_params(random_state=2).fit(X, y)
    assert not np.allclose(other._predictions(X), predictions)


def test_global_random_state_and_threads_are_untouched(X, y, make):
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    n_threads = torch.get_num_threads()
    make(random_state=0).fit(X, y).predict(X)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    assert torch.get_num_threads() == n_threads


@pytest.mark.parametrize("parameters", [{}, {"n_networks": 2}, {"module": Linear}], ids=str)
@pytest.mark.parametrize("dump", ["pickle", "joblib"])
def test_saved_model_predicts_the_same(X, y, make, parameters, dump, tmp_path):
    model = make(random_state=0, **parameters).fit(X, y)
    if dump == "pickle":
        loaded = pickle.loads(pickle.dumps(model))
    else:
        joblib.dump(model, tmp_path / "model.joblib")
        loaded = joblib.load(tmp_path / "model.joblib")
    np.testing.assert_array_equal(loaded._predictions(X), model._predictions(X))
    assert loaded.get_params() == model.get_params()


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is present")
def test_a_model_saved_on_a_gpu_loads_without_one(X, y, make):
    model = make(random_state=0).fit(X, y)
    predictions = model.predict(X)
    model.net_.device = model.device_ = "cuda"  # what a fit on a GPU leaves
    with pytest.warns(Warning, match="cuda"):
        loaded = pickle.loads(pickle.dumps(model))
    assert loaded.device_ == "cpu"
    np.testing.assert_array_equal(loaded.predict(X), predictions)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("parameters", [{}, {"n_networks": 2}, {"reforward": True}], ids=str)
def test_fit_and_predict_on_a_gpu(X, y, make, parameters):
    on_gpu, on_cpu = (
        make(device=device, random_state=0, **parameters).fit(X, y) for device in ("cuda", "cpu")
    )
    assert on_gpu.device_.startswith("cuda")
    np.testing.assert_allclose(on_gpu.sample_scores_, on_cpu.sample_scores_, rtol=0.05, atol=0.05)
    np.testing.assert_allclose(on_gpu._predictions(X), on_cpu._predictions(X), atol=0.05)


def test_pipeline_and_cross_validation(X, y, make):
    pipeline = make_pipeline(StandardScaler(), make(random_state=0))
    assert pipeline.fit(X, y).predict(X).shape == (200,)
    assert np.isfinite(cross_val_score(pipeline, X, y, cv=2, n_jobs=2)).all()


def test_grid_search_over_module_rate_and_learning_rate(X, y, make):
    pipeline = make_pipeline(StandardScaler(), make(module=Linear, random_state=0, max_epochs=2))
    name = pipeline.steps[-1][0]
    grid = {
        f"{name}__module__scale": [0.5, 2.0],
        f"{name}__lr": [1e-3, 1e-2],
        f"{name}__corruption_rate": [0.0, 0.3],
    }
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=2).fit(X, y)
    assert len(search.cv_results_["params"]) == 8
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    scale = search.best_params_[f"{name}__module__scale"]
    assert search.best_estimator_[-1].net_.module_.networks[0].scale == scale


def test_skorch_parameters_reach_the_net_and_unknown_ones_are_named(X, y, make):
    model = make(optimizer__weight_decay=0.125, module__dropout=0.5)
    assert clone(model).get_params()["optimizer__weight_decay"] == 0.125
    assert "optimizer__weight_decay=0.125" in repr(model)
    net = model.set_params(optimizer__weight_decay=0.25).fit(X, y).net_
    assert net.optimizer_.param_groups[0]["weight_decay"] == 0.25
    assert net.module_.dropout == 0.5
    with pytest.raises(TypeError, match="'corruption'; did you mean 'corruption_rate'"):
        make(corruption=0.1).fit(X, y)
    with pytest.raises(ValueError, match="Invalid parameter 'corruption'"):
        make().set_params(corruption=0.1)


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["low", "mid", "high"]),
        np.array(["low", "mid", "high"], dtype=object),
        np.array([7, -3, 2**40]),
        np.array([0.0, 2.0, 5.0]),
        np.array([True, False]),
    ],
    ids=lambda labels: str(labels.dtype),
)
def test_labels_of_any_type(X, y, labels):
    y = labels[y % len(labels)]
    settings = {"corruption_rate": 0.0, "max_epochs": 60, "lr": 1e-2, "hidden_layer_sizes": (32,)}
    model = PRLClassifier(random_state=0, **settings)
    model.fit(X, y)
    np.testing.assert_array_equal(model.classes_, np.unique(labels))
    predicted = model.predict(X)
    assert predicted.dtype == model.classes_.dtype and (predicted == y).mean() > 0.8
    probabilities = model.predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_array_equal(predicted, model.classes_[probabilities.argmax(axis=1)])


def test_several_targets_come_back_in_their_units(X):
    Y = np.c_[1e6 * X[:, 0] + 5e7, 1e-4 * X[:, 1]]
    model = PRLRegressor(max_epochs=200, lr=1e-2, hidden_layer_sizes=(32,), random_state=0)
    assert model.fit(X, Y).predict(X).shape == (200, 2)
    assert model.score(X, Y) > 0.95
    frame = pd.DataFrame(Y, columns=["a", "b"])
    np.testing.assert_array_equal(clone(model).fit(X, frame).predict(X), model.predict(X))
    assert clone(model).fit(X, Y[:, :1]).predict(X).shape == (200, 1)
    assert clone(model).fit(X, Y[:, 0]).predict(X).shape == (200,)


def test_data_frames_give_feature_names(X, y, make):
    frame = pd.DataFrame(X, columns=list("abc"))
    model = make(random_state=0).fit(frame, pd.Series(y))
    assert model.feature_names_in_.tolist() == list("abc") and model.n_features_in_ == 3
    np.testing.assert_array_equal(model.predict(frame), make(random_state=0).fit(X, y).predict(X))


def test_predictions_of_several_networks_are_their_mean(X, y, make):
    model = make(n_networks=3, random_state=0).fit(X, y)
    x = torch.from_numpy(model._preprocessor.transform(X))
    with torch.no_grad():
        outputs = model.net_.module_.eval()(x.expand(3, -1, -1)).double()
    assert all(not torch.allclose(outputs[0], other) for other in outputs[1:])
    if hasattr(model, "predict_proba"):
        expected = outputs.softmax(-1).mean(0)
        np.testing.assert_allclose(model.predict_proba(X), expected, rtol=1e-5)
    else:
        expected = model._scaler.inverse_transform(outputs.mean(0).numpy())[:, 0]
        np.testing.assert_allclose(model.predict(X), expected, rtol=1e-5, atol=1e-6)


def test_what_is_known_about_the_training_rows(X, y, make):
    model = make(corruption_rate=0.15, random_state=0, warmup=1).fit(X, y)
    assert model.corruption_rate_ == 0.15
    assert model.device_ == ("cuda:0" if torch.cuda.is_available() else "cpu")
    assert model.inlier_mask_.sum() == 200 - 30 and model.inlier_mask_.dtype == bool
    dropped = model.sample_scores_[~model.inlier_mask_]
    assert model.sample_scores_[model.inlier_mask_].max() <= dropped.min()
    assert model.keep_frequency_.shape == (200,) and len(model.history_) == 5
    assert 0.7 < model.keep_frequency_.mean() < 0.85  # the margin drops more than 0.15


def test_stratified_validation_split_and_early_stopping(X, y):
    model = PRLClassifier(
        max_epochs=200,
        lr=0.05,
        hidden_layer_sizes=(8,),
        train_split=ValidSplit(0.2, stratified=True),
        callbacks=[EarlyStopping(monitor="valid_loss", patience=3, load_best=True)],
        random_state=0,
    ).fit(X, y)
    held_out = np.isnan(model.keep_frequency_)
    assert held_out.sum() == 40 and 3 < len(model.history_) < 200
    assert np.isfinite(model.sample_scores_).all()
    assert abs(np.bincount(y[held_out]) / 40 - np.bincount(y) / 200).max() < 0.03
    assert model.score(X, y) > 0.8


def test_verbose_zero_is_silent_and_one_shows_progress(X, y, make, capsys):
    make().fit(X, y)
    assert capsys.readouterr() == ("", "")
    make(verbose=1).fit(X, y)
    assert "5/5" in capsys.readouterr().err


def test_parameters_set_after_fit_wait_for_the_next_fit(X, y, make):
    model = make(random_state=0).fit(X, y)
    predictions = model.predict(X)
    model.set_params(n_networks=2, preprocessing=None, missing="mean", module=Linear, loss="no")
    np.testing.assert_array_equal(model.predict(X), predictions)
