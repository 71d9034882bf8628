"""BackdoorRobustClassifier as it comes: screening, dropping, training again."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score

from skrobust import BackdoorRobustClassifier, PoisonScreen, io
from skrobust.corruption import PatchTrigger, TabularTrigger, poison
from skrobust.metrics import attack_success_rate, clean_accuracy

PLAIN = {"noisy_label": None, "perturbation_limit": 0, "occlusion": 0, "memory": None}
ONE = {"target_map": "all-to-one", "target": 4}
QUICK = {"max_epochs": 60, "min_steps": None, "hidden_layer_sizes": (64,), "random_state": 0}


def digits(as_table=False):
    X, y = load_digits(return_X_y=True)
    X = X if as_table else X.reshape(-1, 1, 8, 8) / 16
    return X[:1200], y[:1200], X[1200:], y[1200:]


@pytest.fixture(scope="module")
def attacked():
    X, truth, X_test, y_test = digits()
    trigger = PatchTrigger(2)
    X, y, mask = poison(X, truth, trigger, 0.05, **ONE, random_state=0)
    return X, y, mask, trigger, X_test, y_test


@pytest.fixture(scope="module")
def model(attacked):
    return BackdoorRobustClassifier(**QUICK).fit(*attacked[:2])


def test_one_label_is_found_and_trained_without(attacked, model):
    X, y, mask, trigger, X_test, y_test = attacked
    plain = BackdoorRobustClassifier(**QUICK, **PLAIN).fit(X, y)
    assert attack_success_rate(plain, X_test, y_test, trigger, **ONE) > 0.9
    assert attack_success_rate(model, X_test, y_test, trigger, **ONE) < 0.05
    assert clean_accuracy(model, X_test, y_test) > plain.score(X_test, y_test) - 0.03
    assert model.is_poisoned_ and model.flagged_labels_.tolist() == [4]
    assert (~model.inlier_mask_[mask]).mean() > 0.95
    assert (~model.inlier_mask_[~mask]).mean() < 0.05
    assert roc_auc_score(mask, model.sample_scores_) > 0.97
    assert model.trigger(4).shape == (1, 8, 8)


def test_what_is_said_of_rows_and_labels(attacked, model):
    X, y = attacked[:2]
    kept = model.inlier_mask_
    np.testing.assert_array_equal(model.suspects_, np.flatnonzero(~kept))
    assert model.corruption_rate_ == np.mean(~kept)
    assert (model.keep_frequency_ == kept).all()  # a plain network trusts what it is given
    frame = model.label_frame_
    assert frame["n_dropped"].sum() == (~kept).sum() == frame.loc[4, "n_dropped"]
    np.testing.assert_array_equal(frame["n_rows"], np.bincount(y))
    assert len(model.diagnosis_frame()) == len(X)
    again = BackdoorRobustClassifier(**QUICK).fit(X, y)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_the_result_is_the_plain_fit_on_the_rows_that_are_left(attacked, model):
    X, y, *_, X_test, _ = attacked
    kept = model.inlier_mask_
    plain = BackdoorRobustClassifier(**QUICK, **PLAIN).fit(X[kept], y[kept])
    np.testing.assert_array_equal(model.predict_proba(X_test), plain.predict_proba(X_test))
    np.testing.assert_array_equal(model.perturb(X[:5], y[:5]), X[:5])  # nothing is moved


def test_clean_rows_give_the_plain_fit_itself():
    X, y, X_test, _ = digits()
    model = BackdoorRobustClassifier(**QUICK).fit(X, y)
    plain = BackdoorRobustClassifier(**QUICK, **PLAIN).fit(X, y)
    assert not model.is_poisoned_ and model.inlier_mask_.all() and model.corruption_rate_ == 0
    np.testing.assert_array_equal(model.predict_proba(X_test), plain.predict_proba(X_test))
    with pytest.raises(ValueError, match=r"label must be one of \[\], got 4"):
        model.trigger(4)


def test_poison_screen_finds_the_same(attacked, model):
    """Whatever of Algorithm 6 is set: PoisonScreen trains plainly, too."""
    screen = PoisonScreen(clone(model), random_state=0).fit(*attacked[:2])
    np.testing.assert_array_equal(screen.inlier_mask_, model.inlier_mask_)
    np.testing.assert_array_equal(screen.trigger(4), model.trigger(4))


def test_a_rule_of_ones_own_screens_nothing(attacked, model):
    X, y = attacked[:2]
    refitted = clone(model).fit(X, y).set_params(noisy_label="prl").fit(X, y)
    assert refitted.corruption_rate_ == 0.2
    for name in ("is_poisoned_", "flagged_labels_", "label_frame_"):  # of the earlier fit
        assert not hasattr(refitted, name)
    with pytest.raises(NotFittedError):
        clone(model).trigger(4)


def test_saved_and_loaded(attacked, model, tmp_path):
    X = attacked[0]
    io.save(model, tmp_path / "model")
    loaded = io.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(loaded.trigger(4), model.trigger(4))
    pd.testing.assert_frame_equal(loaded.label_frame_, model.label_frame_)
    np.testing.assert_array_equal(loaded.perturb(X[:5], attacked[1][:5]), X[:5])


def test_a_table_with_names_and_missing_cells():
    X, truth, X_test, y_test = digits(as_table=True)
    trigger = TabularTrigger({0: 12.0, 32: 12.0, 39: 12.0})
    X, y, mask = poison(X, truth, trigger, 0.05, **ONE, random_state=0)
    X[::7, 20] = np.nan
    frame = pd.DataFrame(X, columns=[f"p{i}" for i in range(64)])
    names = np.array([f"digit {i}" for i in range(10)])
    model = BackdoorRobustClassifier(missing="mean", random_state=0).fit(frame, names[y])
    assert model.flagged_labels_.tolist() == ["digit 4"]
    assert model.feature_names_in_.tolist() == frame.columns.tolist()
    assert (~model.inlier_mask_[mask]).mean() > 0.95
    held_out = pd.DataFrame(trigger(X_test), columns=frame.columns)[y_test != 4]
    assert (model.predict(held_out) == "digit 4").mean() < 0.05


def test_an_interrupted_fit_leaves_what_was_there(attacked, model):
    X, y = attacked[:2]
    fitted = clone(model).fit(X, y)
    before = fitted.predict_proba(X)
    with pytest.raises(ValueError, match="NaN"):
        fitted.fit(np.full_like(X, np.nan), y)
    np.testing.assert_array_equal(fitted.predict_proba(X), before)
    assert fitted.flagged_labels_.tolist() == [4]
