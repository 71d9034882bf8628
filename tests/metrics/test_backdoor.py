"""Measures of a backdoor, on classifiers whose answers are known."""

import math
import warnings

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from skrobust.corruption import PatchTrigger, poison
from skrobust.metrics import (
    attack_success_rate,
    clean_accuracy,
    last_epochs,
    poison_accuracy,
    separation_score,
)

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


def test_success_of_several_triggers_is_their_mean():
    """The trigger does make 'a' into 'b' and 'b' into 'c'; the one without effect nothing."""
    aims = {"target_map": "all-to-one", "target": ["b", "a"]}
    assert attack_success_rate(Backdoored(), X, LABELS, [trigger] * 2, **aims) == 0.5
    assert (
        attack_success_rate(Backdoored(), X, LABELS, [trigger, lambda rows: rows], **aims) == 0.25
    )
    part = LABELS != "c"  # of 'b', 'c' and 'a' here, one of one and one of two rows has the label
    rate = attack_success_rate(Backdoored(), X[part], LABELS[part], [trigger, trigger], **aims)
    assert rate == np.mean([1.0, 0.0])


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
    aims = {"target_map": "all-to-one", "target": ["a", "b"]}
    with pytest.raises(ValueError, match="one label for each trigger, of which there are 1"):
        attack_success_rate(Backdoored(), X, LABELS, [trigger], **aims)
    with pytest.raises(ValueError, match="list of triggers needs target_map='all-to-one'"):
        attack_success_rate(Backdoored(), X, LABELS, [trigger])
    model = Backdoored()
    model.classes_ = np.array(["a", "b", "c"])
    with pytest.raises(ValueError, match=r"not the target's.* 0 count"):
        attack_success_rate(model, X[:1], LABELS[:1], [trigger] * 2, **aims)


class Believing:
    """Gives each row's label the probability in its first column."""

    classes_ = np.array(["a", "b"])

    def __init__(self, y):
        self.columns = np.searchsorted(self.classes_, y)

    def predict_proba(self, X):
        believed = X[:, 0]
        rows = np.column_stack([1 - believed, 1 - believed])
        rows[np.arange(len(X)), self.columns] = believed
        return rows


def test_separation_is_that_of_the_worst_label():
    y = np.array(list("ababababab"))
    X = np.array([0.9, 0.9, 1.0, 0.8, 0.1, 0.9, 0.7, 0.7, 0.0, 0.6])[:, None]
    model = Believing(y)
    of_a = np.mean([0.9, 1.0, 0.7]) - np.mean([0.1, 0.0])
    of_b = np.mean([0.9, 0.8, 0.9]) - np.mean([0.7, 0.6])
    every = {"target_map": "all-to-all"}
    assert separation_score(model, X, y, 0.4, **every) == pytest.approx(of_b) and of_b < of_a
    ordered = np.sort(X[:, 0])
    together = ordered[4:].mean() - ordered[:4].mean()
    assert separation_score(model, X, y, 0.4, per_label=False) == pytest.approx(together)
    nearly_all = separation_score(model, X, y, 0.999, **every)  # one row is taken for clean
    assert nearly_all == pytest.approx(0.9 - np.mean([0.9, 0.8, 0.7, 0.6]))
    alone = y.copy()
    alone[1::2] = "a"
    alone[0] = "b"  # the only one: nothing to compare
    assert separation_score(Believing(alone), X, alone, 0.2, **every) == pytest.approx(
        separation_score(Believing(alone[1:]), X[1:], alone[1:], 0.2, **every)
    )


def test_separation_of_one_label_among_others():
    """With 3 of 12 rows poisoned: the best of the labels, in view of the worst of the others."""
    y = np.array(list("aaaaaaabbbbb"))
    believed = np.array([0.1, 0.2, 0.3, 0.9, 1.0, 0.8, 0.9, 0.7, 0.9, 0.9, 0.9, 0.4])
    of_a = np.mean([0.7, 0.9, 0.9, 0.9, 0.4]) - np.mean([0.1, 0.2, 0.3])  # b is the worst
    of_b = np.mean(believed[:7]) - np.mean([0.4, 0.7, 0.9])
    X, model, one = believed[:, None], Believing(y), {"target_map": "all-to-one"}
    assert separation_score(model, X, y, 0.25, **one) == pytest.approx(of_a) and of_a > of_b
    assert separation_score(model, X, y, 0.22, **one) == pytest.approx(of_a)  # rounded up
    X[7:, 0] = 1.0
    of_a = np.mean([0.9, 1.0, 0.8, 0.9]) - np.mean([0.1, 0.2, 0.3])  # a is, of what is left
    assert separation_score(model, X, y, 0.25, **one) == pytest.approx(of_a)
    X[7:, 0] = 0.0  # a label that nothing is left of is no poison that was found
    assert separation_score(model, X, y, 0.25, **one) == 0
    with pytest.raises(ValueError, match=r"more than the 8 that are poisoned; .* label has 7"):
        separation_score(model, X, y, 0.6, **one)


