"""Chapter 4: wrong labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback

from skrobust import PRLClassifier
from skrobust._preprocessing import TablePreprocessor
from skrobust.corruption import corrupt_labels
from skrobust.demo._figures import show
from skrobust.demo._section import Case, Column, Figure, Part, Run, Section, trust_values
from skrobust.plotting import DistrustedRowsDisplay, TrainingCurveDisplay

__all__ = ["LABELS", "digits"]

PRL, PLAIN = "PRL", "Standard"
_PROBLEMS: dict[str, tuple[str, float]] = {
    "Random labels": ("symmetric", 0.4),
    "Next digit": ("pairflip", 0.3),
}
_METHODS: dict[str, dict[str, Any] | None] = {
    PRL: {},
    "PRL, rate unknown": {"corruption_rate": "auto"},
    PLAIN: {"selection": None, "early_stopping": False},
    "Standard, stopped early": {"selection": None},
    "LogisticRegression": None,
}
_WATCHED = (PRL, PLAIN)
_QUICK: dict[str, Any] = {"max_epochs": 25, "hidden_layer_sizes": (64, 64), "lr": 3e-3}


@dataclass(frozen=True)
class _Trained:
    """A classifier's accuracy by epoch, and of its training rows what it thinks of them."""

    X: np.ndarray
    truth: np.ndarray
    given: np.ndarray
    scores: np.ndarray = field(default_factory=lambda: np.empty(0))
    suggested: np.ndarray = field(default_factory=lambda: np.empty(0))
    accuracies: list[float] = field(default_factory=list)


class _Watch(Callback):
    """Measures the accuracy on clean rows after every epoch; training does not see them."""

    def __init__(self, X: np.ndarray, y: np.ndarray) -> None:
        self.X = torch.from_numpy(X)
        self.y = torch.from_numpy(y)
        self.accuracies: list[float] = []

    def on_epoch_end(self, net, **kwargs):
        found = net.run_rows(self.X).mean(dim=0).argmax(dim=1)
        self.accuracies.append(float((found == self.y).double().mean()))


@cache
def digits() -> tuple[np.ndarray, np.ndarray]:
    """Handwritten digits, 8 × 8 pixels in [0, 1] (n, 64), and what they are (n,)."""
    X, y = load_digits(return_X_y=True)
    return X / 16, y


def _measure(case: Case) -> tuple[dict[str, float], _Trained]:
    kind, rate = _PROBLEMS[case.problem]
    split = train_test_split(
        *digits(), train_size=0.6, stratify=digits()[1], random_state=case.seed
    )
    X, X_test, truth, y_test = split
    given, wrong = corrupt_labels(truth, rate, kind=kind, random_state=case.seed)
    settings = _METHODS[case.method]
    if settings is None:
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(X, given)
        values = {"accuracy": model.score(X_test, y_test), **trust_values(None, wrong)}
        return values, _Trained(X, truth, given)
    watch = _Watch(TablePreprocessor("standard", "error").fit(X).transform(X_test), y_test)
    model = PRLClassifier(device="cpu", random_state=case.seed)
    model.set_params(**{"corruption_rate": rate, **settings, **(_QUICK if case.quick else {})})
    if case.method in _WATCHED:
        model.set_params(callbacks=[watch])
    model.fit(X, given)
    values = {
        "accuracy": float(model.score(X_test, y_test)),
        **trust_values(~model.inlier_mask_, wrong),
    }
    suggested = model.predict(X)
    return values, _Trained(X, truth, given, model.sample_scores_, suggested, watch.accuracies)


