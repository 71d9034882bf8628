"""SemiSupervisedBackdoorClassifier: contract, rows without labels, the limited layer."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import DataConversionWarning
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from skorch.callbacks import Callback
from torch import nn

from skrobust import SemiSupervisedBackdoorClassifier
from skrobust.backdoor._spectrum import limit_spectrum
from skrobust.corruption import corrupt_labels
from skrobust.networks import SmallCNN

SHORT = {"hidden_layer_sizes": (64,), "pretrain_epochs": 5, "max_epochs": 50}
QUICK = {
    "hidden_layer_sizes": (16,),
    "pretrain_epochs": 2,
    "max_epochs": 3,
    "min_steps": None,
    "random_state": 0,
}


@pytest.fixture
def X():
    return np.random.RandomState(0).normal(size=(200, 4))


@pytest.fixture
def y(X):
    return np.digitize(X[:, 0], [-0.5, 0.5])


@parametrize_with_checks(
    [
        *(
            SemiSupervisedBackdoorClassifier(noisy_label=rule, **SHORT)
            for rule in ("prl", "spl", "bootstrap", None)
        ),
        SemiSupervisedBackdoorClassifier(
            truncate="clip", memory="average", per_class=False, missing="mean", **SHORT
        ),
        SemiSupervisedBackdoorClassifier(truncate=None, **SHORT),
    ]
)
def test_sklearn_checks(estimator, check, shortened):
    check(shortened(estimator, check))


def test_pipeline_grid_search_and_pickle_with_labels_of_minus_one(X, y):
    y = np.where(np.arange(200) % 2, y, -1)
    pipeline = make_pipeline(StandardScaler(), SemiSupervisedBackdoorClassifier(**QUICK))
    grid = {"semisupervisedbackdoorclassifier__truncate": ["scale", None]}
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=2, scoring=lambda m, X, y: m.score(X, y))
    model = search.fit(X, y).best_estimator_
    assert model[-1].classes_.tolist() == [0, 1, 2]
    assert model[-1].n_unlabeled_ == 100
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("names", [[0, 1, 2], ["low", "middle", "high"]])
def test_score_is_the_accuracy_on_rows_with_labels(X, y, names):
    labels = np.array(names, dtype=object)[y]
    given = np.where(np.arange(200) % 2, labels, -1)
    given = given if names[0] else given.astype(int)
    model = SemiSupervisedBackdoorClassifier(**QUICK).fit(X, given)
    hits = model.predict(X[1::2]) == given[1::2]
    assert model.score(X, given) == hits.mean()
    weights = np.arange(200.0)
    assert model.score(X, given, weights) == pytest.approx(np.average(hits, weights=weights[1::2]))
    search = GridSearchCV(model, {"truncate": ["scale"]}, cv=2, error_score="raise")
    assert search.fit(X, given).best_score_ > 0
    with pytest.raises(ValueError, match="y has no label: all 100 rows are -1"):
        model.score(X[::2], given[::2])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.score(X, given[:5])


def test_score_counts_a_class_of_minus_one(X, y):
    signs = np.where(y > 0, 1, -1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = SemiSupervisedBackdoorClassifier(**QUICK).fit(X, signs)
    assert model.score(X, signs) == (model.predict(X) == signs).mean()


def test_rows_without_labels_may_come_either_way(X, y):
    labelled, others = X[:120], X[120:]
    apart = SemiSupervisedBackdoorClassifier(**QUICK).fit(labelled, y[:120], others)
    inside = SemiSupervisedBackdoorClassifier(**QUICK).fit(X, np.where(np.arange(200) < 120, y, -1))
    assert apart.n_unlabeled_ == inside.n_unlabeled_ == 80
    np.testing.assert_array_equal(apart.predict_proba(X), inside.predict_proba(X))
    np.testing.assert_array_equal(apart.sample_scores_, inside.sample_scores_[:120])
    assert np.isnan(inside.sample_scores_[120:]).all()
    assert np.isnan(inside.keep_frequency_[120:]).all()
    assert inside.inlier_mask_[120:].all()
    assert (~inside.inlier_mask_).sum() == 24
    alone = SemiSupervisedBackdoorClassifier(**QUICK).fit(labelled, y[:120])
    assert alone.n_unlabeled_ == 0
    assert not np.array_equal(alone.predict_proba(X), apart.predict_proba(X))


@pytest.mark.parametrize("how", ["scale", "clip"])
def test_singular_values_are_limited_after_every_step(X, y, how):
    seen = []

    class Watch(Callback):
        def on_batch_begin(self, net, training=False, **kwargs):
            seen.append(torch.linalg.svdvals(net.module_.layers[0].weight.detach()[0])[0].item())

    settings = {**QUICK, "max_epochs": 30, "lr": 0.1, "spectral_limit": 0.7}
    model = SemiSupervisedBackdoorClassifier(truncate=how, callbacks=[Watch()], **settings)
    model.fit(X, y)
    assert len(seen) == 60
    assert max(seen[1:]) <= 0.7 * (1 + 1e-5)
    assert model.spectral_norm_ == pytest.approx(0.7, rel=1e-3)
    free = clone(model).set_params(truncate=None, callbacks=None).fit(X, y)
    assert free.spectral_norm_ > 1.5


def test_limits_against_a_full_svd():
    torch.manual_seed(0)
    weight = torch.randn(2, 6, 3, dtype=torch.float64)
    weight[1] *= 0.01
    left, values, right = np.linalg.svd(weight[0].numpy(), full_matrices=False)
    clipped, scaled = weight.clone(), weight.clone()
    limit_spectrum(clipped, 1.0, "clip")
    limit_spectrum(scaled, 1.0, "scale")
    np.testing.assert_allclose(clipped[0], left @ np.diag(np.minimum(values, 1)) @ right)
    np.testing.assert_allclose(scaled[0], weight[0] / values[0])
    for limited in (clipped, scaled):
        torch.testing.assert_close(limited[1], weight[1], rtol=0, atol=0)


def test_pictures_and_modules():
    digits = load_digits()
    pictures = np.kron(digits.images[:150], np.ones((2, 2)))[:, None, :, :] / 16
    network = SmallCNN(image_size=16, width=4)
    for module in (network, lambda n_classes: nn.Sequential(nn.Flatten(), nn.Linear(256, 5))):
        settings = {**QUICK, "hidden_layer_sizes": (1,)}
        model = SemiSupervisedBackdoorClassifier(module, **settings)
        model.fit(pictures, digits.target[:150])
        assert model.embed(pictures).shape == (150, 32 if module is network else 256)
        assert model.predict_proba(pictures).shape == (150, 10)


def test_unlabelled_rows_help():
    """As many steps of pre-training, on 200 rows or on all."""
    digits = load_digits()
    pixels, labels = digits.data / 16, digits.target
    settings = {"corruption_rate": 0.0, "random_state": 0, "truncate": None}
    settings |= {"pretrain_batch_size": 200}
    alone = SemiSupervisedBackdoorClassifier(pretrain_epochs=180, **settings)
    alone.fit(pixels[:200], labels[:200])
    helped = SemiSupervisedBackdoorClassifier(pretrain_epochs=20, **settings)
    helped.fit(pixels[:200], labels[:200], pixels[200:])
    gain = helped.score(pixels[200:], labels[200:]) - alone.score(pixels[200:], labels[200:])
    assert gain > 0.01


def test_wrong_labels_are_found_and_dropped():
    digits = load_digits()
    pixels, truth = digits.data[:1000] / 16, digits.target[:1000]
    y, mask = corrupt_labels(truth[:600], 0.3, kind="pairflip", random_state=0)
    settings = {"pretrain_epochs": 20, "corruption_rate": 0.3, "random_state": 0, "lr": 0.03}
    settings |= {"truncate": None}
    robust, plain = (
        SemiSupervisedBackdoorClassifier(noisy_label=rule, **settings).fit(
            pixels[:600], y, pixels[600:]
        )
        for rule in ("prl", None)
    )
    assert roc_auc_score(mask, robust.sample_scores_) > 0.85
    kept = robust.keep_frequency_
    assert kept[~mask].mean() > kept[mask].mean() + 0.4
    assert (plain.keep_frequency_ == 1).all()


def test_a_network_that_is_trained_already_stays_as_it_is():
    X, y = load_digits(return_X_y=True)
    X = X.reshape(-1, 1, 8, 8)[:300]
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10)
    )
    before = {name: value.clone() for name, value in network.state_dict().items()}
    model = SemiSupervisedBackdoorClassifier(network, **{**QUICK, "pretrain_epochs": 0})
    model.fit(X, y[:300], X_unlabeled=X)
    assert model.pretrain_losses_.shape == (0,)
    assert model.n_unlabeled_ == 300
    for state in (network.state_dict(), model.net_.module_.encoder.networks[0].state_dict()):
        for name, value in state.items():
            assert torch.equal(value, before[name]), name


def test_parameters_of_the_module_reach_the_network():
    pictures = np.random.RandomState(0).rand(60, 1, 16, 16)
    y = np.arange(60) % 3
    settings = {**QUICK, "module__image_size": 16, "module__width": 2}
    model = SemiSupervisedBackdoorClassifier(SmallCNN, **settings).fit(pictures, y)
    assert model.embed(pictures).shape == (60, 16)


def test_pictures_of_any_range_are_the_same():
    pictures = load_digits().images[:100, None]
    y = load_digits().target[:100]
    settings = {**QUICK, "module__image_size": 8, "pretrain_epochs": 15}
    losses = [
        SemiSupervisedBackdoorClassifier(SmallCNN, **settings).fit(X, y).pretrain_losses_
        for X in (pictures / 16, 255 * (pictures / 16))
    ]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-3)
    assert losses[0][-1] < losses[0][0] - 0.05


def test_column_of_labels(X, y):
    column = np.where(np.arange(200) % 2, y, -1)[:, None]
    with pytest.warns(DataConversionWarning):
        model = SemiSupervisedBackdoorClassifier(**QUICK).fit(X, column)
    assert model.classes_.tolist() == [0, 1, 2]
    assert model.n_unlabeled_ == 100


def test_results_follow_the_random_state(X, y):
    fits = [
        SemiSupervisedBackdoorClassifier(**{**QUICK, "random_state": seed}).fit(X, y)
        for seed in (0, 0, 1)
    ]
    probabilities = [model.predict_proba(X) for model in fits]
    np.testing.assert_array_equal(probabilities[0], probabilities[1])
    assert not np.array_equal(probabilities[0], probabilities[2])


def test_minus_one_beside_a_single_label_is_a_class(X, y):
    two = np.where(y > 0, 1, -1)
    with pytest.warns(UserWarning, match="both are taken for classes"):
        model = SemiSupervisedBackdoorClassifier(**QUICK).fit(X, two)
    assert model.classes_.tolist() == [-1, 1]
    assert model.n_unlabeled_ == 0
    strings = np.array(["-1", "a", "b"])[y]
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="y holds -1")
        labels = SemiSupervisedBackdoorClassifier(**QUICK).fit(X, strings).classes_
    assert labels.tolist() == ["-1", "a", "b"]
    mixed = np.array([-1, "a", "b"], dtype=object)[y]
    model = SemiSupervisedBackdoorClassifier(**QUICK).fit(X, mixed)
    assert model.classes_.tolist() == ["a", "b"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y: (X, np.full(200, -1)), "y has no label: all 200 rows are -1"),
        (lambda X, y: (X, y, X[:, :3]), "3 features"),
        (lambda X, y: (X, y, X[:, :, None]), "X_unlabeled has examples of shape"),
        (lambda X, y: (X, y, X * np.nan), "NaN"),
        (lambda X, y: (X, y[:-1]), "inconsistent"),
        (lambda X, y: (X, np.zeros(200, int)), "only one class"),
        (lambda X, y: (X[:, :, None], y), "augment=None is for tables and for images"),
    ],
)
def test_bad_input(X, y, change, message):
    model = SemiSupervisedBackdoorClassifier(**QUICK)
    before = dict(vars(model))
    with pytest.raises(ValueError, match=message):
        model.fit(*change(X, y))
    assert vars(model) == before


def test_frames(X, y):
    frame = pd.DataFrame(X, columns=list("klmn"), index=np.arange(200) + 3)
    y = pd.Series(np.where(np.arange(200) < 150, y, -1), index=frame.index)
    model = SemiSupervisedBackdoorClassifier(**QUICK).fit(frame, y)
    assert list(model.feature_names_in_) == list("klmn")
    assert model.n_unlabeled_ == 50
