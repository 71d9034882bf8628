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
        Share of the networks that kept the row in this epoch; nan for rows not seen in it.
    seen : Tensor of shape (n_rows,), bool
        Whether the row was ever trained on.
    """

    def __init__(self, n_networks: int, n_rows: int, device="cpu") -> None:
        self.scores = torch.full((n_networks, n_rows), torch.nan, device=device)
        self.kept = torch.full((n_rows,), torch.nan, device=device)
        self.seen = torch.zeros(n_rows, dtype=torch.bool, device=device)
        self._kept_sum = torch.zeros(n_rows, device=device)
        self._n_epochs = torch.zeros(n_rows, device=device)

    def add(self, row_ids: Tensor, scores: Tensor, selection: Selection) -> None:
        """Take in one batch: scores (n_networks, m) and each network's own selection."""
        self.scores[:, row_ids] = scores.to(self.scores.dtype)
        self.kept[row_ids] = selection.mask(len(row_ids)).float().mean(dim=0)

    def start_epoch(self) -> None:
        """Forget what the epoch before kept."""
        self.kept.fill_(torch.nan)

    def end_epoch(self, is_warm: bool) -> None:
        """Count the epoch into :attr:`keep_frequency` if the warm-up is over."""
        seen = ~self.kept.isnan()
        self.seen |= seen
        if is_warm:
            self._kept_sum += self.kept.nan_to_num()
            self._n_epochs += seen

    @property
    def keep_frequency(self) -> Tensor:
        """Share of the epochs after warm-up in which a row was kept, (n_rows,).

        Where no epoch came after the warm-up, the last one counts. nan for held-out rows.
        """
        return torch.where(self._n_epochs > 0, self._kept_sum / self._n_epochs, self.kept)
