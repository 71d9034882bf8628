"""Pictures in place of one: images with triggers, rows that are trusted least, loss surfaces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils.validation import check_is_fitted

from skrobust._validation import check_whole
from skrobust.diagnosis import row_scores
from skrobust.plotting._checks import bad_rows, check_has, check_known, numbers
from skrobust.plotting._style import ANOMALY, NORMAL, Display, open_frame, split

__all__ = ["DistrustedRowsDisplay", "LossSurfaceDisplay", "TriggerDisplay"]

_NAMES = ("clean", "with trigger")


@dataclass(eq=False, repr=False)
class TriggerDisplay(Display):
    """Images, with a trigger or as a defence moves them, the difference (Figures 5.1 and 5.2).

    Parameters
    ----------
    clean, triggered : array of shape (n_images, channels, height, width)
        Values in [0, 1]; 1 or 3 channels.
    titles : list of str, optional
        One for each image.
    names : pair of str, default=("clean", "with trigger")
        Of the first and the second row of images.

    Attributes
    ----------
    axes_ : array of axes of shape (3, n_images)
        Clean, triggered, difference.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skrobust.corruption import PatchTrigger
    >>> from skrobust.plotting import TriggerDisplay
    >>> images = load_digits().images[:3, None] / 16
    >>> display = TriggerDisplay.from_predictions(images, PatchTrigger(size=2)(images))
    """

    clean: np.ndarray
    triggered: np.ndarray
    _: KW_ONLY
    titles: Sequence[str] | None = None
    names: tuple[str, str] = _NAMES

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any, *, titles: Any = None, ax: Any = None
    ) -> Self:
        """Draw images and what training makes of them before it learns.

        Parameters
        ----------
        estimator : fitted BackdoorRobustClassifier
            Its :meth:`~skrobust.BackdoorRobustClassifier.perturb` moves the images.
        X : array-like of shape (n_images, channels, height, width)
            A few images, in the units of the training images; 1 or 3 channels.
        y : array-like of shape (n_images,)
            Their labels.
        titles : list of str, optional
            One for each image; the labels by default.
        ax : matplotlib axes, optional
            Whose place is taken.

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
        names = ("rows", "as trained on")
        return cls.from_predictions(clean, moved, titles=titles, names=names, ax=ax)

    @classmethod
    def from_predictions(
        cls, clean: Any, triggered: Any, *, titles: Any = None, names: Any = _NAMES, ax: Any = None
    ) -> Self:
        """Draw images.

        Parameters
        ----------
        clean, triggered, titles, names : as for the class
            The images and what stands beside them.
        ax : matplotlib axes, optional
            Whose place is taken.

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

    def _draw(self, ax: Any) -> None:
        n_images = len(self.clean)
        self.axes_ = axes = split(self._axes(ax, (1.3 * n_images + 1.0, 4.2)), 3, n_images)
        difference = self.triggered - self.clean
        reach = max(np.abs(difference).max(), 1e-12)
        rows = {
            self.names[0]: self.clean,
            self.names[1]: self.triggered,
            f"difference\n(of {reach:.2f})": 0.5 + difference / (2.0 * reach),
        }
        for line, (name, images) in zip(axes, rows.items(), strict=True):
            for part, image in zip(line, images, strict=True):
                draw_image(part, image)
            line[0].set_ylabel(name, rotation=0, ha="right", va="center")
        for part, title in zip(axes[0], self.titles or [""] * n_images, strict=True):
            part.set_title(title, fontsize=9)


@dataclass(eq=False, repr=False)
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

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skrobust import PRLClassifier
    >>> from skrobust.plotting import DistrustedRowsDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> model = PRLClassifier(corruption_rate=0.02, max_epochs=5, random_state=0).fit(X, y)
    >>> images = X.reshape(-1, 1, 8, 8) / 16
    >>> display = DistrustedRowsDisplay.from_estimator(model, images=images, y=y, n_shown=6)
    """

    scores: np.ndarray
    rows: np.ndarray
    _: KW_ONLY
    images: np.ndarray | None = None
    titles: Sequence[str] | None = None

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, images: Any = None, y: Any = None, n_shown: int = 20, ax: Any = None
    ) -> Self:
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
        """
        check_is_fitted(estimator)
        scores = row_scores(estimator)
        return cls.from_predictions(scores, images=images, y=y, n_shown=n_shown, ax=ax)

    @classmethod
    def from_predictions(
        cls, scores: Any, *, images: Any = None, y: Any = None, n_shown: int = 20, ax: Any = None
    ) -> Self:
        """Draw the rows of highest score.

        Parameters
        ----------
        scores : array-like of shape (n_samples,)
            High for rows that are trusted little.
        images, y, n_shown, ax : as for :meth:`from_estimator`
            All rows as images, their labels, how many rows are drawn, and where.

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
        y = None if y is None else column_or_1d(y)
        order = np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")[:n_shown]
        rows = order[~np.isnan(scores[order])]
        images = None if images is None else _check_images("images", images)[rows]
        titles = [f"row {row}" if y is None else f"row {row}: {y[row]}" for row in rows]
        return cls(scores[rows], rows, images=images, titles=titles).plot(ax)

    def _draw(self, ax: Any) -> None:
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
            return
        n_columns = min(n_shown, 5)
        n_lines = -(-n_shown // n_columns)
        ax = self._axes(ax, (1.3 * n_columns, 1.5 * n_lines))
        axes = split(ax, n_lines, n_columns).ravel()
        for part, image, title in zip(axes, self.images, titles, strict=False):
            draw_image(part, image)
            part.set_title(title, fontsize=8)
        for part in axes[n_shown:]:
            part.set_axis_off()


def _check_images(name: str, images: Any) -> np.ndarray:
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


def draw_image(ax: Any, image: np.ndarray) -> None:
    """Show an image (1 or 3 channels, height, width) with values in [0, 1]."""
    picture = image[0] if len(image) == 1 else np.moveaxis(image, 0, -1).clip(0, 1)
    ax.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ax.set(xticks=[], yticks=[])


@dataclass(eq=False, repr=False)
class LossSurfaceDisplay(Display):
    """What is left of a loss surface where rows are dropped by loss or by gradient (Figure 4.1).

    A linear model of one feature has two parameters. For every pair of them the rows of largest
    loss, or of largest gradient, are dropped, and the loss of all good rows is compared with the
    loss of the rows that are kept.

    Parameters
    ----------
    slopes, intercepts : array of shape (n,)
        Values of the parameters.
    surfaces : dict of str to array of shape (n, n)
        Mean losses at ``intercepts[i], slopes[j]``.

    Attributes
    ----------
    axes_ : array of axes
        One for each surface.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust.plotting import LossSurfaceDisplay
    >>> x, wrong = np.linspace(-2, 2, 100), np.arange(100) % 5 == 0
    >>> y = np.where(wrong, -8, 2 * x)
    >>> display = LossSurfaceDisplay.from_predictions(x, y, wrong, grid_resolution=20)
    >>> list(display.surfaces)
    ['good rows', 'all rows', 'kept by loss', 'kept by gradient']
    """

    slopes: np.ndarray
    intercepts: np.ndarray
    surfaces: Mapping[str, np.ndarray]

    @classmethod
    def from_predictions(
        cls,
        x: Any,
        y: Any,
        wrong: Any,
        *,
        rate: float | None = None,
        grid_resolution: int = 60,
        reach: float = 4.0,
        ax: Any = None,
    ) -> Self:
        """Draw the surfaces of a linear model's squared error.

        Parameters
        ----------
        x, y : array-like of shape (n_samples,)
            The feature and the target.
        wrong : array-like of shape (n_samples,)
            1 for wrong targets.
        rate : float, optional
            Share of rows to drop; that of the wrong ones by default.
        grid_resolution : int, default=60
            Points per parameter.
        reach : float, default=4.0
            How far the parameters go from those that fit the good rows.
        ax : matplotlib axes, optional
            Whose place is taken.

        Raises
        ------
        ValueError
            If columns differ in length or are not finite, fewer than two rows are good, the rate
            is none or leaves no row, or the parameters take fewer than two values.
        """
        check_whole("grid_resolution", grid_resolution, 2)
        if not 0 < reach < np.inf:
            raise ValueError(f"reach must be a finite number above 0, got {reach!r}")
        x, y = numbers("x", x), numbers("y", y)
        wrong = bad_rows("wrong", wrong)
        if not len(x) == len(y) == len(wrong):
            raise ValueError(f"x, y and wrong have {len(x)}, {len(y)} and {len(wrong)} entries")
        if (~wrong).sum() < 2:
            raise ValueError("fewer than two rows are good")
        rate = float(wrong.mean()) if rate is None else rate
        if not (np.isfinite(x).all() and np.isfinite(y).all()):
            raise ValueError("x and y must be finite")
        if not 0 <= rate < 1:
            raise ValueError(f"rate must be at least 0 and below 1, got {rate}")
        from skrobust.supervised._base import count_trusted  # here, as it brings torch

        n_kept = count_trusted(rate, len(x))
        if n_kept < 1:
            raise ValueError(f"rate={rate} drops all {len(x)} rows")
        slopes, intercepts = (
            np.linspace(centre - reach, centre + reach, grid_resolution)
            for centre in np.polyfit(x[~wrong], y[~wrong], 1)
        )
        residuals = y - slopes[None, :, None] * x - intercepts[:, None, None]
        losses = residuals**2
        gradients = np.abs(residuals) * np.sqrt(1.0 + x**2)
        surfaces = {
            "good rows": losses[..., ~wrong].mean(axis=-1),
            "all rows": losses.mean(axis=-1),
            "kept by loss": _kept_mean(losses, losses, n_kept),
            "kept by gradient": _kept_mean(losses, gradients, n_kept),
        }
        return cls(slopes, intercepts, surfaces).plot(ax)

    def _draw(self, ax: Any) -> None:
        ax = self._axes(ax, (9.0, 2.8))
        self.axes_ = axes = split(ax, 1, len(self.surfaces))[0]
        logs = {name: np.log10(surface + 1e-3) for name, surface in self.surfaces.items()}
        every = np.stack(list(logs.values()))  # one scale, so that panels can be compared
        levels = np.linspace(every.min(), every.max(), 18)
        for part, (name, surface) in zip(axes, self.surfaces.items(), strict=True):
            image = part.contourf(self.slopes, self.intercepts, logs[name], levels, cmap="viridis")
            i, j = np.unravel_index(surface.argmin(), surface.shape)
            part.plot(self.slopes[j], self.intercepts[i], "o", color="white", markersize=5)
            part.set_title(name, fontsize=10)
            part.set_xlabel("slope")
            part.label_outer()
        axes[0].set_ylabel("intercept")
        ax.figure.colorbar(image, ax=list(axes), label="log10 of the mean loss", format="%.1f")


def _kept_mean(losses: np.ndarray, scores: np.ndarray, n_kept: int) -> np.ndarray:
    kept = np.argsort(scores, axis=-1, kind="stable")[..., :n_kept]
    return np.take_along_axis(losses, kept, axis=-1).mean(axis=-1)
