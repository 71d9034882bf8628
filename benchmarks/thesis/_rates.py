"""Other ways to estimate a rate, on what the library's own estimate rests on."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable

import numpy as np
from scipy.stats import norm
from sklearn.mixture import GaussianMixture

from benchmarks._seeding import contained_seeding
from skrobust import estimate_contamination

__all__ = ["LABEL_WAYS", "SCORE_WAYS", "TARGET_WAYS", "loss_mixture"]

_CUT = 2.5
_MOST_STEPS = 500
# Modules of pythresh.thresholds that need neither another package nor minutes.
_PYTHRESH = (
    "IQR",
    "MAD",
    "ZSCORE",
    "FILTER",
    "KARCH",
    "DSN",
    "EB",
    "GESD",
    "HIST",
    "MCST",
    "FGD",
    "FWFM",
    "YJ",
    "QMCD",
    "WIND",
    "CHAU",
    "CLF",
    "MTT",
    "AUCP",
    "BOOT",
    "DECOMP",
    "MIXMOD",
    "MOLL",
    "OCSVM",
    "REGR",
)


def loss_mixture(losses: np.ndarray) -> float:
    """Share of the upper one of two normal distributions, on losses of an early epoch (DivideMix).

    Parameters
    ----------
    losses : array of shape (n,)
        Of the rows.
    """
    scaled = (losses - losses.min()) / (np.ptp(losses) or 1.0)
    mixture = GaussianMixture(2, reg_covar=5e-4, tol=1e-2, max_iter=50, random_state=0)
    found = mixture.fit_predict(scaled[:, None])
    return float(np.mean(found == mixture.means_.argmax()))


def _confident_joint(probabilities: np.ndarray, codes: np.ndarray) -> float:
    """Share off the diagonal of cleanlab's estimate of the joint distribution."""
    from cleanlab.count import compute_confident_joint

    joint = compute_confident_joint(codes, probabilities)
    return float(1.0 - np.trace(joint) / joint.sum())


def _disagreement(probabilities: np.ndarray, codes: np.ndarray) -> float:
    return float(np.mean(probabilities.argmax(axis=1) != codes))


def _cut_off(targets: np.ndarray, predictions: np.ndarray) -> float:
    """Share beyond 2.5 standard deviations, as the smaller half of the residuals estimates them."""
    sizes = np.sort(np.abs(targets - predictions).ravel())
    half = sizes[: len(sizes) // 2]
    quartile = norm.ppf(0.75)
    shrunk = 1.0 - 4.0 * quartile * norm.pdf(quartile)  # variance of the half, of a normal
    limit = _CUT * np.sqrt(np.mean(half**2) / shrunk)
    expected = 2.0 * norm.sf(_CUT)
    return float(max(np.mean(sizes > limit) - expected, 0.0) / (1.0 - expected))


def _size_mixture(targets: np.ndarray, predictions: np.ndarray) -> float:
    """Share of the upper one of two normal distributions, on logarithms of absolute residuals."""
    sizes = np.log(np.abs(targets - predictions).ravel() + 1e-6)[:, None]
    mixture = GaussianMixture(2, random_state=0)
    found = mixture.fit_predict(sizes)
    return float(np.mean(found == mixture.means_.argmax()))


def _box_plot(targets: np.ndarray, predictions: np.ndarray) -> float:
    """Share beyond one and a half interquartile ranges from the quartiles (Tukey)."""
    residuals = (targets - predictions).ravel()
    low, high = np.quantile(residuals, [0.25, 0.75])
    reach = 1.5 * (high - low)
    return float(np.mean((residuals < low - reach) | (residuals > high + reach)))


def _uniform_tail(scores: np.ndarray) -> float:
    """Share of a uniform distribution above a normal core, by expectation maximisation."""
    middle = np.median(scores)
    x = (scores - middle) / (1.4826 * np.median(np.abs(scores - middle)) or 1.0)
    top = max(x.max(), 6.0)
    share, mean, spread = 0.1, 0.0, 1.0
    for _ in range(_MOST_STEPS):
        core = (1.0 - share) * norm.pdf(x, mean, spread)
        weight = core / (core + share * (x > mean) / max(top - mean, 1e-9) + 1e-300)
        before, share = share, 1.0 - weight.mean()
        mean = np.average(x, weights=weight)
        spread = max(np.sqrt(np.average((x - mean) ** 2, weights=weight)), 1e-6)
        if abs(share - before) < 1e-6:
            break
    return float(share)


def _mean_of_four(scores: np.ndarray) -> float:
    """The library's three ways and the uniform tail."""
    return 0.75 * estimate_contamination(scores).rate + 0.25 * _uniform_tail(scores)


def _thresholder(name: str) -> Callable[[np.ndarray], float]:
    def share(scores: np.ndarray) -> float:
        module = importlib.import_module(f"pythresh.thresholds.{name.lower()}")
        with warnings.catch_warnings(), contained_seeding(0):
            warnings.simplefilter("ignore")
            return float(np.mean(getattr(module, name)().eval(scores)))

    return share


# By name: functions of predictions for unseen rows and given labels or targets, or of scores.
LABEL_WAYS = {"cleanlab": _confident_joint, "disagreement": _disagreement}
TARGET_WAYS = {"cut-off": _cut_off, "size mixture": _size_mixture, "box plot": _box_plot}
SCORE_WAYS = {
    "constant 0.1": lambda scores: 0.1,
    "uniform tail": _uniform_tail,
    "mean of four": _mean_of_four,
    **{f"PyThresh {name}": _thresholder(name) for name in _PYTHRESH},
}
