"""audit_labels: a row never vouches for itself, planted errors come first, bad input is named."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, load_wine
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from skrobust import PRLClassifier, PRLRegressor, audit_labels, estimate_corruption_rate
from skrobust.corruption import corrupt_labels
from skrobust.diagnosis._audit import label_suspicion


def three_classes(n_rows=240, seed=0):
    """Three well separated groups; labels are names."""
    rng = np.random.RandomState(seed)
    codes = rng.randint(3, size=n_rows)
    centres = np.array([[0, 0], [6, 0], [0, 6]])
    return centres[codes] + rng.normal(size=(n_rows, 2)), np.array(["ash", "elm", "oak"])[codes]


class Parrot(ClassifierMixin, BaseEstimator):
    """Says what it was told of a row, and of an unknown row that all classes are alike."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.told_ = dict(zip(np.asarray(X)[:, 0], y, strict=True))
        return self

    def predict_proba(self, X):
        rows = np.full((len(X), len(self.classes_)), 1 / len(self.classes_))
        for i, key in enumerate(np.asarray(X)[:, 0]):
            if key in self.told_:
                rows[i] = self.classes_ == self.told_[key]
        return rows


class ParrotRegressor(RegressorMixin, BaseEstimator):
    """Says what it was told of a row, and -1 of an unknown row."""

    def fit(self, X, y):
        self.told_ = dict(zip(np.asarray(X)[:, 0], y, strict=True))
        return self

    def predict(self, X):
        return np.array([self.told_.get(key, -1.0) for key in np.asarray(X)[:, 0]])


def test_a_row_never_vouches_for_itself():
    X = np.arange(60.0)[:, None]
    y = np.arange(60) % 3
    for cv in (2, 5, KFold(7)):
        np.testing.assert_allclose(audit_labels(Parrot(), X, y, cv=cv).given, 1 / 3)
        np.testing.assert_array_equal(audit_labels(ParrotRegressor(), X, y, cv=cv).predictions, -1)


def test_predictions_are_those_of_a_model_of_the_other_folds():
    X, y = three_classes()
    audit = audit_labels(LogisticRegression(), X, y, cv=4, random_state=3)
    assert sorted(np.unique(audit.folds)) == [0, 1, 2, 3]
    for fold in range(4):
        held_out = audit.folds == fold
        model = LogisticRegression().fit(X[~held_out], y[~held_out])
        expected = model.predict_proba(X[held_out])
        np.testing.assert_allclose(audit.predictions[held_out], expected)
        shares = [(y[held_out] == name).mean() for name in audit.classes]
        np.testing.assert_allclose(
            shares, [(y == name).mean() for name in audit.classes], atol=0.02
        )


def test_folds_of_a_table_in_order_are_shuffled():
    X = np.linspace(0, 10, 200)[:, None]
    audit = audit_labels(LinearRegression(), X, X[:, 0], random_state=0)
    assert all(np.ptp(np.flatnonzero(audit.folds == k)) > 150 for k in range(5))
    again = audit_labels(LinearRegression(), X, X[:, 0], random_state=0)
    other = audit_labels(LinearRegression(), X, X[:, 0], random_state=1)
    np.testing.assert_array_equal(audit.folds, again.folds)
    assert (audit.folds != other.folds).any()


def test_planted_labels_come_first_with_the_right_suggestion():
    X, truth = three_classes()
    y, wrong = corrupt_labels(truth, 0.1, random_state=0)
    model = PRLClassifier(corruption_rate=0.1, random_state=0)
    audit = audit_labels(model, X, y, random_state=0)
    first = audit.order[: wrong.sum()]
    assert wrong[first].mean() > 0.95
    assert (audit.suggestions[first] == truth[first]).mean() > 0.95
    assert (np.diff(audit.scores[audit.order]) <= 0).all()
    assert audit.predictions.shape == (240, 3)
    assert list(audit.classes) == ["ash", "elm", "oak"]


