"""Anomaly detectors with PyOD's interface."""

from skrobust.detectors._adapter import OutlierDetectorAdapter
from skrobust.detectors._base import RobustDetector
from skrobust.detectors._rca import RCADetector
from skrobust.detectors._realnvp import RobustRealNVPDetector
from skrobust.detectors._robust_ensemble import RobustEnsembleDetector

__all__ = [
    "OutlierDetectorAdapter",
    "RCADetector",
    "RobustDetector",
    "RobustEnsembleDetector",
    "RobustRealNVPDetector",
]
