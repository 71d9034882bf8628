"""What every skrobust estimator shares: parameters, seeding, device, the net."""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator
from skorch.callbacks import EarlyStopping
from skorch.dataset import ValidSplit
from torch import nn

from skrobust._device import draw_seed, map_rows, resolve_device
from skrobust._validation import HasMethods, Integral, Interval, Real, RealNotInt, StrOptions
from skrobust.training import EpochProgressBar, RobustNet, count_batches

__all__ = ["RobustEstimator"]

_NET_PREFIXES = ("module__", "optimizer__", "iterator_train__", "iterator_valid__", "callbacks__")
_VALID_ROWS = 1024
_ENOUGH_ROWS = 1000
_SMALLEST_BATCH, _LARGEST_BATCH = 128, 512
_NET_NAMES = ("compile", "iterator_train", "iterator_valid", "train_split")


class RobustEstimator(BaseEstimator):
    """Base of all estimators: builds a :class:`RobustNet` in ``fit`` and keeps it as ``net_``.

    skorch's own parameters (``module__…``, ``optimizer__…``, ``iterator_train__…``,
    ``callbacks__…``, ``train_split``, ``compile``) are accepted under their skorch names.
    """

    usual_epochs = 100  # without max_epochs
    early_stopping: bool | str = False
    validation_fraction: float
    patience: int
    _net_parameters: dict[str, Any]
    _stopping_constraints: dict = {
        "early_stopping": ["boolean", StrOptions({"auto"})],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "patience": [Interval(Integral, 1, None, closed="left")],
    }
    _parameter_constraints: dict = {
        "margin": [Interval(Real, 0, None, closed="left")],
        "max_epochs": [None, Interval(Integral, 1, None, closed="left")],
        "min_steps": [None, Interval(Integral, 1, None, closed="left")],
        "max_steps": [None, Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "optimizer": [callable],
        "warmup": [
            Interval(Integral, 0, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="both"),
        ],
        "device": [None, str, torch.device],
        "n_threads": [None, Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
        "callbacks": [None, list, tuple, HasMethods(["on_epoch_end"])],
    }

    if TYPE_CHECKING:  # parameters, which _store sets

        def __getattr__(self, name: str) -> Any: ...

    def _store(self, given: dict[str, Any]) -> None:
        """Set the arguments of ``__init__``, given as its ``locals()``, as attributes."""
        self._net_parameters = given["net_parameters"]
        for name in self._get_param_names():
            setattr(self, name, given[name])

    def _validate_params(self) -> None:
        """Check parameters by themselves and together; what ``fit`` begins with."""
        for name in self._net_parameters:  # __init__ may not raise
            if not _is_net_parameter(name):
                close = difflib.get_close_matches(name, self._get_param_names(), n=1)
                hint = f"; did you mean {close[0]!r}?" if close else ""
                raise TypeError(f"{type(self).__name__} got an unexpected keyword {name!r}{hint}")
        super()._validate_params()
        sizes: Any = getattr(self, "hidden_layer_sizes", None)
        sizes = (1,) if sizes is None else sizes
        if not len(sizes) or not all(isinstance(w, (int, np.integer)) and w > 0 for w in sizes):
            raise ValueError(
                f"hidden_layer_sizes must be a non-empty sequence of positive ints, got {sizes!r}"
            )
        self._check_combination()

    def _check_combination(self) -> None:
        """Refuse parameters that exclude each other."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Get the parameters, those for skorch included.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include the parameters of parameters that are estimators.

        Returns
        -------
        dict
            Names and values.
        """
        return {**BaseEstimator.get_params(self, deep=deep), **self._net_parameters}

    def set_params(self, **params: Any) -> Self:
        """Set parameters, those for skorch included.

        Parameters
        ----------
        **params : dict
            Names and values.

        Returns
        -------
        self
        """
        known = self._net_parameters
        for_net = {k: v for k, v in params.items() if _is_net_parameter(k) or k in known}
        own = {k: v for k, v in params.items() if k not in for_net}
        BaseEstimator.set_params(self, **own)
        self._net_parameters = {**known, **for_net}
        return self

    def _make_net(
        self,
        step: Any,
        n_rows: int,
        *shape: Any,
        network: Callable[..., nn.Module] | None = None,
        more_callbacks: Sequence = (),
        own: dict[str, Any] | None = None,
        held_out: Callable[[Any, Any], Any] | None = None,
        **settings: Any,
    ) -> RobustNet:
        """Describe the net for rows on the device; its networks are built when it is fitted.

        They are those of ``make_network`` for a ``shape``, unless there is another ``network``.
        ``settings`` are in the place of the estimator's own, ``own`` of skorch's parameters.
        ``held_out`` brings rows of ``predefined_split`` to what the networks are given.
        """
        stopping = self._stopping(n_rows)
        more = [*stopping.pop("callbacks", []), *more_callbacks]
        if network is None:  # the net must not hold the estimator, which holds the net
            bare = object.__new__(type(self))
            names = ("_net_parameters", *self._get_param_names())
            bare.__dict__.update({name: vars(self)[name] for name in names})
            network = partial(bare.make_network, *shape)
        own = self._net_parameters if own is None else own
        if held_out is not None and "train_split" in own:
            own = self._own_with_held_out(held_out)
        chosen = {"callbacks": self.callbacks, **stopping, **settings, **own}
        return self._make_plain_net(network, step, n_rows, more_callbacks=more, **chosen)

    def _make_plain_net(
        self,
        network: Callable[..., nn.Module],
        step: Any,
        n_rows: int,
        *,
        callbacks: Any = None,
        more_callbacks: Sequence = (),
        **settings: Any,
    ) -> RobustNet:
        """Describe a net without early stopping and skorch's parameters: for a training beside."""
        given = callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]
        callbacks = [*filter(None, given), *more_callbacks]
        if self.verbose:
            callbacks.append(("progress_bar", EpochProgressBar(type(self).__name__)))
        own = {
            **self._length(n_rows),
            "batch_size": self._rows_per_step(n_rows),
            "lr": self.lr,
            "optimizer": self.optimizer,
            "callbacks": callbacks,
            "device": self.device_,
        }
        settings = {**own, **self._fused(), **settings}
        return RobustNet(network, step=step, n_rows=n_rows, **settings)

    def _length(self, n_rows: int) -> dict[str, Any]:
        """Length of the training; epochs that the user gives are a maximum."""
        if self.max_epochs is not None:
            return {"max_epochs": self.max_epochs, "max_steps": self.max_steps}
        length = {"max_epochs": self.usual_epochs, "min_steps": self._least_steps(n_rows)}
        return {**length, "max_steps": self.max_steps}

    def _rows_per_step(self, n_rows: int) -> int:
        """Rows of a batch; left open, one in 64 of all, from 128 to 512."""
        if isinstance(self.batch_size, Integral):
            return int(self.batch_size)
        return min(max(n_rows // 64, _SMALLEST_BATCH), _LARGEST_BATCH)

    def _least_steps(self, n_rows: int) -> int | None:
        """Steps that a training of the usual length has at least."""
        return self.min_steps

    def _map(self, function: Callable, X: np.ndarray, prepare: Any = None) -> np.ndarray:
        """Apply a function of chunks to the rows, preprocessed unless told how."""
        prepare = prepare or self._preprocessor.transform
        return map_rows(function, X, prepare, self.device_, self.n_threads)

    def _own_with_held_out(self, convert: Callable[[Any, Any], Any]) -> dict[str, Any]:
        """Return skorch's parameters, the rows of ``predefined_split(Dataset(X, y))`` converted."""
        split: Any = self._net_parameters.get("train_split")
        given: Any = getattr(split, "keywords", {}).get("valid_ds")
        if not hasattr(given, "X"):
            return self._net_parameters
        rows = convert(given.X, getattr(given, "y", None))
        return {**self._net_parameters, "train_split": partial(split.func, valid_ds=rows)}

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
        """Settings of the net for early stopping: a split and a callback of skorch, if asked for.

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
        steps = count_batches(n_trained, self._rows_per_step(n_rows))
        stop = EarlyStopping(
            monitor="valid_loss",
            patience=math.ceil(self.patience / steps),
            threshold=0.0,
            threshold_mode="abs",
            load_best=True,
        )
        return {
            "train_split": ValidSplit(self.validation_fraction, random_state=draw_seed(None)),
            "iterator_valid__batch_size": max(self._rows_per_step(n_rows), _VALID_ROWS),
            "callbacks": [("early_stopping", stop)],
            # scores are of other epochs than the networks that are kept; what is remembered is not
            "rescore": getattr(self, "memory", "none") is None,
        }

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state)
        if hasattr(getattr(self, "net_", None), "device"):  # not yet where the net is loaded alone
            self.device_ = str(resolve_device(self.net_.device))

    def _fused(self) -> dict[str, bool]:
        """Ask for torch's one-kernel update, unless the user chose another form."""
        forms = {f"optimizer__{form}" for form in ("fused", "foreach", "differentiable")}
        if forms & self._net_parameters.keys():
            return {}
        has_fused = "fused" in inspect.signature(self.optimizer).parameters
        return {"optimizer__fused": True} if has_fused else {}


def _is_net_parameter(name: str) -> bool:
    return name in _NET_NAMES or name.startswith(_NET_PREFIXES)
