"""The detector to start with: robust members of different kinds, combined."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skrobust._device import contained_seeding, draw_seed, limited_threads, resolve_device
from skrobust._preprocessing import TablePreprocessor
from skrobust._validation import (
    Integral,
    Interval,
    Real,
    StrOptions,
    fit_context,
    unchanged_on_error,
    validate_rows,
)
from skrobust.detectors._base import RobustDetector
from skrobust.detectors._blank import fill_blank_scores, level_blank_scores
from skrobust.detectors._combine import Standardizer, agreement, with_share
from skrobust.detectors._forest import IsolationTrees
from skrobust.detectors._members import SubsampleNeighbors, TrimmedGaussian, TrimmedHistogram
from skrobust.detectors._pyod import PyODMixin
from skrobust.detectors._rca import RCADetector
from skrobust.detectors._realnvp import RobustRealNVPDetector

__all__ = ["RobustEnsembleDetector"]

_TYPICAL_ROWS = 2_000
_GROSS = 0.25
_MANY_ROWS, _WIDTH, _SMALL_WIDTH = 500, 256, 64  # of the flow
_FLOW_SHARE, _FLOW_ROWS = 0.5, 2_400
MEMBERS = ("flow", "rca", "gaussian", "marginal", "neighbors", "forest")


class RobustEnsembleDetector(PyODMixin):
    """Robust detectors of different kinds, combined: the one to start with.

    Anomalies differ: some have low density, some are hard to reconstruct, some have single values
    that are rare, some lie far from all others. Each member looks for one kind, is trained robustly
    on the same contaminated rows, and has its scores brought to one scale on which no row can be
    far above all others. Members whose highest rows are also other members' highest rows weigh
    more. No label is used.

    Parameters
    ----------
    contamination : float in [0, 0.5], "auto" or PyThresh object, default=0.1
        Share of anomalies in the training rows: sets what the members leave out, ``threshold_`` and
        ``labels_``. "auto" estimates it from the scores after training
        (:func:`estimate_contamination`), a PyThresh object sets the threshold; members leave out
        ``training_rate`` then. 0 leaves out nothing.
    members : sequence of str or of (str, detector), optional
        None is all six: "flow" (:class:`RobustRealNVPDetector`, its networks 64 units wide below
        500 rows), "rca" (:class:`RCADetector`), "gaussian" (a normal distribution of the rows near
        it, after an arcsinh), "marginal" (a histogram of each column, of the likely rows),
        "neighbors" (mean distance to the nearest row of each of 50 random samples of 64 rows) and
        "forest" (scikit-learn's isolation forest). A pair of a name and any detector with PyOD's
        interface adds that one; it is cloned, and gets standardised rows.
    weights : {"agreement", "equal"} or sequence of float, default="agreement"
        Weights of the members. "agreement": how many of a member's highest tenth of the training
        rows are among the highest tenth of another member, mean over the others. The flow, which
        gains most from many rows, has a share of n_samples / 2,400 at least, up to a half.
    training_rate : float in [0, 0.5], default=0.1
        Share left out in training when ``contamination`` is "auto" or a PyThresh object.
    missing : {"error", "mean"}, default="error"
        "mean" replaces nan by the mean of the column over the training rows.
    device, n_threads, random_state, verbose : as in RCADetector
        How ``fit`` runs.

    Attributes
    ----------
    decision_scores_ : array of shape (n_samples,)
        Weighted mean of the members' scores of the training rows, see ``member_scores_``.
    threshold_, labels_, contamination_, contamination_interval_ : as in RCADetector
        The rate, and what it makes of the scores.
    members_ : list of (str, detector)
        The fitted members.
    member_scores_ : array of shape (n_samples, n_members)
        Scores of the training rows by each member, on one scale: 0 for its median, 1 for about one
        standard deviation above it, and hardly more than 6 for any row.
    weights_ : array of shape (n_members,)
        Weights of the members, which sum to 1.
    sample_scores_ : array of shape (n_samples,)
        ``decision_scores_``.
    keep_frequency_ : array of shape (n_samples,)
        Share of the epochs after warm-up in which the row was kept, mean over the members that are
        trained in epochs; without such a member there is no such attribute.
    inlier_mask_ : array of shape (n_samples,), bool
        ``labels_ == 0``.
    device_, n_features_in_, feature_names_in_ : as in RCADetector
        What ``fit`` leaves.

    See Also
    --------
    RobustRealNVPDetector : The flow alone, with a density and samples.
    RCADetector : The autoencoders alone.

    Notes
    -----
    A member's score s becomes 6 tanh(z / 6), z = 1.35 (s - median) / (interquartile range) over the
    training rows, plus arcsinh(z) / 1000, which keeps the order of the farthest rows.

    Members see values of more than about twenty standard deviations limited; log(1 + c) / 4 is
    added to a row's score, c being the sum of the squared lengths that were cut off, in standard
    deviations, so that a typing error stands out whatever the members say.

    The members and their combination were compared on 30 tables, see
    ``python -m benchmarks.field detect-adbench``. More copies of the flow, on other views of the
    table, added less than members of other kinds.

    References
    ----------
    .. [1] Rayana, S., Akoglu, L. Less is more: building selective anomaly ensembles. ACM TKDD,
       2016.
    .. [2] Pang, G., Ting, K. M., Albrecht, D. LeSiNN: detecting anomalies by identifying least
       similar nearest neighbours. ICDM Workshops, 2015.
    .. [3] Rousseeuw, P. J., Van Driessen, K. A fast algorithm for the minimum covariance
       determinant estimator. Technometrics, 1999.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust import RobustEnsembleDetector
    >>> rng = np.random.RandomState(0)
    >>> X = np.r_[rng.normal(size=(190, 4)), rng.normal(6, 1, size=(10, 4))]
    >>> detector = RobustEnsembleDetector(contamination=0.05, random_state=0).fit(X)
    >>> int(detector.labels_.sum()), int(detector.labels_[190:].sum())
    (10, 10)
    >>> detector.member_scores_.shape
    (200, 6)
    """

    _parameter_constraints: dict = {
        "contamination": RobustDetector._parameter_constraints["contamination"],
        "members": [None, "array-like"],
        "weights": [StrOptions({"agreement", "equal"}), "array-like"],
        "training_rate": RobustDetector._parameter_constraints["training_rate"],
        "missing": RobustDetector._parameter_constraints["missing"],
        "device": RobustDetector._parameter_constraints["device"],
        "n_threads": [None, Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        contamination: Any = 0.1,
        *,
        members: Any = None,
        weights: Any = "agreement",
        training_rate: float = 0.1,
        missing: str = "error",
        device: Any = None,
        n_threads: int | None = 1,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.contamination = contamination
        self.members = members
        self.weights = weights
        self.training_rate = training_rate
        self.missing = missing
        self.device = device
        self.n_threads = n_threads
        self.random_state = random_state
        self.verbose = verbose

    @fit_context
    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit the members on rows that may be contaminated.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows, normal and abnormal.
        y : Ignored
            Present for the convention's sake.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter or the table is invalid; the message names it.
        FloatingPointError
            If a member's training loss or scores stop being finite.

        Notes
        -----
        Whatever interrupts ``fit`` leaves the detector as it was before.
        """
        with unchanged_on_error(self):
            X = validate_rows(self, X, reset=True, missing=self.missing)
            rate = RobustDetector._training_rate(self, len(X))
            self.device_ = str(resolve_device(self.device))
            self._preprocessor = TablePreprocessor("standard", self.missing).fit(X)
            charges: list[np.ndarray] = []
            rows = self._preprocessor.transform(X, charges)
            self.members_ = self._make_members(rate, len(X))
            raw = np.stack([self._fit_member(*member, rows) for member in self.members_], axis=1)
            self._standardizer = Standardizer().fit(raw)
            self.member_scores_ = self._standardizer.transform(raw)
            self.weights_ = self._weigh()
            self._typical = [self._typical_features(one, rows) for _, one in self.members_]
            self.decision_scores_ = self._combine(self.member_scores_, charges)
            self._blank_score = level_blank_scores(X, self.decision_scores_)
            self.sample_scores_ = self.decision_scores_
            self._remember_rows()
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
        X = self._validated(X)
        charges: list[np.ndarray] = []
        scores = self._combine(self._member_scores(X, charges), charges)
        return fill_blank_scores(X, scores, self._blank_score)

    def member_scores(self, X: Any) -> np.ndarray:
        """Scores of rows by each member, on one scale.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        array of shape (n_samples, n_members), float64
            In the order of ``members_``; ``decision_function`` is their mean with ``weights_``.
        """
        return self._member_scores(self._validated(X))

    def feature_scores(self, X: Any) -> np.ndarray:
        """How much each feature raises a row's score: which columns make a row abnormal.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to explain.

        Returns
        -------
        array of shape (n_samples, n_features), float64
            What features add to the scores of the members that can tell (neighbours and the forest
            cannot), each in the unit of the member's scale, beyond the feature's median over the
            training rows; mean with ``weights_``. The sum of a row is not its
            ``decision_function``, which is bounded.

        Raises
        ------
        ValueError
            If no member can tell.
        """
        return self._feature_scores(self._preprocessor.transform(self._validated(X)))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # Labels 0 and 1 are PyOD's contract, not scikit-learn's: see OutlierDetectorAdapter.
        tags.estimator_type = None
        tags.input_tags.allow_nan = self.missing == "mean"
        return tags

    def _validated(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        rows: np.ndarray = validate_rows(self, X, reset=False, missing=self._preprocessor.missing)
        return rows

    def _has_rate(self) -> bool:
        return isinstance(self.contamination, Real)

    def _make_members(self, rate: float, n_rows: int) -> list[tuple[str, Any]]:
        """Build the members, each with a seed of its own."""
        rng = check_random_state(self.random_state)
        own = {name: getattr(self, name) for name in ("device", "n_threads", "verbose")}
        own["contamination"] = rate
        width = _WIDTH if n_rows >= _MANY_ROWS else _SMALL_WIDTH
        builders: dict[str, Callable[[], Any]] = {
            "flow": lambda: RobustRealNVPDetector(
                hidden_layer_sizes=(width, width), random_state=draw_seed(rng), **own
            ),
            "rca": lambda: RCADetector(random_state=draw_seed(rng), **own),
            "gaussian": lambda: TrimmedGaussian(rate),
            "marginal": lambda: TrimmedHistogram(rate),
            "neighbors": lambda: SubsampleNeighbors(draw_seed(rng), n_threads=self.n_threads),
            "forest": lambda: IsolationTrees(draw_seed(rng)),
        }
        members, given = [], MEMBERS if self.members is None else self.members
        if not len(given):
            raise ValueError(f"members={given!r} is empty; it needs one at least")
        for one in given:
            if isinstance(one, str) and one in builders:
                members.append((one, builders[one]()))
            elif isinstance(one, tuple) and len(one) == 2 and hasattr(one[1], "decision_function"):
                members.append((one[0], _cloned(one[1], rng)))
            else:
                raise ValueError(
                    f"members has {one!r}; allowed are {', '.join(map(repr, builders))} and pairs "
                    "of a name and a detector with PyOD's interface"
                )
        return members

    def _fit_member(self, name: str, member: Any, rows: np.ndarray) -> np.ndarray:
        """Fit one member and return its scores of the training rows."""
        with contained_seeding(0), limited_threads(self.n_threads):
            member.fit(rows)
        scores = np.asarray(member.decision_scores_, dtype=np.float64)
        if np.isnan(scores).any():
            raise FloatingPointError(f"members: the scores of {name!r} are not numbers")
        return scores

    def _weigh(self) -> np.ndarray:
        """Weights of the members, which sum to 1."""
        n = len(self.members_)
        if isinstance(self.weights, str):
            if self.weights == "equal":
                return np.full(n, 1 / n)
            weights, names = agreement(self.member_scores_), [name for name, _ in self.members_]
            share = min(_FLOW_SHARE, len(self.member_scores_) / _FLOW_ROWS)
            return with_share(weights, names.index("flow"), share) if "flow" in names else weights
        weights = np.asarray(self.weights, dtype=np.float64)
        if weights.shape != (n,) or not (np.isfinite(weights).all() and (weights >= 0).all()):
            raise ValueError(f"weights={self.weights!r} must be {n} numbers of at least 0")
        if not weights.sum() > 0:
            raise ValueError(f"weights={self.weights!r} must not all be 0")
        return weights / weights.sum()

    def _member_scores(self, X: np.ndarray, charges: list[np.ndarray] | None = None) -> np.ndarray:
        rows = self._preprocessor.transform(X, charges)
        raw = [np.asarray(one.decision_function(rows), np.float64) for _, one in self.members_]
        return self._standardizer.transform(np.stack(raw, axis=1))

    def _combine(self, scores: np.ndarray, charges: list[np.ndarray]) -> np.ndarray:
        """Scores of the members, and what is added for values that they see limited."""
        combined: np.ndarray = scores @ self.weights_
        return combined + _GROSS * np.log1p(np.concatenate(charges))

    def _remember_rows(self) -> None:
        """Keep what is known of each training row."""
        self.sample_scores_ = self.decision_scores_
        self.__dict__.pop("keep_frequency_", None)
        kept = [one.keep_frequency_ for _, one in self.members_ if hasattr(one, "keep_frequency_")]
        if kept:
            self.keep_frequency_ = np.mean(kept, axis=0)

    @staticmethod
    def _typical_features(member: Any, rows: np.ndarray) -> np.ndarray | None:
        """What features add to a member's scores of the training rows, the median of each."""
        if not hasattr(member, "feature_scores"):
            return None
        return np.median(member.feature_scores(rows[:_TYPICAL_ROWS]), axis=0)

    def _feature_scores(self, rows: np.ndarray) -> np.ndarray:
        total, told = np.zeros(rows.shape), False
        for k, (_, member) in enumerate(self.members_):
            if hasattr(member, "feature_scores"):
                parts = member.feature_scores(rows) - self._typical[k]
                total += self.weights_[k] * parts / self._standardizer.scale_[k]
                told = True
        if not told:
            raise ValueError("members: none of them says what features add")
        return total


def _cloned(detector: Any, rng: np.random.RandomState) -> Any:
    """Return a copy of a detector, with a seed of its own where it has none."""
    copy = clone(detector)
    if "random_state" in copy.get_params() and copy.get_params()["random_state"] is None:
        copy.set_params(random_state=draw_seed(rng))
    return copy
