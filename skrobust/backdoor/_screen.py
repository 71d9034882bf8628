"""Is there poison, which label does it want, which rows carry it, what does the mark look like."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils.validation import check_is_fitted, column_or_1d

from skrobust._validation import HasMethods, Integral, Interval, Real
from skrobust.backdoor._classifier import BackdoorRobustClassifier
from skrobust.backdoor._suspects import Evidence, act_alike, find_suspects, judge_evidence
from skrobust.backdoor._transplant import (
    Effects,
    Predict,
    Rows,
    as_numbers,
    core_of,
    effects_of_rows,
    given_probability,
    seen_otherwise,
)
from skrobust.diagnosis import RowFilter

__all__ = ["PoisonScreen"]

_PLAIN: dict[str, Any] = {
    "noisy_label": None,
    "perturbation_limit": 0,
    "occlusion": 0,
    "memory": None,
}
_ALGORITHM_6: dict[str, Any] = {
    "noisy_label": "prl",
    "perturbation_limit": 0.05,
    "occlusion": 0.25,
    "memory": "average",
}
_LEFT = 0.2  # share of a label that stays, or nothing is said of it
_WORTH_TRAINING = 0.5  # effect of suspects, to leave them out and train again
_DISBELIEVED = 0.2  # probability of a label, by what withstands poison whose label depends on it
_MOST_ROUNDS = 4


class PoisonScreen(RowFilter):
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
        off. Pictures ask for one with a ``module``, such as ``BackdoorRobustClassifier(SmallCNN,
        noisy_label=None, perturbation_limit=0, occlusion=0, memory=None)``. None is a multi-layer
        perceptron.
    robust : classifier with ``predict_proba``, default=None
        What withstands poison whose label depends on the row ("all-to-all"); trained only where
        such poison is found. None is Algorithm 6: ``estimator`` with the defaults of
        :class:`BackdoorRobustClassifier`, if it is one.
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
        Per label: "n_rows"; "n_suspects"; "effect", the share of trusted rows of other labels that
        get it by what the suspects have in common, from a network trained on all rows and not from
        one without the suspects; "disagreement", the share of suspects that the latter gives
        another label; "p_value"; "flagged". nan where there was nothing to judge.
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
    poison whose label depends on the class. A label is flagged if its effect is at least 0.6 by
    both of the first two, 0.85 by the second or 0.6 by the third; its disagreement is at least 0.7;
    and the p-value is at most ``alpha``. By the third way two labels at least must be found, as two
    classes that are alike look like that. The null distribution comes from the data: the largest
    effect over the labels of as many rows that both networks agree on, drawn again and again. Rows
    that are merely odd are not drawn so, and so the thresholds matter more than ``alpha``: where
    classes overlap, with two classes, and on small tables with rare values and wrong labels, look
    at the suspects before you believe a flag.

    Not found are poisoned rows that keep their own label, fewer than ``min_suspects`` of them, and
    marks that are no addition to a row, such as a smooth distortion or a dark patch; marks that
    move from row to row are found less surely than those that stay. A table is changed by numbers;
    pass categories as one-hot columns.

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
        "alpha": [Interval(Real, 0, 1, closed="neither")],
        "n_permutations": [Interval(Integral, 1, None, closed="left")],
        "min_suspects": [Interval(Integral, 2, None, closed="left")],
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

    def trigger(self, label: Any) -> np.ndarray:
        """Return the mark that rows of a label share: what they have on top of their neighbours.

        Parameters
        ----------
        label : label
            A flagged one.

        Returns
        -------
        array of the shape of a row
            Mean difference, in the units of the features.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            If the label is not flagged.
        """
        check_is_fitted(self)
        if np.ndim(label) or label not in self.flagged_labels_:
            raise ValueError(f"label must be one of {self.flagged_labels_.tolist()}, got {label!r}")
        return self._pictures[label].copy()

    def _judge(self, X: Any, y: Any) -> None:
        if 1 / (1 + self.n_permutations) > self.alpha:
            raise ValueError(
                f"n_permutations={self.n_permutations} allows no p-value below "
                f"{1 / (1 + self.n_permutations):.2g}, but alpha is {self.alpha}: more are needed"
            )
        self._rng = check_random_state(self.random_state)
        base, robust = self._networks()
        plain = base.fit(X, y)
        y = column_or_1d(y)
        given = as_numbers(X)
        self.classes_, codes = np.unique(y, return_inverse=True)
        self._training = base, X, y
        rows = Rows(given, codes, len(self.classes_), self._rng)
        predict = self._predictor(plain)
        believed = predict(given)
        fits = believed.argmax(axis=1) == codes
        effects = effects_of_rows(rows, predict, believed)
        core = core_of(rows, effects)
        # a label that the network has learnt nothing of leaves no core, and nothing to compare with
        whole = len(np.unique(codes[core])) == len(self.classes_)
        judge = self._predictor(self._train(core) if whole else plain)
        found, suspected, dropped, judge = self._isolate(rows, predict, judge, fits, effects, core)

        def decide(suspected: np.ndarray, dropped: np.ndarray) -> list[int]:
            judged = judge_evidence(
                rows, predict, judge, fits & ~dropped, suspected, core, found, self.n_permutations
            )
            flagged = [code for code, one in judged.items() if one.p_value <= self.alpha]
            alone = len(flagged) == 1 and not judged[flagged[0]].is_universal
            return [] if alone else flagged  # alone: two classes that are alike

        flagged = decide(suspected, dropped)
        if flagged and not any(found[code].is_universal for code in flagged) and robust is not None:
            doubted = self._predictor(robust.fit(X, y))(given)
            dropped = fits & (given_probability(doubted, codes) < _DISBELIEVED)
            for code in range(len(self.classes_)):  # a label that is all doubted stays as it is
                dropped &= (codes != code) | self._is_left(~dropped[codes == code])
            judge = self._predictor(self._train(~dropped))
            least = self.min_suspects
            found = find_suspects(rows, predict, judge, fits, effects, core & ~dropped, least)
            flagged = decide(dropped, dropped)
        elif flagged:
            seen = judge(given)
            dropped = np.zeros(len(codes), dtype=bool)
            for code in flagged:
                places = np.flatnonzero(codes == code)
                out = (seen_otherwise(seen, codes) | act_alike(found[code], effects))[places]
                without = predict(rows.changed(places, -found[code].picture))
                hangs = out | seen_otherwise(without, codes[places])
                dropped[places] = hangs if self._is_left(~hangs) else out
        dropped &= bool(flagged)
        self.sample_scores_ = given_probability(believed, codes) - given_probability(
            judge(given), codes
        )
        self.inlier_mask_ = ~dropped
        self.suspects_ = np.flatnonzero(dropped)
        self.estimator_ = self._train(~dropped) if flagged else plain
        self.flagged_labels_ = self.classes_[flagged]
        self.is_poisoned_ = bool(flagged)
        self._pictures = {
            self.classes_[code]: found[code].picture.reshape(given.shape[1:]) for code in flagged
        }
        self.label_frame_ = self._frame(codes, found, flagged)
        del self._training, self._rng

    def _networks(self) -> tuple[Any, Any]:
        """What is trained plainly, and what withstands poison, if there is such a thing."""
        if self.estimator is None:
            seed = int(self._rng.randint(np.iinfo(np.int32).max))
            base: Any = BackdoorRobustClassifier(**_PLAIN, random_state=seed)
        else:
            base = clone(self.estimator)
        if self.robust is not None:
            return base, clone(self.robust)
        ours = isinstance(base, BackdoorRobustClassifier)
        return base, clone(base).set_params(**_ALGORITHM_6) if ours else None

    def _is_left(self, kept: np.ndarray) -> bool:
        """Whether so much of a label is kept that a judge still knows what it looks like."""
        return bool(kept.sum() >= max(self.min_suspects, _LEFT * len(kept)))

    def _train(self, chosen: np.ndarray) -> Any:
        base, X, y = self._training
        places = np.flatnonzero(chosen)
        return clone(base).fit(_safe_indexing(X, places), y[places])

    def _predictor(self, model: Any) -> Predict:
        """Probabilities of all labels, 0 for those that the model does not know."""
        places = np.searchsorted(self.classes_, model.classes_)
        X = self._training[1]

        def predict(rows: np.ndarray) -> np.ndarray:
            found = np.zeros((len(rows), len(self.classes_)))
            if isinstance(X, pd.DataFrame):  # the model may ask for names and types
                rows = pd.DataFrame(rows, columns=X.columns).astype(X.dtypes)
            found[:, places] = model.predict_proba(rows)
            return found

        return predict

    def _isolate(
        self,
        rows: Rows,
        predict: Predict,
        judge: Predict,
        fits: np.ndarray,
        effects: Effects,
        core: np.ndarray,
    ) -> tuple[dict[int, Evidence], np.ndarray, np.ndarray, Predict]:
        """Leave suspects out, and rows that act alike, and train again until no more turn up."""
        suspected, dropped = np.zeros((2, len(fits)), dtype=bool)
        found: dict[int, Evidence] = {}
        for i in range(_MOST_ROUNDS + 1):
            found = find_suspects(rows, predict, judge, fits, effects, core, self.min_suspects)
            if i == _MOST_ROUNDS:
                break
            new = np.zeros(len(fits), dtype=bool)
            other = seen_otherwise(judge(rows.given), rows.codes)
            for code, one in found.items():
                of_label = rows.codes == code
                out = of_label & (other | act_alike(one, effects))
                left = self._is_left(~(dropped | out)[of_label])
                if one.effects.max() >= _WORTH_TRAINING and left:
                    suspected |= of_label & other
                    new |= out
            if (new & ~dropped).sum() <= 0.05 * dropped.sum():
                break
            dropped |= new
            judge = self._predictor(self._train(~dropped))
        return found, suspected, dropped, judge

    def _frame(
        self, codes: np.ndarray, found: dict[int, Evidence], flagged: list[int]
    ) -> pd.DataFrame:
        nan = float("nan")
        nothing = Evidence(np.empty(0, dtype=int), np.array([nan]), np.empty(0))
        lines = []
        for code in range(len(self.classes_)):
            one = found.get(code, nothing)
            lines.append(
                {
                    "n_rows": int((codes == code).sum()),
                    "n_suspects": len(one.suspects),
                    "effect": float(one.effects.max()),
                    "disagreement": one.disagreement,
                    "p_value": one.p_value,
                    "flagged": code in flagged,
                }
            )
        return pd.DataFrame(lines, index=pd.Index(self.classes_, name="label"))
