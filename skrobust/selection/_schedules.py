"""How the drop rate grows from 0 to the corruption rate, and the margin on top of it."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import NamedTuple

__all__ = ["DropSchedule", "Progress", "binomial_margin"]


_MOST = 1.0 - 1e-6


class Progress(NamedTuple):
    """Where training stands: both counters start at 0.

    Parameters
    ----------
    epoch : int
        Current epoch.
    n_epochs : int
        Planned number of epochs.
    step : int
        Current step, counted over all epochs.
    n_steps : int
        Planned number of steps.
    """

    epoch: int
    n_epochs: int
    step: int
    n_steps: int


def binomial_margin(rate: float, batch_size: int, z: float) -> float:
    """Margin for batches that hold more corrupted rows than average.

    The number of corrupted rows in a batch of m is about binomial, so its share has the standard
    deviation sqrt(rate (1 - rate) / m); the margin is ``z`` of them.

    Parameters
    ----------
    rate : float in [0, 1)
        Corruption rate.
    batch_size : int
        Rows in the batch (m).
    z : float
        Number of standard deviations.

    Returns
    -------
    float
        What to add to the drop rate.
    """
    return z * (rate * (1.0 - rate) / batch_size) ** 0.5


@dataclass(frozen=True)
class DropSchedule:
    """Drop rate of a training step: a linear ramp from 0 to ``rate``, then constant.

    Parameters
    ----------
    rate : float in [0, 1)
        Corruption rate (the thesis's epsilon).
    warmup : int or float, default=0
        Length of the ramp. An int counts epochs, a float in [0, 1] is a share of the training.
    unit : {"epoch", "step"}, default="epoch"
        "epoch" changes the rate between epochs (Algorithm 1), "step" at every step.
    kind : {"linear", "official"}, default="linear"
        "linear" reaches ``rate`` at the end of the ramp (Algorithm 1: the kept share falls by
        rate / warmup). "official" climbs by (1 - rate) / warmup and stops at ``rate``, as the
        published RCA code does; it arrives earlier for small rates.
    margin : float, default=0
        Standard deviations of a batch's corrupted share that are added to the drop rate, see
        :func:`binomial_margin`. It grows along the ramp with the rate.
    warmup_steps : int, optional
        Length of the ramp in steps, in the place of ``warmup``. It is as many whole epochs as come
        nearest, at least one and at most half of the training.
    """

    rate: float
    warmup: int | float = 0
    unit: str = "epoch"
    kind: str = "linear"
    margin: float = 0.0
    warmup_steps: int | None = None

    def drop_rate(self, progress: Progress, batch_size: int) -> float:
        """Share of a batch of ``batch_size`` rows that is dropped now, below 1."""
        return self._with_margin(self.reached(progress), batch_size)

    def final_rate(self, batch_size: int) -> float:
        """Share that is dropped after the ramp."""
        return self._with_margin(self.rate, batch_size)

    def _with_margin(self, reached: float, batch_size: int) -> float:
        if reached == 0:
            return 0.0
        margin = binomial_margin(self.rate, batch_size, self.margin) * reached / self.rate
        return min(reached + margin, _MOST)

    def is_warm(self, progress: Progress) -> bool:
        """Whether the ramp is over."""
        return self.reached(progress) >= self.rate

    def reached(self, progress: Progress) -> float:
        """How much of ``rate`` the ramp has reached; the margin is not part of it."""
        length = self.warmup
        if self.warmup_steps is not None:
            nearest = round(self.warmup_steps * progress.n_epochs / progress.n_steps)
            length = max(1, min(nearest, progress.n_epochs // 2))
        elif not isinstance(self.warmup, Integral):
            length = self.warmup * progress.n_epochs
        position: float = progress.epoch
        if self.unit == "step":
            position = progress.step * progress.n_epochs / progress.n_steps
        if position >= length:
            return self.rate
        climb = self.rate if self.kind == "linear" else 1.0 - self.rate
        return min(self.rate, climb * position / length)
