"""Robust regression with corrupted targets (thesis, chapter 4)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.base import MultiOutputMixin, RegressorMixin
from torch import Tensor

from skrobust._preprocessing import TargetScaler
from skrobust._validation import Interval, Real, StrOptions, warn_caller
from skrobust.diagnosis._stuck import above_others, explains_far, find_stuck
from skrobust.selection import (
    absolute_error,
    absolute_gradient_norm,
    error_beyond,
    huber,
    huber_gradient_norm,
    squared_error,
    squared_gradient_norm,
)
from skrobust.supervised._base import PILOT_RATE, RowFunction
from skrobust.supervised._selecting import SelectingLearner
from skrobust.training import RobustNet
from skrobust.training._split import WithoutRows

__all__ = ["PRLRegressor"]


class PRLRegressor(MultiOutputMixin, RegressorMixin, SelectingLearner):
    """Regressor for data with wrong targets: Provable Robust Learning.

    In every batch the rows whose loss has the largest gradient at the network's output are
    dropped, and the network is updated on the others; the share that is dropped grows from 0 to
    ``corruption_rate``. For the squared error these are the rows of largest loss.

    Parameters
    ----------
    module : nn.Module class or instance, or None, default=None
        The network. A class (or other callable) is called once per network with its
        ``module__…`` parameters, and with ``in_features`` and ``out_features``, or
        ``in_channels`` and ``n_classes``, where its signature has them. An instance is copied;
        with ``n_networks > 1`` the copies are drawn anew through ``reset_parameters``. Outputs
        have shape (n_rows, n_outputs). None builds a multi-layer perceptron.
    corruption_rate : float in [0, 1) or "auto", default="auto"
        Share of corrupted targets (the thesis's epsilon), which training drops. 0 trains on
        all rows. Rates above 0.5 are allowed with a warning.
        "auto" estimates it first, by three networks and the rows that each has not seen (see
        :func:`estimate_corruption_rate`), which makes ``fit`` take up to four times as long.
    selection : {"loss-gradient", "gradient", "loss", "min", None} or Selector, \
            default="loss-gradient"
        What tells rows to drop: the norm of the loss's gradient at the network's output (PRL(L),
        Algorithm 4), that of its gradient by all parameters (PRL(G), Algorithm 3), or the loss
        (self-paced learning, trimmed loss). "min" keeps the one row of smallest loss in a batch
        (Min-SGD). None trains on all rows.
        An object of one's own chooses rows by itself, see :class:`skrobust.selection.Selector`.
    n_networks : int, default=1
        Number of networks (K). With more than one, each is trained on what another one selected:
        Co-PRL(L), Algorithm 5, and Co-teaching with ``selection="loss"``. For more than two the
        selections are passed on along a random derangement, drawn at every step. Predictions are
        averaged.
    loss : {"squared_error", "huber", "absolute_error"} or callable, default="squared_error"
        Loss of each row, summed over the outputs, on scaled targets. Where the norm of its
        gradient is the same for all rows far off ("huber" beyond ``huber_delta``, the absolute
        error everywhere), those are ordered by their error.
        A function ``(outputs, targets) -> losses`` returns one number per network and row.
    huber_delta : float, default=1.0
        Where ``loss="huber"`` becomes linear, on scaled targets.
    reforward, clip, max_norm, memory, memory_decay : as in PRLClassifier
        Of the training step.
    robust_start : float in [0, 1), default=0.25
        Share of the training that begins with Huber's loss (delta 0.1 on scaled targets). The
        squared error lets corruption that is easier to fit than the truth, such as one constant,
        win the first epochs, and trimming then keeps it. 0 is the thesis's rule.
    hidden_layer_sizes, preprocessing, missing : as in PRLClassifier
        The perceptron that ``module=None`` builds, and tables.
    margin : float, default=0.0
        Standard deviations of a batch's share of corrupted rows that training drops on top of
        ``corruption_rate``, for the batches that hold more than average. It protects where
        corruption has a pattern and there is much of it; elsewhere good rows are lost.
        ``inlier_mask_`` does not include it.
    score_limit : float of at least 1 or None, default=2.0
        A row that is to be kept is dropped all the same if its score is above so many times the
        threshold at which the last 2,048 rows together would be cut. It protects from gross errors
        in batches that hold more corrupted rows than are dropped, and does little else. None is
        the thesis's rule.
    drop_stuck : bool, default=True
        Whether to leave out rows whose target repeats a value, which 5 % of the targets or more
        have and which is five times as frequent as others, for no reason that the features know:
        the readings of a sensor that is stuck. Zero is never one. They count for
        ``corruption_rate``, and all of them go, with a warning, even if they are more. Without a
        selection, with one of one's own or with a rate of 0 none are looked for. False is the
        thesis's rule.
    max_epochs, min_steps, max_steps : as in PRLClassifier
        Length of the training.
    early_stopping, validation_fraction, patience : as in PRLClassifier
        When it ends before.
    batch_size, lr, optimizer, warmup, device, n_threads, random_state : as in PRLClassifier
        Form of the training.
    verbose, callbacks : as in PRLClassifier
        What is shown of it.
    **net_parameters
        skorch's own parameters, such as ``module__dropout``, ``optimizer__weight_decay`` or
        ``train_split``.

    Attributes
    ----------
    corruption_rate_, corruption_rate_interval_, sample_scores_ : as in PRLClassifier
        The rate, and what is known of each row.
    keep_frequency_, inlier_mask_, history_, net_, device_, n_features_in_ : as in PRLClassifier
        The same, and what ``fit`` leaves.
    feature_names_in_ : as in PRLClassifier
        Names of the columns, if the table had them.
    stuck_mask_ : array of shape (n_samples,), bool
        Rows that ``drop_stuck`` has left out of training. They are not in ``inlier_mask_``, and
        their ``sample_scores_`` are above those of all others.

    See Also
    --------
    PRLClassifier : The same for labels.
    skrobust.corruption.corrupt_targets : Wrong targets for experiments.

    Notes
    -----
    Parameters reach these systems of the chapter: PRL(L) is ``robust_start=0,
    score_limit=None, drop_stuck=False, early_stopping=False``; PRL(G) adds
    ``selection="gradient"``, Co-PRL(L) ``n_networks=2``, Min-SGD ``selection="min"``; Standard is
    PRL(L) with ``selection=None``, and so are the two forms of norm clipping with their ``clip``
    and Huber with ``loss="huber"``. With the squared error ``selection="loss"`` ranks as
    "loss-gradient" does.

    Gradients by all parameters, for ``selection="gradient"`` and ``clip="row"``, are those of
    single rows, which batch normalisation does not have: such modules are refused.

    Targets are scaled by their median and their median deviation from it, which corrupted ones
    cannot move far, and predictions are returned in their own units.

    Departures from the text: Algorithm 5 as printed updates each network on its own selection;
    here they are exchanged, as the text and the published code say.

    Parameters that are set after ``fit`` take effect at the next ``fit``.

    References
    ----------
    .. [1] Liu, B. Robust learning of deep neural networks under data corruption. Chapter 4,
       Algorithms 4 and 5.
    .. [2] Liu, B., Sun, M., Wang, D., Tan, P.-N., Zhou, J. Learning deep neural networks under
       agnostic corrupted supervision. ICML, 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust import PRLRegressor
    >>> from skrobust.corruption import corrupt_targets
    >>> X = np.random.RandomState(0).normal(size=(400, 4))
    >>> truth = X[:, 0] - X[:, 1]
    >>> y, wrong = corrupt_targets(truth, 0.3, kind="maximum", random_state=0)
    >>> model = PRLRegressor(corruption_rate=0.3, max_epochs=30, random_state=0).fit(X, y)
    >>> model.score(X, truth) > 0.9
    True
    """

    _target_options = {"multi_output": True, "y_numeric": True}
    _parameter_constraints: dict = {
        **SelectingLearner._parameter_constraints,
        "loss": [StrOptions({"squared_error", "huber", "absolute_error"}), callable],
        "huber_delta": [Interval(Real, 0, None, closed="neither")],
        "robust_start": [Interval(Real, 0, 1, closed="left")],
        "score_limit": [None, Interval(Real, 1, None, closed="left")],
        "drop_stuck": ["boolean"],
    }

    _pilot_settings: dict = {
        **SelectingLearner._pilot_settings,
        "selection": None,
        "loss": "absolute_error",
        "robust_start": 0.0,
    }

    def __init__(
        self,
        module: Any = None,
        *,
        corruption_rate: float | str = "auto",
        selection: Any = "loss-gradient",
        n_networks: int = 1,
        loss: Any = "squared_error",
        huber_delta: float = 1.0,
        reforward: bool = False,
        clip: str | None = None,
        max_norm: float = 1.0,
        memory: str | None = None,
        memory_decay: float = 0.9,
        robust_start: float = 0.25,
        hidden_layer_sizes: Any = (256, 256),
        preprocessing: str | None = "standard",
        missing: str = "error",
        margin: float = 0.0,
        score_limit: float | None = 2.0,
        drop_stuck: bool = True,
        max_epochs: int | None = None,
        min_steps: int | str | None = None,
        max_steps: int | None = None,
        early_stopping: bool | str = "auto",
        validation_fraction: float = 0.1,
        patience: int = 500,
        batch_size: int = 128,
        lr: float = 1e-3,
        optimizer: Callable = torch.optim.Adam,
        warmup: float | str = 10,
        device: Any = None,
        n_threads: int | None = 1,
        random_state: Any = None,
        verbose: int = 0,
        callbacks: Any = None,
        **net_parameters: Any,
    ) -> None:
        self._store(locals())

    def predict(self, X: Any) -> np.ndarray:
        """Predict targets, mean over the networks.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Rows.

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_outputs), float64
            As the targets of ``fit``, in their units.
        """
        predictions = self._predictions(X)
        targets = self._scaler.inverse_transform(predictions)
        return targets[:, 0] if self._is_column else targets

    def _look_at(self, X: np.ndarray, y: np.ndarray) -> None:
        self.stuck_mask_ = np.zeros(len(y), dtype=bool)
        self._explained = explains_far(X, y)
        if not self.drop_stuck or self.corruption_rate == 0 or not isinstance(self.selection, str):
            return
        self.stuck_mask_ = find_stuck(X, y)
        if self.stuck_mask_.any():
            share, values = float(self.stuck_mask_.mean()), y[self.stuck_mask_]
            example = values[0] if y.ndim == 1 else values[0].tolist()
            warn_caller(
                f"{share:.0%} of the targets repeat a value that the features do not explain, such "
                f"as {example}: fit leaves these rows out; drop_stuck=False keeps them"
            )

    def _rate_in_training(self) -> float:
        stuck = float(self.stuck_mask_.mean())
        return max(self.corruption_rate_ - stuck, 0.0) / (1.0 - stuck)

    def _prepare_net(self, *args: Any) -> tuple[RobustNet, Tensor]:
        net, x = super()._prepare_net(*args)
        if self.stuck_mask_.any():
            net.train_split = WithoutRows(self.stuck_mask_, net.train_split)
        return net, x

    def _rank_rows(self, n_rows: int) -> None:
        self.sample_scores_ = above_others(self.sample_scores_, self.stuck_mask_)
        self.keep_frequency_[self.stuck_mask_] = 0.0
        super()._rank_rows(n_rows)
        self.inlier_mask_ &= ~self.stuck_mask_

    def _encode(self, y: np.ndarray) -> tuple[np.ndarray, int]:
        self._is_column = y.ndim == 1
        targets = y.reshape(len(y), -1)
        rate = self.corruption_rate if isinstance(self.corruption_rate, Real) else PILOT_RATE
        rates = np.where(self._explained, 0.0, rate)
        self._scaler = TargetScaler(rates).fit(targets[~self.stuck_mask_])
        return self._scaler.transform(targets), targets.shape[1]

    def _encode_more(self, y: Any) -> np.ndarray:
        targets = np.asarray(y, dtype=np.float64)
        return self._scaler.transform(targets.reshape(len(targets), -1))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = self.selection == "min"  # one row a step is not enough
        return tags

    def _row_functions(self) -> tuple[RowFunction, RowFunction]:
        if self.loss == "squared_error":
            return squared_error, squared_gradient_norm
        if self.loss == "absolute_error":
            return absolute_error, _absolute_score
        delta = self.huber_delta
        return partial(huber, delta=delta), partial(_huber_score, delta=delta)

    @staticmethod
    def _combine(outputs: Tensor) -> Tensor:
        return outputs.mean(dim=0)


def _huber_score(output: Tensor, target: Tensor, delta: float) -> Tensor:
    """Norm of the gradient, rows that share the largest one ordered by their error."""
    return huber_gradient_norm(output, target, delta) + error_beyond(output, target, delta)


def _absolute_score(output: Tensor, target: Tensor) -> Tensor:
    """Norm of the gradient, rows that share the largest one ordered by their error."""
    return absolute_gradient_norm(output, target) + error_beyond(output, target)
