"""One training epoch of RCADetector.

An epoch is one call of ``net_.fit_loop(rows, epochs=1)`` on a net that ``fit`` has trained: it
counts the batches, steps, notifications and record of an epoch, but not validation, scaling,
building the net and scoring, which ``rca-fit`` counts. ``warmup=0`` drops the full share from the
start, as the baseline does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from sklearn.preprocessing import minmax_scale

from benchmarks.speed.data import contaminated_rows
from benchmarks.speed.official import OfficialStyleRCA
from benchmarks.speed.report import Row, at_most
from benchmarks.speed.timing import compare
from skrobust import RCADetector
from skrobust.training import RowDataset

__all__ = ["run"]

CONFIGURATIONS = [((128, 128), 0.1), ((256, 256), 0.5)]


def run(rounds: int) -> Iterator[Row]:
    """Yield K=2 over the official style, then K=5 over K=2, for a small and the default size."""
    X = contaminated_rows()
    for hidden, dropout in CONFIGURATIONS:
        size = f"hidden {hidden[0]}, dropout {dropout}"
        pair = _epoch(X, hidden, dropout, n_networks=2)
        official = OfficialStyleRCA(X, hidden, dropout).train_epoch
        ratio = compare(pair, official, rounds=rounds)
        yield Row(f"epoch K=2 / official style, {size}", ratio, at_most(0.70))
        five = _epoch(X, hidden, dropout, n_networks=5)
        ratio = compare(five, pair, rounds=rounds)
        yield Row(f"epoch K=5 / K=2, {size}", ratio, at_most(2.5))


def _epoch(X, hidden: Sequence[int], dropout: float, n_networks: int) -> Callable[[], object]:
    detector = RCADetector(
        n_networks=n_networks,
        hidden_layer_sizes=hidden,
        dropout=dropout,
        margin=0.0,
        max_epochs=1,
        warmup=0,
        n_passes=0,
        device="cpu",
        random_state=0,
    ).fit(X)
    rows = RowDataset(torch.from_numpy(minmax_scale(X).astype("float32")))
    return lambda: detector.net_.fit_loop(rows, epochs=1)
