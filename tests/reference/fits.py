"""The fits: every estimator in its default and its main variants, on small bundled data."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from pyod.models.iforest import IForest
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_linnerud,
    load_wine,
)

from skrobust import (
    BackdoorRobustClassifier,
    FinePruningClassifier,
    OutlierDetectorAdapter,
    PRLClassifier,
    PRLRegressor,
    RCADetector,
    RobustFilter,
    RobustRealNVPDetector,
    SemiSupervisedBackdoorClassifier,
    SpectralSignatureFilter,
    audit_labels,
    estimate_contamination,
    estimate_corruption_rate,
)
from skrobust.corruption import PatchTrigger, corrupt_labels, corrupt_targets, poison
from skrobust.networks import SmallCNN

__all__ = ["FITS"]

Numbers = dict[str, np.ndarray]
RECORD = ("sample_scores_", "keep_frequency_", "inlier_mask_")
SHORT = {"max_epochs": 4, "min_steps": None}


class GroupNormCNN(torch.nn.Module):
    """A small network with a normalisation that rows do not share, for gradients of rows."""

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.features = torch.nn.Sequential(
            torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.GroupNorm(2, 4), torch.nn.ReLU()
        )
        self.output = torch.nn.Linear(4 * 64, n_classes)

    def forward(self, x):
        return self.output(self.features(x).flatten(1))


class BatchNormCNN(torch.nn.Module):
    """A small network whose rows share their statistics, with dropout."""

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.features = torch.nn.Sequential(
            torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.BatchNorm2d(4), torch.nn.ReLU()
        )
        self.output = torch.nn.Sequential(torch.nn.Dropout(0.2), torch.nn.Linear(4 * 64, n_classes))

    def forward(self, x):
        return self.output(self.features(x).flatten(1))


def anomalies() -> np.ndarray:
    """Rows of breast cancer, a tenth of them malignant."""
    X, y = load_breast_cancer(return_X_y=True)
    return np.r_[X[y == 1][:270], X[y == 0][:30]]


def wrong_labels() -> tuple[np.ndarray, np.ndarray]:
    """Digits, a fifth of them with a wrong label."""
    X, truth = load_digits(return_X_y=True)
    return X[:600], corrupt_labels(truth[:600], 0.2, random_state=0)[0]


def wrong_targets() -> tuple[np.ndarray, np.ndarray]:
    """Diabetes, a fifth of the targets at their largest value."""
    X, truth = load_diabetes(return_X_y=True)
    return X, corrupt_targets(truth, 0.2, kind="maximum", random_state=0)[0]


def images() -> tuple[np.ndarray, np.ndarray]:
    """Digits as images, a fifth of them with a patch and the next label."""
    digits = load_digits()
    X = digits.images[:600, None].astype(np.float32) / 16
    X, y, _ = poison(X, digits.target[:600], PatchTrigger(size=2), 0.2, random_state=0)
    return X, y


def fit_detector(**settings) -> Callable[[], Numbers]:
    def fit(settings=settings) -> Numbers:
        settings = dict(settings)
        X = anomalies()
        if settings.get("missing") == "mean":
            X[::7, 3] = np.nan
        kind = settings.pop("kind")
        detector = kind(random_state=0, **settings).fit(X)
        numbers = take(detector, "decision_scores_", "labels_", "threshold_", "contamination_")
        numbers["scores"] = detector.decision_function(X[::3] + 0.1)
        numbers["feature_scores"] = detector.feature_scores(X[:5])
        if kind is RobustRealNVPDetector:
            numbers["sample"] = detector.sample(3, random_state=0)
            numbers["lipschitz"] = np.array(detector.lipschitz_bound_.map)
        return numbers

    return fit


def fit_classifier(kind, data=wrong_labels, **settings) -> Callable[[], Numbers]:
    def fit() -> Numbers:
        X, y = data()
        model = kind(**{"corruption_rate": 0.2, "random_state": 0, **settings}).fit(X, y)
        numbers = take(model, "corruption_rate_")
        numbers["probabilities"] = model.predict_proba(X[::5])
        numbers["embedding"] = model.embed(X[:3])
        if kind is BackdoorRobustClassifier:
            numbers["perturbed"] = model.perturb(X[:20], y[:20])
        return numbers

    return fit


def fit_regressor(data=wrong_targets, **settings) -> Callable[[], Numbers]:
    def fit() -> Numbers:
        X, y = data()
        told = {"corruption_rate": 0.2, "drop_stuck": False}
        model = PRLRegressor(**{**told, "random_state": 0, **settings}).fit(X, y)
        return {**take(model, "corruption_rate_"), "predictions": model.predict(X[::3])}

    return fit


def fit_semi_supervised(**settings) -> Callable[[], Numbers]:
    def fit() -> Numbers:
        X, y = wrong_labels()
        y[300:] = -1
        model = SemiSupervisedBackdoorClassifier(random_state=0, **settings).fit(X, y)
        numbers = take(model, "corruption_rate_", "pretrain_losses_", "spectral_norm_")
        numbers["probabilities"] = model.predict_proba(X[::5])
        return numbers

    return fit


def fit_pruning(with_clean_rows: bool, data, **settings) -> Callable[[], Numbers]:
    def fit() -> Numbers:
        X, y = data()
        clean = (X[:100], y[:100]) if with_clean_rows else ()
        model = FinePruningClassifier(random_state=0, **settings).fit(X, y, *clean)
        numbers = take(model, "corruption_rate_", "pruned_units_", "pruning_accuracies_")
        numbers["probabilities"] = model.predict_proba(X[::5])
        return numbers

    return fit


def fit_filter(make) -> Numbers:
    X, y = wrong_labels()
    found = make().fit(X, y)
    return {"scores": found.scores_, "kept": found.sample_indices_}


def fit_adapter(make) -> Numbers:
    X = anomalies()
    adapter = OutlierDetectorAdapter(make()).fit(X)
    return {"scores": adapter.score_samples(X), "labels": adapter.predict(X)}


def audit_classes() -> Numbers:
    X, y = wrong_labels()
    model = PRLClassifier(corruption_rate=0.2, random_state=0, max_epochs=10)
    audit = audit_labels(model, X, y, cv=3, random_state=0)
    rate = estimate_corruption_rate(model, X, y, random_state=0)
    return {"scores": audit.scores, "order": audit.order, "rate": np.array(rate[:3])}


def audit_targets() -> Numbers:
    X, y = wrong_targets()
    model = PRLRegressor(corruption_rate=0.2, random_state=0, max_epochs=10)
    audit = audit_labels(model, X, y, cv=3, random_state=0)
    rate = estimate_corruption_rate(model, X, y, random_state=0)
    return {"scores": audit.scores, "order": audit.order, "rate": np.array(rate[:3])}


def estimate_anomalies() -> Numbers:
    rng = np.random.RandomState(0)
    scores = np.r_[rng.normal(size=900), rng.normal(12, 2, size=100)]
    return {"rate": np.array(estimate_contamination(scores)[:3])}


def take(model, *names: str) -> Numbers:
    numbers = {name: np.asarray(getattr(model, name)) for name in (*RECORD, *names)}
    numbers["train_loss"] = np.array(model.history_[:, "train_loss"])
    return numbers


def quiet(fit: Callable[[], Numbers]) -> Numbers:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fit()


rca = partial(fit_detector, kind=RCADetector)
flow = partial(fit_detector, kind=RobustRealNVPDetector)
labels = partial(fit_classifier, PRLClassifier)
# with the plain perceptron, the batches and the ranking of the chapter
CHAPTER = {"selection": "loss-gradient", "hidden_layer_sizes": (256, 256), "batch_size": 128}


def chapter_labels(**settings) -> Callable[[], Numbers]:
    return labels(**{**CHAPTER, **settings})


def defence(**settings) -> Callable[[], Numbers]:
    return fit_classifier(BackdoorRobustClassifier, **{"noisy_label": "prl", **settings})


RCA_SHORT = {"max_epochs": 8, "n_passes": 5}
CNN = {"module": SmallCNN, "module__image_size": 8, "module__width": 4}

_FITS: dict[str, Callable[[], Numbers]] = {
    "rca": rca(),
    "rca vae": rca(base="vae", **RCA_SHORT),
    "rca one network": rca(n_networks=1, select=False, n_passes=0, max_epochs=8),
    "rca three networks": rca(n_networks=3, **RCA_SHORT),
    "rca no dropout": rca(dropout=0.0, **RCA_SHORT),
    "rca official schedule": rca(schedule="official", **RCA_SHORT),
    "rca cross-entropy": rca(loss="binary_crossentropy", **RCA_SHORT),
    "rca standard, missing": rca(preprocessing="standard", missing="mean", **RCA_SHORT),
    "rca auto": rca(contamination="auto", **RCA_SHORT),
    "flow": flow(),
    "flow normal": flow(base="normal"),
    "flow no limit": flow(base="normal", lipschitz=None, **SHORT),
    "flow exact limit": flow(base="normal", constraint="exact", **SHORT),
    "flow official mask": flow(base="normal", mask="official", preprocessing="minmax", **SHORT),
    "flow no trimming": flow(base="normal", trim=False, **SHORT),
    "flow early stopping": flow(
        base="normal", early_stopping=True, patience=4, batch_size=64, max_epochs=12
    ),
    "flow auto": flow(base="normal", contamination="auto", **SHORT),
    "labels": labels(),
    "labels default, two networks": labels(n_networks=2, **SHORT),
    "labels prior-adjusted": labels(selection="prior-adjusted", **SHORT),
    "labels chapter": chapter_labels(),
    "labels two networks": chapter_labels(n_networks=2, **SHORT),
    "labels gradient": chapter_labels(selection="gradient", **SHORT),
    "labels loss": chapter_labels(selection="loss", **SHORT),
    "labels min": chapter_labels(selection="min", **SHORT),
    "labels disagreement": chapter_labels(selection="disagreement", n_networks=2, **SHORT),
    "labels plain": chapter_labels(selection=None, **SHORT),
    "labels clip batch": chapter_labels(clip="batch", **SHORT),
    "labels clip row": chapter_labels(clip="row", max_norm=0.5, **SHORT),
    "labels clip row, gradient": chapter_labels(
        clip="row", selection="gradient", max_norm=0.5, **SHORT
    ),
    "labels bootstrap hard": chapter_labels(loss="bootstrap-hard", **SHORT),
    "labels bootstrap soft": chapter_labels(loss="bootstrap-soft", bootstrap_weight=0.9, **SHORT),
    "labels reforward": chapter_labels(reforward=True, warmup=1, **SHORT),
    "labels reforward gradient": chapter_labels(
        reforward=True, selection="gradient", warmup=1, **SHORT
    ),
    "labels memory sum": chapter_labels(memory="sum", warmup=1, **SHORT),
    "labels memory average": chapter_labels(memory="average", warmup=0.5, **SHORT),
    "labels auto": chapter_labels(corruption_rate="auto", max_epochs=15),
    "labels early stopping": chapter_labels(early_stopping=True, patience=10, max_epochs=30),
    "labels network": chapter_labels(data=images, warmup=1, **CNN, **SHORT),
    "labels network, gradient": chapter_labels(
        data=images, module=GroupNormCNN, selection="gradient", warmup=1, n_networks=2, **SHORT
    ),
    "labels batch norm": chapter_labels(
        data=images, module=BatchNormCNN, n_networks=2, warmup=1, **SHORT
    ),
    "labels batch norm, reforward": chapter_labels(
        data=images, module=BatchNormCNN, reforward=True, warmup=1, **SHORT
    ),
    "targets": fit_regressor(),
    "targets huber": fit_regressor(loss="huber", huber_delta=0.7, **SHORT),
    "targets absolute": fit_regressor(loss="absolute_error", warmup=1, **SHORT),
    "targets gradient": fit_regressor(selection="gradient", warmup=1, **SHORT),
    "targets clip row": fit_regressor(clip="row", warmup=1, **SHORT),
    "targets no limit": fit_regressor(score_limit=None, warmup=1, **SHORT),
    "targets thesis": fit_regressor(
        score_limit=None, robust_start=0.0, early_stopping=False, **SHORT
    ),
    "targets gradient, limit": fit_regressor(
        selection="gradient", score_limit=1.5, warmup=1, batch_size=32, **SHORT
    ),
    "targets two networks": fit_regressor(n_networks=2, memory="sum", warmup=1, **SHORT),
    "targets several": fit_regressor(lambda: load_linnerud(return_X_y=True), max_epochs=30),
    "targets auto": fit_regressor(corruption_rate="auto", max_epochs=15),
    "targets stuck": fit_regressor(corruption_rate="auto", drop_stuck=True, max_epochs=15),
    "targets early stopping": fit_regressor(early_stopping=True, patience=10, max_epochs=30),
    "poison screen": defence(data=images, noisy_label="screen", **SHORT),
    "poison": defence(data=images),
    "poison spl": defence(data=images, noisy_label="spl", **SHORT),
    "poison bootstrap": defence(data=images, noisy_label="bootstrap", **SHORT),
    "poison adversarial": defence(data=images, noisy_label=None, occlusion=0.0, **SHORT),
    "poison shared sign": defence(data=images, perturbation="shared-sign", **SHORT),
    "poison shared mean": defence(data=images, perturbation="shared-mean", **SHORT),
    "poison steps": defence(data=images, n_steps=3, warmup=1, **SHORT),
    "poison outer": defence(data=images, robust_inner=False, warmup=1, **SHORT),
    "poison inner": defence(data=images, robust_outer=False, warmup=1, **SHORT),
    "poison thesis": defence(
        data=images, margin=0, occlusion=0, memory=None, per_class=False, warmup=0.5, **SHORT
    ),
    "poison network": defence(data=images, warmup=1, **CNN, **SHORT),
    "poison batch norm": defence(data=images, module=BatchNormCNN, n_steps=2, warmup=1, **SHORT),
    "poison table": defence(categorical_features=[0, 5], memory="sum", warmup=1, **SHORT),
    "poison auto": defence(data=images, corruption_rate="auto", **SHORT),
    "semi-supervised": fit_semi_supervised(pretrain_epochs=5),
    "semi-supervised clip": fit_semi_supervised(pretrain_epochs=1, truncate="clip", **SHORT),
    "semi-supervised plain": fit_semi_supervised(pretrain_epochs=0, noisy_label=None, **SHORT),
    "semi-supervised auto": fit_semi_supervised(pretrain_epochs=1, corruption_rate="auto", **SHORT),
    "fine-pruning": fit_pruning(True, images, max_epochs=30),
    "fine-pruning, no clean rows": fit_pruning(False, images, max_epochs=4, fine_tune_epochs=2),
    "fine-pruning, network": fit_pruning(True, images, max_epochs=4, fine_tune_epochs=2, **CNN),
    "spectral filter": partial(fit_filter, lambda: SpectralSignatureFilter(random_state=0)),
    "robust filter": partial(
        fit_filter,
        lambda: RobustFilter(PRLClassifier(corruption_rate=0.2, random_state=0, max_epochs=10)),
    ),
    "adapter": partial(
        fit_adapter, lambda: OutlierDetectorAdapter(IForest(random_state=0)).detector
    ),
    "adapter rca": partial(fit_adapter, lambda: RCADetector(random_state=0, **RCA_SHORT)),
    "audit labels": audit_classes,
    "audit targets": audit_targets,
    "estimate anomalies": estimate_anomalies,
}

FITS = {name: partial(quiet, fit) for name, fit in _FITS.items()}


def wine() -> tuple[np.ndarray, np.ndarray]:
    """Three classes, a fifth of the labels wrong."""
    X, truth = load_wine(return_X_y=True)
    return X, corrupt_labels(truth, 0.2, random_state=0)[0]


FITS["labels few rows"] = partial(quiet, chapter_labels(data=wine, max_epochs=20))
