"""Backdoor attacks of the literature, and defences that are or are not told the rate.

8,000 training rows of MNIST, Fashion-MNIST (a small convolutional network, 8 epochs) and features
of CIFAR-10 (a perceptron; made by ``python -m benchmarks.field.features``), 1,200 of scikit-learn's
digits as a table (likewise). Rows of all classes are given the label 4, but for "all-to-all" (each
class the next one) and "three targets" (a patch in three corners, for 4, 1 and 7). On pictures:
"patch", a small checkerboard in a corner, or, "random place", anywhere; "blend", faint noise;
"stripes"; "contrast", duller pictures; "warp", a distortion. On tables "columns": three columns set
to a rare value. Settings without an attack: right labels, 10 % of them wrong, and classes that
shrink to a tenth of their rows.

Told are accuracy on clean test rows; success, the share of triggered test rows of other classes
that get the attacker's label; the area under the ROC curve of poisoned rows against the others, by
the row scores; which shares of the poisoned and of the clean rows are dropped; how many labels are
flagged, and whether they are exactly the attacker's (without an attack: none); the rate, as
poisoned rows are whole ones; and how long training took, all of a method's networks together.

"Algorithm 6" is told a rate of 0.2; "PRL-AT", the thesis's form of it, the true rate; spectral
signatures the true rate among the rows of the label that has most poison, as the parameter asks
for; fine-pruning has 5 % as many clean rows besides. "screen", the default of the classifier, and
activation clustering are told nothing. "trained on the clean rows" is what nobody has. It and
spectral signatures are plain training where there is no attack, and are not measured there.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from benchmarks._results import Cell, Grid
from benchmarks.field._attacks import ATTACKS, CLEAN, ON_PICTURES, ON_TABLES, SETS, Poisoned, draw
from benchmarks.field._clustering import cluster_activations
from skrobust import (
    BackdoorRobustClassifier,
    FinePruningClassifier,
    SpectralSignatureFilter,
)
from skrobust.metrics import attack_success_rate, clean_accuracy

VALUES = [
    "accuracy",
    "success",
    "auroc",
    "poison_dropped",
    "clean_dropped",
    "n_flagged",
    "flagged_right",
    "true_rate",
    "fit_seconds",
]
PLAIN, SCREEN, ORACLE = "plain", "screen", "trained on the clean rows"
TAKEN = 0.5  # success of an attack that plain training takes in
_NO_DEFENCE: dict[str, Any] = {
    "noisy_label": None,
    "perturbation_limit": 0,
    "occlusion": 0,
    "memory": None,
}
_ALGORITHM_6: dict[str, Any] = {
    "noisy_label": "prl",
    "corruption_rate": 0.2,
    "perturbation_limit": 0.05,
    "occlusion": 0.25,
    "memory": "average",
}
_AS_PRINTED: dict[str, Any] = {
    **_ALGORITHM_6,
    "occlusion": 0,
    "memory": None,
    "margin": 0.0,
    "per_class": False,
    "warmup": 0.1,
}


class Outcome(NamedTuple):
    """What a method leaves.

    Parameters
    ----------
    model : classifier
        The one to be used.
    scores : array of shape (n_train,), optional
        High for rows that look poisoned.
    dropped : array of shape (n_train,), bool, optional
        Rows that the model was not to learn.
    flagged : array, optional
        Labels that poisoned rows are said to have been given.
    """

    model: Any
    scores: np.ndarray | None = None
    dropped: np.ndarray | None = None
    flagged: np.ndarray | None = None


def _plain(data: Poisoned, common: dict[str, Any]) -> Outcome:
    model = BackdoorRobustClassifier(**common, **_NO_DEFENCE).fit(data.X, data.y)
    return Outcome(model, model.sample_scores_)


def _oracle(data: Poisoned, common: dict[str, Any]) -> Outcome:
    return Outcome(_without(data.mask, data, common))


def _without(dropped: np.ndarray, data: Poisoned, common: dict[str, Any]) -> Any:
    """Plain training on what is left."""
    model = BackdoorRobustClassifier(**common, **_NO_DEFENCE)
    return model.fit(data.X[~dropped], data.y[~dropped])


def _screen(data: Poisoned, common: dict[str, Any]) -> Outcome:
    model = BackdoorRobustClassifier(**common, noisy_label="screen").fit(data.X, data.y)
    return Outcome(model, model.sample_scores_, ~model.inlier_mask_, model.flagged_labels_)


def _algorithm_6(data: Poisoned, common: dict[str, Any]) -> Outcome:
    return _trimmed(data, {**common, **_ALGORITHM_6})


def _prl_at(data: Poisoned, common: dict[str, Any]) -> Outcome:
    return _trimmed(data, {**common, **_AS_PRINTED, "corruption_rate": data.rate})


def _trimmed(data: Poisoned, settings: dict[str, Any]) -> Outcome:
    model = BackdoorRobustClassifier(**settings).fit(data.X, data.y)
    return Outcome(model, model.sample_scores_, ~model.inlier_mask_)


def _spectral_signatures(data: Poisoned, common: dict[str, Any]) -> Outcome:
    plain = BackdoorRobustClassifier(**common, **_NO_DEFENCE)
    judged = SpectralSignatureFilter(plain, corruption_rate=data.rate_of_label)
    dropped = ~judged.fit(data.X, data.y).inlier_mask_
    return Outcome(_without(dropped, data, common), judged.scores_, dropped)


def _activation_clustering(data: Poisoned, common: dict[str, Any]) -> Outcome:
    plain = BackdoorRobustClassifier(**common, **_NO_DEFENCE).fit(data.X, data.y)
    found = cluster_activations(plain.embed(data.X), data.y, common["random_state"])
    model = _without(found.dropped, data, common) if found.dropped.any() else plain
    return Outcome(model, found.scores, found.dropped, found.flagged)


def _fine_pruning(data: Poisoned, common: dict[str, Any]) -> Outcome:
    model = FinePruningClassifier(**common).fit(data.X, data.y, data.X_clean, data.y_clean)
    return Outcome(model, model.sample_scores_)


METHODS: dict[str, Callable[[Poisoned, dict[str, Any]], Outcome]] = {
    PLAIN: _plain,
    SCREEN: _screen,
    "Algorithm 6": _algorithm_6,
    "PRL-AT": _prl_at,
    "spectral signatures": _spectral_signatures,
    "activation clustering": _activation_clustering,
    "fine-pruning": _fine_pruning,
    ORACLE: _oracle,
}
SETTINGS = [*ATTACKS, *CLEAN]
_PLAIN_WITHOUT_ATTACK = [ORACLE, "spectral signatures"]
_FIRST = ["patch 5 %", "patch 1 %", "none"]


def _is_of_use(cell: Cell) -> bool:
    others = ON_PICTURES if SETS[cell.set].trigger is not None else ON_TABLES
    idle = cell.setting in CLEAN and cell.method in _PLAIN_WITHOUT_ATTACK
    return cell.setting not in others and not idle


_GRID = Grid(SETS, SETTINGS, METHODS, keep=_is_of_use)


def cells(n_seeds: int, *chosen: Any, **more: Any) -> list[Cell]:
    """List what is to be measured, as :class:`Grid` does, the most telling of each seed first."""
    return sorted(_GRID(n_seeds, *chosen, **more), key=_turn)


def _turn(cell: Cell) -> tuple[int, bool]:
    telling = cell.setting in _FIRST or SETS[cell.set].trigger is not None
    return cell.seed, not telling


def measure(cell: Cell, device: str = "cpu") -> dict[str, float]:
    """Train with one method on poisoned rows, test on clean and on triggered ones."""
    data = draw(cell.set, cell.setting, cell.seed)
    common = {**SETS[cell.set].training, "random_state": cell.seed, "device": device}
    found = dict.fromkeys(VALUES, float("nan"))
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # of classes that lose many rows: the shares are in the rows
        model, scores, dropped, flagged = METHODS[cell.method](data, common)
    found["true_rate"], found["fit_seconds"] = data.rate, time.perf_counter() - start
    found["accuracy"] = clean_accuracy(model, data.X_test, data.y_test)
    if data.attack is not None:
        trigger, _, *aim = data.attack
        aims = dict(zip(("target_map", "target"), aim, strict=True))
        found["success"] = attack_success_rate(model, data.X_test, data.y_test, trigger, **aims)
        if scores is not None:
            found["auroc"] = roc_auc_score(data.mask, scores)
        if dropped is not None:
            found["poison_dropped"] = dropped[data.mask].mean()
    if dropped is not None:
        found["clean_dropped"] = dropped[~data.mask].mean()
    if flagged is not None:
        found["n_flagged"] = len(flagged)
        found["flagged_right"] = np.array_equal(np.sort(flagged), data.targets)
    return {name: round(float(value), 5) for name, value in found.items()}


def render(frame: pd.DataFrame) -> str:
    """Accuracy and success by set, what the methods find and cost, and what screening does."""
    if frame.empty:
        return "nothing measured yet"
    sets = [(name, frame[frame["set"] == name]) for name in SETS]
    parts = [
        f"{name}: accuracy on clean rows / success of the attack, in %\n\n{_both(part)}"
        for name, part in sets
        if len(part)
    ]
    beside = _beside_plain(frame)
    parts.append(f"{_WHAT}\n\n{_by_method(beside)}")
    screened = beside[beside["method"] == SCREEN]
    if len(screened):
        parts += [f"screening\n\n{_by_setting(screened)}", _in_a_sentence(screened)]
    return "\n\n".join(parts)


_WHAT = f"""\
all sets. Of runs in which plain training takes the attack in (success at least {TAKEN}): how many
they are, share with exactly the right labels flagged, area under the ROC curve of the row scores,
share of poison dropped, mean and worst success. Of runs without an attack: how many, share with no
label flagged. Of all: share of clean rows dropped, accuracy less that of plain training on the
clean rows, and time, in plain trainings of the same rows"""


def _both(frame: pd.DataFrame) -> str:
    """Means over the seeds by setting and method."""
    means = 100 * frame.groupby(["setting", "method"])[["accuracy", "success"]].mean()
    accuracy, success = (means[name].map("{:.1f}".format) for name in means)
    table = accuracy.where(means["success"].isna(), accuracy + " / " + success).unstack("method")
    table = table.reindex(
        index=[setting for setting in SETTINGS if setting in table.index],
        columns=[method for method in METHODS if method in table],
    )
    table["seeds"] = frame.groupby("setting")["seed"].nunique()
    return table.to_string(na_rep="")


def _beside_plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Add what plain training of the same rows, and of the clean ones among them, has to say."""
    keys = ["set", "setting", "seed"]
    places = pd.MultiIndex.from_frame(frame[keys])

    def of(method: str, value: str) -> np.ndarray:
        rows = frame[frame["method"] == method].set_index(keys)
        return rows[value].reindex(places).to_numpy(dtype=float)

    attacked = ~frame["setting"].isin(CLEAN)
    reference = np.where(attacked, of(ORACLE, "accuracy"), of(PLAIN, "accuracy"))
    return frame.assign(
        attacked=attacked,
        taken=of(PLAIN, "success") >= TAKEN,
        difference=frame["accuracy"] - reference,
        fits=frame["fit_seconds"] / of(PLAIN, "fit_seconds"),
    )


