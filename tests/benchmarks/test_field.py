"""Benchmarks on data that nobody here made: cells fit the task, wrong rows are ranked first."""

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks._results import Cell
from benchmarks.field import audits, labels_people, tables, targets


@pytest.fixture
def small(monkeypatch):
    """Tables of 300 rows in the place of all sets."""
    rng = np.random.RandomState(0)
    X = rng.normal(size=(300, 4))
    y = X[:, 0] + X[:, 1]
    monkeypatch.setattr(tables, "split", lambda name, seed: (X, (y > 0).astype(int), X, y > 0))
    monkeypatch.setattr(targets, "split", lambda name, seed: (X, y, X, y))


def test_audits_fit_the_task():
    cells = audits.cells(1)
    assert len(cells) == 8 * 6 * len(audits.OF_LABELS) + 10 * 4 * len(audits.OF_TARGETS)
    assert all((c.method == "PRLRegressor") <= (c.set in audits.TARGET_SETS) for c in cells)


@pytest.mark.parametrize(
    ("name", "method", "setting", "rate"),
    [
        (audits.LABEL_SETS[0], "logistic regression", "symmetric 0.2", 0.2),
        (audits.TARGET_SETS[0], "Huber", "swap 0.4", 0.4),
        (audits.TARGET_SETS[0], "regression extra trees, leaves of 5", "stuck 0.4", 0.4),
    ],
)
def test_audits_rank_wrong_rows_first(name, method, setting, rate, small):
    found = audits.measure(Cell(name, method, setting, 0))
    assert list(found) == audits.VALUES
    assert found["true_rate"] == pytest.approx(rate, abs=0.05)
    assert found["auroc"] > 0.9 and found["found"] > 0.7 and found["precision"] > 0.8
    assert found["low"] <= found["rate"] <= found["high"]


def test_audits_are_summed_up():
    found = dict.fromkeys(audits.VALUES, 0.5) | {"seconds": 1.0}
    rows = [{**cell._asdict(), **found} for cell in audits.cells(1)]
    rows[0]["auroc"] = 1.0
    table = audits.render(pd.DataFrame(rows))
    assert "labels: auroc" in table and "targets: found" in table
    line = next(line for line in table.splitlines() if line.startswith("PRLClassifier"))
    mean, off_by, seconds = map(float, line.split()[-3:])
    assert (mean, off_by, seconds) == (0.51, 0, 1)  # 0.5 but for one of 48
    assert audits.render(pd.DataFrame()) == "nothing measured yet"


def test_generalised_cross_entropy():
    outputs, given = torch.randn(2, 5, 3), torch.tensor([0, 1, 2, 0, 1])
    found = labels_people.truncated_power(outputs, given)
    believed = outputs.softmax(-1).gather(-1, given.expand(2, 5)[..., None])[..., 0]
    torch.testing.assert_close(found, (1 - believed**0.7) / 0.7)
