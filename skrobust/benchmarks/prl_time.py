"""Table 4.6: time of training on wrong labels, relative to plain training.

The 9-layer network on pictures of CIFAR-10 with pairflip 45 %. A few batches are timed after an
epoch that warms up; methods take turns, so that the ratio of one turn compares like with like.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pandas as pd

from skrobust import PRLClassifier
from skrobust.benchmarks._results import Cell, Grid
from skrobust.benchmarks._targets import TABLE_4_6
from skrobust.corruption import corrupt_labels
from skrobust.datasets import fetch_cifar10
from skrobust.networks import CNN9

VALUES = ["step_seconds", "n_steps"]
RATE = 0.45
SETTING = f"pairflip {RATE}"
SET = "cifar10"
BATCH_SIZE = 128
STEPS_PER_EPOCH = 391  # of 50,000 pictures
N_STEPS = {"cpu": 4, "cuda": 200}

_PLAIN: dict[str, Any] = {"margin": 0.0, "early_stopping": False, "warmup": 0}

# Parameters of PRLClassifier.
METHODS: dict[str, dict[str, Any]] = {
    "Standard": {**_PLAIN, "selection": None},
    "PRL(L)": _PLAIN,
    "PRL(L) re-forwarded": {**_PLAIN, "reforward": True},
    "PRL(G)": {**_PLAIN, "selection": "gradient"},
}


cells = Grid([SET], [SETTING], METHODS)  # the seed is the number of the turn


def measure(cell: Cell, device: str = "cpu") -> dict[str, float]:
    """Time a training step in the second of two epochs."""
    n_steps = N_STEPS[device.partition(":")[0]]
    X, y = fetch_cifar10(subset="train", return_X_y=True)
    X, y = (part[: n_steps * BATCH_SIZE] for part in (X, y))
    noisy, _ = corrupt_labels(y, RATE, kind="pairflip", exact=False, random_state=cell.seed)
    model = PRLClassifier(
        partial(CNN9, norm="group"),
        corruption_rate=RATE,
        batch_size=BATCH_SIZE,
        max_epochs=2,
        device=device,
        random_state=cell.seed,
        **METHODS[cell.method],
    )
    history = model.fit(X.astype("float32") / 255, noisy).history_
    return {"step_seconds": round(history[-1]["dur"] / n_steps, 5), "n_steps": n_steps}


def render(frame: pd.DataFrame) -> str:
    """Median seconds per epoch of 50,000 pictures, and ratios to plain training."""
    if frame.empty:
        return "nothing measured yet"
    turns = frame.pivot_table(index="seed", columns="method", values="step_seconds")
    turns = turns[[name for name in METHODS if name in turns]]
    table = pd.DataFrame({"seconds per epoch": (turns * STEPS_PER_EPOCH).median()})
    if "Standard" in turns:
        table["/ Standard"] = turns.div(turns["Standard"], axis=0).median()
    thesis = pd.Series(TABLE_4_6)
    table["thesis, s"] = thesis
    table["thesis, / Standard"] = thesis / thesis["Standard"]
    title = f"Training with {SETTING}, median of {len(turns)} turns"
    return f"{title}\n\n{table.round(2).to_string(na_rep='')}"
