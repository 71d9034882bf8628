"""What the benchmarks on poisoned pictures share: pictures, methods, one measurement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import roc_auc_score
from sklearn.utils import check_random_state
from skorch.callbacks import Callback

from benchmarks._results import Cell
from skrobust import (
    BackdoorRobustClassifier,
    FinePruningClassifier,
    SemiSupervisedBackdoorClassifier,
    SpectralSignatureFilter,
)
from skrobust.corruption import BlendTrigger, PatchTrigger, attack_targets, poison
from skrobust.datasets import fetch_cifar10, fetch_fashion_mnist, fetch_mnist
from skrobust.metrics import last_epochs
from skrobust.networks import ResNet32, SmallCNN
from skrobust.training import KeptShare

__all__ = [
    "ALTERNATIVES",
    "FEW_LABELS",
    "METHODS",
    "ON_REQUEST",
    "PARTS",
    "POISON_VALUES",
    "SEMI",
    "SETS",
    "TRIGGERS",
    "accuracy_table",
    "classifier_of",
    "measure_cell",
    "measure_semi",
    "render_poisoned",
    "split_poisoned",
]

POISON_VALUES = [
    "clean",
    "poison",
    "last_clean",
    "last_poison",
    "success",
    "row_auroc",
    "kept_poisoned",
    "n_train",
    "n_test",
]
TRIGGERS: dict[str, Callable] = {"patch": PatchTrigger(), "blend": BlendTrigger()}
LAST = 10
CIFAR_TEST = 10_000
CLEAN_PART = 20


class _Set(NamedTuple):
    fetch: Callable[..., Any]
    module: Callable[..., torch.nn.Module]
    n_train: int
    n_test: int
    settings: dict[str, Any]
    n_unlabeled: int = 0


_SMALL: dict[str, Any] = {"max_epochs": 20, "lr": 1e-3}
_RESNET: dict[str, Any] = {"max_epochs": 13, "lr": 1e-3}
_CHAPTER: dict[str, Any] = {"max_epochs": 100, "lr": 3e-4, "n_threads": None}
_FEW: dict[str, Any] = {"max_epochs": 60, "lr": 1e-3}

SETS = {
    "mnist": _Set(fetch_mnist, SmallCNN, 12_000, 10_000, _SMALL),
    "fashion-mnist": _Set(fetch_fashion_mnist, SmallCNN, 12_000, 10_000, _SMALL),
}
# Measured only when asked for by name.
ON_REQUEST = {
    "mnist resnet32": _Set(fetch_mnist, ResNet32, 12_000, 4_000, _RESNET),
    "cifar10": _Set(fetch_cifar10, ResNet32, 38_000, CIFAR_TEST, _CHAPTER),
}
# A fifth with labels, as many pictures of the other half without.
FEW_LABELS = {
    "fashion-mnist few": _Set(fetch_fashion_mnist, SmallCNN, 2_400, 10_000, _FEW, 6_000),
    "cifar10 few": _Set(fetch_cifar10, ResNet32, 7_600, CIFAR_TEST, _CHAPTER, 19_000),
}
_ALL = {**SETS, **ON_REQUEST, **FEW_LABELS}

_AS_PRINTED: dict[str, Any] = {
    "margin": 0.0,
    "occlusion": 0.0,
    "memory": None,
    "per_class": False,
    "warmup": 0.1,
}
_STANDARD = {**_AS_PRINTED, "noisy_label": None, "perturbation_limit": 0.0}

# Parameters of BackdoorRobustClassifier.
METHODS: dict[str, dict[str, Any]] = {
    "Standard": _STANDARD,
    "AT": {**_AS_PRINTED, "noisy_label": None},
    "PRL": {**_AS_PRINTED, "perturbation_limit": 0.0},
    "SPL": {**_AS_PRINTED, "noisy_label": "spl", "perturbation_limit": 0.0},
    "Bootstrap": {**_AS_PRINTED, "noisy_label": "bootstrap", "perturbation_limit": 0.0},
    "PRL-AT": _AS_PRINTED,
    "SPL-AT": {**_AS_PRINTED, "noisy_label": "spl"},
    "Bootstrap-AT": {**_AS_PRINTED, "noisy_label": "bootstrap"},
    "SpecSig": _STANDARD,  # trained on what its filter leaves
    "Fine-Pruning": _STANDARD,  # and then pruned
    "default": {},
    "Standard with occlusion": {**_STANDARD, "occlusion": 0.25},
}
ALTERNATIVES: dict[str, dict[str, Any]] = {
    "PRL-AT margin 3": {**_AS_PRINTED, "margin": 3.0},
    "nothing hidden": {"occlusion": 0.0},
    "no memory": {"memory": None},
    "no memory margin 3": {"memory": None, "margin": 3.0},
    "sum": {"memory": "sum"},
    "not per class": {"per_class": False},
    "warmup 0.1": {"warmup": 0.1},
    "margin 1": {"margin": 1.0},
    "margin 3": {"margin": 3.0},
}
# Parameters of SemiSupervisedBackdoorClassifier.
_SIMCLR: dict[str, Any] = {"margin": 0.0, "per_class": False, "truncate": None}
SEMI: dict[str, dict[str, Any]] = {
    "PRL-SimCLR": _SIMCLR,
    "PRL-SimCLR-SN": {**_SIMCLR, "truncate": "scale"},
    "PRL-SimCLR-SN clip": {**_SIMCLR, "truncate": "clip"},
    "SimCLR default": {},
}
PRETRAIN_EPOCHS = {"fashion-mnist few": 50, "cifar10 few": 500}
# Tables 5.6 and 5.7; X-AT is both.
PARTS: dict[str, dict[str, Any]] = {
    f"{name} {part} only": {**_AS_PRINTED, "noisy_label": name.lower(), other: False}
    for name in ("PRL", "SPL", "Bootstrap")
    for part, other in (("inner", "robust_outer"), ("outer", "robust_inner"))
}


class PoisonedData(NamedTuple):
    """Pictures of one experiment.

    Parameters
    ----------
    X, y : array
        Training part, poisoned.
    mask : array of shape (n_train,), bool
        True for poisoned rows.
    X_test, y_test : array
        The clean test.
    trigger : callable
        What the attacker puts in.
    X_clean, y_clean : array
        A twentieth as many pictures as in the training part, without poison.
    X_unlabeled : array
        More of them, of the sets with few labels.
    """

    X: np.ndarray
    y: np.ndarray
    mask: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    trigger: Callable
    X_clean: np.ndarray
    y_clean: np.ndarray
    X_unlabeled: np.ndarray


def split_poisoned(name: str, trigger: str, rate: float, seed: int) -> PoisonedData:
    """Draw training and test pictures and poison the former, all-to-all.

    Parameters
    ----------
    name : str
        Key of ``SETS``, ``ON_REQUEST`` or ``FEW_LABELS``; of CIFAR-10, the first 40,000 of the
        training file are for training and the last 10,000 are the test.
    trigger : str
        Key of ``TRIGGERS``.
    rate : float
        Share of poisoned pictures, of every class.
    seed : int
        Decides which.
    """
    task = _ALL[name]
    X, y = task.fetch(subset="train", return_X_y=True)
    order = check_random_state(seed).permutation(len(X))
    if task.fetch is fetch_cifar10:  # the published test pictures are not at hand
        X_test, y_test = X[-CIFAR_TEST:], y[-CIFAR_TEST:]
        order = order[order < len(X) - CIFAR_TEST]
    else:
        X_test, y_test = task.fetch(subset="test", return_X_y=True)
    chosen = order[: task.n_train]
    put = TRIGGERS[trigger]
    rows, labels, mask = poison(_scaled(X[chosen]), y[chosen], put, rate, random_state=seed)
    clean, more = np.split(order[task.n_train :], [task.n_train // CLEAN_PART])
    X_test, y_test = _scaled(X_test[: task.n_test]), y_test[: task.n_test]
    others = _scaled(X[more[: task.n_unlabeled]])
    return PoisonedData(
        rows, labels, mask, X_test, y_test, put, _scaled(X[clean]), y[clean], others
    )


def classifier_of(cell: Cell, told: float, device: str = "cpu") -> BackdoorRobustClassifier:
    """Build the classifier of a cell, told a rate, with the network and length of its set.

    Parameters
    ----------
    cell : Cell
        The set, a key of ``METHODS``, ``ALTERNATIVES`` or ``PARTS``, and the seed.
    told : float
        The rate.
    device : str
        Of the network.
    """
    task = _ALL[cell.set]
    own = {**METHODS, **ALTERNATIVES, **PARTS}[cell.method]
    parameters = {**_common(cell, told, device), "feature_range": (0, 1)}
    parameters |= {"noisy_label": "prl", **own}
    return BackdoorRobustClassifier(task.module, **parameters)


def _common(cell: Cell, told: float, device: str) -> dict[str, Any]:
    settings = {"min_steps": None, "random_state": cell.seed, "device": device}
    return {**settings, "corruption_rate": told, **_ALL[cell.set].settings}


def measure_cell(cell: Cell, device: str = "cpu", told: float | None = None) -> dict[str, float]:
    """Train on poisoned pictures and test on clean and on triggered ones.

    Parameters
    ----------
    cell : Cell
        The set, which decides network and length; a key of ``METHODS``, ``ALTERNATIVES`` or
        ``PARTS``; trigger and rate; and the seed.
    device : str
        Of the network.
    told : float, optional
        The rate that the method is told; the true one by default.

    Returns
    -------
    dict
        Accuracy in % on clean and on triggered test pictures, against the true labels, mean over
        the last ten epochs (of fine-pruning, after it) and after the last; share in % of triggered
        pictures that get the attacker's label then; AUROC of the row scores for the poison; share
        of poisoned rows among those kept in the last epoch.
    """
    name, method, setting, seed = cell
    trigger, rate = setting.split()
    data = split_poisoned(name, trigger, float(rate), seed)
    task = _ALL[name]
    told = float(rate) if told is None else told
    watch = _Watch(data, task.settings["max_epochs"] - LAST)
    X, y = data.X, data.y
    if method == "Fine-Pruning":
        pruned = FinePruningClassifier(task.module, **_common(cell, told, device))
        pruned.fit(X, y, data.X_clean, data.y_clean)
        watch.judge(pruned.net_)
        scores, kept = pruned.sample_scores_, np.ones(len(X))
    else:
        model = classifier_of(cell, told, device)
        spectral = SpectralSignatureFilter(model, corruption_rate=told)
        if method == "SpecSig":
            X, y = spectral.fit_resample(X, y)
        model.set_params(callbacks=[watch]).fit(X, y)
        scores, kept = model.sample_scores_, watch.kept
        if method == "SpecSig":
            scores, kept = spectral.scores_, spectral.inlier_mask_
    share = float((kept * data.mask).sum() / kept.sum())
    return _values(watch.seen, data, scores, share)


def measure_semi(cell: Cell, device: str = "cpu") -> dict[str, float]:
    """Train a linear layer on what SimCLR has learnt of pictures with and without labels.

    Parameters
    ----------
    cell : Cell
        The set, of ``FEW_LABELS``; a key of ``SEMI``; trigger and rate; and the seed. Methods of
        the same set, trigger, rate and seed share the pre-training.
    device : str
        Of the network.

    Returns
    -------
    dict
        As of :func:`measure_cell`, all after the last epoch.
    """
    name, method, setting, seed = cell
    trigger, rate = setting.split()
    data = split_poisoned(name, trigger, float(rate), seed)
    model = SemiSupervisedBackdoorClassifier(
        _pretrained(name, trigger, float(rate), seed, device),
        pretrain_epochs=0,
        corruption_rate=float(rate),
        device=device,
        random_state=seed,
        **SEMI[method],
    )
    model.set_params(callbacks=[KeptShare(data.mask)]).fit(data.X, data.y)
    share = model.history_[-1, "kept_share"]
    return _values([_judge(data, model.predict)], data, model.sample_scores_, share)


@lru_cache(maxsize=1)
def _pretrained(name: str, trigger: str, rate: float, seed: int, device: str) -> torch.nn.Module:
    """The network before a linear layer, from pictures with and without labels."""
    data = split_poisoned(name, trigger, rate, seed)
    model = SemiSupervisedBackdoorClassifier(
        _ALL[name].module,
        pretrain_epochs=PRETRAIN_EPOCHS[name],
        corruption_rate=rate,
        max_epochs=1,  # of the linear layer, which is not used
        min_steps=None,
        device=device,
        random_state=seed,
    )
    model.fit(data.X, data.y, data.X_unlabeled)
    return model.net_.module_.encoder.networks[0]


def _values(seen: list, data: PoisonedData, scores, share: float) -> dict[str, float]:
    clean, poisoned, success = np.array(seen).T.tolist()
    return {
        "clean": round(last_epochs([clean]).mean, 3),
        "poison": round(last_epochs([poisoned]).mean, 3),
        "last_clean": round(clean[-1], 3),
        "last_poison": round(poisoned[-1], 3),
        "success": round(success[-1], 3),
        "row_auroc": round(float(roc_auc_score(data.mask, scores)), 5),
        "kept_poisoned": round(share, 5),
        "n_train": len(data.mask),
        "n_test": len(data.X_test),
    }


class _Watch(Callback):
    """Tests the network after each of the last epochs."""

    def __init__(self, data: PoisonedData, first: int) -> None:
        self.data = data
        self.first = first
        self.seen: list[list[float]] = []
        self.kept = np.empty(0)

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) > self.first:
            self.judge(net)
            self.kept = net.state_.record.kept.cpu().numpy()

    def judge(self, net):
        self.seen.append(_judge(self.data, partial(_predict, net)))


def _judge(data: PoisonedData, predict: Callable[[np.ndarray], np.ndarray]) -> list[float]:
    """Accuracy in % on clean and on triggered pictures, and the attack's success."""
    clean, triggered = predict(data.X_test), predict(data.trigger(data.X_test))
    truth, wanted = data.y_test, attack_targets(data.y_test)
    pairs = ((clean, truth), (triggered, truth), (triggered, wanted))
    return [100 * float(np.mean(found == right)) for found, right in pairs]


