"""What a net offers to callbacks that score predictions, and to those that end a training."""

from __future__ import annotations

import dis
from typing import Any

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback
from torch import Tensor

__all__ = ["ScoringNet", "was_raised_by_callback"]


class ScoringNet(NeuralNet):
    """A net of several networks whose predictions, one per row, can be asked for."""

    predictor: Any
    labels: bool

    def evaluation_step(self, batch: Any, training: bool = False) -> Any:
        """Predictions for the rows of a batch, for callbacks that ask for them."""
        outputs = super().evaluation_step(batch, training=training)
        return self._predicted(outputs)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Predictions for the rows of a data set, as skorch's callbacks that score ask for them."""
        parts = list(self.forward_iter(X))
        if any(not part.numel() for part in parts):
            raise ValueError(
                "this net makes no predictions in training: EpochScoring and BatchScoring score "
                "the rows that train_split holds out, with on_train=False"
            )
        return np.concatenate([part.numpy(force=True) for part in parts])

    def predict(self, X: Any) -> np.ndarray:
        """Predicted targets, or places of the predicted classes."""
        predictions = self.predict_proba(X)
        return predictions.argmax(axis=1) if self.labels else predictions

    def _predicted(self, outputs: Any) -> Tensor:
        if self.predictor is None:
            raise ValueError("this net makes no predictions that could be scored")
        return self.predictor(outputs)

    @torch.no_grad()
    def run_rows(self, x: Tensor) -> Tensor:
        """Outputs (n_networks, n_rows, ...) for rows under the net as it is, dropout off."""
        self._set_training(False)
        parts = [self.module_(self._shared(part)) for part in x.split(self.batch_size)]
        return torch.cat(parts, dim=1)


def was_raised_by_callback(error: KeyboardInterrupt) -> bool:
    """Tell a callback's ``raise KeyboardInterrupt`` (skorch's way to stop) from a real Ctrl-C.

    A signal interrupts between any two instructions, or raises in a handler of its own; a
    callback that wants to stop stands at a raise statement.
    """
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    if last is None or not isinstance(last.tb_frame.f_locals.get("self"), Callback):
        return False
    instruction = last.tb_frame.f_code.co_code[last.tb_lasti]
    return dis.opname[instruction] == "RAISE_VARARGS"
