"""The skorch net whose loss is the robust step."""

from __future__ import annotations

import dis
import math
from typing import Any

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EpochTimer

from skrobust._device import lay_out
from skrobust.selection import Progress, ScoreMemory, ScoreWindow
from skrobust.training._batches import DeviceBatches, RowDataset
from skrobust.training._record import TrainingRecord
from skrobust.training._row_gradients import RowGradients
from skrobust.training._step import LIMIT_ROWS, RobustStep, StepState

__all__ = ["RobustNet"]


class RobustNet(NeuralNet):
    """A skorch net that trains with a :class:`RobustStep`.

    Parameters
    ----------
    module : nn.Module class
        Maps inputs (n_networks, n_rows, ...) to outputs and has the attribute ``n_networks``.
    step : RobustStep
        The method.
    n_rows : int
        Number of rows of the data set that row ids refer to.
    min_steps : int, optional
        Epochs repeat until both ``max_epochs`` and ``min_steps`` are met.
    iterator_train : class, default=DeviceBatches
        Where batches come from; ``torch.utils.data.DataLoader`` works too.
    iterator_train__shuffle : bool, default=True
        Whether every epoch has a new order.
    iterator_valid : class, default=DeviceBatches
        The same for held-out rows.
    train_split : callable, optional
        skorch's split into training and validation rows; None trains on all.
    verbose : int, default=0
        As in skorch.
    **kwargs
        Passed to :class:`skorch.NeuralNet`.

    Attributes
    ----------
    state_ : StepState or None
        Present from the first epoch on; estimators drop it after training.

    Notes
    -----
    The step lives in :meth:`get_loss`, because skorch's ``AccelerateMixin`` replaces
    ``train_step_single`` and would drop it from there. The training loss is read from the device
    once an epoch; a loss that is not finite raises FloatingPointError naming epoch and batch.
    """

    def __init__(
        self,
        module,
        *,
        step: RobustStep,
        n_rows: int,
        min_steps: int | None = None,
        iterator_train=DeviceBatches,
        iterator_train__shuffle: bool = True,
        iterator_valid=DeviceBatches,
        train_split=None,
        verbose: int = 0,
        **kwargs,
    ) -> None:
        self.step = step
        self.n_rows = n_rows
        self.min_steps = min_steps
        super().__init__(
            module,
            criterion=torch.nn.Identity,
            iterator_train=iterator_train,
            iterator_train__shuffle=iterator_train__shuffle,
            iterator_valid=iterator_valid,
            train_split=train_split,
            verbose=verbose,
            **kwargs,
        )

    @property
    def n_networks(self) -> int:
        """Number of networks, also where a wrapper for several devices hides the module."""
        module: Any = self.module_
        return getattr(module, "module", module).n_networks

    @property
    def _default_callbacks(self):
        return [("epoch_timer", EpochTimer())]

    def initialize_module(self):
        """Create the networks, laid out for the device."""
        super().initialize_module()
        lay_out(self.module_, self.device)
        return self

    def infer(self, x, **fit_params):
        """Forward pass; in training it is left to the step, which chooses the rows."""
        if self.module_.training:
            return x
        return self.module_(self._shared(x), **fit_params)

    def _set_training(self, training=True):
        """Switch between training and evaluation; skorch walks over all layers at every step."""
        if self.module_.training != training:
            super()._set_training(training)

    def get_loss(self, y_pred, y_true, X=None, training=False):
        """Run the robust step in training; otherwise the mean of the lowest losses.

        Held-out rows are as corrupted as the others: those of largest loss, the share that the
        schedule ends with, do not count, nor those beyond the step's limit. Summed over networks.
        """
        y, row_ids = (part.to(self.device) for part in y_true)
        if training:
            return self.step(self.module_, X.to(self.device), y, row_ids, self.state_)
        return self.step.held_out_loss(y_pred, self._shared(X), y)

    def _shared(self, x):
        return x.to(self.device).expand(self.n_networks, *x.shape)

    def get_dataset(self, X, y=None):
        """Return ``X``, which is a Dataset already."""
        return X

    def score_rows(self, x, y=None):
        """Scores of rows under the net as it is, dropout off, mean over the networks.

        Parameters
        ----------
        x, y : Tensor of shape (n_rows, ...)
            Inputs and, for methods that have them, targets.

        Returns
        -------
        Tensor of shape (n_rows,)
        """
        self._set_training(False)
        batches = DeviceBatches(RowDataset(x, y), self.batch_size)
        module, step = self.module_, self.step
        gradients = RowGradients(module) if step.by_gradient else None
        scores = [step.score(module, self._shared(x), t, gradients)[1] for x, (t, _) in batches]
        return torch.cat(scores, dim=1).mean(dim=0)

    @torch.no_grad()
    def run_rows(self, x):
        """Outputs for rows under the net as it is, dropout off.

        Parameters
        ----------
        x : Tensor of shape (n_rows, ...)
            Inputs.

        Returns
        -------
        Tensor of shape (n_networks, n_rows, ...)
        """
        self._set_training(False)
        parts = x.split(self.batch_size)
        return torch.cat([self.module_(self._shared(part)) for part in parts], dim=1)

    def fit_loop(self, X, y=None, epochs=None, *, _routing_method="fit", **fit_params):
        """Train for the planned number of epochs (``max_epochs`` and ``min_steps``)."""
        train, valid = self.get_split_datasets(X, y)
        batches = self.get_iterator(train, training=True)
        valid_batches = None if valid is None else self.get_iterator(valid)
        self._start(epochs or self.max_epochs, len(batches), len(train))
        for _ in range(self.state_.progress.n_epochs):
            self.notify("on_epoch_begin", dataset_train=train, dataset_valid=valid)
            self.state_.record.start_epoch()
            self.run_single_epoch(batches, True, "train", self.train_step, **fit_params)
            self._end_training_epoch()
            self.run_single_epoch(valid_batches, False, "valid", self.validation_step, **fit_params)
            self.notify("on_epoch_end", dataset_train=train, dataset_valid=valid)
        return self

    def partial_fit(self, X, y=None, classes=None, **fit_params):
        """Train further. Ctrl-C propagates; a callback that asks to stop ends the training."""
        if not self.initialized_:
            self.initialize()
        self.notify("on_train_begin", X=X, y=y)
        try:
            self.fit_loop(X, y, **fit_params)
        except KeyboardInterrupt as error:
            if not _was_raised_by_callback(error):
                raise
        self.notify("on_train_end", X=X, y=y)
        return self

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """Run one epoch of training or validation without waiting for the device in between."""
        if iterator is None:
            return
        losses, sizes = [], []
        for batch in iterator:
            self.notify("on_batch_begin", batch=batch, training=training)
            step = step_fn(batch, **fit_params)
            losses.append(step["loss"].detach())
            sizes.append(len(batch[0]))
            self.notify("on_batch_end", batch=batch, training=training, **step)
            if training:
                progress = self.state_.progress
                self.state_.progress = progress._replace(step=progress.step + 1)
        values = torch.stack(losses).double().cpu().numpy()
        self._check_finite(values, prefix)
        self._record_loss(prefix, float(np.average(values, weights=sizes)))
        self.history.record(f"{prefix}_batch_count", len(values))

    def _record_loss(self, prefix, loss):
        """Record the loss, and whether it is the best so far (what Checkpoint looks for)."""
        best = self.best_losses_.get(prefix, math.inf)
        self.best_losses_[prefix] = min(best, loss)
        self.history.record(f"{prefix}_loss", loss)
        self.history.record(f"{prefix}_loss_best", loss < best)

    def _start(self, n_epochs, steps_per_epoch, n_rows):
        if steps_per_epoch == 0:
            raise ValueError(f"batch_size={self.batch_size} makes no batch of {n_rows} rows")
        if self.min_steps is not None:
            n_epochs = max(n_epochs, math.ceil(self.min_steps / steps_per_epoch))
        memory, mode = None, self.step.memory
        if mode is not None:
            settings = {"mode": mode, "decay": self.step.memory_decay, "device": self.device}
            memory = ScoreMemory(self.n_networks, self.n_rows, **settings)
        window = None
        if self.step.score_limit is not None:
            window = ScoreWindow(min(LIMIT_ROWS, n_rows))
        self.best_losses_ = {}
        self.state_ = StepState(
            progress=Progress(0, n_epochs, 0, n_epochs * steps_per_epoch),
            record=TrainingRecord(self.n_networks, self.n_rows, device=self.device),
            rng=np.random.default_rng(int(torch.randint(2**31, ()))),
            memory=memory,
            window=window,
        )

    def _end_training_epoch(self):
        state = self.state_
        state.record.end_epoch(self.step.schedule.is_warm(state.progress))
        state.progress = state.progress._replace(epoch=state.progress.epoch + 1)

    def _check_finite(self, losses, prefix):
        bad = np.flatnonzero(~np.isfinite(losses))
        if bad.size:
            name = {"train": "training", "valid": "validation"}.get(prefix, prefix)
            raise FloatingPointError(
                f"the {name} loss became {losses[bad[0]]} in epoch {len(self.history)}, batch "
                f"{bad[0] + 1} of {len(losses)}; try a smaller lr (now {self.lr})"
            )


def _was_raised_by_callback(error: KeyboardInterrupt) -> bool:
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
