"""Modules of the user's, images, and what becomes of an instance."""

from functools import partial

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

from skrobust import PRLClassifier, PRLRegressor
from skrobust.networks import CNN9, NetworkEnsemble, StackedMLP

QUICK = {"corruption_rate": 0.2, "max_epochs": 2, "batch_size": 16, "random_state": 0}


class Pooled(nn.Module):
    """A small module for images; it keeps what it was built with."""

    def __init__(self, in_channels=1, n_classes=2, width=4):
        super().__init__()
        self.sizes = (in_channels, n_classes, width)
        self.convolution = nn.Conv2d(in_channels, width, 3)
        self.dropout = nn.Dropout(0.5)
        self.output = nn.Linear(width, n_classes)

    def forward(self, x):
        return self.output(self.dropout(self.convolution(x).relu().mean(dim=(2, 3))))


@pytest.fixture
def images():
    """60 images of 3 channels: bright on the left or on the right."""
    rng = np.random.RandomState(0)
    y = rng.randint(2, size=60)
    pictures = rng.rand(60, 3, 8, 6)
    pictures[y == 0, :, :, :3] += 1
    pictures[y == 1, :, :, 3:] += 1
    return pictures, y


@pytest.mark.parametrize("n_networks", [1, 2])
def test_a_class_is_told_the_sizes_and_built_once_per_network(images, n_networks):
    X, y = images
    settings = {"n_networks": n_networks, "device": "cpu", **QUICK}
    model = PRLClassifier(Pooled, module__width=7, **settings).fit(X, y)
    networks = model.net_.module_.networks
    assert [network.sizes for network in networks] == [(3, 2, 7)] * n_networks
    weights = [network.convolution.weight for network in networks]
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in weights)
    assert len({network.output.weight[0, 0].item() for network in networks}) == n_networks
    regressor = PRLRegressor(Pooled, **QUICK).fit(X, np.c_[y, -y, y + 1.0])
    assert regressor.net_.module_.networks[0].sizes == (3, 3, 4)
    assert regressor.predict(X).shape == (60, 3)


def test_in_features_and_out_features_and_what_a_partial_has_fixed(X, y):
    model = PRLRegressor(nn.Linear, **QUICK).fit(X, np.c_[y, y])
    assert model.net_.module_.networks[0].weight.shape == (2, 3)
    model = PRLRegressor(partial(nn.Linear, bias=False, out_features=1), **QUICK).fit(X, y)
    assert model.net_.module_.networks[0].bias is None


def test_default_network_is_a_perceptron_of_the_given_widths(X, y, images):
    model = PRLClassifier(hidden_layer_sizes=[5, 4], n_networks=3, **QUICK).fit(X, y)
    assert isinstance(model.net_.module_, StackedMLP)
    assert model.net_.module_.sizes == [3, 5, 4, 3] and model.net_.module_.n_networks == 3
    model = PRLClassifier(hidden_layer_sizes=(8,), **{**QUICK, "max_epochs": 40}, lr=1e-2)
    assert model.fit(*images).net_.module_.sizes == [3 * 8 * 6, 8, 2]
    assert model.score(*images) > 0.9


@pytest.mark.parametrize("n_networks", [1, 2])
def test_an_instance_is_never_trained_in_place(X, y, n_networks):
    module = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 3))
    before = [p.clone() for p in module.parameters()]
    model = PRLClassifier(module, n_networks=n_networks, **QUICK).fit(X, y)
    assert all(torch.equal(a, b) for a, b in zip(module.parameters(), before, strict=True))
    weights = [network[0].weight for network in model.net_.module_.networks]
    assert not any(torch.equal(w, before[0]) for w in weights)
    if n_networks == 1:  # it is where training starts from
        still = PRLClassifier(module, **{**QUICK, "lr": 1e-12}).fit(X, y)
        torch.testing.assert_close(still.net_.module_.networks[0][0].weight, before[0])
    else:
        assert not torch.allclose(*weights, atol=0.05)
    clone(model).fit(X, y)


def test_copies_that_cannot_be_drawn_anew_are_refused(X, y):
    class Odd(nn.Linear):
        def __init__(self):
            super().__init__(3, 3)
            self.scale = nn.ParameterList([nn.Parameter(torch.ones(3))])

    with pytest.raises(
        TypeError, match=r"'scale'.*has no reset_parameters; pass the module's class"
    ):
        PRLClassifier(Odd(), n_networks=2, **QUICK).fit(X, y)


@pytest.mark.parametrize("n_networks", [1, 2])
def test_dropout_is_off_and_neighbours_do_not_matter_in_predictions(images, n_networks):
    X, y = images
    model = PRLClassifier(Pooled, n_networks=n_networks, **QUICK).fit(X, y)
    probabilities = model.predict_proba(X)
    np.testing.assert_array_equal(model.predict_proba(X), probabilities)
    changed = X.copy()
    changed[1::2] += 100.0
    np.testing.assert_array_equal(model.predict_proba(changed)[::2], probabilities[::2])


def test_cnn9_trains_on_images_and_predicts_without_dropout():
    rng = np.random.RandomState(0)
    X, y = rng.rand(24, 1, 28, 28), np.arange(24) % 2
    X[y == 1] *= 0.2
    X = (255 * X).astype(np.uint8)
    for reforward in (False, True):
        model = PRLClassifier(CNN9, module__width=4, reforward=reforward, lr=1e-2, **QUICK)
        model.fit(X, y)
        np.testing.assert_array_equal(model.predict_proba(X), model.predict_proba(X))
        assert model.net_.module_.networks[0].output.weight.shape == (2, 4)
        assert model.n_features_in_ == 1


@pytest.mark.parametrize("reforward", [False, True])
def test_batch_statistics_come_from_the_selected_rows_only_with_reforward(X, y, reforward):
    """The first forward pass sees the whole batch in both; the second one the kept rows."""
    seen = []

    class Norm(nn.Linear):
        def forward(self, x):
            seen.append((len(x), self.training))
            return super().forward(x)

    settings = {"corruption_rate": 0.25, "batch_size": 200, "max_epochs": 1}
    settings = {**QUICK, **settings, "warmup": 0, "margin": 0.0}
    PRLClassifier(Norm, reforward=reforward, **settings).fit(X, y)
    assert [n for n, training in seen if training] == ([200, 150] if reforward else [200])


def test_sequences_and_other_shapes(y):
    X = np.random.RandomState(0).rand(200, 5, 3)
    module = nn.Sequential(nn.Flatten(), nn.Linear(15, 3))
    assert PRLClassifier(module, **QUICK).fit(X, y).predict(X.tolist()).shape == (200,)


def test_the_networks_stay_reachable(X, y):
    """What skorch callbacks and users look at: ``net_.module_`` and its networks."""
    model = PRLClassifier(nn.Linear, n_networks=2, **QUICK).fit(X, y)
    assert isinstance(model.net_.module_, NetworkEnsemble)
    assert model.net_.n_networks == 2
