"""The detector to start with: robust members of different kinds, combined."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skrobust._device import contained_seeding, limited_threads, resolve_device
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
from skrobust.detectors._combine import Standardizer, agreement, by_known, with_share
from skrobust.detectors._ensemble_members import build_members, fit_known
from skrobust.detectors._known import KnownMixin, learnable, validate_known
from skrobust.detectors._mixed import encode, fit_encoder, sum_per_column

__all__ = ["RobustEnsembleDetector"]

_TYPICAL_ROWS = 2_000
_GROSS = 0.25
_FLOW_SHARE, _FLOW_ROWS = 0.5, 2_400


class RobustEnsembleDetector(KnownMixin):
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
        gains most from many rows, has a share of n_samples / 2,400 at least, up to a half. With
        three known anomalies or more (see ``fit``), each weight is multiplied by how well the
        member ranks them above the rows that are not known: 2 AUC - 1, at least 0.02.
    training_rate : float in [0, 0.5], default=0.1
        Share left out in training when ``contamination`` is "auto" or a PyThresh object.
    missing : {"error", "mean"}, default="error"
        "mean" replaces nan by the mean of the column over the training rows.
    categorical_features : {"from_dtype"} or array-like of str, int or bool, optional
        None takes numbers only. Otherwise tables may hold text, categories, truth values and dates,
        which :class:`skrobust.tables.TableEncoder` encodes. Columns that are named here (by name,
        place or a mask), numbers too, are encoded as levels; the others, and with "from_dtype" all,
        as what their cells are.
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
    encoder_ : TableEncoder
        Only where ``categorical_features`` is not None.
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
        "categorical_features": [None, StrOptions({"from_dtype"}), "array-like"],
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
        categorical_features: Any = None,
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
        self.categorical_features = categorical_features
        self.device = device
        self.n_threads = n_threads
        self.random_state = random_state
        self.verbose = verbose

    @fit_context
    def fit(self, X: Any, y: Any = None, *, known: Any = None) -> Self:
        """Fit the members on rows that may be contaminated.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows, normal and abnormal.
        y : Ignored
            Present for the convention's sake.
        known : array-like of shape (n_samples,), optional
            What is known of a few rows: 1 for known anomalies, 0 for known normal rows, -1 for the
            rest. None: nothing is known.

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
        No member sees the known anomalies in training, members of skrobust's never leave out known
        normal rows. Labels and threshold are as in :meth:`RobustRealNVPDetector.fit`.

        Whatever interrupts ``fit`` leaves the detector as it was before.
        """
        with unchanged_on_error(self):
            X = self._learn_table(X)
            self._known = validate_known(known, len(X))
            rest = learnable(self._known)
            rate = RobustDetector._rate_of_the_rest(self, len(X))
            self.device_ = str(resolve_device(self.device))
            self._preprocessor = self._make_preprocessor().fit(X[rest])
            charges: list[np.ndarray] = []
            rows = self._preprocessor.transform(X, charges)
            self.members_ = build_members(self, rate, len(rows[rest]))
            raw = np.stack([self._fit_member(*member, rows) for member in self.members_], axis=1)
            self._standardizer = Standardizer().fit(raw[rest])
            self.member_scores_ = self._standardizer.transform(raw)
            self.weights_ = self._weigh(self.member_scores_[rest])
            self._typical = [self._typical_features(one, rows[rest]) for _, one in self.members_]
            self.decision_scores_ = self._combine(self.member_scores_, charges)
            self._blank_score = level_blank_scores(X, self.decision_scores_)
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
            One column for each of X. What features add to the scores of the members that can tell
            (neighbours and the forest cannot), each in the unit of the member's scale, beyond the
            feature's median over the training rows; mean with ``weights_``. The sum of a row is not
            its ``decision_function``, which is bounded.

        Raises
        ------
        ValueError
            If no member can tell.
        """
        scores = self._feature_scores(self._preprocessor.transform(self._validated(X)))
        return sum_per_column(self.encoder_, scores) if hasattr(self, "encoder_") else scores

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # Labels 0 and 1 are PyOD's contract, not scikit-learn's: see OutlierDetectorAdapter.
        tags.estimator_type = None
        tags.input_tags.allow_nan = self.missing == "mean"
        is_mixed = self.categorical_features is not None
        tags.input_tags.categorical = tags.input_tags.string = is_mixed
        return tags

    def _validated(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        if hasattr(self, "encoder_"):
            return encode(self, X, self._preprocessor.missing)
        rows: np.ndarray = validate_rows(self, X, reset=False, missing=self._preprocessor.missing)
        return rows

    def _learn_table(self, X: Any) -> np.ndarray:
        """Check the training rows and return them as numbers."""
        self.__dict__.pop("encoder_", None)
        if self.categorical_features is None:
            rows: np.ndarray = validate_rows(self, X, reset=True, missing=self.missing)
            return rows
        self.encoder_ = fit_encoder(self, X, self.categorical_features)
        return encode(self, X, self.missing)

    def _make_preprocessor(self) -> TablePreprocessor:
        """Scale columns; what an encoder gives is scaled already."""
        return TablePreprocessor(None if hasattr(self, "encoder_") else "standard", self.missing)

    def _training_rate(self, n_rows: int) -> float:
        return RobustDetector._training_rate(self, n_rows)

    def _has_rate(self) -> bool:
        return isinstance(self.contamination, Real)

    def _fit_member(self, name: str, member: Any, rows: np.ndarray) -> np.ndarray:
        """Fit one member and return its scores of the training rows."""
        known, rest = self._known, learnable(self._known)
        with contained_seeding(0), limited_threads(self.n_threads):
            fit_known(member, rows[rest], None if known is None else known[rest] == 0)
        scores = np.empty(len(rows))
        scores[rest] = member.decision_scores_
        if known is not None and (known == 1).any():
            scores[known == 1] = member.decision_function(rows[known == 1])
        if np.isnan(scores).any():
            raise FloatingPointError(f"members: the scores of {name!r} are not numbers")
        return scores

    def _weigh(self, scores: np.ndarray) -> np.ndarray:
        """Weights of the members, which sum to 1, by scores of the rows that they have seen."""
        n = len(self.members_)
        if isinstance(self.weights, str):
            if self.weights == "equal":
                return np.full(n, 1 / n)
            weights, names = agreement(scores), [name for name, _ in self.members_]
            if "flow" in names:
                share = min(_FLOW_SHARE, len(scores) / _FLOW_ROWS)
                weights = with_share(weights, names.index("flow"), share)
            return by_known(weights, self.member_scores_, self._known)
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
            self.keep_frequency_ = np.zeros(len(self.decision_scores_))
            self.keep_frequency_[learnable(self._known)] = np.mean(kept, axis=0)

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
