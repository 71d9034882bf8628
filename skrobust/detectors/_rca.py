"""Robust collaborative autoencoders (thesis, chapter 2)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from skrobust._device import CHUNK_ROWS
from skrobust._validation import (
    Integral,
    Interval,
    Real,
    StrOptions,
    validate_rows,
)
from skrobust.detectors._base import RobustDetector
from skrobust.detectors._ensemble import (
    choose_passes,
    draw_rows,
    pass_errors,
    relative_errors,
    typical_errors,
)
from skrobust.networks import Autoencoder, VariationalAutoencoder
from skrobust.selection import binary_crossentropy, gaussian_divergence, squared_error
from skrobust.training import count_batches

__all__ = ["RCADetector"]

_STEPS, _EPOCHS = 1000, 200
_ROWS_TO_CHOOSE_BY, _ROWS_TO_SCALE_BY = 256, 4096
_BLOCK_ROWS = 64 * CHUNK_ROWS
_LOSSES = {"squared_error": squared_error, "binary_crossentropy": binary_crossentropy}


class RCADetector(RobustDetector):
    """Robust collaborative autoencoders: anomaly detection trained on contaminated data.

    Two autoencoders are trained together. In every batch each one ranks the rows by its own
    reconstruction error, drops the worst, and hands the rest to the other, which trains on them;
    the share that is dropped grows from 0 to ``contamination``. Rows are scored by their mean
    reconstruction errors over random sub-networks (dropout on), in units of each column.

    Parameters
    ----------
    contamination : float in [0, 0.5], "auto" or PyThresh object, default=0.1
        Share of anomalies in the training rows (the thesis's epsilon): sets the share that
        training drops, ``threshold_`` and ``labels_``. "auto" estimates it from the scores after
        training (:func:`estimate_contamination`), a PyThresh object sets the threshold; training
        drops ``training_rate`` then. 0 trains on all rows.
    n_networks : int, default=2
        Number of autoencoders (K). With one there is nobody to exchange with; for more than two
        the selections are passed on along a random derangement, drawn at every step.
    base : {"autoencoder", "vae"}, default="autoencoder"
        "vae" selects and trains on the evidence lower bound of variational autoencoders, with
        the code's mean while selecting, and averages the reconstruction error over draws of the
        code (RCVA).
    hidden_layer_sizes : sequence of int, default=(256, 256)
        Widths of the encoder's hidden layers; the decoder mirrors them.
    latent_dim : int, default=10
        Size of the code.
    dropout : float in [0, 1), default=0.5
        Dropout probability in training and in the scoring ensemble; not used by ``base="vae"``.
    loss : {"squared_error", "binary_crossentropy"} or callable, default="squared_error"
        Reconstruction error. "binary_crossentropy" needs ``preprocessing="minmax"``. A function
        ``(outputs, targets) -> losses`` of tensors (n_networks, n_rows, n_features) returns one
        number per network and row; the outputs are linear then.
    selection : {"loss", None} or Selector, default="loss"
        Which rows of a batch are trained on: those of lowest error, all, or what an object says,
        see :class:`skrobust.selection.Selector`.
    select : bool, default=True
        False is a short form of ``selection=None``: no rows are dropped in training.
    n_passes : int, default=8
        Random sub-networks per autoencoder in the scoring ensemble; 0 scores in one pass with
        dropout off.
    n_draws : int or None, default=256
        Sub-networks that are drawn per autoencoder after training. The ``n_passes`` are chosen from
        them so that their mean error comes nearest to that of all on 256 training rows.
        None, or no more than ``n_passes``: nothing is chosen.
    scoring : {"relative", "sum"}, default="relative"
        How the errors of the features make a score. "relative" measures each in units of the error
        that is typical of its column, large ones as their logarithm, so that neither columns that
        are hard to reconstruct nor single values drown the others. "sum" adds them (the thesis),
        as is always done where ``loss`` is a function, which has no parts by feature.
    schedule : {"thesis", "official"}, default="thesis"
        How the drop rate grows: as Algorithm 1 says, or as the published code does, which arrives
        earlier for small rates.
    training_rate : float in [0, 0.5], default=0.1
        Share dropped in training when ``contamination`` is "auto" or a PyThresh object.
    preprocessing : {"minmax", "standard", None}, default="minmax"
        Scaling, fitted on the training rows. The decoder ends in a sigmoid with "minmax" and is
        linear otherwise.
    missing : {"error", "mean"}, default="error"
        "mean" replaces nan by the mean of the column over the training rows.
    margin : float, default=1.0
        Standard deviations of a batch's share of anomalies that training drops on top of
        ``contamination``, for the batches that hold more than average; 0 is the thesis's rule.
        Threshold and labels do not include it. The default is the better one in the mean over
        the ODDS sets measured (``python -m benchmarks.thesis rca-odds``).
    max_epochs : int, optional
        Most training epochs. None is 5, or more where ``min_steps`` asks for them.
    min_steps : int, "auto" or None, default="auto"
        Without ``max_epochs`` epochs repeat until this many steps are done, so that small tables
        are not trained too little and large ones no longer than they need. "auto" is 1,000, but at
        most 200 epochs.
    max_steps : int, optional
        Most training steps; the last epoch may end early.
    batch_size : int, default=128
        Rows per training step.
    lr : float, default=1e-3
        Learning rate.
    optimizer : callable, default=torch.optim.Adam
        Class of a torch optimiser.
    warmup : int or float, default=0.5
        Length of the drop rate's growth: an int counts epochs, a float is a share of all epochs
        (the thesis's alpha).
    device : str, torch.device or None, default=None
        None takes the GPU if there is one.
    n_threads : int or None, default=1
        CPU threads that torch may use in ``fit`` and in scoring; torch's own setting is restored
        afterwards. Networks of this size gain little from a second thread, and took two to five
        times as long with it when another process was busy (``make bench``). None changes nothing.
    random_state : int, RandomState or None, default=None
        Seeds everything that is random in ``fit``.
    verbose : int, default=0
        1 shows a progress bar.
    callbacks : list of skorch callbacks, optional
        For example ``skorch.callbacks.Checkpoint``.
    **net_parameters
        skorch's own parameters, such as ``optimizer__weight_decay`` or ``train_split``.

    Attributes
    ----------
    decision_scores_ : array of shape (n_samples,)
        Anomaly scores of the training rows.
    threshold_ : float
        Scores above it are labelled abnormal.
    labels_ : array of shape (n_samples,), int
        Labels of the training rows: 1 for anomalies.
    contamination_ : float
        The rate; with "auto" the estimate, with a PyThresh object the share it found.
    contamination_interval_ : tuple of two floats
        Interval of the estimate, with ``contamination="auto"`` only.
    sample_scores_ : array of shape (n_samples,)
        Reconstruction error (``base="vae"``: negative lower bound) of each training row in the
        last epoch, dropout off, mean over the networks.
    keep_frequency_ : array of shape (n_samples,)
        Share of the epochs after warm-up in which the row was kept; nan for rows that
        ``train_split`` held out.
    inlier_mask_ : array of shape (n_samples,), bool
        ``labels_ == 0``.
    history_ : skorch.history.History
        One entry per epoch, with ``train_loss``.
    net_ : RobustNet
        The trained skorch net.
    device_ : str
        Device used.
    n_features_in_ : int
        Number of features seen in ``fit``.
    feature_names_in_ : array of shape (n_features,)
        Names of the features, if the table had them.

    See Also
    --------
    OutlierDetectorAdapter : The same detector under scikit-learn's convention (+1 and -1).

    Notes
    -----
    Parameters reach every system of the chapter. With ``scoring="sum", n_passes=1000,
    n_draws=None, lr=3e-4, max_epochs=200``, RCA is ``margin=0``; AE is ``n_networks=1,
    select=False, n_passes=0``; RCA-E is ``margin=0, n_passes=0``; RCA-SS is ``select=False``;
    RCVA is ``margin=0, base="vae"``; K-RCA is ``margin=0, n_networks=K``.

    Departures from the text: the number of anomalies reported is the rate times n (section 2.4
    has it the other way round). From the published code: there are really two networks, the drop
    rate follows Algorithm 1, and the scaling never sees the rows to be scored. In a pass of the
    scoring ensemble one dropout mask (``base="vae"``: one draw of the code's noise) serves all
    rows, so that scores are exactly repeatable.

    Parameters that are set after ``fit`` take effect at the next ``fit``.

    References
    ----------
    .. [1] Liu, B. Robust learning of deep neural networks under data corruption. Chapter 2,
       Algorithm 1.
    .. [2] Liu, B., Wang, D., Lin, K., Tan, P.-N., Zhou, J. RCA: A deep collaborative autoencoder
       approach for anomaly detection. IJCAI, 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust import RCADetector
    >>> rng = np.random.RandomState(0)
    >>> X = np.r_[rng.normal(size=(190, 4)), rng.normal(6, 1, size=(10, 4))]
    >>> detector = RCADetector(contamination=0.05, max_epochs=20, random_state=0).fit(X)
    >>> int(detector.labels_.sum()), int(detector.labels_[190:].sum())
    (10, 10)
    >>> detector.decision_function(X[:2]).shape
    (2,)
    """

    usual_epochs = 5
    n_draws: int | None = None  # in files of versions without these three
    scoring = "sum"
    _typical: np.ndarray | None = None
    _parameter_constraints: dict = {
        **RobustDetector._parameter_constraints,
        "n_networks": [Interval(Integral, 1, None, closed="left")],
        "base": [StrOptions({"autoencoder", "vae"})],
        "hidden_layer_sizes": ["array-like"],
        "latent_dim": [Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "loss": [StrOptions(set(_LOSSES)), callable],
        "select": ["boolean"],
        "n_passes": [Interval(Integral, 0, None, closed="left")],
        "n_draws": [None, Interval(Integral, 1, None, closed="left")],
        "min_steps": [StrOptions({"auto"}), *RobustDetector._parameter_constraints["min_steps"]],
        "scoring": [StrOptions({"relative", "sum"})],
        "schedule": [StrOptions({"thesis", "official"})],
    }

    def __init__(
        self,
        contamination: Any = 0.1,
        *,
        n_networks: int = 2,
        base: str = "autoencoder",
        hidden_layer_sizes: Any = (256, 256),
        latent_dim: int = 10,
        dropout: float = 0.5,
        loss: Any = "squared_error",
        selection: Any = "loss",
        select: bool = True,
        n_passes: int = 8,
        n_draws: int | None = 256,
        scoring: str = "relative",
        schedule: str = "thesis",
        training_rate: float = 0.1,
        preprocessing: str | None = "minmax",
        missing: str = "error",
        margin: float = 1.0,
        max_epochs: int | None = None,
        min_steps: int | str | None = "auto",
        max_steps: int | None = None,
        batch_size: int = 128,
        lr: float = 1e-3,
        optimizer: Callable = torch.optim.Adam,
        warmup: float | str = 0.5,
        device: Any = None,
        n_threads: int | None = 1,
        random_state: Any = None,
        verbose: int = 0,
        callbacks: Any = None,
        **net_parameters: Any,
    ) -> None:
        self._store(locals())

    def make_network(self, n_features: Any, **module_parameters: Any) -> Any:
        """Build the autoencoders.

        Parameters
        ----------
        n_features : int
            Columns of the table.
        **module_parameters
            The detector's ``module__…`` parameters.

        Returns
        -------
        Autoencoder or VariationalAutoencoder
        """
        if self.loss == "binary_crossentropy" and self.preprocessing != "minmax":
            raise ValueError(
                "loss='binary_crossentropy' needs preprocessing='minmax', "
                f"got preprocessing={self.preprocessing!r}"
            )
        bounded = self.preprocessing == "minmax" and self.loss == "squared_error"
        settings = {
            "n_networks": self.n_networks,
            "hidden_layer_sizes": self.hidden_layer_sizes,
            "latent_dim": self.latent_dim,
            "output": "sigmoid" if bounded else "linear",
        }
        if self.base == "vae":
            return VariationalAutoencoder(n_features, **{**settings, **module_parameters})
        settings["dropout"] = self.dropout
        return Autoencoder(n_features, **{**settings, **module_parameters})

    def row_scores(self, output: Any, x: Any) -> Any:
        """Return the reconstruction error; for ``base="vae"`` the negative lower bound.

        Parameters
        ----------
        output : Tensor, or three of them
            Of the networks.
        x : Tensor of shape (n_networks, n_rows, n_features)
            The rows, scaled.

        Returns
        -------
        Tensor of shape (n_networks, n_rows)
        """
        return self._row_loss()(output, x)

    def feature_scores(self, X: Any) -> np.ndarray:
        """What each feature adds to a row's score: which columns make a row abnormal.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to explain.

        Returns
        -------
        array of shape (n_samples, n_features), float64
            Reconstruction error of the feature, mean over networks and passes; with
            ``scoring="relative"`` in units of the column's typical error, large ones as their
            logarithm. A row's sum is its ``decision_function``. With ``scoring="sum"`` features
            that are hard to reconstruct have large errors in normal rows too: compare.

        Raises
        ------
        ValueError
            If ``loss`` is a function, which says nothing of features.
        """
        check_is_fitted(self)
        if callable(self._loss):
            raise ValueError("loss is a function of whole rows, which has no parts by feature")
        X = validate_rows(self, X, reset=False, missing=self._preprocessor.missing)
        return self._score(X, per_feature=True)

    def _row_loss(self) -> Callable[[Any, Tensor], Tensor]:
        loss: Any = _LOSSES[self.loss] if isinstance(self.loss, str) else self.loss
        return partial(_elbo, loss=loss) if self.base == "vae" else loss

    def _least_steps(self, n_rows: int) -> int | None:
        if self.min_steps != "auto":
            return self.min_steps
        return min(_STEPS, _EPOCHS * count_batches(n_rows, self.batch_size))

    def _scores(self) -> tuple[str, ...]:
        return ("loss",) if self.base == "vae" else super()._scores()

    def _is_scored_apart(self) -> bool:
        return self.base == "vae" or self.dropout > 0  # without dropout both passes are the same

    def _after_training(self, rows: Tensor) -> None:
        module, self._loss = self.net_.module_, self.loss
        n_drawn = max(self.n_passes, self.n_draws or 0) if self.n_passes else 0
        drawn = self._passes = module.draw_passes(n_drawn)
        if drawn is not None and n_drawn > self.n_passes:
            loss = _LOSSES[self.loss] if isinstance(self.loss, str) else self.loss
            errors = pass_errors(module, drawn, draw_rows(rows, _ROWS_TO_CHOOSE_BY), loss)
            places = choose_passes(errors, self.n_passes)
            self._passes = drawn[places, torch.arange(module.n_networks)]
        self._typical = None
        if self.scoring == "relative" and isinstance(self.loss, str):
            some = draw_rows(rows, _ROWS_TO_SCALE_BY).unsqueeze(0)
            with torch.no_grad():
                errors = self._score_chunks(some, per_feature=True)[0]
            self._typical = typical_errors(errors.cpu().numpy())

    def _score(self, X: np.ndarray, per_feature: bool = False) -> np.ndarray:
        if self._typical is None:
            return super()._score(X, per_feature)
        parts = []
        for start in range(0, len(X), _BLOCK_ROWS):
            errors = super()._score(X[start : start + _BLOCK_ROWS], per_feature=True)
            terms = relative_errors(errors, self._typical)
            parts.append(terms if per_feature else terms.sum(axis=1))
        return np.concatenate(parts)

    def _score_chunks(self, chunks: Tensor, per_feature: bool = False) -> Tensor:
        """Mean reconstruction error over networks and passes."""
        module, loss = self.net_.module_, self._loss
        if isinstance(loss, str):
            loss = partial(_LOSSES[loss], per_feature=per_feature)
        passes = [None] if self._passes is None else self._passes
        shape = chunks.shape if per_feature else chunks.shape[:2]
        total = torch.zeros(shape, dtype=torch.float64, device=chunks.device)
        for draw in passes:
            networks = module.sub_networks(draw)
            for i, x in enumerate(chunks):
                output = module.run_sub_networks(networks, x)
                for errors in loss(output, x.expand_as(output)):
                    total[i] += errors
        return total / (len(passes) * module.n_networks)


def _elbo(output: tuple[Tensor, Tensor, Tensor], x: Tensor, loss: Any) -> Tensor:
    """Negative evidence lower bound of each row, Kullback-Leibler weight 1."""
    reconstruction, mean, log_variance = output
    return loss(reconstruction, x) + gaussian_divergence(mean, log_variance)
