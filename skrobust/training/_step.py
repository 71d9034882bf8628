"""One robust training step: score, select, exchange, perturb, update, record.

The three ways to come by scores are three small classes; each reads as the thesis's algorithms do.
``x`` has shape (n_networks, n_rows, ...) inside a step, scores and losses (n_networks, n_rows).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from skrobust.selection import (
    DropSchedule,
    Progress,
    Selection,
    Selector,
    Trim,
    derangement,
    exchange,
)
from skrobust.training._record import StepState
from skrobust.training._row_gradients import RowGradients

__all__ = [
    "ByRowGradients",
    "RobustStep",
    "ScoredApart",
    "SharedPass",
    "TrainingStep",
]

RowFunction = Callable[[Any, Tensor], Tensor]
Perturbation = Callable[..., Tensor]


class TrainingStep(ABC):
    """What :class:`RobustNet` trains with: a loss of each batch."""

    selector: Selector | None = None
    memory: str | None = None

    @abstractmethod
    def __call__(
        self, networks: nn.Module, x: Tensor, y: Tensor, row_ids: Tensor, state: StepState
    ) -> Tensor:
        """Loss of one batch.

        Parameters
        ----------
        networks : nn.Module
            Maps (n_networks, n_rows, ...) to the outputs of all networks; in training mode.
        x : Tensor of shape (n_networks, n_rows, ...)
            Inputs.
        y, row_ids : Tensor of shape (n_rows, ...)
            Targets and ids of the rows.
        state : StepState
            Updated in place: record and memory take in the batch.
        """


@dataclass(kw_only=True)
class RobustStep(TrainingStep):
    """The parts of one method; every trimming method of the thesis is a choice of them.

    Which pass gives the scores is the choice of a subclass. The loss of a batch is the sum over the
    networks of the mean loss of their rows: they share no parameter, so that the sum trains each as
    if it were alone.

    Parameters
    ----------
    loss : callable ``(output, target) -> Tensor (n_networks, n_rows)``
        Loss of each row. ``target`` has shape (n_rows, ...), or (n_networks, n_rows, ...) where the
        rows were chosen per network.
    selector : Selector
        Chooses the rows; each training works with a copy of it.
    score : callable of the form of ``loss``, optional
        What the selection ranks. None: the loss.
    noted : callable of the form of ``loss``, optional
        What is recorded of each row. None: what the selection ranks.
    reconstructs : bool, default=False
        Whether the target of a row is the row itself, as it goes into the networks.
    by_gradient : bool, default=False
        Rank rows by the norm of the gradient that each gives to all parameters (Algorithm 3), of
        the loss that is being minimised. It takes the place of ``score``.
    exchange : bool, default=False
        Train each network on the selection of another one (a derangement, drawn per step).
    memory : {None, "sum", "average"}, default=None
        Select on scores remembered over epochs instead of the batch's own.
    memory_decay : float, default=0.9
        Weight of the past for ``memory="average"``.
    start : float in [0, 1], default=0.0
        Share of the training that minimises ``start_loss`` instead of ``loss``. The scores stay
        what they are afterwards.
    start_loss : callable of the form of ``loss``, optional
        A loss that leads to a better place to begin from.
    perturb : sequence of callables ``(networks, x, y, row_ids, state) -> x``, default=()
        Change the inputs before the forward pass of the update, one after the other (the inner
        maximisation of Algorithm 6). They may select rows by a rule and schedule of their own.
    rate : float in [0, 1), default=0.0
        Share of held-out rows that do not count, for selectors without ``keep_held_out``.
    row_weight : callable ``(y) -> Tensor (n_rows,)``, optional
        Weight of each row in the mean that is minimised, by its target; it ranks nothing. None: 1.
    """

    loss: RowFunction
    selector: Selector
    score: RowFunction | None = None
    noted: RowFunction | None = None
    reconstructs: bool = False
    by_gradient: bool = False
    exchange: bool = False
    memory: str | None = None
    memory_decay: float = 0.9
    start: float = 0.0
    start_loss: RowFunction | None = None
    perturb: tuple[Perturbation, ...] = ()
    rate: float = 0.0
    row_weight: Callable[[Tensor], Tensor] | None = None

    def minimised(self, progress: Progress) -> RowFunction:
        """Return the loss that counts now."""
        if progress.step >= self.start * progress.n_steps:
            return self.loss
        if self.start_loss is None:
            raise ValueError("start > 0 needs a start_loss")
        return self.start_loss

    def choose(
        self, scores: Tensor, y: Tensor, row_ids: Tensor, state: StepState
    ) -> tuple[Selection, Selection]:
        """Select and exchange: each network's own choice, and the rows that it trains on."""
        known = scores if state.memory is None else state.memory.update(row_ids, scores)
        own = state.selector(known, y, row_ids, state.progress)
        if not isinstance(own, Selection):
            raise TypeError(f"selection must return a Selection, got a {type(own).__name__}")
        kept = exchange(own, derangement(len(scores), state.rng)) if self.exchange else own
        return own, kept if self.row_weight is None else self._weighed(kept, y, self.row_weight)

    @staticmethod
    def _weighed(kept: Selection, y: Tensor, row_weight: Callable[[Tensor], Tensor]) -> Selection:
        """Weigh the kept rows by their targets."""
        weights = row_weight(y)[kept.rows]
        return kept._replace(weights=weights if kept.weights is None else weights * kept.weights)

    def score_rows(
        self, networks: nn.Module, x: Tensor, y: Tensor, state: StepState | None = None
    ) -> tuple[Tensor, Tensor]:
        """Score rows in a pass of its own, in the mode that the networks are in.

        Returns
        -------
        ranked, noted : Tensor of shape (n_networks, n_rows)
            What the selection ranks, and what is recorded of the rows.
        """
        target = x if self.reconstructs else y
        if self.by_gradient:
            gradients = self._gradients(networks, state)
            output, losses = gradients.forward(x, target, self.loss)
            known = self._known(output, target, self.loss, losses, gradients.norms())
            return self.rescored(*known, output, y, state)
        with torch.no_grad():
            output = networks(x)
            ranked, noted = self._known(output, target, self.loss, self.loss(output, target))
            return self.rescored(ranked, noted, output, y, state)

    def rescored(
        self, scores: Tensor, noted: Tensor, output: Any, y: Tensor, state: StepState | None
    ) -> tuple[Tensor, Tensor]:
        """Let a selector that looks at the networks' outputs change what it ranks."""
        rescore = getattr(getattr(state, "selector", None), "rescore", None)
        if rescore is None:
            return scores, noted
        changed = rescore(scores, output, y)
        return changed, changed if noted is scores else noted

    def held_out_loss(self, output: Any, x: Tensor, y: Tensor, selector: Any = None) -> Tensor:
        """Loss of rows that the networks have not seen, which are as corrupted as the others.

        Returns
        -------
        Tensor
            Mean loss of the rows that the selector counts (of those of lowest loss, as many as
            ``rate`` leaves, where it does not say); summed over networks.
        """
        target = x if self.reconstructs else y
        selector = self.selector if selector is None else selector
        losses = self.loss(output, target)
        scores, _ = self._known(output, target, self.loss, losses)
        keep = getattr(selector, "keep_held_out", Trim(DropSchedule(self.rate)).keep_held_out)
        kept = keep(scores, losses)
        if self.row_weight is not None:
            kept = self._weighed(kept, y, self.row_weight)
        return kept.weighted_mean(losses.gather(1, kept.rows)).sum()

    def _gradients(self, networks: nn.Module, state: StepState | None) -> RowGradients:
        if state is None:
            return RowGradients(networks)
        if state.row_gradients is None:
            state.row_gradients = RowGradients(networks)
        return state.row_gradients

    def _known(
        self,
        output: Any,
        target: Tensor,
        minimised: RowFunction,
        losses: Tensor,
        norms: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return what the selection ranks, and what is recorded, from a pass that is done."""

        def compute(function: RowFunction) -> Tensor:
            return (losses if function is minimised else function(output, target)).detach()

        by_norm = self.by_gradient and norms is not None
        scores = norms if by_norm and norms is not None else compute(self.score or self.loss)
        return scores, scores if self.noted is None else compute(self.noted)


class SharedPass(RobustStep):
    """One forward pass gives scores and losses.

    Algorithm 2 (the score is the loss, the negative log-likelihood), Algorithm 4 (the norm of the
    loss's gradient at the output) and Algorithm 5 (the same with ``exchange``). With ``perturb``
    Algorithm 6.

    Parameters
    ----------
    loss, selector, score, noted, reconstructs, by_gradient : as in RobustStep
        What rows are scored and chosen by.
    exchange, memory, memory_decay, start, start_loss, perturb, rate, row_weight : as in RobustStep
        What happens beside.
    """

    def __call__(
        self, networks: nn.Module, x: Tensor, y: Tensor, row_ids: Tensor, state: StepState
    ) -> Tensor:
        """Score, select and update."""
        minimised, ranked = self.minimised(state.progress), self.score or self.loss
        for change in self.perturb:
            x = change(networks, x, y, row_ids, state)
        output, target = networks(x), x if self.reconstructs else y
        losses = minimised(output, target)
        scores = losses.detach() if ranked is minimised else ranked(output, target).detach()
        rescore = getattr(state.selector, "rescore", None)  # by what else the outputs say
        scores = scores if rescore is None else rescore(scores, output, y)
        noted = scores if self.noted is None else self.noted(output, target).detach()
        own, kept = self.choose(scores, y, row_ids, state)
        loss = kept.weighted_mean(losses.gather(1, kept.rows)).sum()
        state.record.add(row_ids, noted, own)
        return loss


@dataclass(kw_only=True)
class ScoredApart(RobustStep):
    """Scores come from a pass of their own, the update from a second one on the chosen rows.

    Algorithm 1: the errors are those of the networks with dropout off, and each network trains on
    the rows that another one has kept.

    Parameters
    ----------
    loss, selector, score, noted, reconstructs, by_gradient : as in RobustStep
        What rows are scored and chosen by.
    exchange, memory, memory_decay, start, start_loss, perturb, rate, row_weight : as in RobustStep
        What happens beside.
    training : bool, default=False
        Score in training mode: dropout on, normalised by the batch.
    """

    training: bool = False

    def __call__(
        self, networks: nn.Module, x: Tensor, y: Tensor, row_ids: Tensor, state: StepState
    ) -> Tensor:
        """Score, select, exchange, and update."""
        for change in self.perturb:
            x = change(networks, x, y, row_ids, state)
        networks.train(self.training)
        scores, noted = self.score_rows(networks, x, y, state)
        networks.train()
        own, kept = self.choose(scores, y, row_ids, state)
        state.record.add(row_ids, noted, own)
        minimised = self.minimised(state.progress)
        x, y = _rows_of(x, kept.rows), y[kept.rows]
        losses = minimised(networks(x), x if self.reconstructs else y)
        return kept.weighted_mean(losses).sum()


@dataclass(kw_only=True)
class ByRowGradients(RobustStep):
    """One forward and one backward pass give what each row adds to the gradient.

    Algorithm 3: rows are ranked by the norm of their gradients (``by_gradient=True``), and the
    update is the mean of the gradients of the kept rows.

    Parameters
    ----------
    loss, selector, score, noted, reconstructs, by_gradient : as in RobustStep
        What rows are scored and chosen by.
    exchange, memory, memory_decay, start, start_loss, perturb, rate, row_weight : as in RobustStep
        What happens beside.
    row_clip : float, optional
        Shrink the gradient of each row to this norm where it is larger.
    """

    row_clip: float | None = None

    def __call__(
        self, networks: nn.Module, x: Tensor, y: Tensor, row_ids: Tensor, state: StepState
    ) -> Tensor:
        """Score, select, and update."""
        with torch.autocast(x.device.type, enabled=False):  # gradients of rows are of one type
            minimised = self.minimised(state.progress)
            for change in self.perturb:
                x = change(networks, x, y, row_ids, state)
            gradients, target = self._gradients(networks, state), x if self.reconstructs else y
            output, losses = gradients.forward(x, target, minimised)
            norms = gradients.norms()
            known = self._known(output, target, minimised, losses, norms)
            scores, noted = self.rescored(*known, output, y, state)
            own, kept = self.choose(scores, y, row_ids, state)
            state.record.add(row_ids, noted, own)
            weights = kept.mean_weights(len(y))
            if self.row_clip is not None:
                weights = weights * (self.row_clip / norms).clamp(max=1.0)
            fewer = kept.weights is None and kept.rows.shape[1] < len(y)
            return gradients.loss(weights, kept.rows if fewer else None)


def _rows_of(x: Tensor, rows: Tensor) -> Tensor:
    """Rows (n_networks, n_kept) of the inputs (n_networks, n_rows, ...)."""
    if x.stride(0) == 0:  # shared by the networks: one gather
        return x[0][rows]
    return x[torch.arange(len(x), device=x.device).unsqueeze(1), rows]
