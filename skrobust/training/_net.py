"""The skorch net whose loss is a robust step, and the batches that it trains on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any, Self

import numpy as np
import torch
from skorch.callbacks import BatchScoring, EpochTimer
from torch import Tensor, nn
from torch.utils.data import Dataset, Subset

from skrobust.selection import Progress
from skrobust.training._record import StepState, Trained
from skrobust.training._scoring import ScoringNet, was_raised_by_callback

__all__ = ["DeviceBatches", "RobustNet", "RowDataset", "count_batches"]


def count_batches(n_rows: int, batch_size: int, drop_last: bool = False) -> int:
    """Count batches; a single row that is left over joins the last one.

    Parameters
    ----------
    n_rows, batch_size : int
        Normalisations over a batch have nothing to go by in a row alone.
    drop_last : bool, default=False
        Leave out a last batch that is not full.

    Returns
    -------
    int
    """
    whole, rest = divmod(n_rows, batch_size)
    if drop_last:
        return whole
    return whole + (rest > 1 or (rest == 1 and whole == 0))


class RowDataset(Dataset):
    """Rows, their targets and their ids, as tensors on the training device.

    Parameters
    ----------
    x : Tensor of shape (n_rows, ...)
        Inputs.
    y : Tensor of shape (n_rows, ...), optional
        Targets; None for methods without (the row ids stand in for them).

    Notes
    -----
    An item is ``(x, (y, row_id))``, which skorch and torch's own DataLoader pass on unchanged.
    """

    def __init__(self, x: Tensor, y: Tensor | None = None) -> None:
        self.row_ids = torch.arange(len(x), device=x.device)
        self.x = x
        self.y = self.row_ids if y is None else y

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: Any) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        return self.x[i], (self.y[i], self.row_ids[i])


class DeviceBatches:
    """Iterate over a :class:`RowDataset` (or a ``Subset`` of one) without per-row collation.

    Parameters
    ----------
    dataset : RowDataset or Subset of one
        Rows on the device.
    batch_size : int
        Rows per batch. The last one may be shorter; a single row that is left over joins it.
    shuffle : bool, default=False
        Draw a new order in every epoch, from torch's CPU generator, so that the order does not
        depend on the device.
    drop_last : bool, default=False
        Leave out a last batch that is not full.
    """

    def __init__(
        self,
        dataset: RowDataset | Subset,
        batch_size: int,
        shuffle: bool = False,
        drop_last: bool = False,
    ) -> None:
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.drop_last = drop_last

    def __len__(self) -> int:
        return count_batches(len(self.dataset), self.batch_size, self.drop_last)

    def __iter__(self) -> Iterator[tuple[Tensor, tuple[Tensor, Tensor]]]:
        dataset: Any = self.dataset
        order = torch.arange(len(dataset))
        while isinstance(dataset, Subset):
            order = torch.as_tensor(dataset.indices)[order]
            dataset = dataset.dataset
        if self.shuffle:
            order = order[torch.randperm(len(order))]
        if self.drop_last:
            order = order[: len(self) * self.batch_size]
        if not len(order):
            return
        x, (y, row_ids) = dataset[order.to(dataset.x.device)]
        ends = [*range(self.batch_size, len(self) * self.batch_size, self.batch_size), len(order)]
        for start, end in pairwise([0, *ends]):
            rows = slice(start, end)
            yield x[rows], (y[rows], row_ids[rows])


class RobustNet(ScoringNet):
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
        score = partial(self.step.score_rows, self.module_, state=getattr(self, "state_", None))
        scores = [score(self._shared(x), t)[1] for x, (t, _) in batches]
        return torch.cat(scores, dim=1).mean(dim=0)

    def result(self, x: Tensor, y: Tensor | None = None) -> Trained:
        """Give what training has found out of all rows, and forget how it came to it."""
        record, memory, selector = self.state_.record, self.state_.memory, self.state_.selector
        if hasattr(selector, "is_over"):
            selector.is_over = True
        known = record.scores if memory is None else memory.means(self.state_.progress.epoch)
        scores = known.mean(dim=0)
        missing = torch.ones_like(record.seen) if self.rescore else ~record.seen
        if missing.any():
            scores[missing] = self.score_rows(x[missing], None if y is None else y[missing])
        frequency = record.keep_frequency.double().cpu().numpy()
        del self.state_
        return Trained(self, scores.double().cpu().numpy(), frequency, self.history, selector)

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
                    # what callbacks see: targets without row ids, one prediction per row
                    x, (y_true, _) = batch
                    shown = torch.empty(0)
                    if not training and self.predictor is not None:
                        shown = self.predictor(step["y_pred"])
                    step["y_pred"] = shown
                    self.notify("on_batch_end", batch=(x, y_true), training=training, **step)
                    if training:
                        progress = self.state_.progress
                        self.state_.progress = progress._replace(step=progress.step + 1)
                        if self.max_steps is not None and self._is_over():
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
            if not was_raised_by_callback(error):
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
