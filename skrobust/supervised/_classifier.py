"""Robust classification with corrupted labels (thesis, chapter 4)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer
from sklearn.utils import compute_class_weight
from torch import Tensor

from skrobust._validation import Integral, Interval, Real, StrOptions
from skrobust.selection import crossentropy, crossentropy_gradient_norm
from skrobust.supervised._base import RowFunction
from skrobust.supervised._classes import LabelMixin, bootstrap_functions
from skrobust.supervised._selecting import SelectingLearner

__all__ = ["PRLClassifier"]

_PILOT_LEAF = 5
_SELECTIONS = {"auto", "loss-gradient", "prior-adjusted", "gradient", "loss", "min", "disagreement"}


class PRLClassifier(LabelMixin, SelectingLearner):
    """Classifier for data with wrong labels: Provable Robust Learning.

    In every batch the rows whose loss has the largest gradient at the network's output are
    dropped, and the network is updated on the others; the share that is dropped grows from 0 to
    ``corruption_rate``. With more than two classes this is not the same as dropping the largest
    losses: a row that the network confidently takes for one other class goes first.

    Parameters
    ----------
    module : nn.Module class or instance, or None, default=None
        The network. A class (or other callable) is called once per network with its
        ``module__…`` parameters, and with ``in_features`` and ``out_features``, or
        ``in_channels`` and ``n_classes``, where its signature has them. An instance is copied;
        with ``n_networks > 1`` the copies are drawn anew through ``reset_parameters``. Outputs
        have shape (n_rows, n_classes). None builds a multi-layer perceptron.
    corruption_rate : float in [0, 1) or "auto", default="auto"
        Share of corrupted labels (the thesis's epsilon), which training drops. 0 trains on
        all rows. Rates above 0.5 are allowed with a warning.
        "auto" estimates it first, by three models and the rows that each has not seen (see
        :func:`estimate_corruption_rate`): forests for tables, and for a ``module`` its own
        networks, which make ``fit`` take up to four times as long.
    selection : {"auto", "loss-gradient", "prior-adjusted", "gradient", "loss", "min", \
            "disagreement", None} or Selector, default="auto"
        What tells rows to drop. "loss-gradient" is the norm of the loss's gradient at the network's
        output (PRL(L), Algorithm 4); "prior-adjusted" that at logits from which the logarithm of
        the labels' shares is subtracted, so that right rows of a rare label do not go first; "auto"
        subtracts half of it in the warm-up, and then all, half or nothing, by which labels seem to
        be mistaken more often (:class:`skrobust.selection.PriorTrim`; ``selection_`` says which).
        "gradient" is the norm of the gradient by all parameters (PRL(G), Algorithm 3), "loss" the
        loss (self-paced learning, trimmed loss). "min" keeps the one row of smallest loss in a
        batch (Min-SGD). "disagreement" keeps the rows that two or more networks label differently
        (Decouple). None trains on all rows.
        An object of one's own chooses rows by itself, see :class:`skrobust.selection.Selector`.
    n_networks : int, default=1
        Number of networks (K). With more than one, each is trained on what another one selected:
        Co-PRL(L), Algorithm 5, and Co-teaching with ``selection="loss"``. For more than two the
        selections are passed on along a random derangement, drawn at every step. Predictions are
        averaged.
    loss : {"cross_entropy", "bootstrap-hard", "bootstrap-soft"} or callable, \
            default="cross_entropy"
        Loss of the logits. The bootstrap losses mix each label with what the network believes:
        its most likely class, or all by their probability.
        A function ``(outputs, targets) -> losses`` returns one number per network and row.
    class_weight : dict {label: weight}, "balanced" or None, default=None
        How much rows of each label count in the update and in the loss of held-out rows; what
        ranks the rows does not change. "balanced" is inverse to how often labels are given.
    bootstrap_weight : float in (0, 1] or None, default=None
        Weight of the given label in the bootstrap losses. None: 0.8 for "bootstrap-hard", 0.95
        for "bootstrap-soft".
    reforward : bool, default=False
        Whether to run the selected rows through the network a second time and update on that, as
        the published code does. It differs only with batch normalisation, whose statistics then
        come from the selected rows, and with dropout, which is drawn anew. The default uses the
        one forward pass that the scores come from.
    clip : {None, "batch", "row"}, default=None
        Shrink gradients that are longer than ``max_norm``: that of the batch, over all networks
        (norm clipping), or that of each row (individual norm clipping).
    max_norm : float, default=1.0
        Euclidean norm, for ``clip``.
    memory : {None, "average", "sum"}, default=None
        Select on each row's scores over the epochs, as a moving average or a sum, instead of on
        the present one.
    memory_decay : float in [0, 1), default=0.9
        Weight of the past for ``memory="average"``.
    hidden_layer_sizes : sequence of int or None, default=None
        Hidden widths of a plain perceptron, for ``module=None``. None builds a
        :class:`skrobust.networks.TabularMLP`: one hidden layer of 512 units with a dropout of 0.5,
        on columns that are cut into 16 bins where there are at most 64 of them.
    preprocessing : {"standard", "minmax", None}, default="standard"
        Scaling of tables, fitted on the training rows. Arrays of other shapes are not scaled.
    missing : {"error", "mean"}, default="error"
        "mean" replaces nan in a table by the mean of the column over the training rows.
    margin : float, default=1.0
        Standard deviations of a batch's share of corrupted rows that training drops on top of
        ``corruption_rate``, for the batches that hold more than average; 0 is the thesis's rule.
        ``inlier_mask_`` does not include it.
    max_epochs : int, optional
        Most training epochs. None is 100, or more where ``min_steps`` asks for them.
    min_steps : int, optional
        Without ``max_epochs`` epochs repeat until this many steps are done, so that small tables
        are not trained too little.
    max_steps : int, optional
        Most training steps; the last epoch may end early.
    early_stopping : bool or "auto", default="auto"
        Whether to hold out ``validation_fraction`` of the rows, and to stop when their loss has
        not fallen for ``patience`` steps; the networks of the best epoch are kept. The held-out
        rows are as corrupted as the others: the share of largest loss does not count. "auto" does
        so from 1,000 rows on, unless ``train_split`` is given.
    validation_fraction : float in (0, 1), default=0.1
        Share of the training rows to hold out for ``early_stopping``.
    patience : int, default=500
        Steps without improvement, for ``early_stopping``.
    batch_size : int or "auto", default="auto"
        Rows per training step. "auto" is one in 64 of the training rows, from 128 to 512.
    lr : float, default=1e-3
        Learning rate.
    optimizer : callable, default=torch.optim.Adam
        Class of a torch optimiser.
    warmup : int or float, default=10
        Length of the drop rate's growth from 0 (T_k of Algorithm 5): an int counts epochs, a
        float is a share of all epochs.
    device : str, torch.device or None, default=None
        None takes the GPU if there is one.
    n_threads : int or None, default=1
        CPU threads that torch may use in ``fit`` and in predictions; torch's own setting is
        restored afterwards. None changes nothing, which large networks on a CPU want.
    random_state : int, RandomState or None, default=None
        Seeds everything that is random in ``fit``.
    verbose : int, default=0
        1 shows a progress bar.
    callbacks : list of skorch callbacks, optional
        For example ``skorch.callbacks.Checkpoint``.
    **net_parameters
        skorch's own parameters, such as ``module__dropout``, ``optimizer__weight_decay`` or
        ``train_split``.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        The labels, sorted.
    corruption_rate_ : float
        The rate.
    corruption_rate_interval_ : tuple of two floats
        Interval of 95 % for the estimate, with ``corruption_rate="auto"`` only.
    sample_scores_ : array of shape (n_samples,)
        What the selection ranked each training row by in the last epoch, mean over the networks:
        high for rows that fit badly; the loss where it ranks nothing or something else. With early
        stopping, scores by the networks that are kept; with ``memory`` the remembered ones, for
        "sum" their mean.
    keep_frequency_ : array of shape (n_samples,)
        Share of the epochs after warm-up in which the row was kept; nan for rows that
        ``train_split`` held out.
    selection_ : {"loss-gradient", "mixture", "prior-adjusted"} or what ``selection`` was
        How rows were chosen; of an object the name of its class.
    inlier_mask_ : array of shape (n_samples,), bool
        The n - ceil(corruption_rate n) rows of lowest ``sample_scores_``; of equal ones the first.
    history_ : skorch.history.History
        One entry per epoch, with ``train_loss``.
    net_ : RobustNet
        The trained skorch net.
    device_ : str
        Device used.
    n_features_in_ : int
        Number of features seen in ``fit``; of channels, for images.
    feature_names_in_ : array of shape (n_features,)
        Names of the features, if the table had them.

    See Also
    --------
    PRLRegressor : The same for targets that are numbers.
    skrobust.corruption.corrupt_labels : Wrong labels for experiments.

    Notes
    -----
    Parameters reach these systems of the chapter: PRL(L) is ``selection="loss-gradient", margin=0,
    early_stopping=False``, with a plain perceptron or a ``module``;
    PRL(G) adds ``selection="gradient"``, self-paced learning ``selection="loss"``, Co-PRL(L)
    ``n_networks=2``, Co-teaching both of the last, Min-SGD ``selection="min"``, Decouple
    ``selection="disagreement", n_networks=2``; Standard is PRL(L) with ``selection=None``, and so
    are Bootstrap with its ``loss`` and the two forms of norm clipping with their ``clip``.

    Gradients by all parameters, for ``selection="gradient"`` and ``clip="row"``, are those of
    single rows, which batch normalisation does not have: such modules are refused.

    Departures from the text: Algorithm 5 as printed updates each network on its own selection;
    here they are exchanged, as the text and the published code say. From the published code:
    dropout is off in predictions; with ``reforward=True``, one forward pass whose result it does
    not use is left out.

    Parameters that are set after ``fit`` take effect at the next ``fit``.

    References
    ----------
    .. [1] Liu, B. Robust learning of deep neural networks under data corruption. Chapter 4,
       Algorithms 4 and 5.
    .. [2] Liu, B., Sun, M., Wang, D., Tan, P.-N., Zhou, J. Learning deep neural networks under
       agnostic corrupted supervision. ICML, 2021.
    .. [3] Han, B. et al. Co-teaching: Robust training of deep neural networks with extremely
       noisy labels. NeurIPS, 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust import PRLClassifier
    >>> from skrobust.corruption import corrupt_labels
    >>> X = np.random.RandomState(0).normal(size=(400, 4))
    >>> truth = np.where(X[:, 0] > 0, "right", "left")
    >>> y, wrong = corrupt_labels(truth, 0.3, random_state=0)
    >>> model = PRLClassifier(corruption_rate=0.3, max_epochs=30, random_state=0).fit(X, y)
    >>> float((model.predict(X) == truth).mean()) > 0.9
    True
    """

    _parameter_constraints: dict = {
        **SelectingLearner._parameter_constraints,
        "selection": [None, StrOptions(_SELECTIONS), callable],
        "loss": [StrOptions({"cross_entropy", "bootstrap-hard", "bootstrap-soft"}), callable],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "class_weight": [None, dict, StrOptions({"balanced"})],
        "bootstrap_weight": [None, Interval(Real, 0, 1, closed="right")],
    }
    _pilot_settings: dict = {**SelectingLearner._pilot_settings, "class_weight": None}

    def __init__(
        self,
        module: Any = None,
        *,
        corruption_rate: float | str = "auto",
        selection: Any = "auto",
        n_networks: int = 1,
        loss: Any = "cross_entropy",
        class_weight: Any = None,
        bootstrap_weight: float | None = None,
        reforward: bool = False,
        clip: str | None = None,
        max_norm: float = 1.0,
        memory: str | None = None,
        memory_decay: float = 0.9,
        hidden_layer_sizes: Any = None,
        preprocessing: str | None = "standard",
        missing: str = "error",
        margin: float = 1.0,
        max_epochs: int | None = None,
        min_steps: int | str | None = None,
        max_steps: int | None = None,
        early_stopping: bool | str = "auto",
        validation_fraction: float = 0.1,
        patience: int = 500,
        batch_size: int | str = "auto",
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

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = self.selection == "min"  # one row a step is not enough
        return tags

    def _pilot(self, X: Any) -> Any:
        """A forest for tables, whose confident predictions few wrong labels can move."""
        if self.module is not None or np.ndim(X) != 2:
            return super()._pilot(X)
        forest = ExtraTreesClassifier(min_samples_leaf=_PILOT_LEAF, random_state=0)
        return make_pipeline(QuantileTransformer(random_state=0), forest)  # in any unit

    def _encode(self, y: np.ndarray) -> tuple[np.ndarray, int]:
        codes, n_classes = super()._encode(y)
        self._weights = None
        if self.class_weight is not None:
            weights = compute_class_weight(self.class_weight, classes=self.classes_, y=y)
            if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
                raise ValueError(
                    f"class_weight must give weights from 0 up, not all 0, got {self.class_weight}"
                )
            self._weights = weights
        return codes, n_classes

    def _row_weight(self) -> Any:
        if self._weights is None:
            return None
        return partial(_weight_of, weights=torch.as_tensor(self._weights, dtype=torch.float32))

    def _row_functions(self) -> tuple[RowFunction, RowFunction]:
        if self.loss == "cross_entropy":
            return crossentropy, crossentropy_gradient_norm
        return bootstrap_functions(self.loss == "bootstrap-hard", self.bootstrap_weight)


def _weight_of(y: Tensor, weights: Tensor) -> Tensor:
    """Weight of each row by its code."""
    return weights.to(y.device)[y]
