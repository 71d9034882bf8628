"""Is there poison, which label does it want, which rows carry it, what does the mark look like."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state

from skrobust._validation import HasMethods
from skrobust.backdoor._classifier import BackdoorRobustClassifier
from skrobust.backdoor._rules import ALGORITHM_6, PLAIN
from skrobust.backdoor._screening import (
    SCREEN_CONSTRAINTS,
    ScreenedMixin,
    Screening,
    ScreenSettings,
    check_settings,
)
from skrobust.diagnosis import RowFilter

__all__ = ["PoisonScreen"]


class PoisonScreen(ScreenedMixin, RowFilter):
    """Looks for poisoned rows, the labels that they are to get, and the mark that they carry.

    A network is trained on all rows. What each row has, compared with its nearest rows of other
    labels, is put into such rows: a trigger gives them the label of the row it came from, and what
    makes a clean row one of its class hardly ever does. A second network is trained on the rows
    whose difference does little, which are clean even where most rows of a label are poisoned. It
    sees what the suspects show without the trigger. They are left out, a third network is trained,
    and it must agree: it sees other labels in them, and the mark does nothing to it.

    Parameters
    ----------
    estimator : classifier with ``predict_proba``, default=None
        What is trained; it is cloned. It should train plainly: a defence of its own is not switched
        off, but for :class:`BackdoorRobustClassifier` as it comes. Pictures ask for one with a
        ``module``, such as ``BackdoorRobustClassifier(SmallCNN)``. None is a multi-layer
        perceptron.
    robust : classifier with ``predict_proba``, default=None
        What withstands poison whose label depends on the row ("all-to-all"); trained only where
        such poison is found. None is Algorithm 6 (``noisy_label="prl"``), if ``estimator`` is a
        :class:`BackdoorRobustClassifier`.
    alpha : float in (0, 1), default=0.01
        Largest p-value of a label that is flagged.
    n_permutations : int, default=99
        How many sets of trusted rows the effect of suspects is compared with. The least p-value is
        one over this plus one.
    min_suspects : int, default=8
        Fewer rows of a label are not judged.
    random_state : int, RandomState or None, default=None
        Seeds the draws, and the training with ``estimator=None``; another estimator has a seed of
        its own.

    Attributes
    ----------
    is_poisoned_ : bool
        Whether a label is flagged.
    flagged_labels_ : array
        Labels that poisoned rows were given.
    label_frame_ : DataFrame
        Per label: "n_rows"; "n_dropped"; "n_suspects"; "effect", the share of trusted rows of other
        labels that get it by what the suspects have in common, from a network trained on all rows
        and not from one without the suspects; "removal", the share of suspects that lose it
        without what other suspects have in common; "disagreement", the share of them that the
        second network gives another label; "p_value"; "flagged". nan where there was nothing to
        judge.
    sample_scores_ : array of shape (n_samples,)
        Probability of the given label by the network trained on all rows, less that by the one
        trained without suspects: near 1 for rows whose label hangs on the mark.
    inlier_mask_, sample_indices_ : as in RobustFilter
        The rows that are left.
    suspects_ : array of int
        Places of the rows that are dropped.
    estimator_ : classifier
        Trained on the rows that are left: on all, where no label is flagged.
    classes_ : array of shape (n_classes,)
        The labels, sorted.
    n_features_in_, feature_names_in_ : as in PRLClassifier
        What ``fit`` leaves.

    See Also
    --------
    BackdoorRobustClassifier : Trains in spite of poison.
    SpectralSignatureFilter : Drops rows by what a network has learnt of each class.

    Notes
    -----
    Three ways to put the mark are tried: the mean difference of the suspects; single ones, for
    marks that move; and the mean difference of those from one class, in rows of that class, for
    poison whose label depends on the class. A label is flagged if enough suspects lose it without
    the mark (0.6; of fewer than 20 suspects of less than 0.85 effect 0.85, and 0.15 more than by a
    change of the same length that is none) and its effect is at least 0.55 by both of the first
    two, of fewer than 20 suspects 0.7; or if it is 0.85 by the second, of 20 or more and of three
    labels or more, whatever they lose; or 0.6 by the third, where two labels at least are found so,
    as two classes that are alike look like that. With two labels, the suspects must lose it more
    often than by the other change in any case. Besides, its disagreement is at least 0.6, and the
    p-value at most ``alpha``. The null distribution comes from the data: the largest effect over
    the labels of as many rows that are not suspected, drawn again and again. Rows that are merely
    odd are not drawn so, and so the thresholds matter more than ``alpha``: look at the suspects
    before you believe a flag, above all where a class is made of groups and the training was short.

    Not found are poisoned rows that keep their own label, fewer than ``min_suspects`` of them, and
    marks that are no addition to a row, such as a smooth distortion or a dark patch; marks that
    move from row to row are found less surely than those that stay. In a table, three columns at
    rare values are found; of one column, or of categories, do not rely on it: few columns leave a
    network no way to tell the mark from the class. A table is changed by numbers; pass categories
    as one-hot columns. A training that is too short to learn the mark does not find it, and may
    flag what it has only begun to learn. Labels of which more than about 0.8 are poisoned are left
    as they are.

    References
    ----------
    .. [1] Gu, T., Dolan-Gavitt, B., Garg, S. BadNets. 2017. arXiv:1708.06733.
    .. [2] Guo, W., Tondi, B., Barni, M. Universal detection of backdoor attacks via density-based
       clustering and centroids analysis. IEEE TIFS, 2024. Centroids of clusters are transplanted in
       the space of features, for the same reason.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skrobust import PoisonScreen
    >>> from skrobust.corruption import PatchTrigger, poison
    >>> digits = load_digits()
    >>> X, labels = digits.images[:, None] / 16, digits.target
    >>> X, y, mask = poison(
    ...     X, labels, PatchTrigger(2), 0.03, target_map="all-to-one", target=4, random_state=0
    ... )
    >>> screen = PoisonScreen(random_state=0).fit(X, y)
    >>> screen.flagged_labels_
    array([4])
    >>> bool(mask[screen.inlier_mask_].any())  # is a poisoned row left?
    False
    >>> screen.trigger(4).shape
    (1, 8, 8)
    """

    estimator_: Any
    _parameter_constraints: dict = {
        "estimator": [None, HasMethods(["fit", "predict_proba"])],
        "robust": [None, HasMethods(["fit", "predict_proba"])],
        **SCREEN_CONSTRAINTS,
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        robust: Any = None,
        alpha: float = 0.01,
        n_permutations: int = 99,
        min_suspects: int = 8,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.robust = robust
        self.alpha = alpha
        self.n_permutations = n_permutations
        self.min_suspects = min_suspects
        self.random_state = random_state

    def _judge(self, X: Any, y: Any) -> None:
        settings = ScreenSettings(self.alpha, self.n_permutations, self.min_suspects)
        check_settings(settings)
        rng = check_random_state(self.random_state)
        base, robust = self._networks(rng)
        screening = Screening(base, robust, X, y, settings, rng)
        self._take_findings(screening)
        self.estimator_ = screening.estimator

    def _networks(self, rng: np.random.RandomState) -> tuple[Any, Any]:
        """What is trained plainly, and what withstands poison, if there is such a thing."""
        if self.estimator is None:
            seed = int(rng.randint(np.iinfo(np.int32).max))
            base: Any = BackdoorRobustClassifier(random_state=seed)
        else:
            base = clone(self.estimator)
        robust = self.robust
        if isinstance(base, BackdoorRobustClassifier):
            screens = base.noisy_label == "screen"
            if robust is None:
                robust = clone(base).set_params(
                    **({"noisy_label": "prl"} if screens else ALGORITHM_6)
                )
            base.set_params(**(PLAIN if screens else {}))
        return base, robust
