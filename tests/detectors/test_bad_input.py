"""Bad input gets an error that names it; odd but valid tables work; nothing is half-fitted."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skrobust import OutlierDetectorAdapter, RCADetector, RobustRealNVPDetector

QUICK = {
    "max_epochs": 3,
    "n_passes": 3,
    "hidden_layer_sizes": (8,),
    "latent_dim": 2,
    "random_state": 0,
}
TABLE = np.random.RandomState(0).rand(40, 3)


def with_cell(value):
    X = TABLE.copy()
    X[3, 1] = value
    return X


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (TABLE[0], "Expected 2D array, got 1D array"),
        (TABLE[None], "Found array with dim 3"),
        (TABLE[:1], "1 sample.*minimum of 2"),
        (TABLE[:, :0], r"0 feature\(s\)"),
        (np.array([["a", "b"], ["c", "d"]]), "could not convert string"),
        (with_cell(np.inf), "infinity"),
        (with_cell(np.nan), r"NaN \(1 cells in 1 rows\).*missing='mean'.*SimpleImputer"),
        (TABLE + 1j, "Complex data"),
    ],
)
def test_bad_tables_are_named_and_leave_nothing_behind(X, message, make):
    detector = make(random_state=0)
    before = dict(vars(detector))
    with np.errstate(over="ignore", invalid="ignore"), pytest.raises(ValueError, match=message):
        detector.fit(X)
    assert vars(detector) == before


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"contamination": 0.6}, r"'contamination' parameter.*\[0.0, 0.5\].*Got 0.6"),
        ({"contamination": -0.1}, "'contamination' parameter.*Got -0.1"),
        ({"contamination": "much"}, "'contamination' parameter.*Got 'much'"),
        ({"n_networks": 0}, "'n_networks' parameter.*Got 0"),
        ({"base": "pca"}, "'base' parameter.*'autoencoder'.*Got 'pca'"),
        ({"hidden_layer_sizes": (8, 0)}, r"hidden_layer_sizes must be.*got \(8, 0\)"),
        ({"hidden_layer_sizes": ()}, r"hidden_layer_sizes must be.*got \(\)"),
        ({"dropout": 1.0}, "'dropout' parameter.*Got 1.0"),
        ({"n_passes": -1}, "'n_passes' parameter.*Got -1"),
        ({"schedule": "fast"}, "'schedule' parameter.*Got 'fast'"),
        ({"warmup": 1.5}, "'warmup' parameter.*Got 1.5"),
        ({"lr": 0.0}, "'lr' parameter.*Got 0.0"),
        ({"preprocessing": "robust"}, "'preprocessing' parameter.*Got 'robust'"),
        ({"margin": -1}, "'margin' parameter.*Got -1"),
        ({"device": "tpu9"}, "device='tpu9' cannot be used here.*'auto', 'cpu'"),
        ({"device": "meta"}, "device='meta' cannot be used here.*only CPUs and CUDA"),
        ({"n_threads": 0}, "'n_threads' parameter.*Got 0"),
        (
            {"loss": "binary_crossentropy", "preprocessing": "standard"},
            "'binary_crossentropy' needs preprocessing='minmax', got preprocessing='standard'",
        ),
    ],
)
def test_bad_parameters_name_the_value_and_what_is_allowed(parameters, message):
    detector = RCADetector(**{**QUICK, **parameters})
    before = dict(vars(detector))
    with pytest.raises(ValueError, match=message):
        detector.fit(TABLE)
    assert vars(detector) == before


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"trim": "yes"}, "'trim' parameter.*Got 'yes'"),
        ({"lipschitz": 0.0}, r"'lipschitz' parameter.*\(0.0, inf.*Got 0.0"),
        ({"constraint": "hard"}, "'constraint' parameter.*'cap'.*Got 'hard'"),
        ({"n_couplings": 0}, "'n_couplings' parameter.*Got 0"),
        ({"mask": "checkerboard"}, "'mask' parameter.*Got 'checkerboard'"),
        ({"hidden_layer_sizes": [0]}, r"hidden_layer_sizes must be.*got \[0\]"),
    ],
)
def test_bad_parameters_of_the_flow(parameters, message):
    with pytest.raises(ValueError, match=message):
        RobustRealNVPDetector(**parameters).fit(TABLE)


def test_contamination_must_leave_two_rows(make):
    with pytest.raises(ValueError, match=r"contamination=0\.5 leaves fewer than two of 3"):
        make(contamination=0.5, random_state=0).fit(TABLE[:3])
    make(contamination=0.5, random_state=0).fit(TABLE[:4])
    make(contamination=0.0, random_state=0).fit(TABLE[:2])


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is present")
def test_cuda_without_a_gpu_says_so(make):
    with pytest.raises(ValueError, match="device='cuda' cannot be used here"):
        make(device="cuda", random_state=0).fit(TABLE)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_fit_and_score_on_a_gpu(make):
    on_gpu = make(device="cuda", random_state=0).fit(TABLE)
    assert on_gpu.device_.startswith("cuda")
    assert np.isfinite(on_gpu.decision_function(TABLE)).all()


def test_refused_fit_keeps_the_earlier_one(make):
    detector = make(random_state=0).fit(TABLE)
    scores = detector.decision_function(TABLE)
    with pytest.raises(ValueError, match="infinity"):
        detector.fit(with_cell(np.inf)[:, :2])
    assert detector.n_features_in_ == 3
    np.testing.assert_array_equal(detector.decision_function(TABLE), scores)


def test_prediction_refuses_what_fit_would_and_another_width(make):
    detector = make(random_state=0)
    with pytest.raises(NotFittedError):
        detector.predict(TABLE)
    detector.fit(TABLE)
    with pytest.raises(ValueError, match=r"X has 2 features, but \w+ is expecting 3"):
        detector.decision_function(TABLE[:, :2])
    with pytest.raises(ValueError, match="NaN"):
        detector.predict_proba(with_cell(np.nan))


def test_constant_columns_are_fine(make):
    X = TABLE.copy()
    X[:, 1] = 7.0
    scores = make(random_state=0).fit(X).decision_function(X)
    assert np.isfinite(scores).all()
    assert np.isfinite(make(random_state=0).fit(np.ones((9, 2))).decision_scores_).all()


@pytest.mark.parametrize("preprocessing", ["minmax", "standard", None])
@pytest.mark.parametrize(
    "detector",
    [
        RCADetector(**QUICK),
        RCADetector(base="vae", **QUICK),
        RobustRealNVPDetector(random_state=0),
        RobustRealNVPDetector(lipschitz=None, random_state=0),
    ],
)
def test_rows_far_from_the_training_data_score_finite_and_high(preprocessing, detector):
    detector = clone(detector).set_params(preprocessing=preprocessing).fit(TABLE)
    far = detector.decision_function(np.array([[1e300, 0, 0], [1e9, -1e9, 0]]))
    assert np.isfinite(far).all()
    assert (far > detector.decision_scores_.max()).all()


def test_missing_mean_imputes_by_the_training_mean(make):
    X = with_cell(np.nan)
    detector = make(missing="mean", random_state=0).fit(X)
    filled = np.where(np.isnan(X), np.nanmean(X, axis=0), X)
    scores = detector.decision_function(filled)
    np.testing.assert_allclose(detector.decision_scores_, scores, rtol=1e-5)
    new = np.array([[np.nan, 0.5, 0.5]])
    full = np.array([[np.nanmean(X[:, 0]), 0.5, 0.5]])
    np.testing.assert_allclose(
        detector.decision_function(new), detector.decision_function(full), rtol=1e-5
    )


def test_columns_without_any_observed_value_are_ignored(make):
    X = TABLE.copy()
    X[:, 2] = np.nan
    detector = make(missing="mean", random_state=0).fit(X)
    observed = TABLE.copy()
    observed[:, 2] = 1e6
    np.testing.assert_array_equal(
        detector.decision_function(observed), detector.decision_function(X)
    )


def test_one_column_and_object_and_integer_tables_work(make):
    assert make(random_state=0).fit(TABLE[:, :1]).decision_scores_.shape == (40,)
    assert make(random_state=0).fit(TABLE.astype(object)).labels_.sum() == 4
    assert make(random_state=0).fit((TABLE * 9).astype(int)).labels_.sum() == 4
    make(random_state=0).fit(pd.DataFrame(TABLE).astype("Float64"))


def test_a_row_left_over_joins_the_last_batch(make):
    detector = make(batch_size=13, random_state=0).fit(TABLE)
    assert detector.history_[-1, "train_batch_count"] == 3  # 13, 13 and 14 rows
    assert np.isfinite(detector.keep_frequency_).all()


def test_y_is_ignored_silently(recwarn, make):
    plain = make(random_state=0).fit(TABLE)
    labelled = make(random_state=0).fit(TABLE, np.arange(40) % 2)
    np.testing.assert_array_equal(plain.decision_scores_, labelled.decision_scores_)
    assert not recwarn.list


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is present")
def test_a_detector_saved_on_a_gpu_loads_without_one(make):
    detector = make(random_state=0).fit(TABLE)
    scores = detector.decision_scores_
    detector.net_.device = detector.device_ = "cuda"  # what a fit on a GPU leaves
    with pytest.warns(Warning, match="cuda"):
        loaded = pickle.loads(pickle.dumps(detector))
    assert loaded.device_ == "cpu"
    np.testing.assert_array_equal(loaded.decision_function(TABLE), scores)


def test_parameters_set_after_fit_wait_for_the_next_fit():
    detector = RCADetector(**QUICK).fit(TABLE)
    scores, labels = detector.decision_scores_, detector.labels_
    detector.set_params(n_networks=1, loss="binary_crossentropy", missing="mean", n_passes=0)
    detector.set_params(contamination=0.5, preprocessing=None)
    np.testing.assert_array_equal(detector.decision_function(TABLE), scores)
    np.testing.assert_array_equal(detector.predict(TABLE), labels)
    with pytest.raises(ValueError, match="NaN"):
        detector.decision_function(with_cell(np.nan))


def test_adapter_speaks_scikit_learns_convention(make):
    adapter = OutlierDetectorAdapter(make(random_state=0)).fit(TABLE)
    detector = adapter.detector_
    np.testing.assert_array_equal(adapter.score_samples(TABLE), -detector.decision_scores_)
    np.testing.assert_array_equal(adapter.predict(TABLE) == -1, detector.labels_ == 1)
    assert not hasattr(adapter.detector, "labels_")
    with pytest.raises(ValueError, match="'detector' parameter"):
        OutlierDetectorAdapter(3).fit(TABLE)
    imputing = OutlierDetectorAdapter(make(missing="mean", random_state=0))
    assert set(imputing.fit(with_cell(np.nan)).predict(TABLE)) == {-1, 1}
