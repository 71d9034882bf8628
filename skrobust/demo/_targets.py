"""Chapter 4: wrong targets of a regression."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import HuberRegressor
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrobust import PRLRegressor
from skrobust._report import ANOMALY, GREY, NORMAL, open_frame
from skrobust.corruption import corrupt_targets
from skrobust.demo._figures import show
from skrobust.demo._section import Case, Column, Figure, Part, Run, Section, trust_values

__all__ = ["TARGETS"]

PRL, PLAIN = "PRL", "Standard"
_RATE = 0.3
_STANDARD: dict[str, Any] = {"selection": None, "robust_start": 0.0, "score_limit": None}
_METHODS: dict[str, dict[str, Any] | None] = {
    PRL: {},
    "PRL, rate unknown": {"corruption_rate": "auto"},
    PLAIN: _STANDARD,
    "Standard, Huber's loss": {**_STANDARD, "loss": "huber"},
    "HuberRegressor": None,
}
_QUICK: dict[str, Any] = {"max_epochs": 30, "hidden_layer_sizes": (64, 64), "lr": 3e-3}


@dataclass(frozen=True)
class _Predicted:
    """True targets of the test rows, and what a regressor says of them."""

    truth: np.ndarray
    predicted: np.ndarray


@cache
def _diabetes() -> tuple[np.ndarray, np.ndarray]:
    return load_diabetes(return_X_y=True)


@cache
def _nuclei() -> tuple[np.ndarray, np.ndarray]:
    """Ten mean measurements of each sample, and the worst concave points."""
    data = load_breast_cancer()
    names = list(data.feature_names)
    inputs = [i for i, name in enumerate(names) if name.startswith("mean ")]
    return data.data[:, inputs], data.data[:, names.index("worst concave points")]


_PROBLEMS: dict[str, Callable[[], tuple[np.ndarray, np.ndarray]]] = {
    "Cell nuclei": _nuclei,
    "Diabetes": _diabetes,
}


def _measure(case: Case) -> tuple[dict[str, float], _Predicted]:
    X, X_test, truth, y_test = train_test_split(
        *_PROBLEMS[case.problem](), train_size=0.6, random_state=case.seed
    )
    given, wrong = corrupt_targets(truth, _RATE, kind="maximum", random_state=case.seed)
    settings = _METHODS[case.method]
    if settings is None:
        model = make_pipeline(StandardScaler(), HuberRegressor(max_iter=1000)).fit(X, given)
        distrusted = model[-1].outliers_
    else:
        model = PRLRegressor(device="cpu", random_state=case.seed)
        settings = {"corruption_rate": _RATE, **settings, **(_QUICK if case.quick else {})}
        model.set_params(**settings).fit(X, given)
        distrusted = ~model.inlier_mask_
    values = {"r2": float(model.score(X_test, y_test)), **trust_values(distrusted, wrong)}
    return values, _Predicted(y_test, model.predict(X_test))


def _draw(runs: Sequence[Run]) -> list[Part]:
    seed = runs[0].case.seed
    figures = []
    for problem in _PROBLEMS:
        pair = {
            run.case.method: run.details
            for run in runs
            if (run.case.problem, run.case.seed) == (problem, seed)
            and run.case.method in (PRL, PLAIN)
        }
        figures.append(Figure(_scatter(pair), problem, f"Predicted and true targets: {problem}"))
    text = (
        "First seed, clean test rows. On the dotted line predictions are right; a network that "
        "has learnt the wrong targets predicts too much."
    )
    return [Part("Predictions of test rows", text, figures)]


def _scatter(pair: dict[str, _Predicted]) -> bytes:
    def draw(ax) -> None:
        for method, colour, mark in ((PLAIN, ANOMALY, "x"), (PRL, NORMAL, "o")):
            rows = pair[method]
            ax.plot(rows.truth, rows.predicted, mark, color=colour, markersize=4, label=method)
        ends = [pair[PRL].truth.min(), pair[PRL].truth.max()]
        ax.plot(ends, ends, color=GREY, linestyle=":")
        ax.set(xlabel="true target", ylabel="predicted target")
        ax.legend(frameon=False)
        open_frame(ax)

    return show(draw)


TARGETS = Section(
    key="targets",
    title="Wrong targets",
    lead=(
        "Chapter 4. 30 % of the training targets are set to the largest one, as by a sensor that "
        "sticks; the test targets are clean. PRL drops the rows of every batch whose loss has the "
        "largest gradient. Standard is the same network on all rows, with the squared error and "
        "with Huber's loss. HuberRegressor is scikit-learn's, a linear model."
    ),
    problems=_PROBLEMS,
    stories=[
        "Cell nuclei: the worst concave points of a sample, from the ten mean measurements "
        "(load_breast_cancer).",
        "Diabetes: the progression of the disease after a year, from ten measurements.",
    ],
    methods=_METHODS,
    measure=_measure,
    draw=_draw,
    columns=[
        *(Column(f"{name}\nR²", "r2", name, best="high") for name in _PROBLEMS),
        Column("rows\ndistrusted", "flagged", form="percent"),
        Column("wrong\namong these", "right", form="percent", best="high"),
        Column("CPU\nseconds", "seconds", form="seconds"),
    ],
    note=(
        "R²: share of the variance of clean test targets that is explained; below 0 is worse than "
        "their mean. Distrusted: share of the training rows whose target the model does not trust, "
        "and the share of wrong targets among those, means over both problems."
    ),
    main="r2",
    main_words="mean R²",
    robust=PRL,
    plain=PLAIN,
    bad="wrong",
    limit=(
        "Where the true targets scatter nearly as widely as the wrong ones, as in the diabetes "
        "data, dropping rows limits the damage but does not make a good model, and a linear one "
        "may be better. Wrong targets that are all alike are easy to learn: the estimate of their "
        "share, “rate unknown”, can then be far too low, and with it goes the protection."
    ),
    settings=(
        "60 % of the rows to train. PRLRegressor: its defaults and the true rate, or "
        "corruption_rate='auto'; Standard: selection=None, robust_start=0, score_limit=None. "
        "HuberRegressor: max_iter=1000 on standardised rows."
    ),
)
