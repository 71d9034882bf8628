"""Early stopping on held-out rows that are as corrupted as the others."""

from __future__ import annotations

import math
from typing import Any

from skorch.callbacks import EarlyStopping
from skorch.dataset import ValidSplit

from skrobust._device import draw_seed
from skrobust._validation import Integral, Interval, Real, StrOptions
from skrobust.training import count_batches

__all__ = ["EarlyStoppingMixin"]

_VALID_ROWS = 1024
_ENOUGH_ROWS = 1000


class EarlyStoppingMixin:
    """Adds ``early_stopping``, ``validation_fraction`` and ``patience`` (in steps)."""

    early_stopping: bool | str
    validation_fraction: float
    patience: int
    batch_size: int
    _net_parameters: dict[str, Any]

    _stopping_constraints: dict = {
        "early_stopping": ["boolean", StrOptions({"auto"})],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "patience": [Interval(Integral, 1, None, closed="left")],
    }

    def _stops_early(self, n_rows: int) -> bool:
        """Whether rows are held out; "auto" leaves that to whoever passes a split."""
        if self.early_stopping != "auto":
            return bool(self.early_stopping)
        return n_rows >= _ENOUGH_ROWS and "train_split" not in self._net_parameters

    def _count_trained(self, n_rows: int) -> int:
        """Rows that are not held out."""
        if not self._stops_early(n_rows):
            return n_rows
        return n_rows - math.ceil(self.validation_fraction * n_rows)

    def _stopping(self, n_rows: int) -> dict[str, Any]:
        """Settings of the net: a split and a callback of skorch, if asked for.

        The loss of the split is trimmed (RobustNet), which is what needs no clean rows.
        """
        if not self._stops_early(n_rows):
            return {}
        if "train_split" in self._net_parameters:
            raise ValueError(
                "early_stopping=True makes a train_split of its own; pass validation_fraction, or "
                "early_stopping=False and skorch's EarlyStopping"
            )
        n_trained = self._count_trained(n_rows)
        if n_trained < 2:
            raise ValueError(
                f"validation_fraction={self.validation_fraction} leaves {n_trained} of {n_rows} "
                "rows to train on; pass more rows, a smaller fraction or early_stopping=False"
            )
        steps = count_batches(n_trained, self.batch_size)
        stop = EarlyStopping(
            monitor="valid_loss",
            patience=math.ceil(self.patience / steps),
            threshold=0.0,
            threshold_mode="abs",
            load_best=True,
        )
        return {
            "train_split": ValidSplit(self.validation_fraction, random_state=draw_seed(None)),
            "iterator_valid__batch_size": max(self.batch_size, _VALID_ROWS),
            "more_callbacks": [("early_stopping", stop)],
            # scores are of other epochs than the networks that are kept; what is remembered is not
            "rescore": getattr(self, "memory", "none") is None,
        }
