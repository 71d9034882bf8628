"""The marks that a screen for poison has found, and rows that carry them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from sklearn.utils import column_or_1d

from skrobust._validation import check_whole
from skrobust.plotting._checks import check_has
from skrobust.plotting._pictures import draw_image
from skrobust.plotting._style import GREY, Display, draw_bars, grid_in_place_of, plain_text

__all__ = ["PoisonScreenDisplay"]

_NOTHING = "No label is flagged:\nno mark was found that gives other rows its label."


@dataclass(eq=False, repr=False)
class PoisonScreenDisplay(Display):
    """The mark of each flagged label: as a picture with rows that carry it, or as columns.

    Pictures: the mark, red where it adds and blue where it takes away (marks of three channels are
    added to grey), suspects of highest score, and below them the same without the mark. Tables: the
    columns that the mark changes most. Where no label is flagged, a sentence says so.

    Parameters
    ----------
    marks : list of array of shape (channels, height, width) or (n_features,)
        One for each label, in the units of the features.
    titles : list of str
        What stands above each.
    suspects : list of array of shape (n_shown, channels, height, width), optional
        Rows that carry each mark, for pictures.
    row_names : list of list of str, optional
        What stands above each of these.
    value_range : pair of float, default=(0, 1)
        What is black and what is white in them.
    feature_names : list of str, optional
        Names of the columns of a table.
    spread : array of shape (n_features,), optional
        Their standard deviations.
    n_columns : int, default=10
        Most columns that are drawn.

    Attributes
    ----------
    axes_ : list of array of axes
        For each label: of its mark and of its rows, first those with the mark, then those without.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skrobust import PoisonScreen
    >>> from skrobust.corruption import PatchTrigger, poison
    >>> from skrobust.plotting import PoisonScreenDisplay
    >>> digits = load_digits()
    >>> X, y, _ = poison(
    ...     digits.images[:, None] / 16, digits.target, PatchTrigger(2), 0.03,
    ...     target_map="all-to-one", target=4, random_state=0,
    ... )
    >>> screen = PoisonScreen(random_state=0).fit(X, y)
    >>> display = PoisonScreenDisplay.from_estimator(screen, X, y)
    >>> display.titles
    ['label 4: ... rows are suspect']
    """

    marks: Sequence[np.ndarray]
    titles: Sequence[str]
    _: KW_ONLY
    suspects: Sequence[np.ndarray] | None = None
    row_names: Sequence[Sequence[str]] | None = None
    value_range: tuple[float, float] = (0.0, 1.0)
    feature_names: Sequence[str] | None = None
    spread: np.ndarray | None = None
    n_columns: int = 10

    @classmethod
    def from_estimator(
        cls,
        screen: Any,
        X: Any,
        y: Any,
        *,
        labels: Any = None,
        titles: Any = None,
        n_shown: int = 6,
        n_columns: int = 10,
        row_names: Any = None,
        feature_names: Any = None,
        ax: Any = None,
    ) -> Self:
        """Draw what a fitted screen has found.

        Parameters
        ----------
        screen : fitted PoisonScreen
            Who looked for marks.
        X : array-like of shape (n_samples, n_features), (n_samples, height, width) or (n_samples, \
channels, height, width)
            The rows that it was fitted on; pictures of 1 or 3 channels.
        y : array-like of shape (n_samples,)
            Their labels.
        labels : list of labels, optional
            Which of the flagged ones; all by default.
        titles : list of str, optional
            One for each label; by default the label and how many of its rows are suspect.
        n_shown : int, default=6
            How many suspects of a label are drawn.
        n_columns : int, default=10
            How many columns of a table.
        row_names : list of str of length n_samples, optional
            Names of the rows; "row" and their place, from 0, by default.
        feature_names : list of str of length n_features, optional
            Names of a table's columns; by default those of the fit, or "feature 1" and so on.
        ax : matplotlib axes, optional
            Whose place is taken.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        TypeError
            If the estimator has found no labels.
        ValueError
            If rows, labels or names are not as many as in ``fit``, a label is not flagged, or the
            rows are neither a table nor pictures of 1 or 3 channels.
        """
        check_has(screen, "flagged_labels_")
        check_whole("n_shown", n_shown, 1)
        check_whole("n_columns", n_columns, 1)
        values, y = np.asarray(X), column_or_1d(y)
        n_rows = len(screen.inlier_mask_)
        given = {"X": values, "y": y, **({} if row_names is None else {"row_names": row_names})}
        for name, part in given.items():
            if len(part) != n_rows:
                raise ValueError(f"{name} has {len(part)} entries, but fit had {n_rows} rows")
        labels = screen.flagged_labels_ if labels is None else labels
        if titles is not None and len(titles) != len(labels):
            raise ValueError(f"titles has {len(titles)} entries for {len(labels)} labels")
        marks = [screen.trigger(label) for label in labels]
        groups = [_by_score(screen, y == label) for label in labels]
        titles = titles or [
            f"label {label}: {len(rows):,} of {int((y == label).sum()):,} rows are suspect"
            for label, rows in zip(labels, groups, strict=True)
        ]
        if values.ndim == 2:
            columns = _names_of(feature_names, screen, values.shape[1])
            spread = values.std(axis=0, dtype=np.float64)
            display = cls(marks, titles, feature_names=columns, spread=spread, n_columns=n_columns)
            return display.plot(ax)
        pictures = _as_pictures(values)
        shown = [rows[:n_shown] for rows in groups]
        return cls(
            [mark.reshape(pictures.shape[1:]) for mark in marks],
            titles,
            suspects=[pictures[rows].astype(np.float64) for rows in shown],
            row_names=[
                [f"row {row}" if row_names is None else str(row_names[row]) for row in rows]
                for rows in shown
            ],
            value_range=(float(pictures.min()), float(pictures.max())),
        ).plot(ax)

    def _draw(self, ax: Any) -> None:
        n_labels, is_table = len(self.marks), self.suspects is None
        self.axes_: list[np.ndarray] = []
        if not n_labels:
            ax = self._axes(ax, (5.6, 1.2))
            ax.set_axis_off()
            ax.text(0.5, 0.5, _NOTHING, ha="center", va="center", transform=ax.transAxes)
            return
        height = 0.28 * self._n_drawn + 1.2 if is_table else 2.7
        ax = self._axes(ax, (6.4 if is_table else 9.0, height * n_labels))
        places = grid_in_place_of(ax, n_labels, 1)
        draw = self._draw_columns if is_table else self._draw_pictures
        self.axes_ = [draw(i, places[i, 0]) for i in range(n_labels)]

    @property
    def _n_drawn(self) -> int:
        return min(self.n_columns, self.marks[0].size)

    def _draw_columns(self, i: int, place: Any) -> np.ndarray:
        """Draw bars of the columns that a mark changes most."""
        ax = self.figure_.add_subplot(place)
        mark, spread = self.marks[i], np.asarray(self.spread)
        sizes = np.divide(mark, spread, out=np.zeros(len(mark)), where=spread > 0)
        top = np.argsort(-np.abs(sizes), kind="stable")[: self._n_drawn]
        names = [(self.feature_names or [])[j] for j in top]
        draw_bars(ax, names, sizes[top], [f"{mark[j]:+.3g}" for j in top], 0.3)
        ax.axvline(0, color=GREY, linewidth=0.8)
        ax.set_xlabel(
            "mean difference in standard deviations\n(at the bars: in the column's units)"
        )
        ax.spines["left"].set_visible(False)
        ax.set_title(plain_text(self.titles[i], 70), fontsize=10, loc="left")
        return np.array([ax])

    def _draw_pictures(self, i: int, place: Any) -> np.ndarray:
        """Draw a mark, and beside it rows with it and without it."""
        mark, rows = self.marks[i], (self.suspects or [])[i]
        ratios = {
            "width_ratios": [2.0, 0.3, *[1] * max(len(rows), 1)],
            "height_ratios": [0.1, 1, 1],
        }
        grid = place.subgridspec(3, len(ratios["width_ratios"]), **ratios)
        heading = self.figure_.add_subplot(grid[0, :])
        heading.set_axis_off()
        heading.text(0, 0, plain_text(self.titles[i], 100), fontsize=10)
        large = self.figure_.add_subplot(grid[1:, 0])
        large.set_xlabel(_draw_mark(large, mark), fontsize=9)
        axes = [large]
        low, high = self.value_range
        without = np.clip(rows - mark, low, high)
        for line, (name, pictures) in enumerate(
            {"suspects": rows, "without mark": without}.items()
        ):
            for j, picture in enumerate(pictures):
                ax = self.figure_.add_subplot(grid[line + 1, j + 2])
                draw_image(ax, (picture - low) / ((high - low) or 1.0))
                if line == 0:
                    ax.set_title(plain_text((self.row_names or [])[i][j], 16), fontsize=8)
                if j == 0:
                    ax.set_ylabel(name, fontsize=9)
                axes.append(ax)
        return np.array(axes)


def _by_score(screen: Any, of_label: np.ndarray) -> np.ndarray:
    """Places of the suspects of a label, highest score first."""
    rows = np.flatnonzero(of_label & ~screen.inlier_mask_)
    return rows[np.argsort(-screen.sample_scores_[rows], kind="stable")]


def _names_of(given: Any, screen: Any, n_features: int) -> list[str]:
    """Names of a table's columns: those given, those of the fit, or their numbers."""
    if given is None:
        numbered = [f"feature {j + 1}" for j in range(n_features)]
        given = getattr(screen, "feature_names_in_", numbered)
    if len(given) != n_features:
        raise ValueError(f"feature_names has {len(given)} entries for {n_features} features")
    return [str(name) for name in given]


def _as_pictures(values: np.ndarray) -> np.ndarray:
    """Rows as (n_samples, channels, height, width)."""
    pictures = values[:, None] if values.ndim == 3 else values
    if pictures.ndim != 4 or pictures.shape[1] not in (1, 3):
        raise ValueError(
            "X must have the shape (n_samples, n_features), (n_samples, height, width) or "
            f"(n_samples, 1 or 3, height, width), got {values.shape}"
        )
    return pictures


def _draw_mark(ax: Any, mark: np.ndarray) -> str:
    """Show a mark (1 or 3 channels, height, width) around zero; returns what its colours mean."""
    reach = max(float(np.abs(mark).max()), 1e-12)
    if len(mark) == 3:
        draw_image(ax, 0.5 + mark / (2 * reach))
        return f"mark on grey, up to ±{reach:.2g}"
    ax.imshow(mark[0], cmap="RdBu_r", vmin=-reach, vmax=reach, interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    return f"mark: −{reach:.2g} (blue)\nto +{reach:.2g} (red)"
