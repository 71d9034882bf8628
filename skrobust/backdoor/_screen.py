"""Is there poison, which label does it want, which rows carry it, what does the mark look like."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, column_or_1d

from skrobust._validation import Integral, Interval, Real
from skrobust.backdoor._classifier import BackdoorRobustClassifier
from skrobust.backdoor._transplant import (
    Effects,
    Predict,
    Rows,
    effects_of_rows,
    effects_of_suspects,
    lowest_of_each_label,
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
_CORE = 0.4  # of the rows of each label, of least effect
_LITTLE = 0.3  # effect of a row that may be in the core, and of suspects that are worth a training
_HALF = 0.5  # probability; effect of single rows
_MUCH = 0.6  # effect of the suspects of a label that is flagged
_MOST = 0.7  # share of them to which the judge gives another label
_MOST_ROUNDS = 4
_FALLBACK = 0.15


class _Found(NamedTuple):
    """What is known of one label."""

    suspects: np.ndarray
    effects: np.ndarray
    picture: np.ndarray
    disagreement: float

    @property
    def is_universal(self) -> bool:
        """Whether the mark gives this label to rows of whatever class."""
        return bool(self.effects[:2].max() >= _MUCH)


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
        What is trained, always plainly; it is cloned. Pictures ask for one with a ``module``, such
        as ``BackdoorRobustClassifier(SmallCNN, noisy_label=None, perturbation_limit=0, occlusion=0,
        memory=None)``. None is a multi-layer perceptron.
    robust : classifier with ``predict_proba``, default=None
        What withstands poison whose label depends on the row ("all-to-all"); trained only where
        such poison is found. None is Algorithm 6: ``estimator`` with the defaults of
        :class:`BackdoorRobustClassifier`, if it is one.
    alpha : float in (0, 1), default=0.01
        Largest p-value of a label that is flagged: the share of clean data sets in which one is.
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
    poison whose label depends on the class. The largest counts. A label is flagged if its effect
    is at least 0.6, its disagreement at least 0.7, and the p-value at most ``alpha``; by the
    third way two labels at least, as two classes that are alike look like that. The null
    distribution comes from the data: the largest effect over the labels of as many rows that both
    networks agree on, drawn again and again.

    Not found are poisoned rows that keep their own label, fewer than ``min_suspects`` of them, and
    marks that are no addition to a row, such as a smooth distortion. A table is changed by numbers;
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
    >>> float(mask[screen.suspects_].mean()) > 0.9  # of what is dropped, is poison
    True
    >>> screen.trigger(4).shape
    (1, 8, 8)
    """

    estimator_: Any
    _parameter_constraints: dict = {
        "estimator": "no_validation",
        "robust": "no_validation",
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
        if label not in self.flagged_labels_:
            raise ValueError(f"label must be one of {self.flagged_labels_.tolist()}, got {label!r}")
        return self._pictures[label]

    def _judge(self, X: Any, y: Any) -> None:
        if 1 / (1 + self.n_permutations) > self.alpha:
            raise ValueError(
                f"n_permutations={self.n_permutations} allows no p-value below "
                f"{1 / (1 + self.n_permutations):.2g}, but alpha is {self.alpha}: more are needed"
            )
        self._rng = check_random_state(self.random_state)
        base, robust = self._networks()
        plain = base.fit(X, y)
        given = np.asarray(X)
        self.classes_, codes = np.unique(column_or_1d(y), return_inverse=True)
        self._training = base, given, np.asarray(y)
        rows = Rows(given, codes, len(self.classes_), self._rng)
        predict = self._predictor(plain)
        believed = predict(given)
        fits = believed.argmax(axis=1) == codes
        effects = effects_of_rows(rows, predict, believed)
        core = _core(rows, effects)
        # a label that the network has learnt nothing of leaves no core, and nothing to compare with
        judge = self._train(core) if len(np.unique(codes[core])) == len(self.classes_) else plain
        found, suspected, dropped, judge = self._isolate(rows, predict, judge, fits, effects, core)
        trusted = fits & ~dropped
        flagged, p_values = self._flag(rows, predict, judge, trusted, suspected, core, found)
        universal = any(found[code].is_universal for code in flagged)
        if flagged and not universal and robust is not None:
            seen = self._predictor(robust.fit(X, y))(given)
            dropped = fits & (_of_label(seen, codes) < 0.2)
            judge = self._train(~dropped)
            found = self._look(rows, predict, judge, fits, core & ~dropped)
            trusted = fits & ~dropped
            flagged, p_values = self._flag(rows, predict, judge, trusted, dropped, core, found)
        elif flagged:
            seen = self._predictor(judge)(given)
            dropped = _seen_otherwise(seen, codes) & np.isin(codes, flagged)
            for code in flagged:
                of_label = np.flatnonzero(codes == code)
                dropped[of_label] |= _act_alike(found[code], effects)[of_label]
                without = predict(rows.changed(of_label, -found[code].picture))
                dropped[of_label] |= _seen_otherwise(without, codes[of_label])
        if not flagged:
            dropped = np.zeros(len(codes), dtype=bool)
        seen = self._predictor(judge)(given)
        self.sample_scores_ = _of_label(believed, codes) - _of_label(seen, codes)
        self.inlier_mask_ = ~dropped
        self.suspects_ = np.flatnonzero(dropped)
        self.estimator_ = self._train(~dropped) if flagged else plain
        self.flagged_labels_ = self.classes_[flagged]
        self.is_poisoned_ = bool(flagged)
        self._pictures = {
            self.classes_[code]: found[code].picture.reshape(given.shape[1:]) for code in flagged
        }
        self.label_frame_ = self._frame(codes, found, p_values, flagged)
        del self._training, self._rng

    def _networks(self) -> tuple[Any, Any]:
        """What is trained plainly, and what withstands poison, if there is such a thing."""
        if self.estimator is None:
            seed = int(self._rng.randint(np.iinfo(np.int32).max))
            base: Any = BackdoorRobustClassifier(**_PLAIN, random_state=seed)
        else:
            base = clone(self.estimator)
            if not hasattr(base, "predict_proba"):
                raise TypeError(
                    f"estimator must have predict_proba, which {type(base).__name__} does not"
                )
        if self.robust is not None:
            return base, clone(self.robust)
        ours = isinstance(base, BackdoorRobustClassifier)
        return base, clone(base).set_params(**_ALGORITHM_6) if ours else None

    def _train(self, chosen: np.ndarray) -> Any:
        base, given, labels = self._training
        return clone(base).fit(given[chosen], labels[chosen])

    def _predictor(self, model: Any) -> Predict:
        """Probabilities of all labels, 0 for those that the model does not know."""
        places = np.searchsorted(self.classes_, model.classes_)

        def predict(rows: np.ndarray) -> np.ndarray:
            found = np.zeros((len(rows), len(self.classes_)))
            found[:, places] = model.predict_proba(rows)
            return found

        return predict

    def _isolate(
        self,
        rows: Rows,
        predict: Predict,
        judge: Any,
        fits: np.ndarray,
        effects: Effects,
        core: np.ndarray,
    ) -> tuple[dict[int, _Found], np.ndarray, np.ndarray, Any]:
        """Leave suspects out, and rows that act alike, and train again until no more turn up."""
        suspected, dropped = np.zeros((2, len(fits)), dtype=bool)
        found: dict[int, _Found] = {}
        for _ in range(_MOST_ROUNDS):
            found = self._look(rows, predict, judge, fits, core)
            new = np.zeros(len(fits), dtype=bool)
            seen = self._predictor(judge)(rows.given)
            for code, one in found.items():
                if one.effects.max() < _LITTLE:
                    continue
                of_label = rows.codes == code
                suspected |= of_label & _seen_otherwise(seen, rows.codes)
                new |= of_label & (suspected | _act_alike(one, effects))
            if (new & ~dropped).sum() <= 0.05 * dropped.sum():
                break
            dropped |= new
            judge = self._train(~dropped)
        else:
            found = self._look(rows, predict, judge, fits, core)
        return found, suspected, dropped, judge

    def _look(
        self, rows: Rows, predict: Predict, judge: Any, fits: np.ndarray, core: np.ndarray
    ) -> dict[int, _Found]:
        """Collect the suspects of each label and measure what they have in common."""
        sees = self._predictor(judge)
        seen = sees(rows.given)
        other = _seen_otherwise(seen, rows.codes) & fits
        found = {}
        for code in range(rows.n_labels):
            suspects = np.flatnonzero(other & (rows.codes == code))
            if len(suspects) >= self.min_suspects and (core & (rows.codes != code)).any():
                sources = seen[suspects].argmax(axis=1)
                effects, picture = effects_of_suspects(rows, predict, sees, suspects, sources, core)
                found[code] = _Found(suspects, effects, picture, 1.0)
        return found

    def _flag(
        self,
        rows: Rows,
        predict: Predict,
        judge: Any,
        trusted: np.ndarray,
        suspected: np.ndarray,
        core: np.ndarray,
        found: dict[int, _Found],
    ) -> tuple[list[int], dict[int, float]]:
        """Decide which labels are poisoned, by a judge that no suspect was shown to."""
        sees = self._predictor(judge)
        seen = sees(rows.given)
        for code, one in list(found.items()):
            out = suspected & (rows.codes == code)
            disagreement = _seen_otherwise(seen[out], rows.codes[out]).mean() if out.any() else 0.0
            found[code] = one._replace(disagreement=float(disagreement))
        tested = [
            code
            for code, one in found.items()
            if one.effects.max() >= _MUCH and one.disagreement >= _MOST
        ]
        if not tested:
            return [], {}
        null = np.zeros(self.n_permutations)
        for i in range(self.n_permutations):
            for code in tested:
                usual = np.flatnonzero(trusted & (rows.codes == code))
                n_drawn = min(len(usual), len(found[code].suspects))
                if n_drawn >= self.min_suspects:
                    drawn = rows.rng.choice(usual, n_drawn, replace=False)
                    _, sources = rows.from_neighbors(
                        drawn, np.flatnonzero(core & (rows.codes != code))
                    )
                    effects, _ = effects_of_suspects(rows, predict, sees, drawn, sources, core, 40)
                    null[i] = max(null[i], effects.max())
        p_values = {
            code: (1 + int((null >= found[code].effects.max()).sum())) / (1 + len(null))
            for code in tested
        }
        flagged = [code for code in tested if p_values[code] <= self.alpha]
        if len(flagged) == 1 and not found[flagged[0]].is_universal:
            return [], p_values  # two classes that are alike
        return flagged, p_values

    def _frame(
        self,
        codes: np.ndarray,
        found: dict[int, _Found],
        p_values: dict[int, float],
        flagged: list[int],
    ) -> pd.DataFrame:
        nan = float("nan")
        lines = []
        for code in range(len(self.classes_)):
            one = found.get(code)
            lines.append(
                {
                    "n_rows": int((codes == code).sum()),
                    "n_suspects": 0 if one is None else len(one.suspects),
                    "effect": nan if one is None else float(one.effects.max()),
                    "disagreement": nan if one is None else one.disagreement,
                    "p_value": p_values.get(code, nan),
                    "flagged": code in flagged,
                }
            )
        return pd.DataFrame(lines, index=pd.Index(self.classes_, name="label"))


def _core(rows: Rows, effects: Effects) -> np.ndarray:
    """Mark the rows of each label of least effect, fewer where many have much."""
    both = effects.towards + effects.any_change
    both = np.where(effects.towards <= _LITTLE, both, both + 2)
    core = lowest_of_each_label(rows, both, _CORE)
    few = lowest_of_each_label(rows, both, _FALLBACK)
    return (core & (effects.towards <= _LITTLE)) | few


def _act_alike(found: _Found, effects: Effects) -> np.ndarray:
    """Mark rows that do to others what few of the suspects of a label do, whatever they show."""
    least = np.quantile(effects.towards[found.suspects], 0.75)
    return effects.towards >= max(_HALF, least)


def _of_label(probabilities: np.ndarray, codes: np.ndarray) -> np.ndarray:
    return probabilities[np.arange(len(codes)), codes]


def _seen_otherwise(probabilities: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Mark the rows that get another label than theirs."""
    return (probabilities.argmax(axis=1) != codes) & (_of_label(probabilities, codes) < _HALF)
