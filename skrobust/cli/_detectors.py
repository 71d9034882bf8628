"""The detectors that the commands know, and what they ask of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
from torch import Tensor, nn
from tqdm import tqdm

from skrobust import RCADetector, RobustRealNVPDetector
from skrobust._base import RobustEstimator
from skrobust._device import resolve_device
from skrobust._preprocessing import TablePreprocessor
from skrobust.detectors._base import RobustDetector
from skrobust.selection import squared_error
from skrobust.training._batches import count_batches

__all__ = ["DETECTORS", "RCA", "SCORED_ROWS", "DetectorKind", "plan_epochs"]

MOST_STEPS = 20_000
LEAST_STEPS = 500
LEAST_EPOCHS = 5
SCORED_ROWS = 16_384


@dataclass(frozen=True)
class DetectorKind:
    """One choice of ``--detector``.

    Attributes
    ----------
    build : callable
        Makes a detector from its parameters.
    scoring_parameters : tuple of str
        Those that scoring depends on: they go into the model file.
    feature_scores : callable
        Maps a fitted detector and rows (n, n_features) to (n, n_features) numbers that sum to the
        rows' scores.
    """

    build: Callable[..., RobustDetector]
    scoring_parameters: tuple[str, ...]
    feature_scores: Callable[[Any, np.ndarray], np.ndarray]


class _Restorable(RobustDetector):
    """A progress bar for the scoring of many rows, and a way back from stored parts."""

    def restore(
        self,
        module: nn.Module,
        passes: Tensor | None,
        preprocessor: TablePreprocessor,
        n_features: int,
    ) -> _Restorable:
        """Take what ``fit`` would have made; scoring needs no more.

        Parameters
        ----------
        module : Module
            The networks, with their weights, on the CPU.
        passes : Tensor or None
            Draws of the scoring ensemble, for detectors that have one.
        preprocessor : TablePreprocessor
            Fitted.
        n_features : int
            That the networks take.

        Returns
        -------
        detector
            Itself.
        """
        self.device_ = str(resolve_device(self.device))
        module = module.to(self.device_).eval()
        self.net_: Any = SimpleNamespace(module_=module, device=self.device_)
        self.n_features_in_ = n_features
        self._passes = passes
        self._preprocessor = preprocessor
        return self

    def _score(self, X: np.ndarray) -> np.ndarray:
        starts = range(0, len(X), SCORED_ROWS)
        quiet = len(starts) < 2
        with tqdm(total=len(X), desc="scoring", unit="row", disable=quiet) as bar:
            parts = []
            for start in starts:
                parts.append(super()._score(X[start : start + SCORED_ROWS]))
                bar.update(len(parts[-1]))
        return np.concatenate(parts)


class RCA(_Restorable, RCADetector):
    """RCADetector of the commands."""

    _row_loss = staticmethod(squared_error)  # which a restored one has not been told by fit


class RealNVP(_Restorable, RobustRealNVPDetector):
    """RobustRealNVPDetector of the commands."""


def plan_epochs(n_rows: int, detector: RobustEstimator, wanted: int | None) -> dict[str, Any]:
    """Training length: what was asked for, or the default in at most 20,000 steps.

    Parameters
    ----------
    n_rows : int
        Training rows.
    detector : RobustEstimator
        Detector or learner. Its ``max_epochs`` is the default, its ``batch_size`` makes the steps.
        Without ``min_steps`` of its own it gets at least 500.
    wanted : int or None
        Epochs asked for.

    Returns
    -------
    dict
        ``max_epochs`` and ``min_steps``, parameters of the detector.
    """
    if wanted is not None:
        return {"max_epochs": wanted, "min_steps": None}
    steps = count_batches(n_rows, detector.batch_size)
    most = max(LEAST_EPOCHS, MOST_STEPS // steps)
    least = LEAST_STEPS if detector.min_steps is None else detector.min_steps
    return {"max_epochs": min(detector.max_epochs, most), "min_steps": least}


DETECTORS = {
    "rca": DetectorKind(
        partial(RCA, preprocessing=None),  # the columns are scaled already
        ("n_networks", "hidden_layer_sizes", "latent_dim", "dropout", "n_passes"),
        RCA.feature_scores,
    ),
    "realnvp": DetectorKind(
        partial(RealNVP, preprocessing=None),
        ("n_couplings", "hidden_layer_sizes", "mask", "lipschitz", "constraint"),
        RealNVP.feature_scores,
    ),
}
