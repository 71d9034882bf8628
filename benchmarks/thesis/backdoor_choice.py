"""How settings against poison compare where nobody knows a clean row.

A fifth of the poisoned training pictures is held out, and :func:`skrobust.metrics.separation_score`
tells from the probabilities of its labels how well a defence works: of the worst label, as a
defence loses classes one by one, and of all rows together. No test picture and no clean label is
needed for it; the accuracies of the same network on test pictures stand beside it to show what it
is worth.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

from benchmarks._results import Cell, Grid
from benchmarks.thesis._poisoned import ALTERNATIVES, classifier_of, split_poisoned
from skrobust.metrics import clean_accuracy, poison_accuracy, separation_score

VALUES = [
    "worst_separation",
    "separation",
    "held_auroc",
    "clean",
    "poison",
    "n_train",
    "n_held",
    "n_test",
]
SHOWN = ["Standard", "PRL-AT", "default", *ALTERNATIVES]
SETTINGS = {
    "mnist": ["patch 0.25", "patch 0.35", "blend 0.35", "patch 0.45", "blend 0.45"],
    "fashion-mnist": ["patch 0.25", "blend 0.25"],
}
HELD_OUT = 0.2

cells = Grid(
    SETTINGS,
    list(dict.fromkeys(setting for settings in SETTINGS.values() for setting in settings)),
    SHOWN,
    keep=lambda cell: cell.setting in SETTINGS[cell.set],
)


def measure(cell: Cell, device: str = "cpu") -> dict[str, float]:
    """Train on four fifths of the poisoned pictures and judge the network by the last fifth.

    Returns
    -------
    dict
        Separation of the held-out part, of the worst label and of all rows together; AUROC of its
        probabilities for the poison (which nobody could compute in earnest); accuracy in % on
        clean and on triggered test pictures.
    """
    trigger, rate = cell.setting.split()
    data = split_poisoned(cell.set, trigger, float(rate), cell.seed)
    train, held = train_test_split(
        np.arange(len(data.X)), test_size=HELD_OUT, stratify=data.y, random_state=cell.seed
    )
    model = classifier_of(cell, float(rate), device).fit(data.X[train], data.y[train])
    rows, given = data.X[held], data.y[held]
    column = np.searchsorted(model.classes_, given)
    probability = model.predict_proba(rows)[np.arange(len(held)), column]
    worst, together = (
        separation_score(model, rows, given, float(rate), per_label=each) for each in (True, False)
    )
    return {
        "worst_separation": round(worst, 5),
        "separation": round(together, 5),
        "held_auroc": round(float(roc_auc_score(data.mask[held], -probability)), 5),
        "clean": round(100 * clean_accuracy(model, data.X_test, data.y_test), 3),
        "poison": round(100 * poison_accuracy(model, data.X_test, data.y_test, data.trigger), 3),
        "n_train": len(train),
        "n_held": len(held),
        "n_test": len(data.X_test),
    }


def render(frame: pd.DataFrame) -> str:
    """Separation by method and setting, accuracies of the networks, how the two go together."""
    if frame.empty:
        return "nothing measured yet"
    frame = frame.assign(where=frame["set"] + " " + frame["setting"])
    worst, all_rows = (_table(frame, name, 3) for name in ("worst_separation", "separation"))
    clean, poison = (_table(frame, name, 1).astype(str) for name in ("clean", "poison"))
    parts = {
        "Separation of the held-out part of the poisoned training pictures, worst label": worst,
        "All labels together": all_rows,
        "Accuracy in % of the same networks on clean and on triggered test pictures": clean
        + "/"
        + poison,
    }
    texts = [f"{title}\n\n{table.to_string()}" for title, table in parts.items()]
    texts.append(
        "Rank correlation of the worst label's separation with the lower of the two accuracies, "
        f"mean over settings: {_agreement(frame):.2f}"
    )
    return "\n\n".join(texts)


def _table(frame: pd.DataFrame, value: str, digits: int) -> pd.DataFrame:
    """Means over seeds by method and setting, and over the settings."""
    table = frame.pivot_table(index="method", columns="where", values=value)
    places = [f"{name} {setting}" for name, settings in SETTINGS.items() for setting in settings]
    table = table.loc[
        [name for name in SHOWN if name in table.index],
        [name for name in places if name in table.columns],
    ]
    return table.assign(mean=table.mean(axis=1, skipna=False)).round(digits)


def _agreement(frame: pd.DataFrame) -> float:
    lower = frame[["clean", "poison"]].min(axis=1)
    pairs = frame[["where", "seed", "worst_separation"]].assign(lower=lower)
    found = [
        spearmanr(part["worst_separation"], part["lower"]).statistic
        for _, part in pairs.groupby(["where", "seed"])
        if (part[["worst_separation", "lower"]].nunique() > 1).all()
    ]
    return float(np.mean(found)) if found else float("nan")
