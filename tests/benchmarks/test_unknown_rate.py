"""The benchmark of unknown rates: cells, measurements on planted data, tables."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits, make_friedman1

from benchmarks._results import Cell
from benchmarks.thesis import _rates, unknown_rate


@pytest.fixture
def planted(monkeypatch):
    def regression(name, return_X_y):
        return make_friedman1(600, noise=0.5, random_state=0)

    def odds(name, return_X_y):
        rng = np.random.RandomState(0)
        y = rng.uniform(size=500) < 0.1
        X = rng.normal(size=(500, 4))
        X[y] *= 9
        return X, y.astype(int)

    monkeypatch.setattr(unknown_rate, "fetch_regression", regression)
    monkeypatch.setattr(unknown_rate, "fetch_odds", odds)
    monkeypatch.setattr(unknown_rate, "_STEPS", {"max_epochs": 30})
    unknown_rate._auto.cache_clear()
    unknown_rate._seen.cache_clear()
    yield
    unknown_rate._auto.cache_clear()
    unknown_rate._seen.cache_clear()


def measure_all(name, setting, methods):
    return {m: unknown_rate.measure(Cell(name, m, setting, 0)) for m in methods}


def test_labels(planted):
    methods = unknown_rate._methods("digits")
    found = measure_all("digits", "symmetric 0.2", methods)
    assert set(found) == {"auto", "true rate", "loss mixture", "cleanlab", "disagreement"}
    n_train = len(load_digits().target) - round(0.33 * len(load_digits().target))
    for values in found.values():
        assert set(values) == set(unknown_rate.VALUES)
        assert values["true_rate"] == pytest.approx(0.2, abs=0.01)
        assert values["n_train"] == n_train
    assert found["true rate"]["rate"] == found["true rate"]["true_rate"]
    assert abs(found["auto"]["rate"] - 0.2) < 0.05 and found["auto"]["doubted"] == 0
    assert found["auto"]["low"] <= found["auto"]["rate"] <= found["auto"]["high"]
    assert min(found["auto"]["score"], found["true rate"]["score"]) > 0.9
    assert 0.1 < found["disagreement"]["rate"] < 0.5
    assert np.isnan(found["cleanlab"]["score"])
    assert unknown_rate._auto.cache_info().misses == 1
    assert unknown_rate._seen.cache_info().misses == 1  # trained once for all other ways


def test_targets(planted):
    found = measure_all("concrete", "uninoise 0.2", unknown_rate._methods("concrete"))
    assert set(found) == {"auto", "true rate", *_rates.TARGET_WAYS}
    assert abs(found["auto"]["rate"] - found["auto"]["true_rate"]) < 0.06
    assert found["auto"]["score"] > 0.5
    for way in _rates.TARGET_WAYS:
        assert 0.05 < found[way]["rate"] < 0.5
    targets, predictions = unknown_rate._seen("concrete", "uninoise 0.2", 0, "cpu")
    assert predictions.shape == targets.shape
    assert np.median(np.abs(targets - predictions)) < 0.6 * targets.std()
    clean = measure_all("concrete", "clean 0", ["auto", "true rate"])
    assert clean["auto"]["true_rate"] == 0 and clean["auto"]["rate"] < 0.06


def test_anomalies(planted):
    methods = ["auto", "true rate", "constant 0.1", "PyThresh IQR"]
    found = measure_all("glass nvp", "anomalies", methods)
    assert found["constant 0.1"]["rate"] == 0.1
    assert 0 < found["PyThresh IQR"]["rate"] < 0.5
    assert abs(found["auto"]["rate"] - found["auto"]["true_rate"]) < 0.08
    assert found["auto"]["score"] > 0.8


def test_other_ways_by_hand():
    codes = np.repeat([0, 1], 50)
    probabilities = np.where(np.eye(2)[codes] == 1, 0.9, 0.1)
    given = codes.copy()
    given[:10] = 1
    assert _rates.LABEL_WAYS["disagreement"](probabilities, given) == 0.1
    assert _rates.LABEL_WAYS["cleanlab"](probabilities, given) == pytest.approx(0.1, abs=0.02)
    rng = np.random.RandomState(0)
    residuals = rng.normal(size=20_000)
    normal = _rates.TARGET_WAYS["cut-off"](residuals, 0)
    assert normal < 0.003  # the scale is right
    residuals[:2000] = 50
    for name in ("cut-off", "box plot"):
        assert _rates.TARGET_WAYS[name](residuals, 0) == pytest.approx(0.1, abs=0.02), name
    losses = np.r_[rng.normal(0.1, 0.02, 900), rng.normal(3, 0.1, 100)]
    assert _rates.loss_mixture(losses) == pytest.approx(0.1, abs=0.005)


def test_cells():
    listed = unknown_rate.cells(1)
    auto = [cell for cell in listed if cell.method == "auto"]
    n_labels = {"two": 5, "more": 9}
    assert len(auto) == 2 * n_labels["two"] + 4 * n_labels["more"] + 3 * 21 + 2 * 16
    assert not any(cell.set == "satellite" and "pairflip" in cell.setting for cell in listed)
    assert {cell.setting for cell in listed if cell.set == "satellite rca"} == {"anomalies"}
    for given in ({"sets": ["x"]}, {"methods": ["x"]}, {"settings": ["x"]}):
        with pytest.raises(ValueError, match="'x'; allowed are"):
            unknown_rate.cells(1, **given)


def test_table():
    assert unknown_rate.render(pd.DataFrame()) == "nothing measured yet"
    values = {"low": 0.1, "high": 0.3, "doubted": 0, "n_train": 100}
    rows = []
    for cell in unknown_rate.cells(1):
        planted = cell.setting.split()[-1]
        truth = 0.1 if planted == "anomalies" else float(planted)
        is_auto = cell.method == "auto"
        rate = truth + 0.02 * is_auto + 0.08 * (not is_auto and cell.method != "true rate")
        score = 0.9 - 0.005 * is_auto
        rows.append({**cell._asdict(), **values, "rate": rate, "true_rate": truth, "score": score})
    text = unknown_rate.render(pd.DataFrame(rows))
    for part in ("0.02", "0.08", "-0.005", "anomalies, RealNVP", "PyThresh HIST"):
        assert part in text
    bias = text.partition("Mean error of auto, by set and planted rate")[2].split("\n\n")[1]
    assert bias.splitlines()[0].split() == ["planted", "rate", "0.0", "0.1", "0.2", "0.3", "0.4"]
    for line in bias.splitlines()[2:]:
        assert line.split()[1:] == ["0.02"] * 5