@pytest.mark.parametrize("one_is_more", [True, False])
def test_separation_without_a_map_goes_by_the_rate(one_is_more):
    y = np.repeat(["a", "b"], 20)
    X = np.random.RandomState(0).uniform(size=(40, 1))
    if one_is_more:
        X[20:] = 1.0  # a label that does not fall apart
    model = Believing(y)
    for rate in (0.1, 0.25, 0.275, 0.4, 0.475):
        one, every, found = (
            separation_score(model, X, y, rate, target_map=target_map)
            for target_map in ("all-to-one", "all-to-all", None)
        )
        assert (one > every) == one_is_more
        assert found == (one if rate <= 0.25 else max(one, every))
    for rate in (0.5, 0.7):  # no label has so many rows
        every = separation_score(model, X, y, rate, target_map="all-to-all")
        assert separation_score(model, X, y, rate) == every


DIGITS, DIGIT_LABELS = load_digits(return_X_y=True)
DIGITS = DIGITS.reshape(-1, 8, 8) / 16


class OfImages:
    """A small network, trained on images (n, 8, 8)."""

    def __init__(self, X, y):
        model = MLPClassifier((64,), learning_rate_init=0.005, max_iter=30, random_state=0)
        with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
            self.model = model.fit(X.reshape(len(X), -1), y)
        self.classes_ = self.model.classes_

    def predict(self, X):
        return self.model.predict(X.reshape(len(X), -1))

    def predict_proba(self, X):
        return self.model.predict_proba(X.reshape(len(X), -1))


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    ("rate", "aims"),
    [
        (0.02, {"target_map": "all-to-one", "target": [4]}),
        (0.05, {"target_map": "all-to-one", "target": [1]}),
        (0.1, {"target_map": "all-to-one", "target": [4]}),
        (0.2, {"target_map": "all-to-all"}),
    ],
    ids=["2 %", "5 %", "10 %", "20 % of all"],
)
def test_separation_prefers_the_defence(rate, aims, seed):
    """To a network that has learnt the trigger, and to one that has lost a class."""
    one = PatchTrigger(2)
    trigger = [one] if "target" in aims else one
    X, y, mask = poison(DIGITS, DIGIT_LABELS, trigger, rate, random_state=seed, **aims)
    train, held = train_test_split(
        np.arange(len(y)), test_size=0.4, stratify=y + 10 * mask, random_state=seed
    )
    clean = train[~mask[train]]
    poor = np.r_[clean[y[clean] != 7], clean[y[clean] == 7][:1]]
    models = [OfImages(X[rows], y[rows]) for rows in (clean, train, poor)]
    success = [
        attack_success_rate(model, DIGITS[held], DIGIT_LABELS[held], trigger, **aims)
        for model in models
    ]
    assert success[1] > 0.6 and success[0] < 0.1
    for target_map in (None, aims["target_map"]):
        robust, broken, lost = (
            separation_score(model, X[held], y[held], rate, target_map=target_map)
            for model in models
        )
        assert robust > 0.7 and robust > broken + 0.1 and robust > lost + 0.3


@pytest.mark.parametrize(
    ("rate", "rows", "labels", "message"),
    [
        (0.0, 4, "abab", r"rate must be a number in \(0, 1\), got 0.0"),
        (True, 4, "abab", "rate must be a number"),
        (0.2, 3, "abab", "as many rows, got 3 and 4"),
        (0.2, 4, "abac", "y holds 'c', which is none of classes_"),
        (0.2, 2, "ab", "at least two rows"),
    ],
)
def test_bad_input_of_separation_is_named(rate, rows, labels, message):
    with pytest.raises(ValueError, match=message):
        separation_score(Believing(list(labels)), X[:rows], list(labels), rate)


def test_bad_maps_of_separation_are_named():
    y = list("abab")
    with pytest.raises(ValueError, match=r"target_map must be one of .* got 'clean-label'"):
        separation_score(Believing(y), X[:4], y, 0.2, target_map="clean-label")
    with pytest.raises(ValueError, match="target_map is for per_label=True only, got 'all-to-one'"):
        separation_score(Believing(y), X[:4], y, 0.2, per_label=False, target_map="all-to-one")


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
