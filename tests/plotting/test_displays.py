"""Every display, drawn; what it refuses."""

import itertools
import subprocess
import sys
import warnings

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from pyod.models.iforest import IForest
from sklearn.datasets import load_digits
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

from skrobust import (
    BackdoorRobustClassifier,
    OutlierDetectorAdapter,
    PRLClassifier,
    RCADetector,
    RobustRealNVPDetector,
)
from skrobust.corruption import PatchTrigger
from skrobust.datasets import make_contaminated_moons
from skrobust.plotting import (
    DensityDisplay,
    DistrustedRowsDisplay,
    KeptShareDisplay,
    LabelFlipDisplay,
    LossSurfaceDisplay,
    RateSensitivityDisplay,
    ScoreDistributionDisplay,
    TrainingCurveDisplay,
    TriggerDisplay,
)
from skrobust.training import KeptShare

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture
def rows():
    X = np.random.RandomState(0).normal(size=(200, 3))
    bad = np.arange(200) < 20
    X[bad] *= 9
    return X, bad


def drawn(display, ax=None):
    display.figure_.canvas.draw()
    assert ax is None or (display.ax_ is ax and display.figure_ is ax.figure)
    return display


@pytest.fixture
def ax():
    return plt.subplots()[1]


def heights(display):
    return sum(patch.get_height() for patch in display.ax_.patches)


def test_scores_of_a_detector(rows, ax):
    X, bad = rows
    detector = RCADetector(0.1, max_epochs=10, random_state=0).fit(X)
    display = drawn(ScoreDistributionDisplay.from_estimator(detector, y_true=bad, ax=ax), ax)
    assert heights(display) == 200
    assert display.threshold == detector.threshold_
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert set(legend) == {"good", "bad", "threshold"}
    new = drawn(ScoreDistributionDisplay.from_estimator(detector, X[:50], log_scale=True))
    assert heights(new) == 50 and new.ax_.get_xscale() == "log"
    foreign = IForest().fit(X)
    assert heights(drawn(ScoreDistributionDisplay.from_estimator(foreign))) == 200


def test_scores_of_a_learner(rows):
    X, bad = rows
    model = PRLClassifier(corruption_rate=0.1, max_epochs=3, random_state=0).fit(X, bad)
    display = drawn(ScoreDistributionDisplay.from_estimator(model))
    assert display.threshold == model.sample_scores_[model.inlier_mask_].max()
    scores = np.r_[model.sample_scores_, np.nan]
    assert heights(drawn(ScoreDistributionDisplay.from_predictions(None, scores))) == 200


def test_kept_share(rows, ax):
    X, bad = rows
    detectors = [
        RCADetector(select=select, max_epochs=6, callbacks=[KeptShare(bad)], random_state=0).fit(X)
        for select in (True, False)
    ]
    names = ["RCA", "plain"]
    display = KeptShareDisplay.from_estimator(detectors, names=names, rate=0.1, ax=ax)
    drawn(display, ax)
    lines = {line.get_label(): line for line in ax.lines}
    assert set(lines) == {"RCA", "plain", "all rows"}
    np.testing.assert_allclose(lines["plain"].get_ydata(), 0.1)
    np.testing.assert_array_equal(lines["RCA"].get_ydata(), detectors[0].history_[:, "kept_share"])
    drawn(KeptShareDisplay.from_estimator(detectors[0]))


def test_density(ax):
    X, y = make_contaminated_moons(300, random_state=0)
    flow = RobustRealNVPDetector(max_epochs=2, random_state=0).fit(X)
    display = drawn(DensityDisplay.from_estimator(flow, X, y, grid_resolution=30, ax=ax), ax)
    i, j = 7, 21
    point = [[display.grid_x[j], display.grid_y[i]]]
    assert display.density[i, j] == pytest.approx(np.exp(flow.score_samples(point))[0], rel=1e-5)
    assert display.grid_x[0] < X[:, 0].min() and display.grid_x[-1] > X[:, 0].max()
    drawn(DensityDisplay.from_predictions(np.arange(4), np.arange(3), np.eye(3, 4)))


