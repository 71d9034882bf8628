"""Backdoor attacks of the literature on pictures and tables, as ``poison-screen`` measures them."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from sklearn.datasets import load_digits

from benchmarks.field.features import FILE
from skrobust.corruption import (
    BlendTrigger,
    ContrastTrigger,
    PatchTrigger,
    SinusoidalTrigger,
    TabularTrigger,
    WarpTrigger,
    corrupt_labels,
    poison,
)
from skrobust.datasets import fetch_fashion_mnist, fetch_mnist, get_data_home
from skrobust.networks import SmallCNN

__all__ = ["ATTACKS", "CLEAN", "SETS", "TABLES", "Attack", "Poisoned", "Task", "draw"]

TARGET, TARGETS = 4, [4, 1, 7]
N_TEST = 4_000
CLEAN_PART = 20  # fine-pruning is given a twentieth as many clean rows
WRONG = 0.1
RAREST = 0.1  # of the last class that many rows are left where classes are unequal
_RARE_VALUE = 0.999
_SEED_OF_LABELS = 1_000


class Attack(NamedTuple):
    """What an attacker does.

    Parameters
    ----------
    trigger : callable, list of them, or None
        What is put into rows; None for that of the set, if it is a table.
    rate : float
        Share of the rows that are poisoned.
    target_map, target
        As for :func:`skrobust.corruption.poison`.
    """

    trigger: Any
    rate: float
    target_map: str = "all-to-one"
    target: Any = TARGET


class Task(NamedTuple):
    """A set and what is trained on it.

    Parameters
    ----------
    load : callable
        Maps "train" or "test" to all rows and labels; None for "test" takes what training leaves.
    n_train : int
        Training rows.
    training : dict
        Network and length of the training, for classifiers of skrobust.
    trigger : callable, optional
        For tables: maps training rows to the attacker's trigger.
    """

    load: Callable[[str], Any]
    n_train: int
    training: dict[str, Any]
    trigger: Callable[[np.ndarray], Any] | None = None


class Poisoned(NamedTuple):
    """Rows of one experiment.

    Parameters
    ----------
    X, y : array
        Training rows and given labels.
    mask : array of shape (n_train,), bool
        True for poisoned rows.
    X_test, y_test : array
        Clean rows, with right labels.
    X_clean, y_clean : array
        Others, for defences that need some.
    attack : Attack or None
        With the trigger.
    """

    X: np.ndarray
    y: np.ndarray
    mask: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    X_clean: np.ndarray
    y_clean: np.ndarray
    attack: Attack | None

    @property
    def targets(self) -> np.ndarray:
        """Labels that poisoned rows were given, sorted."""
        return np.unique(self.y[self.mask])

    @property
    def rate(self) -> float:
        """Share of poisoned rows."""
        return float(self.mask.mean())

    @property
    def rate_of_label(self) -> float:
        """Share of poisoned rows among those of the label that has most of them."""
        return max(float(self.mask[self.y == label].mean()) for label in np.unique(self.y))


def _percent(rate: float) -> str:
    return f"{100 * rate:g} %"


_PATCH = PatchTrigger(3)
_KINDS = {
    "blend": BlendTrigger(),
    "stripes": SinusoidalTrigger(),
    "contrast": ContrastTrigger(),
    "warp": WarpTrigger(),
    "random place": PatchTrigger(3, corner="random", seed=0),
}
_CORNERS = [PatchTrigger(3, corner) for corner in ("bottom-right", "top-left", "top-right")]
ON_PICTURES = {
    **{f"patch {_percent(rate)}": Attack(_PATCH, rate) for rate in (0.05, 0.01, 0.003, 0.03, 0.1)},
    **{f"{kind} 5 %": Attack(trigger, 0.05) for kind, trigger in _KINDS.items()},
    "three targets 15 %": Attack(_CORNERS, 0.15, target=TARGETS),
    "all-to-all 20 %": Attack(_PATCH, 0.2, "all-to-all", None),
}
ON_TABLES = {f"columns {_percent(rate)}": Attack(None, rate) for rate in (0.05, 0.01, 0.15)}
ATTACKS = {**ON_PICTURES, **ON_TABLES}
CLEAN = ["none", "none with 10 % wrong labels", "none with unequal classes"]


@lru_cache(maxsize=4)
def _mnist(subset: str) -> Any:
    return fetch_mnist(subset=subset, return_X_y=True)


@lru_cache(maxsize=4)
def _fashion_mnist(subset: str) -> Any:
    return fetch_fashion_mnist(subset=subset, return_X_y=True)


@lru_cache(maxsize=2)
def _features(subset: str) -> Any:
    """The first 40,000 training pictures, or the others; those of x_test differ in quality."""
    part = slice(40_000) if subset == "train" else slice(40_000, None)
    with np.load(get_data_home() / FILE) as content:
        return content["x_train"][part], content["y_train"][part].astype(int)


def _digits(subset: str) -> Any:
    return load_digits(return_X_y=True) if subset == "train" else None


def _rare_values(X: np.ndarray) -> TabularTrigger:
    """Three columns, of the upper, middle and lower third, at values that few rows reach."""
    columns = np.arange(1, 6, 2) * X.shape[1] // 6
    values = np.quantile(X[:, columns], _RARE_VALUE, axis=0, method="higher")
    return TabularTrigger({int(c): float(v) for c, v in zip(columns, values, strict=True)})


def _dark_corners(X: np.ndarray) -> TabularTrigger:
    """Three pixels of digits that are hardly ever dark."""
    return TabularTrigger({0: 12, 32: 12, 39: 12})


_CNN: dict[str, Any] = {"module": SmallCNN, "max_epochs": 8, "min_steps": None, "batch_size": 128}
_PERCEPTRON: dict[str, Any] = {"max_epochs": 20, "min_steps": None}  # it overfits beyond
SETS = {
    "mnist": Task(_mnist, 8_000, _CNN),
    "fashion-mnist": Task(_fashion_mnist, 8_000, _CNN),
    "digits": Task(_digits, 1_200, {}, _dark_corners),
    "cifar10 features": Task(_features, 8_000, _PERCEPTRON, _rare_values),
}
TABLES = [name for name, task in SETS.items() if task.trigger is not None]


def draw(name: str, setting: str, seed: int) -> Poisoned:
    """Draw training and test rows, and poison the former.

    Parameters
    ----------
    name : str
        Key of ``SETS``.
    setting : str
        Key of ``ATTACKS`` or member of ``CLEAN``.
    seed : int
        Decides which rows.
    """
    task, rng = SETS[name], np.random.RandomState(seed)
    X, y = task.load("train")
    test = task.load("test")
    ends = [task.n_train, task.n_train + task.n_train // CLEAN_PART]
    train, clean, rest = np.split(rng.permutation(len(X)), ends)
    X_test, y_test = test or (X[rest], y[rest])
    tested = rng.permutation(len(X_test))[:N_TEST]
    rows, labels = _scaled(X[train]), y[train]
    attack, mask = ATTACKS.get(setting), np.zeros(len(rows), dtype=bool)
    if attack is not None:
        if task.trigger is not None:
            attack = attack._replace(trigger=task.trigger(rows))
        trigger, rate, target_map, target = attack
        rows, labels, mask = poison(
            rows, labels, trigger, rate, target_map=target_map, target=target, random_state=seed
        )
    elif setting.endswith("wrong labels"):
        labels = corrupt_labels(labels, WRONG, random_state=_SEED_OF_LABELS + seed)[0]
    elif setting.endswith("unequal classes"):
        kept = _unequal(labels, rng)
        rows, labels, mask = rows[kept], labels[kept], mask[kept]
    return Poisoned(
        rows, labels, mask, _scaled(X_test[tested]), y_test[tested], _scaled(X[clean]), y[clean],
        attack,
    )  # fmt: skip


def _scaled(X: np.ndarray) -> np.ndarray:
    """Pictures in [0, 1] with a channel; tables as they are."""
    return X[:, None].astype(np.float32) / 255 if X.ndim == 3 else X.astype(np.float32)


def _unequal(labels: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """Rows of classes that shrink, by the same factor from one to the next."""
    classes, codes = np.unique(labels, return_inverse=True)
    shares = RAREST ** (np.arange(len(classes)) / max(1, len(classes) - 1))
    return np.flatnonzero(rng.uniform(size=len(labels)) < shares[codes])