def test_planted_targets_come_first():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(300, 3))
    truth = 100 + 20 * X[:, 0] - 10 * X[:, 1]
    y, wrong = truth.copy(), rng.permutation(300)[:15]
    y[wrong] += 60 * np.where(np.arange(15) % 2, 1, -1)
    audit = audit_labels(
        PRLRegressor(corruption_rate=0.05, max_epochs=60, random_state=0), X, y, random_state=0
    )
    assert set(audit.order[:15]) == set(wrong)
    np.testing.assert_allclose(audit.given, y - audit.predictions)
    np.testing.assert_allclose(audit.scores, np.abs(audit.given))
    np.testing.assert_allclose(audit.suggestions[wrong], truth[wrong], atol=15)
    assert audit.classes is None


def test_score_is_the_log_odds_against_the_given_label():
    p = np.array([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    scores = label_suspicion(p, np.array([0, 1, 0, 1]))
    np.testing.assert_allclose(scores[:2], [0.0, np.log(4)], atol=1e-12)
    assert scores[2] < -700 and scores[3] > 700 and np.isfinite(scores).all()


def test_scores_tell_apart_what_rounds_to_one():
    p = np.array([[1 - 1e-20, 1e-20], [1 - 1e-30, 1e-30]])
    trusted = label_suspicion(p, np.array([0, 0]))
    suspect = label_suspicion(p, np.array([1, 1]))
    assert trusted[0] > trusted[1] and suspect[0] < suspect[1]


def test_a_label_that_occurs_once_is_suspect_and_does_no_harm():
    X, y = three_classes(90)
    y = y.astype(object)
    y[7] = "okk"
    audit = audit_labels(LogisticRegression(), X, y, random_state=0)
    assert audit.order[0] == 7 and audit.given[7] == 0.0
    assert audit.suggestions[7] in ("ash", "elm", "oak")
    assert list(audit.classes) == ["ash", "elm", "oak", "okk"]
    np.testing.assert_allclose(audit.predictions.sum(axis=1), 1.0)


def test_estimator_and_inputs_stay_as_they_are():
    X, y = three_classes(60)
    model, before = LogisticRegression(), (X.copy(), y.copy())
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    audit_labels(model, X, y, random_state=0)
    assert not hasattr(model, "coef_")
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(y, before[1])
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_a_splitter_trains_on_its_own_training_rows():
    X, y = three_classes(60)
    splits = [(np.arange(20, 60), np.arange(20)), (np.arange(20), np.arange(20, 60))]
    audit = audit_labels(LogisticRegression(), X, y, cv=splits)
    expected = LogisticRegression().fit(X[:20], y[:20]).predict_proba(X[20:])
    np.testing.assert_allclose(audit.predictions[20:], expected)
    assert list(audit.folds) == [0] * 20 + [1] * 40


@pytest.mark.parametrize(
    "change, words",
    [
        ({"estimator": KMeans(3)}, "classifier or a regressor"),
        ({"estimator": LinearSVC()}, "no predict_proba"),
        ({"y": ["a"] * 60}, "one class"),
        ({"y": ["a"] * 59 + ["b"]}, "more than once"),
        ({"y": ["a", None] * 30}, "missing labels"),
        ({"y": [0.5, np.nan] * 30}, "missing labels"),
        ({"y": np.arange(60) * 0.37}, "continuous"),
        ({"y": np.array([1, "a"] * 30, dtype=object)}, "order|string|type"),
        ({"y": np.full((60, 2), 3)}, "1d array of labels"),
        ({"y": ["a", "b"]}, "inconsistent numbers"),
        ({"estimator": LinearRegression(), "y": [1.0, np.inf] * 30}, "infinite"),
        ({"cv": 1}, "cv must be from 2"),
        ({"cv": 61}, "cv must be from 2"),
        ({"cv": 40}, "n_splits=40"),
        ({"cv": ShuffleSplit(2, random_state=0)}, "each row once"),
        ({"cv": [(np.arange(60), np.arange(60))]}, "trains on rows"),
        ({"cv": GroupKFold(2)}, "GroupKFold needs groups: pass groups="),
        ({"y": None}, "requires y to be passed"),
        ({"X": None}, "X is missing"),
        ({"estimator": None}, "pass one of: estimator with X"),
        ({"pred_probs": np.ones((60, 3)) / 3}, "pass one of: estimator with X"),
    ],
)
def test_refuses(change, words):
    X, y = three_classes(60)
    arguments = {"estimator": LogisticRegression(), "X": X, "y": y, **change}
    with pytest.raises(ValueError, match=words):
        audit_labels(**arguments)


def test_a_frame_of_all_rows_with_their_index():
    bunch = load_wine(as_frame=True)
    X = bunch.data.set_axis([f"bottle {i}" for i in range(178)])
    y = bunch.target.map({0: "<a>", 1: "b", 2: "c"}).to_numpy()
    model = make_pipeline(StandardScaler(), LogisticRegression())
    audit = audit_labels(model, X, y, random_state=0)
    frame = audit.to_frame()
    assert list(frame) == ["given", "suggestion", "score", "rank", "probability", "fold"]
    assert frame.index.equals(X.index)
    np.testing.assert_array_equal(frame.sort_values("rank").index, X.index[audit.order])
    assert frame["given"].tolist() == y.tolist()
    assert "&lt;a&gt;" in audit._repr_html_() and "<a>" not in audit._repr_html_()
    assert X.index[audit.order[0]] in audit._repr_html_()
    targets = audit_labels(
        LinearRegression(), X.to_numpy(), bunch.target, random_state=0
    ).to_frame()
    assert list(targets)[4] == "residual" and targets.index.equals(bunch.target.index)
    assert audit_labels(model, X.to_numpy(), y, random_state=0).index is None


def test_the_rate_from_the_predictions_of_an_audit():
    X, truth = load_digits(return_X_y=True)
    y, _ = corrupt_labels(truth, 0.2, random_state=0)
    audit = audit_labels(LogisticRegression(max_iter=200), X / 16, y, random_state=0)
    found = audit.estimate_rate()
    assert abs(found.rate - 0.2) < 0.05 and found.low < found.rate < found.high


def test_predictions_at_hand_are_judged_as_those_of_a_model():
    X, truth = three_classes()
    y, wrong = corrupt_labels(truth, 0.15, random_state=0)
    made = audit_labels(LogisticRegression(), X, y, random_state=0)
    at_hand = audit_labels(y=y, pred_probs=made.predictions)
    assert made.to_frame().drop(columns="fold").equals(at_hand.to_frame())
    assert wrong[at_hand.order[: wrong.sum()]].mean() > 0.95
    rate = estimate_corruption_rate(y=y, pred_probs=made.predictions)
    assert rate == made.estimate_rate() == at_hand.estimate_rate()
    assert abs(rate.rate - 0.15) < 0.05
    targets = np.arange(60.0)
    residuals = audit_labels(y=targets, predictions=targets - (targets == 7))
    assert residuals.order[0] == 7 and residuals.given[7] == 1 and residuals.classes is None
    two = np.array([0.2, 0.9] * 30)
    np.testing.assert_allclose(
        audit_labels(y=[0, 1] * 30, pred_probs=two).predictions, np.column_stack([1 - two, two])
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"pred_probs": np.ones((60, 2)) / 2}, r"pred_probs must be of shape \(60, 3\)"),
        ({"pred_probs": np.ones((59, 3)) / 3}, "inconsistent numbers"),
        ({"pred_probs": np.full((60, 3), np.nan)}, "pred_probs predicts nan or infinity for 60"),
        ({"pred_probs": np.full((60, 3), 20.0)}, "from 0 to 1, got 20 to 20"),
        ({"predictions": np.ones(59)}, "inconsistent numbers"),
        ({"predictions": np.ones((60, 2))}, r"predictions must be of shape \(60,\)"),
    ],
)
def test_refuses_predictions_that_do_not_fit(arguments, words):
    y = np.arange(60) % 3
    with pytest.raises(ValueError, match=words):
        audit_labels(y=y, **arguments)
    with pytest.raises(ValueError, match=words):
        estimate_corruption_rate(y=y, **arguments)


