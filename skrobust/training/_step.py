"""One robust training step: score, select, exchange, perturb, update, record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from skrobust.selection import (
    DropSchedule,
    Progress,
    ScoreMemory,
    ScoreWindow,
    Selection,
    derangement,
    drop_above,
    exchange,
    keep_both,
    keep_count,
    keep_lowest,
    keep_lowest_per_group,
)
from skrobust.training._record import TrainingRecord
from skrobust.training._row_gradients import RowGradients

__all__ = ["RobustStep", "StepState"]

LIMIT_ROWS = 2048  # recent rows that score_limit looks at
LIMIT_MARGIN = 2.0  # standard deviations of their corrupted share that it is safe from


@dataclass
class StepState:
    """What one training run carries from step to step.

    Parameters
    ----------
    progress : Progress
        Epoch and step counters.
    record : TrainingRecord
        Scores and selections per row.
    rng : numpy.random.Generator
        Draws the exchanges.
    memory : ScoreMemory or None
        Remembered scores, for steps that select on them.
    window : ScoreWindow or None
        Scores of the last batches, for steps with a limit on the score.
    row_gradients : RowGradients or None
        Gradients of single rows, from the first step on that needs them.
    """

    progress: Progress
    record: TrainingRecord
    rng: np.random.Generator = field(default_factory=np.random.default_rng)
    memory: ScoreMemory | None = None
    window: ScoreWindow | None = None
    row_gradients: RowGradients | None = None


@dataclass
class RobustStep:
    """The parts of one method; every trimming method of the thesis is a choice of them.

    Parameters
    ----------
    row_loss : callable ``(output, x, y) -> Tensor (n_networks, n_rows)``
        Loss of each row. ``x`` has shape (n_networks, n_rows, ...); ``y`` has shape
        (n_rows, ...), or (n_networks, n_rows, ...) where the rows were chosen per network.
    schedule : DropSchedule
        Share of a batch that is dropped.
    row_score : callable of the same form, optional
        What the selection ranks, computed without gradient. None: the loss.
    row_record : callable of the same form, optional
        What is recorded of each row. None: what the selection ranks.
    by_gradient : bool, default=False
        Rank rows by the norm of the gradient that each gives to all parameters (Algorithm 3), of
        the loss that is being minimised. It takes the place of ``row_score``.
    row_clip : float, optional
        Shrink the gradient of each row to this norm where it is larger.
    rule : callable ``(scores, drop_rate) -> Selection``, default=keep_lowest
        Turns scores into kept rows.
    per_group : bool, default=False
        Drop the share within each class of an integer ``y``, too: rows go that are among the
        highest of the batch (by as many as the schedule says, with its margin) and rows that are
        among the highest of their class (without).
    exchange : bool, default=False
        Train each network on the selection of another one (a derangement, drawn per step).
    score_apart : {None, "eval", "train"}, default=None
        Score in a forward pass of its own, in evaluation mode (dropout off, Algorithm 1) or in
        training mode; the update then runs a second one on the chosen rows only. None: scores and
        losses share one forward pass.
    memory : {None, "last", "sum", "average"}, default=None
        Select on scores remembered over epochs instead of the batch's own.
    memory_decay : float, default=0.9
        Weight of the past for ``memory="average"``.
    score_limit : float, optional
        Drop rows, too, whose score is above so many times the threshold at which the last batches
        together would be cut. A batch that holds more corrupted rows than are dropped does not
        train on the grossest of the others then.
    start : float in [0, 1], default=0.0
        Share of the training that minimises ``start_loss`` instead of ``row_loss``. The scores
        stay what they are afterwards.
    start_loss : callable of the form of ``row_loss``, optional
        A loss that leads to a better place to begin from.
    perturb : callable ``(module, x, y, row_ids, state) -> x``, optional
        Changes the inputs (n_networks, n_rows, ...) before the forward pass of the update (the
        inner maximisation of chapter 5). It may select rows by a rule and schedule of its own,
        on scores of its own or on the remembered ones.

    Notes
    -----
    The norms of rows' gradients come out of the backward pass that also gives the update: see
    :class:`RowGradients`. A ``row_score`` that needs gradients of its own finds the graph of the
    shared forward pass intact; decorate scores that do not with ``torch.no_grad``.
    """

    row_loss: Callable[[Any, Tensor, Tensor], Tensor]
    schedule: DropSchedule
    row_score: Callable[[Any, Tensor, Tensor], Tensor] | None = None
    row_record: Callable[[Any, Tensor, Tensor], Tensor] | None = None
    by_gradient: bool = False
    row_clip: float | None = None
    rule: Callable[..., Selection] = keep_lowest
    per_group: bool = False
    exchange: bool = False
    score_apart: str | None = None
    memory: str | None = None
    memory_decay: float = 0.9
    score_limit: float | None = None
    start: float = 0.0
    start_loss: Callable[[Any, Tensor, Tensor], Tensor] | None = None
    perturb: Callable[..., Tensor] | None = None

    def __post_init__(self) -> None:
        if self.row_clip is not None and self.score_apart is not None:
            raise ValueError("row_clip needs the shared forward pass: score_apart=None")
        if self.start > 0 and self.start_loss is None:
            raise ValueError("start > 0 needs a start_loss")

    def __call__(
        self, module: nn.Module, x: Tensor, y: Tensor, row_ids: Tensor, state: StepState
    ) -> Tensor:
        """Loss of one batch: the sum over the networks of the mean loss of their rows.

        Networks share no parameter, so that the sum trains each as if it were alone.

        Parameters
        ----------
        module : nn.Module
            Maps (n_networks, n_rows, ...) to the outputs of all networks; in training mode.
        x, y, row_ids : Tensor of shape (n_rows, ...)
            The batch.
        state : StepState
            Updated in place: the record and the memory take in the batch.
        """
        inputs = x.expand(state.record.n_networks, *x.shape)
        row_loss = self._loss_of(state.progress)
        if self.perturb is not None:
            inputs = self.perturb(module, inputs, y, row_ids, state)
        if self.score_apart is not None:
            module.train(self.score_apart == "train")
            gradients = self._row_gradients(module, state) if self.by_gradient else None
            scores, noted = self.score(module, inputs, y, gradients)
            module.train()
            given = self._give(scores, noted, y, row_ids, state)
            inputs = _rows_of(inputs, given.rows)
            losses = row_loss(module(inputs), inputs, y[given.rows])
            return given.weighted_mean(losses).sum()
        if self.by_gradient or self.row_clip is not None:
            gradients = self._row_gradients(module, state)
            output, losses = gradients.forward(inputs, y, row_loss)
            norms = gradients.norms()
            scores, noted = self._score(output, inputs, y, row_loss, losses, norms)
            given = self._give(scores, noted, y, row_ids, state)
            weights = given.mean_weights(len(y))
            if self.row_clip is not None:
                weights = weights * (self.row_clip / norms).clamp(max=1.0)
            fewer = given.weights is None and given.rows.shape[1] < len(y)
            return gradients.loss(weights, given.rows if fewer else None)
        output = module(inputs)
        losses = row_loss(output, inputs, y)
        scores, noted = self._score(output, inputs, y, row_loss, losses)
        given = self._give(scores, noted, y, row_ids, state)
        return given.weighted_mean(losses.gather(1, given.rows)).sum()

    def _loss_of(self, progress: Progress) -> Callable[[Any, Tensor, Tensor], Tensor]:
        if self.start_loss is not None and progress.step < self.start * progress.n_steps:
            return self.start_loss
        return self.row_loss

    def _row_gradients(self, module: nn.Module, state: StepState) -> RowGradients:
        if state.row_gradients is None:
            state.row_gradients = RowGradients(module)
        return state.row_gradients

    def _score(
        self,
        output: Any,
        x: Tensor,
        y: Tensor,
        row_loss: Callable[[Any, Tensor, Tensor], Tensor],
        losses: Tensor,
        norms: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return what the selection ranks, and what is recorded."""
        known = {id(row_loss): losses}  # computed already

        def compute(function) -> Tensor:
            found = known.get(id(function))
            return (function(output, x, y) if found is None else found).detach()

        if self.by_gradient and norms is not None:
            scores = norms
        else:
            scores = compute(self.row_score or self.row_loss)
        return scores, scores if self.row_record is None else compute(self.row_record)

    def score(
        self, module: nn.Module, x: Tensor, y: Tensor, gradients: RowGradients | None = None
    ) -> tuple[Tensor, Tensor]:
        """Score rows in a forward pass of its own, in the mode that the module is in.

        Parameters
        ----------
        module : nn.Module
            The networks.
        x, y : Tensor of shape (n_networks, n_rows, ...) and (n_rows, ...)
            Inputs and targets.
        gradients : RowGradients, optional
            Those of the module, needed for ``by_gradient``.

        Returns
        -------
        ranked, recorded : Tensor of shape (n_networks, n_rows)
            What the selection ranks, and what is recorded of the rows.
        """
        if gradients is not None:
            output, losses = gradients.forward(x, y, self.row_loss)
            return self._score(output, x, y, self.row_loss, losses, gradients.norms())
        with torch.no_grad():
            output = module(x)
            return self._score(output, x, y, self.row_loss, self.row_loss(output, x, y))

    def held_out_loss(self, output: Any, x: Tensor, y: Tensor) -> Tensor:
        """Loss of rows that the networks have not seen, which are as corrupted as the others.

        Parameters
        ----------
        output : outputs of all networks
            For the rows.
        x, y : Tensor of shape (n_networks, n_rows, ...) and (n_rows, ...)
            Inputs and targets.

        Returns
        -------
        Tensor
            Mean loss of the rows of lowest loss, as many as the schedule keeps in the end and no
            score is beyond the limit; summed over networks.
        """
        losses = self.row_loss(output, x, y)
        n_rows = losses.shape[1]
        n_kept = keep_count(n_rows, self.schedule.final_rate(n_rows))
        lowest, order = (part[:, :n_kept] for part in losses.sort(dim=1))
        selection = Selection(order)
        if self.score_limit is not None:
            scores, _ = self._score(output, x, y, self.row_loss, losses)
            n_safe = keep_count(n_rows, self._safe_schedule().final_rate(n_rows))
            selection = drop_above(selection, scores, self.score_limit * _highest(scores, n_safe))
        return selection.weighted_mean(lowest).sum()

    def _safe_schedule(self) -> DropSchedule:
        """Drop enough for batches that hold more corrupted rows than most."""
        return replace(self.schedule, margin=self.schedule.margin + LIMIT_MARGIN)

    def _select(self, scores: Tensor, y: Tensor, state: StepState) -> Selection:
        progress, n_rows = state.progress, scores.shape[1]
        selection = self.rule(scores, self.schedule.drop_rate(progress, n_rows))
        reached = self.schedule.reached(progress)
        if self.per_group and reached > 0:
            within = keep_lowest_per_group(scores, reached, y)
            selection = keep_both(selection, within, n_rows)
        if self.score_limit is None or state.window is None:
            return selection
        recent = state.window.add(scores)
        n_recent = recent.shape[1]
        n_safe = keep_count(n_recent, self._safe_schedule().drop_rate(progress, n_recent))
        if n_safe == n_recent:
            return selection
        return drop_above(selection, scores, self.score_limit * _highest(recent, n_safe))

    def _give(
        self, scores: Tensor, noted: Tensor, y: Tensor, row_ids: Tensor, state: StepState
    ) -> Selection:
        """Select, record, and exchange: the rows that each network trains on."""
        known = scores if state.memory is None else state.memory.update(row_ids, scores)
        selection = self._select(known, y, state)
        state.record.add(row_ids, noted, selection)
        if not self.exchange:
            return selection
        return exchange(selection, derangement(len(scores), state.rng))


def _highest(scores: Tensor, n_kept: int) -> Tensor:
    """Return the highest of the lowest ``n_kept`` scores of each network, (n_networks, 1)."""
    return scores.kthvalue(n_kept, dim=1, keepdim=True).values


def _rows_of(x: Tensor, rows: Tensor) -> Tensor:
    """Rows (n_networks, n_kept) of the inputs (n_networks, n_rows, ...)."""
    if x.stride(0) == 0:  # shared by the networks: one gather
        return x[0][rows]
    return x[torch.arange(len(x), device=x.device).unsqueeze(1), rows]
