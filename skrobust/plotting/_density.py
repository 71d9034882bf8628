"""Densities over the plane, and what two ways to drop rows do to a loss surface."""

from __future__ import annotations

import numpy as np

from skrobust._validation import check_whole
from skrobust.plotting._checks import (
    axis_names,
    bad_rows,
    check_has,
    named,
    numbers,
    on_grid,
    two_features,
)
from skrobust.plotting._style import ANOMALY, GREY, Display, plane, split

__all__ = ["DensityDisplay", "LossSurfaceDisplay"]


class DensityDisplay(Display):
    """Density that a flow has learnt of two features (thesis, Figures 3.1 to 3.3).

    Parameters
    ----------
    grid_x, grid_y : array of shape (n,)
        Values of the two features.
    density : array of shape (n, n)
        At ``grid_y[i], grid_x[j]``.
    X : array of shape (n_samples, 2), optional
        Rows to mark.
    y : array of shape (n_samples,), bool, optional
        Which of them are bad.
    feature_names : pair of str, default=("feature 1", "feature 2")
        Labels of the axes.

    Attributes
    ----------
    ax_, figure_
        What it was drawn on.

    Examples
    --------
    >>> from skrobust import RobustRealNVPDetector
    >>> from skrobust.datasets import make_contaminated_moons
    >>> from skrobust.plotting import DensityDisplay
    >>> X, y = make_contaminated_moons(300, random_state=0)
    >>> flow = RobustRealNVPDetector(max_epochs=2, min_steps=None, random_state=0).fit(X)
    >>> display = DensityDisplay.from_estimator(flow, X, y, grid_resolution=20)
    >>> display.density.shape
    (20, 20)
    """

    def __init__(
        self, grid_x, grid_y, density, *, X=None, y=None, feature_names=("feature 1", "feature 2")
    ):
        self.grid_x = grid_x
        self.grid_y = grid_y
        self.density = density
        self.X = X
        self.y = y
        self.feature_names = feature_names

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y=None,
        *,
        grid_resolution=100,
        margin=0.1,
        feature_names=None,
        ax=None,
    ):
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

        Returns
        -------
        DensityDisplay

        Raises
        ------
        ValueError
            If the rows do not have two features, or other columns than those of ``fit``.
        TypeError
            If the detector has no ``score_samples``.
        """
        check_has(estimator, "score_samples")
        rows, names = two_features(X, least=2), axis_names(feature_names, X, [estimator])
        (grid_x, grid_y), points = plane(rows, grid_resolution, margin)
        density = np.exp(estimator.score_samples(named(estimator, points, X)))
        density = density.reshape(grid_resolution, grid_resolution)
        return cls.from_predictions(
            grid_x, grid_y, density, X=rows, y=y, feature_names=names, ax=ax
        )

    @classmethod
    def from_predictions(
        cls, grid_x, grid_y, density, *, X=None, y=None, feature_names=None, ax=None
    ):
        """Draw a density.

        Parameters
        ----------
        grid_x, grid_y : array-like of shape (n_x,) and (n_y,)
            Values of the two features.
        density : array-like of shape (n_y, n_x)
            At each pair.
        X : array-like of shape (n_samples, 2), optional
            Rows to mark.
        y : array-like of shape (n_samples,), optional
            1 for bad rows.
        feature_names : pair of str, optional
            Labels of the axes; the columns of a DataFrame by default.
        ax : matplotlib axes, optional
            Where to draw.

        Returns
        -------
        DensityDisplay

        Raises
        ------
        ValueError
            If ``density`` has another shape than the grid, ``X`` not two features, or ``y`` is not
            as long as ``X`` or holds other values than 0 and 1.
        """
        y = None if y is None else bad_rows("y", y)
        if y is not None and X is not None and len(y) != len(X):
            raise ValueError(f"y has {len(y)} entries for {len(X)} rows of X")
        names = axis_names(feature_names, X)
        X = None if X is None else two_features(X)
        grid_x, grid_y = numbers("grid_x", grid_x), numbers("grid_y", grid_y)
        density = on_grid("density", density, grid_x, grid_y)
        return cls(grid_x, grid_y, density, X=X, y=y, feature_names=names).plot(ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib axes, optional
            Where.

        Returns
        -------
        DensityDisplay
        """
        ax = self._axes(ax, (5.0, 4.2))
        image = ax.contourf(self.grid_x, self.grid_y, self.density, levels=12, cmap="Blues")
        ax.figure.colorbar(image, ax=ax, label="density")
        if self.X is not None:
            X, y = np.asarray(self.X), self.y
            bad = np.zeros(len(X), dtype=bool) if y is None else y
            # Thousands of rows must not hide the density
            alpha = float(np.clip(500 / len(X), 0.05, 1))
            ax.scatter(*X[~bad].T, s=4, color=GREY, linewidths=0, alpha=alpha, label="good")
            if bad.any():
                marks = {"color": ANOMALY, "marker": "x", "linewidths": 1, "alpha": alpha**0.4}
                ax.scatter(*X[bad].T, s=10, label="bad", **marks)
                for handle in ax.legend(loc="best").legend_handles:
                    handle.set_alpha(1)
        ax.set(xlabel=self.feature_names[0], ylabel=self.feature_names[1], aspect=_aspect(ax))
        return self


def _aspect(ax) -> str:
    """One unit for both axes, unless that would leave a strip of the picture."""
    short, long = sorted(abs(high - low) for low, high in (ax.get_xlim(), ax.get_ylim()))
    return "equal" if long <= 4 * short else "auto"


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
    ax_, figure_
        What it was drawn on.
    axes_ : array of axes
        One for each surface.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust.plotting import LossSurfaceDisplay
    >>> rng = np.random.RandomState(0)
    >>> x = rng.normal(size=100)
    >>> y = 2 * x + 0.1 * rng.normal(size=100)
    >>> wrong = np.arange(100) < 20
    >>> y[wrong] = -8
    >>> display = LossSurfaceDisplay.from_predictions(x, y, wrong, grid_resolution=20)
    >>> list(display.surfaces)
    ['good rows', 'all rows', 'kept by loss', 'kept by gradient']
    """

    def __init__(self, slopes, intercepts, surfaces):
        self.slopes = slopes
        self.intercepts = intercepts
        self.surfaces = surfaces

    @classmethod
    def from_predictions(cls, x, y, wrong, *, rate=None, grid_resolution=60, reach=4.0, ax=None):
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

        Returns
        -------
        LossSurfaceDisplay

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
        slope, intercept = np.polyfit(x[~wrong], y[~wrong], 1)
        slopes, intercepts = (
            np.linspace(centre - reach, centre + reach, grid_resolution)
            for centre in (slope, intercept)
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

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib axes, optional
            Whose place is taken.

        Returns
        -------
        LossSurfaceDisplay
        """
        ax = self._axes(ax, (9.0, 2.8))
        axes = split(ax, 1, len(self.surfaces))[0]
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
        self.axes_ = axes
        return self


def _kept_mean(losses: np.ndarray, scores: np.ndarray, n_kept: int) -> np.ndarray:
    kept = np.argsort(scores, axis=-1, kind="stable")[..., :n_kept]
    return np.take_along_axis(losses, kept, axis=-1).mean(axis=-1)
