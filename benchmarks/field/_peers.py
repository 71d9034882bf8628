"""PyOD's detectors by name, and one fit of any detector: its scores, its time, how it failed."""

from __future__ import annotations

import signal
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from inspect import signature
from typing import Any, NamedTuple

import numpy as np

from benchmarks._seeding import contained_seeding

__all__ = [
    "LONGEST",
    "NOT_FINITE",
    "OUT_OF_TIME",
    "PEERS",
    "RAISED",
    "Outcome",
    "fit_and_score",
    "make_peer",
]

# Class and module in pyod.models.
PEERS: dict[str, str] = {
    "AutoEncoder": "auto_encoder",
    "VAE": "vae",
    "DIF": "dif",
    "LUNAR": "lunar",
    "INNE": "inne",
    "KNN": "knn",
    "LOF": "lof",
    "MCD": "mcd",
    "GMM": "gmm",
    "ECOD": "ecod",
    "COPOD": "copod",
    "HBOS": "hbos",
    "CBLOF": "cblof",
    "IForest": "iforest",
    "PCA": "pca",
    "OCSVM": "ocsvm",
}
LONGEST = 300.0  # seconds of CPU time
RAISED, NOT_FINITE, OUT_OF_TIME = 1, 2, 3


class Outcome(NamedTuple):
    """What became of one fit.

    Parameters
    ----------
    scores : array of shape (n_new,) or None
        Scores of new rows; None where there are none to use.
    seconds : float
        CPU time of fitting and scoring.
    failed : int
        0, or ``RAISED``, ``NOT_FINITE`` or ``OUT_OF_TIME``.
    warned : list of str
        What was warned of.
    """

    scores: np.ndarray | None
    seconds: float
    failed: int
    warned: list[str]


def make_peer(name: str, seed: int) -> Any:
    """Make one of PyOD's detectors with default settings; silent, and seeded if it can be."""
    peer = getattr(import_module(f"pyod.models.{PEERS[name]}"), name)
    wanted = {"random_state": seed, "verbose": 0}
    known = signature(peer).parameters
    with contained_seeding(seed):  # some seed the global generators here
        return peer(**{key: value for key, value in wanted.items() if key in known})


def fit_and_score(
    detector: Any, X: np.ndarray, new: np.ndarray, seed: int, longest: float = LONGEST
) -> Outcome:
    """Fit a detector and score new rows; a failure is an outcome like others.

    Parameters
    ----------
    detector : object
        With ``fit`` and ``decision_function``.
    X : array of shape (n, d)
        Training rows.
    new : array of shape (n_new, d)
        Rows to score.
    seed : int
        Seed of the global generators.
    longest : float, default=300
        Seconds of CPU time after which it is stopped; a call into compiled code ends first.
    """
    scores, failed, start = None, 0, time.process_time()
    with warnings.catch_warnings(record=True) as caught, contained_seeding(seed):
        warnings.simplefilter("always")
        try:
            with _time_limit(longest):
                scores = detector.fit(X).decision_function(new)
        except TimeoutError:
            failed = OUT_OF_TIME
        except Exception:
            failed = RAISED
    seconds = time.process_time() - start
    if scores is not None and not np.isfinite(scores).all():
        scores, failed = None, NOT_FINITE
    return Outcome(scores, seconds, failed, [str(warning.message) for warning in caught])


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeoutError once this process has used so much CPU time (not on Windows)."""

    def stop(number: int, frame: Any) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
