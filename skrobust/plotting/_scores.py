"""How scores are distributed, and what training kept."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skrobust.diagnosis._frame import row_scores, wrapped
from skrobust.plotting._checks import bad_rows, check_known, history, listed, numbers, runs
from skrobust.plotting._style import ANOMALY, GREY, NORMAL, Display, add_line, int_ticks, open_frame

__all__ = ["KeptShareDisplay", "ScoreDistributionDisplay"]


@dataclass(eq=False, repr=False)
class ScoreDistributionDisplay(Display):
    """Histogram of row scores, good and bad rows apart where they are known.

    Parameters
    ----------
    scores : array of shape (n_samples,)
        High for rows that are trusted little.
    y_true : array of shape (n_samples,), bool, optional
        True for bad rows.
    threshold : float, optional
        Where trust ends.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust import RCADetector
    >>> from skrobust.plotting import ScoreDistributionDisplay
    >>> X = np.random.RandomState(0).normal(size=(200, 3))
    >>> detector = RCADetector(max_epochs=5, random_state=0).fit(X)
    >>> display = ScoreDistributionDisplay.from_estimator(detector)
    """

    scores: np.ndarray
    _: KW_ONLY
    y_true: np.ndarray | None = None
    threshold: float | None = None

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        y_true: Any = None,
        *,
        ax: Any = None,
        log_scale: bool = False,
    ) -> Self:
        """Draw the scores of a fitted estimator's training rows, or a detector's of other rows.

        The threshold is drawn where one score separates the rows that are trusted from the others.

        Parameters
        ----------
        estimator : fitted estimator
            Of this package, or a detector of PyOD.
        X : array-like of shape (n_samples, n_features), optional
            Rows for a detector to score; its training rows by default.
        y_true : array-like of shape (n_samples,), optional
            1 for bad rows.
        ax : matplotlib axes, optional
            Where to draw.
        log_scale : bool, default=False
            Whether scores are drawn on a logarithmic axis.

        Raises
        ------
        ValueError
            If rows are given and the estimator is no detector with PyOD's scores.
        """
        check_is_fitted(estimator)
        scores = row_scores(estimator, X)
        threshold = getattr(wrapped(estimator), "threshold_", None)
        if threshold is None and hasattr(estimator, "inlier_mask_"):
            threshold = _border(scores, estimator.inlier_mask_)
        return cls.from_predictions(y_true, scores, threshold=threshold, ax=ax, log_scale=log_scale)

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        scores: Any,
        *,
        threshold: float | None = None,
        ax: Any = None,
        log_scale: bool = False,
    ) -> Self:
        """Draw scores.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,) or None
            1 for bad rows.
        scores : array-like of shape (n_samples,)
            High for rows that are trusted little; nan is left out.
        threshold, ax, log_scale : float, matplotlib axes, bool
            Where trust ends, where to draw, and whether on a logarithmic axis.

        Raises
        ------
        ValueError
            If there are no scores, one is infinite, or there are labels of another number of rows
            or other than 0 and 1.
        """
        scores = numbers("scores", scores)
        check_known("scores", scores)
        infinite = scores[np.isinf(scores)]
        if len(infinite):
            raise ValueError(
                f"scores must be finite, or nan for rows to leave out, got {infinite[0]}"
            )
        known = ~np.isnan(scores)
        if y_true is not None:
            y_true = bad_rows("y_true", y_true)
            if len(y_true) != len(scores):
                raise ValueError(f"y_true has {len(y_true)} entries for {len(scores)} scores")
            y_true = y_true[known]
        display = cls(scores[known], y_true=y_true, threshold=threshold)
        return display.plot(ax, log_scale=log_scale)

    def plot(self, ax: Any = None, *, log_scale: bool = False) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib axes, optional
            Where.
        log_scale : bool, default=False
            Whether scores are drawn on a logarithmic axis.

        Returns
        -------
        self
            With ``ax_`` and ``figure_``, what it was drawn on.
        """
        edges = self._edges(log_scale)
        ax = self._axes(ax)
        if self.y_true is None:
            ax.hist(self.scores, bins=edges, color=NORMAL, label="rows")
        else:
            parts = [self.scores[~self.y_true], self.scores[self.y_true]]
            ax.hist(parts, bins=edges, stacked=True, color=[NORMAL, ANOMALY], label=["good", "bad"])
        if log_scale:
            ax.set_xscale("log")
        if self.threshold is not None:
            ax.axvline(self.threshold, color=GREY, linestyle="--", label="threshold")
        if log_scale:
            _label_few(ax)
        if self.y_true is not None or self.threshold is not None:
            ax.legend(frameon=False)
        ax.set(xlabel="score", ylabel="rows")
        open_frame(ax)
        return self

    def _edges(self, log_scale: bool) -> np.ndarray:
        low, high = self.scores.min(), self.scores.max()
        if log_scale and low <= 0:
            raise ValueError(f"log_scale needs scores above 0, the least is {low:g}")
        if high - low <= 1e-9 * max(abs(low), abs(high)):  # bins without width are not seen
            reach = 0.1 * abs(low) or 0.5
            low, high = low - reach, high + reach
        spaced = np.geomspace if log_scale else np.linspace
        return spaced(low, np.nextafter(high, np.inf), 41)  # the edges of 40 bins


