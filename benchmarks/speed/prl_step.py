"""Training of the robust learners, as ratios to plain training in raw PyTorch.

``prl-step`` runs the engine's step (score, select, exchange, record, update) on shuffled batches
that lie in memory, against the plain step on the same batches: same network, mean cross-entropy,
torch's fused Adam. ``prl-fit`` is the whole ``fit``: checks, scaling, building and training the
net, and what is recorded of the rows. ``prl-gradient`` is the step that ranks rows by the norms of
their gradients (PRL(G)), and the peer that builds the gradients themselves, opacus.
``backdoor-step`` is the step of chapter 5, as printed (PRL-AT) and as the library has it.
``conv-layout`` is plain training with the channels last in memory, as ``fit`` has it on a CPU, and
as PyTorch has it unless told otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from benchmarks.speed.memory import training_memory
from benchmarks.speed.report import Row, at_most
from benchmarks.speed.timing import compare
from skrobust import PRLClassifier, PRLRegressor
from skrobust.backdoor import InputPerturbation, RandomOcclusion
from skrobust.networks import CNN9, NetworkEnsemble, ResNet32, SmallCNN, StackedMLP
from skrobust.selection import (
    DropSchedule,
    Progress,
    Trim,
    crossentropy,
    crossentropy_gradient_norm,
    keep_count,
)
from skrobust.training import ByRowGradients, SharedPass, StepState

__all__ = ["run_backdoor", "run_fit", "run_gradient", "run_layout", "run_step", "train_once"]

N_CLASSES = 10
RATES = (0.1, 0.3, 0.45)


def run_step(rounds: int) -> Iterator[Row]:
    """Yield PRL(L) and Co-PRL(L) over plain training, for a perceptron and a small CNN."""
    for name, module, shape, n_rows, batch_size in (
        ("MLP 512-256-256-10", _perceptron, (512,), 4096, 128),
        ("MLP 512-256-256-10", _perceptron, (512,), 8192, 512),
        ("CNN 1x28x28", SmallCNN, (1, 28, 28), 1024, 128),
    ):
        x, y = _random_rows(shape, n_rows)
        plain = _raw_epoch(module(), x, y, batch_size)
        for rate in RATES:
            ratio = compare(_epoch(module, x, y, batch_size, rate, 1), plain, rounds=rounds)
            compared = f"PRL(L) / plain step, {name}, batch {batch_size}, rate {rate}"
            yield Row(compared, ratio, at_most(1.10))
        ratio = compare(_epoch(module, x, y, batch_size, 0.3, 2), plain, rounds=rounds)
        compared = f"Co-PRL(L) / plain step, {name}, batch {batch_size}, rate 0.3"
        yield Row(compared, ratio, at_most(2.2))


def run_gradient(rounds: int) -> Iterator[Row]:
    """Yield PRL(G) over plain training and over opacus, and the memory of both."""
    for name, (make, shape, n_rows, batch_size, limit, by_opacus) in GRADIENT_STEPS.items():
        x, y = _random_rows(shape, n_rows)
        plain = _raw_epoch(make(), x, y, batch_size)
        own = _epoch(make, x, y, batch_size, 0.3, 1, by_gradient=True)
        ratio = compare(own, plain, rounds=rounds)
        yield Row(f"PRL(G) / plain step, {name}", ratio, at_most(limit))
        peer = _opacus_epoch(make(), x, y, batch_size, 0.3)
        compared = f"PRL(G) / the same with opacus, {name}"
        if peer is None:
            yield Row(compared, None, at_most(by_opacus), note="opacus is not installed")
        else:
            yield Row(compared, compare(own, peer, rounds=rounds), at_most(by_opacus))
        yield training_memory(name, 1.6)


def run_backdoor(rounds: int) -> Iterator[Row]:
    """Yield PRL-AT and the library's form of it over plain training."""
    for name, make, shape, n_rows in (
        ("MLP 512-256-256-10", _perceptron, (512,), 4096),
        ("CNN 1x28x28", SmallCNN, (1, 28, 28), 1024),
        ("ResNet32 3x32x32", ResNet32, (3, 32, 32), 256),
    ):
        x, y = _random_rows(shape, n_rows)
        x = x.sigmoid()
        plain = _raw_epoch(make(), x, y, 128)
        move = InputPerturbation(
            crossentropy,
            limit=0.05,
            schedule=DropSchedule(0.25),
            row_score=crossentropy_gradient_norm,
        )
        printed = _epoch(make, x, y, 128, 0.25, 1, perturb=(move,))
        ratio = compare(printed, plain, rounds=rounds)
        yield Row(f"PRL-AT / plain step, {name}, batch 128", ratio, at_most(2.1))
        own = _epoch(
            make,
            x,
            y,
            128,
            0.25,
            1,
            per_group=True,
            perturb=(RandomOcclusion(0.25), move),
            memory="average",
        )
        ratio = compare(own, plain, rounds=rounds)
        compared = f"PRL-AT, occlusion, memory, per class / plain step, {name}, batch 128"
        yield Row(compared, ratio, at_most(2.1))


def run_layout(rounds: int) -> Iterator[Row]:
    """Yield what the layout of the convolutions' weights saves."""
    for name, make, shape in (
        ("SmallCNN 1x28x28", SmallCNN, (1, 28, 28)),
        ("ResNet32 3x32x32", ResNet32, (3, 32, 32)),
        ("CNN9 3x32x32", CNN9, (3, 32, 32)),
    ):
        x, y = _random_rows(shape, 128)
        plain, last = (
            _raw_epoch(make().to(memory_format=layout), x, y, 128)  # type: ignore[call-overload]
            for layout in (torch.contiguous_format, torch.channels_last)
        )
        ratio = compare(last, plain, rounds=rounds)
        yield Row(f"channels last / first, plain step, {name}, batch 128", ratio, at_most(1.0))


