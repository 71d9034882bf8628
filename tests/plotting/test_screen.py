"""PoisonScreenDisplay: what is drawn of marks and suspects, and what is refused."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from sklearn.base import BaseEstimator
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.neural_network import MLPClassifier

from skrobust import PoisonScreen, PRLClassifier
from skrobust.corruption import TabularTrigger, poison
from skrobust.plotting import PoisonScreenDisplay


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


class Screen(BaseEstimator):
    """What a display asks of a fitted screen: label 1 is flagged, or nothing."""

    def __init__(self, X, suspects, flagged=(1,)):
        self.flagged_labels_ = np.array(flagged, dtype=int)
        self.inlier_mask_ = np.ones(len(X), dtype=bool)
        self.inlier_mask_[list(suspects)] = False
        self.sample_scores_ = np.linspace(0, 1, len(X))
        self.shape = X.shape[1:]

    def fit(self, X, y):
        raise NotImplementedError

    def trigger(self, label):
        mark = np.zeros(self.shape)
        mark[..., -1] = -0.5 if label == 1 else 0.5
        return mark


def drawn(X, y, screen=None, **settings):
    display = PoisonScreenDisplay.from_estimator(screen or Screen(X, [1, 3, 5]), X, y, **settings)
    display.figure_.canvas.draw()
    return display


Y = np.arange(20) % 2


def pictures(*shape):
    return np.random.RandomState(0).uniform(size=(20, *shape))


@pytest.mark.parametrize("shape", [(6, 6), (1, 6, 6), (3, 6, 6)])
def test_pictures_with_and_without_the_mark(shape):
    X = pictures(*shape)
    display = drawn(X, Y, n_shown=2)
    assert display.titles == ["label 1: 3 of 10 rows are suspect"]
    (axes,) = display.axes_
    large, *others = axes
    assert [ax.get_title() for ax in others[:2]] == ["row 5", "row 3"]  # by score
    low, high = X.min(), X.max()
    whole = X.reshape(20, -1, 6, 6)
    for ax, row in zip(others[:2], (5, 3), strict=True):
        shown = np.moveaxis(whole[row], 0, -1).squeeze()
        np.testing.assert_allclose(ax.images[0].get_array(), (shown - low) / (high - low))
    without = (whole[5] - display.marks[0]).clip(low, high)
    shown = (np.moveaxis(without, 0, -1).squeeze() - low) / (high - low)
    np.testing.assert_allclose(others[2].images[0].get_array(), shown)
    image = large.images[0]
    if len(shape) < 3 or shape[0] == 1:
        assert image.get_clim() == (-0.5, 0.5)
        assert image.get_array().min() == -0.5
    else:
        assert image.get_array().min() == 0 and image.get_array()[0, 0].tolist() == [0.5] * 3


def test_columns_of_a_table():
    X = np.random.RandomState(0).normal(size=(20, 4)) * [1, 10, 0, 0.01]
    screen = Screen(X, [1, 3])
    screen.trigger = lambda label: np.array([-2.0, 1.0, 0.0, 0.05])
    screen.feature_names_in_ = np.array(["a", "b$", "<c>", "d"])
    (axes,) = drawn(X, Y, screen, n_columns=3).axes_
    names = [tick.get_text() for tick in axes[0].get_yticklabels()]
    assert names == ["d", "a", r"b\$"]
    widths = [bar.get_width() for bar in axes[0].patches]
    np.testing.assert_allclose(widths, np.array([0.05, -2.0, 1.0]) / X.std(axis=0)[[3, 0, 1]])
    texts = {text.get_text() for text in axes[0].texts}
    assert texts == {"+0.05", "-2", "+1"}
    (axes,) = drawn(X, Y, screen, feature_names=list("wxyz")).axes_
    assert [tick.get_text() for tick in axes[0].get_yticklabels()] == list("zwxy")


def test_several_labels_and_those_without_suspects():
    X = pictures(6, 6)
    screen = Screen(X, [1, 3, 5], flagged=(0, 1))
    display = drawn(X, Y, screen)
    assert display.titles == [f"label {i}: {n} of 10 rows are suspect" for i, n in ((0, 0), (1, 3))]
    assert [len(axes) for axes in display.axes_] == [1, 7]
    assert len(drawn(X, Y, screen, labels=[1]).axes_) == 1
    named = drawn(X, Y, labels=[1], titles=["$x$"], row_names=[f"no. {i}" for i in range(20)])
    assert named.axes_[0][1].get_title() == "no. 5"


def test_nothing_is_flagged():
    X = pictures(6, 6)
    display = drawn(X, Y, Screen(X, [], flagged=()))
    (text,) = display.ax_.texts
    assert text.get_text().startswith("No label is flagged")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_of_a_fit():
    X, y = load_digits(return_X_y=True)
    trigger = TabularTrigger({0: 0.75, 32: 0.75, 39: 0.75})
    how = {"target_map": "all-to-one", "target": 4, "random_state": 0}
    X, y, _ = poison(X[:800] / 16, y[:800], trigger, 0.05, **how)
    frame = pd.DataFrame(X, columns=[f"pixel {i}" for i in range(64)])
    model = MLPClassifier((64,), max_iter=100, random_state=0)
    screen = PoisonScreen(model, random_state=0).fit(frame, y)
    (axes,) = drawn(frame, pd.Series(y), screen).axes_
    names = [tick.get_text() for tick in axes[0].get_yticklabels()]
    assert set(names[:3]) == {"pixel 0", "pixel 32", "pixel 39"}
    ax = plt.figure().subplots()
    assert PoisonScreenDisplay.from_estimator(screen, X, y, ax=ax).ax_ is ax


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": pictures(6, 6)[:3]}, "X has 3 entries, but fit had 20 rows"),
        ({"y": Y[:3]}, "y has 3 entries"),
        ({"row_names": ["a"]}, "row_names has 1 entries"),
        ({"titles": ["a", "b"]}, "titles has 2 entries for 1 labels"),
        ({"X": pictures(2, 6, 6)}, r"1 or 3, height, width\), got \(20, 2, 6, 6\)"),
        ({"n_shown": 0}, "n_shown must be"),
        ({"n_columns": 0}, "n_columns must be"),
        ({"X": pictures(6), "feature_names": ["a"]}, "feature_names has 1 entries for 6"),
    ],
)
def test_bad_input(change, message):
    given = {"X": pictures(6, 6), "y": Y, **change}
    X, y = given.pop("X"), given.pop("y")
    screen = Screen(np.broadcast_to(X[:1], (20, *X.shape[1:])), [1])
    with pytest.raises(ValueError, match=message):
        PoisonScreenDisplay.from_estimator(screen, X, y, **given)


def test_what_a_screen_must_have():
    with pytest.raises(NotFittedError):
        PoisonScreenDisplay.from_estimator(PoisonScreen(), np.eye(4), [0, 1, 0, 1])
    fitted = PRLClassifier(corruption_rate=0.0, max_epochs=1, random_state=0).fit(
        np.eye(4), [0, 1, 0, 1]
    )
    with pytest.raises(TypeError, match="no flagged_labels_"):
        PoisonScreenDisplay.from_estimator(fitted, np.eye(4), [0, 1, 0, 1])
    place = SimpleNamespace(set_axis_off=lambda: None, get_subplotspec=lambda: None, figure=None)
    X = pictures(6, 6)
    with pytest.raises(ValueError, match="ax must come from subplots"):
        PoisonScreenDisplay.from_estimator(Screen(X, [1]), X, Y, ax=place)