def test_loss_surfaces(ax):
    rng = np.random.RandomState(0)
    x = rng.normal(size=200)
    wrong = np.arange(200) < 40
    y = np.where(wrong, -8.0, 2 * x + 1 + 0.1 * rng.normal(size=200))
    display = drawn(LossSurfaceDisplay.from_predictions(x, y, wrong, grid_resolution=41, ax=ax), ax)

    def best(name):
        i, j = np.unravel_index(display.surfaces[name].argmin(), (41, 41))
        return display.slopes[j], display.intercepts[i]

    assert best("good rows") == pytest.approx((2, 1), abs=0.15)
    for kept in ("kept by loss", "kept by gradient"):
        assert best(kept) == pytest.approx((2, 1), abs=0.25)
    assert abs(best("all rows")[1] - 1) > 1
    assert len(display.axes_) == 4
    scales = {part.collections[0].get_clim() for part in display.axes_}
    assert len(scales) == 1  # colours of the panels can be compared


def test_training_curves(ax):
    curves = {"PRL": [[0.5, 0.7, 0.8], [0.3, 0.7]], "Standard": [[0.2, 0.4, 0.6]]}
    drawn(TrainingCurveDisplay.from_predictions(curves, ylabel="accuracy", ax=ax), ax)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [0.4, 0.7, 0.8])
    assert len(ax.collections) == 1  # a band where there are several seeds
    X = np.random.RandomState(0).normal(size=(100, 3))
    detectors = [RCADetector(max_epochs=4, random_state=seed).fit(X) for seed in range(2)]
    display = drawn(TrainingCurveDisplay.from_estimator({"RCA": detectors}))
    expected = np.mean([detector.history_[:, "train_loss"] for detector in detectors], axis=0)
    np.testing.assert_allclose(display.ax_.lines[0].get_ydata(), expected)
    drawn(TrainingCurveDisplay.from_estimator(detectors[0]))


def test_rates(ax):
    frame = pd.DataFrame(
        {
            "rate": [0.2, 0.1, 0.2, 0.1, 0.1],
            "method": ["a", "a", "a", "a", "b"],
            "seed": [0, 0, 1, 1, 0],
            "auc": [0.8, 0.9, 0.6, 0.7, 0.5],
        }
    )
    drawn(RateSensitivityDisplay.from_predictions(frame, value="auc", true_rate=0.1, ax=ax), ax)
    lines = {line.get_label(): line for line in ax.lines}
    np.testing.assert_allclose(lines["a"].get_xdata(), [0.1, 0.2])
    np.testing.assert_allclose(lines["a"].get_ydata(), [0.8, 0.7])
    assert lines["a"].get_linestyle() != lines["b"].get_linestyle()
    one = {"rate": [0.1, 0.2], "score": [1, 2]}
    assert drawn(RateSensitivityDisplay.from_predictions(one)).ax_.get_legend() is None
    told = drawn(RateSensitivityDisplay.from_predictions(one, true_rate=0.1))
    assert told.ax_.get_legend().get_texts()[0].get_text() == "true rate"


@pytest.mark.parametrize("n_channels", [1, 3])
def test_triggers(n_channels, ax):
    images = np.repeat(load_digits().images[:4, None] / 16, n_channels, axis=1)
    triggered = PatchTrigger(size=2)(images)
    titles = list("abcd")
    display = drawn(TriggerDisplay.from_predictions(images, triggered, titles=titles, ax=ax), ax)
    shown = display.axes_[1, 2].images[0].get_array()
    expected = triggered[2, 0] if n_channels == 1 else np.moveaxis(triggered[2], 0, -1)
    np.testing.assert_allclose(shown, expected)
    assert display.axes_[0, 3].get_title() == "d"


