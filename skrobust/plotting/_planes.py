"""Pictures of two features: densities, and borders between classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from sklearn.utils import check_consistent_length, column_or_1d

from skrobust.plotting import _checks as checks
from skrobust.plotting._style import ANOMALY, COLOURS, GREY, LINES, Display, open_frame, plane

__all__ = ["DensityDisplay", "LabelFlipDisplay"]

_NAMES = ("feature 1", "feature 2")


@dataclass(eq=False, repr=False)
class DensityDisplay(Display):
    """Density that a flow has learnt of two features (thesis, Figures 3.1 to 3.3).

    Parameters
    ----------
    grid_x, grid_y : array of shape (n_x,) and (n_y,)
        Values of the two features.
    density : array of shape (n_y, n_x)
        At ``grid_y[i], grid_x[j]``.
    X : array of shape (n_samples, 2), optional
        Rows to mark.
    y : array of shape (n_samples,), bool, optional
        Which of them are bad.
    feature_names : pair of str, default=("feature 1", "feature 2")
        Labels of the axes.

    Examples
    --------
    >>> from skrobust import RobustRealNVPDetector
    >>> from skrobust.datasets import make_contaminated_moons
    >>> from skrobust.plotting import DensityDisplay
    >>> X, y = make_contaminated_moons(300, random_state=0)
    >>> flow = RobustRealNVPDetector(max_epochs=2, min_steps=None, random_state=0).fit(X)
    >>> display = DensityDisplay.from_estimator(flow, X, y, grid_resolution=20)
    """

    grid_x: np.ndarray
    grid_y: np.ndarray
    density: np.ndarray
    _: KW_ONLY
    X: np.ndarray | None = None
    y: np.ndarray | None = None
    feature_names: tuple[str, str] = _NAMES

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        grid_resolution: int = 100,
        margin: float = 0.1,
        feature_names: Any = None,
        ax: Any = None,
    ) -> Self:
        """Draw the density around the rows of a table of two features.

        Parameters
        ----------
        estimator : fitted detector with ``score_samples``
            Such as :class:`~skrobust.RobustRealNVPDetector`: log-densities.
        X : array-like of shape (n_samples, 2)
            Rows; they are marked.
        y : array-like of shape (n_samples,), optional
            1 for bad rows.
        grid_resolution : int, default=100
            Points per axis.
        margin : float, default=0.1
            How far the picture reaches beyond the rows, as a share of their range.
        feature_names : pair of str, optional
            Labels of the axes; the columns of a DataFrame by default.
        ax : matplotlib axes, optional
            Where to draw.

        Raises
        ------
        ValueError
            If the rows do not have two features, or other columns than those of ``fit``.
        TypeError
            If the detector has no ``score_samples``.
        """
        checks.check_has(estimator, "score_samples")
        rows = checks.two_features(X, least=2)
        names = checks.axis_names(feature_names, X, [estimator])
        grid, points = plane(rows, grid_resolution, margin)
        density = np.exp(estimator.score_samples(checks.named(estimator, points, X)))
        density = density.reshape(grid_resolution, grid_resolution)
        return cls.from_predictions(*grid, density, X=rows, y=y, feature_names=names, ax=ax)

    @classmethod
    def from_predictions(
        cls,
        grid_x: Any,
        grid_y: Any,
        density: Any,
        *,
        X: Any = None,
        y: Any = None,
        feature_names: Any = None,
        ax: Any = None,
    ) -> Self:
        """Draw a density.

        Parameters
        ----------
        grid_x, grid_y, density, X, y, feature_names : as for the class
            Arrays or what becomes one; ``y`` is 1 for bad rows, or True.
        ax : matplotlib axes, optional
            Where to draw.

        Raises
        ------
        ValueError
            If ``density`` has another shape than the grid, ``X`` not two features, or ``y`` is not
            as long as ``X`` or holds other values than 0 and 1.
        """
        y = None if y is None else checks.bad_rows("y", y)
        if y is not None and X is not None and len(y) != len(X):
            raise ValueError(f"y has {len(y)} entries for {len(X)} rows of X")
        names = checks.axis_names(feature_names, X)
        X = None if X is None else checks.two_features(X)
        grid = checks.numbers("grid_x", grid_x), checks.numbers("grid_y", grid_y)
        density = checks.on_grid("density", density, *grid)
        return cls(*grid, density, X=X, y=y, feature_names=names).plot(ax)

    def _draw(self, ax: Any) -> None:
        ax = self._axes(ax, (5.0, 4.2))
        image = ax.contourf(self.grid_x, self.grid_y, self.density, levels=12, cmap="Blues")
        ax.figure.colorbar(image, ax=ax, label="density")
        if self.X is not None:
            X = np.asarray(self.X)
            bad = np.zeros(len(X), dtype=bool) if self.y is None else self.y
            # Thousands of rows must not hide the density
            alpha = float(np.clip(500 / len(X), 0.05, 1))
            ax.scatter(*X[~bad].T, s=4, color=GREY, linewidths=0, alpha=alpha, label="good")
            if bad.any():
                marks = {"color": ANOMALY, "marker": "x", "linewidths": 1, "alpha": alpha**0.4}
                ax.scatter(*X[bad].T, s=10, label="bad", **marks)
                for handle in ax.legend(loc="best").legend_handles:
                    handle.set_alpha(1)
        # One unit for both axes, unless that would leave a strip of the picture
        short, long = sorted(abs(high - low) for low, high in (ax.get_xlim(), ax.get_ylim()))
        aspect = "equal" if long <= 4 * short else "auto"
        ax.set(xlabel=self.feature_names[0], ylabel=self.feature_names[1], aspect=aspect)


@dataclass(eq=False, repr=False)
class LabelFlipDisplay(Display):
    """Where flipped labels move the border between two classes (thesis, Figure 5.3).

    Rows of features with few values are drawn around their place, or they would hide one another.

    Parameters
    ----------
    X : array of shape (n_samples, 2)
        Rows.
    y, given : array of shape (n_samples,)
        True labels, and those that were given.
    grid_x, grid_y : array of shape (n_x,) and (n_y,)
        Values of the two features.
    borders : dict of str to array of shape (n_y, n_x)
        Probability of the second class at ``grid_y[i], grid_x[j]``, by name.
    feature_names : pair of str, default=("feature 1", "feature 2")
        Labels of the axes.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skrobust.plotting import LabelFlipDisplay
    >>> X = np.random.RandomState(0).normal(size=(200, 2))
    >>> y = (X[:, 0] > 0).astype(int)
    >>> given = np.where((X[:, 0] > 0) & (X[:, 1] > 0.5), 0, y)
    >>> labels = {"true labels": y, "given labels": given}
    >>> models = {name: LogisticRegression().fit(X, labels[name]) for name in labels}
    >>> display = LabelFlipDisplay.from_estimator(models, X, y, given)
    """

    X: np.ndarray
    y: np.ndarray
    given: np.ndarray
    grid_x: np.ndarray
    grid_y: np.ndarray
    borders: Mapping[str, np.ndarray]
    _: KW_ONLY
    feature_names: tuple[str, str] = _NAMES

    @classmethod
    def from_estimator(
        cls,
        estimators: Any,
        X: Any,
        y: Any,
        given: Any,
        *,
        grid_resolution: int = 100,
        feature_names: Any = None,
        ax: Any = None,
    ) -> Self:
        """Draw the borders of fitted classifiers over two features.

        Parameters
        ----------
        estimators : dict of str to fitted classifier with ``predict_proba``
            By what they were trained on.
        X : array-like of shape (n_samples, 2)
            Rows.
        y, given : array-like of shape (n_samples,)
            True labels, and those that were given; two values.
        grid_resolution, feature_names, ax : int, pair of str, matplotlib axes
            As for :meth:`DensityDisplay.from_estimator`.

        Raises
        ------
        ValueError
            If the rows do not have two features, or other columns than those of ``fit``, there are
            not two classes in ``y`` or for a classifier, ``given`` holds another, or the columns
            differ in length.
        TypeError
            If ``estimators`` is no dict, or one of them has no ``predict_proba``.
        """
        checks.check_mapping("estimators", estimators, "fitted classifiers")
        names = checks.axis_names(feature_names, X, estimators.values())
        rows, y, given = _check_flips(X, y, given)
        grid, points = plane(rows, grid_resolution, 0.1)
        borders = {}
        for name, model in estimators.items():
            checks.check_has(model, "predict_proba")
            probabilities = model.predict_proba(checks.named(model, points, X))
            n_classes = probabilities.shape[1]
            if n_classes != 2:
                raise ValueError(f"estimators[{name!r}] must know 2 classes, it knows {n_classes}")
            borders[name] = probabilities[:, 1].reshape(grid_resolution, grid_resolution)
        return cls.from_predictions(rows, y, given, *grid, borders, feature_names=names, ax=ax)

    @classmethod
    def from_predictions(
        cls,
        X: Any,
        y: Any,
        given: Any,
        grid_x: Any,
        grid_y: Any,
        borders: Any,
        *,
        feature_names: Any = None,
        ax: Any = None,
    ) -> Self:
        """Draw borders where probabilities of the second class are one half.

        Parameters
        ----------
        X, y, given, grid_x, grid_y, borders, feature_names : as for the class
            Arrays or what becomes one; in ``borders`` by name.
        ax : matplotlib axes, optional
            Where to draw.

        Raises
        ------
        ValueError
            As :meth:`from_estimator`, or if a border has another shape than the grid.
        TypeError
            If ``borders`` is no dict.
        """
        checks.check_mapping("borders", borders, "arrays")
        names = checks.axis_names(feature_names, X)
        rows = _check_flips(X, y, given)
        grid = checks.numbers("grid_x", grid_x), checks.numbers("grid_y", grid_y)
        borders = {
            name: checks.on_grid(f"borders[{name!r}]", border, *grid)
            for name, border in borders.items()
        }
        return cls(*rows, *grid, borders, feature_names=names).plot(ax)

    def _draw(self, ax: Any) -> None:
        from matplotlib.lines import Line2D

        ax = self._axes(ax, (4.8, 4.2))
        X, flipped = _spread(self.X), self.y != self.given
        handles = []
        for label, colour, mark in zip(np.unique(self.y), COLOURS, "os", strict=False):
            rows = self.y == label
            ax.scatter(*X[rows].T, s=9, color=colour, marker=mark, alpha=0.5, linewidths=0)
            handles.append(Line2D([], [], color=colour, marker=mark, linestyle="", label=label))
        ax.scatter(*X[flipped].T, s=26, color="black", marker="x", linewidths=0.8)
        handles.append(Line2D([], [], color="black", marker="x", linestyle="", label="flipped"))
        for i, (name, border) in enumerate(self.borders.items()):
            line = LINES[i % len(LINES)]
            ax.contour(self.grid_x, self.grid_y, border, [0.5], colors="black", linestyles=line)
            handles.append(Line2D([], [], color="black", linestyle=line, label=name))
        ax.legend(handles=handles, fontsize=8)
        ax.set(xlabel=self.feature_names[0], ylabel=self.feature_names[1])
        open_frame(ax)


def _check_flips(X: Any, y: Any, given: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Check rows of two features with labels of two classes, true and given."""
    X, y, given = checks.two_features(X), column_or_1d(y), column_or_1d(given)
    check_consistent_length(X, y, given)
    classes = np.unique(y).tolist()
    if len(classes) != 2:
        raise ValueError(f"y must hold 2 classes, got {len(classes)}")
    unknown = [label for label in given.tolist() if label not in classes]
    if unknown:
        raise ValueError(f"given must hold the classes of y, {classes}, got {unknown[0]!r}")
    return X, y, given


def _spread(X: np.ndarray) -> np.ndarray:
    """Rows with features of at most ten values moved a little, the same way each time."""
    rng, moved = np.random.RandomState(0), X.astype(float)
    for column in moved.T:
        values = np.unique(column)
        if 1 < len(values) <= 10:
            column += np.diff(values).min() * rng.uniform(-0.15, 0.15, len(column))
    return moved
