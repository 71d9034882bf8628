"""Train every detector on every problem under every seed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import torch
from pyod.models.auto_encoder import AutoEncoder
from pyod.models.iforest import IForest
from sklearn.metrics import roc_auc_score
from tqdm import tqdm

from skrobust import RCADetector
from skrobust._device import limited_threads
from skrobust._random import contained_seeding
from skrobust.demo._data import PROBLEMS, Problem, Sample, draw_sample
from skrobust.training import KeptShare

__all__ = [
    "FULL",
    "METHODS",
    "PLAIN",
    "QUICK",
    "RCA",
    "Run",
    "Settings",
    "run_experiment",
    "to_frame",
]

RCA = "RCA"
PLAIN = "RCA's plain autoencoder"
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Settings:
    """Settings of RCADetector and of its plain autoencoder; the rest is the library's default.

    Attributes
    ----------
    max_epochs, min_steps, lr, hidden_layer_sizes, n_passes
        As in :class:`~skrobust.RCADetector`.
    is_quick : bool
        Whether results are only good enough to see that everything runs.
    """

    max_epochs: int = 200
    min_steps: int = 500
    lr: float = 3e-4
    hidden_layer_sizes: tuple[int, ...] = (256, 256)
    n_passes: int = 100
    is_quick: bool = False


FULL = Settings()
QUICK = Settings(60, 120, 3e-3, (64, 64), 20, is_quick=True)


@dataclass(frozen=True)
class Run:
    """One detector, trained on one sample.

    Attributes
    ----------
    problem : Problem
        Where the sample comes from.
    method : str
        Key of ``METHODS``.
    seed : int
        Of sample and detector.
    sample : Sample
        Rows and labels.
    scores : array of shape (n_test,)
        Of the held-out rows; high means abnormal.
    seconds : float
        Processor time of fit and score.
    kept_share : array of shape (n_epochs,)
        RCA: share of anomalies among the kept training rows, per epoch. Others: empty.
    warmup_end : float
        RCA: epoch from which on the full share is dropped. Others: nan.
    """

    problem: Problem
    method: str
    seed: int
    sample: Sample
    scores: np.ndarray
    seconds: float
    kept_share: np.ndarray = field(default_factory=lambda: np.empty(0))
    warmup_end: float = np.nan

    @property
    def auc(self) -> float:
        """Area under the ROC curve of the held-out rows."""
        return float(roc_auc_score(self.sample.y_test, self.scores))


def run_experiment(
    seeds: Iterable[int], settings: Settings = FULL, problems: Iterable[Problem] = PROBLEMS
) -> list[Run]:
    """Run all methods, with one progress bar.

    Parameters
    ----------
    seeds : iterable of int
        One sample and one training per seed, problem and method.
    settings : Settings, default=FULL
        For RCADetector and its plain autoencoder.
    problems : iterable of Problem, default=PROBLEMS
        Where the samples come from.

    Returns
    -------
    list of Run
    """
    plan = list(product(problems, seeds, METHODS))
    runs = []
    with tqdm(plan, desc="demo", unit="fit") as bar:
        for problem, seed, method in bar:
            bar.set_postfix_str(f"{problem.title}, seed {seed}, {method}")
            runs.append(_run(problem, seed, method, settings))
    return runs


def to_frame(runs: Iterable[Run]) -> pd.DataFrame:
    """One row per run, in the order of the runs.

    Returns
    -------
    DataFrame
        Columns ``problem``, ``method``, ``seed``, ``auc``, ``seconds``.
    """
    rows = [(run.problem.title, run.method, run.seed, run.auc, run.seconds) for run in runs]
    return pd.DataFrame(rows, columns=["problem", "method", "seed", "auc", "seconds"])


def _run(problem: Problem, seed: int, method: str, settings: Settings) -> Run:
    sample = draw_sample(problem, seed)
    with contained_seeding(seed), limited_threads(1):
        detector = METHODS[method](problem.rate, seed, settings)
        if method == RCA:
            detector.set_params(callbacks=[KeptShare(sample.y_train)])
        start = time.process_time()
        detector.fit(sample.X_train)
        scores = detector.decision_function(sample.X_test)
        seconds = time.process_time() - start
    return Run(problem, method, seed, sample, scores, seconds, **_selection(detector, method))


def _selection(detector: Any, method: str) -> dict[str, Any]:
    if method != RCA:
        return {}
    kept = np.array(detector.history_[:, "kept_share"])
    return {"kept_share": kept, "warmup_end": detector.warmup * len(kept)}


def _rca(rate: float, seed: int, settings: Settings) -> RCADetector:
    return RCADetector(
        rate,
        max_epochs=settings.max_epochs,
        min_steps=settings.min_steps,
        lr=settings.lr,
        hidden_layer_sizes=settings.hidden_layer_sizes,
        n_passes=settings.n_passes,
        device="cpu",
        random_state=seed,
    )


def _plain(rate: float, seed: int, settings: Settings) -> RCADetector:
    return _rca(rate, seed, settings).set_params(n_networks=1, select=False, n_passes=0)


def _forest(rate: float, seed: int, settings: Settings) -> IForest:
    return IForest(contamination=rate, random_state=seed)


def _pyod_autoencoder(rate: float, seed: int, settings: Settings) -> AutoEncoder:
    return AutoEncoder(contamination=rate, random_state=seed, device=_CPU, verbose=0)


METHODS: dict[str, Callable] = {
    RCA: _rca,
    PLAIN: _plain,
    "PyOD IForest": _forest,
    "PyOD AutoEncoder": _pyod_autoencoder,
}
