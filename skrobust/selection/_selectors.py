"""What chooses the rows of a batch: the protocol, the drop rate over time, and trimming by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from skrobust.selection._memory import ScoreWindow
from skrobust.selection._rules import (
    Selection,
    drop_above,
    keep_both,
    keep_count,
    keep_lowest,
    keep_lowest_per_group,
    keep_some_of_each,
)
from skrobust.selection._scores import crossentropy_gradient_norm

__all__ = [
    "LIMIT_ROWS",
    "DropSchedule",
    "PriorTrim",
    "Progress",
    "Selector",
    "Trim",
    "binomial_margin",
    "leaving_ratio",
    "score_of",
]

_MOST = 1.0 - 1e-6
LIMIT_ROWS = 2048  # recent rows that score_limit looks at
_LIMIT_MARGIN = 2.0  # standard deviations of their corrupted share that it is safe from
_SHARPNESS = 4  # power of the probability that a row of a class counts with
_LEAST_ROWS = 10.0  # of right labels, which each class is given besides
_REMEMBERED = 50  # batches
_OVERLAP = 0.05  # of each class, that is not counted
_UNEQUAL = 1.5


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

    An object that is called as below is enough. Four attributes are looked for besides: ``score``,
    what the scores are to be ("loss", the default, "loss-gradient" or "gradient");
    ``rescore(scores, outputs, y) -> scores``, which sees the networks' outputs (n_networks, n_rows,
    ...) before each choice; ``is_over``, which is set to True after the last one; and
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


def leaving_ratio(counts: Tensor, given: Tensor) -> float:
    """How much more often rows of rare labels are given another label than those of frequent ones.

    Parameters
    ----------
    counts : Tensor of shape (n_classes, n_classes)
        Rows by the class that they seem to be of and by their given label.
    given : Tensor of shape (n_classes,)
        Share of the rows that have each label.

    Returns
    -------
    float
        Mean share of other labels over the classes that are given less often than the average,
        over that of the classes that are given more often, 0.05 added to both; 1 where all are
        given alike.
    """
    counts = counts + _LEAST_ROWS * torch.eye(len(counts), dtype=counts.dtype, device=counts.device)
    leaving = 1.0 - counts.diagonal() / counts.sum(dim=1)
    rare = given < given.mean()
    if not rare.any():
        return 1.0
    return float((leaving[rare].mean() + _OVERLAP) / (leaving[~rare].mean() + _OVERLAP))


@dataclass
class PriorTrim:
    """Drops the share of a schedule, ranking rows by logits that leave out how common a label is.

    A network has learnt how often each label is given. A row of a rare label has a large gradient
    for that alone, so that right rows of the rare label go first; logits minus the logarithm of the
    label's share do not have this, but take wrong labels that are spread evenly for right ones
    where they are rare. So half of it is subtracted. In the warm-up it is counted what the networks
    take the rows for (:func:`leaving_ratio`); where rows of the rare labels leave their class 1.5
    times as often as others, as with positives that are recorded as negatives, all of it is
    subtracted from then on; where the others leave so much more often, nothing. A quarter of the
    rows of each label is kept in any case, so that none is lost before it is learnt.

    Parameters
    ----------
    schedule : DropSchedule
        Share of a batch that is dropped.
    norm : callable ``(output, target) -> Tensor (n_networks, n_rows)``
        Score of rows by logits; by default the norm of the gradient of the cross-entropy.
    strength : {0, 0.5, 1}, default=0.5
        How much of the logarithm is subtracted.
    is_open : bool, default=True
        Whether ``strength`` is chosen anew after the warm-up, or the first epoch if that is longer.
    least_kept : float in [0, 1], default=0.25
        Share of each label in a batch that is kept.

    Attributes
    ----------
    name : str
        "mixture", and once that is decided what ``selection_`` of an estimator says.

    References
    ----------
    .. [1] Menon, A. K. et al. Long-tail learning via logit adjustment. ICLR, 2021. For logits minus
       the logarithm of the labels' shares.
    """

    schedule: DropSchedule
    norm: Callable[[Tensor, Tensor], Tensor] = crossentropy_gradient_norm
    strength: float = 0.5
    is_open: bool = True
    least_kept: float = 0.25
    is_over: bool = field(default=False, init=False)  # the counting
    first: int | None = field(default=None, init=False, repr=False)  # epoch
    name: str = field(default="mixture", init=False)
    given: Tensor | None = field(default=None, init=False, repr=False)
    counts: Tensor | None = field(default=None, init=False, repr=False)

    def rescore(self, scores: Tensor, outputs: Tensor, y: Tensor) -> Tensor:
        """Score rows by adjusted logits (n_networks, n_rows, n_classes), see :class:`Selector`."""
        labels = F.one_hot(y, outputs.shape[-1]).float()
        if self.given is None:
            self.given = torch.ones_like(labels[0])
        if not self.is_over:
            self.given = self.given + labels.sum(dim=0)
        if not self.is_over and self.is_open:
            believed = outputs.detach().float().softmax(dim=-1).mean(dim=0) ** _SHARPNESS
            past = 0.0 if self.counts is None else self.counts * (1.0 - 1.0 / _REMEMBERED)
            self.counts = past + believed.T @ labels
        if self.strength == 0:
            return scores
        logs = (self.given / self.given.sum()).log()
        return self.norm(outputs.detach() - (self.strength * logs).to(outputs.dtype), y)

    def __call__(self, scores: Tensor, y: Tensor, row_ids: Tensor, progress: Progress) -> Selection:
        """Choose the rows that are kept, see :class:`Selector`."""
        reached = self.schedule.reached(progress)
        is_warm = reached >= self.schedule.rate
        self.first = progress.epoch if self.first is None else self.first
        is_time = is_warm and self.is_open and not self.is_over and progress.epoch > self.first
        if is_time and self.counts is not None and self.given is not None:
            self.is_over = True  # a whole epoch at least has been counted
            ratio = leaving_ratio(self.counts, self.given / self.given.sum())
            if ratio > _UNEQUAL:
                self.strength, self.name = 1.0, "prior-adjusted"
            elif ratio < 1.0 / _UNEQUAL:
                self.strength, self.name = 0.0, "loss-gradient"
        kept = keep_lowest(scores, self.schedule.drop_rate(progress, scores.shape[1]))
        if self.given is not None and reached > 0 and self.least_kept > 0:
            labels = F.one_hot(y, len(self.given))
            kept = keep_some_of_each(kept, scores, labels, self.least_kept)
        return kept._replace(counts=is_warm)

    def keep_held_out(self, scores: Tensor, losses: Tensor) -> Selection:
        """Choose held-out rows, see :meth:`Trim.keep_held_out`."""
        return Trim(self.schedule).keep_held_out(scores, losses)


def _highest(scores: Tensor, n_kept: int) -> Tensor:
    """Return the highest of the lowest ``n_kept`` scores of each network, (n_networks, 1)."""
    return scores.kthvalue(n_kept, dim=1, keepdim=True).values
