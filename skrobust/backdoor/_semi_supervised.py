"""Classification from few, poisoned labels and many rows without (thesis, Algorithm 7)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Self

import numpy as np
import torch
from sklearn.utils import _safe_indexing, check_consistent_length, column_or_1d
from sklearn.utils.validation import check_is_fitted
from skorch.history import History
from torch import Tensor, nn

from skrobust._validation import (
    Integral,
    Interval,
    Real,
    StrOptions,
    fit_context,
    validate_examples,
    warn_caller,
)
from skrobust.backdoor._rules import (
    PoisonedLabelMixin,
    plain_step,
)
from skrobust.backdoor._simclr import Contrastive, ContrastiveStep
from skrobust.backdoor._spectrum import SpectrumLimit
from skrobust.networks import LinearHead
from skrobust.supervised import PRLClassifier
from skrobust.supervised._base import RobustLearner
from skrobust.training import RobustNet, RowDataset

__all__ = ["SemiSupervisedBackdoorClassifier"]

UNLABELLED = -1


class SemiSupervisedBackdoorClassifier(PoisonedLabelMixin, RobustLearner):
    """Classifier that learns what rows look like without labels, and little from the labels.

    A network learns from all rows, with and without labels, to recognise two random views of a row
    (SimCLR) [2]_. It is then frozen, and a linear layer is trained on what it sees, from the rows
    with labels, of which those that fit badly are dropped; the layer's singular values are limited
    after every step, so that no direction decides alone [1]_.

    Parameters
    ----------
    module : nn.Module class or instance, or None, default=None
        The network, as in :class:`PRLClassifier`: its last linear layer is replaced. None builds a
        multi-layer perceptron.
    noisy_label, corruption_rate : as in BackdoorRobustClassifier
        The rule for wrong labels ("prl" by default; "screen" is not offered), and the share of
        poisoned rows among those with labels.
    spectral_limit : float, default=1.0
        Largest singular value of the linear layer (the thesis's k), for inputs that are scaled, all
        by the same number, to a root mean square of 1 over the rows with labels.
    truncate : {"scale", "clip", None}, default="scale"
        How it is kept: "scale" divides the layer by what its largest singular value has too much,
        "clip" lowers those singular values that are too large and leaves the others. None does not
        limit it (PRL-SimCLR).
    augment : callable ``(Tensor (n_rows, ...)) -> Tensor``, or None, default=None
        Makes a random view of each row, scaled as for the network. None:
        :class:`ImageAugmentation` for arrays of 4 dimensions, :class:`TableAugmentation` for
        tables.
    temperature : float, default=0.5
        Of the contrastive loss.
    projection_size : int, default=128
        Outputs of the perceptron that stands between network and contrastive loss.
    pretrain_epochs : int, default=50
        Epochs over all rows; the thesis has 500. 0 takes the network as it is, for a ``module``
        that is trained already; the rows without labels are not used then.
    pretrain_batch_size : int, default=512
        Rows per step of it.
    pretrain_lr : float, default=1e-3
        Learning rate of it.
    pretrain_callbacks : list of skorch callbacks, optional
        For it.
    hidden_layer_sizes, preprocessing, missing : as in PRLClassifier
        By the rows with labels. Arrays that are no tables are brought from their least and largest
        value to [0, 1].
    memory, memory_decay, per_class : as in BackdoorRobustClassifier
        How rows are ranked and dropped; by default without memory.
    margin, max_epochs, min_steps, max_steps, early_stopping : as in PRLClassifier
        Of the linear layer's training; by default 1,000 steps or more, and no early stopping.
    validation_fraction, patience : as in PRLClassifier
        For early stopping.
    batch_size, lr, optimizer, warmup, device, n_threads : as in PRLClassifier
        The same; by default lr=1e-2, AdamW and a warm-up of a tenth of the epochs.
    random_state, verbose, callbacks : as in PRLClassifier
        How ``fit`` runs.
    **net_parameters
        skorch's own parameters: ``module__…`` for the network, the others for the linear layer.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        The labels, sorted.
    pretrain_history_ : skorch.history.History
        One entry per epoch of the training without labels.
    pretrain_losses_ : array of shape (pretrain_epochs,)
        Mean contrastive loss of each of them.
    spectral_norm_ : float
        Largest singular value of the linear layer.
    n_unlabeled_ : int
        Rows without a label, from ``y`` and ``X_unlabeled``.
    corruption_rate_, corruption_rate_interval_ : as in BackdoorRobustClassifier
        The rate.
    sample_scores_, keep_frequency_, inlier_mask_ : as in PRLClassifier
        What is known of the rows with labels; nan, nan and True for the others.
    history_, net_, device_, n_features_in_, feature_names_in_ : as in PRLClassifier
        What ``fit`` leaves; ``net_.module_.encoder`` is the network below the linear layer.

    See Also
    --------
    BackdoorRobustClassifier : Where all rows have labels.

    Notes
    -----
    Rows whose label is -1 have none, as in :mod:`sklearn.semi_supervised`: that is the way for
    pipelines and GridSearchCV, which slice ``y`` but not ``X_unlabeled``. ``score`` leaves them
    out. Beside labels that are text, -1 is a number in an array of objects. Where a single label
    stands beside -1, there would be nothing to learn; both are taken for classes then, with a
    warning.

    The thesis's systems are ``margin=0, per_class=False`` with ``truncate=None`` (PRL-SimCLR) and
    ``truncate="scale"`` (PRL-SimCLR-SN). It says both "truncate the largest singular value" and
    "spectral normalization"; "clip" and "scale" are the two readings.

    References
    ----------
    .. [1] Liu, B. Robust learning of deep neural networks under data corruption. Chapter 5,
       Algorithm 7.
    .. [2] Chen, T., Kornblith, S., Norouzi, M., Hinton, G. A simple framework for contrastive
       learning of visual representations. ICML, 2020.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skrobust import SemiSupervisedBackdoorClassifier
    >>> X, labels = load_digits(return_X_y=True)
    >>> y = labels.copy()
    >>> y[500:] = -1
    >>> model = SemiSupervisedBackdoorClassifier(pretrain_epochs=20, random_state=0).fit(X, y)
    >>> model.n_unlabeled_
    1297
    >>> float((model.predict(X[500:]) == labels[500:]).mean()) > 0.75
    True
    """

    _parameter_constraints: dict = {
        **RobustLearner._parameter_constraints,
        **PoisonedLabelMixin._label_constraints,
        "spectral_limit": [Interval(Real, 0, None, closed="neither")],
        "truncate": [None, StrOptions({"scale", "clip"})],
        "augment": [None, callable],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "projection_size": [Interval(Integral, 1, None, closed="left")],
        "pretrain_epochs": [Interval(Integral, 0, None, closed="left")],
        "pretrain_batch_size": [Interval(Integral, 2, None, closed="left")],
        "pretrain_lr": [Interval(Real, 0, None, closed="neither")],
        "pretrain_callbacks": RobustLearner._parameter_constraints["callbacks"],
    }

    _rate_comes_later = True
    _images_are_scaled = True
    _pilot_settings: dict = {**RobustLearner._pilot_settings, "noisy_label": "prl"}

    def __init__(
        self,
        module: Any = None,
        *,
        noisy_label: str | None = "prl",
        corruption_rate: float | str = 0.2,
        spectral_limit: float = 1.0,
        truncate: str | None = "scale",
        augment: Any = None,
        temperature: float = 0.5,
        projection_size: int = 128,
        pretrain_epochs: int = 50,
        pretrain_batch_size: int = 512,
        pretrain_lr: float = 1e-3,
        pretrain_callbacks: Any = None,
        hidden_layer_sizes: Any = (256, 256),
        preprocessing: str | None = "standard",
        missing: str = "error",
        memory: str | None = None,
        memory_decay: float = 0.8,
        per_class: bool | str = "auto",
        margin: float = 1.0,
        max_epochs: int | None = None,
        min_steps: int | str | None = 1000,
        max_steps: int | None = None,
        early_stopping: bool | str = False,
        validation_fraction: float = 0.1,
        patience: int = 500,
        batch_size: int = 128,
        lr: float = 1e-2,
        optimizer: Callable = torch.optim.AdamW,
        warmup: float | str = 0.1,
        device: Any = None,
        n_threads: int | None = 1,
        random_state: Any = None,
        verbose: int = 0,
        callbacks: Any = None,
        **net_parameters: Any,
    ) -> None:
        self._store(locals())

    @fit_context
    def fit(self, X: Any, y: Any, X_unlabeled: Any = None) -> Self:
        """Learn from rows with labels, poisoned ones among them, and from rows without.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Inputs.
        y : array-like of shape (n_samples,)
            Labels; -1 where there is none.
        X_unlabeled : array-like of shape (n_unlabeled, n_features) or (n_unlabeled, ...), optional
            More inputs without labels.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError, FloatingPointError
            As in :class:`PRLClassifier`, and if no row has a label.

        Warns
        -----
        UserWarning
            If -1 stands beside a single other label, or most rows of a label are not trusted.
        """
        if y is None:
            return self._fit(X, y)  # which says that it needs y
        y = column_or_1d(y, warn=True)
        check_consistent_length(X, y)
        labelled = self._has_label(y)
        if not labelled.any():
            raise ValueError(f"y has no label: all {len(y)} rows are -1, which is none")
        self._fit(X, y, (X_unlabeled,), labelled)
        values = torch.linalg.svdvals(self.net_.module_.layers[0].weight.detach()[0])
        self.spectral_norm_ = float(values[0])
        unknown = {"sample_scores_": np.nan, "keep_frequency_": np.nan, "inlier_mask_": True}
        for name, value in unknown.items():
            spread = np.full(len(y), value)  # over the rows without labels, too
            spread[labelled] = getattr(self, name)
            setattr(self, name, spread)
        return self

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy on the rows that have a label.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Inputs.
        y : array-like of shape (n_samples,)
            True labels; rows with -1 are left out, unless -1 is one of ``classes_``.
        sample_weight : array-like of shape (n_samples,), optional
            Weights of the rows.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If no row has a label.
        """
        check_is_fitted(self)
        labels = column_or_1d(y)
        check_consistent_length(X, labels, sample_weight)
        without = _is_unlabelled(labels)
        if without.any() and UNLABELLED not in self.classes_.tolist():
            if without.all():
                raise ValueError(f"y has no label: all {len(labels)} rows are -1, which is none")
            X, labels, sample_weight = (
                None if part is None else _safe_indexing(part, np.flatnonzero(~without))
                for part in (X, labels, sample_weight)
            )
        return super().score(X, labels, sample_weight)

    def _has_label(self, y: Any) -> np.ndarray:
        """Which rows have one; -1 beside a single label is a class."""
        labels = np.asarray(y)
        without = _is_unlabelled(labels)
        if without.any() and not without.all():
            rest = labels[~without]
            if (rest == rest[0]).all():
                warn_caller(
                    f"y holds -1 and only one other label, {rest[0]!r}: both are taken for "
                    "classes; rows without a label need two labels beside them"
                )
                return np.ones(len(labels), dtype=bool)
        return ~without

    def _prepare_net(self, x: Any, y: Any, n_outputs: Any, extra: Any) -> Any:
        """Algorithm 7: learn from all rows without labels, then a linear layer from the labels."""
        rows = torch.cat([x, *self._unlabelled(x, *extra)])
        skorch_own = {k: v for k, v in self._net_parameters.items() if not k.startswith("module__")}
        self.n_unlabeled_ = len(rows) - len(x)
        make: Any = partial(self.make_network, x.shape[1:], n_outputs, **self._module_parameters())
        if self.pretrain_epochs > 0:
            net = self._contrastive_net(make, rows).fit(RowDataset(rows))
            encoder, self.pretrain_history_ = net.module_.encoder, net.history
        else:
            encoder, self.pretrain_history_ = make().to(x), History()
        encoder = encoder.eval().requires_grad_(False)
        seen: Tensor = encoder.embed_rows(x, self.pretrain_batch_size)
        if self.corruption_rate == "auto":
            self._set_rate(seen, y, self._linear_pilot())
        squares = seen.square().mean(dim=1)
        ordinary = squares <= 100 * squares.median()  # rows far off do not set the scale
        squares = seen.square() if bool(ordinary.all()) else seen[ordinary].square()
        scale = float(squares.mean().sqrt().clamp(min=torch.finfo(seen.dtype).tiny))
        limit = [] if self.truncate is None else [SpectrumLimit(self.spectral_limit, self.truncate)]
        head = partial(LinearHead, encoder, seen.shape[1], n_outputs, scale)
        step = plain_step(self)
        net = self._make_net(step, len(seen), network=head, more_callbacks=limit, own=skorch_own)
        return net, seen / scale

    def _module_parameters(self) -> dict[str, Any]:
        """Return the ``module__…`` parameters, without the prefix."""
        given, prefix = self._net_parameters, "module__"
        return {k.removeprefix(prefix): v for k, v in given.items() if k.startswith(prefix)}

    def _contrastive_net(self, make: Callable[[], nn.Module], rows: Tensor) -> RobustNet:
        """Return what learns that two views of a row are alike (SimCLR)."""
        return self._make_plain_net(
            partial(Contrastive, make, rows[:2], self.projection_size),
            ContrastiveStep(self.augment, self.temperature),
            len(rows),
            callbacks=self.pretrain_callbacks,
            max_epochs=self.pretrain_epochs,
            min_steps=None,
            max_steps=None,
            batch_size=self.pretrain_batch_size,
            lr=self.pretrain_lr,
            lr_name="pretrain_lr",
            optimizer=torch.optim.Adam,
            optimizer__fused=None,
        )

    @property
    def pretrain_losses_(self) -> np.ndarray:
        """Mean loss of each epoch of the training without labels."""
        check_is_fitted(self)
        return np.array([epoch["train_loss"] for epoch in self.pretrain_history_])

    def _linear_pilot(self) -> PRLClassifier:
        """Return what the rate is estimated with, from embedded rows."""
        names = (
            "max_epochs",
            "min_steps",
            "max_steps",
            "batch_size",
            "lr",
            "optimizer",
            "warmup",
            "margin",
        )
        shared = {name: getattr(self, name) for name in (*names, "device", "random_state")}
        return PRLClassifier(nn.Linear, **shared).set_params(**PRLClassifier._pilot_settings)

    def _unlabelled(self, x: Tensor, without: np.ndarray, more: Any) -> list[Tensor]:
        """Rows without labels, scaled: those that stand among the others, and those given apart."""
        parts = [without] if len(without) else []
        if more is not None:
            more = validate_examples(self, more, reset=False, missing=self.missing)
            if more.shape[1:] != self._row_shape:
                raise ValueError(
                    f"X_unlabeled has examples of shape {more.shape[1:]} without labels, those "
                    f"with labels have {self._row_shape}"
                )
            parts.append(more)
        return [torch.from_numpy(self._preprocessor.transform(rows)).to(x.device) for rows in parts]

    def _embed_chunks(self, chunks: Tensor) -> Tensor:
        encoder = self.net_.module_.eval().encoder
        return torch.stack([encoder.embed(x.unsqueeze(0))[0].double() for x in chunks])

    def _predict_chunks(self, chunks: Tensor) -> Tensor:
        head, predictions = self.net_.module_.eval(), []
        for x in chunks:
            output = head(head.encoder.embed(x.unsqueeze(0)) / head.scale)
            predictions.append(self._combine(output.double()))
        return torch.stack(predictions)


def _is_unlabelled(labels: np.ndarray) -> np.ndarray:
    if labels.dtype.kind not in "iufO":
        return np.zeros(len(labels), dtype=bool)
    return labels == UNLABELLED
