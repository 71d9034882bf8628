"""Bad input gets an error that names it; odd but valid data work; nothing is half-fitted."""

import os
import signal

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from sklearn.exceptions import NotFittedError
from skorch.callbacks import Callback
from torch import nn

from skrobust import PRLClassifier, PRLRegressor

TABLE = np.random.RandomState(0).rand(40, 3)
LABELS = np.arange(40) % 2
IMAGES = np.random.RandomState(0).rand(40, 2, 4, 4)


def with_cell(array, value):
    changed = array.astype(float)
    changed.reshape(-1)[4] = value
    return changed


def refuses(model, X, y, error, message):
    before = dict(vars(model))
    with np.errstate(all="ignore"), pytest.raises(error, match=message):
        model.fit(X, y)
    assert vars(model) == before


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (TABLE[0], "Expected 2D array, got 1D array"),
        (TABLE[:1], "1 sample.*minimum of 2"),
        (TABLE[:, :0], r"0 feature\(s\)"),
        (np.array([["a", "b"]] * 40), "could not convert string"),
        (with_cell(TABLE, np.inf), "infinity"),
        (with_cell(TABLE, np.nan), r"NaN \(1 cells in 1 rows\).*missing='mean'"),
        (with_cell(IMAGES, np.nan), "NaN"),
        (with_cell(IMAGES, 1e300), "infinity or a value too large"),
        (TABLE + 1j, "Complex data"),
        (TABLE[:39], "inconsistent numbers of samples"),
        (csr_matrix(TABLE), "[Ss]parse"),
    ],
)
def test_bad_inputs_are_named_and_leave_nothing_behind(X, message, make):
    refuses(
        make(), X, LABELS[: len(X)] if X.shape[0] < 39 else LABELS, (ValueError, TypeError), message
    )


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (with_cell(LABELS, np.nan), "Input y contains NaN"),
        (with_cell(LABELS, np.inf), "Input y contains infinity"),
        (None, "y cannot be None|the target y is None"),
        (LABELS[:39], "inconsistent numbers of samples"),
    ],
)
def test_bad_targets_of_both(y, message, make):
    refuses(make(), TABLE, y, ValueError, message)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.full(40, "a"), r"at least two classes, y holds only one class: .*'a'"),
        (TABLE[:, 0], "Unknown label type: continuous"),
        (TABLE[:, :2], r"y should be a 1d array"),
        (
            np.array(["a", None] * 20, dtype=object),
            "missing labels",
        ),
    ],
)
def test_bad_labels(y, message):
    refuses(PRLClassifier(), TABLE, y, ValueError, message)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.array(["a"] * 40), "could not convert string"),
        (TABLE[:, :, None], "Found array with dim 3"),
    ],
)
def test_bad_numbers(y, message):
    refuses(PRLRegressor(), TABLE, y, ValueError, message)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"corruption_rate": 1.0}, r"'corruption_rate' parameter.*\[0.0, 1.0\).*Got 1.0"),
        ({"corruption_rate": -0.1}, "'corruption_rate' parameter.*Got -0.1"),
        ({"corruption_rate": "most"}, "'corruption_rate' parameter.*'auto'.*Got 'most'"),
        ({"corruption_rate": np.nan}, "'corruption_rate' parameter.*Got nan"),
        ({"corruption_rate": 0.99}, r"corruption_rate=0.99 leaves none of 40 training rows"),
        ({"selection": "gradients"}, "'selection' parameter.*'loss-gradient'.*Got 'gradients'"),
        ({"clip": "norm"}, "'clip' parameter.*'batch'.*Got 'norm'"),
        ({"max_norm": 0}, "'max_norm' parameter.*Got 0"),
        ({"clip": "row", "reforward": True}, "reforward=True cannot be combined with clip='row'"),
        ({"n_networks": 0}, "'n_networks' parameter.*Got 0"),
        ({"loss": "hinge"}, "'loss' parameter.*Got 'hinge'"),
        ({"reforward": "yes"}, "'reforward' parameter.*Got 'yes'"),
        ({"memory": "last"}, "'memory' parameter.*'average'.*Got 'last'"),
        ({"memory_decay": 1.0}, "'memory_decay' parameter.*Got 1.0"),
        ({"hidden_layer_sizes": (8, 0)}, r"hidden_layer_sizes must be.*got \(8, 0\)"),
        ({"preprocessing": "robust"}, "'preprocessing' parameter.*Got 'robust'"),
        ({"missing": "drop"}, "'missing' parameter.*Got 'drop'"),
        ({"margin": -1}, "'margin' parameter.*Got -1"),
        ({"warmup": 1.5}, "'warmup' parameter.*Got 1.5"),
        ({"batch_size": 0}, "'batch_size' parameter.*Got 0"),
        ({"lr": 0.0}, "'lr' parameter.*Got 0.0"),
        ({"module": "mlp"}, "'module' parameter.*callable.*Got 'mlp'"),
        ({"device": "tpu9"}, "device='tpu9' cannot be used here"),
        (
            {"module": nn.Linear(3, 2), "module__bias": False},
            "module__bias was given for a module that is built already; pass the module's class",
        ),
        (
            {"module": nn.Linear(3, 7)},
            r"outputs of shape \(n_rows, \d\), one column per class or target; \d+ rows gave .*7\)",
        ),
        (
            {"module": nn.Sequential(nn.Linear(3, 2), nn.Flatten(0))},
            r"outputs of shape \(n_rows, \d\).*rows gave",
        ),
    ],
    ids=str,
)
def test_bad_parameters_name_the_value_and_what_is_allowed(parameters, message, make):
    refuses(make(**parameters), TABLE, LABELS, ValueError, message)