def train_once(name: str, how: str) -> Callable[[], None]:
    """Make an epoch of one of ``GRADIENT_STEPS``, "plain" or by "gradient"."""
    make, shape, n_rows, batch_size, *_ = GRADIENT_STEPS[name]
    x, y = _random_rows(shape, n_rows)
    if how == "plain":
        return _raw_epoch(make(), x, y, batch_size)
    return _epoch(make, x, y, batch_size, 0.3, 1, by_gradient=True)


def run_fit(rounds: int) -> Iterator[Row]:
    """Yield the whole fit over a raw loop: 20,000 rows of 20 features in batches of 1,024."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 20))
    for what, estimator, y in (
        ("classifier", PRLClassifier, (X[:, 0] > 0).astype(int)),
        ("regressor", PRLRegressor, X[:, 0]),
    ):
        settings: dict[str, Any] = {"max_epochs": 10, "batch_size": 1024, "early_stopping": False}
        settings |= {"hidden_layer_sizes": (256, 256), "selection": "loss-gradient"}
        model = estimator(device="cpu", random_state=0, **settings)
        raw = _raw_fit(X, y, what == "classifier", 10, 1024)
        ratio = compare(partial(model.fit, X, y), raw, rounds=rounds)
        yield Row(f"{what}: fit / raw torch, 20000 x 20, batch 1024", ratio, at_most(1.15))


def _perceptron(n_inputs: int = 512, n_outputs: int = N_CLASSES) -> nn.Module:
    return nn.Sequential(
        nn.Linear(n_inputs, 256),
        nn.ReLU(),
        nn.Linear(256, 256),
        nn.ReLU(),
        nn.Linear(256, n_outputs),
    )


def _epoch(
    make: Callable,
    x: Tensor,
    y: Tensor,
    batch_size: int,
    rate: float,
    n_networks: int,
    per_group: bool = False,
    **parts: Any,
) -> Callable[[], None]:
    """As the estimators build it: perceptrons stacked, other networks in a list."""
    if make is _perceptron:
        sizes = (x.shape[1], 256, 256, N_CLASSES)
        module: nn.Module = StackedMLP(sizes, n_networks=n_networks, narrow_output=True)
    else:
        module = NetworkEnsemble(make, n_networks=n_networks)
    algorithm = ByRowGradients if parts.get("by_gradient") else SharedPass
    step = algorithm(
        loss=crossentropy,
        selector=Trim(DropSchedule(rate), per_group=per_group),
        score=crossentropy_gradient_norm,
        exchange=n_networks > 1,
        **parts,
    )
    state = StepState.begin(step, n_networks, len(x), Progress(1, 2, 1, 2), "cpu")
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3, fused=True)

    def run() -> None:
        order = torch.randperm(len(x))
        parts = (part.split(batch_size) for part in (x[order], y[order], order))
        for rows, targets, ids in zip(*parts, strict=True):
            optimizer.zero_grad()
            shared = rows.expand(n_networks, *rows.shape)
            step(module, shared, targets, ids, state).backward()
            optimizer.step()
        state.end_epoch()

    return run


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


def _opacus_epoch(
    module: nn.Module, x: Tensor, y: Tensor, batch_size: int, rate: float
) -> Callable[[], None] | None:
    """PRL(G) from gradients of rows that are built: norms, kept rows, their mean."""
    try:
        from opacus import GradSampleModule
    except ImportError:
        return None
    wrapped = GradSampleModule(module, loss_reduction="sum")
    parameters = list(wrapped.parameters())
    optimizer = torch.optim.Adam(parameters, lr=1e-3, fused=True)
    loss = nn.CrossEntropyLoss(reduction="sum")

    def run() -> None:
        order = torch.randperm(len(x))
        for rows, targets in zip(
            x[order].split(batch_size), y[order].split(batch_size), strict=True
        ):
            optimizer.zero_grad()
            loss(wrapped(rows), targets).backward()
            with torch.no_grad():
                norms = sum(p.grad_sample.flatten(1).square().sum(1) for p in parameters)
                kept = norms.argsort()[: keep_count(len(rows), rate)]
                for parameter in parameters:
                    parameter.grad = parameter.grad_sample[kept].mean(dim=0)
                    parameter.grad_sample = None
            optimizer.step()

    return run


def _random_rows(shape: tuple[int, ...], n_rows: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n_rows, *shape, generator=generator)
    return x, torch.randint(N_CLASSES, (n_rows,), generator=generator)


# Network, shape, rows, batch, and the limits of the ratios to a plain step and to opacus.
GRADIENT_STEPS: dict[str, tuple] = {
    "MLP 512-256-256-10, batch 128": (_perceptron, (512,), 2048, 128, 1.25, 0.10),
    "MLP 512-256-256-10, batch 512": (_perceptron, (512,), 4096, 512, 1.25, 0.10),
    "CNN 1x28x28, batch 128": (SmallCNN, (1, 28, 28), 512, 128, 1.30, 0.25),
    "ResNet32 group norm, batch 64": (
        partial(ResNet32, norm="group"),
        (3, 32, 32),
        128,
        64,
        1.9,
        0.70,
    ),
}


def _raw_fit(X, y, classify: bool, n_epochs: int, batch_size: int) -> Callable[[], None]:
    def run() -> None:
        x = torch.from_numpy(StandardScaler().fit_transform(X).astype(np.float32))
        targets = torch.from_numpy(y if classify else y.astype(np.float32)[:, None])
        module = _perceptron(X.shape[1], 2 if classify else 1)
        epoch = _raw_epoch(module, x, targets, batch_size)
        for _ in range(n_epochs):
            epoch()

    return run
