"""Figures 3.1 to 3.3: densities that flows learn on two moons with anomalies, and checks on them.

10,000 points of the moons and 500 anomalies, uniform or in a tight cluster at (2.5, 2.5), as in
the published code: unscaled, a limit of 1 on every matrix, no warm-up, whole epochs until 5,001
steps are done. The hidden
layers have 64 units (the text gives no sizes). ``--picture`` trains seed 0 and draws the figures.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from benchmarks._results import Cell, Grid
from skrobust import RobustRealNVPDetector
from skrobust.datasets import make_contaminated_moons

VALUES = ["centre_density", "held_out", "auc"]
SETS = {"clean": 0.0, "uniform": 0.05, "clustered": 0.05}
CENTRE = (2.5, 2.5)
SETTING = "5001 steps"

_COMMON = {
    "base": "normal",
    "margin": 0.0,
    "preprocessing": None,
    "hidden_layer_sizes": (64, 64),
    "warmup": 0,
    "min_steps": 5001,
    "early_stopping": False,
}
METHODS: dict[str, dict] = {
    "RealNVP": {**_COMMON, "trim": False, "lipschitz": None},
    "TrimRealNVP": {**_COMMON, "lipschitz": None},
    "RobustRealNVP": {**_COMMON, "lipschitz": 1.0},
}


cells = Grid(SETS, [SETTING], METHODS)


def train(name: str, method: str, seed: int, device: str = "cpu"):
    """Draw the training points and fit one flow; returns it with points and labels."""
    kind = "uniform" if name == "clean" else name
    X, y = make_contaminated_moons(contamination=SETS[name], anomalies=kind, random_state=seed)
    settings = {"random_state": seed, "device": device, **METHODS[method]}
    return RobustRealNVPDetector(0.05, **settings).fit(X), X, y


def measure(cell: Cell, device: str = "cpu") -> dict[str, float]:
    """Density at the cluster's centre, log-likelihood of clean new points, AUC in training."""
    flow, _, y = train(cell.set, cell.method, cell.seed, device)
    clean, _ = make_contaminated_moons(contamination=0.0, random_state=1000 + cell.seed)
    auc = roc_auc_score(y, flow.decision_scores_) if y.any() else np.nan
    return {
        "centre_density": float(f"{np.exp(flow.score_samples([CENTRE]))[0]:.4g}"),
        "held_out": round(float(flow.score_samples(clean).mean()), 4),
        "auc": round(float(auc), 4),
    }


def render(frame: pd.DataFrame) -> str:
    """Means over seeds, and in how many seeds the claims of the chapter hold."""
    if frame.empty:
        return "nothing measured yet"
    table = frame.groupby(["set", "method"])[VALUES].mean().round(3)
    parts = [f"Mean over {frame['seed'].nunique()} seeds\n\n{table.to_string(na_rep='')}"]
    for name, value, order in (
        ("clustered", "centre_density", ["RobustRealNVP", "TrimRealNVP", "RealNVP"]),
        ("uniform", "held_out", ["RealNVP", "TrimRealNVP"]),
        ("uniform", "held_out", ["RealNVP", "RobustRealNVP"]),
    ):
        chosen = frame[frame["set"] == name].pivot(index="seed", columns="method", values=value)
        if set(order) <= set(chosen):
            chosen = chosen[order].dropna()
            holds = (np.diff(chosen, axis=1) > 0).all(axis=1)
            claim = " < ".join(order)
            parts.append(f"{name}, {value}: {claim} in {holds.sum()} of {len(holds)} seeds")
    return "\n\n".join(parts)


def draw(device: str = "cpu"):
    """Train seed 0 of everything and draw data and densities; returns a matplotlib figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 7.6), layout="constrained")
    shape = (len(SETS), 1 + len(METHODS))
    axes = figure.subplots(*shape, sharex=True, sharey=True, squeeze=False)
    axis = np.linspace(-2.0, 3.5, 221)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1)
    for row, name in zip(axes, SETS, strict=True):
        for ax, method in zip(row[1:], METHODS, strict=True):
            flow, X, y = train(name, method, 0, device)
            density = np.exp(flow.score_samples(grid.reshape(-1, 2))).reshape(grid.shape[:2])
            image = ax.pcolormesh(axis, axis, density, vmin=0, vmax=0.5, cmap="viridis")
            ax.set_title(method, fontsize=10)
        row[0].scatter(*X[y == 0].T, s=1, color="0.4", linewidths=0, rasterized=True)
        row[0].scatter(*X[y == 1].T, s=4, color="tab:orange", linewidths=0, rasterized=True)
        row[0].set_title(f"data, {name}", fontsize=10)
        row[0].set_aspect("equal")
    figure.colorbar(image, ax=axes, label="density", shrink=0.6, extend="max")
    return figure
