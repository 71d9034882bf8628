"""Benchmarks of chapter 5: splits, cells, measurements on planted pictures, tables."""

from functools import partial

import numpy as np
import pandas as pd
import pytest

from benchmarks._results import Cell
from benchmarks.thesis import (
    _poisoned,
    backdoor_ablation,
    backdoor_choice,
    backdoor_cifar,
    backdoor_epsilon,
    backdoor_mnist,
    backdoor_semi,
)
from benchmarks.thesis._poisoned import _Set
from benchmarks.thesis._registry import BENCHMARKS
from skrobust.corruption import PatchTrigger
from skrobust.networks import SmallCNN

BACKDOOR = [name for name in BENCHMARKS if name.startswith("backdoor-")]
NETWORK = partial(SmallCNN, width=4, image_size=12)
SETTINGS = {"max_epochs": 12, "lr": 0.01, "batch_size": 32}


def pictures(subset, return_X_y):
    """Ten classes, each a bright square of its own in 12 x 12; no two pictures are the same."""
    n_rows = {"train": 1200, "test": 300}[subset]
    rng = np.random.RandomState(n_rows)
    y = rng.randint(10, size=n_rows)
    X = rng.randint(40, size=(n_rows, 12, 12)).astype(np.uint8)
    for i, label in enumerate(y):
        row, column = divmod(label, 4)
        X[i, 3 * row : 3 * row + 3, 3 * column : 3 * column + 3] = 200
    return X, y


@pytest.fixture
def planted(monkeypatch):
    few = {**SETTINGS, "max_epochs": 30}
    sets = {
        "mnist": _Set(pictures, NETWORK, 600, 200, SETTINGS),
        "fashion-mnist few": _Set(pictures, NETWORK, 200, 200, few, 400),
    }
    monkeypatch.setattr(_poisoned, "_ALL", sets)
    monkeypatch.setattr(_poisoned, "TRIGGERS", {"patch": PatchTrigger(size=2)})
    monkeypatch.setattr(_poisoned, "PRETRAIN_EPOCHS", {"fashion-mnist few": 3})
    _poisoned._pretrained.cache_clear()
    yield
    _poisoned._pretrained.cache_clear()


def as_set(pictures):
    return {picture.tobytes() for picture in pictures}


def test_split(planted):
    data = _poisoned.split_poisoned("fashion-mnist few", "patch", 0.25, 3)
    assert data.X.shape == (200, 1, 12, 12) and data.X.dtype == np.float32
    assert len(data.X_clean) == len(data.y_clean) == 10
    assert len(data.X_unlabeled) == 400
    assert 40 <= data.mask.sum() <= 50  # a quarter of every class, rounded down
    everything, _ = pictures("train", return_X_y=True)
    known = as_set((everything / np.float32(255))[:, None])
    parts = [as_set(part) for part in (data.X[~data.mask], data.X_clean, data.X_unlabeled)]
    assert sum(map(len, parts)) == len(set.union(*parts))  # no picture in two parts
    assert set.union(*parts) < known  # none with a trigger but the masked
    assert not as_set(data.X[data.mask]) & known
    test, _ = pictures("test", return_X_y=True)
    np.testing.assert_array_equal(data.X_test[:, 0], test[:200] / np.float32(255))
    other = _poisoned.split_poisoned("fashion-mnist few", "patch", 0.25, 4)
    assert not np.array_equal(other.X, data.X)
    assert len(_poisoned.split_poisoned("mnist", "patch", 0.25, 3).X_unlabeled) == 0


def test_attack_and_defences_on_planted_pictures(planted):
    def measure(method):
        return backdoor_mnist.measure(Cell("mnist", method, "patch 0.25", 0))

    standard, default = measure("Standard"), measure("default")
    assert set(standard) == set(backdoor_mnist.VALUES)
    assert standard["clean"] > 90 and standard["last_clean"] > 90
    assert standard["poison"] < 30 and standard["success"] > 70
    assert standard["kept_poisoned"] == pytest.approx(0.25, abs=0.02)
    assert default["kept_poisoned"] < 0.1 and default["row_auroc"] > 0.8
    assert default["last_poison"] > standard["last_poison"] + 40
    spectral = measure("SpecSig")
    assert spectral["n_train"] == 600 and 0 <= spectral["kept_poisoned"] < 0.3
    pruned = measure("Fine-Pruning")
    assert pruned["clean"] == pruned["last_clean"]  # measured once, after pruning


