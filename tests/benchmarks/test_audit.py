"""The benchmark of the audit: cells, planted errors, the same predictions for every method."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from benchmarks._results import Cell
from benchmarks.thesis import audit

pytest.importorskip("cleanlab")


def groups(return_X_y):
    rng = np.random.RandomState(0)
    y = rng.randint(3, size=150)
    return np.array([[0, 0], [5, 0], [0, 5]])[y] + rng.normal(size=(150, 2)), y


def plane(name, return_X_y):
    X = np.random.RandomState(0).normal(size=(2500, 3))
    return X, X[:, :1] * 10 + X[:, 1:2]


@pytest.fixture
def quick(monkeypatch):
    """Small tables and models; counts how often a model is made."""
    made = SimpleNamespace(count=0)

    def build(kind):
        def make(corruption_rate, **settings):
            made.count += 1
            return kind()

        return make

    monkeypatch.setitem(audit.LABELS, "wine", groups)
    monkeypatch.setattr(audit, "fetch_regression", plane)
    monkeypatch.setattr(audit, "PRLClassifier", build(LogisticRegression))
    monkeypatch.setattr(audit, "PRLRegressor", build(LinearRegression))
    audit._predict.cache_clear()
    yield made
    audit._predict.cache_clear()


def test_cells_fit_the_task():
    cells = audit.cells(3)
    assert len(cells) == len(set(cells)) == 3 * (2 * 4 * 5 + 2 * 5 + 3 * 2 * 3)
    assert all((c.set in audit.TARGETS) == c.setting.startswith("swapped") for c in cells)
    assert Cell("breast_cancer", "audit", "pairflip 0.1", 0) not in cells
    with pytest.raises(ValueError, match="unknown set"):
        audit.cells(1, sets=["iris"])


@pytest.mark.parametrize("name", ["wine", "concrete"])
def test_methods_rank_the_same_predictions(quick, name):
    cells = audit.cells(1, sets=[name])
    rows = [{**cell._asdict(), **audit.measure(cell)} for cell in cells]
    frame = pd.DataFrame(rows)
    assert quick.count == frame["setting"].nunique()
    assert list(frame)[4:] == audit.VALUES
    ours = frame[frame["method"] == audit.OURS].set_index("setting")
    assert (ours["auroc"] > 0.8).all() and (ours["planted_of_20"] >= 15).all()
    same = "cleanlab residual" if name == "concrete" else "cleanlab self-confidence"
    theirs = frame[frame["method"] == same].set_index("setting")
    np.testing.assert_allclose(ours["auroc"], theirs["auroc"], atol=0.005)
    text = audit.render(frame)
    assert "AUROC of the ranking" in text and "mean" in text and same in text


def test_planted_targets_are_the_wrong_ones():
    y = np.arange(50.0)
    given, mask = audit._swap(y, 0.3, 0)
    assert mask.sum() == 15 and (given[~mask] == y[~mask]).all()
    assert sorted(given) == sorted(y)
    assert not audit._swap(np.ones(50), 0.3, 0)[1].any()  # what is equal is not wrong


def test_nothing_measured():
    assert audit.render(pd.DataFrame()) == "nothing measured yet"
