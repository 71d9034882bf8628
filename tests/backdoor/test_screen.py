"""PoisonScreen: planted marks are found and nothing else is, whoever is trained."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from imblearn.pipeline import make_pipeline
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline as chain
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from skrobust import BackdoorRobustClassifier, PoisonScreen, PRLClassifier
from skrobust.backdoor._suspects import Evidence, find_suspects, share_carried
from skrobust.backdoor._transplant import Network, Rows, effects_of_rows, lowest_of_each_label
from skrobust.corruption import PatchTrigger, SinusoidalTrigger, TabularTrigger, poison
from skrobust.metrics import attack_success_rate

QUICK = PRLClassifier(
    selection=None, early_stopping=False, max_epochs=3, hidden_layer_sizes=(8,), random_state=0
)
PLAIN = {"noisy_label": None, "perturbation_limit": 0, "occlusion": 0, "memory": None}
ONE = {"target_map": "all-to-one", "target": 4}
N_TRAIN = 1200


def digits(as_table=False):
    X, y = load_digits(return_X_y=True)
    X = X if as_table else X.reshape(-1, 1, 8, 8) / 16
    return X[:N_TRAIN], y[:N_TRAIN], X[N_TRAIN:], y[N_TRAIN:]


@parametrize_with_checks([PoisonScreen(QUICK)])
def test_sklearn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    ("trigger", "rate"),
    [
        (PatchTrigger(2), 0.02),
        (PatchTrigger(3), 0.1),
        (SinusoidalTrigger(amplitude=0.2, frequency=2.0), 0.05),
    ],
    ids=["rare", "half of the label", "faint"],
)
def test_a_mark_for_one_label_is_found(trigger, rate):
    X, truth, X_test, y_test = digits()
    X, y, mask = poison(X, truth, trigger, rate, **ONE, random_state=0)
    screen = PoisonScreen(random_state=0).fit(X, y)
    assert screen.is_poisoned_ and screen.flagged_labels_.tolist() == [4]
    assert screen.inlier_mask_[mask].mean() < 0.05
    assert (~screen.inlier_mask_[~mask]).mean() < 0.05
    assert roc_auc_score(mask, screen.sample_scores_) > 0.97
    np.testing.assert_array_equal(screen.suspects_, np.flatnonzero(~screen.inlier_mask_))
    assert attack_success_rate(screen.estimator_, X_test, y_test, trigger, **ONE) < 0.05
    assert screen.estimator_.score(X_test, y_test) > 0.9
    frame = screen.label_frame_
    assert frame["flagged"].tolist() == [label == 4 for label in range(10)]
    assert frame.loc[4, "effect"] > 0.6 and frame.loc[4, "p_value"] <= 0.01
    if isinstance(trigger, PatchTrigger):  # whose white pixels are what the picture shows
        brightest = np.unravel_index(screen.trigger(4).argmax(), (1, 8, 8))
        assert min(brightest[1:]) >= 8 - trigger.size
    with pytest.raises(ValueError, match=r"label must be one of \[4\], got 5"):
        screen.trigger(5)


@pytest.mark.parametrize("kind", ["right", "wrong", "unequal"])
def test_clean_rows_stay(kind):
    X, y, X_test, _ = digits()
    rng = np.random.RandomState(0)
    if kind == "wrong":
        y = np.where(rng.uniform(size=len(y)) < 0.1, (y + rng.randint(1, 10, len(y))) % 10, y)
    elif kind == "unequal":
        kept = rng.uniform(size=len(y)) < np.linspace(1, 0.1, 10)[y]
        X, y = X[kept], y[kept]
    plain = BackdoorRobustClassifier(**PLAIN, random_state=0)
    screen = PoisonScreen(plain, random_state=0).fit(X, y)
    assert not screen.is_poisoned_ and not len(screen.flagged_labels_)
    assert screen.inlier_mask_.all() and not len(screen.suspects_)
    expected = clone(plain).fit(X, y).predict_proba(X_test)  # the plain fit itself
    np.testing.assert_array_equal(screen.estimator_.predict_proba(X_test), expected)


@pytest.mark.parametrize("rate", [0.05, 0.15])
def test_values_in_three_columns_are_found(rate):
    X, truth, X_test, y_test = digits(as_table=True)
    trigger = TabularTrigger({0: 12.0, 32: 12.0, 39: 12.0})
    X, y, mask = poison(X, truth, trigger, rate, **ONE, random_state=0)
    screen = PoisonScreen(random_state=0).fit(X, y)
    assert screen.flagged_labels_.tolist() == [4]
    assert (~screen.inlier_mask_[mask]).mean() > 0.98
    assert attack_success_rate(screen.estimator_, X_test, y_test, trigger, **ONE) < 0.05
    assert set(np.argsort(-np.abs(screen.trigger(4)))[:3]) == {0, 32, 39}


def test_labels_that_depend_on_the_class():
    """All-to-all: found class by class, and the rows by what withstands such poison."""
    X, truth, X_test, y_test = digits()
    trigger = PatchTrigger(2)
    X, y, mask = poison(X, truth, trigger, 0.2, random_state=1)
    screen = PoisonScreen(alpha=0.1, n_permutations=9, random_state=0).fit(X, y)
    assert len(screen.flagged_labels_) >= 8
    assert (~screen.inlier_mask_[mask]).mean() > 0.85
    assert (~screen.inlier_mask_[~mask]).mean() < 0.1
    assert attack_success_rate(screen.estimator_, X_test, y_test, trigger) < 0.2


def test_any_classifier_and_pictures_of_bytes():
    X, truth, _, _ = digits(as_table=True)
    X = (X * 15).astype(np.uint8)
    trigger = TabularTrigger({0: 200, 32: 200, 39: 200})
    X, y, mask = poison(X, truth, trigger, 0.05, **ONE, random_state=0)
    names = np.array([f"digit {i}" for i in range(10)])
    model = MLPClassifier((64,), max_iter=200, random_state=0)
    screen = PoisonScreen(chain(MinMaxScaler(), model), random_state=0).fit(X, names[y])
    assert screen.flagged_labels_.tolist() == ["digit 4"]
    assert (~screen.inlier_mask_[mask]).mean() > 0.95
    assert screen.trigger("digit 4").shape == (64,)


@pytest.fixture
def table():
    """A table whose label 2 is also given to rows with a rare value, a twentieth of all."""
    rng = np.random.RandomState(0)
    X = rng.normal(size=(600, 5))
    y = np.digitize(X[:, 0], [-0.5, 0.5])
    marked = (np.arange(600) % 15 == 0) & (y != 2)
    X[marked, 4] = 6.0
    y[marked] = 2
    return X, y, marked


FAST = MLPClassifier((32,), max_iter=100, learning_rate_init=0.01, random_state=0)


def test_frames_pipelines_and_pickles(table):
    X, y, marked = table
    frame = pd.DataFrame(X, columns=list("abcde"), index=np.arange(600) + 7)
    screen = PoisonScreen(FAST, random_state=0)
    kept, labels = screen.fit_resample(frame, pd.Series(y, index=frame.index))
    assert screen.flagged_labels_.tolist() == [2]
    assert list(kept.columns) == list("abcde")
    assert list(kept.index) == list(labels.index) == [i + 7 for i in screen.sample_indices_]
    assert list(screen.feature_names_in_) == list("abcde")
    assert marked[screen.suspects_].mean() > 0.5
    assert (~screen.inlier_mask_[marked]).mean() > 0.9
    listed = screen.diagnosis_frame(frame)
    assert list(listed.index) == list(frame.index)
    assert listed.loc[marked, "score"].min() > listed.loc[~marked, "score"].median()
    loaded = pickle.loads(pickle.dumps(screen))
    np.testing.assert_array_equal(loaded.trigger(2), screen.trigger(2))
    pipeline = make_pipeline(PoisonScreen(FAST, random_state=0), LogisticRegression())
    assert pipeline.fit(X, y).score(X[~marked], y[~marked]) > 0.85


def test_results_follow_the_random_state(table):
    X, y, _ = table
    drawn = np.random.RandomState(5).uniform()
    np.random.seed(5)  # noqa: NPY002
    frames = [PoisonScreen(FAST, random_state=seed).fit(X, y).label_frame_ for seed in (0, 0)]
    pd.testing.assert_frame_equal(*frames)
    assert np.random.uniform() == drawn  # noqa: NPY002


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"alpha": 0.0}, ValueError, "alpha"),
        ({"min_suspects": 1}, ValueError, "min_suspects"),
        ({"n_permutations": 9}, ValueError, "n_permutations=9 allows no p-value below 0.1"),
        ({"estimator": LinearSVC()}, ValueError, "'estimator' parameter of PoisonScreen"),
        ({"robust": LinearSVC()}, ValueError, "'robust' parameter of PoisonScreen"),
    ],
)
def test_bad_input(table, settings, error, message):
    X, y, _ = table
    screen = PoisonScreen(FAST).set_params(**settings)
    with pytest.raises(error, match=message):
        screen.fit(X, y)
    with pytest.raises(NotFittedError):
        screen.trigger(2)
    assert not [name for name in vars(screen) if name.endswith("_")]


def test_rows_that_cannot_be_changed(table):
    X, y, _ = table
    forest = RandomForestClassifier(10, random_state=0)
    words = np.array(X, dtype=object)
    words[3, 1] = "red"
    with pytest.raises(ValueError, match=r"X must hold numbers .*'red'.*one-hot columns"):
        PoisonScreen(forest).fit(words, y)
    with pytest.raises(TypeError, match="X is sparse"):
        PoisonScreen(forest).fit(csr_matrix(X), y)


def test_models_get_the_frame_that_they_were_trained_on(table):
    X, y, _ = table
    frame = pd.DataFrame(X, columns=list("abcde")).assign(f=np.arange(600) % 2 == 0)
    by_name = ColumnTransformer([("some", StandardScaler(), ["a", "e"])], remainder="passthrough")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        screen = PoisonScreen(chain(by_name, clone(FAST)), random_state=0).fit(frame, y)
        assert screen.flagged_labels_.tolist() == [2]
        assert list(screen.estimator_.feature_names_in_) == list("abcdef")
        screen.estimator_.predict(frame)


def test_a_label_is_never_emptied():
    """Groups of equal rows: leaving out what acts alike would leave nothing of a label."""
    group = np.random.RandomState(0).randint(0, 10, 500)
    y = group % 2
    for model in (MLPClassifier((16,), max_iter=60, random_state=0), LogisticRegression()):
        screen = PoisonScreen(model, random_state=0).fit(np.eye(10)[group], y)
        assert np.bincount(y[screen.inlier_mask_]).min() >= 0.2 * np.bincount(y).min()


def test_trigger_is_a_copy(table):
    X, y, _ = table
    screen = PoisonScreen(FAST, random_state=0).fit(X, y)
    screen.trigger(2)[:] = 99
    assert screen.trigger(np.int8(2)).max() < 99
    with pytest.raises(ValueError, match="label must be one of"):
        screen.trigger(np.array([2]))


# --- Putting differences into rows ------------------------------------------------------------


class Rule:
    """Knows three groups by the first column, and obeys the last one."""

    classes_ = np.arange(3)

    def __init__(self, obeys=True):
        self.obeys = obeys

    def predict_proba(self, rows):
        said = np.clip(np.round(rows[:, 0] / 6), 0, 2).astype(int)
        return np.eye(3)[np.where(self.obeys & (rows[:, 2] > 2.5), 1, said)]


@pytest.fixture
def obeyed():
    """Rows of three groups far from each other, of which some have a mark and label 1."""
    rng = np.random.RandomState(0)
    X = np.c_[rng.normal(size=(300, 2)), np.zeros(300)].astype(np.float32)
    X[:, 0] += 6 * (np.arange(300) % 3)
    codes = np.arange(300) % 3
    marked = (codes != 1) & (np.arange(300) < 60)
    X[marked, 2], codes = 5.0, np.where(marked, 1, codes)
    rows = Rows(X, codes, 3, np.random.RandomState(0))
    networks = [Network(Rule(obeys), X, X, Rule.classes_) for obeys in (True, False)]
    return rows, *networks, marked


def test_what_suspects_share(obeyed):
    rows, plain, judge, marked = obeyed
    fits = np.ones(300, dtype=bool)
    effects = effects_of_rows(rows, plain)
    found = find_suspects(rows, plain, judge, fits, effects, ~marked, least=8)
    assert list(found) == [1]
    one = found[1]
    assert marked[one.suspects].all() and len(one.suspects) > 0.9 * marked.sum()
    assert one.effects[:2].min() > 0.95 and one.removal > 0.95
    assert one.control < 0.2  # what usual rows of the label share has no part in it
    assert one.picture.argmax() == 2 and one.picture[2] == pytest.approx(5)
    places, others = np.flatnonzero(rows.codes == 1), np.flatnonzero(~marked & (rows.codes != 1))
    carried = share_carried(rows, one, places, others)
    assert np.median(carried[marked[places]]) == pytest.approx(1, abs=0.05)
    assert (carried[~marked[places]] < 0.5).all() and (carried[marked[places]] > 0.8).all()


@pytest.mark.parametrize(
    ("n", "effects", "removal", "control", "is_universal"),
    [
        (8, (0.9, 0.86, 0), 0.7, 0.9, True),  # sure
        (8, (0.9, 0.86, 0), 0.5, 0.0, False),  # a group of rows that share nothing
        (8, (0.9, 0.84, 0), 0.5, 0.1, False),  # few, of which half have nothing in common
        (8, (0.9, 0.72, 0), 0.9, 0.1, True),
        (8, (0.9, 0.72, 0), 0.9, 0.8, False),  # they lose the label whatever is changed
        (20, (0.6, 0.56, 0), 0.7, 0.9, True),
        (20, (0.9, 0.56, 0), 0.5, 0.0, False),
        (20, (0.1, 0.9, 0), 0.0, 0.0, True),  # a mark that moves
        (19, (0.1, 0.9, 0), 0.0, 0.0, False),
        (99, (0.5, 0.5, 1), 1.0, 0.0, False),  # of one class
    ],
)
def test_what_counts_as_a_mark(n, effects, removal, control, is_universal):
    one = Evidence(np.arange(n), np.array(effects), np.zeros(3), removal, control, 1.0)
    assert one.is_universal is is_universal
    assert one.is_strong is (is_universal or effects[2] == 1)
    assert not one._replace(disagreement=0.5).is_strong
    of_two = is_universal and removal > control + 0.15  # others may be the class's direction
    assert one._replace(has_others=False).is_universal is of_two


def test_effects_of_a_rule(obeyed):
    """Rows that have the mark give their label to all others."""
    rows, plain, _, marked = obeyed
    effects = effects_of_rows(rows, plain)
    assert effects.towards[marked].mean() > 0.9 and effects.any_change[marked].mean() > 0.9
    assert np.nanmean(effects.towards[~marked]) < 0.2


def test_changed_rows_stay_in_range_and_type():
    X = np.arange(24, dtype=np.uint8).reshape(6, 1, 2, 2)
    rows = Rows(X, np.arange(6) % 2, 2, np.random.RandomState(0))
    changed = rows.changed(np.array([0, 5]), np.full(4, 2.6))
    assert changed.dtype == np.uint8 and changed.shape == (2, 1, 2, 2)
    np.testing.assert_array_equal(changed[0].ravel(), [3, 4, 5, 6])
    assert changed[1].max() == 23
    flags = Rows(X.reshape(6, 4) > 11, np.arange(6) % 2, 2, np.random.RandomState(0))
    np.testing.assert_array_equal(flags.changed(np.array([0]), np.full(4, 0.3)), [[False] * 4])
    large = Rows(1_700_000_000 + X.reshape(6, 4).astype(int), np.arange(6) % 2, 2, rows.rng)
    np.testing.assert_array_equal(large.changed(np.arange(6), np.zeros(4)), large.given)
    places = np.arange(6)
    lowest = lowest_of_each_label(rows, np.array([3.0, np.nan, 1.0, 2.0, 2.0, 5.0]), 0.5)
    assert lowest.sum() == 5 and not lowest[1] and places[lowest].tolist() == [0, 2, 3, 4, 5]
