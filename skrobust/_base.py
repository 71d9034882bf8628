"""What every skrobust estimator shares: parameters, seeding, device, the net."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import Tensor, nn

from skrobust._device import limited_threads, resolve_device
from skrobust._random import contained_seeding, draw_seed
from skrobust._validation import HasMethods, Integral, Interval, Real, RealNotInt
from skrobust.training import EpochProgressBar, RobustNet, RobustStep, RowDataset, map_rows

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

    def _check_net_parameters(self) -> None:
        """Refuse keywords that are neither ours nor skorch's (``__init__`` may not raise)."""
        for name in self._net_parameters:
            if not _is_net_parameter(name):
                close = difflib.get_close_matches(name, self._get_param_names(), n=1)
                hint = f"; did you mean {close[0]!r}?" if close else ""
                raise TypeError(f"{type(self).__name__} got an unexpected keyword {name!r}{hint}")

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

    def _fit_net(
        self,
        module: type[nn.Module],
        step: RobustStep,
        x: Tensor,
        y=None,
        *,
        more_callbacks: Sequence = (),
        **kwargs,
    ):
        """Build a net under a drawn seed and train it on rows that lie on the device.

        ``kwargs`` go to the net. Call it inside :meth:`_isolated`.
        """
        callbacks = (
            self.callbacks if isinstance(self.callbacks, (list, tuple)) else [self.callbacks]
        )
        callbacks = [*(c for c in callbacks if c is not None), *more_callbacks]
        if self.verbose:
            callbacks = [*callbacks, ("progress_bar", EpochProgressBar(type(self).__name__))]
        net = RobustNet(
            module,
            step=step,
            n_rows=len(x),
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            lr=self.lr,
            optimizer=self.optimizer,
            callbacks=callbacks,
            device=str(x.device),
            **{"min_steps": self.min_steps, **self._fused(), **kwargs, **self._for_net()},
        )
        # skorch hands y to train_split, which may stratify by it
        return net.fit(RowDataset(x, y), None if y is None else y.cpu().numpy())

    def _for_net(self) -> dict[str, Any]:
        """Those of skorch's own parameters that the net gets."""
        return self._net_parameters

    def _take_record(
        self, rows: Tensor, targets: Tensor | None = None, rescore: bool = False
    ) -> None:
        """Move what training recorded into fitted attributes.

        Rows that were held out, or all with ``rescore``, are scored by the networks as they are.
        """
        record, memory = self.net_.state_.record, self.net_.state_.memory
        known = record.scores if memory is None else memory.means(self.net_.state_.progress.epoch)
        scores = known.mean(dim=0)
        missing = torch.ones_like(record.seen) if rescore else ~record.seen
        if missing.any():
            given = None if targets is None else targets[missing]
            scores[missing] = self.net_.score_rows(rows[missing], given)
        self.sample_scores_ = scores.double().cpu().numpy()
        self.keep_frequency_ = record.keep_frequency.double().cpu().numpy()
        self.history_ = self.net_.history
        del self.net_.state_

    def _map(self, make_function: Callable[[], Callable], X: np.ndarray, prepare=None):
        """Make a function of chunks and apply it to the rows, preprocessed unless told how."""
        prepare = prepare or self._preprocessor.transform
        with limited_threads(self.n_threads), torch.no_grad():
            return map_rows(make_function(), X, prepare, self.device_)

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

    @contextmanager
    def _isolated(self) -> Iterator[torch.device]:
        """Own random numbers and few threads for the time of ``fit``; yields the device.

        numpy's generator is included, for splits and callbacks without a seed of their own.
        """
        device, seed = resolve_device(self.device), draw_seed(self.random_state)
        with limited_threads(self.n_threads), contained_seeding(seed, device):
            yield device


def _is_net_parameter(name: str) -> bool:
    return name in _NET_NAMES or name.startswith(_NET_PREFIXES)
