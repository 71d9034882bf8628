"""Training of the robust learners, as ratios to plain training in raw PyTorch.

A step is measured over an epoch: one call of ``net_.fit_loop(rows, epochs=1)`` on a net that
``fit`` has trained, drop rate reached, against a loop over the same number of shuffled batches
that lie in memory, with the same network and torch's fused Adam. ``prl-fit`` is the whole ``fit``:
checks, scaling, building and training the net, and what is recorded of the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from benchmarks.report import Row, at_most
from benchmarks.timing import compare
from skrobust import PRLClassifier, PRLRegressor
from skrobust.training import RowDataset

__all__ = ["run_fit", "run_step"]

N_CLASSES = 10
RATES = (0.1, 0.3, 0.45)


def run_step(rounds: int) -> Iterator[Row]:
    """Yield PRL(L) and Co-PRL(L) over plain training, for a perceptron and a small CNN."""
    rng = np.random.default_rng(0)
    for name, module, shape, n_rows in (
        ("MLP 512-256-256-10", _perceptron, (512,), 4096),
        ("CNN 1x28x28", SmallCNN, (1, 28, 28), 1024),
    ):
        X = rng.normal(size=(n_rows, *shape)).astype(np.float32)
        y = rng.integers(N_CLASSES, size=n_rows)
        plain = _raw_epoch(module(), torch.from_numpy(X), torch.from_numpy(y), 128)
        for rate in RATES:
            ratio = compare(_epoch(module, X, y, rate), plain, rounds=rounds)
            yield Row(f"PRL(L) / plain step, {name}, rate {rate}", ratio, at_most(1.10))
        ratio = compare(_epoch(module, X, y, 0.3, n_networks=2), plain, rounds=rounds)
        yield Row(f"Co-PRL(L) / plain step, {name}, rate 0.3", ratio, at_most(2.2))


def run_fit(rounds: int) -> Iterator[Row]:
    """Yield the whole fit over a raw loop: 20,000 rows of 20 features in batches of 1,024."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 20))
    for what, estimator, y in (
        ("classifier", PRLClassifier, (X[:, 0] > 0).astype(int)),
        ("regressor", PRLRegressor, X[:, 0]),
    ):
        settings: dict[str, Any] = {"max_epochs": 10, "batch_size": 1024, "early_stopping": False}
        model = estimator(device="cpu", random_state=0, **settings)
        raw = _raw_fit(X, y, what == "classifier", 10, 1024)
        ratio = compare(lambda model=model, y=y: model.fit(X, y), raw, rounds=rounds)
        yield Row(f"{what}: fit / raw torch, 20000 x 20, batch 1024", ratio, at_most(1.15))


class SmallCNN(nn.Module):
    """Two convolutions and two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.output = nn.Sequential(
            nn.Flatten(), nn.Linear(32 * 49, 128), nn.ReLU(), nn.Linear(128, N_CLASSES)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.features(x))


def _perceptron(n_inputs: int = 512, n_outputs: int = N_CLASSES) -> nn.Module:
    return nn.Sequential(
        nn.Linear(n_inputs, 256),
        nn.ReLU(),
        nn.Linear(256, 256),
        nn.ReLU(),
        nn.Linear(256, n_outputs),
    )


def _epoch(module, X, y, rate: float, n_networks: int = 1) -> Callable[[], object]:
    model = PRLClassifier(
        None if module is _perceptron else module,
        corruption_rate=rate,
        n_networks=n_networks,
        preprocessing=None,
        max_epochs=1,
        warmup=0,
        device="cpu",
        random_state=0,
    ).fit(X, y)
    rows = RowDataset(torch.from_numpy(X), torch.from_numpy(y))
    return lambda: model.net_.fit_loop(rows, epochs=1)


def _raw_epoch(module: nn.Module, x: Tensor, y: Tensor, batch_size: int) -> Callable[[], None]:
    loss = nn.CrossEntropyLoss() if y.dtype == torch.int64 else nn.MSELoss()
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3, fused=True)

    def run() -> None:
        module.train()
        order = torch.randperm(len(x))
        rows, targets = x[order], y[order]
        for batch, given in zip(rows.split(batch_size), targets.split(batch_size), strict=True):
            optimizer.zero_grad()
            loss(module(batch), given).backward()
            optimizer.step()

    return run


def _raw_fit(X, y, classify: bool, n_epochs: int, batch_size: int) -> Callable[[], None]:
    def run() -> None:
        x = torch.from_numpy(StandardScaler().fit_transform(X).astype(np.float32))
        targets = torch.from_numpy(y if classify else y.astype(np.float32)[:, None])
        module = _perceptron(X.shape[1], 2 if classify else 1)
        epoch = _raw_epoch(module, x, targets, batch_size)
        for _ in range(n_epochs):
            epoch()

    return run