def _draw(runs: Sequence[Run]) -> list[Part]:
    seed = runs[0].case.seed
    least = [run for run in runs if run.case.seed == seed and run.case.method == PRL]
    return [
        Part(
            "Learning, then learning by heart",
            "Accuracy on clean test rows after every epoch, mean and standard deviation over the "
            "seeds. PRL may stop early, and it keeps the epoch that fits held-out training rows "
            "best, so the table can have another value than the end of its curve.",
            [Figure(_curves(runs, name), name, f"Accuracy by epoch: {name}") for name in _PROBLEMS],
        ),
        Part(
            "The training rows that PRL trusts least",
            "First seed. Above each picture: number of the row, the label it was given, and what "
            "PRL takes it for.",
            [_least_trusted(run) for run in least],
        ),
    ]


def _curves(runs: Sequence[Run], problem: str) -> bytes:
    curves = {
        method: [
            run.details.accuracies
            for run in runs
            if (run.case.problem, run.case.method) == (problem, method)
        ]
        for method in _WATCHED
    }
    return show(
        lambda ax: TrainingCurveDisplay.from_predictions(curves, ylabel="test accuracy", ax=ax)
    )


def _least_trusted(run: Run, n_shown: int = 10) -> Figure:
    rows: _Trained = run.details
    words = np.array([f"{a} → {b}" for a, b in zip(rows.given, rows.suggested, strict=True)])
    top = np.argsort(-rows.scores, kind="stable")[:n_shown]
    n_wrong = int(np.sum(rows.given[top] != rows.truth[top]))
    n_right = int(np.sum(rows.suggested[top] == rows.truth[top]))
    png = show(
        lambda ax: DistrustedRowsDisplay.from_predictions(
            rows.scores, images=rows.X.reshape(-1, 1, 8, 8), y=words, n_shown=n_shown, ax=ax
        ),
        5.6,
        2.8,
    )
    name = run.case.problem
    caption = f"{name}: {n_wrong} of {n_shown} labels are wrong, {n_right} suggestions are right"
    return Figure(png, caption, f"The least trusted digits with their labels: {name}")


LABELS = Section(
    key="labels",
    title="Wrong labels",
    lead=(
        "Chapter 4. A part of the training labels is wrong; the test labels are clean. PRL drops "
        "the rows of every batch whose loss has the largest gradient at the network's output. "
        "Standard is the same network on all rows, trained to the end as in the chapter, and with "
        "PRL's early stopping. LogisticRegression is scikit-learn's."
    ),
    problems=_PROBLEMS,
    stories=[
        "Random labels: handwritten digits; 40 % of the training rows have another label, each of "
        "the other nine equally likely.",
        "Next digit: the same digits; 30 % of the training rows are labelled as the next digit.",
    ],
    methods=_METHODS,
    measure=_measure,
    draw=_draw,
    columns=[
        Column("Random labels\naccuracy", "accuracy", "Random labels", best="high"),
        Column("Next digit\naccuracy", "accuracy", "Next digit", best="high"),
        Column("Random l.\ndistrusted", "flagged", "Random labels", form="percent"),
        Column("wrong\namong these", "right", "Random labels", form="percent", best="high"),
        Column("Next d.\ndistrusted", "flagged", "Next digit", form="percent"),
        Column("wrong\namong these", "right", "Next digit", form="percent", best="high"),
        Column("CPU\nseconds", "seconds", form="seconds"),
    ],
    note=(
        "Accuracy on clean test rows. Distrusted: share of the training rows whose label the "
        "network does not trust, for Standard those of highest loss; and the share of wrong labels "
        "among those. “Rate unknown” estimates the share; the other networks are told "
        "it, LogisticRegression is not."
    ),
    main="accuracy",
    main_words="mean accuracy",
    robust=PRL,
    plain=PLAIN,
    bad="wrong",
    limit=(
        "Labels that are wrong in the same way in most rows of a kind cannot be found: with 50 % "
        "or more of the sevens labelled as eights nothing tells which label is the wrong one."
    ),
    settings=(
        "60 % of the rows to train, stratified by digit. PRLClassifier: its defaults and the "
        "true rate, or corruption_rate='auto'; Standard: selection=None, with early_stopping=False "
        "or the default. LogisticRegression: max_iter=1000 on standardised rows."
    ),
)
