"""What stands around the selection: cells, classes, modules, callbacks, kinds of numbers."""

import tempfile

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, KFold
from skorch.callbacks import BatchScoring, Checkpoint, EpochScoring, LoadInitState
from skorch.dataset import Dataset, ValidSplit
from skorch.helper import predefined_split
from torch import nn

from skrobust import (
    BackdoorRobustClassifier,
    FinePruningClassifier,
    PRLClassifier,
    PRLRegressor,
    RobustFilter,
    RobustRealNVPDetector,
    audit_labels,
    estimate_corruption_rate,
)
from skrobust.corruption import corrupt_labels

SMALL = {"max_epochs": 30, "hidden_layer_sizes": (32,), "random_state": 0}
QUICK = {"max_epochs": 3, "hidden_layer_sizes": (8,), "batch_size": 64, "random_state": 0}


def half_plane(n=800, d=4):
    X = np.random.RandomState(0).normal(size=(n, d))
    return X, (X[:, 0] > 0).astype(int)


@pytest.mark.parametrize("value", [30, 9999, 1e9])
@pytest.mark.parametrize("scaling", ["standard", "minmax"])
def test_one_bad_cell_changes_no_learner(value, scaling):
    X, truth = half_plane()
    given, wrong = corrupt_labels(truth, 0.1, random_state=1)
    bad = X.copy()
    bad[0, 0] = value
    settings = {"preprocessing": scaling, **SMALL, "lr": 3e-3}
    model = PRLClassifier(corruption_rate=0.1, **settings)
    before, after = (model.fit(rows, given).score(X, truth) for rows in (X, bad))
    assert before > 0.9 and after > before - 0.02
    regressor = PRLRegressor(corruption_rate=0.1, **settings)
    before, after = (regressor.fit(rows, X[:, 0]).score(X, X[:, 0]) for rows in (X, bad))
    assert before > 0.9 and after > before - 0.02
    audit = audit_labels(model, bad, given, cv=3, random_state=0)
    assert roc_auc_score(wrong, audit.scores) > 0.9
    kept = RobustFilter(model).fit(bad, given).inlier_mask_
    assert kept[wrong].mean() < 0.3


@pytest.mark.filterwarnings("ignore:no clean rows were given")
@pytest.mark.parametrize("kind", [BackdoorRobustClassifier, FinePruningClassifier])
@pytest.mark.parametrize("shape", [(16,), (1, 4, 4)])
def test_one_bad_cell_changes_no_defence(kind, shape):
    X, y = half_plane(d=16)
    X = 1 / (1 + np.exp(-X)).reshape(-1, *shape)
    bad = X.copy()
    bad[(0,) * X.ndim] = 9999
    layers = nn.Flatten(), nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 2)
    module = None if len(shape) == 1 else nn.Sequential(*layers)
    model = kind(module, lr=1e-2, **{**SMALL, "corruption_rate": 0.1})
    before, after = (model.fit(rows, y).score(X[1:], y[1:]) for rows in (X, bad))
    assert before > 0.85 and after > before - 0.03


@pytest.mark.parametrize("jitter", [0.0, 1e-6])
def test_targets_at_one_value_do_not_hide_the_others(jitter):
    X = np.random.RandomState(0).normal(size=(800, 4))
    rain = np.maximum(X[:, 0] + X[:, 1] - 0.5, 0) + jitter * X[:, 2]
    model = PRLRegressor(corruption_rate=0.0, **SMALL)
    assert model.fit(X, rain).score(X, rain) > 0.9
    both = np.column_stack([rain, X[:, 0]])
    alone = model.fit(X, X[:, 0]).score(X, X[:, 0])
    assert np.corrcoef(model.fit(X, both).predict(X)[:, 1], X[:, 0])[0, 1] ** 2 > alone - 0.05


def rare():
    X = np.random.RandomState(0).normal(size=(800, 5))
    y = (np.arange(800) < 64).astype(int)
    X[:64] += 2.5
    return X, y


def test_a_class_that_vanishes_is_named():
    X, y = rare()
    model = PRLClassifier(corruption_rate=0.2, selection="loss-gradient", **SMALL)
    with pytest.warns(UserWarning, match="more than half of the rows labelled 1 are not trusted"):
        assert model.fit(X, y).score(X[:64], y[:64]) < 0.5
    with pytest.warns(UserWarning, match="no row labelled 1 is left"):
        RobustFilter(model).fit(X, y)
    with pytest.warns(UserWarning, match="labelled 1 are not trusted"):
        audit_labels(model, X, y, cv=2, random_state=0)


def test_a_rare_class_is_kept_at_a_rate_that_is_too_high():
    X, y = rare()
    settings = {"corruption_rate": 0.2, **SMALL}
    model = PRLClassifier(**settings).fit(X, y)
    assert model.score(X[:64], y[:64]) > 0.9
    assert model.selection_ in ("mixture", "prior-adjusted")
    told = PRLClassifier(selection="prior-adjusted", **settings).fit(X, y)
    assert told.score(X[:64], y[:64]) > 0.6 and told.selection_ == "prior-adjusted"


