"""The inner maximisation of chapter 5: inputs moved to where the loss is larger."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.instancenorm import _InstanceNorm

from skrobust.selection import DropSchedule, keep_lowest
from skrobust.training import StepState

__all__ = ["InputPerturbation", "Placed"]

_FORMS = ("per-sample", "shared-sign", "shared-mean")
_OVERSHOOT = 2.5  # length of all steps together over the limit, where there are several


class Placed:
    """Brings arrays to a device once instead of at every step, and is saved without the copies."""

    def _placed(self, name: str, like: Tensor) -> Tensor:
        """Return an attribute as a tensor of the type and the device of another one."""
        copies = self.__dict__.setdefault("_copies", {})
        key = name, like.dtype, like.device
        if key not in copies:
            copies[key] = torch.as_tensor(getattr(self, name)).to(like)
        return copies[key]

    def __getstate__(self) -> dict:
        """Leave out the tensors, so that a model loads on a machine without the device."""
        return {name: value for name, value in self.__dict__.items() if name != "_copies"}


@dataclass
class InputPerturbation(Placed):
    """Moves trusted rows against the network, each feature by at most a limit (Algorithm 6).

    It is meant for ``SharedPass(perturb=(…,))``. The module's parameters, their gradients and the
    running statistics of its normalisations stay as they are.

    Parameters
    ----------
    row_loss : callable ``(output, target) -> Tensor (n_networks, n_rows)``
        The loss that is increased.
    limit : float, array or Tensor
        Largest change of a feature (the thesis's tau), in units of the inputs; a tensor that
        broadcasts to a row has a limit for each.
    form : {"per-sample", "shared-sign", "shared-mean"}, default="per-sample"
        "per-sample": each row by the sign of its own gradient. "shared-sign": all rows of the
        batch by the sign of the sum of their gradients. "shared-mean": by the mean of the signs of
        their gradients, which is Equation 5.5 as printed; where rows disagree it is about
        limit / sqrt(m) for m rows.
    n_steps : int, default=1
        Gradient steps, of length ``2.5 limit / n_steps`` each where there are several.
    low, high : float, array or Tensor, default=0.0, 1.0
        Range of the inputs, which no change leaves.
    movable : array or Tensor of bool, optional
        Features that may change, of the shape of a row; all by default.
    schedule : DropSchedule, optional
        Share of the rows that are left alone, those of highest score. None: all rows move.
    row_score : callable of the form of ``row_loss``, optional
        What ranks them. None: the loss.

    References
    ----------
    .. [1] Liu, B. Robust learning of deep neural networks under data corruption. Chapter 5,
       Algorithm 6, Equation 5.5.
    .. [2] Goodfellow, I., Shlens, J., Szegedy, C. Explaining and harnessing adversarial examples.
       ICLR, 2015.
    """

    row_loss: Callable[[Any, Tensor], Tensor]
    limit: Any
    form: str = "per-sample"
    n_steps: int = 1
    low: Any = 0.0
    high: Any = 1.0
    movable: Any = None
    schedule: DropSchedule | None = None
    row_score: Callable[[Any, Tensor], Tensor] | None = None

    def __call__(
        self, module: nn.Module, x: Tensor, y: Tensor, row_ids: Tensor, state: StepState
    ) -> Tensor:
        """Return the inputs of the update, (n_networks, n_rows, ...), detached.

        Raises ValueError for a ``form`` that is none of the above, and for modules that give their
        inputs no gradient.
        """
        start, moved, moves = x.detach(), x.detach(), None
        limit = self._placed("limit", start)
        length = limit if self.n_steps == 1 else _OVERSHOOT * limit / self.n_steps
        with _frozen(module), _statistics_kept(module), torch.enable_grad():
            for _ in range(self.n_steps):
                moved = moved.detach().requires_grad_()
                output = module(moved)
                losses = self.row_loss(output, y)
                gradient = _input_gradient(losses, moved)
                if moves is None:  # rows are trusted for what they are before they move
                    moves = self._trusted(output, y, losses, state)
                    moves = moves.view(*moves.shape, *[1] * (moved.ndim - 2))
                with torch.no_grad():
                    direction, scale = self._direction(gradient, moves)
                    moved = self._clip(start, torch.addcmul(moved, direction, scale * length))
        return moved.detach()

    def _trusted(self, output: Any, y: Tensor, losses: Tensor, state: StepState) -> Tensor:
        """Which rows move, as 1 and 0, (n_networks, n_rows)."""
        weights = torch.ones_like(losses)
        if self.schedule is not None:
            scores = losses if self.row_score is None else self.row_score(output, y)
            rate = self.schedule.drop_rate(state.progress, losses.shape[1])
            weights = keep_lowest(scores.detach(), rate).mask(losses.shape[1]).to(losses.dtype)
        return weights.detach()

    def _direction(self, gradient: Tensor, moves: Tensor) -> tuple[Tensor, Tensor]:
        """Between -1 and 1 per feature; and 1 for rows (and features) that move, 0 for others."""
        if self.form == "per-sample":
            direction = gradient.sign()
        elif self.form == "shared-sign":
            direction = (gradient * moves).sum(dim=1, keepdim=True).sign()
        elif self.form == "shared-mean":
            n_moved = moves.sum(dim=1, keepdim=True).clamp(min=1)
            direction = (gradient.sign() * moves).sum(dim=1, keepdim=True) / n_moved
        else:
            raise ValueError(f"form must be one of {', '.join(_FORMS)}, got {self.form!r}")
        scale = moves if self.movable is None else moves * self._placed("movable", gradient)
        return direction, scale

    def _clip(self, start: Tensor, moved: Tensor) -> Tensor:
        """Within the limit and the range; a row that lies outside the range is not pulled in."""
        low, high = self._placed("low", start), self._placed("high", start)
        low, high = torch.minimum(start, low), torch.maximum(start, high)
        if self.n_steps > 1:  # one step is no longer than the limit
            limit = self._placed("limit", start)
            low, high = torch.maximum(low, start - limit), torch.minimum(high, start + limit)
        return moved.clamp(low, high)


def _input_gradient(losses: Tensor, inputs: Tensor) -> Tensor:
    gradient = None
    if losses.requires_grad:
        (gradient,) = torch.autograd.grad(losses.sum(), inputs, allow_unused=True)
    if gradient is None:
        raise ValueError(
            "the module gives its inputs no gradient, so that rows cannot be moved against it; "
            "perturbation_limit=0 moves none"
        )
    return gradient


@contextmanager
def _frozen(module: nn.Module) -> Iterator[None]:
    """Leave the parameters out of the graph: layers would compute their gradients for nothing."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


@contextmanager
def _statistics_kept(module: nn.Module) -> Iterator[None]:
    """Normalise by the batch, in training mode, without moving the running statistics."""
    norms = [m for m in module.modules() if isinstance(m, _NormBase) and m.track_running_stats]
    training = [m for m in norms if m.training]
    momenta = [norm.momentum for norm in training]
    for norm in training:
        norm.track_running_stats = isinstance(norm, _InstanceNorm)  # which looks at it in testing
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(training, momenta, strict=True):
            norm.track_running_stats = True
            norm.momentum = momentum