def _by_method(beside: pd.DataFrame) -> str:
    lines = {}
    for method in METHODS:
        rows = beside[beside["method"] == method]
        taken, clean = rows[rows["taken"]], rows[~rows["attacked"]]
        lines[method] = {
            "taken": len(taken),
            "right": taken["flagged_right"].mean(),
            "auroc": taken["auroc"].mean(),
            "dropped": taken["poison_dropped"].mean(),
            "success": taken["success"].mean(),
            "worst": taken["success"].max(),
            "clean": len(clean),
            "none flagged": clean["flagged_right"].mean(),
            "clean dropped": rows["clean_dropped"].mean(),
            "accuracy": rows["difference"].mean(),
            "plain fits": rows["fits"].median(),
        }
    measured = beside["method"].unique()
    table = pd.DataFrame(lines).T.loc[[method for method in METHODS if method in measured]]
    counts = {"taken": int, "clean": int}
    return table.astype(counts).round(3).to_string(na_rep="")


def _by_setting(screened: pd.DataFrame) -> str:
    names = ["flagged_right", "n_flagged", "auroc", "poison_dropped", "clean_dropped", "fits"]
    table = screened.groupby(["set", "setting"])[names].mean()
    order = [(name, setting) for name in SETS for setting in SETTINGS]
    table = table.loc[[place for place in order if place in table.index]]
    table.columns = [name.replace("_", " ") for name in names[:-1]] + ["plain fits"]
    return table.round(3).to_string(na_rep="")


def _in_a_sentence(screened: pd.DataFrame) -> str:
    taken, clean = screened[screened["taken"]], screened[~screened["attacked"]]
    said = []
    if len(taken):
        said += [
            f"of {len(taken)} attacks that plain training takes in, "
            f"{taken['flagged_right'].sum():.0f} are flagged exactly right",
            f"success after screening is {taken['success'].mean():.3f} on average, "
            f"{taken['success'].max():.3f} at worst",
        ]
    if len(clean):
        said.append(
            f"of {len(clean)} runs without an attack, {clean['flagged_right'].sum():.0f} have no "
            "label flagged"
        )
    differences = screened["difference"].dropna()
    if len(differences):
        said.append(
            f"accuracy is {differences.mean():+.4f} against plain training on the clean rows"
        )
    return "\n".join(["In short:", *said])
