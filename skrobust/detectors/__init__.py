"""Anomaly detectors with PyOD's interface."""

from skrobust.detectors._adapter import OutlierDetectorAdapter
from skrobust.detectors._base import RobustDetector
from skrobust.detectors._rca import RCADetector
from skrobust.detectors._realnvp import RobustRealNVPDetector

__all__ = ["OutlierDetectorAdapter", "RCADetector", "RobustDetector", "RobustRealNVPDetector"]
