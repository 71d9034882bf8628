"""Training, looking for poison in what was learnt, and training again without it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_is_fitted, column_or_1d
from skorch.dataset import ValidSplit

from skrobust._base import RobustEstimator
from skrobust._validation import Integral, Interval, Real, warn_caller
from skrobust.backdoor._suspects import (
    Evidence,
    act_alike,
    find_suspects,
    judge_evidence,
    share_carried,
)
from skrobust.backdoor._transplant import (
    Network,
    Rows,
    as_numbers,
    core_of,
    effects_of_rows,
    given_probability,
    seen_otherwise,
)

__all__ = ["SCREEN_CONSTRAINTS", "ScreenSettings", "ScreenedMixin", "Screening", "check_settings"]

_LEFT = 0.2  # share of a label that stays, or nothing is said of it
_WORTH_TRAINING = 0.5  # effect of suspects, to leave them out and train again
_DISBELIEVED = 0.2  # probability of a label, by what withstands poison whose label depends on it
_MOST_ROUNDS = 2
# Share of the mark that a row has, to be dropped because the judge sees it otherwise or without
_TRACE, _CARRIED = 0.2, 0.4

SCREEN_CONSTRAINTS: dict[str, list] = {
    "alpha": [Interval(Real, 0, 1, closed="neither")],
    "n_permutations": [Interval(Integral, 1, None, closed="left")],
    "min_suspects": [Interval(Integral, 2, None, closed="left")],
}


@dataclass(frozen=True)
class ScreenSettings:
    """What decides whether a label is flagged, see :class:`skrobust.PoisonScreen`."""

    alpha: float = 0.01
    n_permutations: int = 99
    min_suspects: int = 8


def check_settings(settings: ScreenSettings) -> None:
    """Raise ValueError where the permutations cannot give a p-value as small as ``alpha``."""
    least = 1 / (1 + settings.n_permutations)
    if least > settings.alpha:
        raise ValueError(
            f"n_permutations={settings.n_permutations} allows no p-value below {least:.2g}, but "
            f"alpha is {settings.alpha}: more are needed"
        )


class ScreenedMixin:
    """What an estimator says that has looked for poison."""

    classes_: np.ndarray
    inlier_mask_: np.ndarray
    flagged_labels_: np.ndarray
    keep_frequency_: np.ndarray
    corruption_rate_: float
    _pictures: np.ndarray
    _of_labels: dict[str, np.ndarray]

    @property
    def label_frame_(self) -> pd.DataFrame:
        """What is known of each label."""
        self._require_findings("label_frame_")
        return pd.DataFrame(self._of_labels, index=pd.Index(self.classes_, name="label"))

    @property
    def suspects_(self) -> np.ndarray:
        """Places of the rows that are dropped."""
        self._require_findings("suspects_")
        return np.flatnonzero(~self.inlier_mask_)

    @property
    def is_poisoned_(self) -> bool:
        """Whether a label is flagged."""
        self._require_findings("is_poisoned_")
        return len(self.flagged_labels_) > 0

    def _require_findings(self, name: str) -> None:
        if not hasattr(self, "flagged_labels_"):
            needed = "noisy_label='screen'" if hasattr(self, "noisy_label") else "it"
            raise AttributeError(f"{name} is there after fit with {needed} only")

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
        AttributeError
            If ``fit`` did not screen.
        ValueError
            If the label is not flagged.
        """
        check_is_fitted(self)
        self._require_findings("trigger")
        flagged = self.flagged_labels_.tolist()
        if np.ndim(label) or label not in flagged:
            raise ValueError(f"label must be one of {flagged}, got {label!r}")
        return self._pictures[flagged.index(label)].copy()

    def _forget_findings(self) -> None:
        for name in ("flagged_labels_", "_pictures", "_of_labels"):
            self.__dict__.pop(name, None)

    def _take_findings(self, screening: Screening) -> None:
        self.classes_ = screening.classes
        self.inlier_mask_ = screening.inlier_mask
        self.sample_scores_ = screening.sample_scores
        self.flagged_labels_ = screening.classes[screening.flagged]
        self._pictures = screening.pictures
        self._of_labels = screening.of_labels

    def _take_over(self, screening: Screening) -> None:
        """Become what was trained last, and say what was left out."""
        last, fresh = vars(screening.estimator), vars(clone(screening.estimator))
        for name in self.__dict__.keys() - fresh.keys():
            if name.endswith("_"):  # of an earlier fit
                del self.__dict__[name]
        self.__dict__.update({name: last[name] for name in last.keys() - fresh.keys()})
        self._take_findings(screening)
        kept = self.inlier_mask_
        self.corruption_rate_ = float(np.mean(~kept))
        keep_frequency = np.zeros(len(kept))
        keep_frequency[kept] = self.keep_frequency_
        self.keep_frequency_ = keep_frequency
        lost = self.classes_[2 * self._of_labels["n_dropped"] > self._of_labels["n_rows"]]
        if len(lost):
            warn_caller(
                f"more than half of the rows labelled {', '.join(map(repr, lost.tolist()))} are "
                "left out as poisoned: look at them, and at label_frame_"
            )


