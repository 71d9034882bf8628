"""Scoring: many stochastic passes, the rate, growth and memory of one pass, and the defaults."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.speed.data import contaminated_rows, normal_rows
from benchmarks.speed.memory import extra_memory
from benchmarks.speed.official import OfficialStyleRCA
from benchmarks.speed.report import Row, at_least, at_most
from benchmarks.speed.timing import Ratio, compare, quartiles, seconds
from skrobust import RCADetector

__all__ = ["run_default", "run_passes", "run_rate"]

HIDDEN, CODE, BATCH = (128, 128), 10, 128


def run_passes(rounds: int) -> Iterator[Row]:
    """Yield K=2 scoring with v passes over a loop that draws dropout for every row."""
    X = contaminated_rows()
    for dropout in (0.1, 0.5):
        for v in (10, 50):
            ratio = _compare_passes(X, v, dropout, rounds)
            compared = f"scoring / loop over passes, v={v}, dropout {dropout}"
            yield Row(compared, ratio, at_most(0.30))


def run_rate(rounds: int) -> Iterator[Row]:
    """Yield the rate of one pass over PyOD's, its growth with the rows, and its memory."""
    train = contaminated_rows()
    detector = _detector(train, n_networks=1, n_passes=0)
    peer = _pyod(train)
    for n_rows in (50_000, 200_000):
        ratio = _compare_rates(detector, peer, normal_rows(n_rows), rounds)
        yield Row(f"rows/s over PyOD AutoEncoder, n={n_rows}", ratio, at_least(4))
    yield Row("time n=1e6 / n=1e5", _compare_growth(detector, rounds), at_most(11))
    yield extra_memory("rca", 64)


def run_default(rounds: int) -> Iterator[Row]:
    """Yield CPU seconds of the default fit of 5,000 rows of 20 columns, and of scoring a row."""
    X = np.random.default_rng(0).normal(size=(5_000, 20))
    detector = RCADetector(device="cpu", random_state=0)
    fits = [seconds(lambda: detector.fit(X)) for _ in range(min(rounds, 3))]
    yield Row("default fit, 5,000 x 20", quartiles(fits), at_most(30), unit="s")
    times = [1e6 / len(X) * seconds(lambda: detector.decision_function(X)) for _ in range(rounds)]
    yield Row("default scoring, 20 columns", quartiles(times), at_most(40), unit="us a row")


def _compare_passes(X, v: int, dropout: float, rounds: int) -> Ratio:
    official = OfficialStyleRCA(X, HIDDEN, dropout)
    detector = _detector(X, n_networks=2, n_passes=v, dropout=dropout)
    return compare(lambda: detector.decision_function(X), lambda: official.score(v), rounds=rounds)


def _compare_rates(detector: RCADetector, peer, X, rounds: int) -> Ratio:
    return compare(
        lambda: peer.decision_function(X), lambda: detector.decision_function(X), rounds=rounds
    )


def _compare_growth(detector: RCADetector, rounds: int) -> Ratio:
    X = normal_rows(1_000_000)
    return compare(
        lambda: detector.decision_function(X),
        lambda: detector.decision_function(X[:100_000]),
        rounds=rounds,
    )


def _detector(X, *, n_networks: int, n_passes: int, dropout: float = 0.1) -> RCADetector:
    return RCADetector(
        n_networks=n_networks,
        hidden_layer_sizes=HIDDEN,
        latent_dim=CODE,
        dropout=dropout,
        margin=0.0,
        n_passes=n_passes,
        max_epochs=1,
        device="cpu",
        random_state=0,
    ).fit(X)


def _pyod(X):
    from pyod.models.auto_encoder import AutoEncoder

    return AutoEncoder(
        hidden_neuron_list=[*HIDDEN, CODE],
        dropout_rate=0.1,
        batch_norm=False,  # RCA has none
        epoch_num=1,
        batch_size=BATCH,
        device="cpu",
        verbose=0,
    ).fit(X)