@pytest.mark.parametrize("kind", ["labels", "targets"])
def test_groups_stay_together(kind):
    """Of pairs of rows that are alike, one would vouch for the other."""
    X = np.repeat(np.random.RandomState(0).normal(size=(60, 3)), 2, axis=0)
    pairs = np.repeat(np.arange(60), 2)
    y = pairs % 2 if kind == "labels" else pairs.astype(float)
    model = RandomForestClassifier(5) if kind == "labels" else RandomForestRegressor(5)
    for cv in (3, GroupKFold(3)):
        folds = audit_labels(model, X, y, cv=cv, groups=pairs).folds
        np.testing.assert_array_equal(folds[::2], folds[1::2])
    apart = audit_labels(model, X, y, cv=3, random_state=0).folds
    assert (apart[::2] != apart[1::2]).any()
    rates = [estimate_corruption_rate(model, X, y, groups=g).rate for g in (None, pairs)]
    assert kind == "targets" or rates[0] != rates[1]


@pytest.mark.parametrize(
    "model", [RandomForestClassifier(50, random_state=0), OneVsRestClassifier(LogisticRegression())]
)
def test_several_labels(model):
    """scikit-learn gives their probabilities as a list of arrays or as one array."""
    rng = np.random.RandomState(0)
    X = rng.normal(size=(400, 4))
    truth = (X[:, :3] > 0).astype(int)
    wrong = rng.uniform(size=truth.shape) < [0.1, 0.0, 0.05]
    audit = audit_labels(model, X, np.where(wrong, 1 - truth, truth), random_state=0)
    first = audit.order[:30]
    assert wrong[first, audit.worst[first]].mean() > 0.9
    assert (audit.suggestions[first] == truth[first]).mean() > 0.9
    assert audit.predictions.shape == (400, 3) and audit.given.max() <= 1
    frame = audit.to_frame().loc[first]
    assert (frame["output"] == audit.worst[first]).all()
    assert (frame["suggestion"] == truth[first, audit.worst[first]]).mean() > 0.9
    assert abs(audit.estimate_rate().rate - 0.05) < 0.05
    at_hand = audit_labels(y=audit.y, pred_probs=audit.predictions)
    np.testing.assert_array_equal(at_hand.order, audit.order)


