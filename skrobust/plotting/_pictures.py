"""Pictures: triggers and perturbations, flipped labels, the rows that are trusted least."""

from __future__ import annotations

import numpy as np
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.validation import check_is_fitted

from skrobust._validation import check_whole
from skrobust.diagnosis import row_scores
from skrobust.plotting._checks import (
    axis_names,
    check_has,
    check_known,
    check_mapping,
    named,
    numbers,
    on_grid,
    two_features,
)
from skrobust.plotting._style import (
    ANOMALY,
    COLOURS,
    LINES,
    NORMAL,
    Display,
    open_frame,
    plane,
    split,
)

__all__ = ["DistrustedRowsDisplay", "LabelFlipDisplay", "TriggerDisplay"]


class TriggerDisplay(Display):
    """Images, the same with a trigger or as a defence moves them, and the difference.

    The thesis's Figures 5.1 and 5.2.

    Parameters
    ----------
    clean, triggered : array of shape (n_images, channels, height, width)
        Values in [0, 1].
    titles : list of str, optional
        One for each image.
    names : pair of str, default=("clean", "with trigger")
        Of the first and the second row of images.

    Attributes
    ----------
    ax_, figure_
        What it was drawn on.
    axes_ : array of axes of shape (3, n_images)
        Clean, triggered, difference.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skrobust.corruption import PatchTrigger
    >>> from skrobust.plotting import TriggerDisplay
    >>> images = load_digits().images[:3, None] / 16
    >>> display = TriggerDisplay.from_predictions(images, PatchTrigger(size=2)(images))
    >>> display.axes_.shape
    (3, 3)
    """

    def __init__(self, clean, triggered, *, titles=None, names=("clean", "with trigger")):
        self.clean = clean
        self.triggered = triggered
        self.titles = titles
        self.names = names

    @classmethod
    def from_estimator(cls, estimator, X, y, *, titles=None, ax=None):
        """Draw images and what training makes of them before it learns.

        Parameters
        ----------
        estimator : fitted BackdoorRobustClassifier
            Its networks move the images, see
            :meth:`~skrobust.BackdoorRobustClassifier.perturb`.
        X : array-like of shape (n_images, channels, height, width)
            A few images, in the units of the training images; 1 or 3 channels.
        y : array-like of shape (n_images,)
            Their labels.
        titles : list of str, optional
            One for each image; the labels by default.
        ax : matplotlib axes, optional
            Whose place is taken.

        Returns
        -------
        TriggerDisplay

        Raises
        ------
        ValueError
            If the rows are no images, or none like those of training.
        TypeError
            If the estimator has no ``perturb``.
        """
        check_has(estimator, "perturb")
        X, y = _check_images("X", X), column_or_1d(y)
        low, high = estimator.feature_range_
        clean, moved = ((part - low) / (high - low) for part in (X, estimator.perturb(X, y)))
        titles = [str(label) for label in y] if titles is None else titles
        return cls.from_predictions(
            clean, moved, titles=titles, names=("rows", "as trained on"), ax=ax
        )

    @classmethod
    def from_predictions(
        cls, clean, triggered, *, titles=None, names=("clean", "with trigger"), ax=None
    ):
        """Draw images.

        Parameters
        ----------
        clean, triggered : array-like of shape (n_images, channels, height, width)
            Values in [0, 1]; 1 or 3 channels.
        titles : list of str, optional
            One for each image.
        names : pair of str, default=("clean", "with trigger")
            Of the first and the second row of images.
        ax : matplotlib axes, optional
            Whose place is taken.

        Returns
        -------
        TriggerDisplay

        Raises
        ------
        ValueError
            If the shapes differ or are none of images, there is no image, a value is not finite, or
            the titles are not as many.
        """
        clean, triggered = _check_images("clean", clean), _check_images("triggered", triggered)
        if clean.shape != triggered.shape:
            raise ValueError(
                f"clean and triggered must have one shape, got {clean.shape} and {triggered.shape}"
            )
        if titles is not None and len(titles) != len(clean):
            raise ValueError(f"titles has {len(titles)} entries for {len(clean)} images")
        return cls(clean, triggered, titles=titles, names=names).plot(ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib axes, optional
            Whose place is taken.

        Returns
        -------
        TriggerDisplay
        """
        n_images = len(self.clean)
        ax = self._axes(ax, (1.3 * n_images + 1.0, 4.2))
        axes = split(ax, 3, n_images)
        difference = self.triggered - self.clean
        reach = max(np.abs(difference).max(), 1e-12)
        rows = {
            self.names[0]: self.clean,
            self.names[1]: self.triggered,
            f"difference\n(of {reach:.2f})": 0.5 + difference / (2.0 * reach),
        }
        for line, (name, images) in zip(axes, rows.items(), strict=True):
            for part, image in zip(line, images, strict=True):
                _draw_image(part, image)
            line[0].set_ylabel(name, rotation=0, ha="right", va="center")
        for part, title in zip(axes[0], self.titles or [""] * n_images, strict=True):
            part.set_title(title, fontsize=9)
        self.axes_ = axes
        return self


class LabelFlipDisplay(Display):
    """Where flipped labels move the border between two classes (thesis, Figure 5.3).

    Rows of features with few values are drawn around their place, or they would hide one another.

    Parameters
    ----------
    X : array of shape (n_samples, 2)
        Rows.
    y, given : array of shape (n_samples,)
        True labels, and those that were given.
    grid_x, grid_y : array of shape (n,)
        Values of the two features.
    borders : dict of str to array of shape (n, n)
        Probability of the second class at ``grid_y[i], grid_x[j]``, by name.
    feature_names : pair of str, default=("feature 1", "feature 2")
        Labels of the axes.

    Attributes
    ----------
    ax_, figure_
        What it was drawn on.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skrobust.plotting import LabelFlipDisplay
    >>> X = np.random.RandomState(0).normal(size=(200, 2))
    >>> y = (X[:, 0] > 0).astype(int)
    >>> given = np.where((X[:, 0] > 0) & (X[:, 1] > 0.5), 0, y)
    >>> models = {
    ...     name: LogisticRegression().fit(X, labels)
    ...     for name, labels in (("true labels", y), ("given labels", given))
    ... }
    >>> display = LabelFlipDisplay.from_estimator(models, X, y, given)
    >>> list(display.borders)
    ['true labels', 'given labels']
    """

    def __init__(
        self, X, y, given, grid_x, grid_y, borders, *, feature_names=("feature 1", "feature 2")
    ):
        self.X = X
        self.y = y
        self.given = given
        self.grid_x = grid_x
        self.grid_y = grid_y
        self.borders = borders
        self.feature_names = feature_names

    @classmethod
    def from_estimator(
        cls, estimators, X, y, given, *, grid_resolution=100, feature_names=None, ax=None
    ):
        """Draw the borders of fitted classifiers over two features.

        Parameters
        ----------
        estimators : dict of str to fitted classifier with ``predict_proba``
            By what they were trained on.
        X : array-like of shape (n_samples, 2)
            Rows.
        y, given : array-like of shape (n_samples,)
            True labels, and those that were given; two values.
        grid_resolution : int, default=100
            Points per axis.
        feature_names : pair of str, optional
            Labels of the axes; the columns of a DataFrame by default.
        ax : matplotlib axes, optional
            Where to draw.

        Returns
        -------
        LabelFlipDisplay

        Raises
        ------
        ValueError
            If the rows do not have two features, or other columns than those of ``fit``, there are
            not two classes in ``y`` or for a classifier, ``given`` holds another, or the columns
            differ in length.
        TypeError
            If ``estimators`` is no dict, or one of them has no ``predict_proba``.
        """
        check_mapping("estimators", estimators, "fitted classifiers")
        names = axis_names(feature_names, X, estimators.values())
        rows, y, given = _check_flips(X, y, given)
        (grid_x, grid_y), points = plane(rows, grid_resolution, 0.1)
        shape = (grid_resolution, grid_resolution)
        borders = {}
        for name, model in estimators.items():
            check_has(model, "predict_proba")
            probabilities = model.predict_proba(named(model, points, X))
            if probabilities.shape[1] != 2:
                n_classes = probabilities.shape[1]
                raise ValueError(f"estimators[{name!r}] must know 2 classes, it knows {n_classes}")
            borders[name] = probabilities[:, 1].reshape(shape)
        return cls.from_predictions(
            rows, y, given, grid_x, grid_y, borders, feature_names=names, ax=ax
        )

    @classmethod
    def from_predictions(cls, X, y, given, grid_x, grid_y, borders, *, feature_names=None, ax=None):
        """Draw borders where probabilities of the second class are one half.

        Parameters
        ----------
        X : array-like of shape (n_samples, 2)
            Rows.
        y, given : array-like of shape (n_samples,)
            True labels, and those that were given; two values.
        grid_x, grid_y : array-like of shape (n_x,) and (n_y,)
            Values of the two features.
        borders : dict of str to array-like of shape (n_y, n_x)
            Probability of the second class at each pair, by name.
        feature_names : pair of str, optional
            Labels of the axes; the columns of a DataFrame by default.
        ax : matplotlib axes, optional
            Where to draw.

        Returns
        -------
        LabelFlipDisplay

        Raises
        ------
        ValueError
            If the rows do not have two features, there are not two classes in ``y``, ``given``
            holds another, the columns differ in length, or a border has another shape than the
            grid.
        TypeError
            If ``borders`` is no dict.
        """
        check_mapping("borders", borders, "arrays")
        names = axis_names(feature_names, X)
        X, y, given = _check_flips(X, y, given)
        grid_x, grid_y = numbers("grid_x", grid_x), numbers("grid_y", grid_y)
        borders = {
            name: on_grid(f"borders[{name!r}]", border, grid_x, grid_y)
            for name, border in borders.items()
        }
        return cls(X, y, given, grid_x, grid_y, borders, feature_names=names).plot(ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib axes, optional
            Where.

        Returns
        -------
        LabelFlipDisplay
        """
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
        for i, (name, probability) in enumerate(self.borders.items()):
            line = LINES[i % len(LINES)]
            ax.contour(
                self.grid_x, self.grid_y, probability, [0.5], colors="black", linestyles=line
            )
            handles.append(Line2D([], [], color="black", linestyle=line, label=name))
        ax.legend(handles=handles, fontsize=8)
        ax.set(xlabel=self.feature_names[0], ylabel=self.feature_names[1])
        open_frame(ax)
        return self


class DistrustedRowsDisplay(Display):
    """The rows that are trusted least: images, or a bar for each row of a table.

    Parameters
    ----------
    scores : array of shape (n_shown,)
        Highest first.
    rows : array of shape (n_shown,), int
        Their places.
    images : array of shape (n_shown, channels, height, width), optional
        Drawn instead of bars.
    titles : list of str
        One for each row.

    Attributes
    ----------
    ax_, figure_
        What it was drawn on.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skrobust import PRLClassifier
    >>> from skrobust.plotting import DistrustedRowsDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> model = PRLClassifier(corruption_rate=0.02, max_epochs=5, random_state=0).fit(X, y)
    >>> images = X.reshape(-1, 1, 8, 8) / 16
    >>> display = DistrustedRowsDisplay.from_estimator(model, images=images, y=y, n_shown=6)
    >>> len(display.rows)
    6
    """

    def __init__(self, scores, rows, *, images=None, titles=None):
        self.scores = scores
        self.rows = rows
        self.images = images
        self.titles = titles

    @classmethod
    def from_estimator(cls, estimator, *, images=None, y=None, n_shown=20, ax=None):
        """Draw the rows that a fitted estimator trusts least.

        Parameters
        ----------
        estimator : fitted estimator
            Of this package, or a detector of PyOD.
        images : array-like of shape (n_samples, channels, height, width), optional
            The training rows, if they are images with values in [0, 1].
        y : array-like of shape (n_samples,), optional
            Labels, shown above images.
        n_shown : int, default=20
            How many rows.
        ax : matplotlib axes, optional
            Where to draw; images take its place.

        Returns
        -------
        DistrustedRowsDisplay
        """
        check_is_fitted(estimator)
        return cls.from_predictions(
            row_scores(estimator), images=images, y=y, n_shown=n_shown, ax=ax
        )

    @classmethod
    def from_predictions(cls, scores, *, images=None, y=None, n_shown=20, ax=None):
        """Draw the rows of highest score.

        Parameters
        ----------
        scores : array-like of shape (n_samples,)
            High for rows that are trusted little.
        images : array-like of shape (n_samples, channels, height, width), optional
            The rows.
        y : array-like of shape (n_samples,), optional
            Labels, shown above images.
        n_shown : int, default=20
            How many rows.
        ax : matplotlib axes, optional
            Where to draw; images take its place.

        Returns
        -------
        DistrustedRowsDisplay

        Raises
        ------
        ValueError
            If images or labels are not as many as scores, the images have another shape, or there
            is nothing to show.
        """
        scores = numbers("scores", scores)
        check_whole("n_shown", n_shown, 1)
        check_known("scores", scores)
        for name, part in (("images", images), ("y", y)):
            if part is not None and len(part) != len(scores):
                raise ValueError(f"{name} has {len(part)} entries for {len(scores)} scores")
        images = None if images is None else _check_images("images", images)
        y = None if y is None else column_or_1d(y)
        order = np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")
        rows = order[:n_shown][~np.isnan(scores[order[:n_shown]])]
        titles = [f"row {row}" if y is None else f"row {row}: {y[row]}" for row in rows]
        shown = None if images is None else images[rows]
        return cls(scores[rows], rows, images=shown, titles=titles).plot(ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib axes, optional
            Where; images take its place.

        Returns
        -------
        DistrustedRowsDisplay
        """
        n_shown = len(self.rows)
        titles = self.titles or [f"row {row}" for row in self.rows]
        if self.images is None:
            ax = self._axes(ax, (5.6, 0.22 * n_shown + 0.8))
            places = np.arange(n_shown)[::-1]
            ax.barh(places, self.scores, color=NORMAL)
            ax.plot(self.scores, places, "o", color=ANOMALY, markersize=4)
            ax.set_yticks(places, titles, fontsize=8)
            ax.set_xlabel("score")
            open_frame(ax)
            return self
        n_columns = min(n_shown, 5)
        n_lines = -(-n_shown // n_columns)
        ax = self._axes(ax, (1.3 * n_columns, 1.5 * n_lines))
        axes = split(ax, n_lines, n_columns).ravel()
        for part, image, title in zip(axes, self.images, titles, strict=False):
            _draw_image(part, image)
            part.set_title(title, fontsize=8)
        for part in axes[n_shown:]:
            part.set_axis_off()
        return self


def _check_images(name: str, images) -> np.ndarray:
    images = np.asarray(images, dtype=float)
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ValueError(
            f"{name} must have the shape (n_images, 1 or 3, height, width), got {images.shape}"
        )
    if not images.size:
        raise ValueError(f"{name} must hold at least one image, got the shape {images.shape}")
    wrong = images[~np.isfinite(images)]
    if len(wrong):
        raise ValueError(f"{name} must hold finite values, got {wrong[0]}")
    return images


def _check_flips(X, y, given) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Check rows of two features with labels of two classes, true and given."""
    X, y, given = two_features(X), column_or_1d(y), column_or_1d(given)
    check_consistent_length(X, y, given)
    classes = np.unique(y).tolist()
    if len(classes) != 2:
        raise ValueError(f"y must hold 2 classes, got {len(classes)}")
    unknown = [label for label in given.tolist() if label not in classes]
    if unknown:
        raise ValueError(f"given must hold the classes of y, {classes}, got {unknown[0]!r}")
    return X, y, given


def _draw_image(ax, image: np.ndarray) -> None:
    """Show an image (1 or 3 channels, height, width) with values in [0, 1]."""
    picture = image[0] if len(image) == 1 else np.moveaxis(image, 0, -1).clip(0, 1)
    ax.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ax.set(xticks=[], yticks=[])


def _spread(X: np.ndarray) -> np.ndarray:
    """Rows with features of at most ten values moved a little, the same way each time."""
    rng, moved = np.random.RandomState(0), X.astype(float)
    for column in moved.T:
        values = np.unique(column)
        if 1 < len(values) <= 10:
            column += np.diff(values).min() * rng.uniform(-0.15, 0.15, len(column))
    return moved
