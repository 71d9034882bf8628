"""The skorch net whose loss is a robust step."""

from __future__ import annotations

import dis
import math
from collections.abc import Callable
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import BatchScoring, Callback, EpochTimer
from skorch.history import History
from torch import Tensor, nn

from skrobust.selection import Progress
from skrobust.training._batches import DeviceBatches, RowDataset
from skrobust.training._record import StepState

__all__ = ["RobustNet", "Trained"]


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
    """

    net: RobustNet
    scores: np.ndarray
    keep_frequency: np.ndarray
    history: History


class RobustNet(NeuralNet):
    """A skorch net that trains with a step of its own.

    Parameters
    ----------
    module : nn.Module class
        Maps inputs (n_networks, n_rows, ...) to outputs and has the attribute ``n_networks``.
    step : TrainingStep
        The method.
    n_rows : int
        Number of rows of the data set that row ids refer to.
    min_steps : int, optional
        Epochs repeat until both ``max_epochs`` and ``min_steps`` are met.
    max_steps : int, optional
        Training ends after this many steps, within an epoch too.
    rescore : bool, default=False
        Whether :meth:`result` scores all rows by the networks as they are in the end, not only
        those held out.
    lr_name : str, default="lr"
        What the learning rate is called in errors.
    predictor : callable ``(outputs) -> predictions``, optional
        Turns outputs (n_networks, n_rows, ...) into one prediction per row, for callbacks that
        score predictions, such as skorch's ``EpochScoring``.
    labels : bool, default=False
        Whether predictions are probabilities of classes, of which :meth:`predict` takes the
        largest.
    before_training : callable ``(module, x)``, optional
        Runs between building and the first step, with the networks and the rows.
    iterator_train : class, default=DeviceBatches
        Where batches come from; ``torch.utils.data.DataLoader`` works too. Its length may change
        from epoch to epoch.
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
    state_ : StepState
        Present from the first epoch on, until :meth:`result` takes it.

    Notes
    -----
    The step lives in :meth:`get_loss`, because skorch's ``AccelerateMixin`` replaces
    ``train_step_single`` and would drop it from there. The training loss is read from the device
    once an epoch; a loss that is not finite raises FloatingPointError naming epoch and batch.
    """

    def __init__(
        self,
        module: Any,
        *,
        step: Any,
        n_rows: int,
        min_steps: int | None = None,
        max_steps: int | None = None,
        rescore: bool = False,
        lr_name: str = "lr",
        predictor: Callable[[Tensor], Tensor] | None = None,
        labels: bool = False,
        before_training: Callable[[nn.Module, Tensor], object] | None = None,
        iterator_train: Any = DeviceBatches,
        iterator_train__shuffle: bool = True,
        iterator_valid: Any = DeviceBatches,
        train_split: Any = None,
        verbose: int = 0,
        **kwargs: Any,
    ) -> None:
        self.step = step
        self.n_rows = n_rows
        self.min_steps = min_steps
        self.max_steps = max_steps
        self.rescore = rescore
        self.lr_name = lr_name
        self.predictor = predictor
        self.labels = labels
        self.before_training = before_training
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
    def _default_callbacks(self) -> Any:
        return [("epoch_timer", EpochTimer())]

    def initialize_module(self) -> Self:
        """Create the networks; on a CPU convolutions are fastest with the channels last."""
        super().initialize_module()
        if not hasattr(getattr(self.module_, "module", self.module_), "n_networks"):
            raise TypeError(
                f"make_network must build a network with the attribute n_networks, such as a "
                f"StackedMLP or NetworkEnsemble, not a {type(self.module_).__name__}"
            )
        if str(self.device).startswith("cpu"):
            self.module_.to(memory_format=torch.channels_last)
        return self

    def infer(self, x: Any, **fit_params: Any) -> Any:
        """Forward pass; in training it is left to the step, which chooses the rows."""
        if self.module_.training:
            return x
        return self.module_(self._shared(x), **fit_params)

    def _set_training(self, training: bool = True) -> None:
        """Switch between training and evaluation; skorch walks over all layers at every step."""
        if self.module_.training != training:
            super()._set_training(training)

    def get_loss(self, y_pred: Any, y_true: Any, X: Any = None, training: bool = False) -> Any:
        """Run the step in training; otherwise the loss of held-out rows."""
        y, row_ids = y_true[0].to(self.device), y_true[1].to(self.device)
        if training:
            x = X.to(self.device)
            shared = x.expand(self.state_.record.n_networks, *x.shape)
            return self.step(self.module_, shared, y, row_ids, self.state_)
        selector = getattr(getattr(self, "state_", None), "selector", None)
        return self.step.held_out_loss(y_pred, self._shared(X), y, selector)

    def _shared(self, x: Any) -> Any:
        return x.to(self.device).expand(self.n_networks, *x.shape)

    def get_dataset(self, X: Any, y: Any = None) -> Any:
        """Return ``X``, which is a Dataset already."""
        return X

    def score_rows(self, x: Any, y: Any = None) -> Any:
        """Scores (n_rows,) of rows by the net as it is, dropout off, mean over the networks."""
        self._set_training(False)
        batches = DeviceBatches(RowDataset(x, y), self.batch_size)
        scores = [
            self.step.score_rows(self.module_, self._shared(x), t)[1] for x, (t, _) in batches
        ]
        return torch.cat(scores, dim=1).mean(dim=0)

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

    def _shown(self, batch: Any, step: dict[str, Any], training: bool) -> dict[str, Any]:
        """What callbacks see of a batch: targets without row ids, one prediction per row."""
        x, (y, _) = batch
        predictions = torch.empty(0)
        if not training and self.predictor is not None:
            predictions = self.predictor(step["y_pred"])
        return {"batch": (x, y), **step, "y_pred": predictions}

    @torch.no_grad()
    def run_rows(self, x: Tensor) -> Tensor:
        """Outputs (n_networks, n_rows, ...) for rows under the net as it is, dropout off."""
        self._set_training(False)
        parts = [self.module_(self._shared(part)) for part in x.split(self.batch_size)]
        return torch.cat(parts, dim=1)

    def result(self, x: Tensor, y: Tensor | None = None) -> Trained:
        """Give what training has found out of all rows, and forget how it came to it."""
        record, memory = self.state_.record, self.state_.memory
        known = record.scores if memory is None else memory.means(self.state_.progress.epoch)
        scores = known.mean(dim=0)
        missing = torch.ones_like(record.seen) if self.rescore else ~record.seen
        if missing.any():
            scores[missing] = self.score_rows(x[missing], None if y is None else y[missing])
        frequency = record.keep_frequency.double().cpu().numpy()
        del self.state_
        return Trained(self, scores.double().cpu().numpy(), frequency, self.history)

    def fit_loop(
        self,
        X: Any,
        y: Any = None,
        epochs: Any = None,
        *,
        _routing_method: str = "fit",
        **fit_params: Any,
    ) -> Self:
        """Train for ``max_epochs`` and ``min_steps``, without waiting for the device."""
        train, valid = self.get_split_datasets(X, y)
        phases = [("train", self.get_iterator(train, training=True), self.train_step)]
        if valid is not None:
            phases.append(("valid", self.get_iterator(valid), self.validation_step))
        self._begin(len(train))
        while self._plan(epochs or self.max_epochs, len(phases[0][1])):
            self.notify("on_epoch_begin", dataset_train=train, dataset_valid=valid)
            for prefix, batches, step_fn in phases:
                losses, sizes, training = [], [], prefix == "train"
                for batch in batches:
                    self.notify("on_batch_begin", batch=batch, training=training)
                    if self.scores_batches_:
                        self.history.new_batch()
                        self.history.record_batch(f"{prefix}_batch_size", len(batch[0]))
                    step = step_fn(batch, **fit_params)
                    losses.append(step["loss"].detach())
                    sizes.append(len(batch[0]))
                    shown = self._shown(batch, step, training)
                    self.notify("on_batch_end", training=training, **shown)
                    if training:
                        progress = self.state_.progress
                        self.state_.progress = progress._replace(step=progress.step + 1)
                        if self._is_over():
                            break
                if training:
                    self.state_.end_epoch()
                self._note_losses(prefix, losses, sizes)
            self.notify("on_epoch_end", dataset_train=train, dataset_valid=valid)
        return self

    def partial_fit(self, X: Any, y: Any = None, classes: Any = None, **fit_params: Any) -> Self:
        """Train further. Ctrl-C propagates; a callback that asks to stop ends the training."""
        if not self.initialized_:
            self.initialize()
        self.notify("on_train_begin", X=X, y=y)
        if self.before_training is not None:  # once, when the networks are new
            self.before_training(self.module_, X.x)
            self.before_training = None
        try:
            self.fit_loop(X, y, **fit_params)
        except KeyboardInterrupt as error:
            if not _was_raised_by_callback(error):
                raise
        self.notify("on_train_end", X=X, y=y)
        return self

    def _begin(self, n_trained: Any) -> None:
        # a history that a callback has loaded is a training that goes on
        steps = sum(epoch.get("train_batch_count", 0) for epoch in self.history)
        progress = Progress(len(self.history), 0, steps, 0)
        self.start_ = progress
        self.scores_batches_ = any(isinstance(c, BatchScoring) for _, c in self.callbacks_)
        self.best_losses_: dict[str, float] = {}
        self.n_trained_ = n_trained
        sizes = self.n_networks, self.n_rows
        self.state_ = StepState.begin(self.step, *sizes, progress, self.device)

    def _plan(self, max_epochs: Any, n_batches: Any) -> Any:
        """Plan the rest of the training from the batches of the next epoch, if there is one."""
        if n_batches == 0:
            raise ValueError(
                f"batch_size={self.batch_size} makes no batch of {self.n_trained_} rows"
            )
        epoch, _, step, _ = self.state_.progress
        if self._is_over():
            return False
        n_epochs = self.start_.epoch + max_epochs
        if self.min_steps is not None:
            missing = self.start_.step + self.min_steps - step
            n_epochs = max(n_epochs, epoch + math.ceil(missing / n_batches))
        if epoch >= n_epochs:
            return False
        n_steps = step + (n_epochs - epoch) * n_batches
        if self.max_steps is not None and n_steps > self.start_.step + self.max_steps:
            n_steps = self.start_.step + self.max_steps
            n_epochs = epoch + math.ceil((n_steps - step) / n_batches)
        self.state_.progress = Progress(epoch, n_epochs, step, n_steps)
        return True

    def _is_over(self) -> bool:
        done = self.state_.progress.step - self.start_.step
        return self.max_steps is not None and done >= self.max_steps

    def _note_losses(self, prefix: Any, losses: Any, sizes: Any) -> None:
        """Record the mean loss, and whether it is the best so far (what Checkpoint looks for)."""
        values = torch.stack(losses).double().cpu().numpy()
        bad = np.flatnonzero(~np.isfinite(values))
        if bad.size:
            name = {"train": "training", "valid": "validation"}.get(prefix, prefix)
            raise FloatingPointError(
                f"the {name} loss became {values[bad[0]]} in epoch {len(self.history)}, batch "
                f"{bad[0] + 1} of {len(values)}; try a smaller {self.lr_name} (now {self.lr})"
            )
        loss = float(np.average(values, weights=sizes))
        best = self.best_losses_.get(prefix, math.inf)
        self.best_losses_[prefix] = min(best, loss)
        self.history.record(f"{prefix}_loss", loss)
        self.history.record(f"{prefix}_loss_best", loss < best)
        self.history.record(f"{prefix}_batch_count", len(values))


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
