"""FinePruningClassifier: contract, what is pruned and what is kept, bad input, an attack."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

from skrobust import FinePruningClassifier
from skrobust.backdoor._prune import PrunableLayer, prunable_layer, prune_until
from skrobust.corruption import PatchTrigger, poison
from skrobust.metrics import clean_accuracy, poison_accuracy
from skrobust.networks import NetworkEnsemble, ResNet32, SmallCNN, StackedMLP

SHORT = {"max_epochs": 50, "hidden_layer_sizes": (64,), "lr": 1e-2}
QUICK = {"max_epochs": 30, "hidden_layer_sizes": (8,), "lr": 1e-2, "random_state": 0}
NO_CLEAN = "ignore:no clean rows were given"


@pytest.fixture
def X():
    return np.random.RandomState(0).normal(size=(150, 4))


@pytest.fixture
def y(X):
    return np.array(["a", "b", "c"])[np.digitize(X[:, 0], [-0.5, 0.5])]


@parametrize_with_checks(
    [FinePruningClassifier(**SHORT), FinePruningClassifier(missing="mean", **SHORT)]
)
def test_sklearn_checks(estimator, check, shortened):
    check(shortened(estimator, check))


@pytest.mark.filterwarnings(NO_CLEAN)
def test_pipeline_grid_search_and_pickle(X, y):
    pipeline = make_pipeline(StandardScaler(), FinePruningClassifier(**QUICK))
    grid = {"finepruningclassifier__tolerance": [0.0, 0.1]}
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=2).fit(X, y)
    model = search.best_estimator_
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize(
    ("module", "shape", "kind", "n_units", "has_norm"),
    [
        (NetworkEnsemble(SmallCNN, n_networks=1), (1, 28, 28), nn.Conv2d, 32, False),
        (NetworkEnsemble(ResNet32, width=4), (3, 8, 8), nn.Conv2d, 16, True),
        (StackedMLP((6, 12, 5, 3)), (6,), None, 5, False),
        (
            NetworkEnsemble(nn.Sequential(nn.Linear(6, 7), nn.ReLU(), nn.Linear(7, 3))),
            (6,),
            nn.Linear,
            7,
            False,
        ),
    ],
)
def test_units_are_those_of_the_last_convolution_or_hidden_layer(
    module, shape, kind, n_units, has_norm
):
    layer = prunable_layer(module)
    assert (layer.norm is not None) == has_norm
    if kind is not None:
        assert isinstance(layer.layer, kind)
    torch.manual_seed(0)
    x = torch.randn(1, 20, *shape)
    module.eval()
    means = layer.mean_activations(lambda: [module(x[:, :7]), module(x[:, 7:])])
    assert means.shape == (n_units,)
    assert (means >= 0).all() and means.std() > 0
    off = torch.tensor([0, 2])
    layer.switch_off(off)
    after = layer.mean_activations(lambda: module(x))
    assert after[off].abs().max() == 0
    others = [i for i in range(n_units) if i not in (0, 2)]
    torch.testing.assert_close(after[others], means[others])


def test_pruning_gives_back_the_last_network_within_the_tolerance():
    """The third unit breaks the tolerance: it is on again, with the numbers it had."""
    torch.manual_seed(0)
    conv, norm = nn.Conv2d(2, 5, 3), nn.BatchNorm2d(5)
    norm.bias.data.normal_()
    before = {k: v.clone() for k, v in conv.state_dict().items()}
    bias = norm.bias.detach().clone()
    told = iter([0.9, 0.9, 0.88, 0.8])
    order = torch.tensor([3, 0, 4, 1, 2])
    off, accuracies = prune_until(PrunableLayer(conv, norm), order, lambda: next(told), 0.05)
    assert off.tolist() == [3, 0]
    assert accuracies == [0.9, 0.9, 0.88, 0.8]
    for unit in (1, 2, 4):
        torch.testing.assert_close(conv.weight[unit], before["weight"][unit])
        torch.testing.assert_close(norm.bias[unit], bias[unit])
    for unit in (0, 3):
        assert conv.weight[unit].abs().sum() == conv.bias[unit].abs() == norm.bias[unit].abs() == 0
    assert norm.weight[[0, 3]].abs().sum() == 0


def test_one_unit_always_stays():
    layer = nn.Linear(3, 4)
    off, accuracies = prune_until(PrunableLayer(layer), torch.arange(4), lambda: 1.0, 0.0)
    assert off.tolist() == [0, 1, 2]
    assert len(accuracies) == 4
    assert layer.weight[3].abs().min() > 0


def test_least_used_units_go_first_and_stay_off(X, y):
    settings = {**QUICK, "hidden_layer_sizes": (16,), "tolerance": 0.2}
    pruned = FinePruningClassifier(fine_tune_epochs=0, **settings).fit(X, y, X[:40], y[:40])
    tuned = clone(pruned).set_params(fine_tune_epochs=20).fit(X, y, X[:40], y[:40])
    units = pruned.pruned_units_
    np.testing.assert_array_equal(tuned.pruned_units_, units)
    assert 0 < len(units) < 16
    for model in (pruned, tuned):
        assert (model.embed(X)[:, units] == 0).all()
        others = np.setdiff1d(np.arange(16), units)
        assert (model.embed(X)[:, others] > 0).any(axis=0).all()
    assert not np.array_equal(pruned.predict_proba(X), tuned.predict_proba(X))
    assert len(pruned.pruning_accuracies_) == len(units) + 2


def test_a_tolerance_of_one_prunes_nearly_everything_and_none_nothing_useful(X, y):
    everything = FinePruningClassifier(tolerance=1.0, **QUICK).fit(X, y, X[:40], y[:40])
    assert len(everything.pruned_units_) == 7
    careful = FinePruningClassifier(tolerance=0.0, **QUICK).fit(X, y, X[:40], y[:40])
    first, *_, last = careful.pruning_accuracies_
    assert last < first
    assert (careful.pruning_accuracies_[:-1] >= first).all()


def test_without_clean_rows_those_of_low_loss_stand_in_and_it_says_so(X, y):
    with pytest.warns(UserWarning, match=r"no clean rows were given: the 16 rows of lowest loss"):
        model = FinePruningClassifier(clean_share=0.1, **QUICK).fit(X, y)
    sizes = np.unique(y, return_counts=True)[1]
    assert model.n_clean_ == np.ceil(0.1 * sizes).sum() == 16


def test_results_follow_the_random_state(X, y):
    fits = [
        FinePruningClassifier(**{**QUICK, "random_state": seed}).fit(X, y, X[:40], y[:40])
        for seed in (0, 0, 1)
    ]
    probabilities = [model.predict_proba(X) for model in fits]
    np.testing.assert_array_equal(probabilities[0], probabilities[1])
    assert not np.array_equal(probabilities[0], probabilities[2])


@pytest.mark.parametrize(
    ("clean", "message"),
    [
        (lambda X, y: (X[:9], None), "X_clean and y_clean belong together"),
        (lambda X, y: (X[:9, :3], y[:9]), "3 features"),
        (lambda X, y: (X[:9], y[:8]), "inconsistent"),
        (lambda X, y: (X[:9], np.repeat("z", 9)), r"labels that y does not: \['z'\]"),
        (lambda X, y: (X[:3], np.array(["a", 7, 7.5], dtype=object)), r"does not: \[7, 7.5\]"),
        (lambda X, y: (X[:9] * np.nan, y[:9]), "NaN"),
    ],
)
def test_bad_clean_rows(X, y, clean, message):
    model = FinePruningClassifier(**QUICK)
    before = dict(vars(model))
    with pytest.raises(ValueError, match=message):
        model.fit(X, y, *clean(X, y))
    assert vars(model) == before


def test_a_network_without_units_is_refused(X, y):
    with pytest.raises(ValueError, match="no convolution and no hidden linear layer"):
        FinePruningClassifier(nn.Linear(4, 3), max_epochs=1).fit(X, y, X, y)


def test_a_class_without_clean_rows_is_named(X, y):
    clean = y != "b"
    with pytest.warns(UserWarning, match="no clean row is labelled 'b'"):
        FinePruningClassifier(**QUICK).fit(X, y, X[clean], y[clean])


def test_settings_of_the_optimiser_hold_while_it_is_fine_tuned(X, y):
    given = []

    class Recorded(torch.optim.SGD):
        def __init__(self, parameters, **settings):
            given.append(settings)
            super().__init__(parameters, **settings)

    settings = {**QUICK, "optimizer": Recorded, "optimizer__momentum": 0.9, "fine_tune_lr": 0.5}
    FinePruningClassifier(**settings).fit(X, y, X[:40], y[:40])
    assert [kinds["momentum"] for kinds in given] == [0.9, 0.9]
    assert given[1]["lr"] == 0.5


def test_scores_are_those_before_pruning(X, y):
    settings = {**QUICK, "early_stopping": True, "fine_tune_epochs": 5}
    scores = [
        FinePruningClassifier(tolerance=tolerance, **settings)
        .fit(X, y, X[:40], y[:40])
        .sample_scores_
        for tolerance in (0.0, 1.0)
    ]
    np.testing.assert_array_equal(scores[0], scores[1])


def test_frames(X, y):
    frame = pd.DataFrame(X, columns=list("klmn"))
    model = FinePruningClassifier(**QUICK).fit(frame, y, frame[:30], y[:30])
    assert list(model.feature_names_in_) == list("klmn")


def test_clean_rows_undo_part_of_an_attack():
    digits = load_digits()
    X, X_test, truth, y_test = train_test_split(
        digits.images[:, None] / 16, digits.target, test_size=0.35, random_state=0
    )
    trigger = PatchTrigger(size=2)
    X_test, X_clean, y_test, y_clean = train_test_split(
        X_test, y_test, test_size=90, random_state=0
    )
    X, y, _ = poison(X, truth, trigger, 0.2, random_state=0)
    plain = FinePruningClassifier(tolerance=0.0, fine_tune_epochs=0, random_state=0)
    repaired = clone(plain).set_params(tolerance=0.04, fine_tune_epochs=30)
    found = [
        (
            clean_accuracy(model, X_test, y_test),
            poison_accuracy(model, X_test, y_test, trigger),
        )
        for model in (m.fit(X, y, X_clean, y_clean) for m in (plain, repaired))
    ]
    assert found[0][0] > 0.9 and found[0][1] < 0.2
    assert found[1][0] > 0.85 and found[1][1] > found[0][1] + 0.1  # the thesis finds it weak, too


@pytest.mark.parametrize("n_clean", [1, 9])
def test_normalised_networks_meet_no_row_alone(X, y, n_clean):
    def network():
        return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))

    model = FinePruningClassifier(network, batch_size=8, max_epochs=3, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X[:145], y[:145], X[:n_clean], y[:n_clean])  # 18 batches and a row
    assert np.isfinite(model.predict_proba(X)).all()
