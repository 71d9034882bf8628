"""Scores remembered: per training row over the epochs, and of the last few batches."""

from __future__ import annotations

from collections import deque
from typing import Any

import torch
from torch import Tensor

__all__ = ["ScoreMemory", "ScoreWindow"]


class ScoreMemory:
    """One remembered score per network and training row.

    Parameters
    ----------
    n_networks, n_rows : int
        Size of the memory; rows are addressed by their id, 0 to ``n_rows - 1``.
    mode : {"sum", "average"}
        "sum" adds up, "average" is an exponential moving average in which the first scores have no
        more weight than their age gives them (as Adam corrects for its start): the mean for as long
        as there are few.
    decay : float in [0, 1), default=0.9
        Weight of the past in the moving average.
    device : torch.device or str, default="cpu"
        Where the memory lives.

    Attributes
    ----------
    values : Tensor of shape (n_networks, n_rows)
        The remembered scores; nan for a row never seen.
    """

    def __init__(
        self, n_networks: Any, n_rows: Any, *, mode: Any, decay: float = 0.9, device: Any = "cpu"
    ) -> None:
        if mode not in ("sum", "average"):
            raise ValueError(f"mode must be 'sum' or 'average', got {mode!r}")
        self.mode = mode
        self.decay = decay
        self.values = torch.full((n_networks, n_rows), torch.nan, device=device)
        self._counts = torch.zeros(n_rows, device=device)

    def update(self, row_ids: Tensor, scores: Tensor) -> Tensor:
        """Take in the scores (n_networks, m) of the rows ``row_ids`` (m,); return what is known."""
        self._counts[row_ids] += 1
        past = self.values[:, row_ids].nan_to_num()  # nan where there is none
        if self.mode == "sum":
            known = past + scores
        else:
            counts = self._counts[row_ids]
            known = past + (1.0 - self.decay) / (1.0 - self.decay**counts) * (scores - past)
        self.values[:, row_ids] = known
        return known

    def means(self, n_epochs: int) -> Tensor:
        """Return what is known, in the units of one epoch's scores."""
        return self.values / max(1, n_epochs) if self.mode == "sum" else self.values.clone()


class ScoreWindow:
    """The scores of the last few batches.

    Parameters
    ----------
    n_rows : int
        It holds as few batches as have this many rows together.
    """

    def __init__(self, n_rows: int) -> None:
        self.n_rows = n_rows
        self._batches: deque[Tensor] = deque()
        self._held = 0

    def add(self, scores: Tensor) -> Tensor:
        """Take in the scores (n_networks, m) of a batch; return all that it holds, (n_networks, M).

        Scores were computed when their batch was seen, by networks that have changed since.
        """
        self._batches.append(scores)
        self._held += scores.shape[1]
        while self._held - self._batches[0].shape[1] >= self.n_rows:
            self._held -= self._batches.popleft().shape[1]
        return torch.cat(list(self._batches), dim=1)