def test_what_training_makes_of_pictures(ax):
    images, y = load_digits().images[:, None].repeat(3, axis=1), load_digits().target
    model = BackdoorRobustClassifier(
        noisy_label="prl", max_epochs=1, hidden_layer_sizes=(8,), occlusion=0.0, random_state=0
    ).fit(images, y)
    display = drawn(TriggerDisplay.from_estimator(model, images[:3], y[:3], ax=ax), ax)
    np.testing.assert_allclose(display.clean, images[:3] / 16)
    np.testing.assert_allclose(display.triggered, model.perturb(images[:3], y[:3]) / 16)
    assert [part.get_title() for part in display.axes_[0]] == ["0", "1", "2"]
    assert display.axes_[1, 0].get_ylabel() == "as trained on"
    with pytest.raises(ValueError, match=r"X must have the shape \(n_images, .*, got \(3, 192\)"):
        TriggerDisplay.from_estimator(model, images[:3].reshape(3, -1), y[:3])


def test_flipped_labels(ax):
    X = np.random.RandomState(0).normal(size=(200, 2))
    y = (X[:, 0] > 0).astype(int)
    given = np.where((X[:, 0] > 0) & (X[:, 1] > 0.5), 0, y)
    models = {
        name: LogisticRegression().fit(X, labels) for name, labels in (("t", y), ("g", given))
    }
    display = drawn(LabelFlipDisplay.from_estimator(models, X, y, given, ax=ax), ax)
    i, j = 10, 70
    point = [[display.grid_x[j], display.grid_y[i]]]
    assert display.borders["t"][i, j] == pytest.approx(models["t"].predict_proba(point)[0, 1])
    shown = np.concatenate([part.get_offsets() for part in ax.collections[:2]])
    assert {tuple(row) for row in shown} == {tuple(row) for row in X}


def test_flipped_labels_of_binary_features_do_not_hide_one_another(ax):
    X = np.random.RandomState(0).randint(2, size=(50, 2))
    y = X[:, 0]
    given = np.where(X[:, 1] > 0, y, 0)
    grid = np.linspace(0, 1, 5)
    borders = {"y": np.tile(grid, (5, 1))}
    drawn(LabelFlipDisplay.from_predictions(X, y, given, grid, grid, borders, ax=ax), ax)
    shown = ax.collections[1].get_offsets()
    assert len(np.unique(shown, axis=0)) == np.sum(y == 1)
    assert np.abs(shown[:, 0] - 1).max() <= 0.15


def test_rows_that_are_trusted_least(ax):
    X, y = load_digits(return_X_y=True)
    model = PRLClassifier(max_epochs=3, random_state=0).fit(X, y)
    order = np.argsort(-model.sample_scores_, kind="stable")
    display = drawn(DistrustedRowsDisplay.from_estimator(model, n_shown=7, ax=ax), ax)
    np.testing.assert_array_equal(display.rows, order[:7])
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels[0] == f"row {order[0]}"
    images = X.reshape(-1, 1, 8, 8) / 16
    display = drawn(DistrustedRowsDisplay.from_estimator(model, images=images, y=y, n_shown=7))
    np.testing.assert_array_equal(display.images, images[order[:7]])
    shuffled = pd.Series(y, index=np.random.RandomState(0).permutation(len(y)))
    same = drawn(DistrustedRowsDisplay.from_estimator(model, images=images, y=shuffled, n_shown=7))
    assert same.titles == display.titles == [f"row {row}: {y[row]}" for row in order[:7]]
    few = drawn(DistrustedRowsDisplay.from_predictions([1.0, np.nan, 3.0], n_shown=5))
    np.testing.assert_array_equal(few.rows, [2, 0])


def test_not_fitted():
    for display in (ScoreDistributionDisplay, KeptShareDisplay, DistrustedRowsDisplay):
        with pytest.raises(NotFittedError):
            display.from_estimator(RCADetector())
    with pytest.raises(NotFittedError):
        TrainingCurveDisplay.from_estimator({"RCA": RCADetector()})
    with pytest.raises(NotFittedError):
        TriggerDisplay.from_estimator(BackdoorRobustClassifier(), ONE, [0, 1])
    with pytest.raises(NotFittedError):
        DensityDisplay.from_estimator(RobustRealNVPDetector(), np.eye(2))


ONE = np.zeros((2, 1, 4, 4))


