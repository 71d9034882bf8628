"""Table 4.6: time of training on wrong labels, relative to plain training.

The 9-layer network on pictures of CIFAR-10 with pairflip 45 %. A few batches are timed after an
epoch that warms up; methods take turns, so that the ratio of one turn compares like with like.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pandas as pd

from benchmarks._results import Cell, Grid
from benchmarks.thesis._targets import TABLE_4_6
from skrobust import PRLClassifier
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

_PLAIN: dict[str, Any] = {
    "selection": "loss-gradient",
    "margin": 0.0,
    "early_stopping": False,
    "warmup": 0,
}

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


def turn_ratios(frame: pd.DataFrame) -> pd.DataFrame:
    """Time over that of plain training, turn by turn; turns by methods, none without Standard.

    Parameters
    ----------
    frame : DataFrame
        Measured cells.

    Returns
    -------
    DataFrame
    """
    turns = _seconds(frame)
    if "Standard" not in turns:
        return turns.iloc[:, :0]
    return turns.div(turns["Standard"], axis=0)


def render(frame: pd.DataFrame) -> str:
    """Ratios to plain training and seconds per epoch of 50,000 pictures, with their spread."""
    if frame.empty:
        return "nothing measured yet"
    turns, ratios = _seconds(frame) * STEPS_PER_EPOCH, turn_ratios(frame)
    thesis = pd.Series(TABLE_4_6)
    table = pd.DataFrame(
        {
            "/ Standard": ratios.median(),
            "lowest": ratios.min(),
            "highest": ratios.max(),
            "thesis, / Standard": thesis / thesis["Standard"],
            "s per epoch, lowest": turns.min(),
            "s, highest": turns.max(),
            "thesis, s": thesis,
        }
    ).reindex(turns.columns)
    factor = (turns.max() / turns.min()).max()
    text = (
        f"Training with {SETTING}: median ratio of {len(turns)} turns, and its lowest and highest."
        f"\nThe machine is noisy: seconds of one method differ between turns by a factor of up to"
        f" {factor:.1f}.\nThe methods of a turn are timed one after another; the ratio within a "
        "turn is what counts.\nThe thesis's ratio differs only where it lies outside lowest to "
        "highest."
    )
    return f"{text}\n\n{table.to_string(na_rep='', float_format='{:.2f}'.format)}"


def _seconds(frame: pd.DataFrame) -> pd.DataFrame:
    """Seconds per step, turns by methods."""
    turns = frame.pivot_table(index="seed", columns="method", values="step_seconds")
    return turns[[name for name in METHODS if name in turns]]