def _label_few(ax: Any) -> None:
    """Label powers of ten, or plain 1, 2 and 5 where there are less than two decades."""
    from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

    low, high = ax.get_xlim()
    if high < 100 * low:
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.xaxis.set_major_formatter(ScalarFormatter())
    ax.xaxis.set_minor_formatter(NullFormatter())


def _border(scores: np.ndarray, trusted: np.ndarray) -> float | None:
    """Return the highest score of the rows that are trusted, unless others lie below it."""
    known = ~np.isnan(scores)
    kept, dropped = scores[trusted & known], scores[~trusted & known]
    separates = len(kept) and len(dropped) and kept.max() <= dropped.min()
    return float(kept.max()) if separates else None


@dataclass(eq=False, repr=False)
class KeptShareDisplay(Display):
    """Share of bad rows among those that training kept, by epoch.

    In the manner of the thesis's Figure 2.2, which shows the share of anomalies among the rows of
    largest error instead.

    Parameters
    ----------
    shares : list of arrays of shape (n_epochs,)
        One curve each.
    names : list of str
        Of the curves.
    rate : float, optional
        Share of bad rows among all.

    Examples
    --------
    >>> from skrobust import RCADetector
    >>> from skrobust.datasets import make_contaminated_moons
    >>> from skrobust.plotting import KeptShareDisplay
    >>> from skrobust.training import KeptShare
    >>> X, bad = make_contaminated_moons(200, random_state=0)
    >>> detector = RCADetector(max_epochs=5, callbacks=[KeptShare(bad)], random_state=0).fit(X)
    >>> display = KeptShareDisplay.from_estimator(detector, rate=0.1)
    """

    shares: list[np.ndarray]
    names: list[str]
    _: KW_ONLY
    rate: float | None = None

    @classmethod
    def from_estimator(
        cls,
        estimators: Any,
        *,
        key: str = "kept_share",
        names: Any = None,
        rate: float | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw what :class:`~skrobust.training.KeptShare` has recorded.

        Parameters
        ----------
        estimators : fitted estimator, or list of them
            Trained with that callback.
        key : str, default="kept_share"
            Its name in the history.
        names : list of str, optional
            Of the curves; the classes by default.
        rate : float, optional
            Share of bad rows among all.
        ax : matplotlib axes, optional
            Where to draw.

        Raises
        ------
        ValueError
            If there are no estimators, or one was trained without the callback.
        TypeError
            If it has no history.
        """
        estimators = listed("estimators", estimators)
        hint = ": train it with callbacks=[skrobust.training.KeptShare(marks)]"
        shares = [history(estimator, key, hint) for estimator in estimators]
        names = names or [type(estimator).__name__ for estimator in estimators]
        return cls.from_predictions(shares, names=names, rate=rate, ax=ax)

    @classmethod
    def from_predictions(
        cls, shares: Any, *, names: Any = None, rate: float | None = None, ax: Any = None
    ) -> Self:
        """Draw curves.

        Parameters
        ----------
        shares : list of array-like of shape (n_epochs,)
            One curve each; a single one may be given as it is, without a list around it.
        names, rate, ax : list of str, float, matplotlib axes
            The curves' names, the share of bad rows among all, and where to draw.

        Raises
        ------
        ValueError
            If there are no curves, they hold no numbers, or there are not as many names.
        """
        curves = runs("shares", shares)
        names = [f"{i + 1}" for i in range(len(curves))] if names is None else list(names)
        if len(names) != len(curves):
            raise ValueError(f"names has {len(names)} entries for {len(curves)} curves")
        return cls(curves, names, rate=rate).plot(ax)

    def _draw(self, ax: Any) -> None:
        ax = self._axes(ax)
        for i, (share, name) in enumerate(zip(self.shares, self.names, strict=True)):
            add_line(ax, i, np.arange(1, len(share) + 1), share, name)
        if self.rate is not None:
            ax.axhline(self.rate, color=GREY, linestyle=":", label="all rows")
        int_ticks(ax)
        ax.set(xlabel="epoch", ylabel="share of bad rows among kept")
        ax.set_ylim(bottom=0)
        if len(self.shares) > 1 or self.rate is not None:
            ax.legend(frameon=False)
        open_frame(ax)
