"""Labels that people got wrong: CIFAR-10N on the features of a frozen network.

40,000 pictures to train on, as 256 principal components of EfficientNet-Lite0's features (made by
``python -m benchmarks.field.features``), 10,000 to test on, with right labels. "worst", "random"
and "aggregate" are what paid annotators said (CIFAR-10N by Wei et al., ICLR 2022, CC BY-NC 4.0: for
measuring only). Methods are told the true rate, "auto" is not.

References
----------
.. [1] Wei, J. et al. Learning with noisy labels revisited: a study using real-world human
   annotations. ICLR, 2022.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.model_selection import cross_val_predict
from torch import Tensor

from benchmarks._results import Cell, Grid
from benchmarks.field.features import FILE
from benchmarks.field.tables import linear, prl
from skrobust.datasets import fetch_cifar10n, get_data_home

VALUES = ["accuracy", "true_rate", "rate", "low", "high"]
N_TRAIN = 40_000
LABELS = {
    "clean": "clean",
    "aggregate": "aggregate",
    "random": "random1",
    "worst": "worst",
}
SET = "cifar10 features"


def truncated_power(outputs: Tensor, targets: Tensor) -> Tensor:
    """Generalised cross-entropy (Zhang and Sabuncu, NeurIPS 2018, Equation 6), q = 0.7, per row."""
    given = outputs.softmax(dim=-1)[..., torch.arange(len(targets)), targets]
    return (1 - given**0.7) / 0.7


METHODS: dict[str, Callable[[int, float], Any]] = {
    "PRLClassifier": prl(),
    "its network without selection": prl(selection=None),
    "PRLClassifier auto": prl(corruption_rate="auto"),
    "Co-PRL": prl(n_networks=2),
    "Co-teaching": prl(n_networks=2, selection="loss", margin=0.0),
    "Bootstrap": prl(selection=None, loss="bootstrap-soft"),
    "generalised cross-entropy": prl(selection=None, loss=truncated_power),
    "plain perceptron without selection": prl(
        selection=None, hidden_layer_sizes=(256, 256), batch_size=128
    ),
    "logistic regression": linear,
    "cleanlab + logistic regression": linear,
}
cells = Grid([SET], LABELS, METHODS)


def measure(cell: Cell, device: str = "cpu") -> dict[str, float]:
    """Train one method on what people said, test it on right labels."""
    with np.load(get_data_home() / FILE) as content:
        X, truth = content["x_train"].astype(np.float32), content["y_train"].astype(int)
    y = truth[:N_TRAIN]
    if cell.setting != "clean":
        said = fetch_cifar10n(labels=LABELS[cell.setting], download_if_missing=False)
        y = said.target[:N_TRAIN]
    true_rate = float(np.mean(y != truth[:N_TRAIN]))
    model, rows = METHODS[cell.method](cell.seed, true_rate), np.arange(N_TRAIN)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of rates that cannot be relied on: they are in the rows
        if cell.method.startswith("cleanlab"):
            from cleanlab.filter import find_label_issues

            found = cross_val_predict(model, X[rows], y, method="predict_proba")
            rows = rows[~find_label_issues(y, found, n_jobs=1)]
        model.fit(X[rows], y[rows])
    low, high = getattr(model, "corruption_rate_interval_", (float("nan"),) * 2)
    return {
        "accuracy": round(float(model.score(X[N_TRAIN:], truth[N_TRAIN:])), 5),
        "true_rate": round(true_rate, 4),
        "rate": round(float(getattr(model, "corruption_rate_", float("nan"))), 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
    }


def render(frame: pd.DataFrame) -> str:
    """Table of mean accuracies, and the rates that "auto" finds."""
    if frame.empty:
        return "nothing measured yet"
    table = frame.pivot_table(index="method", columns="setting", values="accuracy")
    table = table.reindex(index=[m for m in METHODS if m in table.index])
    table = table[[kind for kind in LABELS if kind in table]]
    table["seconds"] = frame.groupby("method")["seconds"].median()
    table["seeds"] = frame.groupby("method")["seed"].nunique()
    auto = frame[frame["method"] == "PRLClassifier auto"]
    rates = auto.groupby("setting")[["true_rate", "rate", "low", "high"]].mean()
    return f"{table.round(4).to_string()}\n\nrates found\n\n{rates.round(3).to_string()}"
