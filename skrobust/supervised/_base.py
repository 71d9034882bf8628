"""What the robust classifier and the robust regressor share."""

from __future__ import annotations

import inspect
import math
from abc import abstractmethod
from collections.abc import Callable
from copy import copy
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from skrobust._base import RobustEstimator
from skrobust._device import CHUNK_ROWS, draw_seed, isolated, map_rows
from skrobust._preprocessing import ImagePreprocessor, TablePreprocessor, range_of_images
from skrobust._validation import (
    Interval,
    Real,
    StrOptions,
    fit_context,
    unchanged_on_error,
    validate_examples,
    warn_caller,
)
from skrobust.diagnosis import DiagnosisMixin
from skrobust.diagnosis._rate import warn_of_doubt
from skrobust.networks import NetworkEnsemble, StackedMLP, TabularMLP
from skrobust.supervised._estimate import estimate_rate
from skrobust.supervised._looks import check_module, kind_of_numbers, refuse_other_numbers
from skrobust.training import RobustNet, RobustStep, RowDataset

__all__ = ["RobustLearner", "RowFunction", "count_trusted"]

PILOT_RATE = 0.3
_WIDTH = 512
_MOST_ENCODED = 64  # columns that are cut into bins

RowFunction = Callable[[Tensor, Tensor], Tensor]


