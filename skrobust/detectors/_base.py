"""The base of the detectors: PyOD's interface over a robustly trained net."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any, Self

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from skrobust._base import RobustEstimator
from skrobust._device import isolated, map_rows
from skrobust._preprocessing import TablePreprocessor
from skrobust._validation import (
    HasMethods,
    Interval,
    Real,
    StrOptions,
    fit_context,
    unchanged_on_error,
    validate_rows,
)
from skrobust.detectors._blank import fill_blank_scores, level_blank_scores
from skrobust.detectors._known import KeepKnown, KnownMixin, learnable, rate_besides, validate_known
from skrobust.selection import DropSchedule, Trim, output_gradient_norm, score_of
from skrobust.training import ByRowGradients, RobustStep, RowDataset, ScoredApart, SharedPass

__all__ = ["RobustDetector"]


class RobustDetector(RobustEstimator, KnownMixin):
    """Base of the detectors, and of a detector of one's own: PyOD's interface over a robust net.

    A subclass writes two methods: :meth:`make_network` builds the networks, :meth:`row_scores`
    scores rows by their outputs. Everything else is there: selection, the record of each row,
    thresholds and labels, skorch's parameters, devices, seeds. :meth:`before_training` may look at
    the networks between building and the first step. Scores are high for abnormal rows and labels
    are 0 and 1, as everywhere in PyOD.

    Parameters
    ----------
    contamination : float in [0, 0.5], "auto" or PyThresh object, default=0.1
        Share of anomalies in the training rows.
    selection : {"loss", None} or Selector, default="loss"
        Which rows of a batch are trained on: those of lowest loss, all, or what an object says, see
        :class:`skrobust.selection.Selector`.
    training_rate, preprocessing, missing, margin : as in RCADetector
        What training drops; by default tables are standardised.
    max_epochs, min_steps, max_steps : as in RCADetector
        How long training runs; by default 100 epochs.
    batch_size, lr, optimizer, warmup, device, n_threads, random_state : as in RCADetector
        Form of the training; by default lr=1e-3, and a warm-up of a tenth of the epochs.
    verbose, callbacks : as in RCADetector
        What is shown of it.
    **net_parameters
        skorch's own parameters.
    """

    contamination: Any
    n_networks = 1
    select = trim = True
    schedule = "thesis"

    _parameter_constraints: dict = {
        **RobustEstimator._parameter_constraints,
        "contamination": [
            Interval(Real, 0, 0.5, closed="both"),
            StrOptions({"auto"}),
            HasMethods(["fit", "eval"]),
        ],
        "selection": [None, StrOptions({"loss"}), callable],
        "training_rate": [Interval(Real, 0, 0.5, closed="both")],
        "preprocessing": [None, StrOptions({"minmax", "standard"})],
        "missing": [StrOptions({"error", "mean"})],
    }

    def __init__(
        self,
        contamination: Any = 0.1,
        *,
        selection: Any = "loss",
        training_rate: float = 0.1,
        preprocessing: str | None = "standard",
        missing: str = "error",
        margin: float = 1.0,
        max_epochs: int | None = None,
        min_steps: int | str | None = None,
        max_steps: int | None = None,
        batch_size: int = 128,
        lr: float = 1e-3,
        optimizer: Callable = torch.optim.Adam,
        warmup: float | str = 0.1,
        device: Any = None,
        n_threads: int | None = 1,
        random_state: Any = None,
        verbose: int = 0,
        callbacks: Any = None,
        **net_parameters: Any,
    ) -> None:
        self._store(locals())

    @abstractmethod
    def make_network(self, n_features: int) -> nn.Module:
        """Build the networks, in ``fit``, under its seed.

        Parameters
        ----------
        n_features : int
            Columns of the table.

        Returns
        -------
        nn.Module
            Maps rows (n_networks, n_rows, n_features) to outputs (n_networks, n_rows, ...) and has
            the attribute ``n_networks``, such as :class:`skrobust.networks.StackedMLP`.
        """

    @abstractmethod
    def row_scores(self, output: Any, x: Tensor) -> Tensor:
        """Score rows by what the networks make of them: what training minimises, too.

        Parameters
        ----------
        output : Tensor of shape (n_networks, n_rows, ...)
            Of the networks.
        x : Tensor of shape (n_networks, n_rows, n_features)
            The rows, scaled.

        Returns
        -------
        Tensor of shape (n_networks, n_rows)
            High for abnormal rows.
        """

    def before_training(self, networks: nn.Module, x: Tensor) -> None:
        """Look at the networks after they are built.

        Parameters
        ----------
        networks : nn.Module
            What :meth:`make_network` has built.
        x : Tensor of shape (n_rows, n_features)
            The rows, scaled.
        """

    @fit_context
    def fit(self, X: Any, y: Any = None, *, known: Any = None) -> Self:
        """Fit the detector on rows that may be contaminated.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows, normal and abnormal.
        y : Ignored
            Present for the convention's sake.
        known : array-like of shape (n_samples,), optional
            What is known of a few rows: 1 for known anomalies, 0 for known normal rows, -1 for the
            rest. None: nothing is known.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter or the table is invalid; the message names it.
        TypeError
            If ``__init__`` was given a keyword that does not exist.
        FloatingPointError
            If the training loss stops being finite; the message names epoch and batch.

        Notes
        -----
        Known anomalies are not trained on and do not set the scaling either; their
        ``keep_frequency_`` is 0. Known normal rows are kept in every step. ``labels_`` of known
        rows are as given. A number for ``contamination`` is the share of anomalies in all rows: the
        threshold leaves so many of the rows that are not known above it that known and found ones
        make up this share (at most half of them); "auto" and PyThresh objects see the scores of the
        rows that are not known. If this threshold lies above the median score of the known
        anomalies, it is lowered to just below that median, but not below the median of all scores.

        Whatever interrupts ``fit`` leaves the detector as it was before.
        """
        with unchanged_on_error(self):
            X = validate_rows(self, X, reset=True, missing=self.missing)
            self._known = validate_known(known, len(X))
            rest = learnable(self._known)
            rate = self._rate_of_the_rest(len(X))
            self._preprocessor = TablePreprocessor(self.preprocessing, self.missing).fit(X[rest])
            x = self._preprocessor.transform(X[rest])
            with isolated(self.device, self.random_state, self.n_threads) as device:
                self.device_ = str(device)
                rows = torch.from_numpy(x).to(device)
                settings: dict[str, Any] = {"held_out": self._held_out_rows}
                if type(self).before_training is not RobustDetector.before_training:
                    settings["before_training"] = self.before_training
                step = self._step(rate)
                selector, step.selector = step.selector, self._keeping_known(step, rest, device)
                self.net_ = self._make_net(step, len(rows), rows.shape[1], **settings)
                self.net_.fit(RowDataset(rows))
                step.selector = selector
                self._after_training(rows)
                trained = self.net_.result(rows)
                _, self.sample_scores_, self.keep_frequency_, self.history_, _ = trained
                if self._known is not None:
                    self._remember_known(X)
                self.decision_scores_ = self._score(X)
            self._blank_score = level_blank_scores(X, self.decision_scores_)
            self._process_decision_scores()
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Anomaly score of each row; high means abnormal.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        array of shape (n_samples,), float64
            A row's score does not depend on the rows beside it, and is the same at every call.
        """
        check_is_fitted(self)
        X = validate_rows(self, X, reset=False, missing=self._preprocessor.missing)
        return fill_blank_scores(X, self._score(X), self._blank_score)

    def _held_out_rows(self, X: Any, y: Any) -> RowDataset:
        """Bring rows that ``predefined_split`` was given to what the networks are given."""
        X = validate_rows(self, X, reset=False, missing=self.missing)
        return RowDataset(torch.from_numpy(self._preprocessor.transform(X)).to(self.device_))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # Labels 0 and 1 are PyOD's contract, not scikit-learn's: see OutlierDetectorAdapter.
        tags.estimator_type = None
        tags.input_tags.allow_nan = self.missing == "mean"
        return tags

    def _training_rate(self, n_rows: int) -> float:
        """Share of rows that training does not trust, for all forms of ``contamination``."""
        rate = float(self.contamination if self._has_rate() else self.training_rate)
        if n_rows - math.ceil(rate * n_rows - 1e-9) < 2:
            name = "contamination" if self._has_rate() else "training_rate"
            raise ValueError(
                f"{name}={rate} leaves fewer than two of {n_rows} training rows "
                "(n_samples); pass more rows or a smaller rate"
            )
        return rate

    def _rate_of_the_rest(self, n_rows: int) -> float:
        """Share of rows that training does not trust, known anomalies left out."""
        rate = self._training_rate(n_rows)
        if self._known is None:
            return rate
        if self._has_rate():
            return rate_besides(rate, self._known)
        return self._training_rate(int((self._known != 1).sum()))

    def _keeping_known(self, step: RobustStep, rest: Any, device: Any) -> Any:
        """Return the step's selector, or one that keeps known normal rows."""
        if self._known is None or not (self._known == 0).any():
            return step.selector
        is_normal = torch.from_numpy(self._known[rest] == 0).to(device)
        return KeepKnown(step.selector, is_normal)

    def _remember_known(self, X: np.ndarray) -> None:
        """Complete what is kept of each training row: known anomalies were not in the training."""
        is_anomaly = np.asarray(self._known == 1)
        if not is_anomaly.any():
            return
        left_out = torch.from_numpy(self._preprocessor.transform(X[is_anomaly])).to(self.device_)
        scores, frequency = np.zeros(len(X)), np.zeros(len(X))
        scores[~is_anomaly], frequency[~is_anomaly] = self.sample_scores_, self.keep_frequency_
        scores[is_anomaly] = self.net_.score_rows(left_out).double().cpu().numpy()
        self.sample_scores_, self.keep_frequency_ = scores, frequency

    def _has_rate(self) -> bool:
        return isinstance(self.contamination, Real)

    def _step(self, rate: float) -> RobustStep:
        """Describe the training step."""
        selector: Any = self.selection
        ranked = score_of(selector) if callable(selector) else "loss"
        if ranked not in self._scores():
            raise ValueError(
                f"selection.score={ranked!r} is not known for {type(self).__name__} as it is "
                f"configured; allowed are {', '.join(map(repr, self._scores()))}"
            )
        if not callable(selector):
            dropped = rate if self.select and self.trim and selector is not None else 0.0
            kind = "linear" if self.schedule == "thesis" else "official"
            schedule = DropSchedule(dropped, warmup=self.warmup, kind=kind, margin=self.margin)
            selector = Trim(schedule)
        loss = self._row_loss()
        norm = partial(output_gradient_norm, loss=loss)
        settings: dict[str, Any] = {
            "loss": loss,
            "selector": selector,
            "score": norm if ranked == "loss-gradient" else None,
            "by_gradient": ranked == "gradient",
            "reconstructs": True,
            "exchange": self.n_networks > 1,
            "rate": rate,
        }
        if self._is_scored_apart():
            return ScoredApart(**settings)
        return ByRowGradients(**settings) if ranked == "gradient" else SharedPass(**settings)

    def _row_loss(self) -> Callable[[Any, Tensor], Tensor]:
        """Return what training minimises."""
        return self.row_scores

    def _scores(self) -> tuple[str, ...]:
        """What a selector may ask for."""
        return ("loss", "loss-gradient", "gradient")

    def _is_scored_apart(self) -> bool:
        """Whether rows are scored in a pass of its own, dropout off."""
        return False

    def _after_training(self, rows: Tensor) -> None:
        """Do what is left once the networks are trained, under the seed of ``fit``."""

    def _score(self, X: np.ndarray, per_feature: bool = False) -> np.ndarray:
        """Scores of rows, and what is charged for values that the networks see limited."""
        function: Any = self._score_chunks
        if per_feature:
            function = partial(function, per_feature=True)
        charges: list[np.ndarray] = []
        prepare = partial(self._preprocessor.transform, charges=charges, per_feature=per_feature)
        scores, start = map_rows(function, X, prepare, self.device_, self.n_threads), 0
        for charge in charges:
            scores[start : start + len(charge)] += charge
            start += len(charge)
        return scores

    def _score_chunks(self, chunks: Tensor) -> Tensor:
        """Scores (n_chunks, n_rows) of chunks (n_chunks, n_rows, n_features)."""
        networks = self.net_.module_.eval()
        shared = chunks.unsqueeze(1).expand(-1, self.net_.n_networks, -1, -1)
        return torch.stack([self.row_scores(networks(x), x).double().mean(dim=0) for x in shared])
