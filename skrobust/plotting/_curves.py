"""Curves with bands over seeds: training, and the rate that a method is told."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.model_selection import validation_curve

from skrobust.plotting._checks import check_known, check_mapping, history, listed, numbers, runs
from skrobust.plotting._style import GREY, Display, add_line, int_ticks, open_frame

__all__ = ["RateSensitivityDisplay", "TrainingCurveDisplay"]


def _draw_bands(ax: Any, x: np.ndarray, curves: Mapping[str, np.ndarray]) -> None:
    """Draw means over seeds with a band of one standard deviation on either side."""
    for i, (name, values) in enumerate(curves.items()):
        known = ~np.isnan(values).all(axis=0)
        places, values = x[: values.shape[1]][known], values[:, known]
        mean, spread = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
        colour = add_line(ax, i, places, mean, name)
        if len(values) > 1:
            low, high = mean - spread, mean + spread
            ax.fill_between(places, low, high, color=colour, alpha=0.2, linewidth=0)
    if len(curves) > 1 or set(ax.get_legend_handles_labels()[1]) - set(curves):
        ax.legend(frameon=False)
    open_frame(ax)


@dataclass(eq=False, repr=False)
class TrainingCurveDisplay(Display):
    """A value by epoch, mean and standard deviation over seeds (thesis, Figures 4.2 and 4.3).

    Parameters
    ----------
    curves : dict of str to array of shape (n_seeds, n_epochs)
        By name; shorter ones end with nan.
    ylabel : str, default="value"
        What is drawn.

    Examples
    --------
    >>> from skrobust.plotting import TrainingCurveDisplay
    >>> display = TrainingCurveDisplay.from_predictions({"PRL": [[0.5, 0.7, 0.8], [0.4, 0.7, 0.9]]})
    """

    curves: Mapping[str, np.ndarray]
    _: KW_ONLY
    ylabel: str = "value"

    @classmethod
    def from_estimator(cls, estimators: Any, *, key: str = "train_loss", ax: Any = None) -> Self:
        """Draw a value that the histories of fitted estimators hold.

        Parameters
        ----------
        estimators : fitted estimator, list of them, or dict of str to lists
            Those of one list differ in their seed.
        key : str, default="train_loss"
            Which value.
        ax : matplotlib axes, optional
            Where to draw.

        Raises
        ------
        ValueError
            If there are no estimators, or a history does not hold the value.
        TypeError
            If an estimator has no history.
        """
        if not isinstance(estimators, Mapping):
            several = listed("estimators", estimators)
            estimators = {type(several[0]).__name__: several}
        curves = {
            name: [history(estimator, key) for estimator in listed(f"estimators[{name!r}]", given)]
            for name, given in estimators.items()
        }
        return cls.from_predictions(curves, ylabel=key, ax=ax)

    @classmethod
    def from_predictions(cls, curves: Any, *, ylabel: str = "value", ax: Any = None) -> Self:
        """Draw curves.

        Parameters
        ----------
        curves : dict of str to list of array-like of shape (n_epochs,)
            By name: one for each seed, or the rows of an array or a DataFrame, or a single one.
        ylabel : str, default="value"
            What is drawn.
        ax : matplotlib axes, optional
            Where to draw.

        Raises
        ------
        ValueError
            If there are no curves, or what a name has is none, no numbers, or nan throughout.
        TypeError
            If ``curves`` is no dict.
        """
        check_mapping("curves", curves, "lists")
        if not curves:
            raise ValueError("curves is empty")
        padded = {}
        for name, given in curves.items():
            several = runs(f"curves[{name!r}]", given)
            padded[name] = np.full((len(several), max(map(len, several))), np.nan)
            for row, values in zip(padded[name], several, strict=True):
                row[: len(values)] = values
        return cls(padded, ylabel=ylabel).plot(ax)

    def _draw(self, ax: Any) -> None:
        ax = self._axes(ax)
        longest = max(values.shape[1] for values in self.curves.values())
        _draw_bands(ax, np.arange(1, longest + 1), self.curves)
        int_ticks(ax)
        ax.set(xlabel="epoch", ylabel=self.ylabel)


@dataclass(eq=False, repr=False)
class RateSensitivityDisplay(Display):
    """A score by the rate that a method is told, mean over seeds (thesis, Figures 3.5 and 3.6).

    Parameters
    ----------
    rates : array of shape (n_rates,)
        What was told.
    curves : dict of str to array of shape (n_seeds, n_rates)
        Scores by name.
    true_rate : float, optional
        What is the case: a vertical line.
    ylabel : str, default="score"
        What is drawn.

    Examples
    --------
    >>> import pandas as pd
    >>> from skrobust.plotting import RateSensitivityDisplay
    >>> frame = pd.DataFrame({"rate": [0.1, 0.2], "method": "PRL", "seed": 0, "score": [0.9, 0.8]})
    >>> display = RateSensitivityDisplay.from_predictions(frame, true_rate=0.1)
    """

    rates: np.ndarray
    curves: Mapping[str, np.ndarray]
    _: KW_ONLY
    true_rate: float | None = None
    ylabel: str = "score"

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        rates: Any,
        param_name: str | None = None,
        true_rate: float | None = None,
        scoring: str | Callable | None = None,
        cv: Any = None,
        n_jobs: int | None = None,
        ax: Any = None,
    ) -> Self:
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
            What is the case.
        scoring : str or callable, optional
            As in :func:`sklearn.model_selection.cross_val_score`, for example "roc_auc".
        cv : int or splitter, optional
            The same; the band is over its folds.
        n_jobs : int, optional
            Processes.
        ax : matplotlib axes, optional
            Where to draw.

        Raises
        ------
        ValueError
            If no parameter is named and the estimator has neither of the two, there are no rates,
            or no score is a number. Errors of the estimator are raised as they are.
        """
        rates = np.sort(_check_rates("rates", rates))
        settings = {"scoring": scoring, "cv": cv, "n_jobs": n_jobs, "error_score": "raise"}
        told = {"param_name": param_name or _rate_name(estimator), "param_range": rates.tolist()}
        try:
            scores = validation_curve(estimator, X, y, **told, **settings)[1]
        except ValueError as error:
            # scikit-learn has put the name of its function in place of the estimator's
            if error.__cause__ is None or "of validation_curve must" not in str(error):
                raise
            raise error.__cause__ from None
        ylabel = scoring if isinstance(scoring, str) else "score"
        if np.isnan(scores).all():
            raise ValueError(
                f"the {ylabel} is nan at each of the rates {rates.tolist()}: see that each fold "
                "that cv makes holds rows of every class"
            )
        curves = {type(estimator).__name__: scores.T}
        return cls(rates, curves, true_rate=true_rate, ylabel=ylabel).plot(ax)

    @classmethod
    def from_predictions(
        cls, frame: Any, *, value: str = "score", true_rate: float | None = None, ax: Any = None
    ) -> Self:
        """Draw a table of results.

        Parameters
        ----------
        frame : DataFrame
            Columns "rate" and the value; "method" and "seed", if there are several.
        value : str, default="score"
            Column to draw.
        true_rate : float, optional
            What is the case.
        ax : matplotlib axes, optional
            Where to draw.

        Raises
        ------
        ValueError
            If a column is missing, a rate is not finite, or a method has no number.
        """
        frame = pd.DataFrame(frame)
        lacking = [name for name in ("rate", value) if name not in frame]
        if lacking:
            raise ValueError(f"frame lacks the column {lacking[0]!r}")
        rates = _check_rates("the column 'rate' of frame", frame["rate"])
        values = numbers(f"the column {value!r} of frame", frame[value])
        method, seed = frame.get("method", ""), frame.get("seed", 0)
        frame = frame.assign(**{"rate": rates, value: values, "method": method, "seed": seed})
        rates, curves = np.unique(rates), {}
        for name, part in frame.groupby("method", sort=False, dropna=False):
            which = f", method {name!r}," if name else ""
            check_known(f"the column {value!r} of frame{which}", part[value])
            table = part.pivot_table(index="seed", columns="rate", values=value)
            curves[str(name)] = table.reindex(columns=rates).to_numpy()
        return cls(rates, curves, true_rate=true_rate, ylabel=value).plot(ax)

    def _draw(self, ax: Any) -> None:
        ax = self._axes(ax)
        if self.true_rate is not None:
            ax.axvline(self.true_rate, color=GREY, linestyle=":", label="true rate")
        _draw_bands(ax, self.rates, self.curves)
        ax.set(xlabel="assumed rate", ylabel=self.ylabel)


def _rate_name(estimator: Any) -> str:
    """Return the parameter by which an estimator is told a rate."""
    for name in ("corruption_rate", "contamination"):
        if name in estimator.get_params():
            return name
    raise ValueError(
        f"{type(estimator).__name__} has neither of corruption_rate, contamination: pass "
        "param_name, such as 'prlclassifier__corruption_rate' in a pipeline"
    )


def _check_rates(name: str, values: Any) -> np.ndarray:
    rates = numbers(name, values)
    if not len(rates) or not np.isfinite(rates).all():
        wrong = reprlib.repr(rates.tolist())
        raise ValueError(f"{name} must hold finite numbers, at least one, got {wrong}")
    return rates
