"""BackdoorRobustClassifier as it comes: screening, dropping, training again."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import PredefinedSplit
from skorch.dataset import ValidSplit

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


def test_a_label_that_is_not_learnt_does_not_hide_the_others(attacked):
    """One row of a label of its own, which is a copy of another row."""
    X, y = attacked[:2]
    model = BackdoorRobustClassifier(**QUICK).fit(np.concatenate([X, X[:1]]), np.r_[y, 99])
    assert model.flagged_labels_.tolist() == [4]


def test_two_classes_of_several_groups_are_not_poison():
    X, y, _, _ = digits(as_table=True)
    for seed in (0, 4):
        rows = np.random.RandomState(seed).permutation(len(X))[:300]
        settings = {**QUICK, "max_epochs": 100, "hidden_layer_sizes": (256, 256)}
        model = BackdoorRobustClassifier(**settings).fit(X[rows], y[rows] > 4)
        assert not model.is_poisoned_


FEW = {"max_epochs": 3, "min_steps": None, "hidden_layer_sizes": (8,), "random_state": 0}


@pytest.mark.parametrize("kind", ["Int64", "Int64 with NA", "category", "masked"])
def test_cells_of_other_kinds(kind):
    """As without screening: what is missing is missing, what are numbers are numbers."""
    X, y, _, _ = digits(as_table=True)
    X, y = X[:200], y[:200]
    frame = pd.DataFrame(X, columns=[f"p{i}" for i in range(64)])
    settings = {"missing": "mean"} if kind.endswith(("NA", "masked")) else {}
    if kind == "masked":
        given = np.ma.masked_array(X, mask=np.zeros(X.shape, dtype=bool))
        given[3, 5], given.mask[3, 5] = 1e9, True
    elif kind == "category":
        given = frame.assign(p3=frame["p3"].astype("category"))
    else:
        given = frame.astype("Int64")
        if settings:
            given.iloc[3, 5] = pd.NA
    model = BackdoorRobustClassifier(**FEW, **settings).fit(given, y)
    plain = BackdoorRobustClassifier(**FEW, **PLAIN, **settings).fit(given, y)
    np.testing.assert_array_equal(model.predict_proba(given), plain.predict_proba(given))
    assert model.feature_range_[1].max() <= 16


def test_nothing_is_left_of_an_earlier_fit():
    X, y, _, _ = digits(as_table=True)
    X, y = X[:200], y[:200]
    model = BackdoorRobustClassifier(**FEW).fit(pd.DataFrame(X).rename(columns=str), y)
    model.fit(X[:, :10], y)
    assert not hasattr(model, "feature_names_in_") and model.n_features_in_ == 10
    model.set_params(noisy_label="prl", corruption_rate="auto").fit(X, y)
    with pytest.raises(AttributeError, match="suspects_ is there after fit with noisy_label='scr"):
        model.suspects_  # noqa: B018
    model.set_params(noisy_label="screen").fit(X, y)
    assert not hasattr(model, "corruption_rate_interval_")


def test_a_split_of_all_rows_is_for_the_first_training():
    X, y, _, _ = digits(as_table=True)
    fold = np.where(np.arange(200) < 40, 0, -1)
    split = ValidSplit(PredefinedSplit(fold))
    model = BackdoorRobustClassifier(**FEW, train_split=split).fit(X[:200], y[:200])
    assert model.get_params()["train_split"] is split


@pytest.mark.parametrize("scale", [1e30, 1e300])
def test_huge_values(scale):
    X, y, _, _ = digits(as_table=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = BackdoorRobustClassifier(**FEW).fit(X[:200] * scale, y[:200])
    assert not model.is_poisoned_
