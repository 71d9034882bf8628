"""What every skrobust estimator shares: parameters, seeding, device, the net."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import nn

from skrobust._device import map_rows, resolve_device
from skrobust._validation import HasMethods, Integral, Interval, Real, RealNotInt
from skrobust.training import EpochProgressBar, RobustNet

__all__ = ["RobustEstimator"]

_NET_PREFIXES = ("module__", "optimizer__", "iterator_train__", "iterator_valid__", "callbacks__")
_NET_NAMES = ("compile", "iterator_train", "iterator_valid", "train_split")


class RobustEstimator(BaseEstimator):
    """Base of all estimators: builds a :class:`RobustNet` in ``fit`` and keeps it as ``net_``.

    skorch's own parameters (``module__…``, ``optimizer__…``, ``iterator_train__…``,
    ``callbacks__…``, ``train_split``, ``compile``) are accepted under their skorch names.
    """

    _net_parameters: dict[str, Any]
    _parameter_constraints: dict = {
        "margin": [Interval(Real, 0, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "min_steps": [None, Interval(Integral, 1, None, closed="left")],
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

    def _validate_params(self) -> None:
        """Check parameters by themselves and together; what ``fit`` begins with."""
        for name in self._net_parameters:  # that are neither ours nor skorch's: __init__ may not raise
            if not _is_net_parameter(name):
                close = difflib.get_close_matches(name, self._get_param_names(), n=1)
                hint = f"; did you mean {close[0]!r}?" if close else ""
                raise TypeError(f"{type(self).__name__} got an unexpected keyword {name!r}{hint}")
        super()._validate_params()
        sizes = getattr(self, "hidden_layer_sizes", (1,))
        if not len(sizes) or not all(isinstance(w, Integral) and w > 0 for w in sizes):
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

    def set_params(self, **params):
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
        network: Callable[..., nn.Module],
        step: Any,
        n_rows: int,
        *,
        callbacks: Any = "own",
        more_callbacks: Sequence = (),
        net_parameters: dict[str, Any] | None = None,
        **settings,
    ) -> RobustNet:
        """Describe a net for rows on the device; its networks are built when it is fitted.

        ``callbacks``, ``net_parameters`` and ``settings`` are in the place of the estimator's own.
        """
        given = self.callbacks if isinstance(callbacks, str) else callbacks
        given = given if isinstance(given, (list, tuple)) else [given]
        callbacks = [*(c for c in given if c is not None), *more_callbacks]
        if self.verbose:
            callbacks = [*callbacks, ("progress_bar", EpochProgressBar(type(self).__name__))]
        own = {
            "max_epochs": self.max_epochs,
            "min_steps": self.min_steps,
            "batch_size": self.batch_size,
            "lr": self.lr,
            "optimizer": self.optimizer,
            "callbacks": callbacks,
            "device": self.device_,
        }
        chosen = self._net_parameters if net_parameters is None else net_parameters
        settings = {**own, **self._fused(), **settings, **chosen}
        return RobustNet(network, step=step, n_rows=n_rows, **settings)

    def _map(self, function: Callable, X: np.ndarray, prepare=None) -> np.ndarray:
        """Apply a function of chunks to the rows, preprocessed unless told how."""
        prepare = prepare or self._preprocessor.transform
        return map_rows(function, X, prepare, self.device_, self.n_threads)

    def __setstate__(self, state):
        super().__setstate__(state)
        if hasattr(self, "net_"):
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
