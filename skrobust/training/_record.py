"""What training remembers about every row."""

from __future__ import annotations

import torch
from torch import Tensor

from skrobust.selection import Selection

__all__ = ["TrainingRecord"]


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
        Share of the networks that kept the row when it was last seen; nan likewise.
    """

    def __init__(self, n_networks: int, n_rows: int, device="cpu") -> None:
        self.scores = torch.full((n_networks, n_rows), torch.nan, device=device)
        self.kept = torch.full((n_rows,), torch.nan, device=device)
        self._kept_sum = torch.zeros(n_rows, device=device)
        self._n_epochs = 0

    def add(self, row_ids: Tensor, scores: Tensor, selection: Selection) -> None:
        """Take in one batch: scores (n_networks, m) and each network's own selection."""
        self.scores[:, row_ids] = scores
        self.kept[row_ids] = selection.mask(len(row_ids)).float().mean(dim=0)

    def end_epoch(self, is_warm: bool) -> None:
        """Count the epoch into :attr:`keep_frequency` if the warm-up is over."""
        if is_warm:
            self._kept_sum += self.kept
            self._n_epochs += 1

    @property
    def keep_frequency(self) -> Tensor:
        """Share of the epochs after warm-up in which a row was kept, (n_rows,).

        Where no epoch came after the warm-up, the last one counts. nan for held-out rows.
        """
        return self._kept_sum / self._n_epochs if self._n_epochs else self.kept.clone()
