"""Columns in bins: the encoding by hand, columns of few values, trainings that go on."""

import numpy as np
import pytest
import torch
from skorch.callbacks import Checkpoint, LoadInitState

from skrobust import PRLClassifier, io
from skrobust.networks import StackedMLP, TabularMLP
from skrobust.selection import Selection


def test_encoding_by_hand():
    network = TabularMLP((1, 8, 2), n_bins=4)
    network.set_edges(torch.arange(9.0)[:, None])  # edges at 0, 2, 4, 6, 8
    rows = torch.tensor([[0.0], [3.0], [8.0], [-2.0], [9.0], [1e6], [-1e6]])
    expected = [
        [0, 0, 0, 0],
        [1, 0.5, 0, 0],
        [1, 1, 1, 1],
        [-1, 0, 0, 0],
        [1, 1, 1, 1.5],
        [1, 1, 1, 6],
        [-5, 0, 0, 0],
    ]
    np.testing.assert_allclose(network.encode(rows), expected)


def test_columns_of_few_values_stay_as_they_are():
    x = torch.tensor([[0.0, 3.0, 1e-40], [1.0, 3.0, 2e-40]]).repeat(50, 1)
    network = TabularMLP((3, 8, 2), n_bins=4)
    before = network.layers[0].weight.clone()
    network.set_edges(x)
    encoded = network.encode(torch.tensor([[7.0, -2.0, 5.0]])).reshape(3, 4)
    np.testing.assert_array_equal(encoded[:, 0], [7, -2, 5])
    assert (encoded[:, 1:] == 0).all() and encoded.isfinite().all()
    # three of twelve inputs say something: the weights grow by the square root of four
    torch.testing.assert_close(network.layers[0].weight, 2 * before)
    network.set_edges(10 * x)  # placed already
    torch.testing.assert_close(network.layers[0].weight, 2 * before)


@pytest.mark.parametrize("n_bins", [0, 16])
def test_small_networks_say_the_same(n_bins):
    network = TabularMLP((3, 20, 10, 2), n_networks=2, n_bins=n_bins).eval()
    x = torch.randn(50, 3)
    network.set_edges(x)
    whole = network(x.expand(2, 50, 3))
    torch.testing.assert_close(network.run_sub_networks(network.sub_networks(), x), whole)
    torch.testing.assert_close(network(x.repeat(2, 1, 1)), whole)  # inputs that are not shared


def table():
    rng = np.random.RandomState(0)
    X = (rng.normal(size=(200, 4)) > 0).astype(float)
    return X, X[:, 0].astype(int)


def test_a_training_that_goes_on_keeps_its_bins(tmp_path):
    X, y = table()
    kept = Checkpoint(dirname=tmp_path, monitor=None)
    first = PRLClassifier(max_epochs=5, random_state=0, callbacks=[kept]).fit(X, y)
    load = ("load", LoadInitState(kept))
    further = PRLClassifier(max_epochs=1, lr=1e-12, random_state=1, callbacks=[load]).fit(X, y)
    norms = [model.net_.module_.layers[0].weight.norm().item() for model in (first, further)]
    assert norms[1] == pytest.approx(norms[0], rel=0.1)  # an epoch later


def test_a_subclass_may_build_another_network():
    class Own(PRLClassifier):
        def make_network(self, in_shape, n_outputs, **parameters):
            return StackedMLP((in_shape[0], 8, n_outputs), n_networks=self.n_networks)

    X, y = table()
    assert Own(max_epochs=2, random_state=0).fit(X, y).predict(X).shape == (200,)


class Half:
    """Keeps the better half."""

    def __call__(self, scores, y, row_ids, progress):
        return Selection(scores.argsort(dim=1)[:, : scores.shape[1] // 2])


def test_saved_with_a_selector_of_ones_own(tmp_path):
    X, y = table()
    model = PRLClassifier(selection=Half(), max_epochs=2, random_state=0).fit(X, y)
    assert model.selection_ == "Half"
    with pytest.warns(UserWarning, match="not stored"):
        io.save(model, tmp_path / "model")
    loaded = io.load(tmp_path / "model")
    np.testing.assert_allclose(loaded.predict_proba(X), model.predict_proba(X))
