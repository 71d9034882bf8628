"""What the robust classifier and the robust regressor share."""

from __future__ import annotations

import inspect
import math
import warnings
from abc import abstractmethod
from collections.abc import Callable
from copy import copy
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from skrobust._base import RobustEstimator
from skrobust._preprocessing import ImagePreprocessor, TablePreprocessor
from skrobust._stopping import EarlyStoppingMixin
from skrobust._validation import (
    Interval,
    Real,
    StrOptions,
    fit_context,
    unchanged_on_error,
    validate_examples,
    validate_sizes,
    warn_caller,
)
from skrobust.diagnosis import LEAST_ROWS, CorruptionEstimate, DiagnosisMixin, few_rows
from skrobust.networks import NetworkEnsemble, StackedMLP, run_with_embedding
from skrobust.training import CHUNK_ROWS, RobustNet, RobustStep

__all__ = ["RobustLearner", "RowFunction", "of_rows"]

PILOT_RATE = 0.3
PILOT_ROWS = 20_000
N_FOLDS = 3

RowFunction = Callable[[Tensor, Tensor], Tensor]


class RobustLearner(DiagnosisMixin, EarlyStoppingMixin, RobustEstimator):
    """Base of the learners: trains on the rows of each batch that a score trusts.

    A subclass turns targets into numbers in :meth:`_encode`, describes its training in
    :meth:`_step`, and turns the networks' outputs into predictions in :meth:`_combine`.
    """

    module: Any
    corruption_rate: float | str
    corruption_rate_: float
    n_networks: int = 1
    memory: str | None = None
    hidden_layer_sizes: Any
    preprocessing: str | None
    missing: str
    margin: float
    warmup: Any
    lr: float

    _target_options: dict[str, bool] = {}
    # of the networks that corruption_rate="auto" estimates the rate with
    _pilot_settings: dict[str, Any] = {
        "corruption_rate": PILOT_RATE,
        "callbacks": None,
        "verbose": 0,
    }
    _parameter_constraints: dict = {
        **RobustEstimator._parameter_constraints,
        **EarlyStoppingMixin._stopping_constraints,
        "module": [None, callable],
        "corruption_rate": [Interval(Real, 0, 1, closed="left"), StrOptions({"auto"})],
        "hidden_layer_sizes": ["array-like"],
        "preprocessing": [None, StrOptions({"minmax", "standard"})],
        "missing": [StrOptions({"error", "mean"})],
    }

    @abstractmethod
    def _encode(self, y: np.ndarray) -> tuple[np.ndarray, int]:
        """Learn from the targets; return them as numbers, and the number of outputs."""

    @abstractmethod
    def _step(self, n_outputs: int) -> RobustStep:
        """Describe the training step, at the rate ``corruption_rate_``."""

    @abstractmethod
    def _judge_rate(self, predictions: np.ndarray, targets: np.ndarray) -> CorruptionEstimate:
        """Estimate the rate from predictions (n, n_outputs) and targets of unseen rows."""

    @abstractmethod
    def _combine(self, outputs: Tensor) -> Tensor:
        """Turn outputs (n_networks, n_rows, n_outputs) into one prediction per row."""

    def _check_combination(self) -> None:
        """Refuse parameters that exclude each other."""

    def _warn_of_result(self, targets: np.ndarray) -> None:
        """Warn where the outcome shows that an assumption of the method does not hold."""

    def _more_callbacks(self) -> list:
        """Callbacks of the net that the parameters ask for."""
        return []

    @fit_context
    def fit(self, X, y):
        """Fit the networks to examples of which some may be corrupted.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Inputs: a table, or an array of images (n_samples, channels, height, width) or of any
            other shape that the module takes.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets, the corrupted ones among them. Labels are one column.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter, the inputs or the targets are invalid, or the module's outputs do not
            have the width that the targets need; the message names what.
        TypeError
            If ``__init__`` was given a keyword that does not exist.
        FloatingPointError
            If the training loss stops being finite; the message names epoch and batch.

        Notes
        -----
        Whatever interrupts ``fit`` leaves the estimator as it was before.
        """
        with unchanged_on_error(self):
            self._check_net_parameters()
            self._check_combination()
            X, y = validate_examples(
                self, X, y, reset=True, missing=self.missing, **self._target_options
            )
            if isinstance(self.corruption_rate, Real):
                self._check_rate(self.corruption_rate, len(X))
            targets, n_outputs = self._encode(y)
            self._row_shape = X.shape[1:]
            self._preprocessor = self._make_preprocessor(X)
            x = self._preprocessor.transform(X)
            with self._isolated() as device:
                self.device_ = str(device)
                rows, given = (torch.from_numpy(part).to(device) for part in (x, targets))
                self.net_ = self._train(rows, given, n_outputs)
                # of an earlier epoch are the networks that early stopping keeps
                rescore = self._stops_early(len(rows)) and self.memory is None
                self._take_record(rows, given, rescore)
            self._check_result(X)
            n_trusted = count_trusted(self.corruption_rate_, len(X))
            self.inlier_mask_ = _lowest(self.sample_scores_, n_trusted)
            self._warn_of_result(targets)
        return self

    def _check_rate(self, rate: float, n_rows: int) -> None:
        if count_trusted(rate, n_rows) < 1:
            raise ValueError(
                f"corruption_rate={rate} leaves none of {n_rows} training rows (n_samples); pass "
                "more rows or a smaller rate"
            )
        if rate > 0.5:
            warnings.warn(
                f"corruption_rate={rate} is above 0.5: no guarantee holds where corrupted rows "
                "are the majority, and only corruption without a pattern is likely to be found",
                UserWarning,
                stacklevel=4,
            )

    def _make_preprocessor(self, X: np.ndarray) -> TablePreprocessor | ImagePreprocessor:
        """Fit the preprocessing, from checked training rows."""
        if X.ndim > 2:
            return ImagePreprocessor()
        return TablePreprocessor(self.preprocessing, self.missing).fit(X)

    def _train(self, x: Tensor, y: Tensor, n_outputs: int) -> RobustNet:
        self.__dict__.pop("corruption_rate_interval_", None)
        if isinstance(self.corruption_rate, Real):
            self.corruption_rate_ = float(self.corruption_rate)
        else:
            self._estimate_rate(x, y, n_outputs)
        return self._train_net(x, y, n_outputs)

    def _train_net(self, x: Tensor, y: Tensor, n_outputs: int) -> RobustNet:
        module, settings = self._network(x, n_outputs)
        settings |= self._stopping(len(x))
        more = [*settings.pop("more_callbacks", []), *self._more_callbacks()]
        step = self._step(n_outputs)
        return self._fit_net(module, step, x, y, more_callbacks=more, **settings)

    def _estimate_rate(self, x: Tensor, y: Tensor, n_outputs: int) -> None:
        """Set the rate by what networks say of rows that they have not seen."""
        estimate = few_rows(len(x))
        if len(x) >= LEAST_ROWS:
            estimate = self._judge_rate(*self._unseen(x, y, n_outputs))
        if estimate.doubt is not None:
            warn_caller(
                f"corruption_rate='auto' takes {estimate.rate:.2g}, which cannot be relied on: "
                f"{estimate.doubt}"
            )
        self.corruption_rate_ = estimate.rate
        self.corruption_rate_interval_ = (estimate.low, estimate.high)

    def _unseen(self, x: Tensor, y: Tensor, n_outputs: int) -> tuple[np.ndarray, np.ndarray]:
        """Predictions for rows by networks that have not seen them, and the rows' targets."""
        pilot = copy(self).set_params(**self._pilot_settings)
        # a split of one's own may be made for all rows
        pilot._net_parameters = {
            k: v for k, v in self._net_parameters.items() if k != "train_split"
        }
        pilot.corruption_rate_ = PILOT_RATE
        places = torch.randperm(len(x))[:PILOT_ROWS].to(x.device)
        predictions = []
        parts = places.tensor_split(N_FOLDS)
        for i, held in enumerate(parts):
            seen = torch.cat([*parts[:i], *parts[i + 1 :]])
            net = pilot._train_net(x[seen], y[seen], n_outputs)
            predictions.append(pilot._combine(net.run_rows(x[held]).double()))
        return torch.cat(predictions).cpu().numpy(), y[places].cpu().numpy()

    def _network(self, x: Tensor, n_outputs: int):
        """Return what makes the networks, and its settings, for the net to call under the seed."""
        n_inputs = math.prod(x.shape[1:])
        if self.module is None:
            hidden = validate_sizes("hidden_layer_sizes", self.hidden_layer_sizes)
            sizes = (n_inputs, *hidden, n_outputs)
            return StackedMLP, {
                "module__sizes": sizes,
                "module__n_networks": self.n_networks,
                "module__narrow_output": True,
            }
        ensemble = partial(NetworkEnsemble, self.module, n_networks=self.n_networks)
        if isinstance(self.module, nn.Module):
            self._refuse_module_parameters()
            return ensemble, {}
        known = {
            "in_features": n_inputs,
            "in_channels": x.shape[1],
            "out_features": n_outputs,
            "n_classes": n_outputs,
        }
        wanted = inspect.signature(self.module).parameters.keys()
        bound = getattr(self.module, "keywords", {}).keys()  # what a functools.partial has fixed
        return ensemble, {f"module__{name}": known[name] for name in known.keys() & wanted - bound}

    def _refuse_module_parameters(self) -> None:
        for name in self._net_parameters:
            if name.startswith("module__"):
                raise ValueError(
                    f"{name} was given for a module that is built already; pass the module's class"
                )

    def embed(self, X) -> np.ndarray:
        """Activations before the networks' last layer.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Rows.

        Returns
        -------
        array of shape (n_samples, n_activations), float64
            Those of several networks side by side.

        Raises
        ------
        ValueError
            If the rows are invalid or the module has no linear layer.
        """
        return self._map(self._embedder, self._checked(X))

    def _embedder(self) -> Callable[[Tensor], Tensor]:
        module = self.net_.module_.eval()

        def run(x: Tensor) -> Tensor:
            inputs, _ = run_with_embedding(module, x.expand(self.net_.n_networks, *x.shape))
            return inputs.movedim(0, 1).flatten(1).double()

        return lambda chunks: torch.stack([run(x) for x in chunks])

    def _predictions(self, X) -> np.ndarray:
        """Predictions (n_samples, ...) in the units of training, float64."""
        return self._map(self._predictor, self._checked(X))

    def _checked(self, X) -> np.ndarray:
        check_is_fitted(self)
        X = validate_examples(self, X, reset=False, missing=self._missing_allowed())
        if X.shape[1:] != self._row_shape:
            raise ValueError(
                f"X has examples of shape {X.shape[1:]}, but {type(self).__name__} is expecting "
                f"{self._row_shape}"
            )
        self._check_inputs(X)
        return X

    def _check_inputs(self, X: np.ndarray) -> None:
        """Refuse rows for prediction that training has ruled out."""

    def _missing_allowed(self) -> str:
        return getattr(self._preprocessor, "missing", "error")

    def _predictor(self) -> Callable[[Tensor], Tensor]:
        """Return a function from chunks (n_chunks, rows, ...) to predictions."""
        module = self.net_.module_.eval()
        if isinstance(module, StackedMLP):
            chains = [module.thinned(k) for k in range(module.n_networks)]

            def run(x: Tensor) -> Tensor:
                return torch.stack([module.run_thinned(chain, x) for chain in chains])
        else:

            def run(x: Tensor) -> Tensor:
                return module(x.expand(self.net_.n_networks, *x.shape))

        return lambda chunks: torch.stack([self._combine(run(x).double()) for x in chunks])

    def _check_result(self, X: np.ndarray) -> None:
        """The loss is checked before each update; this looks at what the last one left."""
        predictions = self._map(self._predictor, X[:CHUNK_ROWS])
        if not (np.isfinite(predictions).all() and np.isfinite(self.sample_scores_).all()):
            raise FloatingPointError(
                "training ended with weights whose predictions are not finite; try a smaller lr "
                f"(now {self.lr})"
            )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.missing == "mean"
        tags.input_tags.three_d_array = True
        return tags


def of_rows(output: Tensor, x: Tensor, y: Tensor, function: RowFunction, n_outputs: int) -> Tensor:
    """Apply a loss or score to outputs (n_networks, n_rows, n_outputs); x is not used."""
    if output.shape != (*x.shape[:2], n_outputs):
        raise ValueError(
            f"module must map n_rows inputs to outputs of shape (n_rows, {n_outputs}), one column "
            f"per class or target; {x.shape[1]} rows gave {tuple(output.shape[1:])}"
        )
    return function(output, y)


def count_trusted(rate: float, n_rows: int) -> int:
    """Return n - ceil(rate n), whatever the rounding of the product."""
    return n_rows - math.ceil(rate * n_rows - 1e-9)


def _lowest(scores: np.ndarray, n_lowest: int) -> np.ndarray:
    """Mark the lowest scores; of equal ones the first."""
    mask = np.zeros(len(scores), dtype=bool)
    mask[np.argsort(scores, kind="stable")[:n_lowest]] = True
    return mask
