"""What training remembers about every row."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

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
        self.n_networks = n_networks
        self.seen = torch.zeros(n_rows, dtype=torch.bool, device=device)
        self._scores = torch.full((n_networks, n_rows), torch.nan, device=device)
        self._kept = torch.full((n_rows,), torch.nan, device=device)
        self._kept_sum = torch.zeros(n_rows, device=device)
        self._n_epochs = torch.zeros(n_rows, device=device)
        self._batches: list[tuple[Tensor, Tensor, Selection]] = []

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

    def _take_in(self) -> None:
        if not self._batches:
            return
        row_ids, scores, selections = zip(*self._batches, strict=True)
        self._batches = []
        ids = torch.cat(row_ids)
        self._scores[:, ids] = torch.cat(scores, dim=1).to(self._scores.dtype)
        kept = _join(selections, [len(rows) for rows in row_ids]).mask(len(ids))
        self._kept[ids] = kept.float().mean(dim=0)

    def start_epoch(self) -> None:
        """Forget what the epoch before kept."""
        self.kept.fill_(torch.nan)

    def end_epoch(self, is_warm: bool) -> None:
        """Count the epoch into :attr:`keep_frequency` if the warm-up is over."""
        kept = self.kept
        seen = ~kept.isnan()
        self.seen |= seen
        if is_warm:
            self._kept_sum += kept.nan_to_num()
            self._n_epochs += seen

    @property
    def keep_frequency(self) -> Tensor:
        """Share of the epochs after warm-up in which a row was kept, (n_rows,).

        Where no epoch came after the warm-up, the last one counts. nan for held-out rows.
        """
        return torch.where(self._n_epochs > 0, self._kept_sum / self._n_epochs, self.kept)


def _join(selections: Sequence[Selection], sizes: Sequence[int]) -> Selection:
    """Selections from batches of these sizes as one from the batches put together."""
    device = selections[0].rows.device
    starts = torch.tensor([0, *accumulate(sizes[:-1])], device=device)
    counts = torch.tensor([selection.rows.shape[1] for selection in selections], device=device)
    rows = torch.cat([selection.rows for selection in selections], dim=1)
    rows = rows + starts.repeat_interleave(counts, output_size=rows.shape[1])
    if all(selection.weights is None for selection in selections):
        return Selection(rows)
    weights = [
        torch.ones_like(selection.rows) if selection.weights is None else selection.weights
        for selection in selections
    ]
    return Selection(rows, torch.cat(weights, dim=1))
