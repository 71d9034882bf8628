"""Five kinds of corruption, on public estimators and displays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from pyod.models.ecod import ECOD
from pyod.models.iforest import IForest
from pyod.models.knn import KNN
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import HuberRegressor
from sklearn.metrics import PredictionErrorDisplay, roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skrobust import (
    BackdoorRobustClassifier,
    PRLClassifier,
    PRLRegressor,
    RCADetector,
    RobustEnsembleDetector,
    RobustRealNVPDetector,
    plotting,
)
from skrobust.corruption import PatchTrigger, corrupt_labels, corrupt_targets, poison
from skrobust.datasets import make_contaminated_moons
from skrobust.demo._running import PLAIN, Data, Experiment, Figure, draw
from skrobust.metrics import clean_accuracy, poison_accuracy
from skrobust.training import KeptShare

SMALL = {"max_epochs": 30, "hidden_layer_sizes": (64, 64), "lr": 3e-3}


class Anomalies(Experiment):
    """Anomalies among the training rows (chapter 2)."""

    key, title, bad = "anomalies", "Anomalies among the training rows", "anomalies"
    problems = {"Breast cancer": 0.10, "A pile of threes": 0.10, "Digits 0 to 4": 0.15}
    measures = {"auc": ("ROC AUC", 1)}
    ours, variants = "RobustEnsembleDetector", ("RCADetector",)
    peers = ("IForest", "KNN", "ECOD")
    quick = {**SMALL, "max_epochs": 90, "max_steps": 225, "n_passes": 10}

    def load(self, problem: str) -> tuple[np.ndarray, np.ndarray]:
        """Rows (n, n_features), and which of them are abnormal (n,)."""
        if problem == "Breast cancer":
            X, y = load_breast_cancer(return_X_y=True)
            return X, y == 0
        X, digit = load_digits(return_X_y=True)
        return X / 16, digit != 3 if problem == "A pile of threes" else digit > 4

    def sample(self, problem: str, seed: int) -> Data:
        X, abnormal = self.load(problem)
        rate, rng = self.problems[problem], np.random.RandomState(seed)
        normal, pool = np.flatnonzero(~abnormal), np.flatnonzero(abnormal)
        n_anomalies = round(len(normal) * rate / (1 - rate))
        rows = np.r_[normal, rng.choice(pool, n_anomalies, replace=False)]
        split = partial(train_test_split, train_size=0.6, random_state=rng)
        train, test = split(rows, stratify=abnormal[rows])
        return Data(X[train], None, abnormal[train], X[test], abnormal[test])

    def build(self, data: Data, **settings: Any) -> Sequence[Any]:
        rca = partial(RCADetector, "auto", **{"max_epochs": 500, "max_steps": 500, **settings})
        own = {name: settings[name] for name in ("device", "random_state")}
        is_quick = "max_epochs" in settings
        members = ("gaussian", "marginal", "neighbors", "forest") if is_quick else None
        return [
            RobustEnsembleDetector("auto", members=members, **own),
            rca(callbacks=[KeptShare(data.bad)]),
            rca(n_networks=1, select=False, n_passes=0),
            IForest(random_state=own["random_state"]),
            KNN(),
            ECOD(),
        ]

    def judge(self, model: Any, data: Data) -> dict[str, float]:
        return {"auc": float(roc_auc_score(data.y_test, model.decision_function(data.X_test)))}

    def show(self, method: str, model: Any, data: Data, problem: str) -> Iterator[Figure]:
        plot: Any
        if method in (self.ours, "KNN"):
            display = plotting.ScoreDistributionDisplay.from_estimator
            yield draw(
                "scores", f"{problem}, {method}", partial(display, model, data.X_test, data.y_test)
            )
        if method in self.variants:
            plot = partial(plotting.KeptShareDisplay.from_estimator, model, rate=data.bad.mean())
            yield draw("kept", problem, plot)
        if method == self.ours and data.X.shape[1] == 64:
            words = np.where(data.bad, "anomaly", "normal")
            yield draw("rows", problem, _least_trusted(model, data.X, words), (6.4, 2.8))


class Density(Experiment):
    """A density that is learnt from contaminated points (chapter 3)."""

    key, title, bad = "density", "A density with a cluster of anomalies", "anomalies"
    problems = {"Two moons": 0.05}
    measures = {"mass": ("% on the cluster", -1), "held_out": ("log-density of moons", 1)}
    ours, variants = "RobustRealNVPDetector", ("TrimRealNVP",)
    peers = ("Gaussian mixture",)
    quick = {"max_epochs": 10}
    centre, radius = np.array([2.5, 2.5]), 0.25

    def sample(self, problem: str, seed: int) -> Data:
        moons = partial(make_contaminated_moons, 2000, anomalies="clustered")
        X, y = moons(contamination=self.problems[problem], random_state=seed)
        X_test, y_test = moons(contamination=0.0, random_state=1000 + seed)
        return Data(X, None, y == 1, X_test, y_test)

    def build(self, data: Data, **settings: Any) -> Sequence[Any]:
        thesis: dict[str, Any] = {"base": "normal", "margin": 0.0, "preprocessing": None}
        thesis |= {"hidden_layer_sizes": (64, 64), "warmup": 0}
        length = {"max_epochs": 32}
        flow = partial(RobustRealNVPDetector, "auto", **{**thesis, **length, **settings})
        return [
            flow(lipschitz=1.0),
            flow(lipschitz=None),
            flow(trim=False, lipschitz=None),
            GaussianMixture(10, random_state=settings["random_state"]),
        ]

    def judge(self, model: Any, data: Data) -> dict[str, float]:
        held_out = float(model.score_samples(data.X_test).mean())
        return {"mass": 100 * self.mass_of_cluster(model), "held_out": held_out}

    def mass_of_cluster(self, model: Any, n: int = 60) -> float:
        """Integrate the density over a disc round the anomalies."""
        width = 2 * self.radius / n
        line = np.linspace(-self.radius, self.radius, n, endpoint=False) + width / 2
        points = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
        inside = points[np.hypot(*points.T) <= self.radius]
        return float(np.exp(model.score_samples(self.centre + inside)).sum() * width**2)

    def show(self, method: str, model: Any, data: Data, problem: str) -> Iterator[Figure]:
        display = partial(plotting.DensityDisplay.from_estimator, model)
        yield draw("densities", method, partial(display, data.X[::7], data.bad[::7]))


class Labels(Experiment):
    """Wrong labels (chapter 4)."""

    key, title, bad = "labels", "Wrong labels", "wrong"
    problems = {"Random labels": ("symmetric", 0.4), "Next digit": ("pairflip", 0.3)}
    measures = {"accuracy": ("accuracy", 1)}
    ours, variants = "PRLClassifier", ("PRLClassifier told the rate",)
    peers = ("random forest",)
    quick = SMALL

    def sample(self, problem: str, seed: int) -> Data:
        kind, rate = self.problems[problem]
        X, X_test, y, y_test = _digits(seed)
        given, wrong = corrupt_labels(y, rate, kind=kind, random_state=seed)
        return Data(_flat(X), given, wrong, _flat(X_test), y_test)

    def build(self, data: Data, **settings: Any) -> Sequence[Any]:
        return [
            PRLClassifier(corruption_rate="auto", **settings),
            PRLClassifier(corruption_rate=data.bad.mean(), **settings),
            PRLClassifier(selection=None, early_stopping=False, **settings),
            RandomForestClassifier(random_state=settings["random_state"]),
        ]

    def show(self, method: str, model: Any, data: Data, problem: str) -> Iterator[Figure]:
        if method in (self.ours, PLAIN):
            yield _good_and_bad(method, model, data, problem)
        if method == self.ours:
            words = [f"{a} → {b}" for a, b in zip(data.y, model.predict(data.X), strict=True)]
            yield draw("rows", problem, _least_trusted(model, data.X, words), (6.4, 2.8))


class Targets(Experiment):
    """Wrong targets of a regression (chapter 4): some are set to the largest one."""

    key, title, bad = "targets", "Wrong targets", "wrong"
    problems = {"Cell nuclei": 0.3, "Diabetes": 0.3}
    measures = {"r2": ("R²", 1)}
    ours, variants = "PRLRegressor", ("PRLRegressor told the rate",)
    peers = ("HuberRegressor",)
    quick = SMALL

    def sample(self, problem: str, seed: int) -> Data:
        X, y = load_diabetes(return_X_y=True)
        if problem == "Cell nuclei":
            nuclei = load_breast_cancer().data
            X, y = nuclei[:, :10], nuclei[:, 27]  # the means, and the worst concave points
        X, X_test, y, y_test = train_test_split(X, y, train_size=0.6, random_state=seed)
        rate = self.problems[problem]
        given, wrong = corrupt_targets(y, rate, kind="maximum", random_state=seed)
        return Data(X, given, wrong, X_test, y_test)

    def build(self, data: Data, **settings: Any) -> Sequence[Any]:
        return [
            PRLRegressor(corruption_rate="auto", **settings),
            PRLRegressor(corruption_rate=data.bad.mean(), **settings),
            PRLRegressor(selection=None, robust_start=0.0, score_limit=None, **settings),
            make_pipeline(StandardScaler(), HuberRegressor(max_iter=1000)),
        ]

    def show(self, method: str, model: Any, data: Data, problem: str) -> Iterator[Figure]:
        if method not in self.variants:
            display = partial(PredictionErrorDisplay.from_estimator, kind="actual_vs_predicted")
            plot = partial(display, model, data.X_test, data.y_test)
            yield draw("predictions", f"{problem}, {method}", plot)


class Poison(Experiment):
    """Training rows that carry a trigger and the one label that an attacker wants."""

    key, title, bad = "poison", "Poisoned training rows", "poisoned"
    problems = {"A patch in the corner": 0.05}
    measures = {"triggered": ("accuracy with trigger", 1), "clean": ("accuracy without", 1)}
    ours = "BackdoorRobustClassifier"
    variants, peers = ("Algorithm 6 told the rate",), ("random forest",)
    quick = {**SMALL, "min_steps": None}
    trigger = PatchTrigger(size=2)

    def sample(self, problem: str, seed: int) -> Data:
        X, X_test, y, y_test = _digits(seed)
        rate = self.problems[problem]
        aim: Any = {"target_map": "all-to-one", "target": 4}
        X, given, poisoned = poison(X, y, self.trigger, rate, **aim, random_state=seed)
        return Data(X, given, poisoned, X_test, y_test)

    def build(self, data: Data, **settings: Any) -> Sequence[Any]:
        plain: Any = {"noisy_label": None, "perturbation_limit": 0.0, "occlusion": 0.0}
        forest = RandomForestClassifier(random_state=settings["random_state"])
        of_label = data.bad[data.y == 4].mean()  # the rate is that of each label
        return [
            BackdoorRobustClassifier(**settings),
            BackdoorRobustClassifier(noisy_label="prl", corruption_rate=of_label, **settings),
            BackdoorRobustClassifier(**plain, **settings),
            make_pipeline(FunctionTransformer(_flat), forest),
        ]

    def judge(self, model: Any, data: Data) -> dict[str, float]:
        triggered = poison_accuracy(model, data.X_test, data.y_test, self.trigger)
        return {"triggered": triggered, "clean": clean_accuracy(model, data.X_test, data.y_test)}

    def show(self, method: str, model: Any, data: Data, problem: str) -> Iterator[Figure]:
        if method in (self.ours, PLAIN):
            yield _good_and_bad(method, model, data, problem)
        if method == self.ours:
            clean = data.X_test[:5]
            plot = partial(plotting.TriggerDisplay.from_predictions, clean, self.trigger(clean))
            yield draw("trigger", problem, plot, (6.4, 3.2))


def _digits(seed: int) -> list[np.ndarray]:
    """Handwritten digits as pictures with values in [0, 1], 60 % to train: X, X_test, y, y_test."""
    X, y = load_digits(return_X_y=True)
    X = X.reshape(-1, 1, 8, 8) / 16
    return train_test_split(X, y, train_size=0.6, stratify=y, random_state=seed)


def _flat(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1)


def _good_and_bad(method: str, model: Any, data: Data, problem: str) -> Figure:
    plot = partial(plotting.ScoreDistributionDisplay.from_estimator, model, y_true=data.bad)
    return draw("scores", f"{problem}, {method}", plot)


def _least_trusted(model: Any, X: np.ndarray, words: Any) -> Callable:
    shown = {"images": X.reshape(-1, 1, 8, 8), "y": words, "n_shown": 10}
    return partial(plotting.DistrustedRowsDisplay.from_estimator, model, **shown)


EXPERIMENTS = (Anomalies(), Density(), Labels(), Targets(), Poison())