def test_bad_parameters_of_the_regressor():
    refuses(PRLRegressor(robust_start=1.0), TABLE, LABELS, ValueError, "'robust_start'.*Got 1.0")
    refuses(PRLRegressor(score_limit=0.5), TABLE, LABELS, ValueError, "'score_limit'.*Got 0.5")
    refuses(PRLRegressor(huber_delta=0.0), TABLE, LABELS, ValueError, "'huber_delta'.*Got 0.0")


def test_rates_above_a_half_are_allowed_with_a_warning(make):
    with pytest.warns(UserWarning, match=r"corruption_rate=0\.6 is above 0\.5") as records:
        model = make(corruption_rate=0.6, random_state=0).fit(TABLE, LABELS)
    assert model.corruption_rate_ == 0.6 and model.inlier_mask_.sum() == 16
    assert records[0].filename == __file__


def test_no_other_warning(make, recwarn):
    make(random_state=0).fit(TABLE, LABELS).predict(TABLE)
    make(random_state=0, n_networks=2).fit(IMAGES, LABELS).predict(IMAGES)
    assert not recwarn.list


@pytest.mark.parametrize("n_rows", [2, 3, 11])
def test_fewer_rows_than_a_batch_work(make, n_rows):
    model = make(random_state=0, corruption_rate=0.4).fit(TABLE[:n_rows], LABELS[:n_rows])
    assert np.isfinite(model._predictions(TABLE)).all()
    assert model.inlier_mask_.sum() == n_rows - int(np.ceil(0.4 * n_rows))
    assert np.isfinite(model.keep_frequency_).all()


def test_a_row_left_over_joins_the_last_batch(make):
    model = make(batch_size=13, random_state=0).fit(TABLE, LABELS)
    assert model.history_[-1, "train_batch_count"] == 3  # 13, 13 and 14 rows
    assert np.isfinite(model.keep_frequency_).all()


def test_predictions_refuse_what_fit_would_and_another_shape(make):
    model = make(random_state=0)
    with pytest.raises(NotFittedError):
        model.predict(TABLE)
    model.fit(TABLE, LABELS)
    with pytest.raises(ValueError, match=r"X has 2 features, but \w+ is expecting 3"):
        model.predict(TABLE[:, :2])
    with pytest.raises(ValueError, match="NaN"):
        model.predict(with_cell(TABLE, np.nan))
    model.fit(IMAGES, LABELS)
    with pytest.raises(ValueError, match=r"shape \(2, 5, 4\), but \w+ is expecting \(2, 4, 4\)"):
        model.predict(np.zeros((3, 2, 5, 4)))
    with pytest.raises(ValueError, match=r"shape \(2,\), but \w+ is expecting \(2, 4, 4\)"):
        model.predict(TABLE[:, :2])


def test_constant_columns_and_targets_and_rows_far_away(make):
    X = TABLE.copy()
    X[:, 1] = 7.0
    model = make(random_state=0).fit(X, LABELS)
    far = np.array([[1e300, 7, 0], [1e9, -1e9, 0]])
    assert np.isfinite(model._predictions(far)).all()
    constant = PRLRegressor(max_epochs=60, lr=1e-2, random_state=0).fit(TABLE, np.full(40, 3.0))
    np.testing.assert_allclose(constant.predict(TABLE), 3.0, atol=0.3)
    huge = np.where(LABELS == 1, 1e300, -1e300)
    assert np.isfinite(PRLRegressor(max_epochs=2).fit(TABLE, huge).predict(TABLE)).all()


def test_missing_mean_imputes_by_the_training_mean(make):
    X = with_cell(TABLE, np.nan)
    filled = np.where(np.isnan(X), np.nanmean(X, axis=0), X)
    model = make(missing="mean", random_state=0).fit(X, LABELS)
    np.testing.assert_allclose(model._predictions(X), model._predictions(filled), rtol=1e-5)


def test_refused_fit_keeps_the_earlier_one(make):
    model = make(random_state=0).fit(TABLE, LABELS)
    predictions = model.predict(TABLE)
    with pytest.raises(ValueError, match="NaN"):
        model.fit(TABLE[:, :2], with_cell(LABELS, np.nan))
    np.testing.assert_array_equal(model.predict(TABLE), predictions)


def test_ctrl_c_propagates_and_leaves_the_model_as_it_was(make):
    class CtrlC(Callback):
        def on_batch_end(self, net, **kwargs):
            os.kill(os.getpid(), signal.SIGINT)
            sum(range(10**6))  # the signal arrives here

    model = make(callbacks=[CtrlC()])
    before = dict(vars(model))
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            model.fit(TABLE, LABELS)
    finally:
        signal.signal(signal.SIGINT, handler)
    assert vars(model) == before


def test_a_training_that_diverges_is_an_error():
    sgd = {
        "optimizer": torch.optim.SGD,
        "hidden_layer_sizes": (8,),
        "robust_start": 0.0,
        "random_state": 0,
    }
    message = r"training loss became (nan|inf) in epoch \d+, batch \d of \d; .*lr"
    refuses(PRLRegressor(lr=1e2, **sgd), TABLE, LABELS, FloatingPointError, message)
    message = "predictions are not finite; try a smaller lr"
    once = PRLRegressor(lr=1e30, max_epochs=1, **sgd)
    refuses(once, TABLE, LABELS, FloatingPointError, message)