def _predict(net, X: np.ndarray) -> np.ndarray:
    module = net.module_.eval()
    with torch.no_grad():
        parts = torch.from_numpy(X).unsqueeze(0).split(1000, dim=1)
        found = [module(part.to(net.device))[0].argmax(dim=1) for part in parts]
    return torch.cat(found).cpu().numpy()


def _scaled(pictures: np.ndarray) -> np.ndarray:
    pictures = pictures.astype(np.float32) / 255
    return pictures if pictures.ndim == 4 else pictures[:, None]


def accuracy_table(frame: pd.DataFrame, order: Sequence[str], digits: int = 1) -> str:
    """Clean and poison accuracy in one cell, by set and setting."""
    keys = ["set", "setting"]
    means = frame.groupby([*keys, "method"])[["clean", "poison"]].mean().round(digits)
    text = means["clean"].map(str) + "/" + means["poison"].map(str)
    table = text.unstack("method")
    return table[[name for name in order if name in table]].to_string(na_rep="")


def render_poisoned(frame: pd.DataFrame, thesis: dict[str, dict[str, str]], what: str) -> str:
    """Accuracies, row AUROC, the share of poison that is kept, and a table of the thesis."""
    if frame.empty:
        return "nothing measured yet"
    order = [*METHODS, *ALTERNATIVES, *SEMI]
    parts = [
        "Accuracy in % on clean and on triggered test pictures, mean of the last ten epochs\n\n"
        + accuracy_table(frame, order)
    ]
    for value, title in (
        ("last_poison", "Accuracy in % on triggered pictures after the last epoch"),
        ("success", "Triggered pictures in % that get the attacker's label"),
        ("row_auroc", "AUROC of the row scores"),
        ("kept_poisoned", "Share of poisoned rows among those kept in the last epoch"),
    ):
        table = frame.pivot_table(index=["set", "setting"], columns="method", values=value)
        table = table[[name for name in order if name in table]].round(3)
        parts.append(f"{title}\n\n{table.to_string(na_rep='')}")
    seeds = frame.groupby(["set", "method"])["seed"].nunique().unstack("method")
    seeds = seeds[[name for name in order if name in seeds]].to_string(na_rep="")
    printed = pd.DataFrame(thesis).T.to_string()
    return "\n\n".join([*parts, f"Thesis, {what}, clean/poison\n\n{printed}", f"Seeds\n\n{seeds}"])