def test_no_warning_where_no_class_vanishes(recwarn):
    X, y = rare()
    model = PRLClassifier(corruption_rate=0.01, margin=0, **SMALL).fit(X, y)
    assert model.score(X[:64], y[:64]) > 0.9
    RobustFilter(model).fit(X, y)
    PRLClassifier(selection=None, **SMALL).fit(X, y)
    assert not recwarn.list


class Net(nn.Module):
    """A network whose parts are registered, called and returned in some order."""

    def __init__(self, kind="plain"):
        super().__init__()
        self.kind = kind
        if kind == "head first":
            self.head = nn.Linear(8, 2)
        self.body = nn.Linear(4, 8)
        if kind != "head first":
            self.head = nn.Linear(8, 2)
        if kind == "unused last":
            self.unused = nn.Linear(8, 3)

    def forward(self, x):
        output = self.head(self.body(x).relu())
        if self.kind == "softmax":
            return output.softmax(dim=-1)
        return {"tuple": (output, x), "dict": {"logits": output}}.get(self.kind, output)


@pytest.mark.parametrize("kind", ["plain", "head first", "unused last"])
def test_embed_gives_what_the_last_called_layer_is_given(kind):
    X, y = half_plane(100)
    model = PRLClassifier(Net, module__kind=kind, preprocessing=None, max_epochs=1).fit(X, y)
    network = model.net_.module_.networks[0]
    with torch.no_grad():
        expected = network.body(torch.from_numpy(X).float()).relu().numpy()
    np.testing.assert_allclose(model.embed(X), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        ("softmax", ValueError, "outputs are probabilities.*leave out the softmax"),
        ("tuple", TypeError, r"outputs of shape \(n_rows, 2\), one tensor, not to a tuple"),
        ("dict", TypeError, "one tensor, not to a dict"),
    ],
)
def test_outputs_that_are_no_logits_are_refused(kind, error, message):
    X, y = half_plane(100)
    for estimator in (PRLClassifier, BackdoorRobustClassifier):
        with pytest.raises(error, match=message):
            estimator(Net, module__kind=kind, max_epochs=1).fit(X, y)


def test_an_embedding_is_told_of_its_inputs():
    class Words(nn.Module):
        def __init__(self):
            super().__init__()
            self.words = nn.Embedding(10, 4)

        def forward(self, x):
            return self.words(x).flatten(1)[:, :2]

    X, y = half_plane(100)
    with pytest.raises(TypeError, match=r"begin its forward with x\.long\(\)"):
        PRLClassifier(Words, max_epochs=1).fit(X, y)


