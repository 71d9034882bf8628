"""What it costs to estimate the rate: ``fit`` with "auto" over ``fit`` with a number."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from benchmarks.speed.data import contaminated_rows
from benchmarks.speed.report import Row, at_most
from benchmarks.speed.timing import compare
from skrobust import PRLClassifier, PRLRegressor, RCADetector, RobustRealNVPDetector

__all__ = ["run"]

_COMMON: dict[str, Any] = {"device": "cpu", "random_state": 0}


def run(rounds: int) -> Iterator[Row]:
    """Yield detectors, which need no fits more, and learners, which need three on two thirds."""
    X = contaminated_rows()
    for detector, n_epochs in ((RCADetector, 20), (RobustRealNVPDetector, 5)):
        settings: Any = {"max_epochs": n_epochs}
        told, auto = (detector(contamination=rate, **settings, **_COMMON) for rate in (0.1, "auto"))
        ratio = compare(partial(auto.fit, X), partial(told.fit, X), rounds=rounds)
        compared = f"{detector.__name__}: fit with auto / with 0.1, {len(X)} x {X.shape[1]}"
        yield Row(compared, ratio, at_most(1.3))
    rng = np.random.default_rng(0)
    for n_rows in (5_000, 100_000):
        X = rng.normal(size=(n_rows, 20))
        steps: Any = {"max_epochs": 4, "early_stopping": False, "batch_size": 512}
        for learner, y in (
            (PRLClassifier, (X[:, 0] > 0).astype(int)),
            (PRLRegressor, X[:, 0]),
        ):
            told, auto = (
                learner(corruption_rate=rate, **steps, **_COMMON) for rate in (0.1, "auto")
            )
            ratio = compare(partial(auto.fit, X, y), partial(told.fit, X, y), rounds=rounds)
            compared = f"{learner.__name__}: fit with auto / with 0.1, {n_rows} x 20"
            yield Row(compared, ratio, note="three more trainings, of 20,000 rows at most")
