"""The whole ``RCADetector.fit``, with ten scoring passes, against the fits of its peers."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator

from benchmarks.speed.data import contaminated_rows
from benchmarks.speed.report import Row, at_most
from benchmarks.speed.timing import compare
from skrobust import RCADetector

__all__ = ["run"]

WIDTH, CODE, EPOCHS, BATCH, LR = 128, 10, 5, 128, 3e-4


def run(rounds: int) -> Iterator[Row]:
    """Yield the ratios to PyOD's AutoEncoder and to DeepOD's RCA."""
    X = contaminated_rows()
    for dropout in (0.1, 0.5):
        compared = f"fit / PyOD AutoEncoder.fit, dropout {dropout}"
        ratio = compare(_ours(X, dropout), _pyod(X, dropout), rounds=rounds)
        yield Row(compared, ratio, at_most(1.3), note="both scale, train and score")
    for dropout in (0.1, 0.5):
        compared = f"fit / DeepOD RCA.fit, dropout {dropout}"
        try:
            base = _deepod(X, dropout)
        except ImportError:
            yield Row(compared, None, at_most(0.45), note="deepod is not installed")
            continue
        ratio = compare(_ours(X, dropout), base, rounds=rounds)
        yield Row(compared, ratio, at_most(0.45), note="DeepOD: no bias, no scaling")


def _ours(X, dropout: float) -> Callable[[], object]:
    detector = RCADetector(
        hidden_layer_sizes=(WIDTH, WIDTH),
        latent_dim=CODE,
        dropout=dropout,
        margin=0.0,
        n_passes=10,
        n_draws=None,  # the peers choose no passes either
        scoring="sum",
        max_epochs=EPOCHS,
        batch_size=BATCH,
        lr=LR,
        device="cpu",
        random_state=0,
    )
    return lambda: detector.fit(X)


def _pyod(X, dropout: float) -> Callable[[], object]:
    from pyod.models.auto_encoder import AutoEncoder

    detector = AutoEncoder(
        hidden_neuron_list=[WIDTH, WIDTH, CODE],
        dropout_rate=dropout,
        batch_norm=False,  # RCA has none
        preprocessing=True,
        epoch_num=EPOCHS,
        batch_size=BATCH,
        lr=LR,
        device="cpu",
        verbose=0,
    )
    return lambda: detector.fit(X)


def _deepod(X, dropout: float) -> Callable[[], object]:
    from deepod.models.tabular import RCA

    def fit() -> None:
        with contextlib.redirect_stderr(io.StringIO()):  # its progress bar has no switch
            RCA(
                hidden_dims=f"{WIDTH},{WIDTH}",
                rep_dim=CODE,
                dropout=dropout,
                anom_ratio=0.1,
                inference_ensemble=10,
                epochs=EPOCHS,
                batch_size=BATCH,
                lr=LR,
                device="cpu",
                verbose=0,
            ).fit(X)

    return fit