class Uncertain(ClassifierMixin, BaseEstimator):
    """Predicts nan for every tenth row."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        found = np.full((len(X), 2), 0.5)
        found[::10] = np.nan
        return found


def test_nan_predictions_are_not_trusted():
    X, y = half_plane(100)
    for function in (audit_labels, estimate_corruption_rate):
        with pytest.raises(ValueError, match="Uncertain predicts nan or infinity for 10 of 100"):
            function(Uncertain(), X, y, cv=KFold(2))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([1, "a"] * 50, dtype=object), "types that have no order: int, str"),
        (np.array([b"u", b"v"] * 50), "type bytes; decode them"),
        (np.array([None, "a"] * 50, dtype=object), "missing labels"),
        (np.ma.masked_array([0, 1] * 50, mask=[1] + [0] * 99), "y is masked in 1 rows"),
    ],
)
def test_odd_labels_are_named(labels, message):
    X, _ = half_plane(100)
    with pytest.raises(ValueError, match=message):
        PRLClassifier(**QUICK).fit(X, labels)
    if not isinstance(labels, np.ma.MaskedArray):
        with pytest.raises(ValueError, match=message):
            audit_labels(LogisticRegression(), X, labels)


def test_groups_are_asked_for():
    X, y = half_plane(100)
    with pytest.raises(ValueError, match="GroupKFold needs groups: pass groups="):
        audit_labels(LogisticRegression(), X, y, cv=GroupKFold(2))
    splits = list(GroupKFold(2).split(X, y, np.arange(100) // 10))
    assert len(audit_labels(LogisticRegression(), X, y, cv=splits).order) == 100


@pytest.mark.parametrize("scoring", [EpochScoring, BatchScoring])
@pytest.mark.parametrize("n_networks", [1, 2])
def test_scores_of_skorch(scoring, n_networks):
    X, y = half_plane(200)
    split = ValidSplit(5, stratified=False)
    callback = scoring("accuracy", name="acc", lower_is_better=False)
    model = PRLClassifier(
        train_split=split,
        callbacks=[callback],
        n_networks=n_networks,
        **{**QUICK, "lr": 0.02, "max_epochs": 8},
    ).fit(X, np.array(["no", "yes"])[y])
    held_out = np.isnan(model.keep_frequency_)
    expected = model.score(X[held_out], np.array(["no", "yes"])[y][held_out])
    assert model.history_[-1, "acc"] == pytest.approx(expected) and expected > 0.7
    assert max(model.history_[:, "acc"]) <= 1 and "acc_best" in model.history_[-1]
    target = PRLRegressor(train_split=split, callbacks=[scoring("r2", name="r2")], **QUICK)
    assert np.isfinite(target.fit(X, X[:, 0]).history_[-1, "r2"])


def test_scores_of_training_rows_are_refused():
    X, y = half_plane(200)
    callback = EpochScoring("accuracy", on_train=True)
    with pytest.raises(ValueError, match="score the rows that train_split holds out"):
        PRLClassifier(callbacks=[callback], **QUICK).fit(X, y)


@pytest.mark.parametrize("labels", [np.array([0, 1]), np.array(["no", "yes"])])
def test_predefined_split(labels):
    X, y = half_plane(300)
    X = X * [1, 100, 1e-3, 1] + 5  # in units that the networks do not see
    split = predefined_split(Dataset(X[200:], labels[y][200:]))
    model = PRLClassifier(train_split=split, **{**QUICK, "max_epochs": 40, "lr": 0.01})
    losses = model.fit(X[:200], labels[y][:200]).history_[:, "valid_loss"]
    assert losses[-1] < 0.6 * losses[0] and model.keep_frequency_.shape == (200,)
    assert np.isfinite(model.keep_frequency_).all()
    flow = RobustRealNVPDetector(train_split=predefined_split(Dataset(X[200:])), **QUICK)
    assert np.isfinite(flow.fit(X[:200]).history_[-1, "valid_loss"])
    bad = predefined_split(Dataset(X[200:], np.full(100, "z")))
    with pytest.raises(ValueError, match="z', which is none of classes_"):
        PRLClassifier(train_split=bad, **QUICK).fit(X[:200], labels[y][:200].astype(str))


def test_drop_last():
    X, y = half_plane(200)
    model = PRLClassifier(iterator_train__drop_last=True, **QUICK).fit(X, y)
    assert model.history_[-1, "train_batch_count"] == 3  # of 64 rows
    with pytest.raises(ValueError, match="batch_size=64 makes no batch of 50 rows"):
        PRLClassifier(iterator_train__drop_last=True, **QUICK).fit(X[:50], y[:50])


def test_a_training_that_goes_on_does_not_warm_up_again():
    X, truth = half_plane(400)
    y, wrong = corrupt_labels(truth, 0.3, random_state=0)
    with tempfile.TemporaryDirectory() as folder:

        def checkpoint():
            return Checkpoint(monitor=None, dirname=folder)

        settings = {**QUICK, "corruption_rate": 0.3, "warmup": 10, "lr": 5e-3}
        first = PRLClassifier(**{**settings, "max_epochs": 20}, callbacks=[checkpoint()])
        first.fit(X, y)
        again = PRLClassifier(
            **{**settings, "max_epochs": 2}, callbacks=[LoadInitState(checkpoint())]
        ).fit(X, y)
    assert len(again.history_) == 22
    # two epochs of a new warm-up would keep nearly all rows
    assert again.keep_frequency_.mean() == pytest.approx(first.keep_frequency_.mean(), abs=0.05)
    assert again.keep_frequency_[wrong].mean() < 0.3


def test_pictures_in_other_numbers_are_refused():
    rng = np.random.RandomState(0)
    X, y = rng.rand(100, 1, 4, 4), np.arange(100) % 2
    bytes_ = (X * 255).astype(np.uint8)
    module = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    model = PRLClassifier(module, max_epochs=1).fit(X, y)
    with pytest.raises(ValueError, match=r"X holds integers from 0 to 25.*fitted on real numbers"):
        model.predict(bytes_)
    assert model.predict(X.astype(np.float32)[:1] * 0.01).shape == (1,)  # a dark one
    model.fit(bytes_, y)
    with pytest.raises(ValueError, match=r"real numbers from .* fitted on integers from 0 to 25"):
        model.predict(X)
    assert model.predict(bytes_.astype(float)).shape == (100,)
    assert model.predict(bytes_[:1] // 99).shape == (1,)


def test_gradients_of_rows_under_autocast():
    class Groups(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4), nn.Flatten())
            self.output = nn.Linear(16, 2)

        def forward(self, x):
            return self.output(self.layers(x))

    X, y = np.random.RandomState(0).rand(64, 1, 4, 4), np.arange(64) % 2
    model = PRLClassifier(Groups, selection="gradient", max_epochs=2, random_state=0)
    plain = model.fit(X, y).predict_proba(X)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        model.fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X), plain, atol=0.05)


def test_a_frame_with_text_names_the_column():
    frame = pd.DataFrame({"x": np.arange(40.0), "town": ["a", "b"] * 20})
    with pytest.raises(ValueError, match=r"column 'town' of X holds 'a'.*TableEncoder"):
        PRLClassifier(**QUICK).fit(frame, np.arange(40) % 2)
