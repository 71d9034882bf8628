"""The benchmark of backdoor attacks: what is measured first, rows drawn, methods, tables."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from sklearn.dummy import DummyClassifier

from benchmarks._results import Cell
from benchmarks.field import _attacks, _clustering, poison_screen
from benchmarks.field._attacks import Task, draw
from benchmarks.field._clustering import cluster_activations
from skrobust.corruption import TabularTrigger

PICTURES, TABLE = "mnist", "digits"
METHODS = list(poison_screen.METHODS)
TABULAR = TabularTrigger({0: 12, 32: 12, 39: 12})


def pictures(subset):
    """Noise of ten classes; no two pictures are the same."""
    n_rows = {"train": 6_000, "test": 200}[subset]
    rng = np.random.RandomState(n_rows)
    return rng.randint(256, size=(n_rows, 14, 14)).astype(np.uint8), rng.permutation(n_rows) % 10


def table(subset):
    return load_digits(return_X_y=True) if subset == "train" else None


@pytest.fixture
def small(monkeypatch):
    """Small pictures and a small perceptron in the place of two sets."""
    short = {"hidden_layer_sizes": (64,), "max_epochs": 40, "min_steps": None}
    monkeypatch.setitem(_attacks.SETS, PICTURES, Task(pictures, 5_000, {}))
    monkeypatch.setitem(_attacks.SETS, TABLE, Task(table, 900, short, lambda X: TABULAR))


def test_the_most_telling_cells_come_first():
    cells = poison_screen.cells(2)
    assert len(cells) == len(set(cells)) == 2 * (2 * (12 * 8 + 3 * 6) + 2 * (3 * 8 + 3 * 6))
    assert [cell.seed for cell in cells] == sorted(cell.seed for cell in cells)
    first = [cell for cell in cells if cell.seed == 0]
    telling = [
        cell.setting in ("patch 5 %", "patch 1 %", "none") or cell.set in _attacks.TABLES
        for cell in first
    ]
    assert telling == sorted(telling, reverse=True) and 0 < sum(telling) < len(telling)
    assert [cell.method for cell in first[:8]] == METHODS
    assert {cell.setting for cell in first[:8]} == {"patch 5 %"}


def test_cells_are_of_use():
    cells = poison_screen.cells(1, ["digits", "mnist"], settings=["columns 5 %", "patch 1 %"])
    assert {(c.set, c.setting) for c in cells} == {
        ("digits", "columns 5 %"),
        ("mnist", "patch 1 %"),
    }
    clean = poison_screen.cells(1, ["mnist"], settings=["none"])
    assert "spectral signatures" not in {cell.method for cell in clean}
    assert not any("," in name for name in [*poison_screen.SETTINGS, *METHODS])  # for --settings


@pytest.mark.parametrize("setting", list(_attacks.ON_PICTURES))
def test_attacks_on_pictures(setting, small):
    data = draw(PICTURES, setting, 0)
    kind, rate = setting.rsplit(" ", 2)[:2]
    assert data.X.shape == (5_000, 1, 14, 14) and data.X.dtype == np.float32
    assert 0 <= float(rate) / 100 * 5_000 - data.mask.sum() < 10  # classes have whole rows
    wanted = {"three targets": [1, 4, 7], "all-to-all": list(range(10))}.get(kind, [4])
    assert data.targets.tolist() == wanted
    pixels, labels = pictures("train")
    chosen = np.random.RandomState(0).permutation(6_000)[:5_000]
    before = pixels[chosen][:, None] / np.float32(255)
    assert np.array_equal((before != data.X).any(axis=(1, 2, 3)), data.mask)
    assert np.array_equal(labels[chosen] != data.y, data.mask)
    other = draw(PICTURES, setting, 1)
    assert not np.array_equal(other.X, data.X)


def test_rows_are_in_one_part_only(small):
    data = draw(TABLE, "none", 0)
    everything = [set(map(bytes, part)) for part in (data.X, data.X_test, data.X_clean)]
    assert len(data.X) == 900 and len(data.X_clean) == 45 and len(data.X_test) == 1797 - 945
    assert sum(map(len, everything)) == len(set.union(*everything))


def test_settings_without_an_attack(small):
    right, wrong, unequal = (draw(TABLE, setting, 0) for setting in _attacks.CLEAN)
    assert np.mean(right.y != wrong.y) == pytest.approx(0.1)
    assert np.array_equal(right.X, wrong.X)
    sizes = np.bincount(unequal.y) / np.bincount(right.y)
    assert sizes[0] == 1 and sizes[9] < 0.3 and sizes[:3].mean() > 2 * sizes[-3:].mean()
    for data in (right, wrong, unequal):
        assert data.attack is None and not data.mask.any() and len(data.mask) == len(data.X)


def test_the_share_of_poison_of_a_label(small):
    data = draw(TABLE, "columns 15 %", 0)
    assert data.rate_of_label == pytest.approx(data.mask[data.y == 4].mean())
    assert data.rate_of_label > 2 * data.rate


def measured(method, setting="columns 15 %"):
    found = poison_screen.measure(Cell(TABLE, method, setting, 0))
    assert list(found) == poison_screen.VALUES and found["fit_seconds"] > 0
    return found


def test_plain_training_is_attacked_and_screening_is_not(small):
    plain, screened, oracle = map(measured, ("plain", "screen", poison_screen.ORACLE))
    assert plain["success"] > 0.9 and plain["accuracy"] > 0.9
    assert np.isnan(
        [plain[name] for name in ("poison_dropped", "n_flagged", "flagged_right")]
    ).all()
    assert screened["success"] < 0.1 and screened["accuracy"] > 0.9
    assert screened["auroc"] > 0.9 and screened["poison_dropped"] > 0.9
    assert screened["clean_dropped"] < 0.1
    assert screened["n_flagged"] >= 1
    assert oracle["success"] < 0.1 and oracle["accuracy"] > 0.9


@pytest.mark.parametrize(
    ("setting", "flagged", "right"),
    [
        ("columns 15 %", [4], 1),
        ("columns 15 %", [4, 1], 0),
        ("columns 15 %", [1], 0),
        ("columns 15 %", [], 0),
        ("none", [], 1),
        ("none", [4], 0),
    ],
)
def test_what_is_flagged_and_dropped(setting, flagged, right, small, monkeypatch):
    attacked = setting != "none"

    def found_by_magic(data, common):
        dropped = data.mask.copy()
        dropped[np.flatnonzero(~data.mask)[:90]] = True
        dropped[np.flatnonzero(data.mask)[:27]] = False
        model = DummyClassifier(strategy="constant", constant=4).fit(data.X, data.y)
        return poison_screen.Outcome(model, data.mask.astype(float), dropped, np.array(flagged))

    monkeypatch.setitem(poison_screen.METHODS, "screen", found_by_magic)
    data, found = draw(TABLE, setting, 0), measured("screen", setting)
    n_poisoned = data.mask.sum()
    assert (found["n_flagged"], found["flagged_right"]) == (len(flagged), right)
    assert found["accuracy"] == pytest.approx(np.mean(data.y_test == 4), abs=1e-5)
    assert found["clean_dropped"] == pytest.approx(90 / (900 - n_poisoned), abs=1e-5)
    assert found["true_rate"] == pytest.approx(n_poisoned / 900, abs=1e-5)
    of_attack = [found[name] for name in ("success", "auroc", "poison_dropped")]
    wanted = [1, 1, 1 - 27 / n_poisoned] if attacked else [np.nan] * 3
    np.testing.assert_allclose(of_attack, wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("method", "dropped"),
    [("Algorithm 6", 0.2), ("PRL-AT", 0.05), ("spectral signatures", 0.5), ("fine-pruning", None)],
)
def test_peers(method, dropped, small):
    found = measured(method, "columns 5 %")
    data = draw(TABLE, "columns 5 %", 0)
    assert found["accuracy"] > 0.5 and 0 <= found["auroc"] <= 1 and np.isnan(found["n_flagged"])
    if dropped is None:
        assert np.isnan(found["clean_dropped"])
    else:
        share = (1 - data.rate) * found["clean_dropped"] + data.rate * found["poison_dropped"]
        assert share == pytest.approx(dropped, abs=0.05)


def test_activation_clustering_is_measured(small):
    found = measured("activation clustering")
    assert found["n_flagged"] >= 0 and found["flagged_right"] in (0, 1)
    assert 0 <= found["clean_dropped"] < 0.5


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_planted_clusters_are_found(seed, monkeypatch):
    rng = np.random.RandomState(seed)
    labels = np.repeat(["a", "b", "c"], 400)
    activations = rng.normal(size=(1200, 30))
    planted = np.zeros(1200, dtype=bool)
    planted[400:480] = True  # a fifth of the rows labelled b
    activations[planted] += 4
    found = cluster_activations(activations, labels, seed)
    assert found.flagged.tolist() == ["b"]
    assert np.mean(found.dropped == planted) > 0.99
    assert found.scores[planted].min() > found.scores[~planted & (labels == "b")].max()
    for name, limit in (("LEAST_SILHOUETTE", 0.9), ("LARGEST_SHARE", 0.1)):
        with monkeypatch.context() as patch:
            patch.setattr(_clustering, name, limit)
            assert not cluster_activations(activations, labels, seed).dropped.any()


def test_nothing_is_clustered_where_nothing_differs():
    found = cluster_activations(np.ones((20, 5)), np.repeat([3, 4], 10), 0)
    assert len(found.flagged) == 0 and not found.dropped.any()


def rows_of(setting, seed, **values):
    """Rows of one draw of MNIST, one per method: accuracy, success, flagged right, seconds."""
    nan = float("nan")
    for method, (accuracy, success, right, seconds) in values.items():
        cell = Cell(PICTURES, method.replace("_", " "), setting, seed)
        found = dict.fromkeys(poison_screen.VALUES, nan)
        found |= {"accuracy": accuracy, "success": success, "flagged_right": right}
        found |= {"fit_seconds": seconds, "clean_dropped": 0.1 if method == "screen" else nan}
        yield {**cell._asdict(), **found, "seconds": 99.0}


def test_tables():
    nan = float("nan")
    oracle = {"trained_on_the_clean_rows": (0.97, 0.01, nan, 2)}
    rows = [
        *rows_of("patch 5 %", 0, plain=(0.96, 0.99, nan, 2), screen=(0.95, 0.02, 1, 8), **oracle),
        *rows_of("patch 5 %", 1, plain=(0.94, 0.97, nan, 2), screen=(0.93, 0.04, 0, 12), **oracle),
        *rows_of("warp 5 %", 0, plain=(0.96, 0.2, nan, 2), screen=(0.96, 0.9, 0, 8)),  # not taken
        *rows_of("blend 5 %", 0, screen=(0.96, 0.5, 0, 8)),  # plain training is missing
        *rows_of("none", 0, plain=(0.97, nan, nan, 4), screen=(0.96, nan, 1, 16)),
        *rows_of("none", 1, screen=(0.96, nan, 0, 16)),
    ]
    lines = poison_screen.render(pd.DataFrame(rows)).splitlines()

    def after(start, n=1):
        return [line for line in lines if line.startswith(start)][n - 1].removeprefix(start).split()

    assert " ".join(after("patch 5 %")) == "95.0 / 98.0 94.0 / 3.0 97.0 / 1.0 2"
    assert after("none") == ["97.0", "96.0", "2"]
    compared = [float(number) for number in after("screen ")]
    # taken, right, success, worst, clean, none flagged, clean dropped, accuracy, plain fits
    difference = round(np.mean([-0.02, -0.04, -0.01]), 3)
    assert compared == [2, 0.5, 0.03, 0.04, 2, 0.5, 0.1, difference, 4]
    assert [float(number) for number in after("plain ")][-1] == 1
    assert "of 2 attacks that plain training takes in, 1 are flagged exactly right" in lines
    assert "success after screening is 0.030 on average, 0.040 at worst" in lines
    assert "of 2 runs without an attack, 1 have no label flagged" in lines
    assert "accuracy is -0.0233 against plain training on the clean rows" in lines


@pytest.mark.parametrize("method", ["plain", "screen", "fine-pruning"])
@pytest.mark.parametrize("setting", ["patch 5 %", "none"])
def test_tables_of_few_rows(method, setting):
    found = dict.fromkeys(poison_screen.VALUES, 0.5) | {"seconds": 1.0}
    row = {**Cell(PICTURES, method, setting, 0)._asdict(), **found}
    assert method in poison_screen.render(pd.DataFrame([row]))


def test_nothing_measured():
    assert poison_screen.render(pd.DataFrame()) == "nothing measured yet"
