"""Curves with bands over seeds: training, and the rate that a method is told."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.model_selection import validation_curve
from sklearn.utils.validation import column_or_1d

from skrobust.plotting._style import COLOURS, GREY, LINES, Display, check_has, open_frame

__all__ = ["RateSensitivityDisplay", "TrainingCurveDisplay"]

_RATES = ("corruption_rate", "contamination")


class _Bands(Display):
    """Means over seeds with a band of one standard deviation on either side."""

    def _draw(self, ax, x, curves: Mapping[str, np.ndarray]) -> None:
        for i, (name, values) in enumerate(curves.items()):
            colour, line = COLOURS[i % len(COLOURS)], LINES[i % len(LINES)]
            known = ~np.isnan(values).all(axis=0)
            places, values = x[: values.shape[1]][known], values[:, known]
            mean, spread = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
            ax.plot(places, mean, color=colour, linestyle=line, label=name)
            if len(values) > 1:
                low, high = mean - spread, mean + spread
                ax.fill_between(places, low, high, color=colour, alpha=0.2, linewidth=0)
        if len(curves) > 1 or set(ax.get_legend_handles_labels()[1]) - set(curves):
            ax.legend(frameon=False)
        open_frame(ax)


class TrainingCurveDisplay(_Bands):
    """A value by epoch, mean and standard deviation over seeds (thesis, Figures 4.2 and 4.3).

    Parameters
    ----------
    curves : dict of str to array of shape (n_seeds, n_epochs)
        By name; shorter ones end with nan.
    ylabel : str, default="value"
        What is drawn.

    Attributes
    ----------
    ax_, figure_
        What it was drawn on.

    Examples
    --------
    >>> from skrobust.plotting import TrainingCurveDisplay
    >>> display = TrainingCurveDisplay.from_predictions({"PRL": [[0.5, 0.7, 0.8], [0.4, 0.7, 0.9]]})
    """

    def __init__(self, curves, *, ylabel="value"):
        self.curves = curves
        self.ylabel = ylabel

    @classmethod
    def from_estimator(cls, estimators, *, key="train_loss", ax=None):
        """Draw a value that the histories of fitted estimators hold.

        Parameters
        ----------
        estimators : fitted estimator, list of them, or dict of str to lists
            Those of one list differ in their seed.
        key : str, default="train_loss"
            Which value.
        ax : matplotlib axes, optional
            Where to draw.

        Returns
        -------
        TrainingCurveDisplay

        Raises
        ------
        ValueError
            If there are no estimators, or a history does not hold the value.
        TypeError
            If an estimator has no history.
        """
        if not isinstance(estimators, Mapping):
            several = _listed(estimators)
            estimators = {type(several[0]).__name__ if several else "estimators": several}
        curves = {}
        for name, given in estimators.items():
            several = _listed(given)
            for estimator in several:
                check_has(estimator, "history_")
                if key not in estimator.history_[-1]:
                    known = ", ".join(sorted(k for k in estimator.history_[-1] if k != "batches"))
                    raise ValueError(f"the history has no {key!r}; it has {known}")
            curves[name] = [estimator.history_[:, key] for estimator in several]
        return cls.from_predictions(curves, ylabel=key, ax=ax)

    @classmethod
    def from_predictions(cls, curves, *, ylabel="value", ax=None):
        """Draw curves.

        Parameters
        ----------
        curves : dict of str to list of array-like of shape (n_epochs,)
            By name; one for each seed.
        ylabel : str, default="value"
            What is drawn.
        ax : matplotlib axes, optional
            Where to draw.

        Returns
        -------
        TrainingCurveDisplay

        Raises
        ------
        ValueError
            If there are no curves, or a name has none.
        TypeError
            If ``curves`` is no dict.
        """
        if not isinstance(curves, Mapping):
            raise TypeError(f"curves must be a dict of lists by name, got {type(curves).__name__}")
        if not curves:
            raise ValueError("curves is empty")
        padded = {}
        for name, several in curves.items():
            if not len(several):
                raise ValueError(f"{name!r} has no curve")
            length = max(map(len, several))
            padded[name] = np.full((len(several), length), np.nan)
            for row, values in zip(padded[name], several, strict=True):
                row[: len(values)] = values
        return cls(padded, ylabel=ylabel).plot(ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib axes, optional
            Where.

        Returns
        -------
        TrainingCurveDisplay
        """
        ax = self._axes(ax)
        longest = max(values.shape[1] for values in self.curves.values())
        self._draw(ax, np.arange(1, longest + 1), self.curves)
        ax.set(xlabel="epoch", ylabel=self.ylabel)
        return self


