"""Classification with poisoned training data (thesis, chapter 5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import clone
from sklearn.utils import check_consistent_length, check_random_state

from skrobust._device import draw_seed, isolated
from skrobust._preprocessing import ImagePreprocessor, TablePreprocessor, range_of_images
from skrobust._validation import (
    Integral,
    Interval,
    Real,
    StrOptions,
    column_mask,
    refuse_outside,
    unchanged_on_error,
    validate_range,
)
from skrobust.backdoor._perturb import InputPerturbation
from skrobust.backdoor._rules import (
    PLAIN,
    PoisonedLabelMixin,
    algorithm_6,
)
from skrobust.backdoor._screening import ScreenedMixin, Screening, ScreenSettings
from skrobust.selection import Progress
from skrobust.supervised._base import RobustLearner
from skrobust.training import (
    DeviceBatches,
    RobustStep,
    RowDataset,
    StepState,
    TrainingRecord,
)

__all__ = ["BackdoorRobustClassifier"]


class BackdoorRobustClassifier(ScreenedMixin, PoisonedLabelMixin, RobustLearner):
    """Classifier for poisoned data: rows that carry a trigger and a label of the attacker's.

    By default it is trained plainly, what it has learnt is searched for poison
    (:class:`PoisonScreen`), and where a label is flagged, it is trained again without the rows in
    question. On clean data that is plain training.

    With ``noisy_label="prl"`` it is the thesis's defence, whose steps have two parts (Algorithm 6).
    The rows of the batch that are trusted are moved a little, each against the network; then the
    network is updated on the rows that are trusted after that. What the small movements can
    imitate, such as a faint pattern over the whole image, is not worth learning any more, and what
    is left are wrong labels, which a rule for noisy labels drops. Screening trains so, once, where
    it finds poison whose label depends on the row.

    Parameters
    ----------
    module : nn.Module class or instance, or None, default=None
        The network. A class (or other callable) is called with its ``module__…`` parameters, and
        with ``in_features`` and ``out_features``, or ``in_channels`` and ``n_classes``, where its
        signature has them; for images see :mod:`skrobust.networks`. An instance is copied. Outputs
        have shape (n_rows, n_classes). None builds a multi-layer perceptron.
    noisy_label : {"screen", "prl", "spl", "bootstrap", None}, default="screen"
        "screen" searches for poison, as above; the parameters of Algorithm 6 matter only where
        that is trained. The others are rules for wrong labels of Algorithm 6: drop the rows with
        the largest gradient of the loss at the output (PRL), or with the largest loss (self-paced
        learning), or train on labels mixed with the network's own view (Bootstrap, soft). None
        trusts all rows: adversarial training.
    corruption_rate : float in [0, 1) or "auto", default=0.2
        Share of poisoned rows (the thesis's epsilon), for "prl" and "spl". Where ``per_class``
        holds it is the share among the rows of each label: an attack that wants one of ten labels
        has poisoned a third of its rows when it has poisoned a twentieth of all. Otherwise it is
        the share of all rows. Rather a little too high than too low: far too high costs clean
        accuracy, too low may cost the defence.
        "auto" estimates it first, by three networks and the rows that each has not seen (see
        :func:`estimate_corruption_rate`), which makes ``fit`` take up to four times as long. As
        networks that learn the trigger find nothing wrong, the estimate is a lower bound: at least
        0.2 is taken, with a warning.
    perturbation_limit : float, default=0.05
        Largest change of a feature (the thesis's tau), as a share of the feature's range. 0 leaves
        the inputs alone: with ``noisy_label=None`` that is plain training.
    perturbation : {"per-sample", "shared-sign", "shared-mean"}, default="per-sample"
        "per-sample": each row by the sign of its own gradient. "shared-sign": all rows of the
        batch by the sign of the sum of their gradients. "shared-mean": by the mean of the signs of
        their gradients, which is Equation 5.5 as printed and almost nothing.
    n_steps : int, default=1
        Gradient steps of the perturbation.
    occlusion : float in [0, 1), default=0.25
        Mean share of each row that is hidden, another one at every step: a rectangle of an image,
        cells of a table. Rows whose label hangs on a small trigger fit badly when it is hidden. 0
        is the thesis's algorithm.
    robust_inner : bool, default=True
        Whether the rule for wrong labels decides which rows are moved (and by which loss).
    robust_outer : bool, default=True
        Whether it decides which rows the network is updated on (and by which loss).
    feature_range : pair (low, high) or None, default=None
        Values that features can have, which no perturbation leaves: numbers, or for tables also
        one per column (low equals high in one that never changes). None takes the least and the
        largest of the training rows, of each column of a table and of all values together
        otherwise.
    categorical_features : array-like of int, str or bool, or None, default=None
        Columns of a table that are neither perturbed nor hidden: their places, their names, or a
        mask.
    hidden_layer_sizes : as in PRLClassifier
        Hidden widths of the perceptron that ``module=None`` builds.
    preprocessing : {"standard", "minmax", None}, default="standard"
        Scaling of tables, fitted on the training rows. Arrays of other shapes are brought from
        ``feature_range`` to [0, 1].
    missing : {"error", "mean"}, default="error"
        "mean" replaces nan in a table by the mean of the column over the training rows.
    memory : {None, "average", "sum"}, default="average"
        Choose the rows to update on by each row's scores over the epochs, as a moving average or
        a sum, instead of by the present one, in which a row may just have been seen with its
        trigger; which rows are moved is decided by the present one. None is the thesis's
        algorithm.
    memory_decay : float in [0, 1), default=0.8
        Weight of the past for ``memory="average"``.
    per_class : bool or "auto", default="auto"
        Drop ``corruption_rate`` of the rows of each label in a batch, and that of the whole batch.
        Poisoned rows that have come to fit in one class would otherwise be kept at
        the cost of clean rows of the others. "auto" does so from three classes on; of two, the
        larger would lose clean rows for the smaller's poison. False is the thesis's rule.
    margin : float, default=2.0
        Standard deviations of a batch's share of poisoned rows that training drops on top of
        ``corruption_rate``, for the batches that hold more than average; 0 is the thesis's rule.
        ``inlier_mask_`` does not include it.
    max_epochs, min_steps, max_steps : as in PRLClassifier
        Length of the training; by default at least 100 epochs and at least 1,000 steps.
    early_stopping, validation_fraction, patience, batch_size, lr, optimizer : as in PRLClassifier
        Form of the training; by default without early stopping, and by AdamW.
    warmup : int, float or "auto", default="auto"
        Length of the drop rate's growth from 0: an int counts epochs, a float is a share of all
        epochs. "auto" takes as many epochs as come nearest to 100 steps, at least one and at most
        half of all: then what most rows have in common has been learnt, and a trigger has not.
    device, n_threads, random_state, verbose, callbacks : as in PRLClassifier
        How ``fit`` runs.
    **net_parameters
        skorch's own parameters, such as ``module__width``, ``optimizer__weight_decay`` or
        ``train_split``.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        The labels, sorted.
    corruption_rate_ : float
        The rate; of "screen" the share of rows that were left out.
    corruption_rate_interval_ : tuple of two floats
        Lower end of the 95 % interval of the estimate and 0.5, as learnt poison is not seen; with
        ``corruption_rate="auto"`` only, and not of "screen".
    is_poisoned_, flagged_labels_, label_frame_, suspects_ : as in PoisonScreen
        What "screen" has found; ``trigger`` shows the mark.
    feature_range_ : tuple of two arrays
        Least and largest value, of each column of a table and of all values otherwise.
    sample_scores_ : array of shape (n_samples,)
        What the selection ranked each training row by in the last epoch, after the perturbation:
        high for rows that fit badly; the loss where it ranks nothing; of "screen" as in
        :class:`PoisonScreen`. With ``memory`` the
        remembered scores, for "sum" their mean. Rows that were held out are scored once, by the
        final network, as they are, which makes them look better.
    keep_frequency_, inlier_mask_ : as in PRLClassifier
        What is known of each row.
    history_, net_, device_, n_features_in_, feature_names_in_ : as in PRLClassifier
        What ``fit`` leaves.

    See Also
    --------
    PRLClassifier : For wrong labels without a trigger.
    PoisonScreen : Searches what any classifier has learnt for poison.
    skrobust.corruption.poison : Poisoned data for experiments.

    Notes
    -----
    What screening does not find is said in :class:`PoisonScreen`. Under "screen" the network is
    trained two to seven times; ``history_`` is that of the last time. Each training has copies of
    the callbacks; a ``train_split`` that is a ``ValidSplit`` is for the first alone.

    When Algorithm 6 fails: where half or more of the rows that carry one label are poisoned (the
    chapter assumes less in every class), since the poisoned rows are what fits best then; where a
    trigger is larger than the perturbations can imitate and is learnt before its rows are dropped,
    as small patches of full contrast are by some networks; and where poisoned rows keep their own
    label ("clean label"), since nothing about their labels is wrong. ``fit`` warns when it has
    dropped more than half of the rows of a class, and, where ``per_class`` does not hold, when the
    rate times all rows is more than half of the rows of any label. Small clusters of a class that
    look unlike the others are dropped like poison.

    Parameters reach these systems of the chapter, all with ``margin=0, occlusion=0, memory=None,
    per_class=False, warmup=0.1, lr=3e-4``: X-AT is ``noisy_label=X``, X alone adds
    ``perturbation_limit=0``, AT is ``noisy_label=None``, and Standard both. The outer-only and
    inner-only forms of Tables 5.6 and 5.7 are ``robust_inner=False`` and ``robust_outer=False``.

    Departures from the text: Equation 5.5 averages the perturbation over the batch, which leaves
    next to nothing of it (``perturbation="shared-mean"``); by default each row has its own.
    Batch normalisation uses the statistics of the batch in both parts of a step, and its running
    statistics see the second only.

    References
    ----------
    .. [1] Liu, B. Robust learning of deep neural networks under data corruption. Chapter 5,
       Algorithm 6, Equation 5.5.
    .. [2] Gu, T., Dolan-Gavitt, B., Garg, S. BadNets: Identifying vulnerabilities in the machine
       learning model supply chain. 2017.
    .. [3] Goodfellow, I., Shlens, J., Szegedy, C. Explaining and harnessing adversarial examples.
       ICLR, 2015.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skrobust import BackdoorRobustClassifier
    >>> from skrobust.corruption import PatchTrigger, poison
    >>> digits = load_digits()
    >>> X, labels = digits.images[:, None] / 16, digits.target
    >>> trigger = PatchTrigger(size=2)
    >>> X_poisoned, y, mask = poison(
    ...     X, labels, trigger, 0.05, target_map="all-to-one", target=4, random_state=0
    ... )
    >>> model = BackdoorRobustClassifier(random_state=0).fit(X_poisoned, y)
    >>> model.flagged_labels_
    array([4])
    >>> float((model.predict(trigger(X)) == labels).mean()) > 0.9
    True

    The thesis's defence, against labels that depend on the row:

    >>> X_poisoned, y, mask = poison(X, labels, trigger, 0.2, random_state=0)
    >>> model = BackdoorRobustClassifier(noisy_label="prl", max_epochs=20, random_state=0)
    >>> float((model.fit(X_poisoned, y).predict(trigger(X)) == labels).mean()) > 0.9
    True
    """

    _parameter_constraints: dict = {
        **RobustLearner._parameter_constraints,
        "warmup": [*RobustLearner._parameter_constraints["warmup"], StrOptions({"auto"})],
        **PoisonedLabelMixin._label_constraints,
        "noisy_label": [None, StrOptions({"screen", "prl", "spl", "bootstrap"})],
        "perturbation_limit": [Interval(Real, 0, 1, closed="both")],
        "perturbation": [StrOptions({"per-sample", "shared-sign", "shared-mean"})],
        "n_steps": [Interval(Integral, 1, None, closed="left")],
        "occlusion": [Interval(Real, 0, 1, closed="left")],
        "robust_inner": ["boolean"],
        "robust_outer": ["boolean"],
        "feature_range": [None, "array-like"],
        "categorical_features": [None, "array-like"],
    }

    _pilot_settings: dict = {**RobustLearner._pilot_settings, "noisy_label": "prl"}

    def __init__(
        self,
        module: Any = None,
        *,
        noisy_label: str | None = "screen",
        corruption_rate: float | str = 0.2,
        perturbation_limit: float = 0.05,
        perturbation: str = "per-sample",
        n_steps: int = 1,
        occlusion: float = 0.25,
        robust_inner: bool = True,
        robust_outer: bool = True,
        feature_range: Any = None,
        categorical_features: Any = None,
        hidden_layer_sizes: Any = (256, 256),
        preprocessing: str | None = "standard",
        missing: str = "error",
        memory: str | None = "average",
        memory_decay: float = 0.8,
        per_class: bool | str = "auto",
        margin: float = 2.0,
        max_epochs: int | None = None,
        min_steps: int | str | None = 1000,
        max_steps: int | None = None,
        early_stopping: bool | str = False,
        validation_fraction: float = 0.1,
        patience: int = 500,
        batch_size: int = 128,
        lr: float = 1e-3,
        optimizer: Callable = torch.optim.AdamW,
        warmup: float | str = "auto",
        device: Any = None,
        n_threads: int | None = 1,
        random_state: Any = None,
        verbose: int = 0,
        callbacks: Any = None,
        **net_parameters: Any,
    ) -> None:
        self._store(locals())

    def _fit(self, X: Any, y: Any, extra: Any = None, labelled: Any = None) -> Self:
        with unchanged_on_error(self):
            self._forget_findings()
            if self.noisy_label != "screen":
                return super()._fit(X, y, extra, labelled)
            base = clone(self)
            if not isinstance(self.random_state, int | np.integer):
                base.set_params(random_state=draw_seed(self.random_state))
            robust = clone(base).set_params(noisy_label="prl")
            rng = check_random_state(base.random_state)
            base.set_params(**PLAIN)
            self._take_over(Screening(base, robust, X, y, ScreenSettings(), rng))
        return self

    def perturb(self, X: Any, y: Any) -> np.ndarray:
        """Hide and move rows as a step of training does, against the trained networks.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Rows like those of training.
        y : array-like of shape (n_samples,)
            Their labels: rows move to where these fit less.

        Returns
        -------
        array of the shape of ``X``, float64
            What the first network would be trained on, in the units of ``X``. All rows move, also
            those that a step leaves where they are because it does not trust them.

        Raises
        ------
        ValueError
            If the rows are invalid, or a label is none of ``classes_``.
        """
        X, codes = self._checked(X), self._encode_more(y)
        check_consistent_length(X, codes)
        rows = self._preprocessor.transform(X)
        if self.net_.step.perturb:
            with isolated(self.device_, self.random_state, self.n_threads) as device:
                parts = (rows, codes)
                data = RowDataset(*(torch.from_numpy(part).to(device) for part in parts))
                rows = self._moved(DeviceBatches(data, self.batch_size))
        rows = self._preprocessor.inverse_transform(rows)
        if self._movable is not None:  # scaling there and back costs digits
            rows = np.where(self._movable | np.isnan(X), rows, X)
        return rows

    def _moved(self, batches: DeviceBatches) -> np.ndarray:
        net, found = self.net_, []
        networks, progress = net.module_.eval(), Progress(0, 1, 0, 1)
        state = StepState(progress, TrainingRecord(net.n_networks, len(batches.dataset)))
        for x, (codes, row_ids) in batches:
            x = x.expand(net.n_networks, *x.shape)
            for change in net.step.perturb:
                if isinstance(change, InputPerturbation):  # rows that are not trusted move, too
                    change = replace(change, schedule=None)
                x = change(networks, x, codes, row_ids, state)
            found.append(x[0])
        return torch.cat(found).cpu().numpy()

    def _make_preprocessor(self, X: np.ndarray) -> TablePreprocessor | ImagePreprocessor:
        is_table = X.ndim == 2
        names = getattr(self, "feature_names_in_", None)
        self._movable = None
        if self.categorical_features is not None:
            if not is_table:
                raise ValueError(
                    "categorical_features names columns of a table, but X has examples of shape "
                    f"{X.shape[1:]}"
                )
            fixed = column_mask(
                "categorical_features", self.categorical_features, X.shape[1], names
            )
            self._movable = ~fixed
        declared = self._declared_range(X)
        if not is_table:
            self._bounds = np.zeros(1, np.float32), np.ones(1, np.float32)
            low, high = self.feature_range_ = declared or range_of_images(X)
            return ImagePreprocessor(low, high)
        preprocessor = TablePreprocessor(self.preprocessing, self.missing).fit(X)
        low, high = self.feature_range_ = declared or (preprocessor.low_, preprocessor.high_)
        self._bounds = tuple(preprocessor.transform(row[None])[0] for row in (low, high))
        return preprocessor

    def _declared_range(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the range of each feature, if there is ``feature_range``."""
        self._is_declared = self.feature_range is not None
        if not self._is_declared:
            return None
        n_columns = X.shape[1] if X.ndim == 2 else None
        low, high = validate_range("feature_range", self.feature_range, n_columns)
        refuse_outside("feature_range", X, low, high)
        return low, high

    def _check_inputs(self, X: np.ndarray) -> None:
        if self._is_declared:
            refuse_outside("feature_range", X, *self.feature_range_)

    def _step(self, n_rows: int) -> RobustStep:
        settings = {**vars(self), **(PLAIN if self.noisy_label == "screen" else {})}
        # arrays, no tensors of this device: the step is saved with the model
        low, high = self._bounds
        return algorithm_6(settings, len(self.classes_), low, high, self._movable)
