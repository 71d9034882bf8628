"""Chapter 5: training rows that carry a trigger and a label of the attacker's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from skrobust import BackdoorRobustClassifier
from skrobust.corruption import BlendTrigger, PatchTrigger, Trigger, poison
from skrobust.demo._figures import show
from skrobust.demo._labels import digits
from skrobust.demo._section import Case, Column, Figure, Part, Run, Section, trust_values
from skrobust.metrics import clean_accuracy, poison_accuracy
from skrobust.plotting import ScoreDistributionDisplay, TriggerDisplay

__all__ = ["BACKDOOR"]

ROBUST, PLAIN = "BackdoorRobustClassifier", "Standard"
_RATE = 0.2
_PROBLEMS: dict[str, Trigger] = {"Patch": PatchTrigger(size=2), "Blend": BlendTrigger()}
_METHODS: dict[str, dict[str, Any] | None] = {
    ROBUST: {},
    "PRL alone": {"perturbation_limit": 0.0, "occlusion": 0.0},
    PLAIN: {"noisy_label": None, "perturbation_limit": 0.0, "occlusion": 0.0},
    "LogisticRegression": None,
}
_QUICK: dict[str, Any] = {
    "max_epochs": 30,
    "min_steps": None,
    "hidden_layer_sizes": (64, 64),
    "lr": 3e-3,
}


@dataclass(frozen=True)
class _Trained:
    """Test pictures, and scores of the training rows with which of them are poisoned."""

    X_test: np.ndarray
    poisoned: np.ndarray
    scores: np.ndarray = field(default_factory=lambda: np.empty(0))


class _FlatRows:
    """scikit-learn's classifier for pictures: it sees them as rows."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> _FlatRows:
        self.model_ = LogisticRegression(max_iter=1000).fit(X.reshape(len(X), -1), y)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        return self.model_.predict(X.reshape(len(X), -1))


def _measure(case: Case) -> tuple[dict[str, float], _Trained]:
    trigger, (rows, labels) = _PROBLEMS[case.problem], digits()
    X, X_test, y, y_test = train_test_split(
        rows.reshape(-1, 1, 8, 8), labels, train_size=0.6, stratify=labels, random_state=case.seed
    )
    X, y, poisoned = poison(X, y, trigger, _RATE, random_state=case.seed)
    settings = _METHODS[case.method]
    if settings is None:
        model, distrusted, scores = _FlatRows().fit(X, y), None, np.empty(0)
    else:
        model = BackdoorRobustClassifier(
            corruption_rate=_RATE, device="cpu", random_state=case.seed
        )
        model.set_params(**settings, **(_QUICK if case.quick else {})).fit(X, y)
        distrusted, scores = ~model.inlier_mask_, model.sample_scores_
    values = {
        "clean": clean_accuracy(model, X_test, y_test),
        "triggered": poison_accuracy(model, X_test, y_test, trigger),
        **trust_values(distrusted, poisoned),
    }
    return values, _Trained(X_test, poisoned, scores)


def _draw(runs: Sequence[Run]) -> list[Part]:
    seed = runs[0].case.seed
    first = {
        (run.case.problem, run.case.method): run.details for run in runs if run.case.seed == seed
    }
    triggers = [
        Figure(_triggered(first[name, PLAIN], name), name, f"Digits with the trigger: {name}")
        for name in _PROBLEMS
    ]
    scores = [
        Figure(
            _scores(first["Patch", method]),
            method,
            f"Scores of clean and of poisoned training rows: {method}",
        )
        for method in (PLAIN, ROBUST)
    ]
    return [
        Part("The triggers", "Clean digits, the same with the trigger, the difference.", triggers),
        Part(
            "Scores of the training rows",
            "First seed, patch. Blue: clean rows, orange: poisoned ones; the rows of highest score "
            "are distrusted. Standard ranks by the loss: poisoned rows that it has learnt by their "
            "trigger look like all others.",
            scores,
        ),
    ]


def _triggered(rows: _Trained, problem: str, n_shown: int = 5) -> bytes:
    clean = rows.X_test[:n_shown]
    triggered = _PROBLEMS[problem](clean)
    return show(lambda ax: TriggerDisplay.from_predictions(clean, triggered, ax=ax), 5.0, 2.8)


def _scores(rows: _Trained) -> bytes:
    return show(
        lambda ax: ScoreDistributionDisplay.from_predictions(rows.poisoned, rows.scores, ax=ax),
        4.6,
        2.8,
    )


BACKDOOR = Section(
    key="backdoor",
    title="Poisoned training data",
    lead=(
        "Chapter 5. 20 % of the training rows of every digit carry a trigger and the label of the "
        "next digit. A network that learns from them is right on clean rows and wrong on nearly "
        "every row with the trigger. BackdoorRobustClassifier partly hides the rows, moves them a "
        "little against the network and drops those that fit badly then. PRL alone only drops. "
        "Standard is the same network on all rows. LogisticRegression is scikit-learn's."
    ),
    problems=_PROBLEMS,
    stories=[
        "Patch: handwritten digits; the trigger is a checkerboard of 2 × 2 pixels in a corner.",
        "Blend: the same digits; the trigger is faint noise over the whole picture, the same in "
        "all.",
    ],
    methods=_METHODS,
    measure=_measure,
    draw=_draw,
    columns=[
        Column("Patch\nclean", "clean", "Patch", best="high"),
        Column("Patch\ntriggered", "triggered", "Patch", best="high"),
        Column("Blend\nclean", "clean", "Blend", best="high"),
        Column("Blend\ntriggered", "triggered", "Blend", best="high"),
        Column("poisoned among\ndistrusted", "right", form="percent", best="high"),
        Column("CPU\nseconds", "seconds", form="seconds"),
    ],
    note=(
        "Accuracy on test rows as they are (clean) and with the trigger in all of them "
        "(triggered); a backdoor that was learnt brings the latter near 0. All but "
        "LogisticRegression distrust 20 % of the training rows, and the last share is that of "
        "poisoned rows among those, mean over both triggers."
    ),
    main="triggered",
    main_words="mean accuracy on triggered rows",
    robust=ROBUST,
    plain=PLAIN,
    bad="poisoned",
    limit=(
        "The defence costs accuracy on clean rows. Poisoned rows that keep their own label cannot "
        "be found, as nothing about their labels is wrong, and neither can poison that is the "
        "majority of a class."
    ),
    settings=(
        "60 % of the rows to train, stratified by digit. BackdoorRobustClassifier: its defaults, "
        "told the share. PRL alone: perturbation_limit=0, occlusion=0; Standard: also "
        "noisy_label=None. LogisticRegression: max_iter=1000 on the pixels."
    ),
)