def flips(X, y, given):
    return LabelFlipDisplay.from_predictions(X, y, given, [0, 1], [0, 1], {"a": np.eye(2)})


def surfaces(**settings):
    return LossSurfaceDisplay.from_predictions([1, 2], [1, 2], [0, 0], **settings)


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: ScoreDistributionDisplay.from_predictions(None, [np.nan]), "no number"),
        (lambda: ScoreDistributionDisplay.from_predictions([1], [1.0, 2.0]), "1 entries for 2"),
        (
            lambda: ScoreDistributionDisplay.from_predictions(None, [0.0, 1.0], log_scale=True),
            "log_scale needs scores above 0",
        ),
        (lambda: KeptShareDisplay.from_predictions([[0.1]], names=["a", "b"]), "2 entries for 1"),
        (
            lambda: TrainingCurveDisplay.from_predictions({"a": []}),
            r"curves\['a'\] must hold at least one curve, got \[\]",
        ),
        (lambda: TrainingCurveDisplay.from_predictions({}), "curves is empty"),
        (
            lambda: TrainingCurveDisplay.from_estimator([]),
            r"estimators must hold at least one fitted estimator, got \[\]",
        ),
        (lambda: RateSensitivityDisplay.from_predictions({"rate": [1]}), "lacks .* 'score'"),
        (lambda: TriggerDisplay.from_predictions(ONE, ONE[:1]), "one shape"),
        (
            lambda: TriggerDisplay.from_predictions(ONE[:, 0], ONE[:, 0]),
            r"clean must have .*\(2, 4, 4\)",
        ),
        (lambda: TriggerDisplay.from_predictions(ONE, ONE, titles=["a"]), "titles has 1 entries"),
        (
            lambda: DensityDisplay.from_predictions([0], [0], [[1]], X=np.eye(2), y=[1]),
            "y has 1 entries for 2 rows",
        ),
        (
            lambda: LossSurfaceDisplay.from_predictions([1, 2], [1, 2], [0, 0], rate=1.0),
            "rate must be at least 0 and below 1, got 1.0",
        ),
        (lambda: LossSurfaceDisplay.from_predictions([1, 2], [1], [0, 0]), "2, 1 and 2 entries"),
        (lambda: LossSurfaceDisplay.from_predictions([1, 2], [1, 2], [1, 0]), "fewer than two"),
        (lambda: LabelFlipDisplay.from_estimator({}, np.eye(3), [0, 1, 0], [0, 1, 0]), "2 feat"),
        (lambda: LabelFlipDisplay.from_estimator({}, np.eye(2), [0, 0], [0, 1]), "2 classes"),
        (lambda: DistrustedRowsDisplay.from_predictions([1.0], images=ONE), "images has 2"),
        (
            lambda: DistrustedRowsDisplay.from_predictions([1.0, 2.0], images=ONE[:, 0]),
            "images must have the shape",
        ),
        (lambda: DistrustedRowsDisplay.from_predictions([1.0], n_shown=0), "n_shown must be"),
        (lambda: DistrustedRowsDisplay.from_predictions([np.nan]), "scores holds no number"),
        (
            lambda: DistrustedRowsDisplay.from_predictions([1.0], n_shown=1.5),
            "n_shown must be an int of at least 1, got 1.5",
        ),
        (
            lambda: ScoreDistributionDisplay.from_predictions(None, [1.0, np.inf]),
            "scores must be finite, or nan for rows to leave out, got inf",
        ),
        (
            lambda: ScoreDistributionDisplay.from_predictions(None, [[1.0, 2.0]]),
            r"scores must be a list of numbers, got \[\[1.0, 2.0\]\]",
        ),
        (lambda: KeptShareDisplay.from_predictions([]), r"shares must hold at least .* got \[\]"),
        (lambda: KeptShareDisplay.from_predictions(0.1), "shares must be a list of curves, got 0"),
        (lambda: KeptShareDisplay.from_predictions([[np.nan]]), r"shares holds no number: \[nan\]"),
        (
            lambda: KeptShareDisplay.from_predictions([[0.1], [[0.1, 0.2]]]),
            r"shares\[1\] must be a list of numbers",
        ),
        (lambda: KeptShareDisplay.from_estimator([]), "estimators must hold at least one"),
        (
            lambda: TrainingCurveDisplay.from_predictions({"a": ["x", "y"]}),
            r"curves\['a'\] must be a list of numbers, got \['x', 'y'\]",
        ),
        (
            lambda: TrainingCurveDisplay.from_predictions({"a": 1.0}),
            r"curves\['a'\] must be a list of curves, got 1.0",
        ),
        (
            lambda: RateSensitivityDisplay.from_predictions({"rate": [], "score": []}),
            "column 'rate' of frame must hold finite numbers, at least one",
        ),
        (
            lambda: RateSensitivityDisplay.from_predictions({"rate": [0.1], "score": [np.nan]}),
            r"column 'score' of frame holds no number: \[nan\]",
        ),
        (
            lambda: RateSensitivityDisplay.from_predictions(
                {"rate": [0.1, 0.1], "score": [0.5, np.nan], "method": ["a", "b"]}
            ),
            "column 'score' of frame, method 'b', holds no number",
        ),
        (
            lambda: RateSensitivityDisplay.from_predictions({"rate": [0.1], "score": ["high"]}),
            r"column 'score' of frame must be a list of numbers, got \['high'\]",
        ),
        (
            lambda: TriggerDisplay.from_predictions(ONE, ONE * np.nan),
            "triggered must hold finite values, got nan",
        ),
        (
            lambda: TriggerDisplay.from_predictions(ONE[:0], ONE[:0]),
            r"clean must hold at least one image, got the shape \(0, 1, 4, 4\)",
        ),
        (
            lambda: DensityDisplay.from_predictions([0, 1], [0, 1], np.eye(2), X=np.eye(3)),
            "X must have 2 features, got 3",
        ),
        (
            lambda: DensityDisplay.from_predictions([0, 1], [0, 1], np.eye(3)),
            r"density must have the shape \(2, 2\), got \(3, 3\)",
        ),
        (
            lambda: DensityDisplay.from_predictions([0, 1], [0, 1], np.full((2, 2), np.nan)),
            "density holds no number",
        ),
        (lambda: flips(np.eye(3), [0, 1, 0], [0, 1, 0]), "X must have 2 features, got 3"),
        (lambda: flips(np.eye(3)[:, :2], [0, 1, 2], [0, 1, 2]), "y must hold 2 classes, got 3"),
        (
            lambda: flips(np.eye(2), [0, 1], [0, 2]),
            r"given must hold the classes of y, \[0, 1\], got 2",
        ),
        (
            lambda: surfaces(grid_resolution=1),
            "grid_resolution must be an int of at least 2, got 1",
        ),
        (lambda: surfaces(grid_resolution=2.5), "grid_resolution must be an int .* got 2.5"),
        (lambda: surfaces(reach=0), "reach must be a finite number above 0, got 0"),
        (lambda: surfaces(reach=np.inf), "reach must be a finite number above 0, got inf"),
        (
            lambda: LabelFlipDisplay.from_estimator(
                {}, np.eye(2), [0, 1], [0, 1], grid_resolution="a"
            ),
            "grid_resolution must be an int of at least 2, got 'a'",
        ),
        (
            lambda: LossSurfaceDisplay.from_predictions([0, 1], [0, 1], [0, 0], rate=0.999),
            "rate=0.999 drops all 2 rows",
        ),
        (
            lambda: LossSurfaceDisplay.from_predictions([0, np.nan], [0, 1], [0, 0]),
            "x and y must be finite",
        ),
        (
            lambda: LabelFlipDisplay.from_predictions(
                np.eye(2), [0, 1], [0, 0], [0, 1], [0, 1], {"a": [[0.1]]}
            ),
            r"borders\['a'\] must have the shape \(2, 2\)",
        ),
    ],
)
def test_bad_input(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()


def test_learners_score_their_training_rows_only(rows):
    X, bad = rows
    model = PRLClassifier(max_epochs=1, random_state=0).fit(X, bad)
    with pytest.raises(ValueError, match="PRLClassifier scores its training rows only"):
        ScoreDistributionDisplay.from_estimator(model, X)


def test_scores_are_high_for_bad_rows_whatever_wraps_the_detector(rows):
    X, bad = rows
    detector = IForest(random_state=0)
    adapter = OutlierDetectorAdapter(detector).fit(X)
    drawn = ScoreDistributionDisplay.from_estimator(adapter, X, bad)
    assert drawn.scores[drawn.y_true].mean() > drawn.scores[~drawn.y_true].mean()
    assert drawn.threshold == adapter.detector_.threshold_
    with pytest.raises(ValueError, match=r"IsolationForest scores .* not as PyOD's"):
        ScoreDistributionDisplay.from_estimator(IsolationForest().fit(X), X)


def test_no_threshold_is_drawn_where_scores_do_not_separate(rows):
    X, bad = rows
    model = PRLClassifier(max_epochs=1, random_state=0).fit(X, bad)
    order = np.argsort(model.sample_scores_)
    model.inlier_mask_ = np.ones(len(X), dtype=bool)
    model.inlier_mask_[order[-5:]] = False
    drawn = ScoreDistributionDisplay.from_estimator(model)
    assert drawn.threshold == model.sample_scores_[order[-6]]
    model.inlier_mask_[order[0]] = False
    assert ScoreDistributionDisplay.from_estimator(model).threshold is None


@pytest.mark.parametrize("marks", [[1, -1, 1], ["good", "bad", "good"], [0.0, 1.0, np.nan]])
def test_marks_are_zeros_and_ones(marks):
    with pytest.raises(ValueError, match="y_true must be 1 for bad rows and 0"):
        ScoreDistributionDisplay.from_predictions(marks, [1.0, 2.0, 3.0])


def test_what_an_estimator_must_have(rows):
    X, bad = rows
    detector = RCADetector(max_epochs=1, random_state=0).fit(X)
    adapter = OutlierDetectorAdapter(IForest()).fit(X)
    with pytest.raises(TypeError, match="RCADetector has no score_samples"):
        DensityDisplay.from_estimator(detector, X[:, :2])
    with pytest.raises(TypeError, match="RCADetector has no perturb"):
        TriggerDisplay.from_estimator(detector, X, bad)
    for display in (TrainingCurveDisplay, KeptShareDisplay):
        with pytest.raises(TypeError, match="OutlierDetectorAdapter has no history_"):
            display.from_estimator(adapter)
    with pytest.raises(TypeError, match="curves must be a dict"):
        TrainingCurveDisplay.from_predictions([[1.0]])
    with pytest.raises(TypeError, match=r"estimators must be a dict .*, got LogisticRegression"):
        LabelFlipDisplay.from_estimator(LogisticRegression(), X[:, :2], bad, bad)
    with pytest.raises(TypeError, match="borders must be a dict of arrays by name, got ndarray"):
        LabelFlipDisplay.from_predictions(X[:, :2], bad, bad, [0, 1], [0, 1], np.eye(2))
    three = LogisticRegression().fit(X[:, :2], np.arange(len(X)) % 3)
    with pytest.raises(ValueError, match=r"estimators\['a'\] must know 2 classes, it knows 3"):
        LabelFlipDisplay.from_estimator({"a": three}, X[:, :2], bad, bad)


def test_frames_keep_their_names():
    X, y = make_contaminated_moons(200, random_state=0)
    frame = pd.DataFrame(X, columns=["a", "b"])
    model = LogisticRegression().fit(frame, y)
    flow = RobustRealNVPDetector(max_epochs=1, random_state=0).fit(frame)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LabelFlipDisplay.from_estimator({"all": model}, frame, y, y, grid_resolution=5)
        DensityDisplay.from_estimator(flow, frame, y, grid_resolution=5)


def test_axes_carry_the_names_of_the_features():
    X, y = make_contaminated_moons(200, random_state=0)
    frame = pd.DataFrame(X, columns=["length", "width"])
    flow = RobustRealNVPDetector(max_epochs=1, random_state=0).fit(frame)
    models = {"all": LogisticRegression().fit(frame, y)}
    grid = np.linspace(0, 1, 5)

    def density(X, **given):
        return DensityDisplay.from_estimator(flow, X, grid_resolution=5, **given)

    def density_alone(X, **given):
        return DensityDisplay.from_predictions(grid, grid, np.eye(5), X=X, **given)

    def labels(X, **given):
        return LabelFlipDisplay.from_estimator(models, X, y, y, grid_resolution=5, **given)

    def labels_alone(X, **given):
        borders = {"all": np.eye(5)}
        return LabelFlipDisplay.from_predictions(X, y, y, grid, grid, borders, **given)

    for draw in (density, density_alone, labels, labels_alone):
        assert axis_labels(draw(frame)) == ("length", "width")
        assert axis_labels(draw(frame, feature_names=["a", "b"])) == ("a", "b")
        numbered = pd.DataFrame(X)
        names = ("length", "width") if draw in (density, labels) else ("feature 1", "feature 2")
        assert axis_labels(draw(numbered)) == axis_labels(draw(X)) == names
        with pytest.raises(ValueError, match="feature_names must be a pair of names, got 'ab'"):
            draw(X, feature_names="ab")
    for draw in (density, labels):
        with pytest.raises(ValueError, match=r"X has the columns \['width', 'length'\], but"):
            draw(frame[["width", "length"]])


def axis_labels(display):
    return display.ax_.get_xlabel(), display.ax_.get_ylabel()


@pytest.mark.parametrize("scale", [1, 1000])
def test_densities_of_features_on_other_scales_can_be_seen(scale):
    X = make_contaminated_moons(200, random_state=0)[0] * [1, scale]
    flow = RobustRealNVPDetector(max_epochs=1, random_state=0).fit(X)
    display = drawn(DensityDisplay.from_estimator(flow, X, grid_resolution=10))
    box = display.ax_.get_window_extent()
    assert 0.25 < box.width / box.height < 4
    assert (display.ax_.get_aspect() == "auto") == (scale > 1)


@pytest.mark.parametrize("value", [0.0, 1.0, -3.0, 1e17])
def test_equal_scores_can_be_seen(value):
    for log_scale in (False, True)[: 1 + (value > 0)]:
        scores = [value, value, np.nan, value]
        display = ScoreDistributionDisplay.from_predictions(None, scores, log_scale=log_scale)
        drawn(display)
        (bar,) = [patch for patch in display.ax_.patches if patch.get_height()]
        assert bar.get_height() == 3
        assert bar.get_window_extent().width > 5


@pytest.mark.parametrize(
    ("low", "high"),
    [(3, 55), (3.1, 3.3), (12, 18), (20, 60), (0.3, 80), (1.5, 450), (3e-4, 55), (3e-7, 5e-6)],
)
def test_labels_of_a_logarithmic_axis_do_not_overlap(low, high):
    scores = np.geomspace(low, high, 100)
    display = drawn(ScoreDistributionDisplay.from_predictions(None, scores, log_scale=True))
    axis, (left, right) = display.ax_.xaxis, display.ax_.get_xlim()
    ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
    ticks = [tick for tick in ticks if left <= tick.get_loc() <= right and tick.label1.get_text()]
    ticks.sort(key=lambda tick: tick.get_loc())
    boxes = [tick.label1.get_window_extent() for tick in ticks]
    assert 2 <= len(boxes) <= 10
    for box, following in itertools.pairwise(boxes):
        assert box.x1 + 2 < following.x0


@pytest.mark.parametrize("n_epochs", [1, 2, 3, 7, 400])
def test_epochs_are_whole(n_epochs):
    curve = np.linspace(0.1, 0.2, n_epochs)
    for display in (
        KeptShareDisplay.from_predictions([curve], rate=0.1),
        TrainingCurveDisplay.from_predictions({"a": [curve]}),
    ):
        ticks = drawn(display).ax_.get_xticks()
        np.testing.assert_array_equal(ticks, np.round(ticks))
        left, right = display.ax_.get_xlim()
        assert np.any((ticks >= left) & (ticks <= right))
        assert display.ax_.lines[0].get_marker() == ("o" if n_epochs == 1 else "")


def test_one_curve_needs_no_list_around_it():
    curve = [0.1, 0.2, 0.3]
    for given in (curve, np.array(curve), pd.Series(curve), [curve], np.array([curve])):
        kept = KeptShareDisplay.from_predictions(given)
        trained = TrainingCurveDisplay.from_predictions({"a": given})
        for display in (kept, trained):
            np.testing.assert_array_equal(display.ax_.lines[0].get_ydata(), curve)
    frame = pd.DataFrame([[0.1, 0.2, 0.3], [0.3, 0.4, 0.5]], columns=["x", "y", "z"])
    display = TrainingCurveDisplay.from_predictions({"a": frame})
    np.testing.assert_allclose(display.ax_.lines[0].get_ydata(), [0.2, 0.3, 0.4])


def test_rates_are_told_in_turn(rows):
    X, bad = rows
    detector = IForest(random_state=0)
    drawn = RateSensitivityDisplay.from_estimator(
        detector, X, bad, rates=[0.2, 0.1], scoring="roc_auc", cv=3, true_rate=0.1
    )
    assert drawn.rates.tolist() == [0.1, 0.2]
    assert drawn.curves["IForest"].shape == (3, 2)
    assert drawn.ax_.get_ylabel() == "roc_auc"
    with pytest.raises(ValueError, match="LogisticRegression has neither of corruption_rate"):
        RateSensitivityDisplay.from_estimator(LogisticRegression(), X, bad, rates=[0.1])


def test_a_rate_that_cannot_be_told_is_an_error(rows):
    X, bad = rows

    def draw(estimator, X, rates, **settings):
        RateSensitivityDisplay.from_estimator(estimator, X, bad, rates=rates, cv=2, **settings)

    learner = PRLClassifier(max_epochs=1, random_state=0)
    detector = RCADetector(max_epochs=1, random_state=0)
    with pytest.raises(ValueError, match=r"'corruption_rate' parameter of PRLClassifier .* 1\.5"):
        draw(learner, X, [1.5])
    with pytest.raises(ValueError, match=r"'contamination' parameter of RCADetector .* 0\.6"):
        draw(detector, X, [0.1, 0.6], scoring="roc_auc")
    holed = X.copy()
    holed[0, 0] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        draw(learner, holed, [0.1, 0.2])
    for rates in ([], [0.1, np.nan]):
        with pytest.raises(ValueError, match="rates must hold finite numbers, at least one, got"):
            draw(learner, X, rates)
    with pytest.raises(ValueError, match=r"rates must be a list of numbers, got \['a'\]"):
        draw(learner, X, ["a"])


def test_scores_that_are_all_nan_are_an_error(rows):
    X, bad = rows

    def nothing(estimator, X, y):
        return np.nan

    with pytest.raises(ValueError, match=r"the score is nan at each of the rates \[0\.1\]"):
        RateSensitivityDisplay.from_estimator(IForest(), X, bad, rates=[0.1], scoring=nothing, cv=2)


def test_a_single_rate_can_be_seen():
    display = RateSensitivityDisplay.from_predictions({"rate": [0.1], "score": [0.5]})
    assert display.ax_.lines[0].get_marker() == "o"


def test_histories_without_the_value(rows):
    detector = RCADetector(max_epochs=1, random_state=0).fit(rows[0])
    with pytest.raises(ValueError, match=r"no 'kept_share': train it with .*KeptShare"):
        KeptShareDisplay.from_estimator(detector)
    with pytest.raises(ValueError, match=r"no 'loss'; it has .*train_loss"):
        TrainingCurveDisplay.from_estimator(detector, key="loss")
    flow = RobustRealNVPDetector(max_epochs=1, random_state=0).fit(rows[0])
    with pytest.raises(ValueError, match="2 features, got 3"):
        DensityDisplay.from_estimator(flow, rows[0])


def test_matplotlib_is_imported_when_something_is_drawn():
    code = "import sys, skrobust.plotting; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