def test_several_targets_of_different_units():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(400, 3))
    y = pd.DataFrame(X @ rng.normal(size=(3, 2)) * [1, 1e6], columns=["mm", "km"])
    y += rng.normal(size=y.shape) * [0.1, 1e5]
    y.iloc[5, 0] += 3
    y.iloc[9, 1] += 3e6
    audit = audit_labels(LinearRegression(), X, y, random_state=0)
    assert set(audit.order[:2]) == {5, 9}
    frame = audit.to_frame()
    assert frame.loc[[5, 9], "output"].tolist() == ["mm", "km"]
    assert frame.loc[9, "residual"] == pytest.approx(3e6, rel=0.2)
    assert audit.predictions.shape == (400, 2)
    assert audit.estimate_rate().rate < 0.05


def test_columns_with_names_are_taken_by_their_names():
    X, y = three_classes()
    made = audit_labels(LogisticRegression(), X, y, random_state=0)
    named = pd.DataFrame(made.predictions, columns=made.classes)[["oak", "ash", "elm"]]
    np.testing.assert_array_equal(audit_labels(y=y, pred_probs=named).scores, made.scores)


def test_labels_that_are_never_there_say_nothing_of_the_rate():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(300, 4))
    y = pd.DataFrame(np.c_[X[:, :2] > 0, np.zeros((300, 1))]).astype("Int64")
    forest = RandomForestClassifier(30, random_state=0)
    found = estimate_corruption_rate(forest, X, y, random_state=0)
    assert found.rate < 0.05 and found.doubt is None
