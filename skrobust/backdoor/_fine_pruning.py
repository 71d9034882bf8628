"""Repairing a poisoned network with a few clean rows: fine-pruning."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Self

import numpy as np
import torch
from sklearn.model_selection import StratifiedShuffleSplit
from skorch.callbacks import Callback
from skorch.history import History
from torch import Tensor, nn

from skrobust._validation import (
    Integral,
    Interval,
    Real,
    fit_context,
    validate_examples,
    warn_caller,
)
from skrobust.backdoor._prune import PrunableLayer, prunable_layer, prune_until
from skrobust.backdoor._rules import PoisonedLabelMixin
from skrobust.selection import DropSchedule, Trim, crossentropy
from skrobust.supervised import PRLClassifier
from skrobust.supervised._base import RobustLearner
from skrobust.training import RobustStep, RowDataset, SharedPass

__all__ = ["FinePruningClassifier"]

_HELD_OUT = 0.2  # of the clean rows, for the decision when to stop


class FinePruningClassifier(PoisonedLabelMixin, RobustLearner):
    """Classifier that learns poisoned data plainly and forgets what clean rows do not use.

    The network is trained on all rows, the attack included. Then those units of its last
    convolution (of its last hidden layer, if it has none) that clean rows activate least are
    switched off, one after the other, until the accuracy on held-out clean rows falls by more than
    a tolerance; and what is left is trained a little more on the clean rows [1]_.

    Parameters
    ----------
    module : nn.Module class or instance, or None, default=None
        The network, as in :class:`PRLClassifier`. None builds a multi-layer perceptron.
    corruption_rate : float in [0, 1) or "auto", default=0.2
        Share of all rows that are poisoned. It decides which rows ``inlier_mask_`` trusts, and
        nothing else.
        "auto" estimates it first, by three networks and the rows that each has not seen (see
        :func:`estimate_corruption_rate`), which makes ``fit`` take up to four times as long. As
        networks that learn the trigger find nothing wrong, the estimate is a lower bound: at least
        0.2 is taken, with a warning.
    tolerance : float in [0, 1], default=0.04
        How much accuracy on clean rows pruning may cost.
    clean_share : float in (0, 1), default=0.5
        Where no clean rows are given: the share of each class, those of lowest loss, that is taken
        for clean instead.
    fine_tune_epochs : int, default=20
        Epochs on the clean rows after pruning. 0 prunes only.
    fine_tune_lr : float or None, default=None
        Their learning rate; None is ``lr``.
    fine_tune_callbacks : list of skorch callbacks, optional
        For the training on clean rows.
    hidden_layer_sizes, preprocessing, missing : as in PRLClassifier
        The perceptron that ``module=None`` builds, and tables.
    max_epochs, min_steps, max_steps : as in PRLClassifier
        Length the training on all rows.
    early_stopping, validation_fraction, patience, batch_size, lr, optimizer : as in PRLClassifier
        The same; by default without early stopping, and by AdamW.
    device, n_threads, random_state, verbose, callbacks : as in PRLClassifier
        How ``fit`` runs.
    **net_parameters
        skorch's own parameters, such as ``module__width`` or ``optimizer__weight_decay``.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        The labels, sorted.
    pruned_units_ : array of int
        Units that are off, in the order in which they went.
    pruning_accuracies_ : array of float
        Accuracy on held-out clean rows with no unit off, with the first, and so on; the last may be
        that of the unit that went too far and was switched on again.
    fine_tune_history_ : skorch.history.History
        One entry per epoch on clean rows.
    n_clean_ : int
        Number of clean rows, given or taken for clean.
    corruption_rate_, corruption_rate_interval_ : as in BackdoorRobustClassifier
        The rate.
    sample_scores_ : array of shape (n_samples,)
        Loss of each training row in the last epoch on all rows; where rows were held out, of all
        by the network before pruning.
    keep_frequency_, inlier_mask_ : as in PRLClassifier
        What is known of each row: all are trained on.
    history_, net_, device_, n_features_in_, feature_names_in_ : as in PRLClassifier
        What ``fit`` leaves, of the training on all rows.

    See Also
    --------
    BackdoorRobustClassifier : Needs no clean rows.

    Notes
    -----
    Without clean rows the defence rests on the rows that the poisoned network fits best. A backdoor
    is easy to fit: there may be poisoned rows among them.

    In a residual network the shortcut past the last convolution stays: a unit that is off adds
    nothing to it any more.

    The network that is kept is the last one within the tolerance. Units that are off stay off while
    it is fine-tuned.

    References
    ----------
    .. [1] Liu, K., Dolan-Gavitt, B., Garg, S. Fine-pruning: Defending against backdooring attacks
       on deep neural networks. RAID, 2018.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skrobust import FinePruningClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> model = FinePruningClassifier(max_epochs=10, random_state=0)
    >>> model.fit(X[200:], y[200:], X[:200], y[:200]).n_clean_
    200
    """

    _parameter_constraints: dict = {
        **{
            name: allowed
            for name, allowed in RobustLearner._parameter_constraints.items()
            if name not in ("margin", "warmup")  # of selection, which there is none of
        },
        "tolerance": [Interval(Real, 0, 1, closed="both")],
        "clean_share": [Interval(Real, 0, 1, closed="neither")],
        "fine_tune_epochs": [Interval(Integral, 0, None, closed="left")],
        "fine_tune_lr": [None, Interval(Real, 0, None, closed="neither")],
        "fine_tune_callbacks": RobustLearner._parameter_constraints["callbacks"],
    }

    def __init__(
        self,
        module: Any = None,
        *,
        corruption_rate: float | str = 0.2,
        tolerance: float = 0.04,
        clean_share: float = 0.5,
        fine_tune_epochs: int = 20,
        fine_tune_lr: float | None = None,
        fine_tune_callbacks: Any = None,
        hidden_layer_sizes: Any = (256, 256),
        preprocessing: str | None = "standard",
        missing: str = "error",
        max_epochs: int | None = None,
        min_steps: int | str | None = None,
        max_steps: int | None = None,
        early_stopping: bool | str = False,
        validation_fraction: float = 0.1,
        patience: int = 500,
        batch_size: int = 128,
        lr: float = 1e-3,
        optimizer: Callable = torch.optim.AdamW,
        device: Any = None,
        n_threads: int | None = 1,
        random_state: Any = None,
        verbose: int = 0,
        callbacks: Any = None,
        **net_parameters: Any,
    ) -> None:
        self._store(locals())

    @fit_context
    def fit(self, X: Any, y: Any, X_clean: Any = None, y_clean: Any = None) -> Self:
        """Train on all rows, prune and fine-tune by clean ones.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Inputs, poisoned ones among them.
        y : array-like of shape (n_samples,)
            Labels.
        X_clean : array-like of shape (n_clean, n_features) or (n_clean, ...), optional
            Inputs that nobody has tampered with; 5 % as many as training rows, in the paper. Steps
            of a pipeline before this one do not transform them: pass what they make of the rows.
        y_clean : array-like of shape (n_clean,), optional
            Their labels.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter or the inputs are invalid, the clean rows come without labels or with
            labels that training does not know, or nothing of the network can be pruned.
        TypeError
            If ``__init__`` was given a keyword that does not exist.
        FloatingPointError
            If the training loss stops being finite.

        Warns
        -----
        UserWarning
            If no clean rows are given, or none of some class.
        """
        if (X_clean is None) != (y_clean is None):
            raise ValueError("X_clean and y_clean belong together: one of them is None")
        return self._fit(X, y, None if X_clean is None else (X_clean, y_clean))

    def _step(self, n_rows: int) -> RobustStep:
        return SharedPass(loss=crossentropy, selector=Trim(DropSchedule(0.0)))

    def _pilot(self, X: Any) -> PRLClassifier:
        """Return what the rate is estimated with: nothing is pruned for that."""
        names = PRLClassifier._get_param_names()
        shared = {k: v for k, v in self.get_params(deep=False).items() if k in names}
        shared |= {k: v for k, v in self._net_parameters.items() if k != "train_split"}
        return PRLClassifier(**shared).set_params(**PRLClassifier._pilot_settings)

    def _after_training(self, x: Tensor, y: Tensor, extra: Any) -> None:
        """Prune what clean rows do not use, and fine-tune what is left on them."""
        module = self.net_.module_
        layer = prunable_layer(module)
        rows, labels = self._clean_rows(x, y, extra)
        self.n_clean_ = len(rows)
        kept, held = self._hold_out(labels)

        @torch.no_grad()
        def outputs(chosen: Tensor) -> Tensor:
            module.eval()
            parts = rows[chosen].split(self.batch_size)
            return torch.cat([module(part.unsqueeze(0))[0] for part in parts])

        def accuracy() -> float:
            return float((outputs(held).argmax(dim=1) == labels[held]).double().mean())

        order = layer.mean_activations(lambda: outputs(kept)).argsort(stable=True)
        units, accuracies = prune_until(layer, order, accuracy, self.tolerance)
        self.pruned_units_ = units.cpu().numpy()
        self.pruning_accuracies_ = np.array(accuracies)
        self.fine_tune_history_ = self._fine_tune(module, rows, labels, _KeepOff(layer, units))

    def _fine_tune(self, module: nn.Module, x: Tensor, y: Tensor, keep_off: Callback) -> History:
        step = self.net_.step if len(x) > 1 else _SingleRow(**vars(self.net_.step))
        own = {k: v for k, v in self._net_parameters.items() if k.startswith("optimizer__")}
        net = self._make_plain_net(
            module,
            step,
            len(x),
            callbacks=self.fine_tune_callbacks,
            more_callbacks=[keep_off],
            max_epochs=self.fine_tune_epochs,
            min_steps=None,
            max_steps=None,
            lr_name="fine_tune_lr",
            **{"lr": self.lr if self.fine_tune_lr is None else self.fine_tune_lr, **own},
        )
        return net.fit(RowDataset(x, y)).history

    def _clean_rows(self, x: Tensor, y: Tensor, given_clean: Any) -> tuple[Tensor, Tensor]:
        if given_clean is not None:
            X, given = validate_examples(self, *given_clean, reset=False, missing=self.missing)
            if X.shape[1:] != self._row_shape:
                raise ValueError(
                    f"X_clean has examples of shape {X.shape[1:]}, X of {self._row_shape}"
                )
            known = set(self.classes_.tolist())
            unknown = [label for label in dict.fromkeys(given.tolist()) if label not in known]
            if unknown:
                raise ValueError(f"y_clean holds labels that y does not: {unknown}")
            rows = torch.from_numpy(self._preprocessor.transform(X)).to(x.device)
            absent = np.setdiff1d(self.classes_, given)
            if len(absent):
                warn_caller(
                    f"no clean row is labelled {', '.join(map(repr, absent.tolist()))}: pruning "
                    "and fine-tuning may lose what has no clean rows"
                )
            codes = np.searchsorted(self.classes_, given)
            return rows, torch.from_numpy(codes).to(y.device)
        losses = self.net_.score_rows(x, y)
        chosen = []
        for code in range(len(self.classes_)):
            own = (y == code).nonzero().squeeze(1)
            n_chosen = math.ceil(self.clean_share * len(own) - 1e-9)
            chosen.append(own[losses[own].argsort(stable=True)[:n_chosen]])
        rows = torch.cat(chosen).sort().values
        warn_caller(
            f"no clean rows were given: the {len(rows)} rows of lowest loss, clean_share="
            f"{self.clean_share} of each class, stand in for them, and may be poisoned"
        )
        return x[rows], y[rows]

    def _hold_out(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Split the clean rows by class where each has two; one row serves both ends."""
        n_rows = len(labels)
        if n_rows < 2:
            return torch.arange(n_rows), torch.arange(n_rows)
        n_held = max(1, round(_HELD_OUT * n_rows))
        order = torch.randperm(n_rows)
        codes = labels.cpu().numpy()
        n_classes = len(np.unique(codes))
        if np.bincount(codes)[np.unique(codes)].min() >= 2 and n_classes <= n_held:
            split = StratifiedShuffleSplit(1, test_size=n_held, random_state=int(order[0]))
            kept, held = next(split.split(codes, codes))
            return torch.from_numpy(kept), torch.from_numpy(held)
        return order[n_held:], order[:n_held]


class _KeepOff(Callback):
    """Switches units off again after every step."""

    def __init__(self, layer: PrunableLayer, units: Tensor) -> None:
        self.layer = layer
        self.units = units

    def on_batch_end(self, net: Any, training: bool = False, **kwargs: Any) -> None:
        if training:
            self.layer.switch_off(self.units)


class _SingleRow(SharedPass):
    """Trains in evaluation mode: a row alone has no variance to be normalised by."""

    def __call__(self, networks: Any, x: Any, y: Any, row_ids: Any, state: Any) -> Any:
        return super().__call__(networks.eval(), x, y, row_ids, state)