def _listed(estimators) -> list:
    return list(estimators) if isinstance(estimators, (list, tuple)) else [estimators]


class RateSensitivityDisplay(_Bands):
    """A score by the rate that a method is told, mean over seeds (thesis, Figures 3.5 and 3.6).

    Parameters
    ----------
    rates : array of shape (n_rates,)
        What was told.
    curves : dict of str to array of shape (n_seeds, n_rates)
        Scores by name.
    true_rate : float, optional
        What is the case.
    ylabel : str, default="score"
        What is drawn.

    Attributes
    ----------
    ax_, figure_
        What it was drawn on.

    Examples
    --------
    >>> import pandas as pd
    >>> from skrobust.plotting import RateSensitivityDisplay
    >>> frame = pd.DataFrame({"rate": [0.1, 0.2], "method": "PRL", "seed": 0, "score": [0.9, 0.8]})
    >>> display = RateSensitivityDisplay.from_predictions(frame, true_rate=0.1)
    """

    def __init__(self, rates, curves, *, true_rate=None, ylabel="score"):
        self.rates = rates
        self.curves = curves
        self.true_rate = true_rate
        self.ylabel = ylabel

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        *,
        rates,
        param_name=None,
        true_rate=None,
        scoring=None,
        cv=None,
        n_jobs=None,
        ax=None,
    ):
        """Cross-validate an estimator that is told one rate after the other.

        The folds that it is tested on are as corrupted as the others: where a clean test set is
        known, compute the scores and use ``from_predictions``.

        Parameters
        ----------
        estimator : estimator
            Cloned.
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Rows.
        y : array-like of shape (n_samples,)
            What ``scoring`` compares with; for detectors, 1 for anomalies.
        rates : array-like of shape (n_rates,)
            What it is told.
        param_name : str, optional
            The parameter; "corruption_rate" or "contamination" by default, whichever there is.
        true_rate : float, optional
            What is the case: a vertical line.
        scoring : str or callable, optional
            As in :func:`sklearn.model_selection.cross_val_score`, for example "roc_auc".
        cv : int or splitter, optional
            The same; the band is over its folds.
        n_jobs : int, optional
            Processes.
        ax : matplotlib axes, optional
            Where to draw.

        Returns
        -------
        RateSensitivityDisplay

        Raises
        ------
        ValueError
            If no parameter is named and the estimator has neither of the two.
        """
        if param_name is None:
            known = [name for name in _RATES if name in estimator.get_params()]
            if not known:
                raise ValueError(
                    f"{type(estimator).__name__} has neither of {', '.join(_RATES)}: pass "
                    "param_name, such as 'prlclassifier__corruption_rate' in a pipeline"
                )
            param_name = known[0]
        rates = np.sort(column_or_1d(rates))
        settings = {"scoring": scoring, "cv": cv, "n_jobs": n_jobs}
        _, scores = validation_curve(
            estimator, X, y, param_name=param_name, param_range=rates, **settings
        )
        ylabel = scoring if isinstance(scoring, str) else "score"
        curves = {type(estimator).__name__: scores.T}
        return cls(rates, curves, true_rate=true_rate, ylabel=ylabel).plot(ax)

    @classmethod
    def from_predictions(cls, frame, *, value="score", true_rate=None, ax=None):
        """Draw a table of results.

        Parameters
        ----------
        frame : DataFrame
            Columns "rate" and the value; "method" and "seed", if there are several.
        value : str, default="score"
            Column to draw.
        true_rate : float, optional
            What is the case: a vertical line.
        ax : matplotlib axes, optional
            Where to draw.

        Returns
        -------
        RateSensitivityDisplay

        Raises
        ------
        ValueError
            If a column is missing.
        """
        frame = pd.DataFrame(frame)
        lacking = [name for name in ("rate", value) if name not in frame]
        if lacking:
            raise ValueError(f"frame lacks the column {lacking[0]!r}")
        frame = frame.assign(method=frame.get("method", ""), seed=frame.get("seed", 0))
        rates = np.sort(frame["rate"].unique())
        curves = {
            str(name): part.pivot_table(index="seed", columns="rate", values=value)
            .reindex(columns=rates)
            .to_numpy()
            for name, part in frame.groupby("method", sort=False)
        }
        return cls(rates, curves, true_rate=true_rate, ylabel=value).plot(ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib axes, optional
            Where.

        Returns
        -------
        RateSensitivityDisplay
        """
        ax = self._axes(ax)
        if self.true_rate is not None:
            ax.axvline(self.true_rate, color=GREY, linestyle=":", label="true rate")
        self._draw(ax, self.rates, self.curves)
        ax.set(xlabel="assumed rate", ylabel=self.ylabel)
        return self
