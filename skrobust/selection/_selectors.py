"""What chooses the rows of a batch: the protocol, the drop rate over time, and trimming by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import NamedTuple, Protocol

from torch import Tensor

from skrobust.selection._memory import ScoreWindow
from skrobust.selection._rules import (
    Selection,
    drop_above,
    keep_both,
    keep_count,
    keep_lowest,
    keep_lowest_per_group,
)

__all__ = [
    "LIMIT_ROWS",
    "DropSchedule",
    "Progress",
    "Selector",
    "Trim",
    "binomial_margin",
    "score_of",
]

_MOST = 1.0 - 1e-6
LIMIT_ROWS = 2048  # recent rows that score_limit looks at
_LIMIT_MARGIN = 2.0  # standard deviations of their corrupted share that it is safe from


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
        Planned number of steps. Where batches grow it is planned anew with every epoch.
    """

    epoch: int
    n_epochs: int
    step: int
    n_steps: int


class Selector(Protocol):
    """Turns the scores of a batch into the rows that are trained on: what ``selection=`` takes.

    An object that is called as below is enough. Three attributes are looked for besides: ``score``,
    what the scores are to be ("loss", the default, "loss-gradient" or "gradient");
    ``rescore(scores, outputs, y) -> scores``, which sees the networks' outputs (n_networks, n_rows,
    ...) before each choice; and
    ``keep_held_out(scores, losses) -> Selection``, which held-out rows count for early stopping
    (without it those of lowest loss, all but the corruption rate). ``fit`` works with a deep copy,
    so that the object may keep what it has seen in a training.
    """

    def __call__(self, scores: Tensor, y: Tensor, row_ids: Tensor, progress: Progress) -> Selection:
        """Choose.

        Parameters
        ----------
        scores : Tensor of shape (n_networks, n_rows)
            Low for a row that fits.
        y : Tensor of shape (n_rows, ...)
            Labels as numbers from 0, or scaled targets; row ids where there are none.
        row_ids : Tensor of shape (n_rows,), int64
            Places of the rows in the training data.
        progress : Progress
            Where training stands.

        Returns
        -------
        Selection
            Places in the batch, and weights, per network. ``counts=False`` leaves an epoch out of
            ``keep_frequency_``.
        """


def score_of(selector: Selector) -> str:
    """Return what the scores that a selector is given are to be.

    Parameters
    ----------
    selector : Selector
        With or without the attribute ``score``.

    Returns
    -------
    {"loss", "loss-gradient", "gradient"}

    Raises
    ------
    ValueError, TypeError
        If the attribute is none of them, or a class was given.
    """
    if isinstance(selector, type):
        raise TypeError(f"selection must be an object, not the class {selector.__name__}")
    score = getattr(selector, "score", "loss")
    if score not in ("loss", "loss-gradient", "gradient"):
        raise ValueError(
            f"selection.score must be one of 'loss', 'loss-gradient', 'gradient'; got {score!r}"
        )
    return score


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

    def reached(self, progress: Progress) -> float:
        """How much of ``rate`` the ramp has reached; the margin is not part of it."""
        length = self.warmup
        if self.warmup_steps is not None:
            nearest = round(self.warmup_steps * progress.n_epochs / progress.n_steps)
            length = max(1, min(nearest, progress.n_epochs // 2))
        elif not isinstance(self.warmup, Integral):
            length = self.warmup * progress.n_epochs
        if progress.epoch >= length:
            return self.rate
        climb = self.rate if self.kind == "linear" else 1.0 - self.rate
        return min(self.rate, climb * progress.epoch / length)


@dataclass
class Trim:
    """Drops the share of a schedule: the selector of all methods of the thesis.

    Parameters
    ----------
    schedule : DropSchedule
        Share of a batch that is dropped.
    rule : callable ``(scores, drop_rate) -> Selection``, default=keep_lowest
        Which rows are kept.
    per_group : bool, default=False
        Drop the share within each class of an integer ``y``, too: rows go that are among the
        highest of the batch (by as many as the schedule says, with its margin) and rows that are
        among the highest of their class (without).
    score_limit : float, optional
        Drop rows, too, whose score is above so many times the threshold at which the last batches
        together would be cut. A batch that holds more corrupted rows than are dropped does not
        train on the grossest of the others then.
    n_recent : int, default=2048
        Rows of the last batches that ``score_limit`` looks at.
    """

    schedule: DropSchedule
    rule: Callable[..., Selection] = keep_lowest
    per_group: bool = False
    score_limit: float | None = None
    n_recent: int = LIMIT_ROWS
    window: ScoreWindow | None = field(default=None, init=False, repr=False)

    def __call__(self, scores: Tensor, y: Tensor, row_ids: Tensor, progress: Progress) -> Selection:
        """Choose the rows that are kept, see :class:`Selector`."""
        n_rows, reached = scores.shape[1], self.schedule.reached(progress)
        rate = self.schedule.drop_rate(progress, n_rows)
        kept = self.rule(scores, rate)._replace(counts=reached >= self.schedule.rate)
        if self.per_group and reached > 0:
            within = keep_lowest_per_group(scores, reached, y)
            kept = keep_both(kept, within, n_rows)
        if self.score_limit is None:
            return kept
        self.window = self.window or ScoreWindow(self.n_recent)
        recent = self.window.add(scores)
        n_recent = recent.shape[1]
        n_safe = keep_count(n_recent, self._safe_schedule().drop_rate(progress, n_recent))
        if n_safe == n_recent:
            return kept
        return drop_above(kept, scores, self.score_limit * _highest(recent, n_safe))

    def keep_held_out(self, scores: Tensor, losses: Tensor) -> Selection:
        """Choose held-out rows, which are as corrupted as the others.

        Parameters
        ----------
        scores, losses : Tensor of shape (n_networks, n_rows)
            What rows are ranked by in training, and their losses.

        Returns
        -------
        Selection
            The rows of lowest loss, as many as the schedule keeps in the end, without those beyond
            the limit of their score.
        """
        n_rows = losses.shape[1]
        n_kept = keep_count(n_rows, self.schedule.final_rate(n_rows))
        selection = Selection(losses.sort(dim=1).indices[:, :n_kept])
        if self.score_limit is None:
            return selection
        n_safe = keep_count(n_rows, self._safe_schedule().final_rate(n_rows))
        return drop_above(selection, scores, self.score_limit * _highest(scores, n_safe))

    def _safe_schedule(self) -> DropSchedule:
        """Drop enough for batches that hold more corrupted rows than most."""
        return replace(self.schedule, margin=self.schedule.margin + _LIMIT_MARGIN)


def _highest(scores: Tensor, n_kept: int) -> Tensor:
    """Return the highest of the lowest ``n_kept`` scores of each network, (n_networks, 1)."""
    return scores.kthvalue(n_kept, dim=1, keepdim=True).values