@dataclass
class Screening:
    """The trainings, and what is found between them.

    Parameters
    ----------
    base : classifier
        What is trained, again and again; not fitted.
    robust : classifier or None
        What withstands poison whose label depends on the row; not fitted.
    X, y : array-likes
        As ``fit`` takes them.
    settings : ScreenSettings
        What decides.
    rng : RandomState
        Draws.

    Raises
    ------
    TypeError, ValueError
        If the rows are no numbers, or what ``base`` raises.
    """

    base: Any
    robust: Any
    X: Any
    y: Any
    settings: ScreenSettings
    rng: np.random.RandomState
    estimator: Any = field(init=False)  # trained on the rows that are left
    classes: np.ndarray = field(init=False)
    inlier_mask: np.ndarray = field(init=False)
    sample_scores: np.ndarray = field(init=False)
    found: dict[int, Evidence] = field(init=False)
    flagged: list[int] = field(init=False)

    def __post_init__(self) -> None:
        if not isinstance(self.X, pd.DataFrame | np.ndarray) and not issparse(self.X):
            self.X = np.asarray(self.X)
        if not isinstance(self.base, RobustEstimator):  # which says more of what it refuses
            as_numbers(self.X)
        model = clone(self.base).fit(self.X, self.y)
        self._given = as_numbers(self.X)
        self._again = _without_split(self.base)
        self.y = column_or_1d(self.y)
        self.classes, codes = np.unique(self.y, return_inverse=True)
        self._rows = Rows(self._given, codes, len(self.classes), self.rng)
        self._plain = self._network(model)
        self._fits = self._plain.seen.argmax(axis=1) == codes
        self._effects = effects_of_rows(self._rows, self._plain)
        self._core = core_of(self._rows, self._effects)
        self._judge = self._plain
        if len(np.unique(codes[self._core])) > 1:  # labels of which nothing is learnt have no core
            self._judge = self._train(self._core)
        suspected, dropped = self._isolate()
        self.flagged = self._decide(suspected, dropped)
        universal = any(self.found[code].is_universal for code in self.flagged)
        if self.flagged and not universal and self.robust is not None:
            dropped = self._doubted()
            self.flagged = self._decide(dropped, dropped)
        elif self.flagged:
            dropped = self._marked()
        dropped &= bool(self.flagged)
        own, others = self._plain.seen, self._judge.seen
        self.sample_scores = given_probability(own, codes) - given_probability(others, codes)
        self.inlier_mask = ~dropped
        self.estimator = model
        if dropped.any():
            trained = np.array_equal(self._shown, ~dropped)
            self.estimator = (self._judge if trained else self._train(~dropped)).model
        self._warn_of_labels_that_stay(codes[dropped])

    def _train(self, chosen: np.ndarray) -> Network:
        places, self._shown = np.flatnonzero(chosen), chosen.copy()
        return self._network(clone(self._again).fit(_safe_indexing(self.X, places), self.y[places]))

    def _warn_of_labels_that_stay(self, dropped: np.ndarray) -> None:
        stay = self.classes[np.setdiff1d(self.flagged, dropped).astype(int)].tolist()
        if stay:
            warn_caller(
                f"labels {stay} are flagged, but nearly all of their rows look poisoned: none was "
                "left out, and what is trained knows the mark"
            )

    def _network(self, model: Any) -> Network:
        return Network(model, self.X, self._given, self.classes)

    def _is_left(self, kept: np.ndarray) -> bool:
        """Whether so much of a label is kept that a judge still knows what it looks like."""
        return bool(kept.sum() >= max(self.settings.min_suspects, _LEFT * len(kept)))

    def _find(self, core: np.ndarray) -> dict[int, Evidence]:
        rows, least = self._rows, self.settings.min_suspects
        return find_suspects(rows, self._plain, self._judge, self._fits, self._effects, core, least)

    def _isolate(self) -> tuple[np.ndarray, np.ndarray]:
        """Leave suspects out, and rows that act alike, and train again until no more turn up."""
        codes = self._rows.codes
        suspected, dropped = np.zeros((2, len(codes)), dtype=bool)
        for i in range(_MOST_ROUNDS + 1):
            self.found = self._find(self._core)
            if i == _MOST_ROUNDS:
                break
            new = np.zeros(len(codes), dtype=bool)
            other = seen_otherwise(self._judge.seen, codes)
            for code, one in self.found.items():
                of_label = codes == code
                out = of_label & (other | act_alike(one, self._effects))
                left = self._is_left(~(dropped | out)[of_label])
                if one.effects.max() >= _WORTH_TRAINING and left:
                    suspected[one.suspects] = True
                    new |= out
            if (new & ~dropped).sum() <= 0.05 * dropped.sum():
                break
            dropped |= new
            self._judge = self._train(~dropped)
        return suspected & dropped, dropped

    def _decide(self, suspected: np.ndarray, dropped: np.ndarray) -> list[int]:
        """Labels that are flagged, by a judge that has not seen the rows in question."""
        judged = judge_evidence(
            self._rows,
            self._plain,
            self._judge,
            self._fits & ~dropped,
            suspected,
            self._core,
            self.found,
            self.settings.n_permutations,
        )
        flagged = [code for code, one in judged.items() if one.p_value <= self.settings.alpha]
        by_class = [code for code in flagged if not judged[code].is_universal]
        if len(by_class) == 1:  # two classes that are alike
            flagged.remove(by_class[0])
        return flagged

    def _doubted(self) -> np.ndarray:
        """Rows that what withstands poison does not believe, where labels depend on the row."""
        codes = self._rows.codes
        doubted = self._network(clone(self.robust).fit(self.X, self.y)).seen
        dropped = self._fits & (given_probability(doubted, codes) < _DISBELIEVED)
        for code in range(len(self.classes)):  # a label that is all doubted stays as it is
            dropped &= (codes != code) | self._is_left(~dropped[codes == code])
        self._judge = self._train(~dropped)
        self.found = self._find(self._core & ~dropped)
        return dropped

    def _marked(self) -> np.ndarray:
        """Rows of flagged labels that the judge sees otherwise, with their mark or without it."""
        rows, codes = self._rows, self._rows.codes
        dropped = np.zeros(len(codes), dtype=bool)
        for code in self.flagged:
            one, places = self.found[code], np.flatnonzero(codes == code)
            other = seen_otherwise(self._judge.seen, codes)[places]
            alike = act_alike(one, self._effects)[places]
            out = other | alike
            if one.stays:
                without = rows.changed(places, -one.picture)
                hangs = seen_otherwise(self._judge(without), codes[places])
                hangs &= self._plain(without).argmax(axis=1) != code
                others = np.flatnonzero(self._core & (codes != code))
                carried = share_carried(rows, one, places, others)
                out = (other & (carried >= _TRACE)) | ((alike | hangs) & (carried >= _CARRIED))
            dropped[places] = out & self._is_left(~out)
        return dropped

    @property
    def pictures(self) -> np.ndarray:
        """The marks of the flagged labels (n_flagged, ...), in the shape of a row."""
        found = [self.found[code].picture for code in self.flagged]
        return np.reshape(found, (len(found), *self._given.shape[1:]))

    @property
    def of_labels(self) -> dict[str, np.ndarray]:
        """What is known of each label: columns of a table."""
        nan = float("nan")
        nothing = Evidence(np.empty(0, dtype=int), np.array([nan]), np.empty(0))
        codes = range(len(self.classes))
        known = [self.found.get(code, nothing) for code in codes]
        return {
            "n_rows": np.bincount(self._rows.codes),
            "n_dropped": np.bincount(self._rows.codes[~self.inlier_mask], minlength=len(codes)),
            "n_suspects": np.array([len(one.suspects) for one in known]),
            "effect": np.array([one.effects.max() for one in known]),
            "removal": np.array([one.removal for one in known]),
            "disagreement": np.array([one.disagreement for one in known]),
            "p_value": np.array([one.p_value for one in known]),
            "flagged": np.isin(codes, self.flagged),
        }


def _without_split(base: Any) -> Any:
    """Return what trains on some of the rows: a split of one's own may be made for all."""
    again = clone(base)
    settings = getattr(again, "_net_parameters", {})
    if isinstance(settings.get("train_split"), ValidSplit):
        del settings["train_split"]
    return again
