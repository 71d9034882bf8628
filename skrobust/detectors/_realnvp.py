"""Robust density estimation with a normalising flow (thesis, chapter 3)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from skrobust._validation import Integral, Interval, Real, StrOptions, validate_rows
from skrobust.detectors._base import RobustDetector
from skrobust.networks import CouplingFlow, LipschitzBound
from skrobust.networks._flow import HeavyTails
from skrobust.training import count_batches

__all__ = ["RobustRealNVPDetector"]

_STEPS, _EPOCHS, _MOST_STEPS = 1000, 100, 20_000
_BASES = {"heavy-tailed": HeavyTails(2.5), "normal": None}


class RobustRealNVPDetector(RobustDetector):
    """Robust density estimation: abnormal rows are those of low density under a normalising flow.

    The flow (RealNVP) is trained by maximum likelihood. In every batch the rows of lowest density
    are dropped, and the matrices of its networks are kept from growing by a limit on their largest
    singular value, so that a group of similar anomalies cannot draw density to itself. Scores are
    negative log-densities under codes with heavy tails, which no single value decides.

    Parameters
    ----------
    contamination : float in [0, 0.5], "auto" or PyThresh object, default=0.1
        Share of anomalies in the training rows (the thesis's epsilon): sets the share that
        training drops, ``threshold_`` and ``labels_``. "auto" estimates it from the scores after
        training (:func:`estimate_contamination`), a PyThresh object sets the threshold; training
        drops ``training_rate`` then. 0 trains on all rows.
    selection : {"loss", None} or Selector, default="loss"
        Which rows of a batch are trained on: those of highest density, all, or what an object says,
        see :class:`skrobust.selection.Selector`.
    trim : bool, default=True
        False is a short form of ``selection=None``: no rows are dropped in training.
    lipschitz : float or None, default=0.75
        Limit on the largest singular value of every matrix in the networks s and t (the thesis's
        k). A network of three layers changes at most k^3 times as fast as its input. None: no
        limit. The chapter has 1.5 for rows scaled to [0, 1], and 1 for two moons.
    constraint : {"cap", "exact"}, default="cap"
        "cap" shrinks matrices beyond the limit and leaves the others; "exact" rescales every
        matrix to the limit, as the thesis's equation says.
    n_couplings : int, default=6
        Couplings of the flow.
    hidden_layer_sizes : sequence of int, default=(256, 256)
        Hidden widths of s and t in every coupling.
    mask : {"complement", "official"}, default="complement"
        "official" reproduces the published code, in which the middle one of an odd number of
        features is never transformed.
    base : {"heavy-tailed", "normal"}, default="heavy-tailed"
        Distribution of the codes by which rows are scored. "normal" is the thesis's: a code adds
        half its square to the score. "heavy-tailed" is the same up to 2.5 standard deviations and
        a power law beyond: a larger code adds its logarithm. Training uses the normal one.
    training_rate : float in [0, 0.5], default=0.1
        Share dropped in training when ``contamination`` is "auto" or a PyThresh object.
    preprocessing : {"minmax", "standard", None}, default="standard"
        Scaling, fitted on the training rows. The chapter scales to [0, 1]; a flow that begins near
        the standard normal distribution has less to learn from standardised rows.
    missing : {"error", "mean"}, default="error"
        "mean" replaces nan by the mean of the column over the training rows.
    margin : float, default=3.0
        Standard deviations of a batch's share of anomalies that training drops on top of
        ``contamination``, for the batches that hold more than average; 0 is the thesis's rule.
        Threshold and labels do not include it, so that with a large margin the threshold lies
        among rows that were not trained on, as fresh ones.
    max_epochs : int, optional
        Most training epochs. None is 5, or more where ``min_steps`` asks for them.
    min_steps : int, "auto" or None, default="auto"
        Without ``max_epochs`` epochs repeat until this many steps are done, so that the length of
        the training does not depend on how many batches an epoch happens to have. "auto" is 1,000,
        but at most 100 epochs: small tables are overfitted sooner.
    max_steps : int, "auto" or None, default="auto"
        Most training steps; the last epoch may end early. "auto" is 20,000, which matters beyond
        512,000 rows, or ``min_steps`` if that is more; no limit where ``max_epochs`` is given.
    early_stopping, validation_fraction, patience : as in PRLClassifier
        By held-out rows, those of lowest density left out; by default off, and 300 steps.
    batch_size : int, default=128
        Rows per training step.
    lr : float, default=3e-4
        Learning rate.
    optimizer : callable, default=torch.optim.Adam
        Class of a torch optimiser.
    warmup : int or float, default=0.05
        Length of the drop rate's growth: an int counts epochs, a float is a share of all epochs.
    device, n_threads, random_state, verbose, callbacks : as in RCADetector
        How ``fit`` runs.
    **net_parameters
        skorch's own parameters, such as ``optimizer__weight_decay`` or ``train_split``.

    Attributes
    ----------
    decision_scores_ : array of shape (n_samples,)
        Negative log-densities of the training rows.
    threshold_, labels_, contamination_, contamination_interval_ : as in RCADetector
        The rate, and what it makes of the scores.
    sample_scores_ : array of shape (n_samples,)
        Negative log-densities under normal codes in the last epoch, while the flow still changed.
    keep_frequency_, inlier_mask_ : as in RCADetector
        What is known of each training row.
    lipschitz_bound_ : LipschitzBound
        How fast the flow can change, see :class:`skrobust.networks.LipschitzBound`: arrays of
        shape (n_couplings,) for the networks s (``scale``) and t (``shift``), and a float
        (``map``) for the map from scaled rows to codes on the box of the training rows.
    history_, net_, device_, n_features_in_, feature_names_in_ : as in RCADetector
        What ``fit`` leaves.

    See Also
    --------
    RCADetector : Reconstruction instead of density; better where features are redundant.
    OutlierDetectorAdapter : The same detector under scikit-learn's convention (+1 and -1).

    Notes
    -----
    Parameters reach every system of the chapter. With ``base="normal",
    margin=0, mask="official", preprocessing="minmax", max_epochs=20``, RobustRealNVP is
    ``lipschitz=1.5``, TrimRealNVP ``lipschitz=None``, RealNVP ``trim=False, lipschitz=None``, and
    the constraint alone ``trim=False, lipschitz=1.5``.

    The density cannot grow without bound on ties or constant columns: s ends in tanh and has no
    learned factor, so that a coupling changes a coordinate's scale by at most e, and ``n_couplings
    / 2`` of them act on each coordinate. With 6 couplings the log-density of a scaled row exceeds
    the largest one of ``base`` by at most 3 per feature. A column that is constant in training is
    moved but not stretched by the scaling.

    With a single feature there is nothing to condition on: ``base`` is moved and scaled.

    Values beyond the fence of the scaling are limited; what is cut off adds as much to a score as
    a code of that size does, with ``base="normal"`` its square.

    Departures from the text: heavy tails in scores; matrices are capped instead of rescaled; the
    second mask is the complement of the first; the drop rate has a margin; the last, smaller batch
    of an epoch is used. Scaling, limit, length and margin were compared on real tables with planted
    anomalies (``python -m benchmarks.thesis nvp-planted``), none of which is an ODDS set:
    standardised rows are better there than rows in [0, 1] (by .017 in mean AUC), a limit of 0.5 is
    worse (by .042); limits from 0.75 to 1.5, 500 to 2,000 steps and margins from 0 to 2 are within
    .005 of what was the default then. A margin of 3 instead of 1 flags fewer fresh normal rows
    (``python -m benchmarks.field fresh``). After training, the singular vectors that the power
    iterations follow are replaced by the exact ones, so that the limit holds exactly.

    Parameters that are set after ``fit`` take effect at the next ``fit``.

    References
    ----------
    .. [1] Liu, B. Robust learning of deep neural networks under data corruption. Chapter 3,
       Algorithm 2.
    .. [2] Dinh, L., Sohl-Dickstein, J., Bengio, S. Density estimation using Real NVP. ICLR, 2017.
    .. [3] Miyato, T., Kataoka, T., Koyama, M., Yoshida, Y. Spectral normalization for generative
       adversarial networks. ICLR, 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from skrobust import RobustRealNVPDetector
    >>> rng = np.random.RandomState(0)
    >>> X = np.r_[rng.normal(size=(190, 4)), rng.normal(6, 0.1, size=(10, 4))]
    >>> detector = RobustRealNVPDetector(contamination=0.05, random_state=0).fit(X)
    >>> int(detector.labels_.sum()), int(detector.labels_[190:].sum())
    (10, 10)
    >>> detector.score_samples(X[:2]).shape
    (2,)
    """

    usual_epochs = 5
    base = _scored_by = "normal"  # in files of versions without this parameter
    _parameter_constraints: dict = {
        **RobustDetector._parameter_constraints,
        "trim": ["boolean"],
        "lipschitz": [None, Interval(Real, 0, None, closed="neither")],
        "constraint": [StrOptions({"cap", "exact"})],
        "n_couplings": [Interval(Integral, 1, None, closed="left")],
        "hidden_layer_sizes": ["array-like"],
        "mask": [StrOptions({"complement", "official"})],
        "base": [StrOptions(set(_BASES))],
        "min_steps": [*RobustDetector._parameter_constraints["min_steps"], StrOptions({"auto"})],
        "max_steps": [*RobustDetector._parameter_constraints["max_steps"], StrOptions({"auto"})],
        **RobustDetector._stopping_constraints,
    }

    def __init__(
        self,
        contamination: Any = 0.1,
        *,
        selection: Any = "loss",
        trim: bool = True,
        lipschitz: float | None = 0.75,
        constraint: str = "cap",
        n_couplings: int = 6,
        hidden_layer_sizes: Any = (256, 256),
        mask: str = "complement",
        base: str = "heavy-tailed",
        training_rate: float = 0.1,
        preprocessing: str | None = "standard",
        missing: str = "error",
        margin: float = 3.0,
        max_epochs: int | None = None,
        min_steps: int | str | None = "auto",
        max_steps: int | str | None = "auto",
        early_stopping: bool | str = False,
        validation_fraction: float = 0.1,
        patience: int = 300,
        batch_size: int = 128,
        lr: float = 3e-4,
        optimizer: Callable = torch.optim.Adam,
        warmup: float | str = 0.05,
        device: Any = None,
        n_threads: int | None = 1,
        random_state: Any = None,
        verbose: int = 0,
        callbacks: Any = None,
        **net_parameters: Any,
    ) -> None:
        self._store(locals())

    def score_samples(self, X: Any) -> np.ndarray:
        """Log-density of each row, in the units of the original features.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        array of shape (n_samples,), float64
            Minus ``decision_function(X)``. A row with imputed cells has the density of the
            completed row.
        """
        return -self.decision_function(X)

    def feature_scores(self, X: Any) -> np.ndarray:
        """What each feature adds to a row's score: which columns make a row abnormal.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to explain.

        Returns
        -------
        array of shape (n_samples, n_features), float64
            Negative log-density of a feature's coordinate of the code, minus the logarithm of the
            factor by which the flow and the scaling stretch it; a row's sum is its
            ``decision_function``. It can be negative.
        """
        check_is_fitted(self)
        X = validate_rows(self, X, reset=False, missing=self._preprocessor.missing)
        return self._score(X, per_feature=True)

    def sample(self, n_samples: int = 1, random_state: Any = None) -> np.ndarray:
        """Draw rows from the estimated density.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows, at least 1.
        random_state : int, RandomState or None, default=None
            Seeds the draw.

        Returns
        -------
        array of shape (n_samples, n_features), float64
            Rows in the units of the original features.

        Raises
        ------
        ValueError
            If ``n_samples`` is not an int of at least 1.
        """
        check_is_fitted(self)
        if not isinstance(n_samples, Integral) or n_samples < 1:
            raise ValueError(f"n_samples must be an int of at least 1, got {n_samples!r}")
        rng, size = check_random_state(random_state), (n_samples, self.n_features_in_)
        base = _BASES[self._scored_by]
        codes = rng.normal(size=size) if base is None else base.draw(rng, size)

        def generate(chunks: Tensor) -> Tensor:
            return torch.stack([self._flow().inverse(z.unsqueeze(0))[0] for z in chunks])

        rows = self._map(generate, codes, prepare=lambda z: z.astype(np.float32))
        return self._preprocessor.inverse_transform(rows)

    @property
    def lipschitz_bound_(self) -> Any:
        """How fast the flow can change (see the attributes of the class)."""
        check_is_fitted(self)
        bound = self._flow().lipschitz_bound(self._radius)
        return LipschitzBound(bound.scale[0].numpy(), bound.shift[0].numpy(), bound.map.item())

    def make_network(self, n_features: Any, **module_parameters: Any) -> Any:
        """Build the flow.

        Parameters
        ----------
        n_features : int
            Columns of the table.
        **module_parameters
            The detector's ``module__…`` parameters.

        Returns
        -------
        CouplingFlow
        """
        if n_features == 1 and (self.mask == "official" or self.n_couplings < 2):
            raise ValueError(
                f"mask={self.mask!r} with n_couplings={self.n_couplings} transforms nothing of a "
                "table with 1 feature; mask='complement' with two couplings or more fits a normal "
                "distribution to it"
            )
        settings = {
            "n_couplings": self.n_couplings,
            "hidden_layer_sizes": self.hidden_layer_sizes,
            "mask": self.mask,
            "lipschitz": self.lipschitz,
            "exact": self.constraint == "exact",
        }
        return CouplingFlow(n_features, **{**settings, **module_parameters})

    def row_scores(self, output: Any, x: Any) -> Any:
        """Return the negative log-density under normal codes, in the units before scaling.

        Parameters
        ----------
        output : Tensor of shape (n_networks, n_rows)
            Of the networks.
        x : Tensor of shape (n_networks, n_rows, n_features)
            The rows, scaled.

        Returns
        -------
        Tensor of shape (n_networks, n_rows)
        """
        return -output - float(self._preprocessor.log_scales.sum())

    def _scores(self) -> tuple[str, ...]:
        return ("loss", "loss-gradient")

    def _row_loss(self) -> Callable[[Any, Tensor], Tensor]:
        log_volume = float(self._preprocessor.log_scales.sum())
        return partial(_negative_log_density, log_volume=log_volume)

    def _least_steps(self, n_rows: int) -> int | None:
        if self.min_steps != "auto":
            return self.min_steps
        return min(_STEPS, _EPOCHS * count_batches(self._count_trained(n_rows), self.batch_size))

    def _length(self, n_rows: int) -> dict[str, Any]:
        length = super()._length(n_rows)
        if self.max_steps == "auto":
            most = max(_MOST_STEPS, length.get("min_steps") or 0)
            length["max_steps"] = most if self.max_epochs is None else None
        return length

    def _after_training(self, rows: Tensor) -> None:
        self._scored_by = self.base
        self.net_.module_.settle()
        self._radius = float(rows.double().abs().amax(dim=0).norm())

    def _flow(self) -> CouplingFlow:
        return self.net_.module_.eval()

    def _score(self, X: np.ndarray, per_feature: bool = False) -> np.ndarray:
        """Scores of rows; what the scaling cuts off is charged as a code of that size."""
        base = _BASES[self._scored_by]
        if base is None:
            return super()._score(X, per_feature)
        charges: list[np.ndarray] = []

        def prepare(part: np.ndarray) -> np.ndarray:
            squares: list[np.ndarray] = []
            rows = self._preprocessor.transform(part, charges=squares, per_feature=True)
            for square in squares:
                charge = base.distance(torch.from_numpy(square).sqrt()).numpy()
                full = np.broadcast_to(charge, (len(charge), X.shape[1]))
                charges.append(full if per_feature else charge.sum(axis=1))
            return rows

        scores = self._map(partial(self._score_chunks, per_feature=per_feature), X, prepare)
        return scores + np.concatenate(charges)

    def _score_chunks(self, chunks: Tensor, per_feature: bool = False) -> Tensor:
        score = partial(self._flow(), per_feature=per_feature, base=_BASES[self._scored_by])
        log_scales = torch.from_numpy(self._preprocessor.log_scales).float().to(chunks.device)
        parts = torch.stack([-score(x.unsqueeze(0))[0] for x in chunks])
        return parts - (log_scales if per_feature else log_scales.sum())


def _negative_log_density(output: Tensor, x: Tensor, log_volume: float) -> Tensor:
    """Of each row, in the units before scaling (x is not used)."""
    return -output - log_volume
