"""Chapter 3: densities of two moons with a cluster of anomalies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from skrobust import RobustRealNVPDetector
from skrobust.datasets import make_contaminated_moons
from skrobust.demo._figures import show
from skrobust.demo._section import Case, Column, Figure, Part, Run, Section, trust_values
from skrobust.plotting import DensityDisplay

__all__ = ["DENSITY"]

_CENTRE, _RADIUS = np.array([2.5, 2.5]), 0.25
_SHARE = 0.05  # anomalies per point of the moons
_BRIGHTEST = 0.5
_COMMON: dict[str, Any] = {
    "margin": 0.0,
    "preprocessing": None,
    "hidden_layer_sizes": (64, 64),
    "warmup": 0,
    "max_epochs": 1,
    "device": "cpu",
}
_METHODS: dict[str, dict[str, Any]] = {
    "RobustRealNVP": {"lipschitz": 1.0},
    "TrimRealNVP": {"lipschitz": None},
    "RealNVP": {"trim": False, "lipschitz": None},
}
_PROBLEM = "Two moons"


@dataclass(frozen=True)
class _Learnt:
    """A flow's density on a grid, with the points it has learnt from."""

    grid_x: np.ndarray
    grid_y: np.ndarray
    density: np.ndarray
    X: np.ndarray
    y: np.ndarray


def _measure(case: Case) -> tuple[dict[str, float], _Learnt]:
    n_points, n_steps = (500, 150) if case.quick else (2000, 1000)
    draw = partial(make_contaminated_moons, n_points, anomalies="clustered")
    X, y = draw(contamination=_SHARE, random_state=case.seed)
    settings = {**_COMMON, **_METHODS[case.method]}
    flow = RobustRealNVPDetector(_SHARE, min_steps=n_steps, random_state=case.seed, **settings)
    flow.fit(X)
    clean, _ = draw(contamination=0.0, random_state=1000 + case.seed)
    values = {
        "mass": 100 * _mass_of_disc(flow),
        "held_out": float(flow.score_samples(clean).mean()),
        **trust_values(flow.labels_ == 1, y == 1),
    }
    return values, _on_grid(flow, X, y)


def _mass_of_disc(flow: RobustRealNVPDetector, n: int = 60) -> float:
    """Integrate the density over a disc round the anomalies."""
    width = 2 * _RADIUS / n
    line = np.linspace(-_RADIUS, _RADIUS, n, endpoint=False) + width / 2
    points = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    inside = points[np.hypot(*points.T) <= _RADIUS]
    return float(np.exp(flow.score_samples(_CENTRE + inside)).sum() * width**2)


def _on_grid(flow: RobustRealNVPDetector, X: np.ndarray, y: np.ndarray, n: int = 90) -> _Learnt:
    axis = np.linspace(-2.0, 3.5, n)
    points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    density = np.exp(flow.score_samples(points)).reshape(n, n)
    return _Learnt(axis, axis, density, X, y)


def _picture(learnt: _Learnt) -> bytes:
    density = np.minimum(learnt.density, _BRIGHTEST)
    shown = np.arange(0, len(learnt.X), max(1, len(learnt.X) // 300))
    return show(
        lambda ax: DensityDisplay.from_predictions(
            learnt.grid_x,
            learnt.grid_y,
            density,
            X=learnt.X[shown],
            y=learnt.y[shown],
            ax=ax,
        ),
        4.6,
        3.6,
    )


def _draw(runs: Sequence[Run]) -> list[Part]:
    first = [run for run in runs if run.case.seed == runs[0].case.seed]
    figures = [
        Figure(
            _picture(run.details),
            f"{run.case.method}: {run.values['mass']:.2f} % on the cluster",
            f"Density that {run.case.method} has learnt of the two moons and the cluster",
        )
        for run in first
    ]
    text = (
        "First seed, with some of the training points. Orange crosses: anomalies. Densities above "
        f"{_BRIGHTEST} are drawn as {_BRIGHTEST}."
    )
    return [Part("What the flows have learnt", text, figures)]


DENSITY = Section(
    key="density",
    title="A density that a cluster of anomalies cannot draw to itself",
    lead=(
        "Chapter 3. A normalising flow learns the density of two moons, while one in 21 training "
        "points lies in a tight cluster elsewhere. TrimRealNVP drops the points of lowest density "
        "in every batch; RobustRealNVP also limits how fast its networks can change. These points "
        "are generated; the flow's results on real data are in the table above."
    ),
    problems={_PROBLEM: None},
    stories=[f"{_PROBLEM}: 2,000 points of two moons and 100 anomalies round (2.5, 2.5)."],
    methods=_METHODS,
    measure=_measure,
    draw=_draw,
    columns=[
        Column("% on the\ncluster", "mass", best="low"),
        Column("log-density\nof the moons", "held_out", best="high"),
        Column("anomalies\namong reported", "right", form="percent", best="high"),
        Column("CPU\nseconds", "seconds", form="seconds"),
    ],
    note=(
        "% on the cluster: how much of its probability the flow puts within 0.25 of the cluster's "
        "centre, where 4.8 % of the training points lie; a flow that has learnt the moons alone "
        "puts almost nothing there. Log-density of the moons: mean over 2,000 new clean points. "
        "Anomalies among reported: of the training points of lowest density, which are as many as "
        "there are anomalies."
    ),
    main="mass",
    main_words="mean % of the probability on the cluster",
    robust="RobustRealNVP",
    plain="RealNVP",
    bad="anomalies",
    limit=(
        "A flow that may not change fast is a smoother one: it pays with detail where the normal "
        "points lie, and a cluster close to them is not kept out."
    ),
    settings=(
        "Settings of the chapter: no scaling, a limit of 1 on every matrix, no margin, no warm-up, "
        "two hidden layers of 64 units; 1,000 steps and a fifth of its points."
    ),
    higher=False,
)
