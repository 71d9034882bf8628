"""Benchmarks of chapter 4: splits, cells, measurements on planted data, tables."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from benchmarks._results import Cell
from benchmarks.thesis import (
    _corrupted,
    _labels,
    _regression,
    prl_epsilon,
    prl_images,
    prl_lagos,
    prl_regression,
    prl_time,
)
from benchmarks.thesis.__main__ import main
from benchmarks.thesis._registry import BENCHMARKS
from benchmarks.thesis._side_by_side import SIDE_BY_SIDE, differences
from skrobust import PRLClassifier, PRLRegressor
from skrobust.networks import CNN9

PRL = [name for name in BENCHMARKS if name.startswith("prl-")]
LITTLE = {"max_epochs": 3}


def plane(n_rows=600, n_targets=1):
    """Targets that are linear in the features."""
    rng = np.random.RandomState(0)
    X = rng.normal(3, 2, size=(n_rows, 4))
    y = X[:, :n_targets] * 10 + X[:, 2:3]
    return X, y[:, 0] if n_targets == 1 else y


def pictures(subset, return_X_y):
    """Ten classes, each a bright pixel of its own in 4 x 4; their number is written in another."""
    n_rows = {"train": 900, "test": 200}[subset]
    rng = np.random.RandomState(n_rows)
    y = rng.randint(10, size=n_rows)
    X = rng.randint(50, size=(n_rows, 16))
    X[np.arange(n_rows), y] = 255
    return X.astype(np.uint8).reshape(n_rows, 4, 4), y


@pytest.fixture
def planted(monkeypatch):
    monkeypatch.setattr(_labels, "SETS", {"mnist": pictures, "fashion-mnist": pictures})
    monkeypatch.setattr(_labels, "ON_GPU", {"cifar10": pictures})
    monkeypatch.setattr(_labels, "CIFAR_TEST", 300)
    monkeypatch.setattr(_labels, "N_TRAIN", 500)
    monkeypatch.setattr(_labels, "N_VALID", 100)
    size = {"hidden_layer_sizes": (16,), "max_epochs": 20, "lr": 0.01}
    monkeypatch.setattr(_labels, "_PERCEPTRON", size)


@pytest.mark.parametrize("kind", ["linadv", "signflip", "uninoise", "maximum", "mixture", "clean"])
def test_split_of_targets(kind):
    X, y = plane()
    mixed = ("linadv", "signflip") if kind == "mixture" else ()
    data = _regression.split_regression(X, y, kind, 0.2, 3, mixed)
    assert data.X_test.shape == (198, 4) and data.y_test.shape == (198, 1)
    assert len(data.X_valid) == 40 and len(data.X_train) == len(data.mask) == 362
    rows = np.r_[data.X_valid, data.X_train]
    np.testing.assert_allclose(rows.mean(axis=0), 0, atol=1e-12)
    clean = _regression.split_regression(X, y, "clean", 0.0, 3)
    assert abs(np.r_[clean.y_valid, clean.y_train].mean()) < 1e-12
    np.testing.assert_array_equal(data.y_test, clean.y_test)  # the test stays clean
    changed = (data.y_train != clean.y_train).ravel()
    np.testing.assert_array_equal(changed, data.mask)
    changed_valid = (data.y_valid != clean.y_valid).ravel()
    assert changed.sum() + changed_valid.sum() == (0 if kind == "clean" else 80)
    assert kind == "clean" or changed_valid.any()
    other = _regression.split_regression(X, y, kind, 0.2, 4, mixed)
    assert not np.array_equal(other.X_test, data.X_test)


def test_missing_features_become_the_mean():
    X, y = plane()
    X[::3, 1] = np.nan
    data = _regression.split_regression(X, y, "linadv", 0.2, 3)
    for part in data[:6]:
        assert np.isfinite(part).all()
    assert (data.X_train[:, 1] == 0).mean() == pytest.approx(1 / 3, abs=0.05)
    assert abs(np.r_[data.X_valid, data.X_train][:, 1].mean()) < 1e-12


@pytest.mark.parametrize("method", [*_regression.METHODS, *_regression.ALTERNATIVES])
def test_every_regression_method_is_measured(monkeypatch, method):
    if method == "cleanlab":
        pytest.importorskip("cleanlab")
    monkeypatch.setattr(prl_regression, "fetch_regression", lambda name, return_X_y: plane())
    for settings in _regression.METHODS, _regression.ALTERNATIVES:
        monkeypatch.setitem(settings, method, {**settings.get(method, {}), **LITTLE})
    values = prl_regression.measure(Cell("kin8nm", method, "uninoise 0.2", 0))
    assert set(values) == set(prl_regression.VALUES)
    assert values["n_train"] < 362 if method == _regression.ONLY_CLEAN else 362
    assert np.isnan(values["row_auroc"]) == (method == _regression.ONLY_CLEAN)
    assert values["r2"] < 1 and values["valid_loss"] > 0


def test_robust_regression_is_measured_as_better(monkeypatch):
    monkeypatch.setattr(prl_regression, "fetch_regression", lambda name, return_X_y: plane())
    methods = ["Standard", "PRL(L)", "default", _regression.ONLY_CLEAN]
    cells = [Cell("kin8nm", method, "uninoise 0.3", 0) for method in methods]
    standard, prl, default, clean = map(prl_regression.measure, cells)
    assert min(prl["r2"], default["r2"]) > standard["r2"] + 0.1
    assert clean["r2"] > 0.98
    assert min(prl["row_auroc"], default["row_auroc"]) > 0.95
    assert default["valid_loss"] < standard["valid_loss"] / 2


def test_targets_of_lakes_are_in_logarithms(monkeypatch):
    X, y = plane(n_targets=2)
    positive = np.exp(y / 30)

    def lakes(target="all", complete=True, return_X_y=True):
        if complete:
            return X, np.c_[positive, positive]
        missing = np.where(np.arange(len(y)) % 3, positive[:, 0], np.nan)
        return X, missing

    seen = []

    def look(X, y, kind, *rest):
        seen.append((len(X), y.min(), y.max()))
        raise InterruptedError

    for module, name, setting in (
        (prl_regression, "lagos", "pairflip 0.1"),
        (prl_lagos, "tn", "maximum 0.05"),
        (prl_lagos, "tp", "maximum 0.05"),
    ):
        monkeypatch.setattr(module, "fetch_lagos", lakes)
        monkeypatch.setattr(module, "split_regression", look)
        with pytest.raises(InterruptedError):
            module.measure(Cell(name, "PRL(L)", setting, 0))
    logs, nitrogen, phosphorus = seen
    assert logs[0] == 600 and nitrogen[0] == phosphorus[0] == 400
    assert logs[1] == pytest.approx(np.log(positive.min() + 1e-3))
    assert nitrogen[1] < 0 < phosphorus[1]


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_split_of_pictures(planted, name):
    data = _labels.split_pictures(name, "pairflip", 0.3, 0)
    again = _labels.split_pictures(name, "pairflip", 0.3, 0)
    assert all(np.array_equal(a, b) for a, b in zip(data, again, strict=True))
    assert data.X_train.min() >= 0 and data.X_train.max() == 1
    flat = data.X_train.reshape(len(data.X_train), -1)
    truth = flat[:, :10].argmax(axis=1)
    np.testing.assert_array_equal(data.mask, truth != data.y_train)
    np.testing.assert_array_equal(data.y_train[data.mask], (truth[data.mask] + 1) % 10)
    assert 0.2 < data.mask.mean() < 0.4
    right = data.X_test.reshape(len(data.X_test), -1)[:, :10].argmax(axis=1) == data.y_test
    assert right.all()
    rows = {tuple(row) for row in flat}
    assert not rows & {tuple(row) for row in data.X_valid.reshape(len(data.X_valid), -1)}
    sizes = {"mnist": ((500, 16), (200, 16)), "cifar10": ((500, 4, 4), (300, 4, 4))}
    assert (data.X_train.shape, data.X_test.shape) == sizes[name]


@pytest.mark.parametrize("method", ["Standard tuned", "SPL", "Co-PRL(L)", "default", "cleanlab"])
def test_every_label_method_is_measured(planted, method):
    if method == "cleanlab":
        pytest.importorskip("cleanlab")
    values = prl_images.measure(Cell("mnist", method, "symmetric 0.3", 0))
    assert set(values) == set(prl_images.VALUES)
    assert values["accuracy"] > 85
    assert 55 < values["valid_accuracy"] < 85  # its labels are wrong
    assert values["row_auroc"] > 0.9


def test_a_wrong_rate_is_told(planted, monkeypatch):
    told = []
    monkeypatch.setattr(prl_epsilon, "measure_classifier", lambda *args: told.append(args[3]))
    monkeypatch.setattr(
        prl_epsilon, "split_pictures", lambda name, kind, rate, seed: told.append(rate)
    )
    prl_epsilon.measure(Cell("mnist", "PRL(L)", "pairflip 0.45 -0.1", 0))
    assert told == [0.45, pytest.approx(0.35)]


def test_cells():
    cells = prl_regression.cells(1)
    assert len(set(cells)) == len(cells)
    kinds = {(cell.set, cell.setting.split()[0]) for cell in cells}
    assert ("lagos", "pairflip") in kinds and ("lagos", "maximum") not in kinds
    assert ("kin8nm", "maximum") in kinds and ("kin8nm", "pairflip") not in kinds
    clean = {cell.method for cell in cells if cell.setting == "clean 0"}
    assert clean == {"Standard", "default"}
    assert len(prl_lagos.cells(3)) == 3 * 2 * 6 * 4
    assert {cell.set for cell in prl_images.cells(1)} == {"mnist", "fashion-mnist"}
    assert prl_images.cells(1, ["cifar10"], ["PRL(L)"], ["pairflip 0.45"]) == [
        Cell("cifar10", "PRL(L)", "pairflip 0.45", 0)
    ]
    assert len(prl_epsilon.cells(1)) == 2 * 15 * 3
    with pytest.raises(ValueError, match="unknown method 'PRL'; allowed are Standard,"):
        prl_images.cells(1, None, ["PRL"])


def regression_rows():
    r2 = {
        "Standard": {0.1: 0.5, 0.3: 0.2, 0.4: -1.0},
        "PRL(L)": {0.1: 0.84, 0.3: 0.8, 0.4: 0.7},
        "default": {0.1: 0.86, 0.3: 0.83, 0.4: -1.02},
        "Standard on the clean rows": {0.4: 0.77},
    }
    rows = [
        ("kin8nm", method, f"linadv {rate}", seed, value + 0.01 * (seed - 0.5), 0.9, 0.1, 1, 1)
        for method, values in r2.items()
        for rate, value in values.items()
        for seed in (0, 1)
    ]
    rows.append(("kin8nm", "Standard", "clean 0", 0, 0.9, np.nan, 0.1, 1, 1))
    return pd.DataFrame(rows, columns=[*Cell._fields, *prl_regression.VALUES])


def test_regression_table():
    r2, clean, scores = prl_regression._tables(regression_rows())
    summary = prl_regression._summary(r2, clean["Standard"])
    assert summary.loc["default", "within .05 of clean, 10-20 %"] == 1
    assert summary.loc["PRL(L)", "within .05 of clean, 10-20 %"] == 0
    assert summary.loc["default", "median gap to clean, 30 %"] == pytest.approx(0.07)
    assert summary.loc["default", "cells > .01 below Standard"] == 1
    assert summary.loc["default", "worst below Standard"] == pytest.approx(0.02)
    assert summary.loc["PRL(L)", "within .08 of the clean rows, 40 %"] == 1
    assert summary.loc["default", "within .08 of the clean rows, 40 %"] == 0
    assert summary.loc["Standard on the clean rows", "cells"] == 1
    assert scores.loc[0.1, "default"] == 0.9
    text = prl_regression.render(regression_rows())
    assert "mean of at most 2 seeds" in text


def test_image_table():
    rows = [
        ("mnist", method, "pairflip 0.45", 0, accuracy, 0.9, 50.0, 1, 1)
        for method, accuracy in [("PRL(L)", 80.0), ("SPL", 70.5), ("margin 2", 1.0)]
    ]
    frame = pd.DataFrame(rows, columns=[*Cell._fields, *prl_images.VALUES])
    text = prl_images.render(frame)
    assert "PRL(L) - SPL" in text and "9.5" in text
    assert "71.42" in text  # the thesis's
    assert "Co-PRL(L) - Co-teaching" not in text


@pytest.mark.parametrize("name", PRL)
def test_nothing_measured(name):
    benchmark = BENCHMARKS[name].load()
    assert benchmark.render(pd.DataFrame()) == "nothing measured yet"


@pytest.mark.filterwarnings("error:the gradients of single rows")
def test_time_of_a_step(monkeypatch):
    def pictures(subset, return_X_y):
        rng = np.random.RandomState(0)
        return rng.randint(255, size=(600, 3, 32, 32)).astype(np.uint8), np.arange(600) % 10

    monkeypatch.setattr(prl_time, "fetch_cifar10", pictures)
    monkeypatch.setattr(prl_time, "CNN9", partial(CNN9, width=4))
    monkeypatch.setattr(prl_time, "N_STEPS", {"cpu": 2})
    listed = prl_time.cells(2)
    assert [cell.method for cell in listed[:4]] == list(prl_time.METHODS)  # they take turns
    rows = [{**cell._asdict(), **prl_time.measure(cell)} for cell in listed]
    assert all(row["n_steps"] == 2 and row["step_seconds"] > 0 for row in rows)
    frame = pd.DataFrame(rows)
    frame["step_seconds"] = [1.0, 1.12, 1.5, 4.0, 2.0, 2.6, 3.0, 8.0]
    text = prl_time.render(frame)
    line = next(line for line in text.splitlines() if line.startswith("PRL(L)  "))
    assert line.split()[1:] == ["1.21", "1.12", "1.30", "437.92", "1016.60"]
    again = next(s for s in text.splitlines() if "re-forwarded" in s)
    assert again.split()[-7:] == ["1.50", "1.50", "1.50", "1.48", "586.50", "1173.00", "54.80"]
    assert "by a factor of up to 2.3" in text
    without = prl_time.render(frame[frame["method"] != "Standard"])
    assert "437.92" in without and "1.21" not in without


def test_a_thesis_ratio_inside_the_spread_is_no_difference():
    seconds = {"Standard": [1.0, 2.0, 1.0], "PRL(L) re-forwarded": [1.1, 3.0, 1.2]}
    rows = [
        ("cifar10", method, prl_time.SETTING, seed, value)
        for method, values in seconds.items()
        for seed, value in enumerate(values)
    ]
    frame = pd.DataFrame(rows, columns=[*Cell._fields, "step_seconds"])
    ours, thesis = SIDE_BY_SIDE["prl-time"].build(frame)
    entries = [table.loc["PRL(L) re-forwarded"].item() for table in (ours, thesis)]
    assert entries == ["1.20 (1.10 to 1.50)", 1.48]
    assert differences(*entries, 0.1) == [0]
    assert differences(entries[0], 1.51, 0.1) == [-1]
    assert differences(entries[0], 1.05, 0.1) == [1]


@pytest.mark.parametrize("make", [PRLClassifier, PRLRegressor])
def test_sever_drops_what_pulls_together(make):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(400, 4))
    y = X[:, 0] + 0.1 * rng.normal(size=400)
    wrong = rng.permutation(400) < 40
    y[wrong] = 10 - 3 * X[wrong, 0]
    if make is PRLClassifier:
        y = np.where(wrong, X[:, 0] < 0, X[:, 0] > 0)
    learner = make(selection=None, max_epochs=20, hidden_layer_sizes=(16,), lr=0.01, random_state=0)
    fitted, scores = _corrupted.sever(learner, X, y, 0.1, 0)
    assert (scores > 1).sum() == 80
    assert roc_auc_score(wrong, scores) > 0.9
    assert len(fitted.sample_scores_) == 320
    assert not hasattr(learner, "net_")


def test_sets_that_are_not_fetched_say_so(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("SKROBUST_DATA", str(tmp_path))
    for name, sets, title in (
        ("prl-images", "cifar100", "CIFAR-100"),
        ("prl-regression", "celeba", "CelebA"),
    ):
        out = str(tmp_path / f"{name}.csv")
        only = ["--sets", sets, "--methods", "PRL(L)", "--seeds", "1", "--out", out]
        setting = {"cifar100": "pairflip 0.45", "celeba": "pairflip 0.1"}[sets]
        assert main([name, *only, "--settings", setting]) == 1
        assert (
            f"Data not supplied: {title} is public, but is not fetched" in capsys.readouterr().err
        )


def test_supplied_sets_are_used(monkeypatch, tmp_path):
    monkeypatch.setenv("SKROBUST_DATA", str(tmp_path))
    rng = np.random.RandomState(0)
    (tmp_path / "images").mkdir()
    (tmp_path / "regression").mkdir()
    pictures = rng.randint(256, size=(2300, 3, 32, 32)).astype(np.uint8)
    labels = rng.randint(100, size=2300)
    np.savez(
        tmp_path / "images/cifar100.npz",
        X_train=pictures,
        y_train=labels,
        X_test=pictures[:50],
        y_test=labels[:50],
    )
    data = _labels.split_pictures("cifar100", "pairflip", 0.45, 0)
    assert data.X_train.shape == (300, 3, 32, 32) and data.X_test.shape == (50, 3, 32, 32)
    assert data.mask.mean() == pytest.approx(0.45, abs=0.1)
    X, y = plane(n_targets=2)
    np.savez(tmp_path / "regression/celeba.npz", X=X, y=np.tile(y, 5))
    seen = prl_regression.measure(Cell("celeba", "Huber", "pairflip 0.1", 0))
    assert seen["n_train"] == 362
