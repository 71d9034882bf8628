"""One training step of the coupling flow, with and without the spectral constraint.

The base is the same flow of separate layers, without a constraint or with the spectral norm of
torch's own parametrisations, which run one power iteration per layer and forward pass. Its trimmed
step ranks the rows in a pass of its own, as the published codes do. zuko's flow has one network
per coupling instead of two; it gets the hidden width that makes the parameters equal in number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from benchmarks.speed.memory import extra_memory
from benchmarks.speed.report import Row, at_most
from benchmarks.speed.timing import compare
from skrobust.networks import CouplingFlow
from skrobust.selection import DropSchedule, Progress, Trim, keep_count
from skrobust.training import SharedPass, StepState

__all__ = ["run", "run_memory"]

# features, couplings, hidden width
CONFIGURATIONS = [(8, 8, 128), (64, 6, 128), (64, 10, 128), (32, 6, 256)]
BATCH, RATE, STEPS = 128, 0.1, 10


def run(rounds: int) -> Iterator[Row]:
    """Yield ratios of step times for several sizes."""
    for width, couplings, hidden in CONFIGURATIONS:
        size = f"D {width}, {couplings} couplings, hidden {hidden}"
        x = torch.randn(BATCH, width, generator=torch.Generator().manual_seed(0))
        make: dict[str, Any] = {"n_couplings": couplings, "hidden_layer_sizes": (hidden, hidden)}
        ours = _plain(CouplingFlow(width, lipschitz=1.5, **make), x[None])
        trimmed = _robust(CouplingFlow(width, lipschitz=1.5, **make), x)
        free = _plain(SeparateFlow(width, couplings, hidden, constrained=False), x)
        torchs = SeparateFlow(width, couplings, hidden, constrained=True)
        for name, subject, base, goal in (
            ("constrained step / separate layers, no constraint", ours, free, 1.25),
            ("constrained step / torch's spectral norm", ours, _plain(torchs, x), 0.75),
            ("trimmed constrained step / the same in torch", trimmed, _twice(torchs, x), 0.60),
            ("constrained step / zuko, no constraint", ours, _zuko(x, couplings, hidden), 1.2),
        ):
            if base is None:
                yield Row(f"{name}, {size}", None, at_most(goal), note="zuko is not installed")
            else:
                ratio = compare(subject, base, rounds=rounds)
                yield Row(f"{name}, {size}", ratio, at_most(goal))


def run_memory(rounds: int) -> Iterator[Row]:
    """Yield the memory that scoring needs."""
    yield extra_memory("realnvp", 64)


class SeparateFlow(nn.Module):
    """Affine couplings with two separate networks each; log-density of rows (n_rows, width)."""

    def __init__(self, width: int, couplings: int, hidden: int, constrained: bool) -> None:
        super().__init__()

        def linear(a: int, b: int) -> nn.Module:
            layer = nn.Linear(a, b)
            return spectral_norm(layer) if constrained else layer

        def network() -> nn.Module:
            first, middle, last = (
                linear(width, hidden),
                linear(hidden, hidden),
                linear(hidden, width),
            )
            return nn.Sequential(first, nn.LeakyReLU(), middle, nn.LeakyReLU(), last)

        self.scales = nn.ModuleList(network() for _ in range(couplings))
        self.shifts = nn.ModuleList(network() for _ in range(couplings))
        upper = (torch.arange(width) >= width // 2).float()
        self.masks = [upper if i % 2 == 0 else 1 - upper for i in range(couplings)]

    def forward(self, x: Tensor) -> Tensor:
        log_det = torch.zeros(len(x))
        for scale, shift, mask in zip(self.scales, self.shifts, self.masks, strict=True):
            passed = x * mask
            s = torch.tanh(scale(passed)) * (1 - mask)
            t = shift(passed) * (1 - mask)
            x = (x - t) * torch.exp(-s)
            log_det = log_det - s.sum(dim=1)
        return log_det - 0.5 * (x**2).sum(dim=1)


def _steps(module: nn.Module, loss: Callable[[], Tensor]) -> Callable[[], None]:
    optimizer = torch.optim.Adam(module.parameters(), lr=3e-4, fused=True)

    def run() -> None:
        for _ in range(STEPS):
            optimizer.zero_grad()
            loss().backward()
            optimizer.step()

    return run


def _plain(module: nn.Module, x: Tensor) -> Callable[[], None]:
    return _steps(module, lambda: -module(x).mean())


def _robust(module: nn.Module, x: Tensor) -> Callable[[], None]:
    step = SharedPass(loss=lambda output, target: -output, selector=Trim(DropSchedule(RATE)))
    state = StepState.begin(step, 1, len(x), Progress(1, 2, 1, 2), "cpu")
    rows = torch.arange(len(x))
    return _steps(module, lambda: step(module, x[None], rows, rows, state))


def _twice(module: nn.Module, x: Tensor) -> Callable[[], None]:
    n_kept = keep_count(len(x), RATE)

    def loss() -> Tensor:
        with torch.no_grad():
            order = torch.sort(-module(x)).indices
        return -module(x[order[:n_kept]]).mean()

    return _steps(module, loss)


def _zuko(x: Tensor, couplings: int, hidden: int) -> Callable[[], None] | None:
    try:
        import zuko
    except ImportError:
        return None
    width = x.shape[1]
    n_wanted = _n_parameters(SeparateFlow(width, couplings, hidden, constrained=False))

    def make(h: int) -> nn.Module:
        return zuko.flows.RealNVP(
            width, transforms=couplings, hidden_features=(h, h), activation=nn.LeakyReLU
        )

    flow = make(
        min(range(hidden, 3 * hidden, 4), key=lambda h: abs(_n_parameters(make(h)) - n_wanted))
    )
    return _steps(flow, lambda: -flow().log_prob(x).mean())


def _n_parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
