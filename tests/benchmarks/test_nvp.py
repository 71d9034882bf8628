"""Benchmarks of chapter 3: cells, contaminated features, tables and the picture."""

import numpy as np
import pandas as pd
import pytest

from benchmarks._results import Cell
from benchmarks.thesis import (
    _features,
    moons_density,
    nvp_epsilon,
    nvp_features,
    nvp_odds,
    nvp_planted,
)
from benchmarks.thesis.__main__ import main
from skrobust.datasets import DataNotSuppliedError


def features(name, **kwargs):
    """Rows that say what they are: class of the set in column 0, anomaly in 1, number in 2."""
    y = np.arange(2500) >= 2300
    code = list(_features.CLUSTER_OF).index(name)
    X = np.column_stack([np.full(2500, code), y, np.arange(2500), np.zeros((2500, 509))])
    return X.astype(np.float32), y.astype(int)


@pytest.mark.parametrize("rate", [0.1, 0.4])
def test_uniform_contamination(monkeypatch, rate):
    monkeypatch.setattr(_features, "fetch_image_features", features)
    train, test, y = _features.contaminate("SVHN_0", "u", rate, seed=0, n_train=200)
    assert train[:, 1].sum() == 200 * rate
    assert len(train) == 200
    assert y.sum() == test[:, 1].sum() == 80  # 40 % of the set's own
    assert (test[:1000, 1] == 0).all()
    assert not set(train[:, 2]) & set(test[:, 2])
    other = _features.contaminate("SVHN_0", "u", rate, seed=1, n_train=200)[0]
    assert not np.array_equal(train, other)


def test_clustered_contamination(monkeypatch):
    monkeypatch.setattr(_features, "fetch_image_features", features)

    def overlapping(name, **kwargs):
        X, y = features(name)
        if name == "SVHN_0":  # some of its anomalies are pictures of the other set
            X[2300:2320] = features("SVHN_8")[0][:20]
        return X, y

    monkeypatch.setattr(_features, "fetch_image_features", overlapping)
    train, test, y = _features.contaminate("SVHN_0", "c", 0.1, seed=0)
    cluster = list(_features.CLUSTER_OF).index("SVHN_8")
    assert not {tuple(row) for row in train} & {tuple(row) for row in test}
    odd = train[:, 0] == cluster
    assert odd.mean() == pytest.approx(0.1, abs=0.001)
    assert (train[:, 1] == 0).all()  # normal pictures of the other set
    assert y.sum() == 200
    assert (test[:1000, 0] != cluster).all()


def test_measures_on_planted_features(monkeypatch):
    def planted(name, **kwargs):
        rng = np.random.RandomState(len(name))
        y = (np.arange(1600) >= 1500).astype(int)
        return rng.normal(size=(1600, 8)) + 5 * y[:, None], y

    monkeypatch.setattr(_features, "fetch_image_features", planted)
    for cell in (
        Cell("SVHN_0-u", "IForest", "rate 0.1", 0),
        Cell("SVHN_0-u", "RobustRealNVP", "rate 0.1", 0),
    ):
        assert nvp_features.measure(cell)["auc"] > 0.9
    values = nvp_epsilon.measure(Cell("SVHN_0-u", "RobustRealNVP", "assumed 0.2", 0))
    assert values["auc"] > 0.9
    assert values["n_test"] == 1040


def test_cells():
    # the default is told the rate or estimates it
    assert len(nvp_odds.cells(2, ["glass"])) == 2 * (len(nvp_odds.METHODS) + 1)
    assert len(nvp_features.cells(1)) == 10 * (len(nvp_odds.METHODS) + len(nvp_features.PEERS))
    epsilon = nvp_epsilon.cells(1, ["SVHN_0"])
    assert {c.method for c in epsilon if c.setting == "assumed 0.2"} == {"RobustRealNVP", "default"}
    assert {c.set for c in epsilon if c.setting == "true 0.3"} == {"SVHN_0-u"}
    with pytest.raises(ValueError, match="unknown method 'NVP'"):
        nvp_odds.cells(1, methods=["NVP"])


