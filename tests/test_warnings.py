"""Warnings point at the line of whoever called the package, however deep they arise."""

import warnings

import numpy as np
import pytest
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrobust import (
    BackdoorRobustClassifier,
    FinePruningClassifier,
    PRLClassifier,
    PRLRegressor,
    RCADetector,
    RobustFilter,
    RobustRealNVPDetector,
    SemiSupervisedBackdoorClassifier,
    audit_labels,
    estimate_corruption_rate,
)

QUICK = {"max_epochs": 1, "hidden_layer_sizes": (4,), "random_state": 0}
SEMI = {"pretrain_epochs": 0, **QUICK}
RNG = np.random.RandomState(0)
X = RNG.normal(size=(120, 4))
Y = RNG.randint(3, size=120)
FEW = np.where(np.arange(120) < 60, Y, -1)
OF_A_RATE = "is above 0.5: no guarantee"
OF_CLASSES = "more than half of the rows labelled"
OF_FEW_ROWS = "40 rows are too few"
CASES = {
    "a large rate": (lambda: PRLClassifier(corruption_rate=0.6, **QUICK).fit(X, Y), OF_A_RATE),
    "of targets": (lambda: PRLRegressor(corruption_rate=0.6, **QUICK).fit(X, Y), OF_A_RATE),
    "in a pipeline": (
        lambda: make_pipeline(StandardScaler(), PRLClassifier(corruption_rate=0.6, **QUICK)).fit(
            X, Y
        ),
        OF_A_RATE,
    ),
    "in a pipeline of pipelines": (
        lambda: make_pipeline(
            StandardScaler(), make_pipeline(PRLClassifier(corruption_rate=0.6, **QUICK))
        ).fit(X, Y),
        OF_A_RATE,
    ),
    "semi-supervised": (
        lambda: SemiSupervisedBackdoorClassifier(corruption_rate=0.6, **SEMI).fit(X, Y),
        OF_A_RATE,
    ),
    "lost classes": (
        lambda: BackdoorRobustClassifier(
            noisy_label="prl", corruption_rate=0.6, min_steps=None, **QUICK
        ).fit(X, Y),
        OF_CLASSES,
    ),
    "lost classes, semi-supervised": (
        lambda: SemiSupervisedBackdoorClassifier(corruption_rate=0.6, min_steps=None, **SEMI).fit(
            X, FEW
        ),
        OF_CLASSES,
    ),
    "pruning without clean rows": (
        lambda: FinePruningClassifier(fine_tune_epochs=1, **QUICK).fit(X, Y),
        "no clean rows were given",
    ),
    "pruning in a pipeline": (
        lambda: make_pipeline(
            StandardScaler(), FinePruningClassifier(fine_tune_epochs=1, **QUICK)
        ).fit(X, Y),
        "no clean rows were given",
    ),
    "auto": (
        lambda: PRLClassifier(corruption_rate="auto", **QUICK).fit(X[:40], Y[:40]),
        OF_FEW_ROWS,
    ),
    "auto in a pipeline": (
        lambda: make_pipeline(StandardScaler(), PRLClassifier(corruption_rate="auto", **QUICK)).fit(
            X[:40], Y[:40]
        ),
        OF_FEW_ROWS,
    ),
    "auto, RCA": (lambda: RCADetector("auto", **QUICK).fit(X[:40]), OF_FEW_ROWS),
    "auto, RealNVP": (
        lambda: RobustRealNVPDetector("auto", min_steps=None, **QUICK).fit_predict(X[:40]),
        OF_FEW_ROWS,
    ),
    "auto in a filter": (
        lambda: RobustFilter(RCADetector("auto", **QUICK)).fit_resample(X[:40], Y[:40]),
        OF_FEW_ROWS,
    ),
    "in a cross-validation": (
        lambda: cross_val_score(PRLClassifier(corruption_rate=0.6, **QUICK), X, Y, cv=2),
        OF_A_RATE,
    ),
    "an audit": (
        lambda: audit_labels(PRLClassifier(corruption_rate=0.6, **QUICK), X, Y, cv=2),
        OF_A_RATE,
    ),
    "scores without a meaning": (
        lambda: RCADetector(**QUICK).fit(X).score(X, np.zeros(120)),
        "ROC AUC needs two label values",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_every_warning_points_at_the_callers_line(name):
    call, message = CASES[name]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    ours = [one for one in caught if issubclass(one.category, UserWarning)]
    assert any(message in str(one.message) for one in ours), [str(one.message) for one in ours]
    assert {one.filename for one in ours} == {__file__}
    first = call.__code__.co_firstlineno
    lines = {line for _, _, line in call.__code__.co_lines() if line is not None}
    assert {one.lineno for one in ours} <= lines | {first}


def test_a_pilot_that_is_asked_for_warns_nobody():
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        estimate_corruption_rate(PRLClassifier(corruption_rate=0.6, **QUICK), X, Y)
