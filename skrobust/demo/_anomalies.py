"""Chapter 2: anomaly detectors that are trained on contaminated rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from pyod.models.auto_encoder import AutoEncoder
from pyod.models.iforest import IForest
from sklearn.metrics import roc_auc_score

from skrobust import RCADetector, RobustRealNVPDetector, estimate_contamination
from skrobust.demo._anomaly_data import PROBLEMS, Problem, Sample, draw_sample
from skrobust.demo._anomaly_pictures import draw_gallery, draw_histograms, draw_kept_share
from skrobust.demo._section import Case, Column, Figure, Part, Run, Section, trust_values
from skrobust.training import KeptShare

__all__ = ["ANOMALIES", "PLAIN", "RCA", "Scored"]

RCA = "RCA"
PLAIN = "RCA's plain autoencoder"

_FULL: dict[str, Any] = {"max_epochs": 100, "min_steps": 500}
_FULL_FLOW: dict[str, Any] = {"min_steps": 250}
_QUICK: dict[str, Any] = {
    "max_epochs": 45,
    "min_steps": 90,
    "lr": 3e-3,
    "hidden_layer_sizes": (64, 64),
    "n_passes": 10,
}
_QUICK_FLOW: dict[str, Any] = {"min_steps": 60, "max_epochs": 1, "hidden_layer_sizes": (32,)}


@dataclass(frozen=True)
class Scored:
    """What a detector made of a sample.

    Attributes
    ----------
    problem : Problem
        Where the sample comes from.
    sample : Sample
        Rows and labels.
    scores : array of shape (n_test,)
        Of the held-out rows; high means abnormal.
    kept_share : array of shape (n_epochs,)
        RCA: share of anomalies among the kept training rows, per epoch. Others: empty.
    warmup_end : float
        RCA: epoch from which on the full share is dropped. Others: nan.
    """

    problem: Problem
    sample: Sample
    scores: np.ndarray
    kept_share: np.ndarray = field(default_factory=lambda: np.empty(0))
    warmup_end: float = np.nan


def _measure(case: Case) -> tuple[dict[str, float], Scored]:
    problem = _PROBLEMS[case.problem]
    sample = draw_sample(problem, case.seed)
    detector = _METHODS[case.method](problem.rate, case)
    if case.method == RCA:
        detector.set_params(callbacks=[KeptShare(sample.y_train)])
    detector.fit(sample.X_train)
    scores = detector.decision_function(sample.X_test)
    reported = np.asarray(detector.labels_) == 1
    estimate = estimate_contamination(detector.decision_scores_).rate
    values = {
        "auc": float(roc_auc_score(sample.y_test, scores)),
        **trust_values(reported, sample.y_train == 1),
        "estimate": estimate,
        "estimate_error": abs(estimate - float(sample.y_train.mean())),
    }
    return values, Scored(problem, sample, scores, **_selection(detector, case.method))


def _selection(detector: Any, method: str) -> dict[str, Any]:
    if method != RCA:
        return {}
    kept = np.array(detector.history_[:, "kept_share"])
    return {"kept_share": kept, "warmup_end": detector.warmup * len(kept)}


def _rca(rate: float, case: Case) -> RCADetector:
    settings = _QUICK if case.quick else _FULL
    return RCADetector(rate, device="cpu", random_state=case.seed, **settings)


def _plain(rate: float, case: Case) -> RCADetector:
    return _rca(rate, case).set_params(n_networks=1, select=False, n_passes=0)


def _flow(rate: float, case: Case) -> RobustRealNVPDetector:
    settings = _QUICK_FLOW if case.quick else _FULL_FLOW
    return RobustRealNVPDetector(rate, device="cpu", random_state=case.seed, **settings)


def _forest(rate: float, case: Case) -> IForest:
    return IForest(contamination=rate, random_state=case.seed)


def _pyod_autoencoder(rate: float, case: Case) -> AutoEncoder:
    device = torch.device("cpu")
    return AutoEncoder(contamination=rate, random_state=case.seed, device=device, verbose=0)


_METHODS = {
    RCA: _rca,
    PLAIN: _plain,
    "RobustRealNVP": _flow,
    "PyOD IForest": _forest,
    "PyOD AutoEncoder": _pyod_autoencoder,
}
_PROBLEMS = {problem.title: problem for problem in PROBLEMS}


def _draw(runs: Sequence[Run]) -> list[Part]:
    first = [run for run in runs if run.case.seed == runs[0].case.seed]
    pair = _of(first, PLAIN) + _of(first, RCA)
    return [
        Part(
            "RCA drops anomalies from its own training",
            "In every batch each network discards the rows it reconstructs worst. Share of "
            "anomalies among the training rows that are kept: below the dashed line means that the "
            "networks learn from cleaner data than they were given. Thin lines are single seeds; "
            "all are running means over five epochs.",
            _each(_of(runs, RCA), draw_kept_share, "Anomalies among the kept rows"),
        ),
        Part(
            "Scores of held-out rows",
            "First seed. The more of the orange lies to the right of the blue, the better.",
            _each(pair, draw_histograms, "Held-out scores by label"),
        ),
        Part(
            "The most abnormal held-out pictures",
            "First seed, highest score first. Orange frame: an anomaly by label; blue frame: "
            "normal by label.",
            _each(list(filter(_is_picture, pair)), draw_gallery, "Most abnormal held-out pictures"),
        ),
    ]


def _is_picture(run: Run) -> bool:
    return run.details.problem.image_shape is not None


def _of(runs: Sequence[Run], method: str) -> list[Run]:
    return [run for run in runs if run.case.method == method]


def _each(runs: Sequence[Run], draw, alt: str) -> list[Figure]:
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.case.problem, []).append(run)
    return [Figure(draw(group), title, f"{alt}: {title}") for title, group in groups.items()]


ANOMALIES = Section(
    key="anomalies",
    title="Anomalies in the training rows",
    lead=(
        "Chapter 2. The detectors learn from training rows that contain unlabelled anomalies and "
        "then score rows they have not seen: RCA, its own plain autoencoder, the flow of chapter 3 "
        "and two detectors of PyOD. Each is told the share of anomalies; none sees a label."
    ),
    problems=_PROBLEMS,
    stories=[f"{problem.title}: {problem.story}" for problem in PROBLEMS],
    methods=_METHODS,
    measure=_measure,
    draw=_draw,
    columns=[
        *(Column(f"{name}\nAUC", "auc", name, best="high") for name in _PROBLEMS),
        Column("anomalies\namong reported", "right", form="percent", best="high"),
        Column("estimate\noff by", "estimate_error", form="percent", best="low"),
        Column("CPU\nseconds", "seconds", form="seconds"),
    ],
    note=(
        "AUC: area under the ROC curve on held-out rows (1 is perfect, 0.5 is chance). Anomalies "
        "among reported: of the training rows that the detector labels as anomalies, which are as "
        "many as there are. Estimate off by: what contamination='auto' would make of the scores of "
        "the training rows, distance from the true share in percentage points. Both are means over "
        "the three problems."
    ),
    main="auc",
    main_words="mean AUC",
    robust=RCA,
    plain=PLAIN,
    bad="anomalies",
    limit=(
        "Anomalies that are many, alike and close to the normal rows are reconstructed like any "
        "other pattern, and the estimate of an unknown share can be far off: scores tell the order "
        "of anomalies better than their number."
    ),
    settings=(
        "All normal rows are used; every seed draws its own anomalies and its own split, 60 % to "
        "train and 40 % held out with the same share. RCADetector: max_epochs=100, min_steps=500, "
        "which is half of the default, for speed. Plain autoencoder: the same with n_networks=1, "
        "select=False, n_passes=0. RobustRealNVPDetector: min_steps=250, a quarter. PyOD: its "
        "defaults. The problems were fixed before results were seen, and no setting was tuned on "
        "them."
    ),
)
