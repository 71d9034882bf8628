"""What training remembers: of every row, and from step to step."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from skorch.history import History
from torch import Tensor

from skrobust.selection import DropSchedule, Progress, ScoreMemory, Selection, Selector, Trim
from skrobust.training._row_gradients import RowGradients

__all__ = ["StepState", "Trained", "TrainingRecord"]


class TrainingRecord:
    """Scores and selections per training row, kept on the device until training ends.

    Parameters
    ----------
    n_networks, n_rows : int
        Sizes.
    device : torch.device or str, default="cpu"
        Where the record lives.

    Attributes
    ----------
    scores : Tensor of shape (n_networks, n_rows)
        Last score of each row; nan for rows never trained on.
    kept : Tensor of shape (n_rows,)
        Share of the networks that kept the row in the last epoch, from its first batch on; nan for
        rows not seen in it.
    seen : Tensor of shape (n_rows,), bool
        Whether the row was ever trained on.
    """

    def __init__(self, n_networks: int, n_rows: int, device: torch.device | str = "cpu") -> None:
        self.n_networks = n_networks
        self.seen = torch.zeros(n_rows, dtype=torch.bool, device=device)
        self._scores = torch.full((n_networks, n_rows), torch.nan, device=device)
        self._kept = torch.full((n_rows,), torch.nan, device=device)
        self._kept_before = self._kept.clone()  # the same, of the last epoch that saw the row
        self._kept_sum = torch.zeros(n_rows, device=device)
        self._n_epochs = torch.zeros(n_rows, device=device)
        self._batches: list[tuple[Tensor, Tensor, Selection]] = []
        self._is_over = False  # the epoch that kept tells of
        self._counts = True

    @property
    def scores(self) -> Tensor:
        self._take_in()
        return self._scores

    @property
    def kept(self) -> Tensor:
        self._take_in()
        return self._kept

    def add(self, row_ids: Tensor, scores: Tensor, selection: Selection) -> None:
        """Note one batch: scores (n_networks, m) and each network's own selection.

        It is worked in when somebody looks, usually at the end of the epoch: writing to tensors
        at every step would cost small networks a tenth of their time.
        """
        self._batches.append((row_ids, scores, selection))
        self._counts = selection.counts

    def _take_in(self) -> None:
        if not self._batches:
            return
        row_ids, scores, selections = zip(*self._batches, strict=True)
        self._batches = []
        if self._is_over:
            self._kept.fill_(torch.nan)
            self._is_over = False
        ids = torch.cat(row_ids)
        self._scores[:, ids] = torch.cat(scores, dim=1).to(self._scores.dtype)
        kept = Selection.join(selections, [len(rows) for rows in row_ids]).mask(len(ids))
        self._kept[ids] = kept.float().mean(dim=0)

    def end_epoch(self) -> None:
        """Count the epoch into :attr:`keep_frequency`, if its last selection counts."""
        kept = self.kept
        seen = ~kept.isnan()
        self.seen |= seen
        self._kept_before = torch.where(seen, kept, self._kept_before)
        if self._counts:
            self._kept_sum += kept.nan_to_num()
            self._n_epochs += seen
        self._is_over = True

    @property
    def keep_frequency(self) -> Tensor:
        """Share of the epochs after warm-up in which a row was kept, (n_rows,).

        Where no epoch came after the warm-up, the last one that saw the row counts. nan for
        held-out rows.
        """
        frequency = self._kept_sum / self._n_epochs
        return torch.where(self._n_epochs > 0, frequency, self._kept_before)


@dataclass
class StepState:
    """What one training run carries from step to step.

    Parameters
    ----------
    progress : Progress
        Epoch and step counters.
    record : TrainingRecord
        Scores and selections per row.
    rng : numpy.random.Generator, optional
        Draws the exchanges.
    selector : Selector, optional
        The run's own copy of the step's.
    memory : ScoreMemory, optional
        Remembered scores, for steps that select on them.
    row_gradients : RowGradients, optional
        Gradients of single rows, from the first step on that needs them.
    """

    progress: Progress
    record: TrainingRecord
    rng: np.random.Generator = field(default_factory=np.random.default_rng)
    selector: Selector = field(default_factory=lambda: Trim(DropSchedule(0.0)))
    memory: ScoreMemory | None = None
    row_gradients: RowGradients | None = None

    @classmethod
    def begin(
        cls, step: Any, n_networks: int, n_rows: int, progress: Progress, device: Any
    ) -> StepState:
        """Make the state of a training with a step; one that selects draws a seed from torch."""
        state = cls(progress, TrainingRecord(n_networks, n_rows, device=device))
        if step.selector is not None:
            state.selector = deepcopy(step.selector)
            state.rng = np.random.default_rng(int(torch.randint(2**31, ())))
        if step.memory is not None:
            settings = {"mode": step.memory, "decay": step.memory_decay, "device": device}
            state.memory = ScoreMemory(n_networks, n_rows, **settings)
        return state

    def end_epoch(self) -> None:
        """Count the epoch, in the record too."""
        self.record.end_epoch()
        self.progress = self.progress._replace(epoch=self.progress.epoch + 1)


class Trained(NamedTuple):
    """What a training gives.

    Parameters
    ----------
    net : RobustNet
        The trained networks.
    scores : array of shape (n_rows,), float64
        Last score of each row, mean over the networks.
    keep_frequency : array of shape (n_rows,), float64
        Share of the epochs after warm-up in which the row was kept; nan for held-out rows.
    history : skorch.history.History
        One entry per epoch.
    selector : Selector
        What chose the rows, as it is in the end.
    """

    net: Any  # RobustNet
    scores: np.ndarray
    keep_frequency: np.ndarray
    history: History
    selector: Selector