def test_methods_with_few_labels_share_the_pretraining(planted, monkeypatch):
    calls = []

    class Counted(_poisoned.SemiSupervisedBackdoorClassifier):
        def fit(self, X, y, X_unlabeled=None):
            super().fit(X, y, X_unlabeled)
            if len(self.pretrain_losses_):
                calls.append(len(X) + self.n_unlabeled_)
            return self

    monkeypatch.setattr(_poisoned, "SemiSupervisedBackdoorClassifier", Counted)
    found = {
        method: backdoor_semi.measure(Cell("fashion-mnist few", method, "patch 0.25", 0))
        for method in ("PRL-SimCLR", "PRL-SimCLR-SN", "PRL")
    }
    assert calls == [600]  # once, on the rows with and without labels
    assert found["PRL-SimCLR"] != found["PRL-SimCLR-SN"]
    for values in found.values():
        assert set(values) == set(backdoor_semi.VALUES)
        assert values["n_train"] == 200 and 0 < values["kept_poisoned"] < 0.3
    again = backdoor_semi.measure(Cell("fashion-mnist few", "PRL-SimCLR", "patch 0.25", 0))
    assert again == found["PRL-SimCLR"]
    backdoor_semi.measure(Cell("fashion-mnist few", "PRL-SimCLR", "patch 0.25", 1))
    assert len(calls) == 2


def test_a_held_out_part_tells_a_network_that_has_learnt_the_trigger(planted):
    def measure(method):
        return backdoor_choice.measure(Cell("mnist", method, "patch 0.25", 0))

    standard, default = measure("Standard"), measure("default")
    assert set(standard) == set(backdoor_choice.VALUES)
    assert (standard["n_train"], standard["n_held"], standard["n_test"]) == (480, 120, 200)
    assert default["poison"] > standard["poison"] + 40
    assert default["separation"] > standard["separation"] + 0.1
    for found in (standard, default):
        assert found["worst_separation"] < found["separation"]
    assert default["held_auroc"] > max(standard["held_auroc"], 0.98)


def test_a_wrong_rate_is_told(planted, monkeypatch):
    rates = []
    monkeypatch.setattr(
        backdoor_epsilon, "measure_cell", lambda cell, device, told: rates.append(told)
    )
    backdoor_epsilon.measure(Cell("mnist", "default", "patch 0.25", 0))
    assert rates == [0.5]


def test_cells():
    chief = len(backdoor_mnist.MORE_SEEDS)
    n_methods = len(_poisoned.METHODS)
    assert len(backdoor_mnist.cells(1)) == 8 * n_methods + 2 * n_methods
    assert len(backdoor_mnist.cells(3)) == 10 * n_methods + 2 * 10 * chief
    named = backdoor_mnist.cells(2, ["mnist resnet32"], ["warmup 0.1"], ["patch 0.15"])
    assert [cell.seed for cell in named] == [0, 1]
    assert len(backdoor_ablation.cells(1)) == 6 * 8
    assert len(backdoor_epsilon.cells(1)) == 2 * 8
    assert {cell.set for cell in backdoor_cifar.cells(1)} == {"cifar10"}
    choice = backdoor_choice.cells(1)
    assert len(choice) == len(backdoor_choice.SHOWN) * 7
    assert {cell.setting for cell in choice if cell.set == "mnist"} == {
        *backdoor_choice.SETTINGS["mnist"]
    }
    semi = backdoor_semi.cells(3)
    assert len(semi) == 8 * 8 + 2 * 2 * 8
    assert {cell.setting for cell in semi if cell.seed} == {"patch 0.25", "blend 0.25"}


@pytest.mark.parametrize("name", BACKDOOR)
def test_unknown_names_are_refused(name):
    module = BENCHMARKS[name].load()
    for given in ({"sets": ["x"]}, {"methods": ["x"]}, {"settings": ["x"]}):
        with pytest.raises(ValueError, match=r"unknown .* 'x'; allowed are"):
            module.cells(1, **given)


@pytest.mark.parametrize("name", BACKDOOR)
def test_tables(name):
    module = BENCHMARKS[name].load()
    assert module.render(pd.DataFrame()) == "nothing measured yet"
    rows = [
        {**cell._asdict(), **dict.fromkeys(module.VALUES, 50.0), "clean": 90 + 2 * cell.seed}
        for cell in module.cells(2)
    ]
    text = module.render(pd.DataFrame(rows))
    assert "patch 0.25" in text and "91.0/50.0" in text
