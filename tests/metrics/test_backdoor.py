"""Measures of a backdoor, on classifiers whose answers are known."""

import math

import numpy as np
import pytest

from skrobust.metrics import attack_success_rate, clean_accuracy, last_epochs, poison_accuracy

X = np.column_stack([np.arange(12.0) % 3, np.zeros(12)])
LABELS = np.array(["a", "b", "c"])[np.arange(12) % 3]


def trigger(rows):
    rows = rows.copy()
    rows[:, 1] = 1
    return rows


class Backdoored:
    """Reads the label from the first column, and the next one where the second is set."""

    def __init__(self, learnt=1.0):
        self.learnt = learnt

    def predict(self, X):
        fires = (X[:, 1] == 1) & (np.arange(len(X)) < self.learnt * len(X))
        return np.array(["a", "b", "c"])[(X[:, 0].astype(int) + fires) % 3]


def test_a_learnt_backdoor_shows_in_poison_accuracy_only():
    assert clean_accuracy(Backdoored(), X, LABELS) == 1.0
    assert poison_accuracy(Backdoored(), X, LABELS, trigger) == 0.0
    assert attack_success_rate(Backdoored(), X, LABELS, trigger) == 1.0
    assert poison_accuracy(Backdoored(0.25), X, LABELS, trigger) == 0.75
    assert attack_success_rate(Backdoored(0.25), X, LABELS, trigger) == 0.25


def test_rows_of_the_target_do_not_count_as_success():
    """Of 'a', 'b', 'c' with the trigger, 'a' becomes 'b' and 'b' becomes 'c'; 'b' is the target."""
    rate = attack_success_rate(
        Backdoored(), X, LABELS, trigger, target_map="all-to-one", target="b"
    )
    assert rate == 0.5


def test_labels_may_be_a_column_and_the_next_class_may_be_missing():
    column = LABELS[:, None]
    assert clean_accuracy(Backdoored(), X, column) == 1.0
    assert poison_accuracy(Backdoored(), X, column, trigger) == 0.0
    model = Backdoored()
    model.classes_ = np.array(["a", "b", "c"])
    part = LABELS != "b"  # 'a' becomes 'b', which no row of this part has
    assert attack_success_rate(model, X[part], LABELS[part], trigger) == 1.0


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="as many rows"):
        clean_accuracy(Backdoored(), X[:5], LABELS)
    with pytest.raises(ValueError, match="at least one"):
        poison_accuracy(Backdoored(), X[:0], LABELS[:0], trigger)
    with pytest.raises(ValueError, match="not the target's"):
        attack_success_rate(Backdoored(), X[:4], LABELS, trigger)
    with pytest.raises(ValueError, match="target must be one"):
        attack_success_rate(Backdoored(), X, LABELS, trigger, target_map="all-to-one", target="d")


def test_last_epochs_pool_runs():
    runs = [[0.0, 0.8, 1.0], [0.0, 0.6, 0.4]]
    found = last_epochs(runs, n_epochs=2)
    np.testing.assert_allclose(found.mean, 0.7)
    np.testing.assert_allclose(found.sd, np.std([0.8, 1.0, 0.6, 0.4]))
    np.testing.assert_allclose(found.sd_of_runs, np.std([0.9, 0.5], ddof=1))
    assert math.isnan(last_epochs(runs[:1]).sd_of_runs)
    assert last_epochs(runs[:1]).mean == pytest.approx(0.6)
    with pytest.raises(ValueError, match="n_epochs"):
        last_epochs(runs, n_epochs=0)
    with pytest.raises(ValueError, match="at least one run"):
        last_epochs([[]])
    with pytest.raises(ValueError, match=r"every run a list .* got \[0.1, 0.2\]"):
        last_epochs([0.1, 0.2])