class RobustLearner(DiagnosisMixin, RobustEstimator):
    """Base of the learners: trains on the rows of each batch that a score trusts.

    A subclass turns targets into numbers in :meth:`_encode`, describes its training in
    :meth:`_step`, and turns the networks' outputs into predictions in :meth:`_combine`.
    :meth:`make_network` builds the networks.
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
    _rate_comes_later = False  # what the rate is estimated from is not there before training
    _images_are_scaled = False  # to [0, 1]
    _before_training: Any = staticmethod(check_module)
    # of the networks that corruption_rate="auto" estimates the rate with
    _pilot_settings: dict[str, Any] = {
        "corruption_rate": PILOT_RATE,
        "callbacks": None,
        "verbose": 0,
    }
    _parameter_constraints: dict = {
        **RobustEstimator._parameter_constraints,
        **RobustEstimator._stopping_constraints,
        "module": [None, callable],
        "corruption_rate": [Interval(Real, 0, 1, closed="left"), StrOptions({"auto"})],
        "hidden_layer_sizes": [None, "array-like"],
        "preprocessing": [None, StrOptions({"minmax", "standard"})],
        "missing": [StrOptions({"error", "mean"})],
    }

    @abstractmethod
    def _encode(self, y: np.ndarray) -> tuple[np.ndarray, int]:
        """Learn from the targets; return them as numbers, and the number of outputs."""

    @abstractmethod
    def _encode_more(self, y: Any) -> np.ndarray:
        """Return further targets as numbers; refuse those that training has ruled out."""

    @abstractmethod
    def _step(self, n_rows: int) -> RobustStep:
        """Describe the training step, at the rate ``corruption_rate_``."""

    @staticmethod
    @abstractmethod
    def _combine(outputs: Tensor) -> Tensor:
        """Turn outputs (n_networks, n_rows, n_outputs) into one prediction per row."""

    def _warn_of_result(self, targets: np.ndarray) -> None:
        """Warn where the outcome shows that an assumption of the method does not hold."""

    def _more_callbacks(self) -> list:
        """Callbacks of the net that the parameters ask for."""
        return []

    @fit_context
    def fit(self, X: Any, y: Any) -> Self:
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
        return self._fit(X, y)

    def _fit(self, X: Any, y: Any, extra: Any = None, labelled: np.ndarray | None = None) -> Self:
        """Fit; ``extra`` is what a subclass takes besides, for its own methods.

        Rows that are not ``labelled`` are checked with the others and then left to the subclass.
        """
        with unchanged_on_error(self):
            given = X
            X, y = validate_examples(
                self, X, y, reset=True, missing=self.missing, **self._target_options
            )
            if labelled is not None:
                X, y, extra = X[labelled], y[labelled], (X[~labelled], *extra)
            self._look_at(X, y)
            targets, n_outputs = self._encode(y)
            self._set_rate(given if hasattr(given, "iloc") else X, y)  # columns may have names
            self._row_shape = X.shape[1:]
            if X.ndim > 2:
                low, high = range_of_images(X)
                self._seen = kind_of_numbers(given), float(low), float(high)
            self._preprocessor = self._make_preprocessor(X)
            x = self._preprocessor.transform(X)
            with isolated(self.device, self.random_state, self.n_threads) as device:
                self.device_ = str(device)
                rows, codes = torch.from_numpy(x).to(device), torch.from_numpy(targets).to(device)
                self.net_, rows = self._prepare_net(rows, codes, n_outputs, extra)
                self.net_.fit(RowDataset(rows, codes), targets)
                trained = self.net_.result(rows, codes)
                _, self.sample_scores_, self.keep_frequency_, self.history_, selector = trained
                if hasattr(self, "selection"):
                    own = type(selector).__name__ if callable(self.selection) else self.selection
                    self.selection_ = getattr(selector, "name", own) if own == "auto" else own
                self._after_training(rows, codes, extra)
                self._rank_rows(len(X))
                self._check_result(X)
            self._warn_of_result(targets)
        return self

    def _look_at(self, X: np.ndarray, y: np.ndarray) -> None:
        """Look at the checked rows, before anything is learnt from them."""

    def _rank_rows(self, n_rows: int) -> None:
        """Set which rows are trusted, by their scores; of equal ones the first."""
        n_trusted = count_trusted(self.corruption_rate_, n_rows)
        self.inlier_mask_ = np.zeros(n_rows, dtype=bool)
        self.inlier_mask_[np.argsort(self.sample_scores_, kind="stable")[:n_trusted]] = True

    def _set_rate(self, X: Any, y: Any, pilot: Any = None) -> None:
        """Set the rate, if it is not known by what networks say of rows that they have not seen."""
        self.__dict__.pop("corruption_rate_interval_", None)
        if not isinstance(self.corruption_rate, Real):
            if pilot is None and self._rate_comes_later:
                return
            seed = draw_seed(self.random_state)
            if isinstance(X, Tensor):
                X, y = X.cpu().numpy(), y.cpu().numpy()
            estimate = estimate_rate(self, pilot or self._pilot(X), X, y, random_state=seed)
            warn_of_doubt("corruption_rate", estimate)
            self.corruption_rate_ = estimate.rate
            self.corruption_rate_interval_ = (estimate.low, estimate.high)
            return
        rate, n_rows = self.corruption_rate, len(y)
        if count_trusted(rate, n_rows) < 1:
            raise ValueError(
                f"corruption_rate={rate} leaves none of {n_rows} training rows (n_samples); pass "
                "more rows or a smaller rate"
            )
        if rate > 0.5:
            warn_caller(
                f"corruption_rate={rate} is above 0.5: no guarantee holds where corrupted rows "
                "are the majority, and only corruption without a pattern is likely to be found"
            )
        self.corruption_rate_ = float(rate)

    def _pilot(self, X: Any) -> Any:
        """Return what the rate is estimated with, for inputs (n_samples, ...)."""
        pilot = copy(self).set_params(**self._pilot_settings)
        # a split of one's own may be made for all rows
        pilot._net_parameters.pop("train_split", None)
        return pilot

    def _make_preprocessor(self, X: np.ndarray) -> TablePreprocessor | ImagePreprocessor:
        """Fit the preprocessing, from checked training rows."""
        if X.ndim > 2:
            return ImagePreprocessor(*range_of_images(X), scaled=self._images_are_scaled)
        return TablePreprocessor(self.preprocessing, self.missing).fit(X)

    def _prepare_net(
        self, x: Tensor, y: Tensor, n_outputs: int, extra: Any
    ) -> tuple[RobustNet, Tensor]:
        """Return the net, and the rows that it is to be trained on."""
        settings: dict[str, Any] = {
            "more_callbacks": self._more_callbacks(),
            "held_out": self._held_out_rows,
            "predictor": self._combine,
            "labels": isinstance(self, ClassifierMixin),
        }
        if self.module is not None:
            settings["before_training"] = self._before_training
        elif self.hidden_layer_sizes is None:
            settings["before_training"] = _place_bins
            settings["rescore"] = self.memory is None  # without the noise of dropout
        return self._make_net(self._step(len(x)), len(x), x.shape[1:], n_outputs, **settings), x

    def _held_out_rows(self, X: Any, y: Any) -> RowDataset:
        """Bring rows that ``predefined_split`` was given to what the networks are given."""
        X = self._row_like(validate_examples(self, X, reset=False, missing=self.missing))
        parts = self._preprocessor.transform(X), self._encode_more(y)
        return RowDataset(*(torch.from_numpy(part).to(self.device_) for part in parts))

    def _after_training(self, x: Tensor, y: Tensor, extra: Any) -> None:
        """Do what is left once the networks are trained, under the seed of ``fit``."""

    def make_network(self, in_shape: Any, n_outputs: Any, **module_parameters: Any) -> nn.Module:
        """Build the networks, in ``fit``, under its seed.

        Parameters
        ----------
        in_shape : tuple of int
            Shape of one row.
        n_outputs : int
            Classes, or targets.
        **module_parameters
            The estimator's ``module__…`` parameters.

        Returns
        -------
        nn.Module
            Maps rows (n_networks, n_rows, ...) to outputs (n_networks, n_rows, n_outputs) and has
            the attribute ``n_networks`` and the method ``embed``: a
            :class:`skrobust.networks.StackedMLP`, such as
            :class:`skrobust.networks.TabularMLP`, or :class:`skrobust.networks.NetworkEnsemble`.
        """
        n_inputs = math.prod(in_shape)
        if self.module is None and self.hidden_layer_sizes is None:
            is_table = len(in_shape) == 1 and n_inputs <= _MOST_ENCODED
            settings = {"n_networks": self.n_networks, "n_bins": 16 if is_table else 0}
            sizes = (n_inputs, _WIDTH, n_outputs)
            return TabularMLP(sizes, **{**settings, **module_parameters})
        if self.module is None:
            sizes = (n_inputs, *self.hidden_layer_sizes, n_outputs)
            settings = {"n_networks": self.n_networks, "narrow_output": True}
            return StackedMLP(sizes, **{**settings, **module_parameters})
        known = {}
        if isinstance(self.module, nn.Module):
            if module_parameters:
                raise ValueError(
                    f"module__{next(iter(module_parameters))} was given for a module that is built "
                    "already; pass the module's class"
                )
        else:
            known = {"in_features": n_inputs, "in_channels": in_shape[0]}
            known |= {"out_features": n_outputs, "n_classes": n_outputs}
            wanted = inspect.signature(self.module).parameters.keys()
            fixed = getattr(self.module, "keywords", {}).keys()  # of a functools.partial
            known = {name: known[name] for name in known.keys() & wanted - fixed}
        parameters = {**known, **module_parameters}
        networks = NetworkEnsemble(self.module, n_networks=self.n_networks, **parameters)
        networks.n_outputs = n_outputs
        return networks

    def embed(self, X: Any) -> np.ndarray:
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
        return self._map(self._embed_chunks, self._checked(X))

    def _embed_chunks(self, chunks: Tensor) -> Tensor:
        """Activations (n_chunks, n_rows, n_activations)."""
        networks, n_networks = self.net_.module_.eval(), self.net_.n_networks
        found = [networks.embed(x.expand(n_networks, *x.shape)) for x in chunks]
        return torch.stack([one.movedim(0, 1).flatten(1) for one in found]).double()

    def _predictions(self, X: Any) -> np.ndarray:
        """Predictions (n_samples, ...) in the units of training, float64."""
        return self._map(self._predict_chunks, self._checked(X))

    def _checked(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        kind = kind_of_numbers(X)
        X = self._row_like(
            validate_examples(self, X, reset=False, missing=self._missing_allowed()), kind
        )
        self._check_inputs(X)
        return X

    def _row_like(self, X: np.ndarray, kind: str | None = None) -> np.ndarray:
        """Refuse rows of another shape or, for pictures, in other numbers than in training."""
        if X.shape[1:] != self._row_shape:
            raise ValueError(
                f"X has examples of shape {X.shape[1:]}, but {type(self).__name__} is expecting "
                f"{self._row_shape}"
            )
        if X.ndim > 2 and kind is not None:
            refuse_other_numbers(X, kind, self._seen, type(self).__name__)
        return X

    def _check_inputs(self, X: np.ndarray) -> None:
        """Refuse rows for prediction that training has ruled out."""

    def _missing_allowed(self) -> str:
        return getattr(self._preprocessor, "missing", "error")

    def _predict_chunks(self, chunks: Tensor) -> Tensor:
        """Predictions (n_chunks, n_rows, ...) in the units of training."""
        module = self.net_.module_.eval()
        small = module.sub_networks() if isinstance(module, StackedMLP) else None
        predictions = []
        for x in chunks:
            if small is not None:
                output = module.run_sub_networks(small, x)
            else:
                output = module(x.expand(module.n_networks, *x.shape))
            predictions.append(self._combine(output.double()))
        return torch.stack(predictions)

    def _check_result(self, X: np.ndarray) -> None:
        """The loss is checked before each update; this looks at what the last one left."""
        prepare, first = self._preprocessor.transform, X[:CHUNK_ROWS]
        predictions = map_rows(self._predict_chunks, first, prepare, self.device_, self.n_threads)
        if not (np.isfinite(predictions).all() and np.isfinite(self.sample_scores_).all()):
            raise FloatingPointError(
                "training ended with weights whose predictions are not finite; try a smaller lr "
                f"(now {self.lr})"
            )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.missing == "mean"
        tags.input_tags.three_d_array = True
        return tags


def _place_bins(networks: nn.Module, x: Tensor) -> None:
    """Place the bins of the default network, which a subclass may not have."""
    network = getattr(networks, "_orig_mod", networks)  # of torch.compile
    if isinstance(network, TabularMLP):
        network.set_edges(x)


def count_trusted(rate: float, n_rows: int) -> int:
    """Return n - ceil(rate n), whatever the rounding of the product."""
    return n_rows - math.ceil(rate * n_rows - 1e-9)