def test_chapter_and_default_differ_as_said():
    assert nvp_odds.METHODS["default"] == {"margin": 1.0, "base": "normal"}  # what it was
    assert nvp_odds.METHODS["RealNVP"]["trim"] is False
    assert nvp_odds.METHODS["TrimRealNVP"]["lipschitz"] is None
    assert nvp_odds.METHODS["RobustRealNVP"]["lipschitz"] == 1.5
    assert nvp_odds.METHODS["RobustRealNVP"]["margin"] == 0.0


def test_odds_table_compares_methods_and_effects(monkeypatch, tmp_path):
    others = pd.DataFrame(
        [("glass", "IForest", "rate true", 0, 0.7)],
        columns=["set", "method", "setting", "seed", "auc"],
    )
    others.to_csv(tmp_path / "others.csv", index=False)
    monkeypatch.setattr(nvp_odds, "OTHERS", tmp_path / "others.csv")
    rows = [
        ("glass", "RobustRealNVP", "rate true", 0, 0.8),
        ("glass", "TrimRealNVP", "rate true", 0, 0.75),
        ("glass", "RealNVP", "rate true", 0, 0.6),
    ]
    text = nvp_odds.render(pd.DataFrame(rows, columns=others.columns))
    assert "RobustRealNVP against RealNVP: 1 0 0" in text
    assert "IForest" in text
    effects = text.partition("Effects")[2]
    assert "TrimRealNVP" in effects
    assert "0.05" in effects
    assert nvp_odds.render(pd.DataFrame(columns=others.columns)) == "nothing measured yet"


def test_averages_over_features_are_over_shared_sets_and_seeds():
    flows = {"RobustRealNVP": 0.7, "TrimRealNVP": 0.7, "RealNVP": 0.6, "default": 0.8}
    rows = [
        (name, method, "rate 0.1", seed, auc + 0.1 * seed - 0.2 * name.startswith("SVHN"))
        for name in nvp_features.SETS
        for method, auc in {**flows, "KNN": 0.75, "default plain": 0.5}.items()
        for seed in range(2)
        if method in flows
        or (method == "KNN" and seed == 0 and (name[:4] == "CIFA" or name[-1] == "u"))
        or (method == "default plain" and seed == 0 and name[-1] == "u")
    ]
    columns = ["set", "method", "setting", "seed", "auc"]
    frame = pd.DataFrame(rows, columns=columns)
    flows_only, beside = nvp_features.render(frame).split("Beside other methods")
    assert numbers(flows_only, "mean of 5 clustered") == [0.67, 0.67, 0.57, 0.77]
    assert numbers(flows_only, "SVHN_0-c") == [0.55, 0.55, 0.45, 0.65, 2]
    assert "KNN" not in flows_only
    assert numbers(beside, "mean of 5 uniform") == [0.62, 0.62, 0.52, 0.72, 0.42, 0.67]
    assert numbers(beside, "mean of 3 clustered") == [0.7, 0.7, 0.6, 0.8, 0.75]
    assert numbers(beside, "average rank, clustered") == [3.5, 3.5, 5, 1, 2]
    assert numbers(beside, "CIFAR10_0-c") == [0.7, 0.7, 0.6, 0.8, 0.75, 1]
    assert "SVHN_0-c" not in beside


def test_averages_over_rates_are_over_shared_sets():
    rows = [
        (f"{name}-u", method, setting, 0, auc)
        for name, values in {
            "CIFAR10_0": {"RobustRealNVP": 0.9, "RealNVP": 0.8, "default": 0.85},
            "CIFAR10_4": {"RobustRealNVP": 0.7, "RealNVP": 0.6, "default": 0.75},
            "SVHN_0": {"RobustRealNVP": 0.2, "RealNVP": 0.1},
        }.items()
        for method, auc in values.items()
        for setting in ("true 0.1", "true 0.2", "assumed 0.2")
        if (name, method, setting) != ("CIFAR10_4", "default", "true 0.2")
    ]
    frame = pd.DataFrame(rows, columns=["set", "method", "setting", "seed", "auc"])
    wrong, high = nvp_epsilon.render(frame).split("Figure 3.6: ", 1)
    chapter, default = high.split("Figure 3.6: ")
    assert numbers(chapter, "        RobustRealNVP") == [0.6, 0.6, 3, 1]
    assert numbers(chapter, "uniform RealNVP") == [0.5, 0.5, 3, 1]
    assert "default" not in chapter
    assert numbers(default, "uniform RealNVP") == [0.8, 0.8, 1, 1]
    assert numbers(default, "        default") == [0.85, 0.85, 1, 1]
    assert numbers(wrong.split("Figure 3.5: ")[2], "        default") == [0.8, 2, 1]


def numbers(table, name):
    """Numbers of the line that begins with a name."""
    line = next(line for line in table.splitlines() if line.startswith(name))
    return list(map(float, line.removeprefix(name).split()))


def test_moons_claims_are_counted_over_seeds():
    values = {"RealNVP": 0.3, "TrimRealNVP": 0.2, "RobustRealNVP": 0.1}
    rows = [
        ("clustered", method, "5001 steps", seed, density if seed else 0.5 - density, -1.0, 0.9)
        for seed in range(3)
        for method, density in values.items()
    ]
    columns = ["set", "method", "setting", "seed", *moons_density.VALUES]
    text = moons_density.render(pd.DataFrame(rows, columns=columns))
    assert "RobustRealNVP < TrimRealNVP < RealNVP in 2 of 3 seeds" in text


def test_moons_cells_are_measured_and_drawn(monkeypatch, tmp_path, capsys):
    short = {
        name: {**s, "min_steps": None, "max_epochs": 2} for name, s in moons_density.METHODS.items()
    }
    monkeypatch.setattr(moons_density, "METHODS", short)
    values = moons_density.measure(Cell("clustered", "RobustRealNVP", "5001 steps", 0))
    assert values["centre_density"] > 0
    assert np.isfinite(values["held_out"])
    assert np.isnan(moons_density.measure(Cell("clean", "RealNVP", "5001 steps", 0))["auc"])
    monkeypatch.setattr(moons_density, "SETS", {"clustered": 0.05})
    assert main(["moons-density", "--picture", str(tmp_path / "moons.png")]) == 0
    assert (tmp_path / "moons.png").read_bytes().startswith(b"\x89PNG")
    assert main(["rca-odds", "--picture", "x.png"]) == 2
    assert "has no picture" in capsys.readouterr().err


def test_real_features():
    try:
        train, test, _ = _features.contaminate("CIFAR10_0", "u", 0.1, 0)
    except DataNotSuppliedError:
        pytest.skip("the image features are not under SKROBUST_DATA")
    assert train.shape == (1570, 512)
    assert len(test) == 1106


@pytest.mark.parametrize("kind", nvp_planted.KINDS)
def test_planted_anomalies(monkeypatch, kind):
    rng = np.random.RandomState(0)
    centres = np.repeat([[4.0, 4.0], [-4.0, -4.0]], 450, axis=0)
    table = centres + rng.normal(size=centres.shape) @ [[1.0, 0.9], [0.0, 0.1]]
    monkeypatch.setitem(nvp_planted.TABLES, "table", lambda: table)
    X, y = nvp_planted.planted("table", kind, seed=0)
    assert y.mean() == pytest.approx(nvp_planted.RATE)
    rows, odd = X[y == 0], X[y == 1]
    size = np.abs(rows).max()
    if kind == "local":  # near the same two centres, wider
        assert abs(np.abs(odd).mean() - np.abs(rows).mean()) < 0.1
        narrow, wide = (np.std(np.abs(some)) for some in (rows, odd))
        assert 1.8 < wide / narrow < 2.8
    elif kind == "cluster":
        assert np.abs(odd).min() > size
    elif kind == "global":
        assert size < np.abs(odd).max() <= 1.1 * size
        assert len(np.unique(odd[:, 0])) == len(odd)
    else:
        assert all(np.isin(odd[:, j], rows[:, j]).all() for j in range(2))
        assert abs(np.corrcoef(odd.T)[0, 1]) < 0.3 < np.corrcoef(rows.T)[0, 1]
    again = nvp_planted.planted("table", kind, seed=0)
    np.testing.assert_array_equal(again[0], X)
    assert not np.array_equal(nvp_planted.planted("table", kind, seed=1)[0], X)
